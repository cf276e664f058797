/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading: the vectors of RFC 5769 and RFC 8489, and what must be refused. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/stun.h"
#include "tests/stun_text.h"
#include "tests/suite.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define BYTES(text)  (const uint8_t *)(text), sizeof(text) - 1

#define TID5769	 "\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae"
#define PASSWORD "VOkJxbRl1RmTxUk/WvJxBt"
#define MATRIX	 "\xe3\x83\x9e\xe3\x83\x88\xe3\x83\xaa\xe3\x83\x83\xe3\x82\xaf\xe3\x82\xb9"

/* RFC 5769, section 2.1: padded with spaces, and ICE attributes that are not ours. */
static const char request[] =
	"\x00\x01\x00\x58\x21\x12\xa4\x42" TID5769 "\x80\x22\x00\x10STUN test client"
	"\x00\x24\x00\x04\x6e\x00\x01\xff"
	"\x80\x29\x00\x08\x93\x2f\xf9\xb1\x51\x26\x3b\x36"
	"\x00\x06\x00\x09\x65\x76\x74\x6a\x3a\x68\x36\x76\x59\x20\x20\x20"
	"\x00\x08\x00\x14\x9a\xea\xa7\x0c\xbf\xd8\xcb\x56\x78\x1e\xf2\xb5"
	"\xb2\xd3\xf2\x49\xc1\xb5\x71\xa2"
	"\x80\x28\x00\x04\xe5\x7a\x3b\xcf";

/* Section 2.2 */
static const char response4[] =
	"\x01\x01\x00\x3c\x21\x12\xa4\x42" TID5769 "\x80\x22\x00\x0btest vector\x20"
	"\x00\x20\x00\x08\x00\x01\xa1\x47\xe1\x12\xa6\x43"
	"\x00\x08\x00\x14\x2b\x91\xf5\x99\xfd\x9e\x90\xc3\x8c\x74\x89\xf9"
	"\x2a\xf9\xba\x53\xf0\x6b\xe7\xd7"
	"\x80\x28\x00\x04\xc0\x7d\x4c\x96";

/* Section 2.3 */
static const char response6[] =
	"\x01\x01\x00\x48\x21\x12\xa4\x42" TID5769 "\x80\x22\x00\x0btest vector\x20"
	"\x00\x20\x00\x14\x00\x02\xa1\x47\x01\x13\xa9\xfa\xa5\xd3\xf1\x79"
	"\xbc\x25\xf4\xb5\xbe\xd2\xb9\xd9"
	"\x00\x08\x00\x14\xa3\x82\x95\x4e\x4b\xe6\x7b\xf1\x17\x84\xc9\x7c"
	"\x82\x92\xc2\x75\xbf\xe3\xed\x41"
	"\x80\x28\x00\x04\xc8\xfb\x0b\x4c";

#define TID_LONG "\x78\xad\x34\x33\xc6\xad\x72\xc0\x29\xda\x41\x2e"

/* Section 2.4 */
static const char request_long[] =
	"\x00\x01\x00\x60\x21\x12\xa4\x42" TID_LONG "\x00\x06\x00\x12" MATRIX "\x00\x00"
	"\x00\x15\x00\x1c"
	"f//499k954d6OL34oL9FSTvy64sA"
	"\x00\x14\x00\x0b"
	"example.org\x00"
	"\x00\x08\x00\x14\xf6\x70\x24\x65\x6d\xd6\x4a\x3e\x02\xb8\xe0\x71"
	"\x2e\x85\xc9\xa2\x8c\xa8\x96\x66";

/* RFC 8489, appendix B.1, as its erratum corrects it. */
static const char request256[] =
	"\x00\x01\x00\x90\x21\x12\xa4\x42" TID_LONG
	"\x00\x1e\x00\x20\x4a\x3c\xf3\x8f\xef\x69\x92\xbd\xa9\x52\xc6\x78\x04\x17\xda\x0f"
	"\x24\x81\x94\x15\x56\x9e\x60\xb2\x05\xc4\x6e\x41\x40\x7f\x17\x04"
	"\x00\x15\x00\x29obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA\x00\x00\x00"
	"\x00\x14\x00\x0b"
	"example.org\x00"
	"\x00\x1d\x00\x04\x00\x02\x00\x00"
	"\x00\x1c\x00\x20\xb5\xc7\xbf\x00\x5b\x6c\x52\xa2\x1c\x51\xc5\xe8\x92\xf8\x19\x24"
	"\x13\x62\x96\xcb\x92\x7c\x43\x14\x93\x09\x27\x8c\xc6\x51\x8e\x65";

