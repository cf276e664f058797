/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "relayd/nonce.h"
#include "tests/endpoint.h"
#include "tests/suite.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NOW	     ((int64_t)0x123456789a)
#define ROTATE_MS    (10 * 60 * 1000)
#define LEN	     (NONCE_TEXT - 1)

static struct nonce nonce;
static struct nonce_binding binding;

static void set_up(void)
{
	nonce_init(&nonce, NOW);
	binding.source = endpoint("192.0.2.9:40123");
	binding.local = endpoint("203.0.113.7:3478");
}

static bool verify_len(const char *text, size_t len, int64_t now_ms)
{
	struct nonce_facts facts;

	return nonce_verify(&nonce, &binding, (const uint8_t *)text, (uint16_t)len, now_ms, &facts);
}

static bool verify(const char *text, int64_t now_ms)
{
	return verify_len(text, LEN, now_ms);
}

/* RFC 8489, section 9.2: the cookie, and behind it the features in base64. */
START_TEST(test_form)
{
	char with[NONCE_TEXT], without[NONCE_TEXT];

	nonce_make(&nonce, &binding, true, NOW, with);
	nonce_make(&nonce, &binding, false, NOW, without);
	ck_assert_uint_eq(strlen(with), LEN);
	ck_assert_uint_eq(strlen(without), LEN);
	ck_assert_mem_eq(with, "obMatJos2AAAB", 13);
	ck_assert_mem_eq(without, "obMatJos2AAAA", 13);
	ck_assert_uint_eq(
		strspn(with + 13,
			"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
		LEN - 13);
}
END_TEST

START_TEST(test_good)
{
	struct nonce_facts facts;
	char text[NONCE_TEXT];

	for (int algorithms = 0; algorithms <= 1; algorithms++) {
		memset(&facts, 0xff, sizeof(facts));
		nonce_make(&nonce, &binding, algorithms, NOW, text);
		ck_assert(nonce_verify(
			&nonce, &binding, (const uint8_t *)text, LEN, NOW + 1000, &facts));
		ck_assert_int_eq(facts.algorithms, algorithms);
		ck_assert_uint_eq(facts.issued_ms, NOW);
	}
}
END_TEST

START_TEST(test_good_v6)
{
	char text[NONCE_TEXT];

	binding.source = endpoint("[2001:db8::9]:40123");
	binding.local = endpoint("[2001:db8::7]:3478");
	nonce_make(&nonce, &binding, true, NOW, text);
	ck_assert(verify(text, NOW));
	binding.source.addr.bytes[15] ^= 1;
	ck_assert(!verify(text, NOW));
}
END_TEST

static const struct {
	const char *source, *local;
} others[] = {
	{"192.0.2.8:40123", "203.0.113.7:3478"}, {"64.0.2.9:40123", "203.0.113.7:3478"},
	{"192.0.2.9:40122", "203.0.113.7:3478"}, {"192.0.2.9:39867", "203.0.113.7:3478"},
	{"192.0.2.9:40123", "203.0.113.6:3478"}, {"192.0.2.9:40123", "203.0.113.7:3479"},
	{"203.0.113.7:3478", "192.0.2.9:40123"},
	{"[c000:209::]:40123", "203.0.113.7:3478"}, /* the same bytes */
};

START_TEST(test_other_place)
{
	char text[NONCE_TEXT];

	nonce_make(&nonce, &binding, true, NOW, text);
	binding.source = endpoint(others[_i].source);
	binding.local = endpoint(others[_i].local);
	ck_assert(!verify(text, NOW));
}
END_TEST

START_TEST(test_life)
{
	char text[NONCE_TEXT];

	nonce_make(&nonce, &binding, true, NOW, text);
	ck_assert(!verify(text, NOW - 1));
	ck_assert(verify(text, NOW));
	ck_assert(verify(text, NOW + NONCE_LIFE_MS));
	ck_assert(!verify(text, NOW + NONCE_LIFE_MS + 1));
	ck_assert(!verify(text, NOW + ((int64_t)1 << 32)));
	ck_assert(!verify(text, NOW + ((int64_t)1 << 48)));
}
END_TEST

/* The first client after a rotation must not make the nonces of all others stale. */
START_TEST(test_rotation)
{
	char before[NONCE_TEXT], after[NONCE_TEXT];
	int64_t later = NOW + ROTATE_MS;

	nonce_make(&nonce, &binding, true, later - 1, before);
	ck_assert_uint_eq(nonce.current, 0);
	nonce_make(&nonce, &binding, true, later, after);
	ck_assert_uint_eq(nonce.current, 1);
	ck_assert_mem_ne(before + 13, after + 13, 2);
	ck_assert(verify(before, later));
	ck_assert(verify(after, later));
	ck_assert(verify(before, later - 1 + NONCE_LIFE_MS));
	ck_assert(!verify(before, later + NONCE_LIFE_MS));
	nonce_make(&nonce, &binding, true, later + ROTATE_MS - 1, after);
	ck_assert_uint_eq(nonce.current, 1);
}
END_TEST

/* Two rotations within the life of a nonce do not happen; if they did, its secret would be gone. */
START_TEST(test_rotation_twice)
{
	char before[NONCE_TEXT], text[NONCE_TEXT];

	nonce_make(&nonce, &binding, true, NOW, before);
	for (int i = 0; i < 2; i++) {
		nonce.rotated_ms = NOW - ROTATE_MS;
		ck_assert(verify(before, NOW));
		nonce_make(&nonce, &binding, true, NOW, text);
	}
	ck_assert(!verify(before, NOW));
	/* The id that was two before, with the secret of now: the place is the same. */
	ck_assert(verify(text, NOW));
	nonce.current += 2;
	ck_assert(!verify(text, NOW));
}
END_TEST

START_TEST(test_rotation_wraps)
{
	char last[NONCE_TEXT], text[NONCE_TEXT];
	int64_t now_ms = NOW;

	nonce_make(&nonce, &binding, true, now_ms, last);
	for (int i = 0; i < 520; i++) {
		now_ms += ROTATE_MS;
		nonce_make(&nonce, &binding, true, now_ms - 1, last);
		nonce_make(&nonce, &binding, true, now_ms, text);
		ck_assert(verify(text, now_ms));
		ck_assert(verify(last, now_ms));
	}
	ck_assert_uint_eq(nonce.current, 520 % 256);
}
END_TEST

START_TEST(test_forged)
{
	char text[NONCE_TEXT], forged[NONCE_TEXT];

	nonce_make(&nonce, &binding, true, NOW, text);
	for (size_t i = 0; i < LEN; i++) {
		for (const char *c = "AB_z9\n"; *c; c++) {
			memcpy(forged, text, sizeof(forged));
			forged[i] = *c;
			ck_assert_int_eq(verify(forged, NOW), *c == text[i]);
		}
	}
	/* The features are under the seal too, or the better algorithm could be taken away. */
	memcpy(forged, text, sizeof(forged));
	forged[12] = 'A';
	ck_assert(!verify(forged, NOW));
}
END_TEST

START_TEST(test_lengths)
{
	char text[2 * NONCE_TEXT] = "";

	nonce_make(&nonce, &binding, true, NOW, text);
	memset(text + LEN, 'A', sizeof(text) - LEN);
	for (size_t len = 0; len < sizeof(text); len++)
		ck_assert_int_eq(verify_len(text, len, NOW), len == LEN);
	ck_assert(!nonce_verify(&nonce, &binding, NULL, 0, NOW, &(struct nonce_facts){0}));
}
END_TEST

START_TEST(test_secrets)
{
	char text[NONCE_TEXT];

	ck_assert_mem_ne(nonce.secret[0], nonce.secret[1], MAC_SHA256);
	nonce_make(&nonce, &binding, true, NOW, text);
	ck_assert(verify(text, NOW));
	nonce_init(&nonce, NOW);
	ck_assert(!verify(text, NOW));
}
END_TEST

static Suite *nonce_suite(void)
{
	Suite *suite = suite_create("nonce");
	TCase *tcase = tcase_create("nonce");

	tcase_add_checked_fixture(tcase, set_up, NULL);
	tcase_add_test(tcase, test_form);
	tcase_add_test(tcase, test_good);
	tcase_add_test(tcase, test_good_v6);
	tcase_add_loop_test(tcase, test_other_place, 0, COUNT(others));
	tcase_add_test(tcase, test_life);
	tcase_add_test(tcase, test_rotation);
	tcase_add_test(tcase, test_rotation_twice);
	tcase_add_test(tcase, test_rotation_wraps);
	tcase_add_test(tcase, test_forged);
	tcase_add_test(tcase, test_lengths);
	tcase_add_test(tcase, test_secrets);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(nonce_suite());
}
