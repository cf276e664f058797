/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "common/mac.h"
#include "punchctl/args.h"
#include "punchctl/cmd.h"
#include "punchctl/conf.h"
#include "punchctl/lookup.h"
#include "punchctl/sdp_file.h"
#include "punchctl/session.h"
#include "punchctl/target.h"

struct punch {
	struct conf conf;
	unsigned int said; /* options of the line, by SAID() */
	const char *key_file, *sdp_path;
	const char *port_text, *to_text; /* as written; NULL: they are not */
	struct ports port, to;
	char **player;
	bool share, plain, json;
	char key[TARGET_KEY];
	struct ports ports;	   /* at the relay */
	uint16_t local[PORTS_MAX]; /* the player's */
	struct sdp_file *sdp;
};

enum {
	OPTION_KEY_FILE,
	OPTION_PORT,
	OPTION_TO,
	OPTION_SDP,
	OPTION_SHARE,
	OPTION_PLAIN,
	OPTION_JSON,
	OPTION_COUNT
};
#define SAID(option) (1u << (option))

static const struct option options[] = {
	{"key-file", required_argument, NULL, OPTION_KEY_FILE},
	{"port", required_argument, NULL, OPTION_PORT},
	{"to", required_argument, NULL, OPTION_TO},
	{"sdp", required_argument, NULL, OPTION_SDP},
	{"share-port", no_argument, NULL, OPTION_SHARE},
	{"plain", no_argument, NULL, OPTION_PLAIN},
	{"json", no_argument, NULL, OPTION_JSON},
	{0},
};

static int usage_error(const struct punch *punch, const char *text, const char *subject)
{
	if (punch->conf.path)
		log_error("%s%s", text, subject);
	else
		args_usage(&cmd_punch, "%s%s", text, subject);
	return -EINVAL;
}

/* The player's words stand behind "--", so that its options are not taken for ours. */
static char **player_split(int *argc, char **argv)
{
	for (int i = 1; i < *argc; i++) {
		if (strcmp(argv[i], "--") != 0)
			continue;
		if (i + 1 == *argc)
			return NULL;
		*argc = i;
		return argv + i + 1;
	}
	return NULL;
}

static int ports_take(
	const char *option, const char *text, const char **as_written, struct ports *out)
{
	*as_written = text;
	if (ports_parse(text, out) == 0)
		return 0;
	log_error("%s %s: ports are written as 5004, 5004-5007 or 5004,5006, and %d are the most",
		option, text, PORTS_MAX);
	return -EINVAL;
}

static int option_take(struct punch *punch, int option, const char *word)
{
	switch (option) {
	case OPTION_KEY_FILE:
		punch->key_file = optarg;
		return 0;
	case OPTION_PORT:
		return ports_take("--port", optarg, &punch->port_text, &punch->port);
	case OPTION_TO:
		return ports_take("--to", optarg, &punch->to_text, &punch->to);
	case OPTION_SDP:
		punch->sdp_path = optarg;
		return 0;
	case OPTION_SHARE:
		punch->share = true;
		return 0;
	case OPTION_PLAIN:
		punch->plain = true;
		return 0;
	case OPTION_JSON:
		punch->json = true;
		return 0;
	}
	return usage_error(punch, "punch has no such option, or it lacks its value: ", word);
}

/* What the line has said counts, and nothing that does not go with it. */
static int conf_take(void *arg, int option, char *value)
{
	struct punch *punch = arg;
	unsigned int said = SAID(option);

	if (option == OPTION_SDP)
		said |= SAID(OPTION_PORT) | SAID(OPTION_TO);
	else if (option == OPTION_PORT || option == OPTION_TO)
		said |= SAID(OPTION_SDP);
	if (punch->said & said)
		return 0;
	optarg = value;
	return option_take(punch, option, value);
}

static int conf_use(struct punch *punch, const char *word)
{
	const struct conf_taker taker = {
		.cmd = &cmd_punch,
		.options = options,
		.command = true,
		.take = conf_take,
		.arg = punch,
	};
	int ret = conf_open(&punch->conf, word, &taker);

	if (ret < 0)
		return ret;
	if (!punch->key_file)
		punch->key_file = punch->conf.key_file;
	if (!punch->player)
		punch->player = punch->conf.command;
	return 0;
}

/* --port 5004-5007 --to 9099-9102 */
static int ports_from_options(struct punch *punch)
{
	punch->ports = punch->to_text ? punch->to : punch->port;
	if (punch->port.count != punch->ports.count) {
		log_error("--port %s has %u ports and --to %s has %u", punch->port_text,
			punch->port.count, punch->to_text, punch->ports.count);
		return -EINVAL;
	}
	memcpy(punch->local, punch->port.port, sizeof(punch->local));
	return 0;
}

