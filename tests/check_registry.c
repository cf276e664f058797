/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the registry keeps: streams, and their numbers. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/registry_bed.h"
#include "tests/suite.h"

START_TEST(test_store)
{
	struct spec plain = make("plain"), full = make("Full.1_x-y");
	char error[REGISTRY_ERROR], why[SPEC_WHY];
	struct registry *registry = open_good();
	struct list list;

	ck_assert_int_eq(spec_set_listen(&full, "1-3,7,65535", why), 0);
	ck_assert_int_eq(spec_set_source(&full, "2001:db8::/32", why), 0);
	ck_assert_int_eq(spec_set_clients(&full, "192.0.2.0/24", why), 0);
	ck_assert_int_eq(spec_set_rate(&full, 10000000000, why), 0);
	ck_assert_int_eq(spec_set_quota(&full, "50G/month", why), 0);
	ck_assert_int_eq(spec_set_raw_punch(&full, 9000, why), 0);
	ck_assert_int_eq(registry_add(registry, &plain, 0, error), 0);
	ck_assert_int_eq(registry_add(registry, &full, 4102444800, error), 0);
	registry_close(registry);
	registry = open_good();
	list = list_all(registry);
	ck_assert_uint_eq(list.count, 2);
	ck_assert(spec_equal(&list.specs[0], &full));
	ck_assert_int_eq(list.expires[0], 4102444800);
	ck_assert(spec_equal(&list.specs[1], &plain));
	ck_assert_int_eq(list.expires[1], 0);
	registry_close(registry);
	registry_close(NULL);
}
END_TEST

/* It outlives the connection, belongs to any stream with a number, and is none of who is added. */
START_TEST(test_used)
{
	struct registry *registry = open_good();
	char error[REGISTRY_ERROR];
	struct spec spec = make("a");
	uint64_t used;
	uint32_t number;
	int64_t since;

	ck_assert_int_eq(registry_used(registry, "a", &used, &since), -ENOENT);
	ck_assert_int_eq(registry_number(registry, &spec, &number, error), 0);
	ck_assert_int_eq(registry_used(registry, "a", &used, &since), 0);
	ck_assert_uint_eq(used, 0);
	ck_assert_int_eq(since, 0);
	ck_assert_int_eq(registry_use(registry, "a", 1ULL << 60, 1793491200, error), 0);
	registry_close(registry);
	registry = open_good();
	ck_assert_int_eq(registry_used(registry, "a", &used, &since), 0);
	ck_assert_uint_eq(used, 1ULL << 60);
	ck_assert_int_eq(since, 1793491200);
	/* Another key makes another number, and renews nothing. */
	number_with_key(registry, "a", OTHER_KEY);
	ck_assert_int_eq(registry_used(registry, "a", &used, &since), 0);
	ck_assert_uint_eq(used, 1ULL << 60);
	ck_assert_int_eq(registry_add(registry, &spec, 0, error), 0);
	ck_assert_int_eq(registry_used(registry, "a", &used, &since), 0);
	ck_assert_uint_eq(used, 0);
	registry_close(registry);
}
END_TEST

START_TEST(test_taken)
{
	struct registry *registry = open_good();
	char error[REGISTRY_ERROR];
	struct spec spec = make("a");

	add_good(registry, "a");
	spec.rate = 5000;
	ck_assert_int_eq(registry_add(registry, &spec, 1, error), -EEXIST);
	ck_assert_ptr_nonnull(strstr(error, "\"a\" is taken; "));
	ck_assert_uint_eq(list_all(registry).count, 1);
	ck_assert_uint_eq(list_all(registry).specs[0].rate, 0);
	/* It goes on as if nothing had been. */
	add_good(registry, "b");
	registry_close(registry);
}
END_TEST

START_TEST(test_remove)
{
	struct registry *registry = open_good();
	char error[REGISTRY_ERROR];
	uint32_t number;

	ck_assert_int_eq(registry_remove(registry, "a", error), -ENOENT);
	ck_assert_ptr_nonnull(strstr(error, "\"a\" has been added; "));
	add_good(registry, "a");
	number = number_of(registry, "a");
	ck_assert_int_eq(registry_remove(registry, "a", error), 0);
	ck_assert_int_eq(registry_remove(registry, "a", error), -ENOENT);
	ck_assert_int_eq(registry_remove(registry, "a' OR '1'='1", error), -ENOENT);
	ck_assert_uint_eq(list_all(registry).count, 0);
	/* Its flows are still in the kernel. */
	ck_assert_uint_eq(number_of(registry, "a"), number);
	registry_close(registry);
}
END_TEST

static int stop_at_two(void *data, const struct spec *spec, int64_t expires)
{
	int *count = data;

	(void)spec;
	(void)expires;
	return ++*count == 2 ? -ECANCELED : 0;
}

static int remove_it(void *data, const struct spec *spec, int64_t expires)
{
	char error[REGISTRY_ERROR];

	(void)expires;
	return registry_remove(data, spec->name, error);
}

