/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Plain STUN: what is answered, from which socket, to whom, and how often. */
#include <stdio.h>
#include <string.h>

#include "tests/behaviour_bed.h"
#include "tests/suite.h"

#define C "203.0.113.9"

static struct stun reply;
static size_t asked;

struct ask {
	const char *source, *local;
	uint32_t change;
	int port; /* RESPONSE-PORT, -1: none */
	size_t padded;
};

static enum behaviour_count ask_at(const struct ask *ask, int64_t now_ms)
{
	struct behaviour_packet packet = {
		.source = endpoint(ask->source), .local = endpoint(ask->local)};
	uint8_t data[STUN_MAX];
	struct stun stun;
	struct buf buf;

	buf_init(&buf, data, sizeof(data));
	stun_begin(&buf, STUN_REQUEST, (const uint8_t *)"transactions");
	if (ask->change)
		stun_put_u32(&buf, STUN_CHANGE_REQUEST, ask->change);
	if (ask->port >= 0)
		stun_put_u32(&buf, STUN_RESPONSE_PORT, (uint32_t)ask->port << 16);
	if (ask->padded)
		stun_put_padding(&buf, ask->padded, 0);
	packet.data = data;
	packet.len = asked = stun_end(&buf);
	ck_assert_int_eq(stun_parse(data, packet.len, &stun), 0);
	answer = (struct behaviour_answer){.data = room};
	memset(&reply, 0, sizeof(reply));
	enum behaviour_count count = behaviour_request(&behaviour, &packet, &stun, now_ms, &answer);
	if (answer.len) {
		ck_assert_int_eq(stun_parse(room, answer.len, &reply), 0);
		ck_assert_mem_eq(reply.tid, "transactions", STUN_TID);
	}
	return count;
}

static enum behaviour_count ask_now(const struct ask *ask)
{
	return ask_at(ask, NOW);
}

struct served {
	struct ask ask;
	enum behaviour_count count;
	const char *from, *to, *other;
};

static void assert_served(const struct served *served)
{
	ck_assert_int_eq(ask_now(&served->ask), served->count);
	ck_assert_uint_eq(behaviour.counts[served->count], 1);
	if (!served->from) {
		ck_assert_uint_eq(answer.len, 0);
		return;
	}
	ck_assert_int_eq(reply.type, STUN_SUCCESS);
	assert_endpoint(&answer.from, served->from);
	assert_endpoint(&answer.to, served->to);
	assert_endpoint(&reply.mapped, served->ask.source);
	assert_endpoint(&reply.other, served->other);
	if (served->other || served->count == BEHAVIOUR_ELSEWHERE)
		assert_endpoint(&reply.origin, served->from);
}

/* RFC 5780, sections 6.1 and 7.4: seen from where the request arrived. */
static const struct served two[] = {
	{{HOME, A ":3478", 0, -1, 0}, BEHAVIOUR_ANSWERED, A ":3478", HOME, B ":3479"},
	{{HOME, A ":3479", 0, -1, 0}, BEHAVIOUR_ANSWERED, A ":3479", HOME, B ":3478"},
	{{HOME, B ":3478", 0, -1, 0}, BEHAVIOUR_ANSWERED, B ":3478", HOME, A ":3479"},
	{{HOME, B ":3479", 0, -1, 0}, BEHAVIOUR_ANSWERED, B ":3479", HOME, A ":3478"},
	{{HOME, A ":3478", 2, -1, 0}, BEHAVIOUR_ELSEWHERE, A ":3479", HOME, B ":3479"},
	{{HOME, A ":3479", 2, -1, 0}, BEHAVIOUR_ELSEWHERE, A ":3478", HOME, B ":3478"},
	{{HOME, A ":3478", 4, -1, 0}, BEHAVIOUR_ELSEWHERE, B ":3478", HOME, B ":3479"},
	{{HOME, A ":3478", 6, -1, 0}, BEHAVIOUR_ELSEWHERE, B ":3479", HOME, B ":3479"},
	{{HOME, B ":3479", 6, -1, 0}, BEHAVIOUR_ELSEWHERE, A ":3478", HOME, A ":3478"},
	{{HOME, A ":3478", 0x60, -1, 0}, BEHAVIOUR_ANSWERED, A ":3478", HOME, B ":3479"},
	{{HOME, A ":3478", 0, 5000, 0}, BEHAVIOUR_ELSEWHERE, A ":3478", "192.0.2.9:5000",
		B ":3479"},
	{{HOME, A ":3478", 6, 5000, 0}, BEHAVIOUR_ELSEWHERE, B ":3479", "192.0.2.9:5000",
		B ":3479"},
	{{HOME, A ":3478", 0, 40123, 0}, BEHAVIOUR_ANSWERED, A ":3478", HOME, B ":3479"},
	/* The other family has one address. */
	{{"[2001:db8:1::9]:40123", "[" SIX "]:3478", 0, -1, 0}, BEHAVIOUR_ANSWERED,
		"[" SIX "]:3478", "[2001:db8:1::9]:40123", NULL},
	{{"[2001:db8:1::9]:40123", "[" SIX "]:3478", 2, -1, 0}, BEHAVIOUR_ELSEWHERE,
		"[" SIX "]:3479", "[2001:db8:1::9]:40123", NULL},
	{{"[2001:db8:1::9]:40123", "[" SIX "]:3478", 4, -1, 0}, BEHAVIOUR_SILENT, NULL, NULL, NULL},
};

