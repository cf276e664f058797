/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two relays with one address each that answer for one another, and who would like to be one. */
#include <string.h>

#include "relayd/behaviour.h"
#include "tests/endpoint.h"
#include "tests/suite.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NOW	     ((int64_t)100000000)
#define HOME	     "192.0.2.9:40123"
#define A	     "203.0.113.7"
#define B	     "198.51.100.2"
#define KEY	     "MDEyMzQ1Njc4OWFiY2RlZg=="
#define KEY2	     "ZmVkY2JhOTg3NjU0MzIxMA=="

/* A datagram on its way. */
struct mail {
	struct endpoint from, to;
	size_t len;
	uint8_t data[BEHAVIOUR_ANSWER_MAX];
};

struct relay {
	struct config config;
	struct limit unpadded;
	struct behaviour behaviour;
};

static struct relay a, b;
static struct mail answer;
static struct stun reply;
static int64_t now;

static void start(struct relay *relay, uint64_t session)
{
	limit_init(&relay->unpadded, 5, 20, 500);
	behaviour_init(&relay->behaviour, &relay->unpadded);
	behaviour_configure(&relay->behaviour, &relay->config, session);
}

static void configure(struct relay *relay, const char *address, const char *partner)
{
	memset(relay, 0, sizeof(*relay));
	relay->config.punch = 3478;
	relay->config.alternate = 3479;
	relay->config.rfc3489 = 3480;
	relay->config.address_count = 1;
	relay->config.addresses[0] = endpoint(address).addr;
	relay->config.partner = endpoint(partner);
	strcpy(relay->config.partner_key, KEY);
}

static void set_up(void)
{
	now = NOW;
	configure(&a, A ":1", B ":3478");
	configure(&b, B ":1", A ":3478");
	start(&a, 1000);
	start(&b, 2000);
}

static void keep(const struct behaviour_answer *out, struct mail *mail)
{
	mail->from = out->from;
	mail->to = out->to;
	mail->len = out->len;
}

static enum behaviour_count deliver(struct relay *relay, const struct mail *mail, struct mail *out)
{
	const struct behaviour_packet packet = {mail->data, mail->len, mail->from, mail->to};
	struct behaviour_answer answered = {.data = out->data};
	enum behaviour_count count;
	struct stun stun;

	ck_assert_int_eq(stun_parse(mail->data, mail->len, &stun), 0);
	ck_assert_int_eq(stun.type, STUN_INDICATION);
	ck_assert_ptr_nonnull(stun.partner.p);
	count = behaviour_partner(&relay->behaviour, &packet, &stun, now, &answered);
	keep(&answered, out);
	return count;
}

/* A second of this relay's; what it says goes to the other, unless that one is NULL. */
static struct mail tick(struct relay *relay, struct relay *other)
{
	struct mail mail = {0}, none;
	struct behaviour_answer out = {.data = mail.data};

	behaviour_tick(&relay->behaviour, now, &out);
	keep(&out, &mail);
	if (mail.len && other)
		deliver(other, &mail, &none);
	return mail;
}

static void pass(int seconds)
{
	while (seconds--) {
		now += 1000;
		tick(&a, &b);
		tick(&b, &a);
	}
}

static bool alive(const struct relay *relay)
{
	return partner_is_alive(&relay->behaviour.partner, now);
}

static enum behaviour_count ask(struct relay *relay, const char *local, uint32_t change)
{
	uint8_t data[STUN_MAX];
	struct behaviour_packet packet = {data, 0, endpoint(HOME), endpoint(local)};
	struct behaviour_answer out = {.data = answer.data};
	enum behaviour_count count;
	struct stun stun;
	struct buf buf;

	buf_init(&buf, data, sizeof(data));
	stun_begin(&buf, STUN_REQUEST, (const uint8_t *)"transactions");
	stun_put_u32(&buf, STUN_CHANGE_REQUEST, change);
	packet.len = stun_end(&buf);
	ck_assert_int_eq(stun_parse(data, packet.len, &stun), 0);
	count = behaviour_request(&relay->behaviour, &packet, &stun, now, &out);
	keep(&out, &answer);
	memset(&reply, 0, sizeof(reply));
	if (answer.len)
		ck_assert_int_eq(stun_parse(answer.data, answer.len, &reply), 0);
	return count;
}

