/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/ctl.h"
#include "tests/suite.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define LINE_SIZE    ((size_t)CTL_LINE_MAX)

static struct ctl_reader reader;
static char text[256];

static void setup(void)
{
	ctl_reader_init(&reader, LINE_SIZE);
}

static void teardown(void)
{
	ctl_reader_fini(&reader);
}

static int feed(const char *data)
{
	return ctl_reader_feed(&reader, data, strlen(data));
}

/* The next object's "n". */
static json_int_t next(void)
{
	json_int_t value;
	json_t *object;

	ck_assert_int_eq(ctl_reader_next(&reader, &object, text, sizeof(text)), 0);
	value = json_integer_value(json_object_get(object, "n"));
	json_decref(object);
	return value;
}

static int next_error(void)
{
	json_t *object = NULL;
	int ret = ctl_reader_next(&reader, &object, text, sizeof(text));

	ck_assert_ptr_null(object);
	return ret;
}

START_TEST(test_one)
{
	ck_assert_int_eq(next_error(), -EAGAIN);
	ck_assert_int_eq(feed("{\"n\":1}\n"), 0);
	ck_assert_int_eq(next(), 1);
	ck_assert_int_eq(next_error(), -EAGAIN);
	ck_assert_int_eq(feed(""), 0);
	ck_assert_int_eq(next_error(), -EAGAIN);
}
END_TEST

START_TEST(test_split)
{
	static const char line[] = "{\"n\": 1, \"text\": \"a\\nb\"}\r\n{\"n\":2}\n";
	size_t first = (size_t)(strchr(line, '\n') - line);

	for (size_t i = 0; line[i] != '\0'; i++) {
		ck_assert_int_eq(ctl_reader_feed(&reader, line + i, 1), 0);
		if (i == first)
			ck_assert_int_eq(next(), 1);
		else if (i == sizeof(line) - 2)
			ck_assert_int_eq(next(), 2);
		else
			ck_assert_int_eq(next_error(), -EAGAIN);
	}
}
END_TEST

START_TEST(test_several)
{
	ck_assert_int_eq(feed("{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n{\"n\""), 0);
	ck_assert_int_eq(next(), 1);
	ck_assert_int_eq(next(), 2);
	ck_assert_int_eq(feed(":4}\n{\"n\":5"), 0);
	ck_assert_int_eq(next(), 3);
	ck_assert_int_eq(next(), 4);
	ck_assert_int_eq(next_error(), -EAGAIN);
	ck_assert_int_eq(feed("}\n"), 0);
	ck_assert_int_eq(next(), 5);
	ck_assert_int_eq(next_error(), -EAGAIN);
}
END_TEST

/* Each is refused, with a word why, and the line behind it is read. */
START_TEST(test_garbage)
{
	static const char *const lines[] = {"", " ", "\r", "nonsense", "{", "{\"n\":1", "[1]", "1",
		"null", "\"text\"", "{\"n\":1}{\"n\":2}", "{\"n\":1} x", "{\"n\":1,\"n\":2}",
		"{\"n\":\"\\u0000\"}", "{\"n\":\"\xff\"}", "{'n':1}", "{\"n\":1,}"};

	for (size_t i = 0; i < COUNT(lines); i++) {
		ck_assert_int_eq(feed(lines[i]), 0);
		ck_assert_int_eq(feed("\n{\"n\":7}\n"), 0);
		text[0] = '\0';
		ck_assert_msg(next_error() == -EINVAL, "%s", lines[i]);
		ck_assert_str_ne(text, "");
		ck_assert_int_eq(next(), 7);
	}
}
END_TEST

START_TEST(test_nul)
{
	ck_assert_int_eq(ctl_reader_feed(&reader, "{\"n\":1}\0{}\n", 11), 0);
	ck_assert_int_eq(next_error(), -EINVAL);
}
END_TEST

/* Deeper than the parser goes, but it returns. */
START_TEST(test_deep)
{
	static char line[LINE_SIZE + 1];

	memset(line, '[', LINE_SIZE);
	line[LINE_SIZE] = '\n';
	ck_assert_int_eq(ctl_reader_feed(&reader, line, sizeof(line)), 0);
	ck_assert_int_eq(next_error(), -EINVAL);
}
END_TEST

START_TEST(test_small_text)
{
	char small[4] = "xxx";
	json_t *object;

	ck_assert_int_eq(feed("nonsense\n[]\n"), 0);
	ck_assert_int_eq(ctl_reader_next(&reader, &object, small, sizeof(small)), -EINVAL);
	ck_assert_uint_eq(strlen(small), 3);
	ck_assert_int_eq(ctl_reader_next(&reader, &object, NULL, 0), -EINVAL);
}
END_TEST

