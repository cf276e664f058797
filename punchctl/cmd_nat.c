/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "common/log.h"
#include "punchctl/args.h"
#include "punchctl/cmd.h"
#include "punchctl/lookup.h"
#include "punchctl/natreport.h"
#include "punchctl/natrun.h"
#include "punchctl/out.h"
#include "punchctl/target.h"

#define LIFETIME_MAX_S	 180 /* unless another is said */
#define LIFETIME_LEAST_S 10
#define LIFETIME_MOST_S	 3600

struct nat {
	struct target target;
	int family; /* AF_UNSPEC: what the host's name has first */
	struct natrun_config run;
};

enum { OPTION_LIFETIME = 256, OPTION_LIFETIME_MAX, OPTION_NO_GATEWAY };

static const struct option options[] = {
	{"lifetime", no_argument, NULL, OPTION_LIFETIME},
	{"lifetime-max", required_argument, NULL, OPTION_LIFETIME_MAX},
	{"no-gateway", no_argument, NULL, OPTION_NO_GATEWAY},
	{0},
};

static int lifetime_take(struct nat *nat)
{
	long long seconds = args_duration(optarg);

	if (seconds < LIFETIME_LEAST_S || seconds > LIFETIME_MOST_S) {
		args_usage(&cmd_nat, "--lifetime-max %s: it is from %d s to 1 h", optarg,
			LIFETIME_LEAST_S);
		return -EINVAL;
	}
	nat->run.lifetime = true;
	nat->run.lifetime_max_ms = (uint32_t)seconds * 1000;
	return 0;
}

static int option_take(struct nat *nat, int option, const char *word)
{
	switch (option) {
	case '4':
		nat->family = AF_INET;
		return 0;
	case '6':
		nat->family = AF_INET6;
		return 0;
	case OPTION_LIFETIME:
		nat->run.lifetime = true;
		return 0;
	case OPTION_LIFETIME_MAX:
		return lifetime_take(nat);
	case OPTION_NO_GATEWAY:
		nat->run.gateway = false;
		return 0;
	}
	args_usage(&cmd_nat, "nat has no such option, or it lacks its value: %s", word);
	return -EINVAL;
}

static int options_parse(struct nat *nat, int argc, char **argv)
{
	char why[TARGET_WHY];
	const char *at;
	int option, ret = 0;

	optind = 0; /* glibc: begin anew, as main() has used it */
	opterr = 0;
	while (ret == 0 && (option = getopt_long(argc, argv, "46", options, NULL)) != -1)
		ret = option_take(nat, option, argv[optind - 1]);
	if (ret < 0)
		return ret;
	if (optind + 1 != argc) {
		args_usage(&cmd_nat, "nat wants one relay, RELAY[:PORT]");
		return -EINVAL;
	}
	at = strchr(argv[optind], '@');
	if (at) {
		args_usage(&cmd_nat, "nat wants the relay alone: %s", at + 1);
		return -EINVAL;
	}
	if (target_parse_relay(argv[optind], &nat->target, why) < 0) {
		args_usage(&cmd_nat, "%s", why);
		return -EINVAL;
	}
	return 0;
}

static int relay_choose(struct nat *nat, bool plain)
{
	const struct lookup_config config = {.plain = plain};
	int ret = lookup(&config, &nat->target);

	if (ret < 0)
		return ret;
	for (unsigned int i = 0; i < nat->target.count; i++) {
		nat->run.relay = nat->target.relays[i];
		if (nat->family == AF_UNSPEC || nat->run.relay.addr.family == nat->family)
			return 0;
	}
	log_error("%s has no IPv%d address", nat->target.host, nat->family == AF_INET ? 4 : 6);
	return -ENOENT;
}

/* What stands in the way when there is no report. */
static void say_silence(const struct nat *nat, const struct natprobe_result *result)
{
	char text[ENDPOINT_TEXT];

	if (result->report.blocked)
		log_error("no answer from %s: there is no relay, or UDP does not reach it",
			endpoint_format(&nat->run.relay, text));
	else
		log_error("%s does not answer plain STUN", endpoint_format(&nat->run.relay, text));
}

static int nat_report(const struct cmd_context *context, struct nat *nat)
{
	struct natrun_outcome outcome;
	bool answered;
	json_t *object;
	int ret = natrun(&nat->run, &outcome);

	if (ret < 0) {
		log_error("%s: %s", nat->target.host, strerror(-ret));
		return CMD_FAILED;
	}
	answered = outcome.probe.mapped.addr.family != 0;
	if (!answered)
		say_silence(nat, &outcome.probe);
	if (context->json) {
		object = natreport_json(&nat->run, &outcome);
		out_json(object);
		json_decref(object);
	} else if (answered) {
		natreport_print(&nat->run, &outcome);
	}
	return answered ? CMD_DONE : CMD_FAILED;
}

static int run(const struct cmd_context *context, int argc, char **argv)
{
	struct nat nat = {
		.family = AF_UNSPEC,
		.run = {.gateway = true, .lifetime_max_ms = LIFETIME_MAX_S * 1000},
	};

	if (options_parse(&nat, argc, argv) < 0)
		return CMD_USAGE;
	if (relay_choose(&nat, context->json) < 0)
		return CMD_FAILED;
	if (nat.run.lifetime)
		log_info("the lifetime of mappings takes up to %u minutes",
			(2 * nat.run.lifetime_max_ms + 119999) / 60000);
	return nat_report(context, &nat);
}

const struct cmd cmd_nat = {
	.name = "nat",
	.usage = "RELAY[:PORT] [-4 | -6] [--lifetime] [--lifetime-max TIME] [--no-gateway]",
	.summary = "what kind of NAT is between here and a relay",
	.run = run,
	.options = "  -4, -6               use the relay's IPv4 or IPv6 address\n"
		   "  --lifetime           also how long mappings live, which takes minutes\n"
		   "  --lifetime-max TIME  the same, up to this time: 10s to 1h\n"
		   "  --no-gateway         do not ask the router to map a port\n",
};
