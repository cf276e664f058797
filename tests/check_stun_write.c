/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writing: each attribute is read again, and nothing is written that does not fit. */
#include <errno.h>
#include <string.h>

#include "common/mac.h"
#include "common/stun.h"
#include "tests/endpoint.h"
#include "tests/stun_text.h"
#include "tests/suite.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const uint8_t tid[STUN_TID] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
static const uint8_t key[16] = "0123456789abcdef";

static uint8_t data[STUN_MAX + 64];
static struct buf buf;
static struct stun stun;

static void begin(uint16_t type)
{
	memset(data, 0x55, sizeof(data));
	buf_init(&buf, data, sizeof(data));
	stun_begin(&buf, type, tid);
}

/* Ends and parses what was written; returns its length. */
static size_t end(void)
{
	size_t len = stun_end(&buf);

	ck_assert_uint_ne(len, 0);
	ck_assert_uint_eq(len % 4, 0);
	ck_assert_int_eq(stun_parse(data, len, &stun), 0);
	return len;
}

START_TEST(test_types)
{
	static const uint16_t types[] = {STUN_REQUEST, STUN_INDICATION, STUN_SUCCESS, STUN_ERROR};

	for (size_t i = 0; i < COUNT(types); i++) {
		begin(types[i]);
		ck_assert_uint_eq(end(), STUN_HEADER);
		ck_assert_uint_eq(stun.type, types[i]);
		ck_assert_mem_eq(stun.tid, tid, STUN_TID);
	}
}
END_TEST

START_TEST(test_texts)
{
	begin(STUN_REQUEST);
	stun_put_text(&buf, STUN_USERNAME, "u");
	stun_put_text(&buf, STUN_REALM, "re");
	stun_put_text(&buf, STUN_NONCE, "non");
	stun_put_text(&buf, STUN_SOFTWARE, "soft");
	stun_put(&buf, STUN_USERHASH, "01234567890123456789012345678901", 32);
	ck_assert_uint_eq(end(), STUN_HEADER + 4 * 8 + 36);
	ck_assert(stun_bytes_equal(stun.username, "u"));
	ck_assert(stun_bytes_equal(stun.realm, "re"));
	ck_assert(stun_bytes_equal(stun.nonce, "non"));
	ck_assert(stun_bytes_equal(stun.software, "soft"));
	ck_assert(stun_bytes_equal(stun.userhash, "01234567890123456789012345678901"));
	ck_assert_mem_eq(data + STUN_HEADER, "\0\6\0\1u\0\0\0", 8);
}
END_TEST

START_TEST(test_endpoints)
{
	static const char *const texts[] = {"192.0.2.1:5004", "[2001:db8::1]:65535"};
	struct endpoint a, b = endpoint("198.51.100.7:1"), c = endpoint("[2001:db8::2]:2");

	for (size_t i = 0; i < COUNT(texts); i++) {
		a = endpoint(texts[i]);
		begin(STUN_SUCCESS);
		stun_put_endpoint(&buf, STUN_XOR_MAPPED_ADDRESS, &a);
		stun_put_endpoint(&buf, STUN_RESPONSE_ORIGIN, &b);
		stun_put_endpoint(&buf, STUN_OTHER_ADDRESS, &c);
		end();
		ck_assert(endpoint_equal(&stun.mapped, &a));
		ck_assert(endpoint_equal(&stun.origin, &b));
		ck_assert(endpoint_equal(&stun.other, &c));
		begin(STUN_SUCCESS);
		stun_put_endpoint(&buf, STUN_MAPPED_ADDRESS, &a);
		end();
		ck_assert(endpoint_equal(&stun.mapped, &a));
		ck_assert_mem_eq(data + STUN_HEADER + 8, a.addr.bytes, 4);
	}
	begin(STUN_SUCCESS);
	stun_put_endpoint(&buf, STUN_MAPPED_ADDRESS, &(struct endpoint){0});
	ck_assert_uint_eq(stun_end(&buf), 0);
}
END_TEST

