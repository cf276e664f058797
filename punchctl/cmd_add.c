/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/addr.h"
#include "common/log.h"
#include "common/mac.h"
#include "punchctl/args.h"
#include "punchctl/batch.h"
#include "punchctl/daemon.h"
#include "punchctl/out.h"
#include "punchctl/sdp.h"
#include "punchctl/target.h"

enum {
	OPT_LISTEN = 256,
	OPT_SOURCE,
	OPT_CLIENTS,
	OPT_RATE,
	OPT_QUOTA,
	OPT_RAW,
	OPT_PEERS,
	OPT_EXPIRE,
	OPT_SDP,
	OPT_KEY_FILE
};

static const struct option options[] = {
	{"listen", required_argument, NULL, OPT_LISTEN},
	{"source", required_argument, NULL, OPT_SOURCE},
	{"client-prefix", required_argument, NULL, OPT_CLIENTS},
	{"rate", required_argument, NULL, OPT_RATE},
	{"quota", required_argument, NULL, OPT_QUOTA},
	{"raw-punch", required_argument, NULL, OPT_RAW},
	{"peers", required_argument, NULL, OPT_PEERS},
	{"expire", required_argument, NULL, OPT_EXPIRE},
	{"sdp", required_argument, NULL, OPT_SDP},
	{"key-file", required_argument, NULL, OPT_KEY_FILE},
	{0},
};

/* The ports that the sender's own session description names. */
static int ports_of_sdp(const char *path, char out[static PORTS_TEXT])
{
	char text[SDP_SIZE_MAX + 1], why[SDP_WHY];
	FILE *file = fopen(path, "re");
	struct ports ports;
	struct sdp sdp;
	size_t len;

	if (!file) {
		log_error("--sdp %s: %s", path, strerror(errno));
		return CMD_FAILED;
	}
	len = fread(text, 1, sizeof text, file);
	if (ferror(file)) {
		log_error("--sdp %s: %s", path, strerror(errno));
		fclose(file);
		return CMD_FAILED;
	}
	fclose(file);
	if (sdp_parse(text, len, &sdp, why)) {
		log_error("--sdp %s: %s", path, why);
		return CMD_FAILED;
	}
	sdp_ports(&sdp, &ports);
	ports_format(&ports, out);
	return CMD_DONE;
}

static int set_text(json_t *request, const char *field, const char *value)
{
	if (json_object_set_new(request, field, json_string(value)))
		return args_usage(&cmd_add, "\"%s\" is not UTF-8", value);
	return CMD_DONE;
}

static int set_ports(json_t *request, const char *ports)
{
	if (json_object_get(request, "listen"))
		return args_usage(&cmd_add, "one of --listen and --sdp is enough");
	return set_text(request, "listen", ports);
}

static int set_sdp(json_t *request, const char *path)
{
	char ports[PORTS_TEXT];
	int status = ports_of_sdp(path, ports);

	return status ? status : set_ports(request, ports);
}

static int set_key(json_t *request, const char *path)
{
	char key[TARGET_KEY], why[TARGET_WHY];
	int status;

	if (target_read_key(path, key, why)) {
		log_error("--key-file: %s", why);
		return CMD_FAILED;
	}
	status = set_text(request, "key", key);
	mac_wipe(key, sizeof key);
	return status;
}

/* The number of one port, or -1. */
static long long port_number(const char *text)
{
	struct ports ports;

	return ports_parse(text, &ports) || ports.count != 1 ? -1 : ports.port[0];
}

/* The limit is the daemon's. */
static long long pairs(const char *text)
{
	char *end;
	long value = strtol(text, &end, 10);

	return *text >= '0' && *text <= '9' && !*end && value <= INT32_MAX ? value : -1;
}

static int set_number(
	json_t *request, const char *field, long long value, const char *text, const char *want)
{
	if (value >= 0)
		return json_object_set_new(request, field, json_integer(value)) ? CMD_FAILED
										: CMD_DONE;
	return args_usage(&cmd_add, "\"%s\" is not %s", text, want);
}

static int set_option(json_t *request, int option, const char *value)
{
	switch (option) {
	case OPT_LISTEN:
		return set_ports(request, value);
	case OPT_SOURCE:
		return set_text(request, "source", value);
	case OPT_CLIENTS:
		return set_text(request, "clients", value);
	case OPT_RATE:
		return set_number(request, "rate", args_bytes(value), value,
			"bytes a second, like 128k or 1M");
	case OPT_QUOTA:
		return set_text(request, "quota", value);
	case OPT_RAW:
		return set_number(request, "raw_punch", port_number(value), value, "a port");
	case OPT_PEERS:
		return set_number(
			request, "peers", pairs(value), value, "a number of pairs, like 8");
	case OPT_EXPIRE:
		return set_number(request, "expire", args_duration(value), value,
			"a time, like 90s, 30m, 2h or 7d");
	case OPT_SDP:
		return set_sdp(request, value);
	case OPT_KEY_FILE:
		return set_key(request, value);
	}
	return CMD_USAGE;
}

/* What getopt_long() did not like: word is the one it read last. */
static int bad_option(int option, const char *word)
{
	if (option == ':')
		return args_usage(&cmd_add, "%s lacks its value", word);
	if (optopt)
		return args_usage(&cmd_add, "add has no option \"-%c\"", optopt);
	return args_usage(&cmd_add, "add has no option \"%s\"", word);
}

