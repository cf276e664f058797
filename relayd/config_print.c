/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/config.h"

#include <inttypes.h>

/* "auto" with what it means on this host as a comment. */
static void print_addresses(const struct config *config, FILE *out)
{
	const char *quote = config->automatic ? "" : "\"";
	char text[ADDR_TEXT];

	fprintf(out, config->automatic ? "address = { \"auto\" } # " : "address = { ");
	for (size_t i = 0; i < config->address_count; i++)
		fprintf(out, "%s%s%s%s", i ? ", " : "", quote,
			addr_format(&config->addresses[i], text), quote);
	fprintf(out, config->automatic ? "\n" : " }\n");
}

static void print_advertise(const struct config *config, FILE *out)
{
	char local[ADDR_TEXT], public[ADDR_TEXT];

	fprintf(out, "advertise = {");
	for (size_t i = 0; i < config->advertise_count; i++)
		fprintf(out, "%s\"%s=%s\"", i ? ", " : " ",
			addr_format(&config->advertise[i].local, local),
			addr_format(&config->advertise[i].public, public));
	fprintf(out, config->advertise_count ? " }\n" : "}\n");
}

static void print_discover(const struct config *config, FILE *out)
{
	const char *comma = "";
	char text[ENDPOINT_TEXT];

	fprintf(out, "discover = {");
	if (config->discover_cloud) {
		fprintf(out, " \"cloud\"");
		comma = ",";
	}
	for (size_t i = 0; i < CONFIG_FAMILIES; i++) {
		if (!config->discover[i].addr.family)
			continue;
		fprintf(out, "%s \"%s\"", comma, endpoint_format(&config->discover[i], text));
		comma = ",";
	}
	fprintf(out, *comma ? " }\n" : "}\n");
}

static void print_stream(const struct spec *spec, FILE *out)
{
	char listen[LISTEN_TEXT], source[PREFIX_TEXT], clients[PREFIX_TEXT];
	char quota[SPEC_QUOTA];

	fprintf(out, "\nstream \"%s\" {\n", spec->name);
	if (spec->listen.count)
		fprintf(out, "\tlisten = \"%s\"\n",
			listen_format(&spec->at, &spec->listen, listen));
	fprintf(out, "\tsource = \"%s\"\n", spec_source_format(spec, source));
	fprintf(out, "\tkey = \"(set)\"\n");
	fprintf(out, "\tclients = \"%s\"\n",
		spec->clients.bits ? prefix_format(&spec->clients, clients) : "any");
	fprintf(out, "\trate = %" PRIu64 "\n", spec->rate);
	if (spec->quota)
		fprintf(out, "\tquota = \"%s\"\n", spec_quota_format(spec, quota));
	if (spec->raw_punch && spec->listen.count > 1)
		fprintf(out, "\traw-punch = %u # to %u\n", spec->raw_punch,
			spec->raw_punch + spec->listen.count - 1U);
	else if (spec->raw_punch)
		fprintf(out, "\traw-punch = %u\n", spec->raw_punch);
	if (spec->peers)
		fprintf(out, "\tpeers = %u\n", spec->peers);
	fprintf(out, "}\n");
}

void config_print(const struct config *config, FILE *out)
{
	char partner[ENDPOINT_TEXT];

	print_addresses(config, out);
	print_advertise(config, out);
	print_discover(config, out);
	fprintf(out, "punch = %u\n", config->punch);
	fprintf(out, "alternate = %u\n", config->alternate);
	if (config->rfc3489)
		fprintf(out, "rfc3489 = %u # and %u\n", config->rfc3489, config->rfc3489 + 1U);
	else
		fprintf(out, "rfc3489 = 0\n");
	if (config->share_low)
		fprintf(out, "share = \"%u-%u\"\n", config->share_low, config->share_high);
	if (config->partner.addr.family)
		fprintf(out, "partner = \"%s\"\npartner-key = \"(set)\"\n",
			endpoint_format(&config->partner, partner));
	fprintf(out, "realm = \"%s\"\n", config->realm);
	fprintf(out, "consent = %" PRIu32 "\n", config->consent);
	fprintf(out, "max-clients = %" PRIu32 "\n", config->max_clients);
	fprintf(out, "max-rate = %" PRIu64 "\n", config->max_rate);
	fprintf(out, "database = \"%s\"\n", config->database);
	fprintf(out, "socket = \"%s\"\n", config->socket);
	fprintf(out, "user = \"%s\"\n", config->user);
	for (size_t i = 0; i < config->stream_count; i++)
		print_stream(&config->streams[i], out);
}
