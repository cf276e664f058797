/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * foreign_tool: asks rules/foreign from a test. Words are KEY=VALUE:
 *
 *   walk way=media|reply|punch|answer source=EP dest=EP [to=EP] [from=EP] [mark=N] [first]
 * [replied] [in=IF] [out=IF]       a line per base chain, then the verdict of all, then
 * milliseconds legacy                      "4 yes|no 6 yes|no"
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "rules/foreign.h"
#include "rules/trace.h"

static const char *const ways[] = {"media", "reply", "punch", "answer"};

struct tally {
	bool drops, changes, unknown;
};

static void chain_print(void *data, const struct foreign_chain *c)
{
	struct tally *tally = data;

	tally->drops |= c->verdict == FOREIGN_DROPS;
	tally->changes |= c->verdict == FOREIGN_CHANGES;
	tally->unknown |= c->verdict == FOREIGN_UNKNOWN;
	printf("%s %d %s %u/%s/%s %s %s %s %llu | %s\n", c->hook, c->priority, c->type, c->family,
		c->table, c->chain, foreign_owner_text(c->owner), foreign_verdict_text(c->verdict),
		c->at_chain, (unsigned long long)c->handle, c->why);
}

static bool way_parse(const char *word, enum foreign_way *out)
{
	for (int i = 0; i < 4; i++)
		if (!strcmp(ways[i], word)) {
			*out = (enum foreign_way)i;
			return true;
		}
	return false;
}

static bool word_parse(struct foreign_packet *packet, char *word)
{
	char *value = strchr(word, '=');

	if (!strcmp(word, "first"))
		return packet->first = true;
	if (!strcmp(word, "replied"))
		return packet->replied = true;
	if (!value)
		return false;
	*value++ = 0;
	if (!strcmp(word, "way"))
		return way_parse(value, &packet->way);
	if (!strcmp(word, "source"))
		return !endpoint_parse(value, 0, &packet->source);
	if (!strcmp(word, "dest"))
		return !endpoint_parse(value, 0, &packet->dest);
	if (!strcmp(word, "to"))
		return !endpoint_parse(value, 0, &packet->to);
	if (!strcmp(word, "from"))
		return !endpoint_parse(value, 0, &packet->from);
	if (!strcmp(word, "mark"))
		packet->mark = (uint32_t)strtoul(value, NULL, 0);
	else if (!strcmp(word, "in"))
		snprintf(packet->in, sizeof(packet->in), "%s", value);
	else if (!strcmp(word, "out"))
		snprintf(packet->out, sizeof(packet->out), "%s", value);
	else
		return false;
	return true;
}

static double now_get(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static int tool_walk(const struct foreign_packet *packet)
{
	const double start = now_get();
	struct tally tally = {0};
	int err = foreign_walk(packet, chain_print, &tally);

	if (err) {
		fprintf(stderr, "walk: %s\n", strerror(-err));
		return 1;
	}
	printf("all %s\n", tally.drops	   ? "drops"
			   : tally.changes ? "changes"
			   : tally.unknown ? "unknown"
					   : "passes");
	printf("ms %.1f\n", now_get() - start);
	return 0;
}

static void event_print(void *data, const struct trace_event *e)
{
	static const char *const kinds[] = {"rule", "return", "policy"};
	char source[ENDPOINT_TEXT], dest[ENDPOINT_TEXT];

	(void)data;
	printf("%s %u/%s/%s %llu verdict %d %s %s -> %s iif %u oif %u%s%s\n", kinds[e->kind],
		e->family, e->table, e->chain, (unsigned long long)e->handle, e->verdict, e->target,
		endpoint_format(&e->source, source), endpoint_format(&e->dest, dest), e->iif,
		e->oif, e->probe ? " probe" : "", e->ours ? " ours" : "");
}

static int trace_follow(struct trace *trace, double until)
{
	static const char *const states[] = {"waiting", "running", "done"};
	double now = now_get();
	int err = 0;

	while (!err && now < until && trace_state(trace, (int64_t)now) != TRACE_DONE) {
		struct pollfd wait = {trace_fd(trace), POLLIN, 0};

		poll(&wait, 1, 20);
		now = now_get();
		err = trace_read(trace, (int64_t)now, event_print, NULL);
	}
	printf("state %s\n", err ? strerror(-err) : states[trace_state(trace, (int64_t)now_get())]);
	return err ? 1 : 0;
}

static int tool_trace(int argc, char **argv)
{
	struct trace_target target = {0};
	struct endpoint probe = {0};
	struct trace *trace;
	int err;

	for (int i = 2; i < argc - 1; i++)
		if (!strcmp(argv[i], "out"))
			target.out = true;
		else if (!strncmp(argv[i], "source=", 7))
			err = endpoint_parse(argv[i] + 7, 0, &target.source);
		else if (!strncmp(argv[i], "dest=", 5))
			err = endpoint_parse(argv[i] + 5, 0, &target.dest);
		else if (!strncmp(argv[i], "probe=", 6))
			err = endpoint_parse(argv[i] + 6, 0, &probe);
	err = trace_open(&trace, &target);
	if (!err && probe.addr.family)
		err = trace_probe(trace, &probe, &target.dest);
	if (err) {
		printf("failed %s\n", strerror(-err));
		return 1;
	}
	puts("ready");
	fflush(stdout);
	err = trace_follow(trace, now_get() + atof(argv[argc - 1]));
	trace_close(trace);
	return err;
}

int main(int argc, char **argv)
{
	struct foreign_packet packet = {0};

	if (argc == 2 && !strcmp(argv[1], "legacy")) {
		printf("4 %s 6 %s\n", foreign_legacy(AF_INET) ? "yes" : "no",
			foreign_legacy(AF_INET6) ? "yes" : "no");
		return 0;
	}
	if (argc > 2 && !strcmp(argv[1], "trace"))
		return tool_trace(argc, argv);
	if (argc < 2 || strcmp(argv[1], "walk") != 0)
		return 2;
	for (int i = 2; i < argc; i++)
		if (!word_parse(&packet, argv[i])) {
			fprintf(stderr, "what is %s?\n", argv[i]);
			return 2;
		}
	return tool_walk(&packet);
}
