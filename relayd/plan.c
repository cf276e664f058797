/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/plan.h"

#include <stdlib.h>
#include <string.h>

/* What is left for the last datagrams to arrive, and for the answers to them. */
#define SLACK_MS 1500

#define PUNCH_TRIES   2
#define PUNCH_COUNT   20
#define PUNCH_PACE_MS 50

#define PREDICT_TRIES	5
#define PREDICT_PACE_MS 5
#define ANSWER_COUNT	20 /* datagrams of the side whose port is predicted */
#define ANSWER_PACE_MS	50

#define STEP_TRIES   4
#define STEP_PACE_MS 10

#define BIRTHDAY_TRIES	 3
#define BIRTHDAY_PACE_MS 5
#define SOCKETS_PACE_MS	 2
/* 1000 * ln(100): where probes times sockets is ports times ln(100), 1 % of the tries fail. */
#define BIRTHDAY_FACTOR 4605

#define PORT_MIN      1024
#define PORT_MAX      65535
#define NEARBY	      1024 /* mappings among which the next ones of a sequential NAT are */
#define MEMORY_MS     (24 * 3600 * 1000LL)
#define MEMORY_PROBES 8

/* How the port that a side's next mapping has can be found. */
enum chance { UNKNOWN, PREDICTABLE, SEQUENTIAL, RANDOM, BLOCKED };

static enum chance side_chance(const struct nat_report *nat)
{
	if (nat->blocked)
		return BLOCKED;
	if (nat_is_predictable(nat))
		return PREDICTABLE;
	if (nat->mapping == NAT_MAPPING_UNKNOWN)
		return UNKNOWN;
	return nat->ports.allocation == NAT_ALLOCATION_SEQUENTIAL && nat->ports.step ? SEQUENTIAL
										     : RANDOM;
}

/*
 * What one server sees as endpoint-independent almost always is: it is counted on, unless the
 * other side is predictable too, since then a punch has shown already that it is not.
 */
static void side_chances(const struct plan_side side[static 2], enum chance out[static 2])
{
	for (unsigned int i = 0; i < 2; i++)
		out[i] = side_chance(&side[i].nat);
	for (unsigned int i = 0; i < 2; i++)
		if (side[i].nat.mapping == NAT_MAPPING_NOT_PORT && out[i] > PREDICTABLE &&
			(out[!i] == SEQUENTIAL || out[!i] == RANDOM))
			out[i] = PREDICTABLE;
}

/* Can it work at all between these two? Who is looked for by his next port has a fresh socket. */
static bool plan_fits(enum peer_plan plan, const struct plan_side side[static 2],
	const enum chance chance[static 2])
{
	bool fixed = (side[0].fixed && chance[0] != PREDICTABLE) ||
		     (side[1].fixed && chance[1] != PREDICTABLE);
	bool sure = chance[0] == PREDICTABLE || chance[1] == PREDICTABLE;
	bool sequential = chance[0] == SEQUENTIAL || chance[1] == SEQUENTIAL;
	bool random = chance[0] == RANDOM || chance[1] == RANDOM;

	switch (plan) {
	case PEER_REST:
		return true;
	case PEER_PUNCH:
		return chance[0] != BLOCKED && chance[1] != BLOCKED;
	case PEER_PREDICT:
		return sure && sequential && !fixed;
	case PEER_STEP:
		return chance[0] == SEQUENTIAL && chance[1] == SEQUENTIAL && !fixed;
	case PEER_BIRTHDAY:
		/* Of a sequential NAT with much traffic the next ports are a small block. */
		return sure && (random || sequential) && !fixed;
	}
	return false;
}

/*
 * Both ports are known, or who knows the other's lets in what comes from any port of it. Else a
 * punch is in vain, and a NAT like Linux's takes a port away for what it has refused.
 */
static bool punch_is_likely(
	const struct plan_side side[static 2], const enum chance chance[static 2])
{
	if (side[0].listed || side[1].listed)
		return true;
	for (unsigned int i = 0; i < 2; i++)
		if ((chance[!i] == SEQUENTIAL || chance[!i] == RANDOM) &&
			side[i].nat.filtering == NAT_FILTERING_PORT)
			return false;
	return true;
}

