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
#include "exporter/asker.h"
#include "exporter/http.h"
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

static void stop(uv_signal_t *signal, int number)
{
	(void)number;
	uv_stop(signal->loop);
}

/* What turns in the loop. */
struct program {
	uv_loop_t loop;
	struct asker asker;
	struct state state;
	struct watch watch;
	uv_signal_t term, interrupt;
	struct http *http;
};

static void catch (struct program *program, uv_signal_t *signal, int number)
{
	uv_signal_init(&program->loop, signal);
	uv_signal_start(signal, stop, number);
}

static int open_all(
	struct program *program, const struct options *options, const struct token *token, int fd)
{
	const struct http_setup setup = {
		fd, &program->asker, &program->state, &program->watch, token};
	int err = uv_loop_init(&program->loop);

	if (!err)
		err = http_open(&setup, &program->loop, &program->http);
	if (err) {
		log_error("cannot begin: %s", strerror(-err));
		return err;
	}
	asker_init(&program->asker, &program->loop, options->socket);
	state_init(&program->state, (int64_t)uv_now(&program->loop));
	watch_open(&program->watch, &program->asker, &program->state);
	catch (program, &program->term, SIGTERM);
	catch (program, &program->interrupt, SIGINT);
	return 0;
}

/* Questions end first, so that nobody waits for them in http. */
static void close_all(struct program *program)
{
	watch_close(&program->watch);
	asker_close(&program->asker);
	http_close(program->http);
	uv_close((uv_handle_t *)&program->term, NULL);
	uv_close((uv_handle_t *)&program->interrupt, NULL);
	uv_run(&program->loop, UV_RUN_DEFAULT);
	http_free(program->http);
	uv_loop_close(&program->loop);
	state_fini(&program->state);
}

static int serve(const struct options *options, const struct token *token, int fd)
{
	struct program program;
	char text[ENDPOINT_TEXT];
	int err = open_all(&program, options, token, fd);

	if (err)
		return EXIT_FAILURE;
	err = privs_drop(options->socket);
	if (!err) {
		log_info("serving at http://%s/", endpoint_format(&options->listen, text));
		uv_run(&program.loop, UV_RUN_DEFAULT);
	}
	close_all(&program);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}

int exporter_main(int argc, char **argv)
{
	struct options options = {.socket = DEFAULT_SOCKET};
	struct token token = {.len = 0};
	char why[TOKEN_WHY];
	int fd, status;

	log_open("relayd-exporter");
	status = parse_options(argc, argv, &options);
	if (status >= 0)
		return status;
	signal(SIGPIPE, SIG_IGN);
	if (options.token_file && token_read(&token, options.token_file, why)) {
		log_error("%s: %s", options.token_file, why);
		return EXIT_FAILURE;
	}
	fd = listen_at(&options.listen);
	status = fd < 0 ? EXIT_FAILURE : serve(&options, &token, fd);
	token_wipe(&token);
	return status;
}
