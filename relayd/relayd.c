/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/relayd.h"

#include <errno.h>
#include <getopt.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/log.h"
#include "common/notify.h"
#include "relayd/check.h"
#include "relayd/kernel.h"
#include "relayd/privs.h"

#define EXIT_USAGE 2
#define BACKLOG	   64

struct options {
	const char *config;
	bool check, flush;
};

static const char usage[] =
	"usage: relayd [--config FILE] [--check] [--flush] [--verbose] [--version] [--help]\n";
static const char help[] =
	"Forwards streams through the kernel to clients behind NAT that have punched for them.\n\n"
	"  -c, --config FILE  read this file, not " CONFIG_DEFAULT "\n"
	"      --check        read the configuration and say what it means\n"
	"      --flush        remove every rule and conntrack entry of ours; no relayd may be "
	"running\n"
	"  -v, --verbose      log more\n"
	"      --version      print the version\n"
	"  -h, --help         print this\n\n"
	"relayd(8), relayd.conf(5) and punch(7) say more.\n";

/* -1: go on; else the exit status. */
static int parse_options(int argc, char **argv, struct options *options)
{
	static const struct option longs[] = {{"config", required_argument, NULL, 'c'},
		{"check", no_argument, NULL, 'C'}, {"flush", no_argument, NULL, 'F'},
		{"verbose", no_argument, NULL, 'v'}, {"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	int option;

	while ((option = getopt_long(argc, argv, "c:vh", longs, NULL)) != -1) {
		switch (option) {
		case 'c':
			options->config = optarg;
			break;
		case 'C':
			options->check = true;
			break;
		case 'F':
			options->flush = true;
			break;
		case 'v':
			log_set_level(LOG_LEVEL_DEBUG);
			break;
		case 'V':
			puts("relayd " PACKAGE_VERSION);
			return EXIT_SUCCESS;
		case 'h':
			printf("%s%s", usage, help);
			return EXIT_SUCCESS;
		default:
			fputs(usage, stderr);
			return EXIT_USAGE;
		}
	}
	if (optind == argc && !(options->check && options->flush))
		return -1;
	if (optind < argc)
		fprintf(stderr, "relayd: \"%s\" is no option; relayd takes no other words\n",
			argv[optind]);
	else
		fputs("relayd: --check and --flush exclude each other\n", stderr);
	fputs(usage, stderr);
	return EXIT_USAGE;
}

static int flush(void)
{
	struct rules_removed removed = {0};
	struct rules_error error = {.op = -1};

	if (rules_remove(&removed, &error)) {
		log_error("%s", error.text);
		return EXIT_FAILURE;
	}
	printf("%s; %u conntrack entries removed\n",
		removed.table ? "table inet " RULES_TABLE " removed"
			      : "there was no table inet " RULES_TABLE,
		removed.flows);
	return EXIT_SUCCESS;
}

/* The last folder of the path, for the user, when it is not there yet. */
static void make_folder(const char *path, const struct privs_user *user)
{
	char copy[256];
	const char *folder;

	snprintf(copy, sizeof copy, "%s", path);
	folder = dirname(copy);
	if (!mkdir(folder, 0755) && chown(folder, user->uid, user->gid))
		log_warning("%s: %s", folder, strerror(errno));
}

static bool answers(const struct sockaddr_un *sa)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool alive = !connect(fd, (const struct sockaddr *)sa, sizeof *sa);

	close(fd);
	return alive;
}

static int open_control(const struct config *config, const struct privs_user *user, int *fd)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};

	strcpy(sa.sun_path, config->socket);
	make_folder(config->socket, user);
	if (answers(&sa)) {
		log_error("another relayd answers at %s", config->socket);
		return -EADDRINUSE;
	}
	unlink(config->socket);
	*fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	umask(0117);
	if (*fd < 0 || bind(*fd, (struct sockaddr *)&sa, sizeof sa) || listen(*fd, BACKLOG) ||
		(!geteuid() && chown(config->socket, user->uid, user->gid))) {
		log_error("socket %s: %s", config->socket, strerror(errno));
		umask(022);
		return -errno;
	}
	umask(022);
	return 0;
}

static int open_port(const struct config *config, const struct endpoint *local, int *fd)
{
	const char *option = config_port_option(config, local->port);
	char text[ENDPOINT_TEXT];
	int err = udp_bind(local, fd);

	if (err == -EADDRINUSE)
		log_error("%s port %s: %s; stop the program that has it, or set another `%s`",
			option, endpoint_format(local, text), strerror(-err), option);
	else if (err)
		log_error("%s port %s: %s", option, endpoint_format(local, text), strerror(-err));
	return err;
}