START_TEST(test_error)
{
	static const uint16_t codes[] = {300, 400, 401, 420, 438, 699};

	for (size_t i = 0; i < COUNT(codes); i++) {
		begin(STUN_ERROR);
		stun_put_error(&buf, codes[i], "Because");
		end();
		ck_assert_uint_eq(stun.error, codes[i]);
		ck_assert(stun_bytes_equal(stun.reason, "Because"));
	}
	begin(STUN_ERROR);
	stun_put_error(&buf, 401, "");
	ck_assert_uint_eq(end(), STUN_HEADER + 8);
	ck_assert_uint_eq(stun.reason.len, 0);
}
END_TEST

START_TEST(test_unknown)
{
	const struct stun request = {.unknown_count = 3, .unknown = {0x24, 0x7fff, 2}};

	begin(STUN_ERROR);
	stun_put_error(&buf, 420, "");
	stun_put_unknown(&buf, &request);
	ck_assert_uint_eq(end(), STUN_HEADER + 8 + 12);
	ck_assert_mem_eq(data + STUN_HEADER + 8, "\0\x0a\0\6\0\x24\x7f\xff\0\2\0\0", 12);
	ck_assert_uint_eq(stun.unknown_count, 0);
}
END_TEST

START_TEST(test_algorithms)
{
	begin(STUN_REQUEST);
	stun_put_algorithms(&buf);
	stun_put_algorithm(&buf, STUN_SHA256);
	ck_assert_uint_eq(end(), STUN_HEADER + 12 + 8);
	ck_assert_uint_eq(stun.algorithms.len, 8);
	ck_assert_mem_eq(stun.algorithms.p, "\0\2\0\0\0\1\0\0", 8);
	ck_assert_uint_eq(stun.algorithm, STUN_SHA256);
}
END_TEST

START_TEST(test_punch)
{
	begin(STUN_REQUEST);
	stun_put_sequence(&buf, 0xfedcba9876543210);
	stun_put_consent(&buf, 31);
	stun_put_u32(&buf, STUN_CHANGE_REQUEST, 6);
	end();
	ck_assert(stun.has_sequence);
	ck_assert_uint_eq(stun.sequence, 0xfedcba9876543210);
	ck_assert_uint_eq(stun.consent, 31);
	ck_assert(stun.has_change);
	ck_assert_uint_eq(stun.change, 6);
}
END_TEST

/* The promise: at least total, never more than what an attribute's header and padding cost. */
START_TEST(test_padding)
{
	size_t len;

	for (size_t total = 0; total <= 300; total++) {
		begin(STUN_REQUEST);
		stun_put_text(&buf, STUN_USERNAME, "stream");
		stun_put_padding(&buf, total, 24 + 8);
		stun_put_integrity(&buf, key, sizeof(key));
		stun_put_fingerprint(&buf);
		len = end();
		ck_assert_uint_ge(len, total);
		ck_assert_uint_le(len, total > 64 ? total + 4 : 64);
		ck_assert_uint_eq(stun.unknown_count, 0);
	}
	begin(STUN_REQUEST);
	stun_put_padding(&buf, 4000, 0);
	ck_assert_uint_eq(stun_end(&buf), 0);
}
END_TEST

START_TEST(test_keys)
{
	const struct stun_bytes user = {(const uint8_t *)"user", 4};
	const struct stun_bytes realm = {(const uint8_t *)"realm", 5};
	static const uint8_t md5[] =
		"\x84\x93\xfb\xc5\x3b\xa5\x82\xfb\x4c\x04\x4c\x45\x6b\xdc\x40\xeb";
	static const uint8_t sha256[] =
		"\x07\xe9\x34\x11\x7a\xbd\x40\x83\x6e\x7c\x63\x29\xb5\x47\x31\xb2"
		"\xb2\xd2\xa5\xf9\xa7\x1f\x54\x49\x22\xd7\x5e\x07\x30\xd8\x25\x1b";
	uint8_t out[STUN_KEY_MAX];

	ck_assert_uint_eq(stun_key(STUN_MD5, user, realm, "pass", out), MAC_MD5);
	ck_assert_mem_eq(out, md5, MAC_MD5);
	ck_assert_uint_eq(stun_key(STUN_SHA256, user, realm, "pass", out), MAC_SHA256);
	ck_assert_mem_eq(out, sha256, MAC_SHA256);
}
END_TEST

