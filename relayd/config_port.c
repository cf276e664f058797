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
	return count;
}

const char *config_port_option(const struct config *config, uint16_t port)
{
	if (port == config->punch)
		return "punch";
	if (config->alternate && port == config->alternate)
		return "alternate";
	if (config->rfc3489 && (port == config->rfc3489 || port == config->rfc3489 + 1))
		return "rfc3489";
	return NULL;
}

const char *config_port_text(const struct config *config, uint16_t port)
{
	if (port == config->punch)
		return "the punch port";
	return port == config->alternate ? "the alternate port" : "a port of rfc3489";
}
