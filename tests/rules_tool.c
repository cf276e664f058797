/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rules_tool: drives librules from a test. Lines on stdin, answers on stdout:
 *
 *   listen NAME LISTEN NUMBER SOURCE    unlisten LISTEN
 *   punch|unpunch AT [raw]
 *   ingress NAME LISTEN CLIENT SOURCE MS RATE          uningress LISTEN
 *   client NAME CLIENT PUNCH [MS RATE]  unclient CLIENT PUNCH
 *   consent NAME LISTEN SOURCE MS RATE  agree NAME CLIENT MS RATE, of a peer
 *   flush CLIENT PUNCH
 *   peer NAME CLIENT PUNCH PEER NUMBER  unpeer CLIENT PUNCH
 *   peers NAME CLIENT PUNCH PEER NUMBER FROM
 *   commit        what was collected, as one transaction: "ok", or "error -CODE OP TEXT"
 *   fill N        N streams in as few transactions as it takes
 *   read          everything that the kernel holds, then "."
 *   sample CLIENT             the counters of a peer, then "."; or
 *   sample CLIENT LISTEN RATE of a port and its client
 *   watch N MS    until N events or so long; each is printed, then "."
 *   changes MS    what others do to the table, until they do something or so long
 *   mend          what is not an element is made as it should be
 *   settle        until nothing is due
 *   deaf          the next commit is followed by no flush: the kernel cannot be asked for it
 *   features
 *
 * With the argument "remove": rules_remove; with "legacy": as on a kernel of Debian 12 or older.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "rules/internal.h"

struct tool {
	struct rules *rules;
	struct rules_op ops[RULES_OPS_MAX + 1];
	size_t count;
	int events;
};

/* The next commit is to be one behind which the kernel cannot be asked for anything. */
static bool deaf;

void __real_flush_holes(
	struct flush *flush, struct nl *nl, const struct rules_op *ops, size_t count);
void __wrap_flush_holes(
	struct flush *flush, struct nl *nl, const struct rules_op *ops, size_t count);

/* Linked with --wrap: the socket is taken away meanwhile. */
void __wrap_flush_holes(
	struct flush *flush, struct nl *nl, const struct rules_op *ops, size_t count)
{
	const int fd = nl->fd;

	if (deaf)
		nl->fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	__real_flush_holes(flush, nl, ops, count);
	if (deaf)
		close(nl->fd);
	nl->fd = fd;
	deaf = false;
}