START_TEST(test_each)
{
	struct registry *registry = open_good();
	struct list list;
	int count = 0;

	add_good(registry, "c");
	add_good(registry, "a");
	add_good(registry, "b");
	list = list_all(registry);
	ck_assert_str_eq(list.specs[0].name, "a");
	ck_assert_str_eq(list.specs[1].name, "b");
	ck_assert_str_eq(list.specs[2].name, "c");
	ck_assert_int_eq(registry_each(registry, stop_at_two, &count), -ECANCELED);
	ck_assert_int_eq(count, 2);
	/* As streams do whose time is over. */
	ck_assert_int_eq(registry_each(registry, remove_it, registry), 0);
	ck_assert_uint_eq(list_all(registry).count, 0);
	registry_close(registry);
}
END_TEST

START_TEST(test_number)
{
	static const char *const keep[] = {"b", "never-heard-of"};
	struct registry *registry = open_good();
	uint32_t a = number_of(registry, "a"), b = number_of(registry, "b"), c;

	ck_assert_uint_ne(a, b);
	add_good(registry, "c");
	c = number_of(registry, "c");
	ck_assert_uint_ne(c, a);
	ck_assert_uint_ne(c, b);
	registry_close(registry);
	registry = open_good();
	ck_assert_uint_eq(number_of(registry, "a"), a);
	ck_assert_int_eq(registry_forget(registry, keep, COUNT(keep)), 0);
	ck_assert_uint_eq(number_of(registry, "b"), b);
	ck_assert_uint_eq(number_of(registry, "c"), c);
	/* Its old number rests. */
	ck_assert_uint_gt(number_of(registry, "a"), c);
	/* Even if it was the highest. */
	ck_assert_int_eq(registry_forget(registry, keep, COUNT(keep)), 0);
	ck_assert_uint_eq(number_of(registry, "d"), 5);
	/* Nothing is kept from one call to the next. */
	ck_assert_int_eq(registry_forget(registry, NULL, 0), 0);
	ck_assert_uint_eq(number_of(registry, "c"), c);
	ck_assert_uint_eq(number_of(registry, "b"), 6);
	registry_close(registry);
}
END_TEST

/* With another key it is another one, also after a death. */
START_TEST(test_number_key)
{
	struct registry *registry = open_good();
	uint32_t a = number_of(registry, "a"), b = number_of(registry, "b");
	uint32_t changed = number_with_key(registry, "a", OTHER_KEY);

	ck_assert_uint_gt(changed, b);
	registry_close(registry);
	registry = open_good();
	ck_assert_uint_eq(number_with_key(registry, "a", OTHER_KEY), changed);
	ck_assert_uint_eq(number_of(registry, "b"), b);
	/* Nor is it what it was when the key comes back, */
	ck_assert_uint_gt(number_of(registry, "a"), changed);
	/* or when all numbers have been given out. */
	execute("UPDATE last SET number = 0xffffff");
	ck_assert_uint_eq(number_with_key(registry, "b", OTHER_KEY), a);
	ck_assert_uint_eq(number_of(registry, "b"), b);
	registry_close(registry);
}
END_TEST

/* When all have been given out once, the lowest free one is next. */
START_TEST(test_number_full)
{
	struct registry *registry = open_good();

	ck_assert_uint_eq(number_of(registry, "a"), 1);
	ck_assert_uint_eq(number_of(registry, "b"), 2);
	ck_assert_uint_eq(number_of(registry, "c"), 3);
	execute("UPDATE last SET number = 0xfffffe; DELETE FROM number WHERE name = 'b'");
	ck_assert_uint_eq(number_of(registry, "d"), LAST);
	ck_assert_uint_eq(number_of(registry, "e"), 2);
	ck_assert_uint_eq(number_of(registry, "f"), 4);
	execute("DELETE FROM number WHERE number = 1");
	ck_assert_uint_eq(number_of(registry, "g"), 1);
	registry_close(registry);
}
END_TEST

/* The number comes with the stream or not at all. */
START_TEST(test_add_numbers)
{
	struct registry *registry = open_good();
	struct spec spec = make("b");
	char error[REGISTRY_ERROR];

	add_good(registry, "a");
	ck_assert_int_eq(registry_add(registry, &(struct spec){.name = "a"}, 0, error), -EEXIST);
	execute("CREATE TRIGGER t BEFORE INSERT ON number BEGIN SELECT RAISE(ABORT, 'no'); END");
	ck_assert_int_lt(registry_add(registry, &spec, 0, error), 0);
	ck_assert_uint_eq(list_all(registry).count, 1);
	execute("DROP TRIGGER t");
	add_good(registry, "b");
	ck_assert_uint_eq(number_of(registry, "b"), 2);
	registry_close(registry);
}
END_TEST

START_TEST(test_mode)
{
	mode_t mask = umask(0);
	struct registry *registry = open_good();
	char wal[80];
	struct stat st;

	add_good(registry, "a");
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	snprintf(wal, sizeof(wal), "%s-wal", path);
	ck_assert_int_eq(stat(wal, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	registry_close(registry);
	umask(mask);
}
END_TEST

static Suite *registry_suite(void)
{
	Suite *suite = suite_create("registry");
	TCase *tcase = tcase_create("registry");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, test_store);
	tcase_add_test(tcase, test_used);
	tcase_add_test(tcase, test_taken);
	tcase_add_test(tcase, test_remove);
	tcase_add_test(tcase, test_each);
	tcase_add_test(tcase, test_number);
	tcase_add_test(tcase, test_number_key);
	tcase_add_test(tcase, test_number_full);
	tcase_add_test(tcase, test_add_numbers);
	tcase_add_test(tcase, test_mode);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(registry_suite());
}
