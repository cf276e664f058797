/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files that are not as they should be, or have no room, or whose writer dies. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sqlite3.h>

#include "tests/registry_bed.h"
#include "tests/suite.h"

START_TEST(test_foreign)
{
	execute("CREATE TABLE precious (x); INSERT INTO precious VALUES (1)");
	open_bad(-EINVAL, "another program's database");
	execute("PRAGMA application_id = 1");
	open_bad(-EINVAL, "another program's database");
	execute("PRAGMA user_version = 1; PRAGMA application_id = 0");
	open_bad(-EINVAL, "another program's database");
	/* And it was left alone. */
	execute("DELETE FROM precious; DROP TABLE precious; SELECT 1 FROM sqlite_schema");
}
END_TEST

START_TEST(test_version)
{
	registry_close(open_good());
	execute("PRAGMA user_version = 5");
	open_bad(-EINVAL, "a later relayd");
	execute("PRAGMA user_version = 4");
	registry_close(open_good());
}
END_TEST

#define DROP_QUOTA                                                                                 \
	"ALTER TABLE stream DROP COLUMN quota; ALTER TABLE number DROP COLUMN used;"               \
	"ALTER TABLE number DROP COLUMN since;"

/* What a relayd of an earlier version wrote is kept, and has nothing that it did not know. */
START_TEST(test_migrate)
{
	struct registry *registry = open_good();
	struct spec old = make("old"), peers = make("peers");
	char error[REGISTRY_ERROR];
	struct list list;
	uint32_t number;

	ck_assert_int_eq(registry_add(registry, &old, 7, error), 0);
	number = number_of(registry, "old");
	registry_close(registry);
	execute(DROP_QUOTA "ALTER TABLE number DROP COLUMN proof; PRAGMA user_version = 2");
	registry = open_good();
	/* It is not known what its key was, but from now on it is. */
	ck_assert_uint_eq(number_of(registry, "old"), number);
	ck_assert_uint_ne(number_with_key(registry, "old", OTHER_KEY), number);
	registry_close(registry);
	execute(DROP_QUOTA
		"ALTER TABLE stream DROP COLUMN peers; ALTER TABLE number DROP COLUMN proof;"
		"PRAGMA user_version = 1");
	registry = open_good();
	peers.peers = SPEC_PEERS_MAX;
	peers.listen.count = 0;
	ck_assert_int_eq(registry_add(registry, &peers, 0, error), 0);
	for (int i = 0; i < 2; i++) {
		list = list_all(registry);
		ck_assert_uint_eq(list.count, 2);
		ck_assert(spec_equal(&list.specs[0], &old));
		ck_assert_int_eq(list.expires[0], 7);
		ck_assert(spec_equal(&list.specs[1], &peers));
		registry_close(registry);
		registry = open_good();
	}
	registry_close(registry);
}
END_TEST

static void write_file(const char *data, size_t len, off_t at)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	ck_assert_int_eq(pwrite(fd, data, len, at), (ssize_t)len);
	close(fd);
}

START_TEST(test_no_database)
{
	char text[2000];

	memset(text, 'x', sizeof(text));
	write_file(text, sizeof(text), 0);
	open_bad(-EBADMSG, "not a database");
}
END_TEST

START_TEST(test_corrupt)
{
	char rubbish[4096];
	struct registry *registry = open_good();
	struct stat st;

	for (int i = 0; i < 200; i++) {
		char name[20];

		snprintf(name, sizeof(name), "s%d", i);
		add_good(registry, name);
	}
	registry_close(registry);
	memset(rubbish, 0xa5, sizeof(rubbish));
	ck_assert_int_eq(stat(path, &st), 0);
	for (off_t at = 4096; at < st.st_size; at += 4096)
		write_file(rubbish, sizeof(rubbish), at);
	open_bad(-EBADMSG, "damaged");
}
END_TEST

