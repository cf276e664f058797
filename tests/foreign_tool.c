/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * foreign_tool: asks rules/foreign from a test. Words are KEY=VALUE:
 *
 *   walk way=media|reply|punch|answer source=EP dest=EP [to=EP] [from=EP] [mark=N] [first]
 * [replied] [in=IF] [out=IF]       a line per base chain, then the verdict of all, then
 * milliseconds legacy                      "4 yes|no 6 yes|no"
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "rules/foreign.h"

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

int main(int argc, char **argv)
{
	struct foreign_packet packet = {0};

	if (argc == 2 && !strcmp(argv[1], "legacy")) {
		printf("4 %s 6 %s\n", foreign_legacy(AF_INET) ? "yes" : "no",
			foreign_legacy(AF_INET6) ? "yes" : "no");
		return 0;
	}
	if (argc < 2 || strcmp(argv[1], "walk") != 0)
		return 2;
	for (int i = 2; i < argc; i++)
		if (!word_parse(&packet, argv[i])) {
			fprintf(stderr, "what is %s?\n", argv[i]);
			return 2;
		}
	return tool_walk(&packet);
}