static int options_check(struct punch *punch)
{
	if (!punch->key_file)
		return usage_error(punch, "--key-file is missing", "");
	if (!punch->port_text == !punch->sdp_path)
		return usage_error(punch, "one of --port and --sdp is needed", "");
	if (punch->to_text && punch->sdp_path)
		return usage_error(
			punch, "--to goes with --port; with --sdp the ports stand in it", "");
	return punch->port_text ? ports_from_options(punch) : 0;
}

static int options_parse(struct punch *punch, int argc, char **argv)
{
	int option, ret = 0;

	punch->player = player_split(&argc, argv);
	optind = 0; /* glibc: begin anew, as main() has used it */
	opterr = 0;
	while (ret == 0 && (option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		ret = option_take(punch, option, argv[optind - 1]);
		if (option < OPTION_COUNT)
			punch->said |= SAID(option);
	}
	if (ret < 0)
		return ret;
	if (optind == argc)
		return usage_error(punch, "what is to be punched for? Say NAME@RELAY", "");
	if (optind + 1 < argc)
		return usage_error(punch, "write -- in front of the player: ", argv[optind + 1]);
	ret = conf_use(punch, argv[optind]);
	if (ret < 0)
		return ret;
	log_set_place(punch->conf.path);
	ret = options_check(punch);
	log_set_place(NULL);
	return ret;
}

static int ports_from_sdp(struct punch *punch)
{
	char why[SDP_FILE_WHY];
	int ret;

	ret = sdp_file_open(punch->sdp_path, &punch->sdp, why);
	if (ret < 0) {
		log_error("%s", why);
		return ret;
	}
	sdp_ports(&punch->sdp->sdp, &punch->ports);
	for (unsigned int i = 0; i < punch->ports.count; i++)
		punch->local[i] =
			sdp_local(&punch->sdp->sdp, punch->sdp->local, punch->ports.port[i]);
	return 0;
}

static int punch_session(struct punch *punch)
{
	struct session_config config = {
		.target = &punch->conf.target,
		.key_file = punch->key_file,
		.key = punch->key,
		.ports = &punch->ports,
		.local = punch->local,
		.player = punch->player,
		.sdp = punch->sdp ? punch->sdp->path : NULL,
		.share = punch->share,
		.plain = punch->plain,
		.json = punch->json,
	};
	struct session *session;
	int ret;

	ret = session_open(&config, &session);
	if (ret < 0) {
		log_error("sockets: %s", strerror(-ret));
		return ret;
	}
	/* Our own sockets have their ports now, and cannot take the player's. */
	if (punch->sdp)
		sdp_file_release(punch->sdp);
	if (punch->sdp && !punch->player && !punch->json) {
		puts(punch->sdp->path);
		fflush(stdout);
	}
	ret = session_run(session);
	session_close(session);
	return ret;
}

static int punch_run(struct punch *punch)
{
	const struct lookup_config config = {.plain = punch->plain || punch->json, .patient = true};
	char why[TARGET_WHY];
	int ret;

	if (target_read_key(punch->key_file, punch->key, why) < 0) {
		log_error("%s", why);
		return CMD_USAGE;
	}
	ret = lookup(&config, &punch->conf.target);
	if (ret < 0)
		return ret == -EINTR ? CMD_DONE : CMD_FAILED;
	if (punch->sdp_path && ports_from_sdp(punch) < 0)
		return CMD_USAGE;
	return punch_session(punch) < 0 ? CMD_FAILED : CMD_DONE;
}

static int punch_go(struct punch *punch, int argc, char **argv)
{
	if (options_parse(punch, argc, argv) < 0)
		return CMD_USAGE;
	return punch_run(punch);
}

static int run(const struct cmd_context *context, int argc, char **argv)
{
	struct punch punch = {.json = context->json};
	int status = punch_go(&punch, argc, argv);

	sdp_file_close(punch.sdp);
	conf_close(&punch.conf);
	mac_wipe(punch.key, sizeof(punch.key));
	return status;
}

const struct cmd cmd_punch = {
	.name = "punch",
	.usage = "NAME[@RELAY[:PORT]] [--key-file FILE] [--port PORTS [--to PORTS] | --sdp FILE] "
		 "[--share-port] [--plain] [-- PLAYER ...]",
	.summary = "open holes for a stream and carry its media to a player",
	.run = run,
	.options = "  NAME             without @RELAY the file NAME.conf: punchrelay.conf(5)\n"
		   "  --key-file FILE  its first line is the stream's key\n"
		   "  --port PORTS     where the player listens on this host: 5004-5007\n"
		   "  --to PORTS       the relay's ports that go there; the same if left out\n"
		   "  --sdp FILE       both as the sender's session description has them\n"
		   "  --share-port     punch from the player's own sockets\n"
		   "  --plain          lines only, also on a terminal\n"
		   "  -- PLAYER ...    is started when all is punched; {} is the description\n",
};
