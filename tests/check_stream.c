/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Streams: added, found, changed and removed. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/stream_bed.h"
#include "tests/suite.h"

#define KEY2 "ZmVkY2JhOTg3NjU0MzIxMA=="

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
	ck_assert_ptr_eq(slot_by_listen(&table, &at), stream->slots[2]);
	ck_assert_uint_eq(stream->slots[2]->port, 9100);
	ck_assert_uint_eq(stream->slots[2]->family, AF_INET);
	at = endpoint("[2001:db8::7]:9100");
	ck_assert_ptr_eq(slot_by_listen(&table, &at), stream->slots[3]);
	ck_assert_uint_eq(stream->slots[3]->family, AF_INET6);
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
	ck_assert_uint_eq(stream->slots[0]->family, AF_INET6);
	ck_assert_uint_eq(stream->slots[1]->port, 9100);
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
	struct hole here = hole("192.0.2.9:40123", "203.0.113.7:3478");
	struct slot *slot = stream->slots[0];

	claim(stream->slots[0], "192.0.2.9:40123", NOW);
	settle();
	assert_events("added:cam1 punched:cam1 ");
	stream_remove(&table, stream);
	assert_events("removed:cam1 ");
	ck_assert_ptr_null(stream_find(&table, "cam1"));
	ck_assert_uint_eq(table.count, 0);
	ck_assert_uint_eq(table.holes, 0);
	ck_assert_ptr_null(slot_by_client(&table, &here.client));
	ck_assert_uint_eq(dirty_count(), 2);
	/* The kernel still has it; who has the port next comes behind it. */
	ck_assert_ptr_eq(slot_by_listen(&table, &at), slot);
	stream = add("cam2", "9099");
	ck_assert_ptr_eq(slot_by_listen(&table, &at), slot);
	ck_assert_ptr_eq(TAILQ_FIRST(&table.dirty), slot);
	settle();
	ck_assert_ptr_eq(slot_by_listen(&table, &at), stream->slots[0]);
}
END_TEST

/* Nothing that lives, is in a transaction, or waits for one is freed. */
START_TEST(test_reap)
{
	struct stream *stream = add("cam1", "9099");
	struct endpoint at = endpoint("203.0.113.7:9099");
	struct slot *slot = stream->slots[0];

	settle();
	slot_reap(&table, slot);
	ck_assert_ptr_eq(slot_by_listen(&table, &at), slot);
	stream_remove(&table, stream);
	slot_reap(&table, slot);
	slot->busy = true;
	settle();
	ck_assert_ptr_eq(slot_by_listen(&table, &at), slot);
	slot->busy = false;
	slot->listening = true;
	slot_reap(&table, slot);
	ck_assert_ptr_eq(slot_by_listen(&table, &at), slot);
	slot->listening = false;
	slot->raw_open = 8000;
	slot_reap(&table, slot);
	ck_assert_ptr_eq(slot_by_listen(&table, &at), slot);
	ck_assert(!LIST_EMPTY(&table.streams));
	slot->raw_open = 0;
	slot_reap(&table, slot);
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
	ck_assert_ptr_eq(stream_find(&table, "pair"), stream);
	spec.peers = 5;
	ck_assert_int_eq(stream_change(&table, stream, &spec, 8), 0);
	ck_assert_uint_eq(stream->spec.peers, 5);
	stream_remove(&table, stream);
	ck_assert_ptr_null(stream_find(&table, "pair"));
	ck_assert(LIST_EMPTY(&table.streams));
	ck_assert_uint_eq(table.count, 0);
	assert_events("added:pair changed:pair removed:pair ");
	add_spec(&spec);
}
END_TEST

/* Ports come and go, and the hole of one that stays is kept. */
START_TEST(test_change_ports)
{
	struct stream *stream = add("cam1", "9099-9100");
	struct spec spec = make("cam1", "9098-9099");
	struct endpoint old = endpoint("203.0.113.7:9100"), new = endpoint("203.0.113.7:9098");
	struct slot *keeps = stream->slots[0], *goes = stream->slots[2];

	claim(keeps, "192.0.2.9:1", NOW);
	claim(goes, "192.0.2.9:2", NOW);
	settle();
	events[0] = '\0';
	ck_assert_int_eq(stream_change(&table, stream, &spec, 8), 0);
	assert_events("changed:cam1 ");
	ck_assert_uint_eq(stream->slot_count, 4);
	ck_assert_ptr_eq(stream->slots[2], keeps);
	ck_assert_uint_eq(keeps->want.client.port, 1);
	ck_assert_uint_eq(table.holes, 1);
	ck_assert_ptr_eq(slot_by_listen(&table, &new), stream->slots[0]);
	ck_assert_ptr_eq(slot_by_listen(&table, &old), goes);
	/* The kernel hears of those that go before any that are new. */
	ck_assert_ptr_eq(TAILQ_FIRST(&table.dirty), goes);
	settle();
	ck_assert_ptr_null(slot_by_listen(&table, &old));
	ck_assert_ptr_eq(slot_by_listen(&table, &new), stream->slots[0]);
}
END_TEST