static int64_t now_get(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void event_print(void *data, const struct rules_event *event)
{
	struct tool *tool = data;
	char sender[ENDPOINT_TEXT], listen[ENDPOINT_TEXT];

	printf("%s %u %s %s\n", event->refused ? "refused" : "open", event->number,
		endpoint_format(&event->sender, sender), endpoint_format(&event->listen, listen));
	tool->events++;
}

/* Until fd is readable or the time has passed, with what is due done meanwhile. */
static bool fd_wait(struct tool *tool, int fd, int64_t until)
{
	for (;;) {
		struct pollfd poll_fd = {fd, POLLIN, 0};
		int64_t now = now_get(), due = rules_due(tool->rules), wait;

		if (due >= 0 && due <= now)
			rules_tick(tool->rules, now);
		due = rules_due(tool->rules);
		wait = due < 0 || (until >= 0 && until < due) ? until : due;
		if (poll(&poll_fd, 1, wait < 0 ? -1 : wait <= now ? 0 : (int)(wait - now)) > 0)
			return true;
		if (until >= 0 && until <= now)
			return false;
	}
}

static void listening_print(void *data, const struct rules_listening *l)
{
	char listen[ENDPOINT_TEXT], source[PREFIX_TEXT];

	(void)data;
	printf("listening %s %s %u %s refused %llu %llu limited %llu %llu\n", l->name,
		endpoint_format(&l->listen, listen), l->number,
		l->source.bits ? prefix_format(&l->source, source) : "any",
		(unsigned long long)l->refused_packets, (unsigned long long)l->refused_bytes,
		(unsigned long long)l->limited_packets, (unsigned long long)l->limited_bytes);
}

static void punch_print(void *data, const struct endpoint *at, bool raw)
{
	char text[ENDPOINT_TEXT];

	(void)data;
	printf("punch %s%s\n", endpoint_format(at, text), raw ? " raw" : "");
}

static void ingress_print(void *data, const struct rules_ingress *ingress)
{
	char listen[ENDPOINT_TEXT], client[ENDPOINT_TEXT];

	(void)data;
	printf("ingress %s %s\n", endpoint_format(&ingress->listen, listen),
		endpoint_format(&ingress->client, client));
}

static void client_print(void *data, const struct rules_client *c)
{
	char client[ENDPOINT_TEXT], punch[ENDPOINT_TEXT];

	(void)data;
	printf("client %s %s %s consent %u packets %llu bytes %llu\n", c->name,
		endpoint_format(&c->client, client), endpoint_format(&c->punch, punch),
		c->consent_ms, (unsigned long long)c->packets, (unsigned long long)c->bytes);
}

static void flow_print(void *data, const struct rules_flow *flow)
{
	char text[4][ENDPOINT_TEXT];

	(void)data;
	printf("flow %u %s %s %s %s\n", flow->number, endpoint_format(&flow->sender, text[0]),
		endpoint_format(&flow->listen, text[1]), endpoint_format(&flow->client, text[2]),
		endpoint_format(&flow->punch, text[3]));
}

static void peer_print(void *data, const struct rules_peer *p)
{
	char client[ENDPOINT_TEXT], punch[ENDPOINT_TEXT], peer[ENDPOINT_TEXT];

	(void)data;
	printf("peer %s %s %s %s %u\n", p->name, endpoint_format(&p->client, client),
		endpoint_format(&p->punch, punch), endpoint_format(&p->peer, peer), p->number);
}

static void tool_read(struct tool *tool)
{
	const struct rules_reader reader = {listening_print, punch_print, ingress_print,
		client_print, flow_print, peer_print, tool, NULL, NULL};
	int err = rules_read(tool->rules, &reader);

	if (err)
		printf("failed %d\n", err);
	puts(".");
}

static void tool_sample(struct tool *tool, const struct rules_op *op)
{
	const struct rules_spot spot = {op->listen, op->client, op->rate != 0};
	const struct rules_reader reader = {
		.listening = listening_print, .client = client_print, .data = tool};
	int err = rules_sample(tool->rules, &spot, 1, &reader);

	if (err)
		printf("failed %d\n", err);
	puts(".");
}

static void tool_watch(struct tool *tool, int events, int64_t ms)
{
	const int64_t until = now_get() + ms;
	const int fd = rules_watch_fd(tool->rules);
	int err = 0;

	tool->events = 0;
	while (!err && tool->events < events && fd_wait(tool, fd, until))
		err = rules_watch(tool->rules, event_print, tool);
	if (err)
		printf("failed %d\n", err);
	puts(".");
}

static void tool_changes(struct tool *tool, int64_t ms)
{
	const int64_t until = now_get() + ms;
	struct rules_change change = {.cause = RULES_CAUSE_NONE};

	while (change.cause == RULES_CAUSE_NONE &&
		fd_wait(tool, rules_changes_fd(tool->rules), until))
		rules_changes(tool->rules, &change);
	printf("%s %s\n.\n", rules_cause_text(change.cause), change.process);
}

static void tool_mend(struct tool *tool)
{
	struct rules_error error = {0};
	struct rules_mended mended;

	if (rules_mend(tool->rules, &mended, &error))
		printf("error %d %s\n", error.code, error.text);
	else
		puts(mended.changed ? "mended\n." : "whole\n.");
}

static int tool_commit(struct tool *tool)
{
	struct rules_error error = {0};
	int err = rules_apply(tool->rules, tool->ops, tool->count, &error);

	tool->count = 0;
	if (err || error.code)
		printf("error %d %d %s\n", error.code, error.op, error.text);
	return err ? err : error.code;
}

static void tool_fill(struct tool *tool, unsigned int streams)
{
	const int64_t start = now_get();

	tool->count = 0;
	for (unsigned int i = 0; i < streams; i++) {
		struct rules_op *op = &tool->ops[tool->count++];

		*op = (struct rules_op){.kind = RULES_LISTEN, .number = i + 1};
		snprintf(op->name, sizeof(op->name), "fill%u", i);
		addr_parse("10.0.0.1", &op->listen.addr);
		op->listen.addr.bytes[1] = (uint8_t)(i >> 14);
		op->listen.port = (uint16_t)(1024 + (i & 0x3fff));
		if ((tool->count == RULES_OPS_MAX || i + 1 == streams) && tool_commit(tool))
			return;
	}
	printf("ok %lld ms\n", (long long)(now_get() - start));
}

/* One word of an operation; what stands for which field is in the table below. */
static bool field_parse(struct rules_op *op, char field, const char *word)
{
	switch (field) {
	case 'n':
		return snprintf(op->name, sizeof(op->name), "%s", word) > 0;
	case 'l':
		return !endpoint_parse(word, 0, &op->listen);
	case 'c':
		return !endpoint_parse(word, 0, &op->client);
	case 'p':
		return !endpoint_parse(word, 0, &op->punch);
	case 'o':
		return !endpoint_parse(word, 0, &op->peer);
	case 'f':
		return !endpoint_parse(word, 0, &op->from);
	case 's':
		return !strcmp(word, "any") || !prefix_parse(word, &op->source);
	case 'i':
		op->number = (uint32_t)strtoul(word, NULL, 0);
		return true;
	case 'm':
		op->consent_ms = (uint32_t)strtoul(word, NULL, 0);
		return true;
	case 'r':
		op->rate = strtoull(word, NULL, 0);
		return true;
	case 'w':
		op->raw = !strcmp(word, "raw");
		return true;
	}
	return false;
}

static bool fields_parse(struct rules_op *op, const char *fields, char *words[], int count)
{
	bool good = true;

	for (int i = 0; fields[i] && i < count; i++)
		good &= field_parse(op, fields[i], words[i]);
	return good;
}

static bool op_parse(struct rules_op *op, const char *verb, char *words[], int count)
{
	static const struct {
		const char *verb, *fields;
		enum rules_op_kind kind;
	} verbs[] = {
		{"listen", "nlis", RULES_LISTEN},
		{"unlisten", "l", RULES_UNLISTEN},
		{"punch", "pw", RULES_PUNCH},
		{"unpunch", "pw", RULES_UNPUNCH},
		{"ingress", "nlcsmr", RULES_INGRESS},
		{"uningress", "l", RULES_UNINGRESS},
		{"client", "ncpmr", RULES_CLIENT},
		{"unclient", "cp", RULES_UNCLIENT},
		{"consent", "nlsmr", RULES_CONSENT},
		{"agree", "ncmr", RULES_CONSENT},
		{"flush", "cp", RULES_FLUSH},
		{"peer", "ncpoi", RULES_PEER},
		{"peers", "ncpoif", RULES_PEER},
		{"unpeer", "cp", RULES_UNPEER},
	};
	const char *fields = NULL;

	*op = (struct rules_op){0};
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (!strcmp(verbs[i].verb, verb)) {
			fields = verbs[i].fields;
			op->kind = verbs[i].kind;
		}
	return fields && fields_parse(op, fields, words, count);
}

static void line_run(struct tool *tool, char *line)
{
	struct rules_op op = {0};
	char *words[8], *verb = strtok(line, " \n"), *word;
	int count = 0;

	while (count < 8 && (word = strtok(NULL, " \n")))
		words[count++] = word;
	if (!verb)
		return;
	if (!strcmp(verb, "commit")) {
		if (!tool_commit(tool))
			puts("ok");
	} else if (!strcmp(verb, "read")) {
		tool_read(tool);
	} else if (!strcmp(verb, "sample") && count && fields_parse(&op, "clr", words, count)) {
		tool_sample(tool, &op);
	} else if (!strcmp(verb, "watch") && count == 2) {
		tool_watch(tool, atoi(words[0]), atoi(words[1]));
	} else if (!strcmp(verb, "fill") && count == 1) {
		tool_fill(tool, (unsigned int)atoi(words[0]));
	} else if (!strcmp(verb, "changes") && count == 1) {
		tool_changes(tool, atoi(words[0]));
	} else if (!strcmp(verb, "deaf")) {
		deaf = true;
	} else if (!strcmp(verb, "mend")) {
		tool_mend(tool);
	} else if (!strcmp(verb, "settle")) {
		while (rules_due(tool->rules) >= 0)
			fd_wait(tool, -1, rules_due(tool->rules));
		puts("ok");
	} else if (!strcmp(verb, "features")) {
		const struct rules_features *features = rules_features(tool->rules);

		printf("persist %d refresh %d destroy %d timeouts %d\n", features->persist,
			features->refresh, tool->rules->kernel.destroy,
			tool->rules->kernel.timeouts);
	} else if (tool->count > RULES_OPS_MAX ||
		   !op_parse(&tool->ops[tool->count++], verb, words, count)) {
		printf("error line %s\n", verb);
	}
}

static int tool_remove(void)
{
	struct rules_removed removed;
	struct rules_error error = {0};
	int err = rules_remove(&removed, &error);

	if (err)
		printf("error %d %s\n", err, error.text);
	else
		printf("removed table %d flows %u\n", removed.table, removed.flows);
	return err ? 1 : 0;
}

int main(int argc, char **argv)
{
	struct tool *tool = calloc(1, sizeof(*tool));
	const struct kernel oldest = {0};
	struct rules_error error = {0};
	bool adopted = false;
	char *line = NULL;
	size_t size = 0;
	int err;

	setvbuf(stdin, NULL, _IONBF, 0);
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!tool)
		return 1;
	if (argc > 1 && !strcmp(argv[1], "remove")) {
		free(tool);
		return tool_remove();
	}
	err = rules_open_limited(&tool->rules, argc > 1 ? &oldest : NULL, &adopted, &error);
	if (err) {
		printf("error %d %s\n", err, error.text);
		free(tool);
		return 1;
	}
	puts(adopted ? "adopted" : "made");
	while (fd_wait(tool, 0, -1) && getline(&line, &size, stdin) > 0)
		line_run(tool, line);
	rules_close(tool->rules);
	free(line);
	free(tool);
	return 0;
}