START_TEST(test_two)
{
	assert_served(&two[_i]);
}
END_TEST

static const struct served one[] = {
	{{HOME, A ":3478", 0, -1, 0}, BEHAVIOUR_ANSWERED, A ":3478", HOME, NULL},
	{{HOME, A ":3478", 2, -1, 0}, BEHAVIOUR_ELSEWHERE, A ":3479", HOME, NULL},
	{{HOME, A ":3479", 2, -1, 0}, BEHAVIOUR_ELSEWHERE, A ":3478", HOME, NULL},
	{{HOME, A ":3478", 4, -1, 0}, BEHAVIOUR_SILENT, NULL, NULL, NULL},
	{{HOME, A ":3478", 6, -1, 0}, BEHAVIOUR_SILENT, NULL, NULL, NULL},
	{{HOME, A ":3478", 0, 5000, 0}, BEHAVIOUR_ELSEWHERE, A ":3478", "192.0.2.9:5000", NULL},
};

START_TEST(test_one)
{
	assert_served(&one[_i]);
}
END_TEST

/* The next in the order of the configuration, and the first after the last. */
START_TEST(test_three)
{
	static const char *const locals[] = {A ":3478", B ":3478", C ":3478"};
	static const char *const others[] = {B ":3479", C ":3479", A ":3479"};

	add_address(C);
	start();
	for (size_t i = 0; i < COUNT(locals); i++) {
		struct ask ask = {HOME, locals[i], 0, -1, 0};

		ck_assert_int_eq(ask_now(&ask), BEHAVIOUR_ANSWERED);
		assert_endpoint(&reply.other, others[i]);
	}
}
END_TEST

/* A second address alone is not enough for OTHER-ADDRESS, but it is for its own sake. */
START_TEST(test_no_alternate)
{
	const struct ask plain = {HOME, A ":3478", 0, -1, 200}, port = {HOME, A ":3478", 2, -1, 0},
			 ip = {HOME, A ":3478", 4, -1, 0};

	config.alternate = 0;
	start();
	ck_assert_int_eq(ask_now(&plain), BEHAVIOUR_ANSWERED);
	assert_endpoint(&reply.other, NULL);
	ck_assert_uint_eq(reply.alternate, 0);
	ck_assert_int_eq(ask_now(&port), BEHAVIOUR_SILENT);
	ck_assert_int_eq(ask_now(&ip), BEHAVIOUR_ELSEWHERE);
	assert_endpoint(&answer.from, B ":3478");
}
END_TEST

