/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/sender.h"

#include <stdio.h>

#include "relayd/loop.h"

/* A sender from another address gets the hole when the one before has been silent this long. */
#define SILENT_MS 2000
/* The loser of a hand-over may not have it back sooner: two programs on one host would take turns.
 */
#define REMATCH_MS 2000
/* Less than a flow lives: who opens one twice in that time has not got it. */
#define OPENED_MS 5000
/* Media whose flow's opening we were not told of for so long have it opened again. */
#define UNHEARD_MS 3000
/* A lock is firm after so many packets; until then a stray one (a port scan) has it only shortly.
 */
#define FIRM_PACKETS 16
#define LOCK_SOFT_MS 3000
#define LOCK_FIRM_MS 300000

static void mark_all(struct stream_table *table, struct stream *stream)
{
	for (size_t i = 0; i < stream->slot_count; i++)
		slot_mark(table, stream->slots[i]);
}

static void lock(
	struct stream_table *table, struct slot *slot, const struct addr *addr, int64_t now_ms)
{
	struct stream *stream = slot->stream;

	stream->lock = *addr;
	stream->lock_ms = now_ms;
	stream->lock_packets = 0;
	mark_all(table, stream);
}

/*
 * Also where anybody may send, one address at a time has the port: the packets of another one could
 * not get a flow, and would be counted and policed as if they had.
 */
static void hold(struct stream_table *table, struct slot *slot)
{
	if (slot->stream->spec.source == SPEC_FIRST ||
		addr_equal(&slot->holder, &slot->sender.addr))
		return;
	slot->holder = slot->sender.addr;
	slot_mark(table, slot);
}

static void let_go(struct stream_table *table, struct slot *slot, int64_t now_ms)
{
	if (!slot->holder.family || now_ms - slot->media_ms <= SILENT_MS ||
		now_ms - slot->handed_ms <= SILENT_MS)
		return;
	slot->holder.family = 0;
	slot->free_ms = now_ms;
	slot_mark(table, slot);
}

/* What the log has no room for is lost, and a flow that is there opens no more. */
static void unheard(struct stream_table *table, struct slot *slot, int64_t now_ms)
{
	if (!slot->unheard_ms)
		slot->unheard_ms = now_ms;
	if (now_ms - slot->unheard_ms < UNHEARD_MS)
		return;
	slot->unheard_ms = now_ms;
	slot->flush = true;
	slot_mark(table, slot);
}

void sender_heard(struct stream_table *table, struct slot *slot, int64_t now_ms)
{
	if (slot->media_ms != now_ms)
		return;
	if (!slot->sender.addr.family || !slot_admits(slot, &slot->sender.addr))
		unheard(table, slot, now_ms);
	else if (!slot->holder.family && now_ms - slot->free_ms > SILENT_MS)
		hold(table, slot);
}

void sender_unlock(struct stream_table *table, struct stream *stream)
{
	if (!stream->lock.family)
		return;
	stream->lock.family = 0;
	mark_all(table, stream);
}

/* May this sender take the hole from the one that had it last? */
static bool yields(const struct slot *slot, const struct endpoint *sender, int64_t now_ms)
{
	bool silent = now_ms - slot->media_ms > SILENT_MS && now_ms - slot->handed_ms > SILENT_MS;
	bool restarted = addr_equal(&slot->sender.addr, &sender->addr);
	bool rematch =
		endpoint_equal(&slot->rival, sender) && now_ms - slot->handed_ms < REMATCH_MS;

	/* There may be another source since, or another's lock. */
	return silent || !slot_admits(slot, &slot->sender.addr) || (restarted && !rematch);
}

/* NULL: it may send. Then consent has run out in the kernel, which the slot's going stale tells. */
static const char *refusal(const struct slot *slot, const struct rules_event *event)
{
	const struct spec *spec = &slot->stream->spec;
	const struct addr *sender = &event->sender.addr;

	if (addr_equal(sender, &event->listen.addr))
		return "the sender is on the relay itself, whose own packets are not translated";
	if (!slot->want.client.addr.family)
		return "nobody has punched for it";
	if (slot_admits(slot, sender))
		return NULL;
	if (spec->source == SPEC_FIRST)
		return "locked to its first sender";
	if (!spec_means(spec, sender))
		return "not allowed by source";
	return "another sender has the port";
}

