/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "relayd/loop.h"
#include "relayd/sender.h"
#include "tests/endpoint.h"
#include "tests/suite.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NOW	     ((int64_t)1000000)
#define SILENT_MS    2000
#define UNHEARD_MS   3000
#define A	     "198.51.100.1:7000"
#define A2	     "198.51.100.1:7001"
#define B	     "198.51.100.2:7000"

static struct stream_table table;
static struct stream *stream;
static struct slot *slot;
/* The events since the last look, "sender refused ". */
static char events[1024], text[128];
static unsigned int probes;

static void note(void *data, const struct stream_event *event)
{
	(void)data;
	strcat(events, event->what);
	strcat(events, " ");
	if (event->text)
		strcpy(text, event->text);
}

static void count_probe(void *data, const struct slot *of)
{
	(void)data;
	ck_assert_ptr_eq(of, slot);
	probes++;
}

static void assert_events(const char *expected)
{
	ck_assert_str_eq(events, expected);
	events[0] = '\0';
}

/* As sync does. */
static void settle(void)
{
	struct slot *dirty;

	while ((dirty = TAILQ_FIRST(&table.dirty))) {
		TAILQ_REMOVE(&table.dirty, dirty, dirty_link);
		dirty->dirty = dirty->flush = false;
	}
}

static size_t dirty_count(void)
{
	struct slot *dirty;
	size_t count = 0;

	TAILQ_FOREACH(dirty, &table.dirty, dirty_link) {
		count++;
	}
	return count;
}

static void punch(struct slot *of, const char *client)
{
	struct hole hole = {endpoint(client), endpoint("203.0.113.7:3478")};
	bool moved;

	ck_assert_int_eq(slot_claim(&table, of, &hole, NOW, &moved), 0);
}

/* A stream of two ports, both punched, that anybody may send to; nothing is dirty. */
static void set_up(void)
{
	static const bool four[STREAM_FAMILIES] = {true, false};
	struct spec spec;
	char why[SPEC_WHY];

	ck_assert_int_eq(stream_table_init(&table, four, 45000), 0);
	ck_assert_int_eq(spec_init(&spec, "cam1", why), 0);
	ck_assert_int_eq(spec_set_listen(&spec, "9099-9100", why), 0);
	ck_assert_int_eq(spec_set_source(&spec, "any", why), 0);
	ck_assert_int_eq(stream_add(&table, &spec, 1, &stream, why), 0);
	slot = &stream->slots[0];
	punch(slot, "192.0.2.9:40123");
	punch(&stream->slots[1], "192.0.2.9:40124");
	settle();
	table.event = note;
	table.probe = count_probe;
	probes = 0;
}

static void tear_down(void)
{
	stream_table_fini(&table);
}

static void packet(const char *from, bool refused, int64_t now_ms)
{
	struct rules_event event = {.refused = refused, .number = 1};

	/* The kernel lets a stranger through only when the port has been let go. */
	sender_tick(&table, now_ms);
	event.sender = endpoint(from);
	event.listen = endpoint("203.0.113.7:9099");
	sender_event(&table, &event, now_ms);
}

static void assert_sender(const char *from)
{
	struct endpoint sender = endpoint(from);

	ck_assert(endpoint_equal(&slot->sender, &sender));
}

START_TEST(test_first)
{
	packet(A, false, NOW);
	assert_sender(A);
	assert_events("sender ");
	ck_assert_int_eq(slot->handed_ms, NOW);
	ck_assert(!slot->flush);
	ck_assert_uint_eq(stream->lock.family, 0);
	ck_assert_uint_eq(stream->slots[1].sender.addr.family, 0);
	packet(A, false, NOW + 10);
	assert_events("");
	ck_assert_int_eq(slot->handed_ms, NOW);
}
END_TEST