static const struct {
	const uint8_t *data;
	size_t len;
} vectors[] = {{BYTES(request)}, {BYTES(response4)}, {BYTES(response6)}, {BYTES(request_long)},
	{BYTES(request256)}};

static void touch(struct stun_bytes bytes)
{
	for (size_t i = 0; i < bytes.len; i++)
		(void)*(const volatile uint8_t *)(bytes.p + i);
}

/* Parses a copy that has not a byte more than len, so that ASan sees each read behind it. */
static int parse_exact(const uint8_t *data, size_t len, struct stun *out)
{
	uint8_t *copy = malloc(len ? len : 1);
	int ret;

	memcpy(copy, data, len);
	ret = stun_parse(copy, len, out);
	if (ret == 0) {
		touch(out->username);
		touch(out->realm);
		touch(out->nonce);
		touch(out->userhash);
		touch(out->software);
		touch(out->reason);
		touch(out->algorithms);
		stun_verify(out, copy, 4);
	}
	free(copy);
	return ret;
}

static size_t key_long(enum stun_algorithm algorithm, uint8_t key[static STUN_KEY_MAX])
{
	return stun_key(algorithm, (struct stun_bytes){BYTES(MATRIX)},
		(struct stun_bytes){BYTES("example.org")}, "TheMatrIX", key);
}

START_TEST(test_vector_request)
{
	struct stun stun;

	ck_assert_int_eq(stun_parse(BYTES(request), &stun), 0);
	ck_assert_uint_eq(stun.type, STUN_REQUEST);
	ck_assert_mem_eq(stun.tid, TID5769, STUN_TID);
	ck_assert(stun_bytes_equal(stun.username, "evtj:h6vY"));
	ck_assert(stun_bytes_equal(stun.software, "STUN test client"));
	ck_assert(!stun_bytes_equal(stun.realm, ""));
	ck_assert_ptr_null(stun.realm.p);
	ck_assert_uint_eq(stun.unknown_count, 1);
	ck_assert_uint_eq(stun.unknown[0], 0x0024);
	ck_assert(stun_verify(&stun, BYTES(PASSWORD)));
	ck_assert(!stun_verify(&stun, BYTES("VOkJxbRl1RmTxUk/WvJxBT")));
}
END_TEST

START_TEST(test_vector_response)
{
	static const struct {
		const uint8_t *data;
		size_t len;
		const char *mapped;
	} rows[] = {{BYTES(response4), "192.0.2.1:32853"},
		{BYTES(response6), "[2001:db8:1234:5678:11:2233:4455:6677]:32853"}};
	char text[ENDPOINT_TEXT];
	struct stun stun;

	for (size_t i = 0; i < COUNT(rows); i++) {
		ck_assert_int_eq(stun_parse(rows[i].data, rows[i].len, &stun), 0);
		ck_assert_uint_eq(stun.type, STUN_SUCCESS);
		ck_assert(stun_bytes_equal(stun.software, "test vector"));
		ck_assert_str_eq(endpoint_format(&stun.mapped, text), rows[i].mapped);
		ck_assert_uint_eq(stun.unknown_count, 0);
		ck_assert(stun_verify(&stun, BYTES(PASSWORD)));
	}
}
END_TEST

START_TEST(test_vector_long)
{
	uint8_t key[STUN_KEY_MAX];
	struct stun stun;

	ck_assert_int_eq(stun_parse(BYTES(request_long), &stun), 0);
	ck_assert(stun_bytes_equal(stun.username, MATRIX));
	ck_assert(stun_bytes_equal(stun.realm, "example.org"));
	ck_assert(stun_bytes_equal(stun.nonce, "f//499k954d6OL34oL9FSTvy64sA"));
	ck_assert(stun_verify(&stun, key, key_long(STUN_MD5, key)));
	ck_assert(!stun_verify(&stun, key, key_long(STUN_SHA256, key)));
}
END_TEST

START_TEST(test_vector_sha256)
{
	uint8_t key[STUN_KEY_MAX];
	struct stun stun;

	ck_assert_int_eq(stun_parse(BYTES(request256), &stun), 0);
	ck_assert_uint_eq(stun.userhash.len, 32);
	ck_assert_uint_eq(stun.algorithm, STUN_SHA256);
	ck_assert_uint_eq(stun.integrity, 0);
	ck_assert_uint_eq(stun.integrity256_len, 32);
	ck_assert(stun_verify(&stun, key, key_long(STUN_SHA256, key)));
	ck_assert(!stun_verify(&stun, key, key_long(STUN_MD5, key)));
}
END_TEST

