/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/spec.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mac.h"
#include "rules/rules.h"

/* Less holds no packet. With more nft_limit_init() of the kernel, in nanoseconds, overflows. */
#define RATE_MIN  1000
#define RATE_MAX  ((long long)RULES_RATE_MAX)
#define QUOTA_MAX 1000000000000000000ULL

#define LETTERS	  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define NAME_HEAD LETTERS "0123456789"
#define NAME_TAIL NAME_HEAD "._-"

int spec_refuse(char why[static SPEC_WHY], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, SPEC_WHY, format, args);
	va_end(args);
	return -EINVAL;
}

static const struct prefix anywhere = {.addr.family = AF_INET};

int spec_init(struct spec *spec, const char *name, char why[static SPEC_WHY])
{
	size_t len = strnlen(name, SPEC_NAME);

	if (len == 0)
		return spec_refuse(
			why, "the name is empty; names have 1 to %d characters", SPEC_NAME - 1);
	if (len >= SPEC_NAME)
		return spec_refuse(why,
			"the name \"%.20s...\" is too long; names have 1 to %d characters", name,
			SPEC_NAME - 1);
	if (!strchr(NAME_HEAD, name[0]) || name[strspn(name, NAME_TAIL)] != '\0')
		return spec_refuse(why,
			"\"%s\" is not a name; names have letters, digits and . _ - and begin with "
			"a letter or a digit",
			name);
	memset(spec, 0, sizeof(*spec));
	memcpy(spec->name, name, len);
	spec->source = SPEC_FIRST;
	spec->clients = anywhere;
	return 0;
}

int spec_set_listen(struct spec *spec, const char *text, char why[static SPEC_WHY])
{
	switch (listen_parse(text, &spec->at, &spec->listen)) {
	case 0:
		return 0;
	case -EADDRNOTAVAIL:
		return spec_refuse(why,
			"\"%.60s\" does not begin with an address; write 203.0.113.7:9099-9102, "
			"[2001:db8::7]:9099, or only the ports for all addresses of the relay",
			text);
	case -ERANGE:
		return spec_refuse(why, "\"%.24s\" has too many ports; a stream has at most %d",
			text, PORTS_MAX);
	}
	return spec_refuse(why,
		"\"%.24s\" is not a list of ports; write 9099, 9099-9102 or 9099,9101, without "
		"spaces, each port once and from 1 to 65535",
		text);
}

/* Says which half of "198.51.100.7/24" is wrong, as that is what people get wrong. */
static int prefix_read(
	const char *text, const char *words, struct prefix *out, char why[static SPEC_WHY])
{
	char addr[ADDR_TEXT];
	struct addr ignored;

	if (prefix_parse(text, out) == 0)
		return 0;
	snprintf(addr, sizeof(addr), "%.*s", (int)strcspn(text, "/"), text);
	if (strchr(text, '/') && addr_parse(addr, &ignored) == 0)
		return spec_refuse(why,
			"\"%.49s\" is not a prefix; its length does not fit, or bits behind it are "
			"set (198.51.100.0/24, 2001:db8::/32)",
			text);
	return spec_refuse(why,
		"\"%.49s\" is not an address; write an address, a prefix like 198.51.100.0/24, %s",
		text, words);
}

int spec_set_source(struct spec *spec, const char *text, char why[static SPEC_WHY])
{
	struct prefix prefix = {0};

	if (strcmp(text, "any") == 0) {
		spec->source = SPEC_ANY;
	} else if (strcmp(text, "first") == 0) {
		spec->source = SPEC_FIRST;
	} else {
		if (prefix_read(text, "\"first\" or \"any\"", &prefix, why) < 0)
			return -EINVAL;
		spec->source = SPEC_PREFIX;
	}
	spec->prefix = prefix;
	return 0;
}

/* The text is not repeated: it may be a secret but for one letter. */
int spec_set_key(struct spec *spec, const char *text, char why[static SPEC_WHY])
{
	if (!mac_key_valid(text))
		return spec_refuse(why,
			"this is not a key; a key is base64 of 16 bytes or more in at most %d "
			"characters, and \"punchctl key\" makes one",
			SPEC_KEY - 1);
	memset(spec->key, 0, sizeof(spec->key));
	memcpy(spec->key, text, strlen(text));
	return 0;
}

int spec_set_clients(struct spec *spec, const char *text, char why[static SPEC_WHY])
{
	struct prefix prefix = anywhere;

	if (strcmp(text, "any") != 0 && prefix_read(text, "or \"any\"", &prefix, why) < 0)
		return -EINVAL;
	spec->clients = prefix.bits ? prefix : anywhere;
	return 0;
}

int spec_set_rate(struct spec *spec, long long rate, char why[static SPEC_WHY])
{
	if (rate != 0 && (rate < RATE_MIN || rate > RATE_MAX))
		return spec_refuse(why,
			"%lld is not a rate; rates are %d to %lld bytes per second, or 0 for no "
			"limit",
			rate, RATE_MIN, RATE_MAX);
	spec->rate = (uint64_t)rate;
	return 0;
}

static const struct unit {
	char letter;
	uint64_t bytes;
} units[] = {{'T', 1000000000000}, {'G', 1000000000}, {'M', 1000000}, {'k', 1000}, {0}};

static const char *const periods[] = {
	[SPEC_EVER] = "", [SPEC_DAY] = "/day", [SPEC_MONTH] = "/month"};