/* What would come back closes the hole; who is behind the client's NAT may send. */
START_TEST(test_loop)
{
	packet("192.0.2.9:40123", false, NOW);
	assert_events("loop ");
	ck_assert_str_eq(text, "a loop: the sender is the client");
	ck_assert_uint_eq(slot->want.client.addr.family, 0);
	ck_assert_uint_eq(slot->sender.addr.family, 0);

	punch(slot, "192.0.2.9:40123");
	events[0] = '\0';
	packet("192.0.2.9:40124", false, NOW);
	assert_events("sender ");
	assert_sender("192.0.2.9:40124");
}
END_TEST

/* Who could be the client's echo has a probe sent, and not one after the other. */
START_TEST(test_probe)
{
	packet(A, false, NOW);
	packet(A2, false, NOW + 10);
	packet(B, true, NOW + 20);
	packet("192.0.2.9:3478", true, NOW + 30);
	ck_assert_uint_eq(probes, 1);
	packet("192.0.2.9:3478", true, NOW + 5020);
	ck_assert_uint_eq(probes, 2);
}
END_TEST

static void returns(uint16_t type, const uint8_t *tid, int64_t now_ms)
{
	struct rules_event event = {.refused = true, .sender = endpoint(B)};
	struct buf buf;

	event.listen = endpoint("203.0.113.7:9099");
	buf_init(&buf, event.first, sizeof event.first);
	stun_begin(&buf, type, tid);
	sender_event(&table, &event, now_ms);
}

/* What comes back is proof if it is what was sent, and only while it is on its way. */
START_TEST(test_probe_returns)
{
	const struct endpoint client = slot->want.client;
	const uint8_t nothing[STUN_TID] = {0};

	returns(STUN_INDICATION, nothing, NOW);
	returns(STUN_SUCCESS, nothing, NOW);
	assert_events("refused ");
	packet(A, false, NOW + 10);
	packet(B, true, NOW + 10);
	events[0] = '\0';
	returns(STUN_REQUEST, slot->probe, NOW + 20);
	returns(STUN_INDICATION, nothing, NOW + 20);
	returns(STUN_SUCCESS, slot->probe, NOW + 20);
	assert_events("");
	ck_assert(!loop_is_known(slot, &client, NOW + 20));
	returns(STUN_INDICATION, slot->probe, NOW + 20);
	assert_events("loop ");
	ck_assert_str_eq(text, "a loop: what is sent to the client comes back");
	ck_assert_uint_eq(slot->want.client.addr.family, 0);
	ck_assert(loop_is_known(slot, &client, NOW + 20));
	ck_assert(!loop_is_known(slot, &client, NOW + 20 + LOOP_MS));
	ck_assert(!loop_is_known(slot, &slot->sender, NOW + 20));
}
END_TEST

/* So is the answer to the client's punch, which goes to it as the first of all. */
START_TEST(test_answer_returns)
{
	memset(slot->tid, 7, STUN_TID);
	returns(STUN_INDICATION, slot->tid, NOW);
	ck_assert_uint_ne(slot->want.client.addr.family, 0);
	events[0] = '\0';
	returns(STUN_SUCCESS, slot->tid, NOW);
	assert_events("loop ");
}
END_TEST

START_TEST(test_own_host)
{
	packet("203.0.113.7:7000", true, NOW);
	assert_events("refused ");
	ck_assert_ptr_nonnull(strstr(text, "on the relay itself"));
}
END_TEST

/*
 * Another port of the host had its packet between the deletion and the next of ours: the flow is
 * that one's, which may not have it back so soon, and it would keep us out until it times out.
 */
START_TEST(test_overtaken)
{
	packet(A2, false, NOW);
	slot->media_ms = NOW + 50;
	packet(A, false, NOW + 100);
	ck_assert(slot->flush);
	settle();
	packet(A2, false, NOW + 110);
	assert_sender(A);
	ck_assert(!slot->flush);
	packet(A, false, NOW + 120);
	ck_assert(!slot->flush);
	packet(A, false, NOW + 140);
	ck_assert(slot->flush);
	settle();
	packet(A, false, NOW + 160);
	ck_assert(!slot->flush);
	packet(A, false, NOW + 160 + 5000);
	ck_assert(!slot->flush);
}
END_TEST

