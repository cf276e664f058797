/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/natbox/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
	"usage: natbox --inside DEV[@NETNS]... --outside DEV[@NETNS] --public ADDRESS [OPTION...]\n"
	"A NAT between TUN devices, which it makes. Prints counters as JSON at its end and on "
	"SIGUSR1.\n"
	"  --none               no NAT: a wire with the properties below\n"
	"  --type NAME          full-cone, restricted, port-restricted, symmetric-preserving,\n"
	"                       symmetric-sequential, symmetric-random, linux-like, cgn\n"
	"and, after it, what is to be different:\n"
	"  --mapping, --filtering SCOPE      endpoint, address, port: what they depend on\n"
	"  --allocate HOW       preserve, preserve-clash, sequential, random, block\n"
	"  --step N             of sequential, may be negative\n"
	"  --ports LOW-HIGH     that are given\n"
	"  --block N            ports for each inside address\n"
	"  --foreign RATE       mappings per second that others make\n"
	"  --lifetime MS        of mappings\n"
	"  --hairpin, --inbound-refreshes, --icmp, and their opposites with --no-\n"
	"  --seed N\n"
	"  --gateway ADDRESS    its inside address, from which it sends ICMP errors\n"
	"  --second NAME        a second NAT outside the first; options after this one are for it\n"
	"  --between ADDRESS    the public address of the first, then (100.64.0.2)\n"
	"for all:\n"
	"  --time-exceeded      says when a TTL was too small\n"
	"  --delay MS, --jitter MS, --loss PERCENT      on the outside, each way\n"
	"  --reorder            jitter may change the order\n";

static const struct preset {
	const char *name;
	struct nat_config nat;
} presets[] = {
	{"full-cone", {.mapping = NAT_ENDPOINT, .filtering = NAT_ENDPOINT}},
	{"restricted", {.mapping = NAT_ENDPOINT, .filtering = NAT_ADDRESS}},
	{"port-restricted", {.mapping = NAT_ENDPOINT, .filtering = NAT_PORT}},
	{"symmetric-preserving", {.mapping = NAT_PORT, .filtering = NAT_PORT}},
	{"symmetric-sequential",
		{.mapping = NAT_PORT, .filtering = NAT_PORT, .allocate = NAT_SEQUENTIAL}},
	{"symmetric-random", {.mapping = NAT_PORT, .filtering = NAT_PORT, .allocate = NAT_RANDOM}},
	{"linux-like", {.mapping = NAT_PORT,
			       .filtering = NAT_PORT,
			       .allocate = NAT_PRESERVE_CLASH,
			       .inbound_refreshes = true,
			       .icmp = true}},
	/* RFC 6888 wants endpoint-independent mapping and hairpinning; RFC 7422 describes blocks.
	 */
	{"cgn", {.mapping = NAT_ENDPOINT,
			.filtering = NAT_PORT,
			.allocate = NAT_BLOCK,
			.block = 2048,
			.hairpin = true}},
};

enum {
	INSIDE = 256,
	OUTSIDE,
	PUBLIC,
	NONE,
	TYPE,
	MAPPING,
	FILTERING,
	ALLOCATE,
	STEP,
	PORTS,
	BLOCK,
	FOREIGN,
	LIFETIME,
	HAIRPIN,
	NO_HAIRPIN,
	INBOUND,
	NO_INBOUND,
	ICMP,
	NO_ICMP,
	SEED,
	GATEWAY,
	SECOND,
	BETWEEN,
	TIME_EXCEEDED,
	DELAY,
	JITTER,
	LOSS,
	REORDER,
	HELP,
};