/* Somebody has edited the file: the other streams must not suffer. */
START_TEST(test_bad_row)
{
	static const char *const sql[] = {
		"UPDATE stream SET listen = '99999' WHERE name = 'b'",
		"UPDATE stream SET key = x'00' WHERE name = 'b'",
		"UPDATE stream SET source = 'x' WHERE name = 'b'",
		"UPDATE stream SET rate = -1 WHERE name = 'b'",
		"UPDATE stream SET raw_punch = 9099 WHERE name = 'b'",
		"UPDATE stream SET name = 'b:1' WHERE name = 'b'",
	};
	struct registry *registry = open_good();
	struct list list;

	add_good(registry, "a");
	add_good(registry, "b");
	add_good(registry, "c");
	execute(sql[_i]);
	list = list_all(registry);
	ck_assert_uint_eq(list.count, 2);
	ck_assert_str_eq(list.specs[0].name, "a");
	ck_assert_str_eq(list.specs[1].name, "c");
	registry_close(registry);
}
END_TEST

START_TEST(test_places)
{
	char file[64];

	memcpy(file, path, sizeof(file));
	snprintf(path, sizeof(path), "%s/none/streams.db", dir);
	open_bad(-ENOENT, "No such file or directory; make its directory");
	snprintf(path, sizeof(path), "%s", dir);
	open_bad(-EISDIR, "Is a directory");
	snprintf(path, sizeof(path), "/dev/null");
	open_bad(-EINVAL, "is not a file");
	memcpy(path, file, sizeof(path));
}
END_TEST

/* A file that may be read and not written, and a directory that takes no journal. */
START_TEST(test_read_only)
{
	uid_t uid = geteuid();

	registry_close(open_good());
	ck_assert_int_eq(chmod(path, 0444), 0);
	ck_assert_int_eq(chmod(dir, 0555), 0);
	if (uid == 0)
		ck_assert_int_eq(seteuid(65534), 0);
	prctl(PR_SET_DUMPABLE, 1);
	open_bad(-EACCES, "let relayd write");
	ck_assert_int_eq(seteuid(uid), 0);
	ck_assert_int_eq(chmod(path, 0666), 0);
	if (uid == 0)
		ck_assert_int_eq(seteuid(65534), 0);
	open_bad(-EROFS, "let relayd write");
	ck_assert_int_eq(seteuid(uid), 0);
	ck_assert_int_eq(chmod(dir, 0700), 0);
}
END_TEST

