/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "relayd/stream.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NOW	     ((int64_t)1000000)
#define CONSENT_MS   45000
#define KEY	     "MDEyMzQ1Njc4OWFiY2RlZg=="
#define KEY2	     "ZmVkY2JhOTg3NjU0MzIxMA=="

static struct stream_table table;
static char why[SPEC_WHY];
static bool moved;
/* The events since the last look, "added:cam1 ". */
static char events[1024];

static void note(void *data, const struct stream_event *event)
{
	ck_assert_ptr_eq(data, &table);
	ck_assert(!event->slot || event->slot->stream == event->stream);
	strcat(events, event->what);
	strcat(events, ":");
	strcat(events, event->stream->spec.name);
	strcat(events, " ");
}

static void assert_events(const char *expected)
{
	ck_assert_str_eq(events, expected);
	events[0] = '\0';
}

static void set_up(void)
{
	static const bool both[STREAM_FAMILIES] = {true, true};

	ck_assert_int_eq(stream_table_init(&table, both, CONSENT_MS), 0);
	table.event = note;
	table.event_data = &table;
}

static void tear_down(void)
{
	stream_table_fini(&table);
}

static struct spec make(const char *name, const char *listen)
{
	struct spec spec;

	ck_assert_int_eq(spec_init(&spec, name, why), 0);
	ck_assert_int_eq(spec_set_listen(&spec, listen, why), 0);
	ck_assert_int_eq(spec_set_key(&spec, KEY, why), 0);
	return spec;
}

static struct stream *add_spec(const struct spec *spec)
{
	struct stream *stream = NULL;

	ck_assert_int_eq(stream_add(&table, spec, 7, &stream, why), 0);
	return stream;
}

static struct stream *add(const char *name, const char *listen)
{
	struct spec spec = make(name, listen);

	return add_spec(&spec);
}

static struct endpoint endpoint(const char *text)
{
	struct endpoint out;

	ck_assert_int_eq(endpoint_parse(text, 0, &out), 0);
	return out;
}

static struct hole hole(const char *client, const char *punch)
{
	return (struct hole){endpoint(client), endpoint(punch)};
}

static int claim(struct slot *slot, const char *client, int64_t now_ms)
{
	struct hole here = hole(client, "203.0.113.7:3478");

	return slot_claim(&table, slot, &here, now_ms, &moved);
}

/* As sync does, when the kernel has all of it. */
static void settle(void)
{
	struct slot *slot;

	while ((slot = TAILQ_FIRST(&table.dirty))) {
		TAILQ_REMOVE(&table.dirty, slot, dirty_link);
		slot->dirty = slot->refresh = slot->flush = false;
		slot->have = slot->want;
		slot->listening = !slot->stream->gone;
	}
}

static size_t dirty_count(void)
{
	struct slot *slot;
	size_t count = 0;

	TAILQ_FOREACH(slot, &table.dirty, dirty_link) {
		count++;
	}
	return count;
}

START_TEST(test_add)
{
	struct stream *stream = add("cam1", "9099-9100");
	struct endpoint at = endpoint("203.0.113.7:9100");

	assert_events("added:cam1 ");
	ck_assert_uint_eq(table.count, 1);
	ck_assert_uint_eq(stream->number, 7);
	ck_assert_uint_eq(stream->slot_count, 4);
	ck_assert_ptr_eq(stream_find(&table, "cam1"), stream);
	ck_assert_ptr_null(stream_find(&table, "cam"));
	ck_assert_ptr_eq(slot_by_listen(&table, &at), &stream->slots[2]);
	ck_assert_uint_eq(stream->slots[2].port, 9100);
	ck_assert_uint_eq(stream->slots[2].index, 1);
	ck_assert_uint_eq(stream->slots[2].family, AF_INET);
	at = endpoint("[2001:db8::7]:9100");
	ck_assert_ptr_eq(slot_by_listen(&table, &at), &stream->slots[3]);
	ck_assert_uint_eq(stream->slots[3].family, AF_INET6);
	at.port = 9101;
	ck_assert_ptr_null(slot_by_listen(&table, &at));
	ck_assert_uint_eq(dirty_count(), 4);
}
END_TEST