static void assert_endpoint(const struct endpoint *got, const char *wanted)
{
	char text[ENDPOINT_TEXT];

	ck_assert_str_eq(endpoint_format(got, text), wanted);
}

START_TEST(test_meet)
{
	ck_assert(!alive(&a) && !alive(&b));
	pass(4);
	ck_assert(alive(&a) && alive(&b));
	ck_assert_uint_eq(a.behaviour.counts[BEHAVIOUR_STRANGER], 0);
	ck_assert_int_eq(ask(&a, A ":3478", 0), BEHAVIOUR_ANSWERED);
	assert_endpoint(&reply.other, B ":3479");
	ask(&a, A ":3479", 0);
	assert_endpoint(&reply.other, B ":3478");
	ask(&b, B ":3478", 0);
	assert_endpoint(&reply.other, A ":3479");
}
END_TEST

/* For a day, with hellos and nothing else. */
START_TEST(test_stay)
{
	pass(4);
	for (int i = 0; i < 24 * 3600; i++) {
		pass(1);
		ck_assert(alive(&a) && alive(&b));
	}
}
END_TEST

START_TEST(test_silent)
{
	pass(4);
	now = a.behaviour.partner.heard_ms + PARTNER_ALIVE_MS - 1;
	ck_assert(alive(&a));
	now++;
	ck_assert(!alive(&a));
	ask(&a, A ":3478", 0);
	ck_assert_uint_eq(reply.other.addr.family, 0);
	ck_assert_int_eq(ask(&a, A ":3478", 4), BEHAVIOUR_SILENT);
	pass(4);
	ck_assert(alive(&a) && alive(&b));
}
END_TEST

/* RFC 5780, section 6.1, by two hosts. */
static const struct forwarded {
	const char *local;
	uint32_t change;
	const char *from, *other;
} forwarded[] = {
	{A ":3478", 4, B ":3478", B ":3479"},
	{A ":3478", 6, B ":3479", B ":3479"},
	{A ":3479", 4, B ":3479", B ":3478"},
	{A ":3479", 6, B ":3478", B ":3478"},
};

START_TEST(test_forward)
{
	const struct forwarded *row = &forwarded[_i];
	struct mail out;

	pass(4);
	ck_assert_int_eq(ask(&a, row->local, row->change), BEHAVIOUR_FORWARDED);
	assert_endpoint(&answer.from, A ":3478");
	assert_endpoint(&answer.to, B ":3478");
	ck_assert_int_eq(deliver(&b, &answer, &out), BEHAVIOUR_EMITTED);
	assert_endpoint(&out.from, row->from);
	assert_endpoint(&out.to, HOME);
	ck_assert_int_eq(stun_parse(out.data, out.len, &reply), 0);
	ck_assert_int_eq(reply.type, STUN_SUCCESS);
	ck_assert_mem_eq(reply.tid, "transactions", STUN_TID);
	assert_endpoint(&reply.mapped, HOME);
	assert_endpoint(&reply.origin, row->from);
	assert_endpoint(&reply.other, row->other);
	/* Once. */
	ck_assert_int_eq(deliver(&b, &answer, &out), BEHAVIOUR_STALE);
	ck_assert_uint_eq(out.len, 0);
}
END_TEST

START_TEST(test_forward_old)
{
	static const uint8_t request[] = {0, 1, 0, 8, 7, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13,
		14, 15, 0, 3, 0, 4, 0, 0, 0, 6};
	const struct behaviour_packet packet = {
		request, sizeof(request), endpoint(HOME), endpoint(A ":3480")};
	struct behaviour_answer answered = {.data = answer.data};
	struct mail out;

	pass(4);
	ck_assert_int_eq(
		behaviour_rfc3489(&a.behaviour, &packet, now, &answered), BEHAVIOUR_FORWARDED);
	keep(&answered, &answer);
	ck_assert_int_eq(deliver(&b, &answer, &out), BEHAVIOUR_EMITTED);
	assert_endpoint(&out.from, B ":3481");
	ck_assert_uint_eq(out.len, 56);
	ck_assert_mem_eq(out.data + 4, request + 4, 16);
}
END_TEST

