/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "exporter/exporter.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/addr.h"
#include "common/log.h"
#include "common/notify.h"
#include "exporter/asker.h"
#include "exporter/http.h"
#include "exporter/keeper.h"
#include "exporter/privs.h"
#include "exporter/state.h"
#include "exporter/token.h"
#include "exporter/watch.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown"
#endif

#define EXIT_USAGE     2
#define DEFAULT_SOCKET "/run/relayd/relayd.sock"
#define DEFAULT_LISTEN "127.0.0.1:9478"
#define BACKLOG	       64
#define PER_LIMIT      3 /* of the watchdog: one word may be late, and another lost */

struct options {
	const char *socket, *token_file;
	struct endpoint listen;
};

static const char usage[] = "usage: relayd-exporter [--socket PATH] [--listen ADDRESS:PORT] "
			    "[--token-file FILE] [--version] [--help]\n";
static const char help[] =
	"Serves relayd's metrics, and a page that shows the relay at a glance.\n\n"
	"  -s, --socket PATH          where relayd listens, " DEFAULT_SOCKET "\n"
	"  -l, --listen ADDRESS:PORT  where to serve, " DEFAULT_LISTEN "\n"
	"  -t, --token-file FILE      let in only who knows the token in its first line\n"
	"      --version              print the version\n"
	"  -h, --help                 print this\n\n"
	"relayd-exporter(8) says more.\n";

static bool is_loopback(const struct addr *addr)
{
	static const uint8_t ip6[16] = {[15] = 1};

	return addr->family == AF_INET ? addr->bytes[0] == 127 : !memcmp(addr->bytes, ip6, 16);
}

static int check(int argc, char **argv, const struct options *options)
{
	if (optind < argc) {
		log_error("\"%s\" is a word too many", argv[optind]);
		fputs(usage, stderr);
		return EXIT_USAGE;
	}
	if (!options->token_file && !is_loopback(&options->listen.addr)) {
		log_error("--listen with an address that others reach wants a --token-file");
		return EXIT_USAGE;
	}
	return -1;
}

