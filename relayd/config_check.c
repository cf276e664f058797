/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/config_check.h"

#include <string.h>

static int root_line(const struct config_reader *reader, const char *name)
{
	return config_reader_line(config_reader_options, reader->seen, name, 1);
}

static bool is_set(const struct config_reader *reader, const char *name)
{
	return config_reader_line(config_reader_options, reader->seen, name, 0) != 0;
}

/* A default that nobody asked for takes no port from what somebody did ask for. */
static void settle_alternate(struct config_reader *reader)
{
	struct config *config = reader->config;
	uint16_t port = config->alternate;
	bool old = (config->rfc3489 && (port == config->rfc3489 || port == config->rfc3489 + 1)) ||
		   config_is_share(config, port);

	if (!is_set(reader, "alternate") && (port == config->punch || old || reader->owner[port]))
		config->alternate = 0;
}

static int check_ports(struct config_reader *reader)
{
	const struct config *config = reader->config;
	uint16_t port[CONFIG_PORTS];
	size_t count = config_ports(config, port);

	if (config->alternate == config->punch)
		return config_reader_error(reader, root_line(reader, "alternate"),
			"alternate: %u is the punch port; choose another, or 0", config->punch);
	/* Those of rfc3489 and then those of share come last. */
	for (size_t i = 1; i < count; i++) {
		for (size_t j = 0; j < i; j++) {
			const char *option;

			if (port[i] != port[j])
				continue;
			option = config_is_share(config, port[i]) ? "share" : "rfc3489";
			return config_reader_error(reader, root_line(reader, option),
				"%s: port %u is %s; choose another%s", option, port[i],
				config_port_text(config, port[i]), *option == 's' ? "" : ", or 0");
		}
	}
	for (size_t i = 0; i < count; i++) {
		unsigned int owner = reader->owner[port[i]];

		if (owner)
			return config_reader_error(reader,
				config_text_line(&reader->text, owner - 1),
				"stream \"%s\": port %u is %s; choose another",
				config->streams[owner - 1].name, port[i],
				config_port_text(config, port[i]));
	}
	return 0;
}

static int check_advertise(struct config_reader *reader)
{
	const struct config *config = reader->config;
	char text[ADDR_TEXT];

	for (size_t i = 0; i < config->advertise_count; i++) {
		if (!config_is_local(config, &config->advertise[i].local))
			return config_reader_error(reader, reader->advertise_line[i],
				"advertise: %s is none of the addresses; write one of them in "
				"front "
				"of the =",
				addr_format(&config->advertise[i].local, text));
	}
	return 0;
}

/* Only now it is known which addresses there are; two may have been one in different words. */
static int check_places(struct config_reader *reader)
{
	struct config *config = reader->config;
	char why[SPEC_WHY];

	for (size_t i = 0; i < config->stream_count; i++) {
		struct spec *spec = &config->streams[i];
		struct addr written = spec->at;

		if (config_place(config, spec, why))
			return config_reader_error(reader, config_text_line(&reader->text, i),
				"stream \"%s\": listen: %s", spec->name, why);
		for (size_t j = 0; !addr_equal(&written, &spec->at) && j < config->stream_count;
			j++) {
			const struct spec *other = &config->streams[j];
			uint16_t port = j == i ? 0 : spec_overlap(spec, other);

			if (port)
				return config_reader_error(reader,
					config_text_line(&reader->text, i),
					"stream \"%s\": port %u belongs to stream \"%s\" too; "
					"choose another",
					spec->name, port, other->name);
		}
	}
	return 0;
}

static bool has_family(const struct config *config, uint8_t family)
{
	for (size_t i = 0; i < config->address_count; i++) {
		if (config->addresses[i].family == family)
			return true;
	}
	return false;
}

static int check_partner(struct config_reader *reader)
{
	const struct config *config = reader->config;
	bool partner = is_set(reader, "partner"), file = is_set(reader, "partner-key-file");
	const char *key = file ? "partner-key-file" : "partner-key";
	int line = root_line(reader, partner ? "partner" : key);

	if (file && is_set(reader, "partner-key"))
		return config_reader_error(reader, root_line(reader, key),
			"partner-key-file and partner-key; one of them is enough");
	if (partner != is_set(reader, key))
		return config_reader_error(reader, line, "%s stands alone; write %s as well",
			partner ? "partner" : key, partner ? key : "partner");
	if (!partner)
		return 0;
	if (config_is_own(config, &config->partner.addr))
		return config_reader_error(reader, line,
			"partner: this is an address of this host; write another relay's");
	if (!has_family(config, config->partner.addr.family))
		return config_reader_error(reader, line,
			"partner: none of the addresses is of its family; write an address of "
			"the other, or add one to address");
	if (!config->alternate)
		return config_reader_error(reader, line,
			"partner: there is no alternate port, without which it is of no use; "
			"set alternate");
	return 0;
}

static int check_discover(struct config_reader *reader)
{
	const struct config *config = reader->config;
	int line = root_line(reader, "discover");

	for (size_t i = 0; i < CONFIG_FAMILIES; i++) {
		const struct addr *server = &config->discover[i].addr;

		if (!server->family)
			continue;
		if (config_is_own(config, server))
			return config_reader_error(reader, line,
				"discover: this is an address of this host; write a STUN server "
				"elsewhere");
		if (!has_family(config, server->family))
			return config_reader_error(reader, line,
				"discover: none of the addresses is of the server's family; write "
				"one of the other, or add one to address");
	}
	return 0;
}

int config_check(struct config_reader *reader)
{
	const struct config *config = reader->config;
	int ret;

	settle_alternate(reader);
	ret = check_ports(reader);
	if (ret == 0)
		ret = check_advertise(reader);
	if (ret == 0)
		ret = check_places(reader);
	if (ret == 0)
		ret = check_partner(reader);
	if (ret == 0)
		ret = check_discover(reader);
	if (ret == 0 && strcmp(config->database, config->socket) == 0)
		return config_reader_error(reader, root_line(reader, "socket"),
			"socket: this is the database's path; choose another");
	return ret;
}
