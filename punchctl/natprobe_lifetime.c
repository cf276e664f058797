/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lifetime, RFC 5780, section 4.6: mappings that are left alone, each for another time; then a
 * second socket has the relay send to each (RESPONSE-PORT). They wait side by side: one round takes
 * as long as the first that dies, and the next round looks between it and the one before.
 */
#include "punchctl/natprobe_tests.h"

#define LIFETIME_ROUNDS	  2
#define LIFETIME_FIRST_MS 20000
#define LIFETIME_WARM_MS  2500 /* what was used again after 2 s lives longer in Linux */
#define LIFETIME_TRIES	  3

static void points_close(struct natprobe *probe)
{
	struct probe_lifetime *lifetime = &probe->lifetime;

	for (unsigned int i = 0; i < lifetime->count; i++)
		probe_socket_close(probe, lifetime->points[i].open.socket);
	lifetime->count = 0;
}

static void point_open(struct natprobe *probe, uint32_t idle_ms, int64_t now_ms)
{
	struct lifetime_point *point = &probe->lifetime.points[probe->lifetime.count++];

	*point = (struct lifetime_point){.idle_ms = idle_ms};
	ask_start_fresh(probe, &point->open, now_ms);
}

/* The first point of the first round waits for nothing: it tells whether the relay plays along. */
static void round_start(struct natprobe *probe, int64_t now_ms)
{
	struct probe_lifetime *lifetime = &probe->lifetime;
	uint32_t low = lifetime->low_ms, high = lifetime->high_ms, gap;

	if (lifetime->round == 0) {
		low = high / LIFETIME_POINTS < LIFETIME_FIRST_MS ? high / LIFETIME_POINTS
								 : LIFETIME_FIRST_MS;
		gap = (high - low) / (LIFETIME_POINTS - 2);
		point_open(probe, 0, now_ms);
		for (unsigned int i = 0; i < LIFETIME_POINTS - 1; i++)
			point_open(probe, low + i * gap, now_ms);
		return;
	}
	gap = (high - low) / (LIFETIME_POINTS + 1);
	for (unsigned int i = 1; i <= LIFETIME_POINTS; i++)
		point_open(probe, low + i * gap, now_ms);
}

void lifetime_start(struct natprobe *probe, int64_t now_ms)
{
	struct probe_lifetime *lifetime = &probe->lifetime;

	lifetime->stage = PROBE_DONE;
	if (!probe->config.lifetime || probe->config.lifetime_max_ms < LIFETIME_POINTS ||
		probe->result.report.mapping == NAT_MAPPING_NONE)
		return;
	lifetime->asker = probe_socket_open(probe);
	if (lifetime->asker < 0)
		return;
	lifetime->stage = PROBE_RUNNING;
	lifetime->high_ms = probe->config.lifetime_max_ms;
	round_start(probe, now_ms);
}

static void point_poke(struct natprobe *probe, struct lifetime_point *point, int64_t now_ms)
{
	point->poke = (struct ask){
		.socket = probe->lifetime.asker,
		.ear = point->open.socket,
		.limit = LIFETIME_TRIES,
		.response_port = point->open.mapped.port,
		.to = probe->config.relay,
	};
	ask_start(probe, &point->poke, now_ms);
}

/* Opened, used once more, left alone, poked. */
static void point_step(struct natprobe *probe, struct lifetime_point *point, int64_t now_ms)
{
	if (point->alive || point->dead || !point->open.done)
		return;
	if (!ask_succeeded(&point->open)) {
		point->dead = true;
	} else if (point->poke.started) {
		point->alive = point->poke.done && ask_succeeded(&point->poke);
		point->dead = point->poke.done && !point->alive;
	} else if (point->due_ms == 0) {
		point->warm = point->idle_ms == 0;
		point->due_ms = now_ms + (point->warm ? 0 : LIFETIME_WARM_MS);
	} else if (now_ms >= point->due_ms && point->warm) {
		point_poke(probe, point, now_ms);
	} else if (now_ms >= point->due_ms) {
		point->warm = true;
		point->due_ms = now_ms + point->idle_ms;
		point->open.done = point->open.answered = false;
		point->open.tries = 0;
		ask_start(probe, &point->open, now_ms);
	}
}

/* True: the round is over, as all live, or one died and what is shorter is known. */
static bool round_is_over(struct probe_lifetime *lifetime)
{
	for (unsigned int i = 0; i < lifetime->count; i++) {
		const struct lifetime_point *point = &lifetime->points[i];

		if (point->alive && point->idle_ms > lifetime->low_ms)
			lifetime->low_ms = point->idle_ms;
		if (point->dead)
			lifetime->high_ms = point->idle_ms;
		if (point->dead || !point->alive)
			return point->dead;
	}
	return true;
}

static void lifetime_end(struct natprobe *probe, bool all_live)
{
	struct probe_lifetime *lifetime = &probe->lifetime;

	lifetime->stage = PROBE_DONE;
	probe->result.lifetime_ms = lifetime->low_ms;
	probe->result.lifetime_is_minimum = all_live;
	probe_socket_close(probe, lifetime->asker);
}

void lifetime_step(struct natprobe *probe, int64_t now_ms)
{
	struct probe_lifetime *lifetime = &probe->lifetime;
	bool all_live;

	if (lifetime->stage != PROBE_RUNNING)
		return;
	for (unsigned int i = 0; i < lifetime->count; i++)
		point_step(probe, &lifetime->points[i], now_ms);
	if (!round_is_over(lifetime))
		return;
	all_live = lifetime->round == 0 && lifetime->points[lifetime->count - 1].alive;
	points_close(probe);
	if (++lifetime->round == LIFETIME_ROUNDS || all_live || lifetime->high_ms == 0)
		lifetime_end(probe, all_live);
	else
		round_start(probe, now_ms);
}

int64_t lifetime_deadline(const struct natprobe *probe)
{
	const struct probe_lifetime *lifetime = &probe->lifetime;
	int64_t deadline = INT64_MAX;

	if (lifetime->stage != PROBE_RUNNING)
		return deadline;
	for (unsigned int i = 0; i < lifetime->count; i++) {
		const struct lifetime_point *point = &lifetime->points[i];

		if (point->due_ms && point->open.done && !point->poke.started &&
			point->due_ms < deadline)
			deadline = point->due_ms;
	}
	return deadline;
}
