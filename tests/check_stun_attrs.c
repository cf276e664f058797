/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading attributes: their lengths, order and repetition, and those that we do not know. */
#include <errno.h>
#include <string.h>

#include "common/stun.h"
#include "tests/stun_text.h"
#include "tests/suite.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define ZERO16 "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define MI     "\0\x08\0\x14" ZERO16 "\0\0\0\0"
#define MI256  "\0\x1c\0\x10" ZERO16

static uint8_t data[STUN_MAX];
static struct stun stun;

/* Parses a message of these attributes, each of which is whole. */
static int parse(const void *attrs, size_t len)
{
	static const uint8_t tid[STUN_TID] = {1, 2, 3};
	struct buf buf;

	buf_init(&buf, data, sizeof(data));
	stun_begin(&buf, STUN_REQUEST, tid);
	buf_put(&buf, attrs, len);
	return stun_parse(data, stun_end(&buf), &stun);
}

#define PARSE(attrs) parse(attrs, sizeof(attrs) - 1)

/* The lengths, from 1 to 40, that attributes with these first bytes may have. */
static const struct {
	uint16_t attr;
	uint8_t value[4];
	uint8_t lengths[8];
} lengths[] = {
	{STUN_MAPPED_ADDRESS, {0, 1}, {8}},
	{STUN_MAPPED_ADDRESS, {0, 2}, {20}},
	{STUN_MAPPED_ADDRESS, {0, 3}, {0}},
	{STUN_MAPPED_ADDRESS, {0, 0}, {0}},
	{STUN_XOR_MAPPED_ADDRESS, {0, 1}, {8}},
	{STUN_XOR_MAPPED_ADDRESS, {0, 2}, {20}},
	{STUN_RESPONSE_ORIGIN, {0, 1}, {8}},
	{STUN_OTHER_ADDRESS, {0, 2}, {20}},
	{STUN_CHANGE_REQUEST, {0}, {4}},
	{STUN_INTEGRITY, {0}, {20}},
	{STUN_INTEGRITY_SHA256, {0}, {16, 20, 24, 28, 32}},
	{STUN_USERHASH, {0}, {32}},
	{STUN_RESPONSE_PORT, {0}, {2, 4}},
	{STUN_PASSWORD_ALGORITHM, {0, 2, 0, 0}, {4, 5, 6, 7}},
	{STUN_PASSWORD_ALGORITHM, {0, 2, 0, 4}, {8, 9, 10, 11}},
	{STUN_PASSWORD_ALGORITHM, {0, 0, 0, 0}, {0}},
	{STUN_PUNCH_SEQUENCE, "PNCH", {1, 2, 3, 12}}, /* without the magic it is another's */
	{STUN_PUNCH_CONSENT, "PNCH", {1, 2, 3, 8}},
	{STUN_FINGERPRINT, {0}, {0}},
};

START_TEST(test_lengths)
{
	uint8_t attrs[4 + 40];
	int expected;

	for (uint8_t len = 1; len <= 40; len++) {
		memset(attrs, 0, sizeof(attrs));
		attrs[0] = (uint8_t)(lengths[_i].attr >> 8);
		attrs[1] = (uint8_t)lengths[_i].attr;
		attrs[3] = len;
		memcpy(attrs + 4, lengths[_i].value, 4);
		expected = memchr(lengths[_i].lengths, len, 8) ? 0 : -EPROTO;
		if (lengths[_i].attr == STUN_FINGERPRINT && len == 4)
			expected = -EBADMSG;
		ck_assert_msg(parse(attrs, 4 + (size_t)((len + 3) & ~3)) == expected, "%04x: %u",
			lengths[_i].attr, len);
	}
}
END_TEST

/* The longest texts, and one byte more (sections 14.3, 14.9, 14.10 and 14.14). */
START_TEST(test_texts)
{
	static const struct {
		uint16_t attr, max;
	} rows[] = {{STUN_USERNAME, 508}, {STUN_REALM, 763}, {STUN_NONCE, 763},
		{STUN_SOFTWARE, 763}, {STUN_PADDING, STUN_MAX - STUN_HEADER - 4}};
	uint8_t attrs[STUN_MAX] = {0};

	for (size_t i = 0; i < COUNT(rows); i++) {
		for (unsigned int len = rows[i].max; len <= rows[i].max + 1u; len++) {
			attrs[0] = (uint8_t)(rows[i].attr >> 8);
			attrs[1] = (uint8_t)rows[i].attr;
			attrs[2] = (uint8_t)(len >> 8);
			attrs[3] = (uint8_t)len;
			ck_assert_int_eq(parse(attrs, 4 + ((len + 3) & ~3u)),
				len == rows[i].max ? 0 : -EPROTO);
		}
	}
}
END_TEST