/* Each port at each address. */
static int open_punch(const struct config *config, struct net_setup *setup)
{
	uint16_t port[CONFIG_PORTS];
	size_t count = config_ports(config, port);
	int err = 0;

	for (size_t i = 0; i < config->address_count * count && !err; i++) {
		struct endpoint *local = &setup->punch_at[i];

		*local = (struct endpoint){config->addresses[i / count], port[i % count]};
		err = open_port(config, local, &setup->punch_fds[i]);
		setup->punch_count += !err;
	}
	return err;
}

static bool is_on(const char *path)
{
	FILE *file = fopen(path, "re");
	int value = file ? fgetc(file) : '1'; /* not there: nothing to complain of */

	if (file)
		fclose(file);
	return value != '0';
}

/* Without forwarding the kernel drops what we translate: it is said, and not changed behind one's
 * back. */
static void check_forwarding(const struct config *config)
{
	bool v4 = false, v6 = false;

	for (size_t i = 0; i < config->address_count; i++) {
		v4 |= config->addresses[i].family == AF_INET;
		v6 |= config->addresses[i].family == AF_INET6;
	}
	if (v4 && !is_on("/proc/sys/net/ipv4/ip_forward"))
		log_warning("net.ipv4.ip_forward is off: no IPv4 stream will flow; "
			    "`sysctl -w net.ipv4.ip_forward=1` turns it on");
	if (v6 && !is_on("/proc/sys/net/ipv6/conf/all/forwarding"))
		log_warning("net.ipv6.conf.all.forwarding is off: no IPv6 stream will flow; "
			    "`sysctl -w net.ipv6.conf.all.forwarding=1` turns it on");
}

/* Everything that needs privileges, before they are given up. */
static int prepare(struct config *config, struct net_setup *setup,
	int (*open_rules)(struct rules **, bool *, struct rules_error *), struct rules **rules)
{
	struct rules_error error = {.op = -1};
	struct privs_user user;
	bool adopted;
	int err = privs_user(config, &user);

	if (!err)
		err = open_punch(config, setup);
	if (!err)
		err = open_control(config, &user, &setup->control_fd);
	if (err)
		return err;
	make_folder(config->database, &user);
	err = open_rules(rules, &adopted, &error);
	if (err) {
		log_error("%s", error.text);
		return err;
	}
	setup->made = !adopted;
	log_info("table inet " RULES_TABLE " %s", adopted ? "adopted" : "made");
	if (!rules_features(*rules)->persist)
		log_warning(
			"this kernel cannot guard the table (Linux 6.9 can): it is watched, and "
			"restored when somebody changes it");
	check_forwarding(config);
	return privs_drop_to_net_admin(config);
}

/* An address may come; another mistake stays one. */
static int config_status(int err)
{
	if (!err)
		return EXIT_SUCCESS;
	return err == -EADDRNOTAVAIL ? EXIT_FAILURE : EXIT_USAGE;
}

static int run(const struct options *options,
	int (*open_rules)(struct rules **, bool *, struct rules_error *))
{
	struct net_setup setup = {
		.config_path = options->config, .watchdog_ms = notify_watchdog_ms()};
	struct rules *rules = NULL;
	int status = EXIT_FAILURE, err = check_read(options->config, &setup.config);

	if (err)
		return config_status(err);
	signal(SIGPIPE, SIG_IGN);
	if (!prepare(setup.config, &setup, open_rules, &rules))
		status = kernel_run(&rules, &setup);
	rules_close(rules);
	config_free(setup.config);
	return status;
}

/* What a full disk or a closed pipe has not taken was not said. */
static int end_output(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	log_error("standard output: %s", strerror(errno));
	return EXIT_FAILURE;
}

int relayd_main_with(
	int argc, char **argv, int (*open_rules)(struct rules **, bool *, struct rules_error *))
{
	struct options options = {.config = CONFIG_DEFAULT};
	int status;

	log_open("relayd");
	status = parse_options(argc, argv, &options);
	if (status < 0 && options.flush)
		status = flush();
	else if (status < 0 && options.check)
		status = config_status(check_print(options.config));
	else if (status < 0)
		status = run(&options, open_rules);
	return end_output(status);
}

int relayd_main(int argc, char **argv)
{
	return relayd_main_with(argc, argv, rules_open);
}
