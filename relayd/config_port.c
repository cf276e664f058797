/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ports that relayd itself has, which no stream can. */
#include "relayd/config.h"

size_t config_ports(const struct config *config, uint16_t out[static CONFIG_PORTS])
{
	size_t count = 0;

	out[count++] = config->punch;
	if (config->alternate)
		out[count++] = config->alternate;
	for (uint16_t i = 0; config->rfc3489 && i < 2; i++)
		out[count++] = (uint16_t)(config->rfc3489 + i);
	for (unsigned int port = config->share_low; port && port <= config->share_high; port++)
		out[count++] = (uint16_t)port;
	return count;
}

bool config_is_share(const struct config *config, uint16_t port)
{
	return config->share_low && port >= config->share_low && port <= config->share_high;
}

const char *config_port_option(const struct config *config, uint16_t port)
{
	if (port == config->punch)
		return "punch";
	if (config->alternate && port == config->alternate)
		return "alternate";
	if (config->rfc3489 && (port == config->rfc3489 || port == config->rfc3489 + 1))
		return "rfc3489";
	return config_is_share(config, port) ? "share" : NULL;
}

const char *config_port_text(const struct config *config, uint16_t port)
{
	if (port == config->punch)
		return "the punch port";
	if (config->alternate && port == config->alternate)
		return "the alternate port";
	if (config->rfc3489 && (port == config->rfc3489 || port == config->rfc3489 + 1))
		return "a port of rfc3489";
	return "a port of share";
}