static const struct option longs[] = {
	{"inside", required_argument, NULL, INSIDE},
	{"outside", required_argument, NULL, OUTSIDE},
	{"public", required_argument, NULL, PUBLIC},
	{"none", no_argument, NULL, NONE},
	{"type", required_argument, NULL, TYPE},
	{"mapping", required_argument, NULL, MAPPING},
	{"filtering", required_argument, NULL, FILTERING},
	{"allocate", required_argument, NULL, ALLOCATE},
	{"step", required_argument, NULL, STEP},
	{"ports", required_argument, NULL, PORTS},
	{"block", required_argument, NULL, BLOCK},
	{"foreign", required_argument, NULL, FOREIGN},
	{"lifetime", required_argument, NULL, LIFETIME},
	{"hairpin", no_argument, NULL, HAIRPIN},
	{"no-hairpin", no_argument, NULL, NO_HAIRPIN},
	{"inbound-refreshes", no_argument, NULL, INBOUND},
	{"no-inbound-refreshes", no_argument, NULL, NO_INBOUND},
	{"icmp", no_argument, NULL, ICMP},
	{"no-icmp", no_argument, NULL, NO_ICMP},
	{"seed", required_argument, NULL, SEED},
	{"gateway", required_argument, NULL, GATEWAY},
	{"second", required_argument, NULL, SECOND},
	{"between", required_argument, NULL, BETWEEN},
	{"time-exceeded", no_argument, NULL, TIME_EXCEEDED},
	{"delay", required_argument, NULL, DELAY},
	{"jitter", required_argument, NULL, JITTER},
	{"loss", required_argument, NULL, LOSS},
	{"reorder", no_argument, NULL, REORDER},
	{"help", no_argument, NULL, HELP},
	{NULL, 0, NULL, 0},
};

struct parser {
	struct options *out;
	struct layer_config *layer; /* that options are for now */
	struct addr public, between;
	bool none;
};

static bool number_get(const char *text, double low, double high, double *out)
{
	char *end;

	errno = 0;
	*out = strtod(text, &end);
	return end != text && !*end && !errno && *out >= low && *out <= high;
}

/* The position in a list of words that ends with NULL. */
static bool word_get(const char *const *words, const char *text, int *out)
{
	for (int i = 0; words[i]; i++) {
		*out = i;
		if (strcmp(words[i], text) == 0)
			return true;
	}
	return false;
}

static bool preset_get(const char *text, struct layer_config *out)
{
	struct nat_config old = out->nat;

	for (size_t i = 0; i < sizeof(presets) / sizeof(presets[0]); i++) {
		if (strcmp(presets[i].name, text) != 0)
			continue;
		out->nat = presets[i].nat;
		out->nat.seed = old.seed;
		return true;
	}
	return false;
}

static bool layer_begin(struct parser *parser, const char *type)
{
	struct box_config *box = &parser->out->box;

	if (box->count == BOX_LAYERS)
		return false;
	parser->layer = &box->layers[box->count++];
	parser->layer->nat.seed = box->layers[0].nat.seed + 1;
	return preset_get(type, parser->layer);
}

static bool type_get(struct parser *parser, const char *text)
{
	struct box_config *box = &parser->out->box;

	if (box->count != 1)
		return false;
	if (strcmp(text, "cgn") == 0)
		return preset_get("port-restricted", &box->layers[0]) && layer_begin(parser, "cgn");
	return preset_get(text, parser->layer);
}

static bool ports_get(const char *text, struct nat_config *nat)
{
	unsigned int low, high;
	char rest;

	if (sscanf(text, "%u-%u%c", &low, &high, &rest) != 2)
		return false;
	nat->low = (uint16_t)low;
	nat->high = (uint16_t)high;
	return low > 0 && low <= high && high <= UINT16_MAX;
}

static bool flag_get(int option, struct nat_config *nat)
{
	switch (option) {
	case HAIRPIN:
	case NO_HAIRPIN:
		nat->hairpin = option == HAIRPIN;
		return true;
	case INBOUND:
	case NO_INBOUND:
		nat->inbound_refreshes = option == INBOUND;
		return true;
	case ICMP:
	case NO_ICMP:
		nat->icmp = option == ICMP;
		return true;
	}
	return false;
}

static bool nat_get(int option, const char *text, struct nat_config *nat)
{
	static const char *const scopes[] = {"endpoint", "address", "port", NULL};
	static const char *const ways[] = {
		"preserve", "preserve-clash", "sequential", "random", "block", NULL};
	double number;
	int word;

	switch (option) {
	case MAPPING:
	case FILTERING:
		if (!word_get(scopes, text, &word))
			return false;
		*(option == MAPPING ? &nat->mapping : &nat->filtering) = (enum nat_scope)word;
		return true;
	case ALLOCATE:
		if (!word_get(ways, text, &word))
			return false;
		nat->allocate = (enum nat_allocate)word;
		return true;
	case STEP:
		nat->step = number_get(text, -65535, 65535, &number) ? (int)number : 0;
		return nat->step != 0;
	case PORTS:
		return ports_get(text, nat);
	case BLOCK:
		nat->block = number_get(text, 1, 65535, &number) ? (uint16_t)number : 0;
		return nat->block != 0;
	case FOREIGN:
		return number_get(text, 0, 100000, &nat->foreign);
	case LIFETIME:
		nat->lifetime_ms = number_get(text, 1, 1e9, &number) ? (uint32_t)number : 0;
		return nat->lifetime_ms != 0;
	}
	return flag_get(option, nat);
}