START_TEST(test_families)
{
	const bool six[STREAM_FAMILIES] = {false, true};
	struct endpoint at = endpoint("203.0.113.7:9099");
	struct stream *stream;

	stream_table_fini(&table);
	ck_assert_int_eq(stream_table_init(&table, six, CONSENT_MS), 0);
	stream = add("cam1", "9099-9100");
	ck_assert_uint_eq(stream->slot_count, 2);
	ck_assert_uint_eq(stream->slots[0].family, AF_INET6);
	ck_assert_uint_eq(stream->slots[1].port, 9100);
	ck_assert_ptr_null(slot_by_listen(&table, &at));
}
END_TEST

START_TEST(test_find_long)
{
	char name[2 * SPEC_NAME];

	add("cam1", "9099");
	memset(name, 'a', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	ck_assert_ptr_null(stream_find(&table, name));
	name[SPEC_NAME] = '\0';
	ck_assert_ptr_null(stream_find(&table, name));
	ck_assert_ptr_null(stream_find(&table, ""));
}
END_TEST

static const struct {
	const char *name, *listen;
	uint16_t raw;
	const char *why;
} conflicts[] = {
	{"cam1", "9200", 0, "there is a stream cam1 already"},
	{"cam2", "9100", 0, "port 9100 is used by stream cam1"},
	{"cam2", "9000,9099", 0, "port 9099 is used by stream cam1"},
	{"cam2", "8001-8002", 0, "port 8001 is used by stream cam1"},
	{"cam2", "9200-9201", 9098, "port 9099 is used by stream cam1"},
	{"cam2", "9200-9201", 7999, "port 8000 is used by stream cam1"},
};

/* cam1 listens at 9099 and 9100, and is punched raw at 8000 and 8001. */
START_TEST(test_add_conflict)
{
	struct spec spec = make("cam1", "9099-9100");
	struct stream *other = NULL;

	spec.raw_punch = 8000;
	add_spec(&spec);
	spec = make(conflicts[_i].name, conflicts[_i].listen);
	spec.raw_punch = conflicts[_i].raw;
	ck_assert_int_eq(stream_add(&table, &spec, 8, &other, why), -EEXIST);
	ck_assert_str_eq(why, conflicts[_i].why);
	ck_assert_ptr_null(other);
	ck_assert_uint_eq(table.count, 1);
	ck_assert_uint_eq(dirty_count(), 4);
	assert_events("added:cam1 ");
}
END_TEST

START_TEST(test_remove)
{
	struct stream *stream = add("cam1", "9099");
	struct endpoint at = endpoint("203.0.113.7:9099");
	struct spec again = make("cam2", "9099");
	struct hole here = hole("192.0.2.9:40123", "203.0.113.7:3478");

	claim(&stream->slots[0], "192.0.2.9:40123", NOW);
	settle();
	assert_events("added:cam1 punched:cam1 ");
	stream_remove(&table, stream);
	assert_events("removed:cam1 ");
	ck_assert_ptr_null(stream_find(&table, "cam1"));
	ck_assert_uint_eq(table.count, 0);
	ck_assert_uint_eq(table.holes, 0);
	ck_assert_ptr_null(slot_by_client(&table, &here.client));
	ck_assert_uint_eq(dirty_count(), 2);
	/* The kernel still has it, so the port is not free. */
	stream_reap(&table, stream);
	ck_assert_ptr_nonnull(slot_by_listen(&table, &at));
	ck_assert_int_eq(stream_add(&table, &again, 8, &stream, why), -EEXIST);
	settle();
	stream_reap(&table, slot_by_listen(&table, &at)->stream);
	ck_assert_ptr_null(slot_by_listen(&table, &at));
	add("cam1", "9099");
}
END_TEST

/* Nothing that lives, is in a transaction, or waits for one is freed. */
START_TEST(test_reap)
{
	struct stream *stream = add("cam1", "9099");
	struct endpoint at = endpoint("203.0.113.7:9099");

	settle();
	stream_reap(&table, stream);
	ck_assert_ptr_nonnull(slot_by_listen(&table, &at));
	stream_remove(&table, stream);
	settle();
	stream->slots[1].busy = true;
	stream_reap(&table, stream);
	ck_assert_ptr_nonnull(slot_by_listen(&table, &at));
	stream->slots[1].busy = false;
	stream->slots[1].listening = true;
	stream_reap(&table, stream);
	ck_assert_ptr_nonnull(slot_by_listen(&table, &at));
	stream->slots[1].listening = false;
	stream_reap(&table, stream);
	ck_assert_ptr_null(slot_by_listen(&table, &at));
	ck_assert(LIST_EMPTY(&table.streams));
}
END_TEST

/* Of a stream without ports the kernel has nothing, so it goes at once. */
START_TEST(test_peers_only)
{
	struct spec spec = make("pair", "9099");
	struct stream *stream;

	spec.listen.count = 0;
	spec.peers = 4;
	stream = add_spec(&spec);
	ck_assert_uint_eq(stream->slot_count, 0);
	ck_assert_uint_eq(dirty_count(), 0);
	ck_assert_int_eq(stream_state(stream, NOW), STREAM_WAITING);
	stream_reap(&table, stream);
	ck_assert_ptr_eq(stream_find(&table, "pair"), stream);
	spec.peers = 5;
	ck_assert_int_eq(stream_change(&table, stream, &spec), 0);
	ck_assert_uint_eq(stream->spec.peers, 5);
	stream_remove(&table, stream);
	ck_assert_ptr_null(stream_find(&table, "pair"));
	ck_assert(LIST_EMPTY(&table.streams));
	ck_assert_uint_eq(table.count, 0);
	assert_events("added:pair changed:pair removed:pair ");
	add_spec(&spec);
}
END_TEST

START_TEST(test_change_ports)
{
	struct stream *stream = add("cam1", "9099");
	struct spec spec = make("cam1", "9098");

	settle();
	ck_assert_int_eq(stream_change(&table, stream, &spec), -EBUSY);
	spec = make("cam1", "9099");
	spec.raw_punch = 8000;
	ck_assert_int_eq(stream_change(&table, stream, &spec), -EBUSY);
	ck_assert_uint_eq(stream->spec.listen.port[0], 9099);
	ck_assert_uint_eq(stream->spec.raw_punch, 0);
	ck_assert_uint_eq(dirty_count(), 0);
	assert_events("added:cam1 ");
}
END_TEST

static struct spec change_none(struct spec spec)
{
	return spec;
}

static struct spec change_key(struct spec spec)
{
	ck_assert_int_eq(spec_set_key(&spec, KEY2, why), 0);
	return spec;
}

static struct spec change_rate(struct spec spec)
{
	spec.rate = 5000;
	return spec;
}

static struct spec change_clients(struct spec spec)
{
	ck_assert_int_eq(spec_set_clients(&spec, "192.0.2.0/24", why), 0);
	return spec;
}

static struct spec change_clients_away(struct spec spec)
{
	ck_assert_int_eq(spec_set_clients(&spec, "192.0.3.0/24", why), 0);
	return spec;
}

static struct spec change_clients_v6(struct spec spec)
{
	ck_assert_int_eq(spec_set_clients(&spec, "2001:db8::/32", why), 0);
	return spec;
}

static struct spec change_source(struct spec spec)
{
	spec.source = SPEC_ANY;
	return spec;
}

static const struct {
	struct spec (*change)(struct spec spec);
	bool keeps, keeps_lock;
} changes[] = {
	{change_none, true, true},
	{change_key, false, true},
	{change_rate, false, true},
	{change_clients, true, true},
	{change_clients_away, false, true},
	{change_clients_v6, false, true},
	{change_source, true, false},
};

/* Who punched keeps the hole only if it would be let punch again as it did. */
START_TEST(test_change)
{
	struct stream *stream = add("cam1", "9099");
	struct spec spec = changes[_i].change(stream->spec);

	claim(&stream->slots[0], "192.0.2.9:40123", NOW);
	stream->lock = endpoint("198.51.100.1:1").addr;
	settle();
	events[0] = '\0';
	ck_assert_int_eq(stream_change(&table, stream, &spec), 0);
	ck_assert(spec_equal(&stream->spec, &spec));
	ck_assert_int_eq(stream->slots[0].want.client.addr.family != 0, changes[_i].keeps);
	ck_assert_int_eq(stream->lock.family != 0, changes[_i].keeps_lock);
	ck_assert_uint_eq(table.holes, changes[_i].keeps);
	ck_assert_uint_eq(dirty_count(), 2);
	assert_events("changed:cam1 ");
}
END_TEST

START_TEST(test_claim)
{
	struct stream *stream = add("cam1", "9099");
	struct slot *slot = &stream->slots[0];
	struct hole here = hole("192.0.2.9:40123", "203.0.113.7:3478");

	settle();
	ck_assert_int_eq(slot_state(slot, NOW), STREAM_WAITING);
	ck_assert_int_eq(claim(slot, "192.0.2.9:40123", NOW), 0);
	ck_assert(!moved);
	assert_events("added:cam1 punched:cam1 ");
	ck_assert(endpoint_equal(&slot->want.client, &here.client));
	ck_assert(endpoint_equal(&slot->want.punch, &here.punch));
	ck_assert_uint_eq(slot->have.client.addr.family, 0);
	ck_assert_ptr_eq(slot_by_client(&table, &here.client), slot);
	ck_assert(slot->dirty);
	ck_assert(!slot->refresh);
	ck_assert_uint_eq(dirty_count(), 1);
	ck_assert_uint_eq(table.holes, 1);
	ck_assert_int_eq(slot_state(slot, NOW), STREAM_READY);
	ck_assert_int_eq(stream_state(stream, NOW), STREAM_READY);
}
END_TEST

START_TEST(test_claim_again)
{
	struct slot *slot = &add("cam1", "9099")->slots[0];

	claim(slot, "192.0.2.9:40123", NOW);
	settle();
	slot->packets = 5;
	events[0] = '\0';
	ck_assert_int_eq(claim(slot, "192.0.2.9:40123", NOW + 10000), 0);
	ck_assert(!moved);
	ck_assert(slot->dirty);
	ck_assert(slot->refresh);
	ck_assert_int_eq(slot->punched_ms, NOW + 10000);
	ck_assert_uint_eq(slot->packets, 5);
	ck_assert_uint_eq(slot->moves, 0);
	ck_assert_uint_eq(table.holes, 1);
	assert_events("");
}
END_TEST

static const char *const elsewhere[][2] = {
	{"192.0.2.9:40124", "203.0.113.7:3478"},
	{"192.0.2.8:40123", "203.0.113.7:3478"},
	{"192.0.2.9:40123", "203.0.113.7:3479"},
	{"192.0.2.9:40123", "203.0.113.8:3478"},
};

START_TEST(test_move)
{
	struct slot *slot = &add("cam1", "9099")->slots[0];
	struct hole old = hole("192.0.2.9:40123", "203.0.113.7:3478");
	struct hole new = hole(elsewhere[_i][0], elsewhere[_i][1]);

	claim(slot, "192.0.2.9:40123", NOW);
	settle();
	slot->packets = slot->bytes = 5;
	events[0] = '\0';
	ck_assert_int_eq(slot_claim(&table, slot, &new, NOW + 1, &moved), 0);
	ck_assert(moved);
	assert_events("moved:cam1 ");
	ck_assert_ptr_eq(slot_by_client(&table, &new.client), slot);
	if (!endpoint_equal(&old.client, &new.client))
		ck_assert_ptr_null(slot_by_client(&table, &old.client));
	ck_assert(endpoint_equal(&slot->want.punch, &new.punch));
	ck_assert(endpoint_equal(&slot->have.client, &old.client));
	ck_assert_uint_eq(slot->packets + slot->bytes, 0);
	ck_assert_uint_eq(slot->moves, 1);
	ck_assert_uint_eq(table.holes, 1);
	ck_assert_uint_eq(dirty_count(), 1);
}
END_TEST

/* One socket carries one port; the one that asks loses nothing by it. */
START_TEST(test_claim_taken)
{
	struct stream *stream = add("cam1", "9099-9100");
	struct slot *first = &stream->slots[0], *second = &stream->slots[2];
	struct hole there;

	claim(first, "192.0.2.9:40123", NOW);
	claim(second, "192.0.2.9:40124", NOW);
	settle();
	events[0] = '\0';
	moved = true;
	ck_assert_int_eq(claim(second, "192.0.2.9:40123", NOW + 1000), -EADDRINUSE);
	ck_assert(!moved);
	ck_assert_uint_eq(second->want.client.port, 40124);
	ck_assert_int_eq(second->punched_ms, NOW);
	ck_assert_uint_eq(first->want.client.port, 40123);
	ck_assert_int_eq(first->punched_ms, NOW);
	ck_assert_uint_eq(dirty_count(), 0);
	ck_assert_uint_eq(table.holes, 2);
	assert_events("");
	/* In the kernel a client's socket is one element, whatever the relay's end. */
	there = hole("192.0.2.9:40123", "203.0.113.8:3479");
	ck_assert_int_eq(slot_claim(&table, second, &there, NOW + 1000, &moved), -EADDRINUSE);
}
END_TEST

START_TEST(test_release)
{
	struct slot *slot = &add("cam1", "9099")->slots[0];
	struct hole here = hole("192.0.2.9:40123", "203.0.113.7:3478");

	claim(slot, "192.0.2.9:40123", NOW);
	settle();
	slot_release(&table, slot);
	ck_assert_ptr_null(slot_by_client(&table, &here.client));
	ck_assert_uint_eq(slot->want.client.addr.family, 0);
	ck_assert_uint_eq(slot->have.client.addr.family, AF_INET);
	ck_assert_uint_eq(table.holes, 0);
	ck_assert(TAILQ_EMPTY(&table.consents));
	ck_assert_uint_eq(dirty_count(), 1);
	ck_assert_int_eq(slot_state(slot, NOW), STREAM_WAITING);
	settle();
	slot_release(&table, slot);
	ck_assert_uint_eq(table.holes, 0);
	ck_assert_uint_eq(dirty_count(), 0);
}
END_TEST

START_TEST(test_mark)
{
	struct slot *slot = &add("cam1", "9099")->slots[0];

	settle();
	slot_mark(&table, slot);
	slot_mark(&table, slot);
	ck_assert_uint_eq(dirty_count(), 1);
	ck_assert_ptr_eq(TAILQ_FIRST(&table.dirty), slot);
}
END_TEST

START_TEST(test_expire)
{
	struct stream *stream = add("cam1", "9099-9101");
	struct slot *a = &stream->slots[0], *b = &stream->slots[2], *c = &stream->slots[4];

	claim(a, "192.0.2.9:1", NOW);
	claim(b, "192.0.2.9:2", NOW + 1);
	claim(c, "192.0.2.9:3", NOW + 2);
	claim(a, "192.0.2.9:1", NOW + 3);
	claim(b, "192.0.2.9:22", NOW + 4);
	settle();
	events[0] = '\0';
	slot_expire(&table, NOW + 1 + CONSENT_MS);
	ck_assert_uint_eq(table.holes, 3);
	slot_expire(&table, NOW + 2 + CONSENT_MS);
	ck_assert_uint_eq(table.holes, 2);
	ck_assert_int_eq(slot_state(c, NOW), STREAM_STALE);
	assert_events("stale:cam1 ");
	ck_assert_uint_eq(dirty_count(), 1);
	slot_expire(&table, NOW + 4 + CONSENT_MS);
	ck_assert_uint_eq(table.holes, 0);
	assert_events("stale:cam1 stale:cam1 ");
	claim(c, "192.0.2.9:3", NOW + 5 + CONSENT_MS);
	ck_assert_int_eq(slot_state(c, NOW), STREAM_READY);
	slot_release(&table, c);
	ck_assert_int_eq(slot_state(c, NOW), STREAM_WAITING);
}
END_TEST

/* At a start the elements come in any order. */
START_TEST(test_adopt)
{
	static const int order[][3] = {
		{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
	static const char *const clients[] = {"192.0.2.9:1", "192.0.2.9:2", "192.0.2.9:3"};
	struct stream *stream = add("cam1", "9099-9102");
	struct hole here;

	settle();
	for (int i = 0; i < 3; i++) {
		int which = order[_i][i];

		here = hole(clients[which], "203.0.113.7:3478");
		slot_adopt(&table, &stream->slots[2 * which], &here, NOW + which);
	}
	ck_assert_int_eq(slots_order(&table), 0);
	ck_assert_uint_eq(dirty_count(), 0);
	ck_assert_uint_eq(table.holes, 3);
	ck_assert_uint_eq(stream->slots[0].have.client.port, 1);
	for (int i = 0; i < 3; i++) {
		slot_expire(&table, NOW + CONSENT_MS + i);
		ck_assert_uint_eq(table.holes, 2 - i);
		ck_assert(stream->slots[2 * i].stale);
	}
}
END_TEST

START_TEST(test_adopt_twice)
{
	struct stream *stream = add("cam1", "9099-9100");
	struct hole here = hole("192.0.2.9:1", "203.0.113.7:3478");
	struct hole there = hole("192.0.2.9:2", "203.0.113.7:3478");

	slot_adopt(&table, &stream->slots[0], &here, NOW);
	slot_adopt(&table, &stream->slots[2], &here, NOW);
	slot_adopt(&table, &stream->slots[0], &there, NOW);
	ck_assert_uint_eq(table.holes, 1);
	ck_assert_uint_eq(stream->slots[0].want.client.port, 1);
	ck_assert_uint_eq(stream->slots[2].want.client.addr.family, 0);
	ck_assert_uint_eq(stream->slots[2].have.client.addr.family, 0);
}
END_TEST

START_TEST(test_sample)
{
	struct slot *slot = &add("cam1", "9099")->slots[0];

	claim(slot, "192.0.2.9:1", NOW);
	events[0] = '\0';
	slot_sample(&table, slot, 0, 0, NOW);
	ck_assert_int_eq(slot_state(slot, NOW), STREAM_READY);
	assert_events("");
	slot_sample(&table, slot, 10, 10000, NOW + 2000);
	ck_assert_uint_eq(slot->byte_rate, 5000);
	ck_assert_uint_eq(slot->stream->lock_packets, 10);
	ck_assert_int_eq(slot_state(slot, NOW + 2000), STREAM_LIVE);
	assert_events("live:cam1 ");
	slot_sample(&table, slot, 10, 10000, NOW + 3000);
	ck_assert_uint_eq(slot->byte_rate, 0);
	ck_assert_int_eq(slot_state(slot, NOW + 6999), STREAM_LIVE);
	assert_events("");
	slot_sample(&table, slot, 10, 10000, NOW + 7000);
	ck_assert_int_eq(slot_state(slot, NOW + 7000), STREAM_READY);
	assert_events("idle:cam1 ");
}
END_TEST

/* The counters begin anew with the element. */
START_TEST(test_sample_anew)
{
	struct slot *slot = &add("cam1", "9099")->slots[0];

	claim(slot, "192.0.2.9:1", NOW);
	slot_sample(&table, slot, 1000, 1000000, NOW);
	slot_sample(&table, slot, 3, 300, NOW + 1000);
	ck_assert_uint_eq(slot->byte_rate, 300);
	ck_assert_uint_eq(slot->packets, 3);
	ck_assert_uint_eq(slot->stream->lock_packets, 1003);
	ck_assert_int_eq(slot->media_ms, NOW + 1000);
	/* Two samples in one millisecond: the rate stays. */
	slot_sample(&table, slot, 4, 400, NOW + 1000);
	ck_assert_uint_eq(slot->byte_rate, 300);
}
END_TEST

/* Of several ports the most that can be said of one is said of the stream. */
START_TEST(test_state)
{
	struct stream *stream = add("cam1", "9099-9101");

	ck_assert_int_eq(stream_state(stream, NOW), STREAM_WAITING);
	claim(&stream->slots[2], "192.0.2.9:2", NOW - CONSENT_MS);
	slot_expire(&table, NOW);
	ck_assert_int_eq(stream_state(stream, NOW), STREAM_STALE);
	claim(&stream->slots[4], "192.0.2.9:3", NOW);
	ck_assert_int_eq(stream_state(stream, NOW), STREAM_READY);
	claim(&stream->slots[0], "192.0.2.9:1", NOW);
	slot_sample(&table, &stream->slots[0], 1, 100, NOW);
	ck_assert_int_eq(stream_state(stream, NOW), STREAM_LIVE);
	ck_assert_str_eq(stream_state_text(STREAM_WAITING), "waiting");
	ck_assert_str_eq(stream_state_text(STREAM_READY), "ready");
	ck_assert_str_eq(stream_state_text(STREAM_LIVE), "live");
	ck_assert_str_eq(stream_state_text(STREAM_STALE), "stale");
}
END_TEST

START_TEST(test_source)
{
	struct stream *stream = add("cam1", "9099");
	struct prefix source;

	ck_assert_uint_eq(slot_source(&stream->slots[0]).bits, 0);
	stream->lock = endpoint("198.51.100.1:1").addr;
	source = slot_source(&stream->slots[0]);
	ck_assert_uint_eq(source.bits, 32);
	ck_assert(addr_equal(&source.addr, &stream->lock));
	stream->lock = endpoint("[2001:db8::1]:1").addr;
	source = slot_source(&stream->slots[1]);
	ck_assert_uint_eq(source.bits, 128);
	ck_assert(addr_equal(&source.addr, &stream->lock));
	stream->spec.source = SPEC_ANY;
	ck_assert_uint_eq(slot_source(&stream->slots[0]).bits, 0);
	ck_assert_int_eq(spec_set_source(&stream->spec, "198.51.100.0/24", why), 0);
	source = slot_source(&stream->slots[0]);
	ck_assert_uint_eq(source.bits, 24);
	ck_assert(addr_equal(&source.addr, &stream->spec.prefix.addr));
}
END_TEST

/* The other family's ports are then for nobody, which is not the same as for anybody. */
START_TEST(test_source_family)
{
	struct stream *stream = add("cam1", "9099");
	struct addr nobody[] = {{.family = AF_INET}, {.family = AF_INET6}};
	struct prefix source;

	stream->lock = endpoint("198.51.100.1:1").addr;
	source = slot_source(&stream->slots[1]);
	ck_assert_uint_eq(source.bits, 128);
	ck_assert(addr_equal(&source.addr, &nobody[1]));
	ck_assert_int_eq(spec_set_source(&stream->spec, "2001:db8::/32", why), 0);
	source = slot_source(&stream->slots[0]);
	ck_assert_uint_eq(source.bits, 32);
	ck_assert(addr_equal(&source.addr, &nobody[0]));
	ck_assert_uint_eq(slot_source(&stream->slots[1]).bits, 32);
	ck_assert_int_eq(spec_set_source(&stream->spec, "0.0.0.0/0", why), 0);
	ck_assert_uint_eq(slot_source(&stream->slots[0]).bits, 0);
	ck_assert_uint_eq(slot_source(&stream->slots[1]).bits, 128);
}
END_TEST

static Suite *stream_suite(void)
{
	Suite *suite = suite_create("stream");
	TCase *tcase = tcase_create("stream");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, test_add);
	tcase_add_test(tcase, test_families);
	tcase_add_test(tcase, test_find_long);
	tcase_add_loop_test(tcase, test_add_conflict, 0, COUNT(conflicts));
	tcase_add_test(tcase, test_remove);
	tcase_add_test(tcase, test_reap);
	tcase_add_test(tcase, test_peers_only);
	tcase_add_test(tcase, test_change_ports);
	tcase_add_loop_test(tcase, test_change, 0, COUNT(changes));
	tcase_add_test(tcase, test_claim);
	tcase_add_test(tcase, test_claim_again);
	tcase_add_loop_test(tcase, test_move, 0, COUNT(elsewhere));
	tcase_add_test(tcase, test_claim_taken);
	tcase_add_test(tcase, test_release);
	tcase_add_test(tcase, test_mark);
	tcase_add_test(tcase, test_expire);
	tcase_add_loop_test(tcase, test_adopt, 0, 6);
	tcase_add_test(tcase, test_adopt_twice);
	tcase_add_test(tcase, test_sample);
	tcase_add_test(tcase, test_sample_anew);
	tcase_add_test(tcase, test_state);
	tcase_add_test(tcase, test_source);
	tcase_add_test(tcase, test_source_family);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	SRunner *runner = srunner_create(stream_suite());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
