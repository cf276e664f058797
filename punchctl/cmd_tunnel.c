/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/cmd_tunnel.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/mac.h"
#include "punchctl/args.h"
#include "punchctl/conf.h"
#include "punchctl/lookup.h"
#include "punchctl/target.h"
#include "punchctl/tunnel.h"

struct request {
	const struct cmd *cmd;
	char key[TARGET_KEY];
	struct tunnel_config config;
	struct conf conf;
	unsigned int said; /* options of the line, by SAID() */
};

enum {
	OPTION_KEY_FILE,
	OPTION_TO,
	OPTION_LISTEN,
	OPTION_SESSIONS,
	OPTION_IDLE,
	OPTION_SHARE,
	OPTION_RELAY_ONLY,
	OPTION_NO_GATEWAY,
	OPTION_PLAIN,
	OPTION_JSON,
	OPTION_COUNT
};
#define SAID(option) (1u << (option))

static const struct option serve_options[] = {
	{"key-file", required_argument, NULL, OPTION_KEY_FILE},
	{"to", required_argument, NULL, OPTION_TO},
	{"sessions", required_argument, NULL, OPTION_SESSIONS},
	{"idle", required_argument, NULL, OPTION_IDLE},
	{"share-port", no_argument, NULL, OPTION_SHARE},
	{"relay-only", no_argument, NULL, OPTION_RELAY_ONLY},
	{"no-gateway", no_argument, NULL, OPTION_NO_GATEWAY},
	{"plain", no_argument, NULL, OPTION_PLAIN},
	{"json", no_argument, NULL, OPTION_JSON},
	{0},
};

static const struct option connect_options[] = {
	{"key-file", required_argument, NULL, OPTION_KEY_FILE},
	{"listen", required_argument, NULL, OPTION_LISTEN},
	{"sessions", required_argument, NULL, OPTION_SESSIONS},
	{"idle", required_argument, NULL, OPTION_IDLE},
	{"relay-only", no_argument, NULL, OPTION_RELAY_ONLY},
	{"no-gateway", no_argument, NULL, OPTION_NO_GATEWAY},
	{"plain", no_argument, NULL, OPTION_PLAIN},
	{"json", no_argument, NULL, OPTION_JSON},
	{0},
};

static int usage_error(const struct request *request, const char *text, const char *subject)
{
	if (request->conf.path)
		log_error("%s%s", text, subject);
	else
		args_usage(request->cmd, "%s%s", text, subject);
	return -EINVAL;
}

/* The program's words stand behind "--", so that its options are not taken for ours. */
static int player_split(struct request *request, int *argc, char **argv)
{
	for (int i = 1; i < *argc; i++) {
		if (strcmp(argv[i], "--") != 0)
			continue;
		if (request->config.role == PEER_SERVICE)
			return usage_error(request, "serve starts no program", "");
		if (i + 1 < *argc)
			request->config.player = argv + i + 1;
		*argc = i;
	}
	return 0;
}

/* A port alone is one of 127.0.0.1. */
static int local_take(struct request *request)
{
	struct endpoint *local = &request->config.local;
	struct ports ports;

	if (ports_parse(optarg, &ports) == 0 && ports.count == 1)
		*local = (struct endpoint){{AF_INET, {127, 0, 0, 1}}, ports.port[0]};
	else if (endpoint_parse(optarg, 0, local) < 0)
		return usage_error(request, "write 127.0.0.1:8000 or [::1]:8000 and not ", optarg);
	return 0;
}

static int number_take(struct request *request, int option)
{
	char *end;
	long number = strtol(optarg, &end, 10);
	long long idle = args_duration(optarg);

	if (option == OPTION_IDLE) {
		if (idle <= 0 || idle > 7 * 86400)
			return usage_error(
				request, "--idle takes a time such as 120s, not ", optarg);
		request->config.idle_ms = idle * 1000;
		return 0;
	}
	if (*optarg == '\0' || *end || number < 1 || number > TUNNEL_SESSIONS_MAX)
		return usage_error(request, "--sessions takes 1 to 1024, not ", optarg);
	request->config.sessions = (unsigned int)number;
	return 0;
}