int spec_set_quota(struct spec *spec, const char *text, char why[static SPEC_WHY])
{
	const struct unit *unit = units;
	size_t period = 0;
	char *end;
	uint64_t value;

	errno = 0;
	value = strtoull(text, &end, 10);
	while (unit->letter && unit->letter != *end)
		unit++;
	end += unit->letter != 0;
	while (period < sizeof(periods) / sizeof(periods[0]) && strcmp(end, periods[period]) != 0)
		period++;
	if (errno || !isdigit((unsigned char)*text) ||
		period == sizeof(periods) / sizeof(periods[0]) ||
		value > QUOTA_MAX / (unit->letter ? unit->bytes : 1))
		return spec_refuse(why,
			"\"%.30s\" is not a quota; write bytes, with k, M, G or T, and how often: "
			"50G/month, 2G/day, 500M, or 0 for none",
			text);
	spec->quota = value * (unit->letter ? unit->bytes : 1);
	spec->period = spec->quota ? (enum spec_period)period : SPEC_EVER;
	return 0;
}

const char *spec_quota_format(const struct spec *spec, char out[static SPEC_QUOTA])
{
	const struct unit *unit = units;

	while (unit->letter && (!spec->quota || spec->quota % unit->bytes))
		unit++;
	snprintf(out, SPEC_QUOTA, "%" PRIu64 "%.1s%s",
		unit->letter ? spec->quota / unit->bytes : spec->quota, &unit->letter,
		periods[spec->period]);
	return out;
}

int spec_set_raw_punch(struct spec *spec, long long port, char why[static SPEC_WHY])
{
	if (port < 0 || port > UINT16_MAX)
		return spec_refuse(
			why, "%lld is not a port; ports are 1 to 65535, and 0 is for none", port);
	spec->raw_punch = (uint16_t)port;
	return 0;
}

int spec_set_peers(struct spec *spec, long long pairs, char why[static SPEC_WHY])
{
	if (pairs < 0 || pairs > SPEC_PEERS_MAX)
		return spec_refuse(why,
			"%lld is not a number of pairs; write 1 to %d, or 0 for no peers", pairs,
			SPEC_PEERS_MAX);
	spec->peers = (uint16_t)pairs;
	return 0;
}

/* Ports that are punched without proof: raw_punch and the following, one for each port. */
static bool is_raw(const struct spec *spec, unsigned int port)
{
	return spec->raw_punch && port >= spec->raw_punch &&
	       port < (unsigned int)spec->raw_punch + spec->listen.count;
}

int spec_check(const struct spec *spec, char why[static SPEC_WHY])
{
	unsigned int last = (unsigned int)spec->raw_punch + spec->listen.count - 1;

	if (spec->listen.count == 0 && !spec->peers)
		return spec_refuse(
			why, "no port to listen at; give it one, e.g. 9099 or 9099-9102, or peers");
	if (spec->key[0] == '\0')
		return spec_refuse(why, "no key; \"punchctl key\" makes one");
	if (spec->quota && spec->peers)
		return spec_refuse(
			why, "a quota does not count what peers send; leave out one of them");
	if (!spec->raw_punch)
		return 0;
	if (spec->listen.count == 0)
		return spec_refuse(
			why, "raw punch ports are for ports to listen at, and it has none");
	if (last > UINT16_MAX)
		return spec_refuse(why,
			"raw punch ports %u to %u go beyond 65535; %u ports need a first one of at "
			"most %u",
			spec->raw_punch, last, spec->listen.count,
			UINT16_MAX + 1U - spec->listen.count);
	for (int i = 0; i < spec->listen.count; i++) {
		if (is_raw(spec, spec->listen.port[i]))
			return spec_refuse(why,
				"port %u cannot be punched and be listened at; raw punch takes %u "
				"to %u, choose other ports",
				spec->listen.port[i], spec->raw_punch, last);
	}
	return 0;
}

bool spec_wants(const struct spec *spec, unsigned int port)
{
	return is_raw(spec, port) || ports_index(&spec->listen, (uint16_t)port) >= 0;
}

uint16_t spec_overlap(const struct spec *a, const struct spec *b)
{
	if (a->at.family && b->at.family && !addr_equal(&a->at, &b->at))
		return 0;
	for (unsigned int i = 0; i < a->listen.count; i++) {
		if (spec_wants(b, a->listen.port[i]))
			return a->listen.port[i];
		if (a->raw_punch && spec_wants(b, a->raw_punch + i))
			return (uint16_t)(a->raw_punch + i);
	}
	return 0;
}

static bool ports_equal(const struct ports *a, const struct ports *b)
{
	return a->count == b->count && memcmp(a->port, b->port, a->count * sizeof(a->port[0])) == 0;
}

bool spec_equal(const struct spec *a, const struct spec *b)
{
	return strcmp(a->name, b->name) == 0 && ports_equal(&a->listen, &b->listen) &&
	       addr_equal(&a->at, &b->at) && a->source == b->source &&
	       (a->source != SPEC_PREFIX || prefix_equal(&a->prefix, &b->prefix)) &&
	       mac_equal(a->key, b->key, sizeof(a->key)) &&
	       prefix_equal(&a->clients, &b->clients) && a->rate == b->rate &&
	       a->quota == b->quota && a->period == b->period && a->raw_punch == b->raw_punch &&
	       a->peers == b->peers;
}

bool spec_admits(const struct spec *spec, const struct addr *client)
{
	return !spec->clients.bits || prefix_contains(&spec->clients, client);
}

bool spec_means(const struct spec *spec, const struct addr *sender)
{
	return spec->source != SPEC_PREFIX || prefix_contains(&spec->prefix, sender);
}

const char *spec_source_format(const struct spec *spec, char out[static PREFIX_TEXT])
{
	switch (spec->source) {
	case SPEC_ANY:
		snprintf(out, PREFIX_TEXT, "any");
		return out;
	case SPEC_FIRST:
		snprintf(out, PREFIX_TEXT, "first");
		return out;
	case SPEC_PREFIX:
		break;
	}
	return prefix_format(&spec->prefix, out);
}