/* The same program, started again: it has another port, and the old flow is in its way. */
START_TEST(test_restart)
{
	packet(A, false, NOW);
	slot->media_ms = NOW + 50;
	events[0] = '\0';
	packet(A2, false, NOW + 100);
	assert_sender(A2);
	assert_events("sender ");
	ck_assert(slot->flush);
	ck_assert_uint_eq(dirty_count(), 1);
	ck_assert(slot->dirty);
}
END_TEST

/* Two programs on one host do not take turns. */
START_TEST(test_rematch)
{
	packet(A, false, NOW);
	packet(A2, false, NOW + 100);
	settle();
	slot->media_ms = NOW + 110;
	events[0] = '\0';
	packet(A, false, NOW + 120);
	assert_sender(A2);
	ck_assert(!slot->flush);
	assert_events("");
	packet(A, false, NOW + 100 + SILENT_MS - 1);
	assert_sender(A2);
	slot->media_ms = NOW + 100 + SILENT_MS;
	packet(A, false, NOW + 100 + SILENT_MS);
	assert_sender(A);
	ck_assert(slot->flush);
}
END_TEST

START_TEST(test_rival_silent)
{
	packet(A, false, NOW);
	slot->media_ms = NOW + 5000;
	settle();
	events[0] = '\0';
	packet(B, false, NOW + 5001);
	packet(B, false, NOW + 5000 + SILENT_MS);
	assert_sender(A);
	assert_events("");
	ck_assert_uint_eq(dirty_count(), 0);
	packet(B, false, NOW + 5001 + SILENT_MS);
	assert_sender(B);
	assert_events("sender ");
	ck_assert(slot->flush);
}
END_TEST

/* A sender that has just been given the hole has not been counted yet. */
START_TEST(test_rival_handed)
{
	packet(A, false, NOW);
	packet(B, false, NOW + SILENT_MS);
	assert_sender(A);
	packet(B, false, NOW + SILENT_MS + 1);
	assert_sender(B);
	packet(A, false, NOW + 2 * SILENT_MS);
	assert_sender(B);
}
END_TEST

/* Where anybody may send, too, the port is kept for one address as long as it sends. */
START_TEST(test_holder)
{
	packet(A, false, NOW);
	ck_assert(addr_equal(&slot->holder, &slot->sender.addr));
	ck_assert_uint_eq(slot_source(slot).bits, 32);
	ck_assert_uint_eq(dirty_count(), 1);
	ck_assert_uint_eq(slot_source(&stream->slots[1]).bits, 0);
	settle();
	sender_tick(&table, NOW + SILENT_MS);
	slot->media_ms = NOW + 5000;
	sender_tick(&table, NOW + 5000 + SILENT_MS);
	ck_assert_uint_ne(slot->holder.family, 0);
	ck_assert_uint_eq(dirty_count(), 0);
	sender_tick(&table, NOW + 5001 + SILENT_MS);
	ck_assert_uint_eq(slot->holder.family, 0);
	ck_assert_uint_eq(slot_source(slot).bits, 0);
	ck_assert_uint_eq(dirty_count(), 1);
	settle();
	sender_tick(&table, NOW + 100000);
	ck_assert_uint_eq(dirty_count(), 0);
	packet(B, false, NOW + 100000);
	ck_assert(addr_equal(&slot->holder, &slot->sender.addr));
	assert_sender(B);
}
END_TEST

/* Who was silent and goes on has its flow still: nothing but the counters tells of it. */
START_TEST(test_holder_again)
{
	const int64_t idle = NOW + 5001, later = idle + SILENT_MS + 1;

	packet(A, false, NOW);
	sender_tick(&table, idle);
	ck_assert_uint_eq(slot->holder.family, 0);
	settle();
	slot->media_ms = idle;
	sender_heard(&table, slot, idle);
	ck_assert_uint_eq(slot->holder.family, 0);
	sender_heard(&table, slot, later);
	ck_assert_uint_eq(slot->holder.family, 0);
	slot->media_ms = later;
	sender_heard(&table, slot, later);
	ck_assert(addr_equal(&slot->holder, &slot->sender.addr));
	ck_assert_uint_eq(dirty_count(), 1);
	settle();
	/* Or its flow has ended, and begins anew. */
	sender_tick(&table, later + 5000);
	ck_assert_uint_eq(slot->holder.family, 0);
	packet(A, false, later + 6000);
	ck_assert(addr_equal(&slot->holder, &slot->sender.addr));
}
END_TEST