static int parse(int argc, char **argv, json_t *request)
{
	int option, status = CMD_DONE;

	optind = 0;
	opterr = 0;
	while (!status && (option = getopt_long(argc, argv, ":", options, NULL)) != -1)
		status = option == '?' || option == ':' ? bad_option(option, argv[optind - 1])
							: set_option(request, option, optarg);
	if (status)
		return status;
	if (optind >= argc)
		return args_usage(&cmd_add, "the stream's name is missing");
	if (optind + 1 < argc)
		return args_usage(&cmd_add, "\"%s\" is a word too many", argv[optind + 1]);
	if (!json_object_get(request, "listen") && !json_object_get(request, "peers"))
		return args_usage(
			&cmd_add, "--listen PORTS, --sdp FILE or --peers NUMBER is missing");
	return set_text(request, "name", argv[optind]);
}

/* The relay as a client names it: without the port when that is the usual one. */
static void print_relay(const char *name, const char *relay)
{
	struct endpoint endpoint;
	char text[ADDR_TEXT];

	if (endpoint_parse(relay, 0, &endpoint) || endpoint.port != 3478) {
		out_print("%s@%s", name, relay);
		return;
	}
	addr_format(&endpoint.addr, text);
	out_print(endpoint.addr.family == AF_INET6 ? "%s@[%s]" : "%s@%s", name, text);
}

/* What to run against each of the relay's addresses. */
static void print_command(const json_t *reply, const char *command, const char *rest)
{
	const char *name = out_member(json_object_get(reply, "stream"), "name");
	const json_t *relay;
	size_t i;

	json_array_foreach(json_object_get(reply, "relays"), i, relay) {
		if (!json_is_string(relay))
			continue;
		out_print("%s  punchctl %s ", i ? "or\n" : "", command);
		print_relay(name, json_string_value(relay));
		out_print(" --key-file %s.key %s\n", name, rest);
	}
}

static void print_key(const json_t *reply, const char *where)
{
	out_print("%s:\n  (umask 077; echo '%s' > %s.key)\n", where, out_member(reply, "key"),
		out_member(json_object_get(reply, "stream"), "name"));
}

static void print_ports(const json_t *reply, const char *listen)
{
	char rest[PORTS_TEXT + 8], list[PORTS_TEXT] = "-";
	struct addr at = {0};
	struct ports ports;
	const json_t *relay;
	size_t i;

	if (!listen_parse(listen, &at, &ports))
		ports_format(&ports, list);
	print_key(reply, "On the client");
	snprintf(rest, sizeof rest, "--port %s", list);
	print_command(reply, "punch", rest);
	out_print("The sender sends to port %s of\n", list);
	if (at.family) {
		out_print("  %s\n", addr_format(&at, rest));
		return;
	}
	json_array_foreach(json_object_get(reply, "relays"), i, relay) {
		struct endpoint endpoint;
		char text[ADDR_TEXT];

		if (json_is_string(relay) &&
			!endpoint_parse(json_string_value(relay), 0, &endpoint))
			out_print("  %s\n", addr_format(&endpoint.addr, text));
	}
}

static void print_added(const json_t *reply)
{
	const json_t *stream = json_object_get(reply, "stream");
	const char *listen = json_string_value(json_object_get(stream, "listen"));

	if (listen && *listen)
		print_ports(reply, listen);
	if (!out_number(stream, "peers"))
		return;
	print_key(reply, "Where the service is, at its PORT");
	print_command(reply, "serve", "--to 127.0.0.1:PORT");
	print_key(reply, "Where it is wanted, at a PORT of your choice");
	print_command(reply, "connect", "--listen 127.0.0.1:PORT");
}

static int parse_line(int count, char **words, json_t **item)
{
	*item = json_object();
	return parse(count, words, *item);
}

/* Fields for scripts to take apart: what a client needs. */
static void print_line(const json_t *stream)
{
	out_print("%s %s %s\n", out_member(stream, "name"), out_member(stream, "listen"),
		out_member(stream, "key"));
}

static int run(const struct cmd_context *context, int argc, char **argv)
{
	struct batch batch = {.what = "add-many",
		.undo = "remove-many",
		.parse = parse_line,
		.print = print_line};
	json_t *request, *reply;
	int status;

	if (batch_wanted(&cmd_add, argc, argv, &batch, &status))
		return status ? status : batch_run(context, &cmd_add, &batch);
	request = args_request("add", NULL);
	status = parse(argc, argv, request);
	if (status) {
		json_decref(request);
		return status;
	}
	status = daemon_ask(context, request, &reply);
	if (status)
		return status;
	if (context->json)
		out_json(reply);
	else
		print_added(reply);
	json_decref(reply);
	return CMD_DONE;
}

const struct cmd cmd_add = {"add",
	"NAME {--listen PORTS | --sdp FILE | --peers NUMBER} [--source WHO] [--client-prefix P] "
	"[--rate N] [--quota QUOTA] "
	"[--raw-punch PORT] [--expire TIME] [--key-file FILE], or --batch FILE [--keep-going]",
	"a stream comes; prints what to run on the client", run,
	"  --listen PORTS     the relay's ports that the sender sends to: 9099-9102\n"
	"  --sdp FILE         those of the sender's session description\n"
	"  --peers NUMBER     so many pairs of peers may use it at once\n"
	"  --source WHO       who may send: ADDRESS, PREFIX, first (the default) or any\n"
	"  --client-prefix P  from where clients may punch\n"
	"  --rate N           at most so many bytes a second to a client: 500k, 2M\n"
	"  --quota QUOTA      so much for all of them: 2G/day, 50G/month, 1T\n"
	"  --raw-punch PORT   any datagram to this port is a punch, see relayd.conf(5)\n"
	"  --expire TIME      then it goes by itself: 30m, 2h, 7d\n"
	"  --key-file FILE    its first line is the key; without it one is made\n"
	"  --batch FILE       a stream for each line; - is standard input\n"
	"  --keep-going       skip lines that are wrong\n"};