/* The limit is that of a line without its newline, however it arrives. */
START_TEST(test_too_long)
{
	ctl_reader_init(&reader, 8);
	ck_assert_int_eq(feed("{\"n\":12}\n"), 0);
	ck_assert_int_eq(next(), 12);
	ck_assert_int_eq(feed("{\"n\":123}\n"), -EMSGSIZE);
	ck_assert_int_eq(feed("{\"n\":123"), 0);
	ck_assert_int_eq(feed("}"), -EMSGSIZE);
	ck_assert_int_eq(feed("}\n"), -EMSGSIZE);
	ctl_reader_fini(&reader);

	ctl_reader_init(&reader, 8);
	ck_assert_int_eq(feed("{\"n\":1}\n{\"n\":2}\n{\"n\""), 0);
	ck_assert_int_eq(feed(":34}\n{\"n\":567}\n"), -EMSGSIZE);
	ck_assert_int_eq(next(), 1);
	ck_assert_int_eq(feed(":34}\n{\"n\":5"), 0);
	ck_assert_int_eq(next(), 2);
	ck_assert_int_eq(next(), 34);
	ck_assert_int_eq(feed("}\n"), 0);
	ck_assert_int_eq(next(), 5);
}
END_TEST

START_TEST(test_endless)
{
	static char data[4096];
	size_t fed = 0;

	memset(data, ' ', sizeof(data));
	while (ctl_reader_feed(&reader, data, sizeof(data)) == 0)
		fed += sizeof(data);
	ck_assert_uint_eq(fed, LINE_SIZE);
	ck_assert_uint_le(reader.size, 2 * LINE_SIZE);
	ck_assert_int_eq(next_error(), -EAGAIN);
}
END_TEST

/* Memory does not grow when what is fed is taken. */
START_TEST(test_steady)
{
	for (int i = 0; i < 100000; i++) {
		ck_assert_int_eq(feed("{\"n\":9}\n{\"n\":"), 0);
		ck_assert_int_eq(next(), 9);
		ck_assert_int_eq(feed("8}\n"), 0);
		ck_assert_int_eq(next(), 8);
	}
	ck_assert_uint_le(reader.size, 4096);
}
END_TEST

START_TEST(test_format)
{
	json_t *object = json_pack("{s:s}", "name", "two\nlines \xc3\xa4"), *again;
	size_t len = 0;
	char *line = ctl_format(object, &len);

	ck_assert_str_eq(line, "{\"name\":\"two\\nlines \xc3\xa4\"}\n");
	ck_assert_uint_eq(len, strlen(line));
	ck_assert_int_eq(feed(line), 0);
	ck_assert_int_eq(ctl_reader_next(&reader, &again, text, sizeof(text)), 0);
	ck_assert(json_equal(object, again));
	json_decref(again);
	json_decref(object);
	free(line);
}
END_TEST

static void check_error(json_t *object, const char *expected)
{
	ck_assert_ptr_nonnull(object);
	ck_assert(json_is_false(json_object_get(object, "ok")));
	ck_assert_str_eq(json_string_value(json_object_get(object, "error")), expected);
	ck_assert_uint_eq(json_object_size(object), 2);
	json_decref(object);
}

START_TEST(test_error)
{
	static char longest[4096];
	json_t *object;

	check_error(ctl_error("no stream %s (%d)", "camera", 3), "no stream camera (3)");
	check_error(ctl_error("%s", "\xc3\xa4"), "\xc3\xa4");
	check_error(ctl_error("bad \"%s\"", "\xc3\xa4\xff"), "bad \"???\"");
	for (size_t i = 0; i + 1 < sizeof(longest); i++)
		longest[i] = "\xc3\xa4"[i % 2];
	for (int shift = 0; shift < 2; shift++) {
		object = ctl_error("%s%s", shift ? "x" : "", longest); /* cut within a character */
		ck_assert_ptr_nonnull(object);
		ck_assert_uint_gt(json_string_length(json_object_get(object, "error")), 100);
		json_decref(object);
	}
}
END_TEST

static Suite *ctl_suite(void)
{
	Suite *suite = suite_create("ctl");
	TCase *tcase = tcase_create("ctl");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_one);
	tcase_add_test(tcase, test_split);
	tcase_add_test(tcase, test_several);
	tcase_add_test(tcase, test_garbage);
	tcase_add_test(tcase, test_nul);
	tcase_add_test(tcase, test_deep);
	tcase_add_test(tcase, test_small_text);
	tcase_add_test(tcase, test_too_long);
	tcase_add_test(tcase, test_endless);
	tcase_add_test(tcase, test_steady);
	tcase_add_test(tcase, test_format);
	tcase_add_test(tcase, test_error);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(ctl_suite());
}