/* Behind 1:1 NAT the sockets have other addresses than the clients see. */
START_TEST(test_advertise)
{
	const struct ask plain = {HOME, A ":3478", 0, -1, 0}, change = {HOME, A ":3478", 6, -1, 0};

	config.advertise_count = 2;
	addr_parse(A, &config.advertise[0].local);
	addr_parse("198.51.100.7", &config.advertise[0].public);
	addr_parse(B, &config.advertise[1].local);
	addr_parse("198.51.100.8", &config.advertise[1].public);
	ck_assert_int_eq(ask_now(&plain), BEHAVIOUR_ANSWERED);
	assert_endpoint(&answer.from, A ":3478");
	assert_endpoint(&reply.origin, "198.51.100.7:3478");
	assert_endpoint(&reply.other, "198.51.100.8:3479");
	ck_assert_int_eq(ask_now(&change), BEHAVIOUR_ELSEWHERE);
	assert_endpoint(&answer.from, B ":3479");
	assert_endpoint(&reply.origin, "198.51.100.8:3479");
}
END_TEST

/* A bridge's address, which "auto" finds, is no client's alternate; one that was named is. */
START_TEST(test_private)
{
	static const char *const list[] = {
		"10.0.0.1", "172.17.0.1", "192.168.122.1", "100.64.0.1", "fd00::1"};
	static const struct ask four = {HOME, A ":3478", 0, -1, 0};
	static const struct ask six = {"[2001:db8:1::9]:40123", "[" SIX "]:3478", 0, -1, 0};

	for (size_t i = 0; i < COUNT(list); i++) {
		addr_parse(list[i], &config.addresses[2]);
		for (int automatic = 0; automatic < 2; automatic++) {
			config.automatic = automatic;
			start();
			ck_assert_int_eq(
				ask_now(strchr(list[i], ':') ? &six : &four), BEHAVIOUR_ANSWERED);
			ck_assert_int_eq(reply.other.addr.family == 0, automatic);
		}
	}
	set_up();
	config.automatic = true;
	start();
	ck_assert_int_eq(ask_now(&four), BEHAVIOUR_ANSWERED);
	assert_endpoint(&reply.other, B ":3479");
}
END_TEST

/* Without tokens no answer is larger than its request, and the larger the request the more it says.
 */
START_TEST(test_sizes)
{
	struct ask ask = {HOME, A ":3478", 0, -1, 0};
	const struct addr from = endpoint(HOME).addr;

	while (limit_take(&unpadded, &from, NOW))
		;
	ck_assert_int_eq(ask_now(&ask), BEHAVIOUR_UNPADDED);
	ck_assert_uint_eq(answer.len, 0);
	for (ask.padded = 24; ask.padded <= 100; ask.padded += 4) {
		enum behaviour_count count = ask_now(&ask);

		ck_assert_uint_eq(asked, ask.padded);
		ck_assert_uint_le(answer.len, asked);
		ck_assert_int_eq(count, asked < 32 ? BEHAVIOUR_UNPADDED : BEHAVIOUR_ANSWERED);
		ck_assert_int_eq(reply.other.addr.family != 0, asked >= 68);
		ck_assert_int_eq(reply.alternate, asked >= 80 ? 3479 : 0);
	}
	/* And with one, what a client needs that does not pad. */
	ask.padded = 0;
	ck_assert_int_eq(ask_at(&ask, NOW + 1000), BEHAVIOUR_ANSWERED);
	ck_assert_uint_eq(answer.len, 68);
}
END_TEST

START_TEST(test_alternate)
{
	struct ask ask = {HOME, A ":3478", 0, -1, 56};

	ck_assert_int_eq(ask_now(&ask), BEHAVIOUR_ANSWERED);
	ck_assert_uint_eq(reply.alternate, 3479);
	assert_endpoint(&reply.origin, A ":3478");
	ask.local = A ":3479";
	ck_assert_int_eq(ask_now(&ask), BEHAVIOUR_ANSWERED);
	ck_assert_uint_eq(reply.alternate, 3478);
	ck_assert(behaviour_is_alternate(&behaviour, 3479));
	ck_assert(!behaviour_is_alternate(&behaviour, 3478));
}
END_TEST

/* A token for each answer that goes elsewhere, however large the request. */
static const struct ask elsewhere[] = {
	{HOME, A ":3478", 2, -1, 400},
	{HOME, A ":3478", 4, -1, 400},
	{HOME, A ":3478", 6, -1, 400},
	{HOME, A ":3478", 0, 5000, 0},
};