enum peer_plan plan_choose(const struct plan_side side[static 2],
	const struct plan_history *history, enum peer_plan known)
{
	static const unsigned int tries[] = {[PEER_PUNCH] = PUNCH_TRIES,
		[PEER_PREDICT] = PREDICT_TRIES,
		[PEER_STEP] = STEP_TRIES,
		[PEER_BIRTHDAY] = BIRTHDAY_TRIES};
	enum chance chance[2];
	bool likely;

	side_chances(side, chance);
	if (known != PEER_REST && !history->tries[known] && plan_fits(known, side, chance))
		return known;
	likely = punch_is_likely(side, chance);
	for (enum peer_plan plan = PEER_PUNCH; plan <= PEER_BIRTHDAY; plan++) {
		if (plan == PEER_PUNCH && !likely)
			continue;
		if (plan_fits(plan, side, chance) && history->tries[plan] < tries[plan])
			return plan;
	}
	/* What is known of a NAT may be wrong. */
	if (!likely && plan_fits(PEER_PUNCH, side, chance) && !history->tries[PEER_PUNCH])
		return PEER_PUNCH;
	return PEER_REST;
}

static uint16_t side_last(const struct plan_side *side)
{
	return side->last ? side->last : side->hole.port;
}

static void fill_punch(struct peer_round *out)
{
	out->count = PUNCH_COUNT;
	out->pace_ms = PUNCH_PACE_MS;
	out->limit_ms = SLACK_MS;
}

/* The more time since the sample, the more mappings of others lie between. */
static void fill_predict(const struct plan_side *other, unsigned int tries, struct peer_round *out)
{
	static const uint16_t window[PREDICT_TRIES] = {8, 20, 48, 64, 64};

	if (out->part == 0) {
		out->count = window[tries < PREDICT_TRIES ? tries : PREDICT_TRIES - 1];
		out->pace_ms = PREDICT_PACE_MS;
		out->last = side_last(other);
		out->step = other->nat.ports.step;
	} else {
		out->count = ANSWER_COUNT;
		out->pace_ms = ANSWER_PACE_MS;
	}
	out->limit_ms = ANSWER_COUNT * ANSWER_PACE_MS + SLACK_MS;
}

static void fill_step(const struct plan_side *other, unsigned int tries, struct peer_round *out)
{
	static const uint16_t count[STEP_TRIES] = {32, 128, 512, 1024};
	unsigned int i = tries < STEP_TRIES ? tries : STEP_TRIES - 1;

	out->count = count[i];
	/* The last time slower, for NATs that do not make mappings so fast. */
	out->pace_ms = i == STEP_TRIES - 1 ? 2 * STEP_PACE_MS : STEP_PACE_MS;
	out->last = side_last(other);
	out->step = other->nat.ports.step;
	out->limit_ms = out->count * out->pace_ms + SLACK_MS;
}

/* Where the fresh sockets of the side that cannot be predicted will be mapped. */
static void birthday_range(const struct plan_side *side, struct peer_round *out)
{
	const struct nat_ports *ports = &side->nat.ports;
	int32_t last = side_last(side), span = NEARBY * abs(ports->step);

	out->low = PORT_MIN;
	out->high = PORT_MAX;
	if (ports->allocation == NAT_ALLOCATION_RANDOM && ports->low && ports->low <= ports->high) {
		/* Of what is below nobody is made to look for sockets of peers. */
		out->low = ports->low > PORT_MIN ? ports->low : PORT_MIN;
		out->high = ports->high > PORT_MIN ? ports->high : PORT_MAX;
	} else if (ports->allocation == NAT_ALLOCATION_SEQUENTIAL && span < PORT_MAX - PORT_MIN) {
		int32_t low = ports->step > 0 ? last : last - span;

		low = low < PORT_MIN ? PORT_MIN : low;
		low = low > PORT_MAX - span ? PORT_MAX - span : low;
		out->low = (uint16_t)low;
		out->high = (uint16_t)(low + span);
	}
}