/* Nobody told of the flow: it is opened again, until somebody does. */
START_TEST(test_unheard)
{
	const int64_t later = NOW + UNHEARD_MS;

	slot->media_ms = NOW;
	sender_heard(&table, slot, NOW);
	sender_heard(&table, slot, later);
	slot->media_ms = later - 1;
	sender_heard(&table, slot, later - 1);
	ck_assert_uint_eq(dirty_count(), 0);
	for (int64_t now = later; now <= later + UNHEARD_MS; now += UNHEARD_MS) {
		slot->media_ms = now;
		sender_heard(&table, slot, now);
		ck_assert(slot->flush);
		ck_assert_uint_eq(dirty_count(), 1);
		settle();
	}
	packet(A, false, later + UNHEARD_MS);
	settle();
	slot->media_ms = later + 3 * UNHEARD_MS;
	sender_heard(&table, slot, slot->media_ms);
	ck_assert(!slot->flush);
}
END_TEST

/* Another port of the same address changes nothing for the kernel. */
START_TEST(test_holder_restart)
{
	packet(A, false, NOW);
	settle();
	packet(A2, false, NOW + 100);
	ck_assert(addr_equal(&slot->holder, &slot->sender.addr));
	slot->flush = false;
	settle();
	sender_tick(&table, NOW + 100 + SILENT_MS);
	ck_assert_uint_ne(slot->holder.family, 0);
	ck_assert_uint_eq(dirty_count(), 0);
}
END_TEST

/* A packet that was let through before the kernel knew of the lock changes nothing. */
START_TEST(test_lock_race)
{
	stream->spec.source = SPEC_FIRST;
	packet(A, false, NOW);
	events[0] = '\0';
	packet(B, false, NOW + 1);
	assert_sender(A);
	assert_events("");
}
END_TEST

START_TEST(test_lock)
{
	struct prefix source;

	stream->spec.source = SPEC_FIRST;
	packet(A, false, NOW);
	ck_assert(addr_equal(&stream->lock, &slot->sender.addr));
	ck_assert_int_eq(stream->lock_ms, NOW);
	ck_assert_uint_eq(stream->lock_packets, 0);
	/* It holds for all ports of the stream. */
	ck_assert_uint_eq(dirty_count(), 2);
	source = slot_source(&stream->slots[1]);
	ck_assert_uint_eq(source.bits, 32);
	settle();
	packet(A2, false, NOW + 1);
	ck_assert_int_eq(stream->lock_ms, NOW);
	sender_unlock(&table, stream);
	ck_assert_uint_eq(stream->lock.family, 0);
	ck_assert_uint_eq(dirty_count(), 2);
	settle();
	sender_unlock(&table, stream);
	ck_assert_uint_eq(dirty_count(), 0);
}
END_TEST

static const struct {
	const char *source;
	bool locks;
} sources[] = {{"any", false}, {"198.51.100.0/24", false}, {"first", true}};

START_TEST(test_lock_sources)
{
	char why[SPEC_WHY];

	ck_assert_int_eq(spec_set_source(&stream->spec, sources[_i].source, why), 0);
	packet(A, false, NOW);
	assert_sender(A);
	ck_assert_int_eq(stream->lock.family != 0, sources[_i].locks);
	ck_assert_int_eq(slot->holder.family != 0, !sources[_i].locks);
	ck_assert_uint_eq(slot_source(slot).bits, 32);
}
END_TEST