/* An attribute without room for its header, its value, or its padding. */
START_TEST(test_cut)
{
	ck_assert_int_eq(PARSE("\0\6\0\4"), -EPROTO);
	ck_assert_int_eq(PARSE("\0\6\xff\xff"
			       "abcd"),
		-EPROTO);
	ck_assert_int_eq(PARSE("\0\6\0\5abcd"), -EPROTO);
	ck_assert_int_eq(PARSE("\0\6\0\4abcd"), 0);
	ck_assert_int_eq(PARSE("\0\6\0\1abc"), -EPROTO);
	ck_assert_int_eq(PARSE("\0\6\0\1abcd"), 0);
	ck_assert(stun_bytes_equal(stun.username, "a"));
	ck_assert_int_eq(PARSE("\0\6\0\0"), 0);
	ck_assert_ptr_nonnull(stun.username.p);
	ck_assert(stun_bytes_equal(stun.username, ""));
}
END_TEST

START_TEST(test_first_counts)
{
	ck_assert_int_eq(PARSE("\0\6\0\1a\0\0\0"
			       "\0\6\0\1b\0\0\0"),
		0);
	ck_assert(stun_bytes_equal(stun.username, "a"));
	ck_assert_int_eq(PARSE("\0\3\0\4\0\0\0\4"
			       "\0\3\0\4\0\0\0\2"),
		0);
	ck_assert(stun.has_change);
	ck_assert_uint_eq(stun.change, 4);
	ck_assert_int_eq(PARSE("\0\1\0\x08\0\1\0\1\1\1\1\1"
			       "\0\1\0\x08\0\1\0\2\2\2\2\2"),
		0);
	ck_assert_uint_eq(stun.mapped.port, 1);
}
END_TEST

/* The address that no NAT rewrote wins, whichever comes first. */
START_TEST(test_mapped)
{
#define XOR   "\0\x20\0\x08\0\1\x21\x13\xe1\x12\xa6\x43"
#define PLAIN "\0\1\0\x08\0\1\0\2\x0a\0\0\1"
	char text[ENDPOINT_TEXT];

	ck_assert_int_eq(PARSE(XOR PLAIN), 0);
	ck_assert_str_eq(endpoint_format(&stun.mapped, text), "192.0.2.1:1");
	ck_assert_int_eq(PARSE(PLAIN XOR), 0);
	ck_assert_str_eq(endpoint_format(&stun.mapped, text), "192.0.2.1:1");
	ck_assert_int_eq(PARSE(PLAIN), 0);
	ck_assert_str_eq(endpoint_format(&stun.mapped, text), "10.0.0.1:2");
	ck_assert_int_eq(PARSE(""), 0);
	ck_assert_uint_eq(stun.mapped.addr.family, 0);
}
END_TEST

/* What follows an integrity is not covered by it. */
START_TEST(test_after_integrity)
{
	ck_assert_int_eq(PARSE("\0\6\0\1a\0\0\0" MI "\0\x14\0\1r\0\0\0"
			       "\0\x7f\0\0"),
		0);
	ck_assert_uint_eq(stun.integrity, STUN_HEADER + 8);
	ck_assert_ptr_null(stun.realm.p);
	ck_assert_uint_eq(stun.unknown_count, 0);
	ck_assert_int_eq(PARSE(MI "\0\6\0\1a\0\0\0" MI256 "\0\x14\0\1r\0\0\0"), 0);
	ck_assert_uint_eq(stun.integrity, STUN_HEADER);
	ck_assert_uint_eq(stun.integrity256, STUN_HEADER + 24 + 8);
	ck_assert_uint_eq(stun.integrity256_len, 16);
	ck_assert_ptr_null(stun.username.p);
	ck_assert_ptr_null(stun.realm.p);
	ck_assert_int_eq(PARSE(MI256 MI "\0\6\0\1a\0\0\0"), 0);
	ck_assert_uint_eq(stun.integrity, 0);
	ck_assert_uint_eq(stun.integrity256, STUN_HEADER);
	ck_assert_ptr_null(stun.username.p);
	ck_assert_int_eq(PARSE(MI "\0\3\0\1a\0\0\0"), 0); /* not even looked at */
	ck_assert_int_eq(PARSE(MI "\0\6\0\x08"
				  "abcd"),
		-EPROTO);
}
END_TEST

