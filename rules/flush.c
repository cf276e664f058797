/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/flush.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <time.h>

#include "rules/elem.h"

/* From the transaction to the first look, and from the first to the second. */
static const int64_t stage_delay[FLUSH_STAGES] = {5, 55};

static int64_t now_get(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A flow is right when the table would make it again as it is. */
static bool flow_is_right(struct nl *nl, const struct ct *ct)
{
	struct elem key = {.set = SET_INGRESS, .key = ct->orig.dst}, elem;
	int err;

	if ((ct->mark & RULES_MARK_MASK) != RULES_MARK)
		return false;
	err = elem_get(nl, &key, &elem);
	if (err == -ENOENT) {
		key = (struct elem){.set = SET_PEER, .key = ct->orig.src, .to = ct->orig.dst};
		err = elem_get(nl, &key, &elem);
		if (!err && elem.number != (ct->mark & RULES_NUMBER_MAX))
			return false;
	}
	if (err || !endpoint_equal(&elem.data, &ct->reply.src))
		return false;
	key = (struct elem){.set = SET_PEER_FROM, .key = ct->orig.src, .to = ct->orig.dst};
	err = elem_get(nl, &key, &elem);
	if (!err)
		return endpoint_equal(&elem.data, &ct->reply.dst);
	key = (struct elem){.set = SET_EGRESS, .key = ct->reply.src};
	return !elem_get(nl, &key, &elem) && endpoint_equal(&elem.data, &ct->reply.dst);
}

/* False: it could not be done, as when memory is short. */
static bool check_run(struct nl *nl, const struct flush_check *check)
{
	struct ct ct = {0};
	int err = check->owed ? 0 : ct_get(nl, &check->hole, &ct);

	if (err)
		return err == -ENOENT;
	if (!check->owed && flow_is_right(nl, &ct))
		return true;
	return !ct_delete(nl, &check->hole, 1, NULL);
}

static struct flush_check queue_pop(struct flush_queue *queue)
{
	struct flush_check check = queue->list[queue->first];

	queue->first = (queue->first + 1) % FLUSH_QUEUE;
	queue->count--;
	return check;
}

static void queue_push(struct flush_queue *queue, struct nl *nl, const struct flush_check *check)
{
	if (queue->count == FLUSH_QUEUE) {
		struct flush_check oldest = queue_pop(queue);

		check_run(nl, &oldest);
	}
	queue->list[(queue->first + queue->count++) % FLUSH_QUEUE] = *check;
}

/* A pair has one flow, of whoever opened it; its hole is in one of the directions. */
static bool op_flushes(enum rules_op_kind kind)
{
	return kind == RULES_CLIENT || kind == RULES_UNCLIENT || kind == RULES_FLUSH ||
	       kind == RULES_PEER || kind == RULES_UNPEER;
}

void flush_holes(struct flush *flush, struct nl *nl, const struct rules_op *ops, size_t count)
{
	struct ct_tuple holes[RULES_OPS_MAX];
	const int64_t due = now_get() + stage_delay[0];
	size_t held = 0;
	bool owed;

	for (size_t i = 0; i < count; i++)
		if (op_flushes(ops[i].kind))
			holes[held++] = (struct ct_tuple){ops[i].client, ops[i].punch};
	owed = ct_delete(nl, holes, held, NULL) != 0;
	for (size_t i = 0; i < held; i++) {
		struct flush_check check = {holes[i], due, owed};

		queue_push(&flush->queues[0], nl, &check);
	}
}

int64_t flush_due(const struct flush *flush)
{
	int64_t due = -1;

	for (int i = 0; i < FLUSH_STAGES; i++) {
		const struct flush_queue *queue = &flush->queues[i];

		if (queue->count && (due < 0 || queue->list[queue->first].due < due))
			due = queue->list[queue->first].due;
	}
	return due;
}

/* What could not be done stays for the last stage, until it can. */
static void stage_run(struct flush *flush, struct nl *nl, int stage, int64_t now_ms)
{
	struct flush_queue *queue = &flush->queues[stage];
	const int next = stage + 1 < FLUSH_STAGES ? stage + 1 : stage;

	while (queue->count && queue->list[queue->first].due <= now_ms) {
		struct flush_check check = queue_pop(queue);
		bool done = check_run(nl, &check);

		if (done && next == stage)
			continue;
		check.owed &= !done;
		check.due = now_ms + stage_delay[next];
		queue_push(&flush->queues[next], nl, &check);
	}
}

void flush_tick(struct flush *flush, struct nl *nl, int64_t now_ms)
{
	for (int i = 0; i < FLUSH_STAGES; i++)
		stage_run(flush, nl, i, now_ms);
}