/* A stray packet has the lock only shortly; who has sent more keeps it over a pause. */
START_TEST(test_tick)
{
	stream->spec.source = SPEC_FIRST;
	packet(A, false, NOW);
	sender_tick(&table, NOW + 3000);
	ck_assert_uint_ne(stream->lock.family, 0);
	stream->slots[1].media_ms = NOW + 10000;
	stream->lock_packets = 15;
	sender_tick(&table, NOW + 13000);
	ck_assert_uint_ne(stream->lock.family, 0);
	settle();
	sender_tick(&table, NOW + 13001);
	ck_assert_uint_eq(stream->lock.family, 0);
	ck_assert_uint_eq(dirty_count(), 2);
	packet(A2, false, NOW + 20000);
	ck_assert_uint_eq(stream->lock_packets, 0);
	stream->lock_packets = 16;
	sender_tick(&table, NOW + 20000 + 300000);
	ck_assert_uint_ne(stream->lock.family, 0);
	sender_tick(&table, NOW + 20000 + 300001);
	ck_assert_uint_eq(stream->lock.family, 0);
}
END_TEST

START_TEST(test_tick_unlocked)
{
	sender_tick(&table, NOW + 1000000);
	ck_assert_uint_eq(dirty_count(), 0);
	assert_events("");
}
END_TEST

START_TEST(test_no_hole)
{
	slot_release(&table, slot);
	settle();
	stream->spec.source = SPEC_FIRST;
	packet(A, false, NOW);
	ck_assert_uint_eq(slot->sender.addr.family, 0);
	ck_assert_uint_eq(stream->lock.family, 0);
	packet(A, true, NOW);
	assert_events("refused ");
	ck_assert_str_eq(text, "nobody has punched for it");
}
END_TEST

/* Each newcomer is told of once, not each of its packets. */
START_TEST(test_refused)
{
	stream->spec.source = SPEC_FIRST;
	for (int i = 0; i < 100; i++)
		packet(B, true, NOW + i);
	assert_events("refused ");
	ck_assert_str_eq(text, "not allowed by source");
	ck_assert_uint_eq(slot->sender.addr.family, 0);
	ck_assert_uint_eq(stream->lock.family, 0);
	ck_assert_uint_eq(dirty_count(), 0);
	packet(A, true, NOW);
	assert_events("refused ");
}
END_TEST

START_TEST(test_foreign)
{
	struct rules_event event = {.sender = endpoint(A), .listen = endpoint("203.0.113.7:9098")};

	sender_event(&table, &event, NOW);
	event.listen = endpoint("[2001:db8::7]:9099");
	sender_event(&table, &event, NOW);
	stream_remove(&table, stream);
	events[0] = '\0';
	packet(A, false, NOW);
	packet(A, true, NOW);
	assert_events("");
	ck_assert_uint_eq(slot->sender.addr.family, 0);
}
END_TEST

static Suite *sender_suite(void)
{
	Suite *suite = suite_create("sender");
	TCase *tcase = tcase_create("sender");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, test_first);
	tcase_add_test(tcase, test_loop);
	tcase_add_test(tcase, test_probe);
	tcase_add_test(tcase, test_probe_returns);
	tcase_add_test(tcase, test_answer_returns);
	tcase_add_test(tcase, test_own_host);
	tcase_add_test(tcase, test_overtaken);
	tcase_add_test(tcase, test_restart);
	tcase_add_test(tcase, test_rematch);
	tcase_add_test(tcase, test_rival_silent);
	tcase_add_test(tcase, test_rival_handed);
	tcase_add_test(tcase, test_holder);
	tcase_add_test(tcase, test_holder_again);
	tcase_add_test(tcase, test_unheard);
	tcase_add_test(tcase, test_holder_restart);
	tcase_add_test(tcase, test_lock);
	tcase_add_test(tcase, test_lock_race);
	tcase_add_loop_test(tcase, test_lock_sources, 0, COUNT(sources));
	tcase_add_test(tcase, test_tick);
	tcase_add_test(tcase, test_tick_unlocked);
	tcase_add_test(tcase, test_no_hole);
	tcase_add_test(tcase, test_refused);
	tcase_add_test(tcase, test_foreign);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(sender_suite());
}