/* -1: go on; else the exit status. */
static int parse_options(int argc, char **argv, struct options *options)
{
	static const struct option longs[] = {{"socket", required_argument, NULL, 's'},
		{"listen", required_argument, NULL, 'l'},
		{"token-file", required_argument, NULL, 't'}, {"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	const char *listen = DEFAULT_LISTEN;
	int option;

	while ((option = getopt_long(argc, argv, "s:l:t:h", longs, NULL)) != -1) {
		switch (option) {
		case 's':
			options->socket = optarg;
			break;
		case 'l':
			listen = optarg;
			break;
		case 't':
			options->token_file = optarg;
			break;
		case 'V':
			puts("relayd-exporter " PACKAGE_VERSION);
			return EXIT_SUCCESS;
		case 'h':
			printf("%s\n%s", usage, help);
			return EXIT_SUCCESS;
		default:
			fputs(usage, stderr);
			return EXIT_USAGE;
		}
	}
	if (endpoint_parse(listen, 0, &options->listen)) {
		log_error("--listen \"%s\": not ADDRESS:PORT, such as " DEFAULT_LISTEN, listen);
		return EXIT_USAGE;
	}
	return check(argc, argv, options);
}

static int listen_at(const struct endpoint *endpoint)
{
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(endpoint, &sa);
	int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	char text[ENDPOINT_TEXT];

	if (fd >= 0 && !setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) &&
		!bind(fd, (struct sockaddr *)&sa, len) && !listen(fd, BACKLOG))
		return fd;
	log_error("cannot listen at %s: %s", endpoint_format(endpoint, text), strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

/* What turns in the loop. */
struct program {
	uv_loop_t loop;
	struct asker asker;
	struct state state;
	struct watch watch;
	uv_signal_t term, interrupt, hangup;
	uv_poll_t keeper;
	uv_timer_t watchdog;
	struct http *http;
	const char *token_file; /* NULL: none */
	struct token token;
	int keeper_fd; /* -1 without a token file */
	bool failed;
};

static void stop(uv_signal_t *signal, int number)
{
	(void)number;
	uv_stop(signal->loop);
}

static void reload(uv_signal_t *signal, int number)
{
	struct program *program = signal->data;

	(void)number;
	notify_reloading();
	if (!program->token_file || keeper_ask(program->keeper_fd))
		notify_ready();
}

static void token_came(uv_poll_t *poll, int status, int events)
{
	struct program *program = poll->data;
	struct token token;
	char why[TOKEN_WHY];
	int err = keeper_answer(program->keeper_fd, &token, why);

	(void)status, (void)events;
	if (err == -EPIPE) {
		log_error("the process that reads the token has ended");
		program->failed = true;
		uv_stop(&program->loop);
		return;
	}
	if (err) {
		log_error("%s: %s; the token stays as it was", program->token_file, why);
	} else {
		program->token = token;
		log_info("%s has been read again", program->token_file);
	}
	token_wipe(&token);
	notify_ready();
}

/* That its timer comes shows that the loop turns, in which alone everything is served. */
static void alive(uv_timer_t *timer)
{
	(void)timer;
	notify_alive();
}

static void catch (struct program *program, uv_signal_t *signal, uv_signal_cb call, int number)
{
	uv_signal_init(&program->loop, signal);
	signal->data = program;
	uv_signal_start(signal, call, number);
}

static void open_service(struct program *program)
{
	uint64_t every_ms = notify_watchdog_ms() / PER_LIMIT;

	catch (program, &program->term, stop, SIGTERM);
	catch (program, &program->interrupt, stop, SIGINT);
	catch (program, &program->hangup, reload, SIGHUP);
	uv_timer_init(&program->loop, &program->watchdog);
	if (every_ms)
		uv_timer_start(&program->watchdog, alive, every_ms, every_ms);
	if (!program->token_file)
		return;
	uv_poll_init(&program->loop, &program->keeper, program->keeper_fd);
	program->keeper.data = program;
	uv_poll_start(&program->keeper, UV_READABLE | UV_DISCONNECT, token_came);
}

static void close_service(struct program *program)
{
	uv_close((uv_handle_t *)&program->term, NULL);
	uv_close((uv_handle_t *)&program->interrupt, NULL);
	uv_close((uv_handle_t *)&program->hangup, NULL);
	uv_close((uv_handle_t *)&program->watchdog, NULL);
	if (program->token_file)
		uv_close((uv_handle_t *)&program->keeper, NULL);
}

static int open_all(struct program *program, const char *socket, int fd)
{
	const struct http_setup setup = {
		fd, &program->asker, &program->state, &program->watch, &program->token};
	int err = uv_loop_init(&program->loop);

	if (!err)
		err = http_open(&setup, &program->loop, &program->http);
	if (err) {
		log_error("cannot begin: %s", strerror(-err));
		return err;
	}
	asker_init(&program->asker, &program->loop, socket);
	state_init(&program->state, (int64_t)uv_now(&program->loop));
	watch_open(&program->watch, &program->asker, &program->state);
	open_service(program);
	return 0;
}

/* Questions end first, so that nobody waits for them in http. */
static void close_all(struct program *program)
{
	watch_close(&program->watch);
	asker_close(&program->asker);
	http_close(program->http);
	close_service(program);
	uv_run(&program->loop, UV_RUN_DEFAULT);
	http_free(program->http);
	uv_loop_close(&program->loop);
	state_fini(&program->state);
}

static int serve(struct program *program, const struct options *options, int fd)
{
	char text[ENDPOINT_TEXT];
	int err = open_all(program, options->socket, fd);

	if (err)
		return EXIT_FAILURE;
	err = privs_drop(options->socket);
	if (!err) {
		log_info("serving at http://%s/", endpoint_format(&options->listen, text));
		notify_ready();
		uv_run(&program->loop, UV_RUN_DEFAULT);
		notify_stopping();
	}
	close_all(program);
	return err || program->failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int open_token(struct program *program)
{
	char why[TOKEN_WHY];
	int err;

	if (!program->token_file)
		return 0;
	err = token_read(&program->token, program->token_file, why);
	if (err) {
		log_error("%s: %s", program->token_file, why);
		return err;
	}
	err = keeper_start(program->token_file, &program->keeper_fd);
	if (err)
		log_error("cannot begin: %s", strerror(-err));
	return err;
}

int exporter_main(int argc, char **argv)
{
	struct options options = {.socket = DEFAULT_SOCKET};
	struct program program = {.keeper_fd = -1};
	int fd, status;

	log_open("relayd-exporter");
	status = parse_options(argc, argv, &options);
	if (status >= 0)
		return status;
	signal(SIGPIPE, SIG_IGN);
	program.token_file = options.token_file;
	if (open_token(&program))
		return EXIT_FAILURE;
	fd = listen_at(&options.listen);
	status = fd < 0 ? EXIT_FAILURE : serve(&program, &options, fd);
	token_wipe(&program.token);
	return status;
}