static int option_take(struct request *request, int option, const char *word)
{
	switch (option) {
	case OPTION_KEY_FILE:
		request->config.key_file = optarg;
		return 0;
	case OPTION_TO:
	case OPTION_LISTEN:
		return local_take(request);
	case OPTION_SESSIONS:
	case OPTION_IDLE:
		return number_take(request, option);
	case OPTION_SHARE:
		request->config.share = true;
		return 0;
	case OPTION_RELAY_ONLY:
		request->config.relayed = true;
		return 0;
	case OPTION_NO_GATEWAY:
		request->config.gateway = false;
		return 0;
	case OPTION_PLAIN:
		request->config.plain = true;
		return 0;
	case OPTION_JSON:
		request->config.json = true;
		return 0;
	}
	args_usage(request->cmd, "%s has no such option, or it lacks its value: %s",
		request->cmd->name, word);
	return -EINVAL;
}

/* What the line has said counts. */
static int conf_take(void *arg, int option, char *value)
{
	struct request *request = arg;

	if (request->said & SAID(option))
		return 0;
	optarg = value;
	return option_take(request, option, value);
}

static int conf_use(struct request *request, const struct option *options, const char *word)
{
	const struct conf_taker taker = {
		.cmd = request->cmd,
		.options = options,
		.command = request->config.role == PEER_CLIENT,
		.take = conf_take,
		.arg = request,
	};
	int ret = conf_open(&request->conf, word, &taker);

	if (ret < 0)
		return ret;
	if (!request->config.key_file)
		request->config.key_file = request->conf.key_file;
	if (!request->config.player)
		request->config.player = request->conf.command;
	return 0;
}

static bool addr_is_loopback(const struct addr *addr)
{
	static const struct addr loopback6 = {AF_INET6, {[15] = 1}};

	return addr->family == AF_INET ? addr->bytes[0] == 127 : addr_equal(addr, &loopback6);
}

static int options_check(const struct request *request)
{
	const struct tunnel_config *config = &request->config;

	if (!config->key_file)
		return usage_error(request, "--key-file is missing", "");
	if (config->local.addr.family == 0)
		return usage_error(
			request, config->role == PEER_SERVICE ? "--to" : "--listen", " is missing");
	if (config->share && !addr_is_loopback(&config->local.addr))
		return usage_error(request, "with --share-port, --to is a port of this host", "");
	return 0;
}

static int options_parse(struct request *request, int argc, char **argv)
{
	const struct option *options =
		request->config.role == PEER_SERVICE ? serve_options : connect_options;
	int option, ret;

	ret = player_split(request, &argc, argv);
	optind = 0; /* glibc: begin anew, as main() has used it */
	opterr = 0;
	while (ret == 0 && (option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		ret = option_take(request, option, argv[optind - 1]);
		if (option < OPTION_COUNT)
			request->said |= SAID(option);
	}
	if (ret < 0)
		return ret;
	if (optind == argc)
		return usage_error(request, "of what stream? Say NAME@RELAY", "");
	if (optind + 1 < argc)
		return usage_error(request, "a word too many: ", argv[optind + 1]);
	ret = conf_use(request, options, argv[optind]);
	if (ret < 0)
		return ret;
	log_set_place(request->conf.path);
	ret = options_check(request);
	log_set_place(NULL);
	return ret;
}

static int tunnel_go(struct request *request)
{
	const struct tunnel_config *config = &request->config;
	const struct lookup_config patiently = {
		.plain = config->plain || config->json, .patient = true};
	struct tunnel *tunnel;
	char why[TARGET_WHY];
	int ret;

	if (target_read_key(config->key_file, request->key, why) < 0) {
		log_error("%s", why);
		return CMD_USAGE;
	}
	ret = lookup(&patiently, &request->conf.target);
	if (ret < 0)
		return ret == -EINTR ? CMD_DONE : CMD_FAILED;
	if (tunnel_open(config, &tunnel) < 0)
		return CMD_FAILED;
	ret = tunnel_run(tunnel);
	tunnel_close(tunnel);
	return ret < 0 ? CMD_FAILED : CMD_DONE;
}

static int request_run(struct request *request, int argc, char **argv)
{
	if (options_parse(request, argc, argv) < 0)
		return CMD_USAGE;
	return tunnel_go(request);
}

int cmd_tunnel_run(const struct cmd *cmd, enum peer_role role, const struct cmd_context *context,
	int argc, char **argv)
{
	struct request request = {
		.cmd = cmd,
		.config = {.role = role,
			.target = &request.conf.target,
			.key = request.key,
			.sessions = TUNNEL_SESSIONS,
			.idle_ms = TUNNEL_IDLE * 1000,
			.gateway = true,
			.json = context->json},
	};
	int status = request_run(&request, argc, argv);

	conf_close(&request.conf);
	mac_wipe(request.key, sizeof(request.key));
	return status;
}