START_TEST(test_integrity)
{
	for (int with = 0; with < 8; with++) {
		begin(STUN_REQUEST);
		stun_put_text(&buf, STUN_USERNAME, "stream");
		if (with & 1)
			stun_put_integrity(&buf, key, sizeof(key));
		if (with & 2)
			stun_put_integrity256(&buf, key, sizeof(key));
		if (with & 4)
			stun_put_fingerprint(&buf);
		end();
		ck_assert_int_eq(stun_verify(&stun, key, sizeof(key)), (with & 3) != 0);
		ck_assert(!stun_verify(&stun, key, sizeof(key) - 1));
		ck_assert_int_eq(stun.integrity != 0, with & 1);
		ck_assert_uint_eq(stun.integrity256_len, with & 2 ? 32 : 0);
	}
}
END_TEST

/* When both are there, the stronger decides, though the weaker is right. */
START_TEST(test_integrity_stronger)
{
	begin(STUN_REQUEST);
	stun_put_integrity(&buf, key, sizeof(key));
	stun_put_integrity256(&buf, key, sizeof(key) - 1);
	end();
	ck_assert(!stun_verify(&stun, key, sizeof(key)));
}
END_TEST

/* Section 14.6: cut to 16 bytes or more, and computed for the length that then results. */
START_TEST(test_integrity_truncated)
{
	for (size_t len = 16; len <= 32; len += 4) {
		struct mac_part part = {data, STUN_HEADER + 12};
		uint8_t mac[MAC_SHA256];

		begin(STUN_REQUEST);
		stun_put_text(&buf, STUN_USERNAME, "stream");
		buf_set_u16(&buf, 2, (uint16_t)(12 + 4 + len));
		mac_hmac_sha256(key, sizeof(key), &part, 1, mac);
		stun_put(&buf, STUN_INTEGRITY_SHA256, mac, len);
		end();
		ck_assert_uint_eq(stun.integrity256_len, len);
		ck_assert(stun_verify(&stun, key, sizeof(key)));
		data[stun.integrity256 + 4 + len - 1] ^= 1;
		ck_assert(!stun_verify(&stun, key, sizeof(key)));
	}
}
END_TEST

/* Written anew, the request of RFC 8489, appendix B.1 (with its erratum), has the same hash. */
START_TEST(test_vector)
{
	static const uint8_t mac[] =
		"\xb5\xc7\xbf\x00\x5b\x6c\x52\xa2\x1c\x51\xc5\xe8\x92\xf8\x19\x24"
		"\x13\x62\x96\xcb\x92\x7c\x43\x14\x93\x09\x27\x8c\xc6\x51\x8e\x65";
	static const uint8_t id[] = "\x78\xad\x34\x33\xc6\xad\x72\xc0\x29\xda\x41\x2e";
	static const char user[] =
		"\xe3\x83\x9e\xe3\x83\x88\xe3\x83\xaa\xe3\x83\x83\xe3\x82\xaf\xe3\x82\xb9";
	const struct stun_bytes name = {(const uint8_t *)user, sizeof(user) - 1};
	const struct stun_bytes realm = {(const uint8_t *)"example.org", 11};
	const struct mac_part parts[] = {{name.p, name.len}, {":", 1}, {realm.p, realm.len}};
	uint8_t hash[MAC_SHA256], long_key[STUN_KEY_MAX];

	mac_sha256(parts, COUNT(parts), hash);
	buf_init(&buf, data, sizeof(data));
	stun_begin(&buf, STUN_REQUEST, id);
	stun_put(&buf, STUN_USERHASH, hash, sizeof(hash));
	stun_put_text(&buf, STUN_NONCE, "obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA");
	stun_put_text(&buf, STUN_REALM, "example.org");
	stun_put_algorithm(&buf, STUN_SHA256);
	stun_put_integrity256(
		&buf, long_key, stun_key(STUN_SHA256, name, realm, "TheMatrIX", long_key));
	ck_assert_uint_eq(end(), 164);
	ck_assert_mem_eq(data + 164 - 32, mac, 32);
}
END_TEST

