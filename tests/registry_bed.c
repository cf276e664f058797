/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/registry_bed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

char dir[] = "/tmp/check_registry.XXXXXX";
char path[64];

void set_up(void)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/streams.db", dir);
}

void tear_down(void)
{
	static const char *const ends[] = {"", "-wal", "-shm", "-journal"};
	char name[80];

	for (size_t i = 0; i < COUNT(ends); i++) {
		snprintf(name, sizeof(name), "%s%s", path, ends[i]);
		unlink(name);
	}
	ck_assert_int_eq(rmdir(dir), 0);
}

struct registry *open_good(void)
{
	char error[REGISTRY_ERROR] = "";
	struct registry *registry = NULL;
	int ret = registry_open(path, &registry, error);

	ck_assert_msg(ret == 0, "%d: %s", ret, error);
	return registry;
}

void assert_sentence(const char *error, const char *part)
{
	ck_assert_msg(strstr(error, path) == error, "\"%s\" does not begin with the path", error);
	ck_assert_msg(strstr(error, part) != NULL, "\"%s\" does not say \"%s\"", error, part);
	ck_assert_msg(strstr(error, "; ") != NULL, "\"%s\" does not help", error);
	ck_assert_ptr_null(strchr(error, '\n'));
}

void open_bad(int expected, const char *part)
{
	char error[REGISTRY_ERROR] = "";
	struct registry *registry = NULL;
	int ret = registry_open(path, &registry, error);

	ck_assert_msg(ret == expected, "%d instead of %d: %s", ret, expected, error);
	ck_assert_ptr_null(registry);
	assert_sentence(error, part);
}

struct spec make(const char *name)
{
	char why[SPEC_WHY];
	struct spec spec;

	ck_assert_int_eq(spec_init(&spec, name, why), 0);
	ck_assert_int_eq(spec_set_listen(&spec, "9099-9102", why), 0);
	ck_assert_int_eq(spec_set_key(&spec, KEY, why), 0);
	return spec;
}

void add_good(struct registry *registry, const char *name)
{
	struct spec spec = make(name);
	char error[REGISTRY_ERROR] = "";

	ck_assert_msg(registry_add(registry, &spec, 0, error) == 0, "%s", error);
}

uint32_t number_of(struct registry *registry, const char *name)
{
	char error[REGISTRY_ERROR] = "";
	struct spec spec = make(name);
	uint32_t number = 0;

	ck_assert_msg(registry_number(registry, &spec, &number, error) == 0, "%s", error);
	ck_assert_uint_ge(number, 1);
	ck_assert_uint_le(number, LAST);
	return number;
}

uint32_t number_with_key(struct registry *registry, const char *name, const char *key)
{
	struct spec spec = make(name);
	char error[REGISTRY_ERROR], why[SPEC_WHY];
	uint32_t number = 0;

	ck_assert_int_eq(spec_set_key(&spec, key, why), 0);
	ck_assert_int_eq(registry_number(registry, &spec, &number, error), 0);
	return number;
}

static int collect(void *data, const struct spec *spec, int64_t expires)
{
	struct list *list = data;

	if (list->count < COUNT(list->specs)) {
		list->specs[list->count] = *spec;
		list->expires[list->count] = expires;
	}
	list->count++;
	return 0;
}

struct list list_all(struct registry *registry)
{
	struct list list = {0};

	ck_assert_int_eq(registry_each(registry, collect, &list), 0);
	return list;
}

void execute(const char *sql)
{
	sqlite3 *db;

	ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
	ck_assert_msg(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, "%s: %s", sql,
		sqlite3_errmsg(db));
	sqlite3_close(db);
}