START_TEST(test_fingerprint_last)
{
	struct buf buf;

	ck_assert_int_eq(PARSE("\x80\x28\0\4\0\0\0\0"
			       "\0\6\0\1a\0\0\0"),
		-EPROTO);
	ck_assert_int_eq(PARSE(MI "\x80\x28\0\4\0\0\0\0"), -EBADMSG);
	buf_init(&buf, data, sizeof(data));
	stun_begin(&buf, STUN_INDICATION, (const uint8_t *)ZERO16);
	stun_put_fingerprint(&buf);
	stun_put_fingerprint(&buf);
	ck_assert_int_eq(stun_parse(data, stun_end(&buf), &stun), -EPROTO);
}
END_TEST

START_TEST(test_unknown)
{
	ck_assert_int_eq(PARSE("\x7f\xff\0\0"
			       "\x80\0\0\0"
			       "\0\2\0\1x\0\0\0"
			       "\xff\xff\0\0"),
		0);
	ck_assert_uint_eq(stun.unknown_count, 2);
	ck_assert_uint_eq(stun.unknown[0], 0x7fff);
	ck_assert_uint_eq(stun.unknown[1], 0x0002);
	ck_assert_int_eq(PARSE("\0\x31\0\0\0\x32\0\0\0\x33\0\0\0\x34\0\0\0\x35\0\0\0\x36\0\0"
			       "\0\x37\0\0\0\x38\0\0\0\x39\0\0\0\x3a\0\0"),
		0);
	ck_assert_uint_eq(stun.unknown_count, 8);
	ck_assert_uint_eq(stun.unknown[7], 0x0038);
	ck_assert_int_eq(PARSE("\0\x26\0\3\0\0\0\0"
			       "\0\x0a\0\2\0\1\0\0"),
		0);
	ck_assert_uint_eq(stun.unknown_count, 0); /* PADDING and UNKNOWN-ATTRIBUTES are known */
}
END_TEST

START_TEST(test_error)
{
	static const struct {
		uint8_t class, number;
		uint16_t code;
	} rows[] = {{3, 0, 300}, {4, 38, 438}, {0xfc, 20, 420}, {6, 99, 699}, {2, 99, 0}, {7, 0, 0},
		{0, 0, 0}, {4, 100, 0}, {4, 255, 0}};
	uint8_t attrs[] = {0, 9, 0, 6, 0xff, 0xff, 0, 0, 'n', 'o', 0, 0};

	for (size_t i = 0; i < COUNT(rows); i++) {
		attrs[6] = rows[i].class;
		attrs[7] = rows[i].number;
		ck_assert_int_eq(parse(attrs, sizeof(attrs)), rows[i].code ? 0 : -EPROTO);
		if (!rows[i].code)
			continue;
		ck_assert_uint_eq(stun.error, rows[i].code);
		ck_assert(stun_bytes_equal(stun.reason, "no"));
	}
}
END_TEST

/* Attributes of our numbers without our magic are another's, and do not hide ours. */
START_TEST(test_magic)
{
	ck_assert_int_eq(PARSE("\xff\1\0\x0cPNCX\0\0\0\0\0\0\0\1"
			       "\xff\2\0\1P\0\0\0"),
		0);
	ck_assert(!stun.has_sequence);
	ck_assert_uint_eq(stun.consent, 0);
	ck_assert_int_eq(PARSE("\xff\1\0\0"
			       "\xff\1\0\x0cPNCH\1\2\3\4\5\6\7\x08"
			       "\xff\2\0\x0cnot ours, no"
			       "\xff\2\0\x08PNCH\0\0\0\x1e"),
		0);
	ck_assert(stun.has_sequence);
	ck_assert_uint_eq(stun.sequence, 0x0102030405060708);
	ck_assert_uint_eq(stun.consent, 30);
}
END_TEST

START_TEST(test_response_port)
{
	ck_assert_int_eq(PARSE("\0\x27\0\4\x13\x8c\0\0"), 0);
	ck_assert(stun.has_response_port);
	ck_assert_uint_eq(stun.response_port, 5004);
	ck_assert_int_eq(PARSE("\0\x27\0\2\x13\x8c\0\0"), 0);
	ck_assert_uint_eq(stun.response_port, 5004);
}
END_TEST

static Suite *attrs_suite(void)
{
	Suite *suite = suite_create("stun_attrs");
	TCase *tcase = tcase_create("stun_attrs");

	tcase_add_loop_test(tcase, test_lengths, 0, COUNT(lengths));
	tcase_add_test(tcase, test_texts);
	tcase_add_test(tcase, test_cut);
	tcase_add_test(tcase, test_first_counts);
	tcase_add_test(tcase, test_mapped);
	tcase_add_test(tcase, test_after_integrity);
	tcase_add_test(tcase, test_fingerprint_last);
	tcase_add_test(tcase, test_unknown);
	tcase_add_test(tcase, test_error);
	tcase_add_test(tcase, test_magic);
	tcase_add_test(tcase, test_response_port);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(attrs_suite());
}