static bool link_get(int option, const char *text, struct options *out)
{
	double number;

	if (option == REORDER) {
		out->link.reorder = true;
		return true;
	}
	if (!number_get(text, 0, option == LOSS ? 100 : 100000, &number))
		return false;
	if (option == LOSS)
		out->link.loss = number / 100;
	else
		*(option == DELAY ? &out->link.delay_us : &out->link.jitter_us) =
			(int64_t)(number * 1000);
	return true;
}

static bool seed_get(struct parser *parser, const char *text)
{
	double number;

	if (!number_get(text, 0, UINT32_MAX, &number))
		return false;
	parser->layer->nat.seed = (uint32_t)number;
	parser->out->link.seed = (uint32_t)number;
	return true;
}

static bool option_get(struct parser *parser, int option, char *text)
{
	struct options *out = parser->out;

	switch (option) {
	case INSIDE:
		if (out->inside_count == INSIDE_MAX)
			return false;
		out->inside[out->inside_count++] = text;
		return true;
	case OUTSIDE:
		out->outside = text;
		return true;
	case PUBLIC:
		return addr_parse(text, &parser->public) == 0;
	case BETWEEN:
		return addr_parse(text, &parser->between) == 0;
	case GATEWAY:
		return addr_parse(text, &parser->layer->gateway) == 0;
	case NONE:
		parser->none = true;
		return true;
	case TYPE:
		return type_get(parser, text);
	case SECOND:
		return layer_begin(parser, text);
	case SEED:
		return seed_get(parser, text);
	case TIME_EXCEEDED:
		out->box.time_exceeded = true;
		return true;
	case DELAY:
	case JITTER:
	case LOSS:
	case REORDER:
		return link_get(option, text, out);
	}
	return nat_get(option, text, &parser->layer->nat);
}

/* What belongs together: each NAT's inside address lies in the network of what is inside of it. */
static int addresses_set(struct parser *parser)
{
	struct box_config *box = &parser->out->box;
	struct layer_config *last = &box->layers[box->count - 1];

	if (parser->none) {
		box->count = 0;
		return 0;
	}
	if (parser->public.family != AF_INET || parser->between.family != AF_INET) {
		fprintf(stderr, "natbox: --public wants an IPv4 address\n");
		return -EINVAL;
	}
	for (size_t i = 0; i < box->count; i++) {
		box->layers[i].nat.public = parser->between;
		if (!box->layers[i].gateway.family)
			box->layers[i].gateway = i ? (struct addr){AF_INET, {100, 64, 0, 1}}
						   : (struct addr){AF_INET, {10, 0, 0, 1}};
	}
	last->nat.public = parser->public;
	return 0;
}

int options_parse(int argc, char **argv, struct options *out)
{
	struct parser parser = {.out = out, .between = {AF_INET, {100, 64, 0, 2}}};
	int option, index = 0;

	*out = (struct options){.box.count = 1, .link.seed = 1};
	parser.layer = &out->box.layers[0];
	parser.layer->nat.seed = 1;
	preset_get("port-restricted", parser.layer);
	while ((option = getopt_long(argc, argv, "", longs, &index)) != -1) {
		if (option == HELP) {
			fputs(usage, stdout);
			return 1;
		}
		if (option == '?')
			return -EINVAL;
		if (!option_get(&parser, option, optarg)) {
			fprintf(stderr, "natbox: --%s %s: that cannot be\n", longs[index].name,
				optarg ? optarg : "");
			return -EINVAL;
		}
	}
	if (optind < argc || !out->inside_count || !out->outside) {
		fputs(usage, stderr);
		return -EINVAL;
	}
	return addresses_set(&parser);
}