START_TEST(test_elsewhere)
{
	for (int i = 0; i < 64; i++)
		ck_assert_int_eq(ask_now(&elsewhere[_i]), BEHAVIOUR_ELSEWHERE);
	ck_assert_int_eq(ask_now(&elsewhere[_i]), BEHAVIOUR_LIMITED);
	ck_assert_uint_eq(answer.len, 0);
	ck_assert_int_eq(ask_at(&elsewhere[_i], NOW + 100), BEHAVIOUR_ELSEWHERE);
	ck_assert_int_eq(ask_at(&elsewhere[_i], NOW + 100), BEHAVIOUR_LIMITED);
	/* Plain requests have tokens of their own. */
	ck_assert_int_eq(ask_now(&(struct ask){HOME, A ":3478", 0, -1, 0}), BEHAVIOUR_ANSWERED);
}
END_TEST

START_TEST(test_elsewhere_total)
{
	unsigned int answered = 0;
	char source[ENDPOINT_TEXT];

	for (unsigned int i = 0; i < 5000; i++) {
		struct ask ask = {source, A ":3478", 6, -1, 0};

		snprintf(source, sizeof(source), "100.%u.%u.9:4000", i / 250, i % 250);
		answered += ask_now(&ask) == BEHAVIOUR_ELSEWHERE;
	}
	ck_assert_uint_eq(answered, 200);
}
END_TEST

/* RFC 5780, section 6.1 */
START_TEST(test_response_port)
{
	static const struct ask wrong[] = {
		{HOME, A ":3478", 0, 5000, 100}, {HOME, A ":3478", 0, 0, 0}};

	for (size_t i = 0; i < COUNT(wrong); i++) {
		ck_assert_int_eq(ask_now(&wrong[i]), BEHAVIOUR_REFUSED);
		ck_assert_int_eq(reply.type, STUN_ERROR);
		ck_assert_uint_eq(reply.error, 400);
		assert_endpoint(&answer.to, HOME);
		assert_endpoint(&answer.from, A ":3478");
		ck_assert_uint_le(answer.len, asked);
	}
}
END_TEST

/* Before it has a configuration, and for an address that is none of them. */
START_TEST(test_bare)
{
	const struct ask plain = {HOME, A ":3478", 0, -1, 200},
			 change = {HOME, A ":3478", 2, -1, 0},
			 stranger = {HOME, C ":3478", 4, -1, 0};

	ck_assert_int_eq(ask_now(&stranger), BEHAVIOUR_SILENT);
	behaviour_init(&behaviour, &unpadded);
	ck_assert_int_eq(ask_now(&plain), BEHAVIOUR_ANSWERED);
	ck_assert_uint_eq(answer.len, 32);
	ck_assert_int_eq(ask_now(&change), BEHAVIOUR_SILENT);
	behaviour_tick(&behaviour, NOW, &answer);
	ck_assert_uint_eq(answer.len, 0);
	ck_assert(!behaviour_is_rfc3489(&behaviour, 0));
}
END_TEST

START_TEST(test_texts)
{
	for (unsigned int i = 0; i < BEHAVIOUR_COUNTS; i++)
		ck_assert_ptr_nonnull(behaviour_count_text((enum behaviour_count)i));
}
END_TEST

static Suite *behaviour_suite(void)
{
	Suite *suite = suite_create("behaviour");
	TCase *tcase = tcase_create("two addresses");

	tcase_add_checked_fixture(tcase, set_up, NULL);
	tcase_add_loop_test(tcase, test_two, 0, COUNT(two));
	tcase_add_test(tcase, test_three);
	tcase_add_test(tcase, test_no_alternate);
	tcase_add_test(tcase, test_advertise);
	tcase_add_test(tcase, test_private);
	tcase_add_test(tcase, test_sizes);
	tcase_add_loop_test(tcase, test_elsewhere, 0, COUNT(elsewhere));
	tcase_add_test(tcase, test_elsewhere_total);
	tcase_add_test(tcase, test_response_port);
	tcase_add_test(tcase, test_bare);
	tcase_add_test(tcase, test_texts);
	suite_add_tcase(suite, tcase);
	tcase = tcase_create("one address");
	tcase_add_checked_fixture(tcase, set_up_one, NULL);
	tcase_add_loop_test(tcase, test_one, 0, COUNT(one));
	tcase_add_test(tcase, test_alternate);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(behaviour_suite());
}