START_TEST(test_locked)
{
	struct registry *registry = open_good();
	struct spec spec = make("a");
	char error[REGISTRY_ERROR];
	uint32_t number;
	sqlite3 *db;

	ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	ck_assert_int_eq(registry_add(registry, &spec, 0, error), -EBUSY);
	assert_sentence(error, "end the program that holds it");
	ck_assert_int_eq(registry_number(registry, &spec, &number, error), -EBUSY);
	ck_assert_int_eq(registry_forget(registry, NULL, 0), -EBUSY);
	ck_assert_int_eq(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	add_good(registry, "a");
	registry_close(registry);
}
END_TEST

/* Files may not grow: what was stored stays, and with room it goes on. */
START_TEST(test_full)
{
	struct rlimit limit, before;
	struct registry *registry = open_good();
	char error[REGISTRY_ERROR] = "", name[20];
	struct spec spec;
	int ret = 0, count = 0;

	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit = before;
	limit.rlim_cur = 200000;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	for (; ret == 0 && count < 10000; count++) {
		snprintf(name, sizeof(name), "s%d", count);
		spec = make(name);
		ret = registry_add(registry, &spec, 0, error);
	}
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
	ck_assert_msg(ret == -ENOSPC || ret == -EFBIG, "%d: %s", ret, error);
	assert_sentence(error, "make room for it");
	ck_assert_uint_eq(list_all(registry).count, (size_t)count - 1);
	add_good(registry, name);
	registry_close(registry);
	registry = open_good();
	ck_assert_uint_eq(list_all(registry).count, (size_t)count);
	ck_assert_uint_eq(number_of(registry, name), (uint32_t)count);
	registry_close(registry);
}
END_TEST

/* Tells through the pipe of each stream that registry_add has returned. */
static _Noreturn void add_for_ever(int out)
{
	struct registry *registry = open_good();
	struct list list = list_all(registry);

	for (int i = (int)list.count; i < 1000; i++) {
		char name[20];

		snprintf(name, sizeof(name), "s%04d", i);
		add_good(registry, name);
		if (write(out, &i, sizeof(i)) != sizeof(i))
			break;
	}
	_exit(0);
}

/* Kills the child after `count` adds more; returns the number of the last that had returned. */
static int add_and_kill(int count)
{
	int ends[2], i, last = -1;
	pid_t pid;

	ck_assert_int_eq(pipe(ends), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		add_for_ever(ends[1]);
	close(ends[1]);
	while (count-- > 0 && read(ends[0], &i, sizeof(i)) == sizeof(i))
		last = i;
	kill(pid, SIGKILL);
	while (read(ends[0], &i, sizeof(i)) == sizeof(i))
		last = i;
	close(ends[0]);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	return last;
}

static int check_number(void *data, const struct spec *spec, int64_t expires)
{
	struct spec expected = make(spec->name);
	struct registry *registry = data;

	(void)expires;
	ck_assert(spec_equal(spec, &expected));
	/* A stream without its number would get one far behind. */
	ck_assert_uint_eq(
		number_of(registry, spec->name), (uint32_t)strtoul(spec->name + 1, NULL, 10) + 1);
	return 0;
}

/* What had returned is there, at most the one in flight more, and nothing is half. */
START_TEST(test_kill)
{
	struct registry *registry;
	int last = -1;

	for (int count = 1; last < 999; count = count * 2 + 1) {
		int now = add_and_kill(count);

		last = now > last ? now : last;
		registry = open_good();
		ck_assert_uint_ge(list_all(registry).count, (size_t)last + 1);
		ck_assert_uint_le(list_all(registry).count, (size_t)last + 2);
		ck_assert_int_eq(registry_each(registry, check_number, registry), 0);
		last = (int)list_all(registry).count - 1;
		registry_close(registry);
	}
	execute("SELECT CASE WHEN (SELECT * FROM pragma_integrity_check) = 'ok' THEN 1"
		" ELSE json('damaged') END");
}
END_TEST

/* The first opening may be cut short as well: the next one makes what is missing. */
START_TEST(test_empty_file)
{
	struct registry *registry;

	write_file("", 0, 0);
	registry = open_good();
	add_good(registry, "a");
	registry_close(registry);
	unlink(path);
	execute("PRAGMA journal_mode = WAL; CREATE TABLE t (x); DROP TABLE t");
	registry = open_good();
	ck_assert_uint_eq(list_all(registry).count, 0);
	registry_close(registry);
}
END_TEST

/* A removed key must not be found in what is left of the file. */
START_TEST(test_wiped)
{
	struct registry *registry = open_good();
	char error[REGISTRY_ERROR], data[65536];
	ssize_t len;
	int fd;

	add_good(registry, "a");
	ck_assert_int_eq(registry_remove(registry, "a", error), 0);
	registry_close(registry);
	fd = open(path, O_RDONLY);
	len = read(fd, data, sizeof(data));
	close(fd);
	ck_assert_int_gt(len, 4096);
	ck_assert_ptr_null(memmem(data, (size_t)len, KEY, strlen(KEY)));
}
END_TEST

static Suite *registry_file_suite(void)
{
	Suite *suite = suite_create("registry_file");
	TCase *tcase = tcase_create("registry_file");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, test_foreign);
	tcase_add_test(tcase, test_version);
	tcase_add_test(tcase, test_migrate);
	tcase_add_test(tcase, test_no_database);
	tcase_add_test(tcase, test_corrupt);
	tcase_add_loop_test(tcase, test_bad_row, 0, 6);
	tcase_add_test(tcase, test_places);
	tcase_add_test(tcase, test_read_only);
	tcase_add_test(tcase, test_locked);
	tcase_add_test(tcase, test_full);
	tcase_add_test(tcase, test_kill);
	tcase_add_test(tcase, test_empty_file);
	tcase_add_test(tcase, test_wiped);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(registry_file_suite());
}