static void refused(struct stream_table *table, struct slot *slot, const struct rules_event *event,
	int64_t now_ms)
{
	bool again = endpoint_equal(&slot->refused_sender, &event->sender);
	const char *why = refusal(slot, event);

	slot->refused_sender = event->sender;
	slot->refused_ms = now_ms;
	if (why && !again)
		stream_tell(table, "refused", slot, why);
}

static void close_loop(struct stream_table *table, struct slot *slot, const struct endpoint *sender,
	const char *why)
{
	slot->refused_sender = *sender;
	stream_tell(table, "loop", slot, why);
	slot_release(table, slot);
}

/* The TTL ends each packet's way, but dozens of rounds later. */
static bool ends_loop(struct stream_table *table, struct slot *slot,
	const struct rules_event *event, int64_t now_ms)
{
	if (!loop_is_proven(slot, event)) {
		loop_suspect(table, slot, event, now_ms);
		return false;
	}
	slot->loop = slot->want.client;
	slot->loop_ms = now_ms;
	close_loop(table, slot, &event->sender, "a loop: what is sent to the client comes back");
	return true;
}

/*
 * A flow that is there opens no more. If the sender that we believe to have it wants to, another
 * port of its host was faster when the one before was deleted, and keeps it out.
 */
static void opens_again(struct stream_table *table, struct slot *slot, int64_t now_ms)
{
	bool shut_out = slot->opened_ms && now_ms - slot->opened_ms < OPENED_MS;

	slot->opened_ms = shut_out ? 0 : now_ms;
	if (!shut_out)
		return;
	slot->flush = true;
	slot_mark(table, slot);
}

void sender_event(struct stream_table *table, const struct rules_event *event, int64_t now_ms)
{
	struct slot *slot = slot_by_listen(table, &event->listen);

	if (!slot || slot->gone || ends_loop(table, slot, event, now_ms))
		return;
	if (event->refused) {
		refused(table, slot, event, now_ms);
		return;
	}
	/* It may have been let through before the kernel knew of a lock. */
	if (!slot->want.client.addr.family || !slot_admits(slot, &event->sender.addr))
		return;
	if (endpoint_equal(&slot->want.client, &event->sender)) {
		close_loop(table, slot, &event->sender, "a loop: the sender is the client");
		return;
	}
	if (slot->stream->spec.source == SPEC_FIRST && !slot->stream->lock.family)
		lock(table, slot, &event->sender.addr, now_ms);
	if (endpoint_equal(&slot->sender, &event->sender)) {
		hold(table, slot);
		opens_again(table, slot, now_ms);
		return;
	}
	if (slot->sender.addr.family) {
		if (!yields(slot, &event->sender, now_ms))
			return;
		slot->rival = slot->sender;
		slot->flush = true;
		slot_mark(table, slot);
	}
	slot->opened_ms = slot->flush ? 0 : now_ms;
	slot->sender = event->sender;
	slot->unheard_ms = 0;
	slot->handed_ms = now_ms;
	hold(table, slot);
	stream_tell(table, "sender", slot, NULL);
}

static void give_up_lock(struct stream_table *table, struct stream *stream, int64_t now_ms)
{
	int64_t limit = stream->lock_packets < FIRM_PACKETS ? LOCK_SOFT_MS : LOCK_FIRM_MS;
	int64_t heard = stream->lock_ms;

	for (size_t i = 0; i < stream->slot_count; i++)
		if (stream->slots[i]->media_ms > heard)
			heard = stream->slots[i]->media_ms;
	if (now_ms - heard > limit)
		sender_unlock(table, stream);
}

void sender_tick(struct stream_table *table, int64_t now_ms)
{
	struct stream *stream;

	LIST_FOREACH(stream, &table->streams, link) {
		if (stream->lock.family)
			give_up_lock(table, stream, now_ms);
		for (size_t i = 0; i < stream->slot_count; i++)
			let_go(table, stream->slots[i], now_ms);
	}
}