static void put_all(void)
{
	const struct stun request = {.unknown_count = 1, .unknown = {0x24}};
	struct endpoint mapped = endpoint("192.0.2.1:5004");

	stun_begin(&buf, STUN_ERROR, tid);
	stun_put_text(&buf, STUN_REALM, "relay");
	stun_put_endpoint(&buf, STUN_XOR_MAPPED_ADDRESS, &mapped);
	stun_put_error(&buf, 401, "x");
	stun_put_unknown(&buf, &request);
	stun_put_algorithm(&buf, STUN_MD5);
	stun_put_algorithms(&buf);
	stun_put_sequence(&buf, 1);
	stun_put_consent(&buf, 1);
	stun_put_padding(&buf, 200, 68);
	stun_put_integrity(&buf, key, sizeof(key));
	stun_put_integrity256(&buf, key, sizeof(key));
	stun_put_fingerprint(&buf);
}

/* With room for any number of bytes: all of the message, or none and not a byte behind. */
START_TEST(test_room)
{
	size_t len = 0;

	for (size_t size = 0; len == 0; size++) {
		ck_assert_uint_lt(size, sizeof(data));
		memset(data, 0x55, sizeof(data));
		buf_init(&buf, data, size);
		put_all();
		len = stun_end(&buf);
		ck_assert_uint_eq(data[size], 0x55);
		ck_assert(len == 0 || len == size);
	}
	ck_assert_int_eq(stun_parse(data, len, &stun), 0);
	ck_assert(stun_verify(&stun, key, sizeof(key)));
}
END_TEST

START_TEST(test_misuse)
{
	static const uint8_t zeros[STUN_MAX + 1];

	begin(STUN_REQUEST);
	stun_put(&buf, STUN_PADDING, zeros, STUN_MAX + 1);
	ck_assert_uint_eq(stun_end(&buf), 0);
	begin(STUN_REQUEST);
	stun_begin(&buf, STUN_REQUEST, tid); /* not at the beginning */
	ck_assert_uint_eq(stun_end(&buf), 0);
	begin(STUN_REQUEST);
	stun_put(&buf, STUN_PADDING, zeros, STUN_MAX - STUN_HEADER - 4 + 1);
	ck_assert(!buf.bad);
	ck_assert_uint_eq(stun_end(&buf), 0); /* there is room, but it is too long */
	for (int i = 0; i < 4; i++) {
		struct endpoint mapped = endpoint("192.0.2.1:5004");

		buf_init(&buf, data, sizeof(data)); /* without stun_begin() */
		if (i == 0)
			stun_put_integrity(&buf, key, sizeof(key));
		if (i == 1)
			stun_put_integrity256(&buf, key, sizeof(key));
		if (i == 2)
			stun_put_fingerprint(&buf);
		if (i == 3)
			stun_put_endpoint(&buf, STUN_XOR_MAPPED_ADDRESS, &mapped);
		ck_assert(buf.bad);
		ck_assert_uint_eq(stun_end(&buf), 0);
	}
}
END_TEST

static Suite *write_suite(void)
{
	Suite *suite = suite_create("stun_write");
	TCase *tcase = tcase_create("stun_write");

	tcase_add_test(tcase, test_types);
	tcase_add_test(tcase, test_texts);
	tcase_add_test(tcase, test_endpoints);
	tcase_add_test(tcase, test_error);
	tcase_add_test(tcase, test_unknown);
	tcase_add_test(tcase, test_algorithms);
	tcase_add_test(tcase, test_punch);
	tcase_add_test(tcase, test_padding);
	tcase_add_test(tcase, test_keys);
	tcase_add_test(tcase, test_integrity);
	tcase_add_test(tcase, test_integrity_stronger);
	tcase_add_test(tcase, test_integrity_truncated);
	tcase_add_test(tcase, test_vector);
	tcase_add_test(tcase, test_room);
	tcase_add_test(tcase, test_misuse);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(write_suite());
}
