/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>

#include "punchctl/lane_inner.h"
#include "tests/lane_fake.h"

static const uint8_t media[] = {0x80, 1, 2, 3};

START_TEST(test_hello)
{
	fake_start(PEER_CLIENT);
	fake_run(10);
	ck_assert_uint_eq(fake.event_count, 1);
	ck_assert_int_eq(event_last()->type, LANE_WAITING);
	/* The word is heard at once. */
	ck_assert_uint_eq(fake.hellos, 2);
	ck_assert_uint_eq(fake.hello.heard, 10);
	ck_assert_int_eq(fake.hello.role, PEER_CLIENT);
	/* Nothing is said any more but that the lane is still there. */
	fake_run(60000);
	ck_assert_uint_ge(fake.hellos, 2 + 3);
	ck_assert_uint_le(fake.hellos, 2 + 5);
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

START_TEST(test_bye)
{
	fake_pair(PEER_SERVICE);
	fake.mute = true;
	lane_close(fake.lane, fake.now_ms);
	fake.refuse = 0;
	for (unsigned int i = 0; i < fake.sent_count; i++) {
		struct stun request;

		if (fake.sent[i].seen)
			continue;
		ck_assert_int_eq(stun_parse(fake.sent[i].data, fake.sent[i].len, &request), 0);
		ck_assert_int_eq(
			peer_hello_decode(request.peer.p, request.peer.len, &fake.hello), 0);
	}
	ck_assert(fake.hello.bye);
}
END_TEST

START_TEST(test_changes_are_said)
{
	struct nat_report nat = {.mapping = NAT_MAPPING_ENDPOINT};

	fake_pair(PEER_CLIENT);
	lane_set_nat(fake.lane, &nat);
	lane_set_hosts(fake.lane, &fake.other, 1);
	ck_assert_int_le(lane_deadline(fake.lane), fake.now_ms);
	fake_run(1);
	ck_assert_int_eq(fake.hello.nat.mapping, NAT_MAPPING_ENDPOINT);
	ck_assert_uint_eq(fake.hello.host_count, 1);
	ck_assert_mem_eq(fake.hello.peer, fake.peer, PEER_LANE);
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

START_TEST(test_silent)
{
	fake_pair(PEER_CLIENT);
	fake.mute = true;
	lane_network(fake.lane, fake.now_ms);
	fake_run(2990);
	ck_assert_int_eq(event_last()->type, LANE_PAIRED);
	fake_run(100);
	ck_assert_int_eq(event_last()->type, LANE_SILENT);
	fake.mute = false;
	fake_run(6000);
	ck_assert_int_eq(event_last()->type, LANE_BACK);
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

START_TEST(test_refused)
{
	fake_start(PEER_CLIENT);
	fake.refuse = 508;
	fake_run(20000);
	ck_assert_uint_eq(fake.event_count, 1);
	ck_assert_int_eq(event_last()->type, LANE_REFUSED);
	ck_assert_uint_eq(event_last()->code, 508);
	ck_assert_uint_le(fake.hellos, 10);
	fake.refuse = 0;
	fake_run(6000);
	ck_assert_int_eq(event_last()->type, LANE_WAITING);
	lane_close(fake.lane, fake.now_ms);
	fake_start(PEER_CLIENT);
	fake.refuse = 437;
	fake_run(1000);
	ck_assert_int_eq(event_last()->type, LANE_REFUSED);
	fake_run(10000);
	ck_assert_uint_eq(fake.event_count, 2);
	ck_assert_int_eq(event_last()->type, LANE_CLOSED);
	lane_close(fake.lane, fake.now_ms);
	fake_start(PEER_CLIENT);
	fake.refuse = 403;
	fake_run(20000);
	ck_assert_int_eq(event_last()->type, LANE_FAILED);
	ck_assert_uint_eq(fake.hellos, 1);
	ck_assert_int_eq(lane_deadline(fake.lane), INT64_MAX);
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

START_TEST(test_clock_went_back)
{
	fake_start(PEER_CLIENT);
	fake.refuse = 400;
	fake.sequence = 1u << 30;
	lane_tick(fake.lane, fake.now_ms);
	relay_take_all();
	fake.refuse = 0;
	fake_run(2000);
	ck_assert_int_eq(event_last()->type, LANE_WAITING);
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

/* Somebody else says hello as this lane, and is always ahead: a new one is needed. */
START_TEST(test_outrun)
{
	uint64_t first;

	fake_pair(PEER_SERVICE);
	first = fake.newest;
	lane_close(fake.lane, fake.now_ms);
	fake_pair(PEER_SERVICE);
	/* Where it begins cannot be guessed. */
	ck_assert(fake.newest < first - 1000000 || fake.newest > first + 1000000);
	fake.refuse = 400;
	fake.sequence = UINT64_MAX;
	lane_network(fake.lane, fake.now_ms);
	fake_run(20000);
	ck_assert_int_eq(lane_state(fake.lane), PEER_CLOSED);
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

/* An old word, one that is not signed, one that is signed by another key. */
START_TEST(test_words)
{
	fake_pair(PEER_CLIENT);
	ck_assert_uint_eq(fake.hello.heard, 11);
	fake.word.serial = 10;
	fake.word.state = PEER_CLOSED;
	memset(fake.word.peer, 0, PEER_LANE);
	relay_say();
	ck_assert_int_eq(lane_state(fake.lane), PEER_PAIRED);
	fake.word.serial = 12;
	fake.key[0] ^= 1;
	relay_say();
	ck_assert_int_eq(lane_state(fake.lane), PEER_PAIRED);
	fake.key[0] ^= 1;
	/* Of another lane of the stream. */
	fake.newest += 1000;
	relay_say();
	fake.newest -= 2000;
	relay_say();
	fake.newest += 1000;
	ck_assert_int_eq(lane_state(fake.lane), PEER_PAIRED);
	relay_say();
	ck_assert_int_eq(lane_state(fake.lane), PEER_CLOSED);
	ck_assert_uint_eq(fake.hello.heard, 12);
	ck_assert_int_eq(event_last()->type, LANE_CLOSED);
	/* A relay that has begun anew counts from one: its answers are believed. */
	fake.word.serial = 1;
	fake.word.state = PEER_WAITING;
	relay_say();
	ck_assert_int_eq(lane_state(fake.lane), PEER_CLOSED);
	lane_network(fake.lane, fake.now_ms);
	fake_run(1);
	ck_assert_int_eq(lane_state(fake.lane), PEER_WAITING);
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

/* A repeated word says that our hello was lost. */
START_TEST(test_word_again)
{
	unsigned int hellos;

	fake_pair(PEER_CLIENT);
	hellos = fake.hellos;
	relay_say();
	ck_assert_uint_eq(fake.hellos, hellos);
	fake_run(100);
	relay_say();
	relay_say();
	ck_assert_uint_eq(fake.hellos, hellos + 1);
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

START_TEST(test_wants_direct)
{
	struct lane_path path;

	fake_start(PEER_CLIENT);
	fake_run(1);
	ck_assert(!lane_output(fake.lane, 1, fake.now_ms, &path));
	lane_close(fake.lane, fake.now_ms);
	fake_pair(PEER_CLIENT);
	/* A question and its answer. */
	ck_assert(lane_output(fake.lane, 1, fake.now_ms, &path));
	ck_assert(!path.direct && path.socket == 0 && endpoint_equal(&path.peer, &fake.relay));
	ck_assert_int_eq(fake_input(0, &fake.relay, media, sizeof(media)), LANE_DATA);
	fake_run(20000);
	ck_assert(!fake.hello.wants_direct);
	/* One way only, and not for long. */
	for (unsigned int i = 0; i < 100; i++) {
		lane_output(fake.lane, 1, fake.now_ms, &path);
		fake_run(10);
	}
	ck_assert(!fake.hello.wants_direct);
	fake_input(0, &fake.relay, media, sizeof(media));
	fake_run(10);
	ck_assert(fake.hello.wants_direct);
	ck_assert_int_eq(lane_used_ms(fake.lane), fake.now_ms - 10);
	fake_run(9000);
	ck_assert(fake.hello.wants_direct);
	fake_run(2000);
	ck_assert(!fake.hello.wants_direct);
	/* Media that nobody answers; and one that calls in vain. */
	for (unsigned int i = 0; i < 110; i++) {
		fake_input(0, &fake.relay, media, sizeof(media));
		fake_run(10);
	}
	ck_assert(fake.hello.wants_direct);
	fake_run(11000);
	for (unsigned int i = 0; i < 15; i++) {
		lane_output(fake.lane, 1, fake.now_ms, &path);
		fake_run(1000);
	}
	ck_assert(!fake.hello.wants_direct);
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

/* For so long data go out, ten a second. */
static void lane_talk(int64_t ms)
{
	struct lane_path path;

	for (; ms > 0; ms -= 100) {
		lane_output(fake.lane, 1, fake.now_ms, &path);
		fake_run(100);
	}
}

/* What was answered, and is not any more. */
START_TEST(test_lonely)
{
	unsigned int hellos;

	fake_pair(PEER_CLIENT);
	lane_talk(5000);
	ck_assert(!fake.hello.lonely); /* nothing was ever answered */
	fake_input(0, &fake.relay, media, sizeof(media));
	lane_talk(3000);
	ck_assert(!fake.hello.lonely);
	hellos = fake.hellos;
	lane_talk(100);
	ck_assert(fake.hello.lonely);
	ck_assert_uint_eq(fake.hellos, hellos + 1);
	/* It is said again, and not too often. */
	lane_talk(12000);
	ck_assert_uint_ge(fake.hellos, hellos + 3);
	ck_assert_uint_le(fake.hellos, hellos + 4);
	fake_input(0, &fake.relay, media, sizeof(media));
	lane_talk(2900);
	lane_set_nat(fake.lane, &(struct nat_report){.mapping = NAT_MAPPING_ENDPOINT});
	fake_run(1);
	ck_assert(!fake.hello.lonely);
	/* Another one has to answer first. */
	memset(fake.word.peer, 0x66, PEER_LANE);
	fake.word.serial++;
	relay_say();
	lane_talk(10000);
	ck_assert(!fake.hello.lonely);
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

/* From the other's first check to data on the direct path. */
static void fake_direct(enum peer_role role)
{
	fake_pair(role);
	fake_round(PEER_PUNCH, 0, true);
	fake_run(150);
	ck_assert_int_eq(other_check(0, &fake.other, role == PEER_SERVICE), LANE_TAKEN);
	ck_assert(!lane_is_direct(fake.lane));
	ck_assert_int_eq(other_answer(sent_to(&fake.other), &fake.other), LANE_TAKEN);
	if (role == PEER_CLIENT) {
		ck_assert(!lane_is_direct(fake.lane));
		ck_assert_int_eq(other_answer(sent_to(&fake.other), &fake.other), LANE_TAKEN);
	}
	ck_assert(lane_is_direct(fake.lane));
	ck_assert_int_eq(event_last()->type, LANE_DIRECT);
	fake_run(1);
	ck_assert_int_eq(fake.hello.progress, PEER_DIRECT);
	ck_assert_uint_eq(fake.hello.round, fake.word.round.number);
}

START_TEST(test_direct)
{
	struct lane_path path;

	fake_direct(_i ? PEER_SERVICE : PEER_CLIENT);
	ck_assert(lane_output(fake.lane, 1, fake.now_ms, &path));
	ck_assert(path.direct && endpoint_equal(&path.peer, &fake.other));
	/* Data may come either way. */
	ck_assert_int_eq(fake_input(0, &fake.other, media, sizeof(media)), LANE_DATA);
	ck_assert_int_eq(fake_input(0, &fake.relay, media, sizeof(media)), LANE_DATA);
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

/* The other's checks are answered, but ours are not any more. */
START_TEST(test_dead)
{
	struct lane_path path;
	int64_t began_ms;

	fake_direct(PEER_CLIENT);
	began_ms = fake.now_ms;
	while (lane_is_direct(fake.lane) && fake.now_ms < began_ms + 5000) {
		lane_output(fake.lane, 1, fake.now_ms, &path);
		other_check(0, &fake.other, false);
		fake_run(50);
	}
	ck_assert_int_le(fake.now_ms - began_ms, LANE_DEAD_MS + LANE_CHECK_MS);
	ck_assert_int_eq(event_last()->type, LANE_LOST);
	ck_assert_int_eq(fake.hello.progress, PEER_FAILED);
	ck_assert(lane_output(fake.lane, 1, fake.now_ms, &path));
	ck_assert(!path.direct);
	/* What is still on its way is taken. */
	ck_assert_int_eq(fake_input(0, &fake.other, media, sizeof(media)), LANE_DATA);
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

/* Paired with one who shares its socket. */
static void fake_pair_pinned(void)
{
	fake_start(PEER_CLIENT);
	fake_run(10);
	fake.word.serial++;
	fake.word.state = PEER_PAIRED;
	fake.word.pinned = true;
	memcpy(fake.word.peer, fake.peer, PEER_LANE);
	relay_say();
	fake_run(1);
	ck_assert(fake.hello.wants_direct);
	ck_assert_int_eq(lane_state(fake.lane), PEER_WAITING);
}

static void fake_found(void)
{
	fake_round(PEER_PUNCH, 0, true);
	fake_run(150);
	other_check(0, &fake.other, false);
	other_answer(sent_to(&fake.other), &fake.other);
	other_answer(sent_to(&fake.other), &fake.other);
}

/* Until the next check of the direct path. */
static void fake_run_to_check(void)
{
	uint8_t tid[STUN_TID];

	memcpy(tid, sent_to(&fake.other)->data + 8, sizeof(tid));
	for (int i = 0; i < 2000 && !memcmp(tid, sent_to(&fake.other)->data + 8, sizeof(tid)); i++)
		fake_run(10);
}

/* Data wait for the direct path, and stay there, even after a pause; when it is lost, they stay
 * away. */
START_TEST(test_pinned)
{
	struct lane_path path;

	fake_pair_pinned();
	ck_assert(!lane_output(fake.lane, 1, fake.now_ms, &path));
	fake_found();
	ck_assert_uint_ge(fake.event_count, 2);
	ck_assert_int_eq(fake.events[fake.event_count - 2].type, LANE_PAIRED);
	ck_assert_int_eq(event_last()->type, LANE_DIRECT);
	ck_assert_int_eq(lane_state(fake.lane), PEER_PAIRED);
	ck_assert(lane_output(fake.lane, 1, fake.now_ms, &path) && path.direct);
	for (unsigned int i = 0; i < 300; i++) {
		fake_run(100);
		other_answer(sent_to(&fake.other), &fake.other);
	}
	/* From now on nothing is checked for long. */
	fake_run_to_check();
	other_answer(sent_to(&fake.other), &fake.other);
	fake_run(LANE_DEAD_MS + 1);
	if (!lane_is_direct(fake.lane))
		ck_abort_msg("lost while it was idle");
	ck_assert(lane_output(fake.lane, 1, fake.now_ms, &path) && path.direct);
	ck_assert(fake.hello.wants_direct);
	fake_run(LANE_DEAD_MS + LANE_CHECK_MS);
	ck_assert_int_eq(event_last()->type, LANE_LOST);
	ck_assert(!fake.hello.wants_direct);
	ck_assert(lane_output(fake.lane, 1, fake.now_ms, &path) && !path.direct);
	fake_found();
	fake_run(10);
	ck_assert(!lane_is_direct(fake.lane));
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

/* Without one within a second they go by the relay. */
START_TEST(test_pinned_relayed)
{
	struct lane_path path;

	fake_pair_pinned();
	fake_run(1000 - 20);
	ck_assert_int_eq(lane_state(fake.lane), PEER_WAITING);
	fake_run(40);
	ck_assert_int_eq(event_last()->type, LANE_PAIRED);
	/* Nothing has gone yet: a path is still welcome. */
	ck_assert(fake.hello.wants_direct);
	if (_i)
		fake_found();
	ck_assert_int_eq(lane_is_direct(fake.lane), _i);
	ck_assert(lane_output(fake.lane, 1, fake.now_ms, &path));
	ck_assert_int_eq(path.direct, _i);
	fake_run(10);
	ck_assert_int_eq(fake.hello.wants_direct, _i);
	if (!_i) {
		/* It was looked for too late. */
		fake_round(PEER_PUNCH, 0, true);
		fake_run(10);
		ck_assert_int_eq(fake.hello.progress, PEER_FAILED);
		ck_assert_int_eq(other_check(0, &fake.other, false), LANE_FOREIGN);
	}
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

/* A failure is known before the second is over. */
START_TEST(test_pinned_failed)
{
	fake_pair_pinned();
	fake.word.round.limit_ms = 300;
	fake_round(PEER_PUNCH, 0, true);
	fake_run(500);
	ck_assert_int_eq(lane_state(fake.lane), PEER_PAIRED);
	ck_assert_int_eq(event_last()->type, LANE_NO_PATH);
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

/* Whose socket is shared says so, and nothing holds its lane. */
START_TEST(test_shared)
{
	fake_shared = true;
	fake_pair(PEER_SERVICE);
	fake_shared = false;
	fake_run(10);
	ck_assert(fake.hello.shared && !fake.hello.wants_direct);
	ck_assert_int_eq(event_last()->type, LANE_PAIRED);
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

/* The first check that is not answered in time sends data by the relay; its answer, back again. */
START_TEST(test_doubt)
{
	struct lane_path path;

	fake_direct(PEER_CLIENT);
	if (_i) { /* the relay is silent as well: there is nowhere to go */
		fake.mute = true;
		lane_network(fake.lane, fake.now_ms);
		for (unsigned int i = 0; i < 40; i++) {
			fake_run(100);
			other_answer(sent_to(&fake.other), &fake.other);
		}
		ck_assert_int_eq(event_last()->type, LANE_SILENT);
		fake_run(1);
	}
	ck_assert(lane_output(fake.lane, 1, fake.now_ms, &path));
	fake_run(1);
	other_answer(sent_to(&fake.other), &fake.other);
	for (unsigned int i = 0; i < LANE_CHECK_MS; i += 50) {
		ck_assert(lane_output(fake.lane, 1, fake.now_ms, &path));
		ck_assert(path.direct);
		fake_run(50);
	}
	fake_run(LANE_DOUBT_MS);
	ck_assert(lane_output(fake.lane, 1, fake.now_ms, &path));
	ck_assert_int_eq(path.direct, _i);
	ck_assert(endpoint_equal(&path.peer, _i ? &fake.other : &fake.relay));
	ck_assert(lane_is_direct(fake.lane));
	other_answer(sent_to(&fake.other), &fake.other);
	ck_assert(lane_output(fake.lane, 1, fake.now_ms, &path));
	ck_assert(path.direct);
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

/* A path whose answers take long is not in doubt for that. */
START_TEST(test_doubt_far)
{
	struct lane_path path;

	fake_direct(PEER_CLIENT);
	for (unsigned int i = 0; i < 200; i++) {
		for (unsigned int n = 0; n < fake.sent_count; n++) {
			const struct sent *sent = &fake.sent[n];

			if (endpoint_equal(&sent->to, &fake.other) && sent->data[0] == 0 &&
				sent->at_ms > START_MS + 200 && fake.now_ms - sent->at_ms >= 300 &&
				fake.now_ms - sent->at_ms < 310)
				other_answer(sent, &fake.other);
		}
		fake_run(10);
		ck_assert(lane_output(fake.lane, 1, fake.now_ms, &path));
		ck_assert(path.direct || i < 100);
	}
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

/* Only the relay: what is direct is left, nothing is said that leads to us, no check is answered.
 */
START_TEST(test_relayed)
{
	struct nat_report nat = {.mapping = NAT_MAPPING_ENDPOINT};
	struct lane_path path;
	unsigned int first;

	fake_direct(_i ? PEER_SERVICE : PEER_CLIENT);
	lane_set_nat(fake.lane, &nat);
	lane_set_hosts(fake.lane, &fake.mapped, 1);
	lane_set_relayed(fake.lane, true, fake.now_ms);
	ck_assert_int_eq(event_last()->type, LANE_LOST);
	fake_run(100);
	ck_assert_int_eq(fake.hello.progress, PEER_FAILED);
	ck_assert(fake.hello.nat.blocked);
	ck_assert_uint_eq(fake.hello.host_count, 0);
	ck_assert(lane_output(fake.lane, 1, fake.now_ms, &path));
	ck_assert(!path.direct);
	/* The other does not know yet. */
	ck_assert_int_eq(fake_input(0, &fake.other, media, sizeof(media)), LANE_DATA);
	first = fake.sent_count;
	ck_assert_int_eq(other_check(0, &fake.other, true), LANE_FOREIGN);
	fake_round(PEER_PUNCH, 0, true);
	fake_run(3000);
	ck_assert_uint_eq(sent_count(first, &fake.other.addr), 0);
	ck_assert_int_eq(fake.hello.progress, PEER_FAILED);
	lane_set_relayed(fake.lane, false, fake.now_ms);
	fake_run(100);
	ck_assert(!fake.hello.nat.blocked);
	ck_assert_uint_eq(fake.hello.host_count, 1);
	fake_round(PEER_PUNCH, 0, true);
	fake_run(150);
	ck_assert_uint_gt(sent_count(first, &fake.other.addr), 0);
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

START_TEST(test_idle)
{
	unsigned int first;

	fake_direct(PEER_SERVICE);
	fake_run(LANE_CHECK_MS + 1);
	other_answer(sent_to(&fake.other), &fake.other);
	first = fake.sent_count;
	for (unsigned int i = 0; i < 600; i++) {
		fake_run(100);
		other_answer(sent_to(&fake.other), &fake.other);
	}
	ck_assert(lane_is_direct(fake.lane));
	ck_assert_uint_ge(sent_count(first, &fake.other.addr), 3);
	ck_assert_uint_le(sent_count(first, &fake.other.addr), 6);
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

/* An answer to a check that we never made, to one for another address, or to an old one. */
START_TEST(test_answers)
{
	struct endpoint elsewhere = fake.other;
	struct sent *sent;

	fake_pair(PEER_SERVICE);
	elsewhere = fake.other;
	elsewhere.port++;
	fake_round(PEER_PUNCH, 0, true);
	fake_run(150);
	sent = sent_to(&fake.other);
	ck_assert_int_eq(other_answer(sent, &elsewhere), LANE_FOREIGN);
	sent->data[12] ^= 1;
	ck_assert_int_eq(other_answer(sent, &fake.other), LANE_FOREIGN);
	sent->data[12] ^= 1;
	fake.now_ms += 4000;
	ck_assert_int_eq(other_answer(sent, &fake.other), LANE_FOREIGN);
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

/* Nobody else is answered, nor is what was ours, sent back to us. */
START_TEST(test_strangers)
{
	uint8_t data[STUN_MAX], tid[STUN_TID] = {3};
	unsigned int first;
	struct sent *sent;
	struct buf buf;

	fake_pair(PEER_CLIENT);
	ck_assert_int_eq(fake_input(0, &fake.other, media, sizeof(media)), LANE_FOREIGN);
	first = fake.sent_count;
	buf_init(&buf, data, sizeof(data));
	stun_begin(&buf, STUN_REQUEST, tid);
	stun_put_fingerprint(&buf);
	ck_assert_int_eq(fake_input(0, &fake.other, data, stun_end(&buf)), LANE_FOREIGN);
	ck_assert_uint_eq(fake.sent_count, first);
	fake_round(PEER_PUNCH, 0, true);
	fake_run(150);
	sent = sent_to(&fake.other);
	first = fake.sent_count;
	ck_assert_int_eq(fake_input(0, &fake.other, sent->data, sent->len), LANE_FOREIGN);
	for (size_t len = 0; len < sent->len; len++)
		ck_assert_int_ne(fake_input(0, &fake.other, sent->data, len), LANE_TAKEN);
	ck_assert_uint_eq(fake.sent_count, first);
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

/* Who has the key of the other, and names others as the source of what it sends. */
START_TEST(test_reflection)
{
	unsigned int foreign = 0, sent = 0, first;
	struct endpoint victim;

	fake_pair(_i ? PEER_SERVICE : PEER_CLIENT);
	fake_round(PEER_PUNCH, 0, true);
	fake_run(150);
	first = fake.sent_count;
	for (unsigned int i = 0; i < 1000; i++) {
		ck_assert_int_eq(endpoint_parse("198.51.100.77:53", 0, &victim), 0);
		victim.addr.bytes[3] = (uint8_t)(77 + i % 100);
		foreign += other_check(0, &victim, true) == LANE_FOREIGN;
		fake_run(3);
	}
	for (unsigned int i = first; i < fake.sent_count; i++)
		sent += fake.sent[i].to.port == 53;
	ck_assert_uint_eq(sent, LANE_STRAYS);
	ck_assert_uint_gt(foreign, 900);
	/* The other itself is answered as ever. */
	ck_assert_int_eq(other_check(0, &fake.other, false), LANE_TAKEN);
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

/* Checks from all its ports do not make us send more than a round may. */
START_TEST(test_checks)
{
	struct endpoint from;
	unsigned int first;

	fake_pair(PEER_CLIENT);
	fake_round(PEER_PUNCH, 0, true);
	first = fake.sent_count;
	from = fake.other;
	for (unsigned int i = 0; i < 3000; i++) {
		from.port = (uint16_t)(2000 + i);
		ck_assert_int_eq(other_check(0, &from, false), LANE_TAKEN);
		fake.now_ms++;
		lane_tick(fake.lane, fake.now_ms);
	}
	ck_assert_uint_le(sent_count(first, &fake.other.addr), PEER_PROBES_MAX);
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

/* The first probes see our own NATs only. */
START_TEST(test_opener)
{
	struct nat_report nat = {.mapping = NAT_MAPPING_ENDPOINT, .opener_ttl = 3};
	unsigned int low = 0, first;

	fake_pair(PEER_CLIENT);
	lane_set_nat(fake.lane, &nat);
	fake.word.round.delay_ms = 200;
	first = fake.sent_count;
	fake_round(PEER_PUNCH, 0, true);
	fake_run(5000);
	for (unsigned int i = first; i < fake.sent_count; i++) {
		if (!endpoint_equal(&fake.sent[i].to, &fake.other))
			continue;
		if (fake.sent[i].ttl == 3)
			low++;
		else
			ck_assert_uint_ge(low, 2);
	}
	ck_assert_uint_eq(low, 2);
	ck_assert_int_eq(event_last()->type, LANE_NO_PATH);
	ck_assert_int_eq(fake.hello.progress, PEER_FAILED);
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

/* A fresh socket, a sample of its ports, and the mapping right behind it. */
START_TEST(test_predict)
{
	unsigned int first;

	fake_pair(PEER_CLIENT);
	first = fake.sent_count;
	fake_round(PEER_PREDICT, 1, false);
	ck_assert_uint_eq(fake.sockets, 1);
	ck_assert(endpoint_equal(&fake.sent[first].to, &fake.alternate));
	ck_assert(endpoint_equal(&fake.sent[first + 1].to, &fake.relay));
	ck_assert(endpoint_equal(&fake.sent[first + 2].to, &fake.other));
	ck_assert_uint_gt(fake.sent[first + 2].ttl, 0);
	fake_run(1);
	ck_assert_int_eq(fake.hello.progress, PEER_READY);
	ck_assert_uint_eq(fake.hello.last, fake.mapped.port + 1);
	first = fake.sent_count;
	fake_round(PEER_PREDICT, 1, true);
	fake_run(1000);
	ck_assert_uint_ge(sent_count(first, &fake.other.addr), 4);
	other_check(1, &fake.other, false);
	other_answer(sent_to(&fake.other), &fake.other);
	other_answer(sent_to(&fake.other), &fake.other);
	ck_assert(lane_is_direct(fake.lane));
	ck_assert_uint_eq(fake.sockets, 1);
	ck_assert_uint_eq(fake.kept, 1);
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

START_TEST(test_no_socket)
{
	fake_pair(PEER_CLIENT);
	fake.most = 0;
	fake_round(PEER_STEP, 1, false);
	fake_run(1);
	ck_assert_int_eq(fake.hello.progress, PEER_FAILED);
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

/* Ports in steps that wrap around. */
START_TEST(test_step)
{
	static const uint16_t ports[2][3] = {{65533, 1024, 1027}, {65533, 1027, 1033}};
	struct endpoint to = {0};
	unsigned int first;

	fake_pair(PEER_CLIENT);
	to = fake.other;
	fake_round(PEER_STEP, (uint8_t)_i, false);
	fake_run(1);
	fake.word.round.last = 65530;
	fake.word.round.step = 3;
	fake.word.round.count = 3;
	first = fake.sent_count;
	fake_round(PEER_STEP, (uint8_t)_i, true);
	fake_run(4000);
	ck_assert_uint_eq(sent_count(first, &fake.other.addr), 3 * 4);
	for (unsigned int i = 0; i < 3; i++) {
		to.port = ports[_i][i];
		ck_assert_ptr_nonnull(sent_to(&to));
		ck_assert_uint_eq(sent_to(&to)->socket, 1);
	}
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

/* Every port of the range, once, in no order. */
START_TEST(test_birthday_tries)
{
	static uint8_t seen[UINT16_MAX + 1];
	unsigned int first, count = 0, ordered = 0;
	uint16_t before = 0;

	memset(seen, 0, sizeof(seen));
	fake_pair(PEER_CLIENT);
	fake.word.round.count = 512;
	fake.word.round.pace_ms = 2;
	fake.word.round.low = 40000;
	fake.word.round.high = 40511;
	first = fake.sent_count;
	fake_round(PEER_BIRTHDAY, 0, true);
	fake_run(3000);
	for (unsigned int i = first; i < fake.sent_count; i++) {
		uint16_t port = fake.sent[i].to.port;

		if (!addr_equal(&fake.sent[i].to.addr, &fake.other.addr))
			continue;
		ck_assert(port >= 40000 && port <= 40511 && !seen[port]);
		seen[port] = 1;
		ordered += port == before + 1;
		before = port;
		count++;
	}
	ck_assert_uint_eq(count, 512);
	ck_assert_uint_lt(ordered, 20);
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

START_TEST(test_birthday_sockets)
{
	bool used[PEER_SOCKETS_MAX + 1] = {false};
	unsigned int first;

	fake_pair(PEER_CLIENT);
	fake.word.round.count = 100;
	fake_round(PEER_BIRTHDAY, 1, false);
	ck_assert_uint_eq(fake.sockets, 0);
	fake_run(1);
	ck_assert_int_eq(fake.hello.progress, PEER_READY);
	first = fake.sent_count;
	fake_round(PEER_BIRTHDAY, 1, true);
	fake_run(500);
	for (unsigned int i = first; i < fake.sent_count; i++)
		used[fake.sent[i].socket] = true;
	for (unsigned int i = 1; i <= 100; i++)
		ck_assert(used[i]);
	/* One of them is found: the others go. */
	other_check(77, &fake.other, false);
	other_answer(&fake.sent[fake.sent_count - 1], &fake.other);
	other_answer(&fake.sent[fake.sent_count - 1], &fake.other);
	ck_assert(lane_is_direct(fake.lane));
	ck_assert_uint_eq(fake.kept, 77);
	ck_assert_uint_eq(fake.sockets, 1);
	ck_assert_int_eq(fake_input(1, &fake.other, media, sizeof(media)), LANE_DATA);
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

static const char *const unfair[] = {"127.0.0.1:99", "224.0.0.1:99", "0.0.0.0:99",
	"255.255.255.255:99", "169.254.1.1:99", "[::1]:99", "[ff02::1]:99", "203.0.113.7:99"};

START_TEST(test_unfair_target)
{
	struct endpoint target;

	fake_pair(PEER_CLIENT);
	ck_assert_int_eq(endpoint_parse(unfair[_i], 0, &target), 0);
	fake.other = target;
	fake_round(PEER_PUNCH, 0, true);
	fake_run(3000);
	ck_assert_ptr_null(sent_to(&target));
	ck_assert_int_eq(fake.hello.progress, PEER_FAILED);
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

/* A relay that wants all at once, and for ever. */
START_TEST(test_limits)
{
	unsigned int first;
	int64_t began_ms;

	fake_pair(PEER_CLIENT);
	fake.word.round.count = PEER_PROBES_MAX;
	fake.word.round.pace_ms = 0;
	fake.word.round.last = 2000;
	fake.word.round.step = 1;
	fake_round(PEER_STEP, 0, false);
	fake_run(1);
	first = fake.sent_count;
	began_ms = fake.now_ms;
	fake.word.round.limit_ms = UINT32_MAX;
	fake_round(PEER_STEP, 0, true);
	fake_run(30000);
	ck_assert_uint_eq(sent_count(first, &fake.other.addr), PEER_PROBES_MAX - LANE_CHECKS);
	for (unsigned int i = first; i < fake.sent_count; i++) {
		if (addr_equal(&fake.sent[i].to.addr, &fake.other.addr))
			ck_assert_int_ge(fake.sent[i].at_ms, began_ms + (i - first) * 2 - 4);
	}
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lane");
	TCase *tcase = tcase_create("lane");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, test_hello);
	tcase_add_test(tcase, test_bye);
	tcase_add_test(tcase, test_changes_are_said);
	tcase_add_test(tcase, test_silent);
	tcase_add_test(tcase, test_refused);
	tcase_add_test(tcase, test_clock_went_back);
	tcase_add_test(tcase, test_outrun);
	tcase_add_test(tcase, test_words);
	tcase_add_test(tcase, test_word_again);
	tcase_add_test(tcase, test_wants_direct);
	tcase_add_test(tcase, test_lonely);
	tcase_add_loop_test(tcase, test_direct, 0, 2);
	tcase_add_test(tcase, test_dead);
	tcase_add_test(tcase, test_pinned);
	tcase_add_loop_test(tcase, test_pinned_relayed, 0, 2);
	tcase_add_test(tcase, test_pinned_failed);
	tcase_add_test(tcase, test_shared);
	tcase_add_loop_test(tcase, test_doubt, 0, 2);
	tcase_add_test(tcase, test_doubt_far);
	tcase_add_loop_test(tcase, test_relayed, 0, 2);
	tcase_add_test(tcase, test_idle);
	tcase_add_test(tcase, test_answers);
	tcase_add_test(tcase, test_strangers);
	tcase_add_loop_test(tcase, test_reflection, 0, 2);
	tcase_add_test(tcase, test_checks);
	tcase_add_test(tcase, test_opener);
	tcase_add_test(tcase, test_predict);
	tcase_add_test(tcase, test_no_socket);
	tcase_add_loop_test(tcase, test_step, 0, 2);
	tcase_add_test(tcase, test_birthday_tries);
	tcase_add_test(tcase, test_birthday_sockets);
	tcase_add_loop_test(tcase, test_unfair_target, 0, sizeof(unfair) / sizeof(unfair[0]));
	tcase_add_test(tcase, test_limits);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