/* A port that one stream gives up and another one gets, whichever comes first in the file. */
START_TEST(test_shrink)
{
	struct stream *a = add("cam1", "9099"), *b = add("cam2", "9100-9101");
	struct spec more = make("cam1", "9099,9101"), less = make("cam2", "9100");
	struct endpoint at = endpoint("203.0.113.7:9101");
	struct slot *goes = b->slots[2];

	settle();
	stream_shrink(&table, b, &less);
	ck_assert_uint_eq(b->slot_count, 2);
	ck_assert_int_eq(stream_change(&table, a, &more, 7), 0);
	ck_assert_int_eq(stream_change(&table, b, &less, 7), 0);
	ck_assert_ptr_eq(TAILQ_FIRST(&table.dirty), goes);
	ck_assert_ptr_eq(slot_by_listen(&table, &at), goes);
	settle();
	ck_assert_ptr_eq(slot_by_listen(&table, &at), a->slots[2]);
	ck_assert_uint_eq(b->slot_count, 2);
}
END_TEST

/* A stream that listens at one address instead of all has other ports. */
START_TEST(test_change_place)
{
	struct stream *stream = add("cam1", "9099");
	struct spec spec = make("cam1", "203.0.113.7:9099");
	struct endpoint at = endpoint("203.0.113.7:9099");

	claim(stream->slots[0], "192.0.2.9:1", NOW);
	settle();
	ck_assert_int_eq(stream_change(&table, stream, &spec, 7), 0);
	ck_assert_uint_eq(stream->slot_count, 1);
	ck_assert_uint_eq(table.holes, 0);
	settle();
	ck_assert_ptr_eq(slot_by_listen(&table, &at), stream->slots[0]);
}
END_TEST

static const struct {
	uint16_t before, after;
	const char *punch; /* where the client of 9100 punches */
	bool keeps;
} raws[] = {
	{0, 8000, "203.0.113.7:3478", true},
	{8000, 0, "203.0.113.7:3478", true},
	{8000, 8001, "203.0.113.7:3478", true},
	{8000, 0, "203.0.113.7:8001", false},
	{8000, 8001, "203.0.113.7:8001", false},
	{8000, 8000, "203.0.113.7:8001", true},
};

/* A hole ends with the port of the relay that it leads to. */
START_TEST(test_change_raw)
{
	struct endpoint raw = endpoint("203.0.113.7:8001");
	struct spec spec = make("cam1", "9099-9100");
	struct hole here = hole("192.0.2.9:1", raws[_i].punch);
	struct stream *stream;

	spec.raw_punch = raws[_i].before;
	stream = add_spec(&spec);
	ck_assert_int_eq(slot_claim(&table, stream->slots[2], &here, NOW, &moved), 0);
	settle();
	spec.raw_punch = raws[_i].after;
	ck_assert_int_eq(stream_change(&table, stream, &spec, 7), 0);
	ck_assert_uint_eq(table.holes, raws[_i].keeps);
	settle();
	ck_assert_ptr_eq(slot_by_raw(&table, &raw), raws[_i].after == 0	     ? NULL
						    : raws[_i].after == 8000 ? stream->slots[2]
									     : stream->slots[0]);
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
	{change_rate, true, true},
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

	claim(stream->slots[0], "192.0.2.9:40123", NOW);
	stream->lock = endpoint("198.51.100.1:1").addr;
	settle();
	events[0] = '\0';
	ck_assert_int_eq(stream_change(&table, stream, &spec, 8), 0);
	ck_assert(spec_equal(&stream->spec, &spec));
	ck_assert_uint_eq(stream->number, 8);
	ck_assert_int_eq(stream->slots[0]->want.client.addr.family != 0, changes[_i].keeps);
	ck_assert_int_eq(stream->lock.family != 0, changes[_i].keeps_lock);
	ck_assert_uint_eq(table.holes, changes[_i].keeps);
	ck_assert_uint_eq(dirty_count(), 2);
	assert_events("changed:cam1 ");
}
END_TEST

static const struct {
	const char *from, *to;
	bool holds, locks;
} sources[] = {
	{"any", "any", true, false},
	{"any", "198.51.100.0/24", true, false},
	{"any", "192.0.2.0/24", false, false},
	{"any", "first", false, true},
	{"198.51.100.0/24", "192.0.2.0/24", false, false},
	{"198.51.100.0/24", "first", false, true},
	{"first", "any", false, false},
};

/* Who sends goes on, if the stream's new source lets him. */
START_TEST(test_change_source)
{
	struct stream *stream = add("cam1", "9099-9100");
	const struct addr sender = endpoint("198.51.100.1:1").addr;
	struct spec spec = stream->spec;

	ck_assert_int_eq(spec_set_source(&stream->spec, sources[_i].from, why), 0);
	ck_assert_int_eq(spec_set_source(&spec, sources[_i].to, why), 0);
	if (stream->spec.source == SPEC_FIRST)
		stream->lock = sender;
	else
		stream->slots[1]->holder = sender;
	stream->slots[1]->handed_ms = NOW - 5000;
	stream->lock_packets = 16;
	ck_assert_int_eq(stream_change(&table, stream, &spec, 8), 0);
	ck_assert_int_eq(addr_equal(&stream->slots[1]->holder, &sender), sources[_i].holds);
	ck_assert_int_eq(addr_equal(&stream->lock, &sender), sources[_i].locks);
	ck_assert_int_eq(stream->lock.family != 0, sources[_i].locks);
	if (sources[_i].locks) {
		ck_assert_int_eq(stream->lock_ms, NOW - 5000);
		ck_assert_uint_eq(stream->lock_packets, 0);
	}
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
	tcase_add_test(tcase, test_shrink);
	tcase_add_test(tcase, test_change_place);
	tcase_add_loop_test(tcase, test_change_raw, 0, COUNT(raws));
	tcase_add_loop_test(tcase, test_change, 0, COUNT(changes));
	tcase_add_loop_test(tcase, test_change_source, 0, COUNT(sources));
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(stream_suite());
}
