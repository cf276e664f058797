/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "common/mac.h"
#include "tests/suite.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* An output as hexadecimal text. */
static const char *hex(const uint8_t *data, size_t len)
{
	static char text[2 * MAC_SHA256 + 1];

	for (size_t i = 0; i < len; i++) {
		text[2 * i] = "0123456789abcdef"[data[i] >> 4];
		text[2 * i + 1] = "0123456789abcdef"[data[i] & 15];
	}
	text[2 * len] = '\0';
	return text;
}

START_TEST(test_md5)
{
	const struct mac_part parts[] = {
		{"user", 4}, {":", 1}, {"", 0}, {"realm:", 6}, {NULL, 0}, {"pass", 4}};
	uint8_t out[MAC_MD5];

	mac_md5(parts, COUNT(parts), out);
	ck_assert_str_eq(hex(out, sizeof(out)), "8493fbc53ba582fb4c044c456bdc40eb");
	mac_md5(NULL, 0, out);
	ck_assert_str_eq(hex(out, sizeof(out)), "d41d8cd98f00b204e9800998ecf8427e");
}
END_TEST

START_TEST(test_sha256)
{
	const struct mac_part parts[] = {{"a", 1}, {"bc", 2}};
	uint8_t out[MAC_SHA256];

	mac_sha256(parts, COUNT(parts), out);
	ck_assert_str_eq(hex(out, sizeof(out)),
		"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}
END_TEST

/* One of RFC 2202, section 3, or of RFC 4231, section 4: a text, or a byte and how often. */
struct vector {
	const char *key;
	unsigned int key_byte, key_len;
	const char *data;
	unsigned int data_byte, data_len;
	const char *mac;
};

static const char key25[] = "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10"
			    "\x11\x12\x13\x14\x15\x16\x17\x18\x19";
static const char larger_key[] = "Test Using Larger Than Block-Size Key - Hash Key First";
static const char larger_both[] = "Test Using Larger Than Block-Size Key and Larger Than One "
				  "Block-Size Data";
static const char larger_both256[] =
	"This is a test using a larger than block-size key and a larger than block-size data. "
	"The key needs to be hashed before being used by the HMAC algorithm.";

static const struct vector vectors_sha1[] = {
	{NULL, 0x0b, 20, "Hi There", 0, 8, "b617318655057264e28bc0b6fb378c8ef146be00"},
	{"Jefe", 0, 4, "what do ya want for nothing?", 0, 28,
		"effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"},
	{NULL, 0xaa, 20, NULL, 0xdd, 50, "125d7342b9ac11cd91a39af48aa17b4f63f175d3"},
	{key25, 0, 25, NULL, 0xcd, 50, "4c9007f4026250c6bc8414f9bf50c86c2d7235da"},
	{NULL, 0x0c, 20, "Test With Truncation", 0, 20, "4c1a03424b55e07fe7f27be1d58bb9324a9a5a04"},
	{NULL, 0xaa, 80, larger_key, 0, sizeof(larger_key) - 1,
		"aa4ae5e15272d00e95705637ce8a3b55ed402112"},
	{NULL, 0xaa, 80, larger_both, 0, sizeof(larger_both) - 1,
		"e8e99d0f45237d786d6bbaa7965c7808bbff1a91"},
};

static const struct vector vectors_sha256[] = {
	{NULL, 0x0b, 20, "Hi There", 0, 8,
		"b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
	{"Jefe", 0, 4, "what do ya want for nothing?", 0, 28,
		"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
	{NULL, 0xaa, 20, NULL, 0xdd, 50,
		"773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
	{key25, 0, 25, NULL, 0xcd, 50,
		"82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
	{NULL, 0xaa, 131, larger_key, 0, sizeof(larger_key) - 1,
		"60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
	{NULL, 0xaa, 131, larger_both256, 0, sizeof(larger_both256) - 1,
		"9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
};

static void vector_expand(const char *text, unsigned int byte, size_t len, uint8_t out[static 160])
{
	ck_assert_uint_le(len, 160);
	if (text)
		memcpy(out, text, len);
	else
		memset(out, (int)byte, len);
}

/* The data in two parts, the first of them i bytes long, for all i: the result is the same. */
static void vector_check(const struct vector *vector, bool sha256)
{
	uint8_t key[160], data[160], out[MAC_SHA256];

	vector_expand(vector->key, vector->key_byte, vector->key_len, key);
	vector_expand(vector->data, vector->data_byte, vector->data_len, data);
	for (size_t i = 0; i <= vector->data_len; i++) {
		const struct mac_part parts[] = {{data, i}, {data + i, vector->data_len - i}};

		if (sha256)
			mac_hmac_sha256(key, vector->key_len, parts, 2, out);
		else
			mac_hmac_sha1(key, vector->key_len, parts, 2, out);
		ck_assert_str_eq(hex(out, sha256 ? MAC_SHA256 : MAC_SHA1), vector->mac);
	}
}

START_TEST(test_hmac_sha1)
{
	vector_check(&vectors_sha1[_i], false);
}
END_TEST

START_TEST(test_hmac_sha256)
{
	vector_check(&vectors_sha256[_i], true);
}
END_TEST

START_TEST(test_equal_wipe)
{
	char a[] = "0123456789", b[] = "0123456789";

	ck_assert(mac_equal(a, b, 10));
	ck_assert(mac_equal(a, b, 0));
	b[9] = 'x';
	ck_assert(!mac_equal(a, b, 10));
	ck_assert(mac_equal(a, b, 9));
	mac_wipe(a, 9);
	ck_assert_mem_eq(a,
		"\0\0\0\0\0\0\0\0\0"
		"9",
		11);
}
END_TEST

START_TEST(test_random)
{
	static uint8_t a[1024], b[1024];

	mac_random(a, sizeof(a));
	mac_random(b, sizeof(b));
	ck_assert_mem_ne(a, b, sizeof(a));
	ck_assert_mem_ne(a + sizeof(a) - 16, b + sizeof(b) - 16, 16);
}
END_TEST

START_TEST(test_key_make)
{
	char a[MAC_KEY_TEXT], b[MAC_KEY_TEXT];

	mac_key_make(a);
	mac_key_make(b);
	ck_assert_uint_eq(strlen(a), MAC_KEY_TEXT - 1);
	ck_assert(mac_key_valid(a));
	ck_assert_str_ne(a, b);
}
END_TEST

#define A64 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

START_TEST(test_key_valid)
{
	static const char *const good[] = {
		"AAAAAAAAAAAAAAAAAAAAAA==", /* 16 bytes */
		"/+/+/+/+/+/+/+/+/+/+/+/+", /* 18 bytes */
		(A64 A64),		    /* the longest */
	};
	static const char *const bad[] = {
		"",
		"AAAAAAAAAAAAAAAAAAAA",	     /* 15 bytes */
		"AAAAAAAAAAAAAAAAAAAAAA",    /* no padding */
		"AAAAAAAAAAAAAAAAAAAAAA=",   /* half of it */
		"AAAAAAAAAAAAAAAAAAAAAA===", /* too much of it */
		"AAAAAAAAAAAAAAAAAAAAAAAAA===",
		"AAAAAAAAAAAAAAAAAAAAAB==", /* stray bits */
		"AAAAAAAAAAAAAAAAAAAAAA==AAAA",
		"AAAAAAAAAAAA AAAAAAAAAA==",
		"AAAAAAAAAAAAAAAAAAAAAA==\n",
		"__--__--__--__--__--__--",
		"correct horse battery staple",
		(A64 A64 "AAAA"),
	};

	for (size_t i = 0; i < COUNT(good); i++)
		ck_assert_msg(mac_key_valid(good[i]), "%s", good[i]);
	for (size_t i = 0; i < COUNT(bad); i++)
		ck_assert_msg(!mac_key_valid(bad[i]), "%s", bad[i]);
}
END_TEST

/* RFC 4648, section 10, without padding; and the two characters of section 5. */
START_TEST(test_base64url)
{
	static const struct {
		const char *data, *text;
	} rows[] = {{"", ""}, {"f", "Zg"}, {"fo", "Zm8"}, {"foo", "Zm9v"}, {"foob", "Zm9vYg"},
		{"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff\xbf", "-_-_"}};
	size_t size, len;
	char text[16];
	uint8_t data[16];

	for (size_t i = 0; i < COUNT(rows); i++) {
		size = strlen(rows[i].text);
		ck_assert_uint_eq(
			mac_base64url(rows[i].data, strlen(rows[i].data), text, size + 1), size);
		ck_assert_str_eq(text, rows[i].text);
		len = 99;
		ck_assert_int_eq(
			mac_base64url_decode(text, size, data, strlen(rows[i].data), &len), 0);
		ck_assert_uint_eq(len, strlen(rows[i].data));
		ck_assert_mem_eq(data, rows[i].data, len);
	}
}
END_TEST

START_TEST(test_base64url_small)
{
	size_t len = 99;
	char text[8] = "xxxxxxx";
	uint8_t data[3] = {1, 2, 3};

	ck_assert_uint_eq(mac_base64url("foobar", 6, text, 8), 0);
	ck_assert_str_eq(text, "");
	ck_assert_uint_eq(mac_base64url("foo", 3, text, 4), 0);
	ck_assert_uint_eq(mac_base64url("foo", 3, text, 0), 0);
	ck_assert_int_eq(mac_base64url_decode("Zm9vYg", 6, data, 3, &len), -EINVAL);
	ck_assert_uint_eq(len, 99);
}
END_TEST

START_TEST(test_base64url_bad)
{
	static const char *const texts[] = {"Z", "A", "AAAAA", "Zm9vY", "Zh", "Zm9",
		"Zg==", "Zm8=", "Zm9v=", "Zm 9v", "Zm9v\n", "+/+/", "\xff\xff"};
	uint8_t data[16];
	size_t len;

	for (size_t i = 0; i < COUNT(texts); i++)
		ck_assert_msg(mac_base64url_decode(texts[i], strlen(texts[i]), data, sizeof(data),
				      &len) == -EINVAL,
			"%s", texts[i]);
	ck_assert_int_eq(mac_base64url_decode("Zm\0v", 4, data, sizeof(data), &len), -EINVAL);
}
END_TEST

static Suite *mac_suite(void)
{
	Suite *suite = suite_create("mac");
	TCase *tcase = tcase_create("mac");

	tcase_add_test(tcase, test_md5);
	tcase_add_test(tcase, test_sha256);
	tcase_add_loop_test(tcase, test_hmac_sha1, 0, COUNT(vectors_sha1));
	tcase_add_loop_test(tcase, test_hmac_sha256, 0, COUNT(vectors_sha256));
	tcase_add_test(tcase, test_equal_wipe);
	tcase_add_test(tcase, test_random);
	tcase_add_test(tcase, test_key_make);
	tcase_add_test(tcase, test_key_valid);
	tcase_add_test(tcase, test_base64url);
	tcase_add_test(tcase, test_base64url_small);
	tcase_add_test(tcase, test_base64url_bad);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(mac_suite());
}