/* Both have limits of their own. */
START_TEST(test_forward_limit)
{
	struct mail out;

	pass(4);
	for (int i = 0; i < 64; i++) {
		ck_assert_int_eq(ask(&a, A ":3478", 6), BEHAVIOUR_FORWARDED);
		ck_assert_int_eq(deliver(&b, &answer, &out), BEHAVIOUR_EMITTED);
	}
	ck_assert_int_eq(ask(&a, A ":3478", 6), BEHAVIOUR_LIMITED);
	limit_init(&a.behaviour.elsewhere, 10, 64, 200);
	ck_assert_int_eq(ask(&a, A ":3478", 6), BEHAVIOUR_FORWARDED);
	ck_assert_int_eq(deliver(&b, &answer, &out), BEHAVIOUR_LIMITED);
	ck_assert_uint_eq(out.len, 0);
}
END_TEST

/* What is recorded is worth nothing to whoever sends it again, to either, before or after a start.
 */
START_TEST(test_recorded)
{
	struct mail hello, asked, out;
	uint64_t seen;

	pass(4);
	now += 2000;
	hello = tick(&a, &b);
	ask(&a, A ":3478", 6);
	asked = answer;
	ck_assert_int_eq(deliver(&b, &asked, &out), BEHAVIOUR_EMITTED);
	ck_assert_int_eq(deliver(&b, &hello, &out), BEHAVIOUR_STALE);
	ck_assert_int_eq(deliver(&b, &asked, &out), BEHAVIOUR_STALE);
	/* To its own author, as if it came from the other. */
	seen = a.behaviour.partner.seen;
	hello.from = endpoint(B ":3478");
	hello.to = endpoint(A ":3478");
	ck_assert_int_eq(deliver(&a, &hello, &out), BEHAVIOUR_STRANGER);
	ck_assert_uint_eq(a.behaviour.partner.seen, seen);
	/* The other has started anew, */
	start(&b, 3000);
	ck_assert_int_eq(deliver(&b, &asked, &out), BEHAVIOUR_STALE);
	pass(4);
	ck_assert(alive(&a) && alive(&b));
	ck_assert_int_eq(deliver(&b, &asked, &out), BEHAVIOUR_STALE);
	/* and then its author. */
	ask(&a, A ":3478", 6);
	asked = answer;
	start(&a, 4000);
	pass(4);
	ck_assert(alive(&a) && alive(&b));
	ck_assert_int_eq(deliver(&b, &asked, &out), BEHAVIOUR_STALE);
	ck_assert_uint_eq(out.len, 0);
}
END_TEST

/* Its clock was set back: it is taken for a recording until both have been silent for a while. */
START_TEST(test_clock_back)
{
	pass(4);
	start(&b, 50);
	pass(4);
	ck_assert(!alive(&b));
	pass(80);
	ck_assert(alive(&a) && alive(&b));
}
END_TEST

/* What was recorded before is not new after the silence either. */
START_TEST(test_clock_recorded)
{
	struct mail hello, out;

	pass(4);
	now += 2000;
	hello = tick(&b, &a);
	ck_assert_uint_gt(hello.len, 0);
	for (int i = 0; i < 2 * PARTNER_DEAD_MS; i += 1000) {
		now += 1000;
		tick(&a, NULL);
	}
	ck_assert_int_eq(deliver(&a, &hello, &out), BEHAVIOUR_STALE);
	ck_assert(!alive(&a));
}
END_TEST

START_TEST(test_strangers)
{
	struct mail hello, forged, out;

	pass(4);
	now += 2000;
	hello = tick(&a, NULL);
	ck_assert_uint_gt(hello.len, 0);
	/* From elsewhere; to elsewhere; */
	forged = hello;
	forged.from.port++;
	ck_assert_int_eq(deliver(&b, &forged, &out), BEHAVIOUR_STRANGER);
	forged = hello;
	forged.to.port++;
	ck_assert_int_eq(deliver(&b, &forged, &out), BEHAVIOUR_STRANGER);
	/* with any bit changed behind the header: */
	for (size_t i = STUN_HEADER * 8; i < hello.len * 8; i++) {
		struct stun stun;

		forged = hello;
		forged.data[i / 8] ^= (uint8_t)(1 << i % 8);
		if (stun_parse(forged.data, forged.len, &stun) || !stun.partner.p)
			continue;
		ck_assert_int_eq(deliver(&b, &forged, &out), BEHAVIOUR_STRANGER);
	}
	ck_assert_int_eq(deliver(&b, &hello, &out), BEHAVIOUR_HELLO);
	/* with another key; to somebody without a partner. */
	strcpy(a.config.partner_key, KEY2);
	now += 2000;
	hello = tick(&a, NULL);
	ck_assert_int_eq(deliver(&b, &hello, &out), BEHAVIOUR_STRANGER);
	strcpy(a.config.partner_key, KEY);
	memset(&b.config.partner, 0, sizeof(b.config.partner));
	start(&b, 5000);
	now += 2000;
	hello = tick(&a, NULL);
	ck_assert_int_eq(deliver(&b, &hello, &out), BEHAVIOUR_STRANGER);
}
END_TEST