/* Cut at every length, with the header's length as it was and as it then should be. */
START_TEST(test_truncated)
{
	uint8_t data[256];
	struct stun stun;

	for (size_t len = 0; len < vectors[_i].len; len++) {
		memcpy(data, vectors[_i].data, len);
		ck_assert_int_eq(parse_exact(data, len, &stun), -EPROTO);
		if (len < STUN_HEADER)
			continue;
		data[2] = 0;
		data[3] = (uint8_t)(len - STUN_HEADER);
		if (len % 4 != 0)
			ck_assert_int_eq(parse_exact(data, len, &stun), -EPROTO);
		else
			parse_exact(data, len, &stun);
	}
}
END_TEST

/* FINGERPRINT covers all; without one the integrity covers all, being last. */
START_TEST(test_bits)
{
	const uint8_t *vector = vectors[_i].data;
	size_t len = vectors[_i].len, key_len = sizeof(PASSWORD) - 1;
	uint8_t key[STUN_KEY_MAX], data[256];
	struct stun stun;

	memcpy(key, PASSWORD, key_len);
	if (vector == (const uint8_t *)request_long)
		key_len = key_long(STUN_MD5, key);
	if (vector == (const uint8_t *)request256)
		key_len = key_long(STUN_SHA256, key);
	ck_assert_int_eq(stun_parse(vector, len, &stun), 0);
	if (stun.integrity + 24u == len - 8)
		len -= 8;
	for (size_t bit = 0; bit < 8 * len; bit++) {
		memcpy(data, vector, vectors[_i].len);
		data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		if (parse_exact(data, vectors[_i].len, &stun) < 0)
			continue;
		ck_assert_int_eq(stun_parse(data, vectors[_i].len, &stun), 0);
		ck_assert_msg(!stun_verify(&stun, key, key_len), "bit %zu", bit);
	}
}
END_TEST

START_TEST(test_is)
{
	uint8_t data[STUN_HEADER] = {0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42};
	struct stun stun;

	ck_assert(stun_is(data, sizeof(data)));
	ck_assert(!stun_is(data, sizeof(data) - 1));
	ck_assert_int_eq(stun_parse(data, sizeof(data), &stun), 0);
	data[3] = 4; /* it is STUN, but cut short */
	ck_assert(stun_is(data, sizeof(data)));
	ck_assert_int_eq(stun_parse(data, sizeof(data), &stun), -EPROTO);
	data[3] = 2;
	ck_assert(!stun_is(data, sizeof(data)));
	data[3] = 0;
	data[0] = 0x80; /* RTP */
	ck_assert(!stun_is(data, sizeof(data)));
	data[0] = 0x40; /* TURN's channels */
	ck_assert(!stun_is(data, sizeof(data)));
	data[0] = 0;
	data[7] = 0x43;
	ck_assert(!stun_is(data, sizeof(data)));
}
END_TEST

START_TEST(test_size)
{
	static uint8_t data[STUN_MAX + 4] = {0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42};
	struct stun stun;
	struct buf buf;

	buf_init(&buf, data, sizeof(data));
	buf.at = STUN_HEADER;
	stun_put_padding(&buf, STUN_MAX, 0);
	ck_assert_uint_eq(stun_end(&buf), STUN_MAX);
	ck_assert_int_eq(parse_exact(data, STUN_MAX, &stun), 0);
	ck_assert_int_eq(parse_exact(data, STUN_MAX + 4, &stun), -EMSGSIZE);
	data[0] = 0x80;
	ck_assert_int_eq(parse_exact(data, STUN_MAX + 4, &stun), -EPROTO);
}
END_TEST

static Suite *stun_suite(void)
{
	Suite *suite = suite_create("stun");
	TCase *tcase = tcase_create("stun");

	tcase_add_test(tcase, test_vector_request);
	tcase_add_test(tcase, test_vector_response);
	tcase_add_test(tcase, test_vector_long);
	tcase_add_test(tcase, test_vector_sha256);
	tcase_add_loop_test(tcase, test_truncated, 0, COUNT(vectors));
	tcase_add_loop_test(tcase, test_bits, 0, COUNT(vectors));
	tcase_add_test(tcase, test_is);
	tcase_add_test(tcase, test_size);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(stun_suite());
}
