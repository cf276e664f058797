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

START_TEST(test_change_ports)
{
	struct stream *stream = add("cam1", "9099");
	struct spec spec = make("cam1", "9098");

	settle();
	ck_assert_int_eq(stream_change(&table, stream, &spec, 8), -EBUSY);
	spec = make("cam1", "9099");
	spec.raw_punch = 8000;
	ck_assert_int_eq(stream_change(&table, stream, &spec, 8), -EBUSY);
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
	ck_assert_int_eq(stream_change(&table, stream, &spec, 8), 0);
	ck_assert(spec_equal(&stream->spec, &spec));
	ck_assert_uint_eq(stream->number, 8);
	ck_assert_int_eq(stream->slots[0].want.client.addr.family != 0, changes[_i].keeps);
	ck_assert_int_eq(stream->lock.family != 0, changes[_i].keeps_lock);
	ck_assert_uint_eq(table.holes, changes[_i].keeps);
	ck_assert_uint_eq(dirty_count(), 2);
	assert_events("changed:cam1 ");
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
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(stream_suite());
}