/* Even the partner cannot make us answer to others than who asked, or to ourselves. */
START_TEST(test_wrong_wishes)
{
	const struct endpoint origin = endpoint(A ":3478");
	static const char *const wishes[][2] = {
		{"192.0.2.10:5000", HOME},
		{B ":3478", B ":3478"},
		{"[2001:db8::1]:5", "[2001:db8::1]:5"},
	};
	struct mail mail = {.from = origin, .to = endpoint(B ":3478")}, out;

	pass(4);
	for (size_t i = 0; i < COUNT(wishes); i++) {
		struct partner_emit emit = {
			.to = endpoint(wishes[i][0]), .mapped = endpoint(wishes[i][1])};

		mail.len = partner_emit(&a.behaviour.partner, &origin, &emit, mail.data);
		ck_assert_int_eq(deliver(&b, &mail, &out), BEHAVIOUR_STRANGER);
		ck_assert_uint_eq(out.len, 0);
	}
	b.config.rfc3489 = 0;
	mail.len = partner_emit(&a.behaviour.partner, &origin,
		&(struct partner_emit){
			.form = PARTNER_RFC3489, .to = endpoint(HOME), .mapped = endpoint(HOME)},
		mail.data);
	ck_assert_int_eq(deliver(&b, &mail, &out), BEHAVIOUR_SILENT);
}
END_TEST

/* It has no alternate port, or none for RFC 3489: then it is no other address for these. */
START_TEST(test_lacks)
{
	b.config.alternate = 0;
	pass(4);
	ck_assert(alive(&a));
	ask(&a, A ":3478", 0);
	ck_assert_uint_eq(reply.other.addr.family, 0);
	ck_assert_int_eq(ask(&a, A ":3478", 6), BEHAVIOUR_SILENT);
}
END_TEST

/* Behind 1:1 NAT a relay goes by the address that the others see. */
START_TEST(test_cloud)
{
	struct mail hello, out;

	a.config.addresses[0] = endpoint("10.0.0.4:1").addr;
	a.config.advertise_count = 1;
	a.config.advertise[0].local = a.config.addresses[0];
	a.config.advertise[0].public = endpoint(A ":1").addr;
	start(&a, 1000);
	hello = tick(&a, NULL);
	assert_endpoint(&hello.from, "10.0.0.4:3478");
	hello.from = endpoint(A ":3478");
	ck_assert_int_eq(deliver(&b, &hello, &out), BEHAVIOUR_STALE);
	hello = tick(&b, NULL);
	hello.to = endpoint("10.0.0.4:3478");
	ck_assert_int_eq(deliver(&a, &hello, &out), BEHAVIOUR_HELLO);
}
END_TEST

static Suite *partner_suite(void)
{
	Suite *suite = suite_create("partner");
	TCase *tcase = tcase_create("partner");

	tcase_add_checked_fixture(tcase, set_up, NULL);
	tcase_add_test(tcase, test_meet);
	tcase_add_test(tcase, test_stay);
	tcase_add_test(tcase, test_silent);
	tcase_add_loop_test(tcase, test_forward, 0, COUNT(forwarded));
	tcase_add_test(tcase, test_forward_old);
	tcase_add_test(tcase, test_forward_limit);
	tcase_add_test(tcase, test_recorded);
	tcase_add_test(tcase, test_clock_back);
	tcase_add_test(tcase, test_clock_recorded);
	tcase_add_test(tcase, test_strangers);
	tcase_add_test(tcase, test_wrong_wishes);
	tcase_add_test(tcase, test_lacks);
	tcase_add_test(tcase, test_cloud);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(partner_suite());
}