/* As many sockets as probes, up to a number that NATs bear; then more probes. */
static void fill_birthday(const struct plan_side *random, struct peer_round *out)
{
	uint32_t ports, area, sockets = 1, probes;

	birthday_range(random, out);
	ports = (uint32_t)(out->high - out->low) + 1;
	area = (ports * BIRTHDAY_FACTOR + 999) / 1000;
	while (sockets < PEER_SOCKETS_MAX && sockets * sockets < area)
		sockets++;
	probes = (area + sockets - 1) / sockets;
	probes = probes < ports ? probes : ports;
	probes = probes < PEER_PROBES_MAX ? probes : PEER_PROBES_MAX;
	out->limit_ms = probes * BIRTHDAY_PACE_MS + SLACK_MS;
	if (out->part == 0) {
		out->count = (uint16_t)probes;
		out->pace_ms = BIRTHDAY_PACE_MS;
	} else {
		/* All of them are there before many of the probes are. */
		out->count = (uint16_t)sockets;
		out->pace_ms = SOCKETS_PACE_MS;
		out->low = out->high = 0;
	}
}

void plan_fill(enum peer_plan plan, const struct plan_side side[static 2], unsigned int which,
	unsigned int tries, struct peer_round *out)
{
	const struct plan_side *other = &side[!which];
	enum chance chance[2];

	side_chances(side, chance);
	out->plan = plan;
	out->part = chance[which] != PREDICTABLE;
	out->pace_ms = out->count = out->last = out->low = out->high = 0;
	out->step = 0;
	out->limit_ms = 0;
	switch (plan) {
	case PEER_REST:
	case PEER_PUNCH:
		out->part = 0;
		if (plan == PEER_PUNCH)
			fill_punch(out);
		break;
	case PEER_PREDICT:
		fill_predict(other, tries, out);
		break;
	case PEER_STEP:
		out->part = which == 1;
		fill_step(other, tries, out);
		break;
	case PEER_BIRTHDAY:
		fill_birthday(out->part == 0 ? other : &side[which], out);
		break;
	}
}

const char *plan_text(enum peer_plan plan)
{
	static const char *const text[] = {[PEER_REST] = "rest",
		[PEER_PUNCH] = "punch",
		[PEER_PREDICT] = "predict",
		[PEER_STEP] = "step",
		[PEER_BIRTHDAY] = "birthday"};

	return text[plan];
}

/* A home or a provider's exit: /24, /56. */
static void network_of(const struct addr *addr, uint8_t out[static 8])
{
	memset(out, 0, 8);
	out[0] = addr->family;
	memcpy(out + 1, addr->bytes, addr->family == AF_INET ? 3 : 7);
}

/* FNV-1a over both, the smaller first: who calls whom does not matter. */
static uint64_t pair_hash(uint64_t seed, const struct addr *a, const struct addr *b)
{
	uint64_t hash = seed ^ 0xcbf29ce484222325u;
	uint8_t networks[16];

	network_of(a, networks);
	network_of(b, networks + 8);
	if (memcmp(networks, networks + 8, 8) > 0) {
		network_of(b, networks);
		network_of(a, networks + 8);
	}
	for (size_t i = 0; i < sizeof(networks); i++)
		hash = (hash ^ networks[i]) * 0x100000001b3u;
	hash ^= hash >> 32;
	return hash ? hash : 1;
}

void plan_remember(struct plan_memory *memory, const struct addr *a, const struct addr *b,
	enum peer_plan plan, int64_t now_ms)
{
	uint64_t pair = pair_hash(memory->seed, a, b);
	size_t best = pair % PLAN_MEMORY;

	for (size_t i = 0; i < MEMORY_PROBES; i++) {
		size_t at = (pair + i) % PLAN_MEMORY;

		if (memory->entries[at].pair == pair) {
			best = at;
			break;
		}
		if (memory->entries[best].pair &&
			(!memory->entries[at].pair ||
				memory->entries[at].when_ms < memory->entries[best].when_ms))
			best = at;
	}
	memory->entries[best].pair = pair;
	memory->entries[best].plan = plan;
	memory->entries[best].when_ms = now_ms;
}

enum peer_plan plan_recall(const struct plan_memory *memory, const struct addr *a,
	const struct addr *b, int64_t now_ms)
{
	uint64_t pair = pair_hash(memory->seed, a, b);

	for (size_t i = 0; i < MEMORY_PROBES; i++) {
		size_t at = (pair + i) % PLAN_MEMORY;

		if (memory->entries[at].pair == pair &&
			now_ms - memory->entries[at].when_ms < MEMORY_MS)
			return memory->entries[at].plan;
	}
	return PEER_REST;
}
