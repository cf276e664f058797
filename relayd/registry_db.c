/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/registry_db.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REGISTRY_VERSION 4	    /* user_version, as in sql_schema */
#define APPLICATION	 0x50524c59 /* application_id: "PRLY" */

/* What was used of a quota stays with the name. */
#define NUMBER_ANEW                                                                                \
	" ON CONFLICT (name) DO UPDATE SET number = excluded.number, proof = excluded.proof"

static const char *const sql[REGISTRY_STATEMENTS] = {
	[REGISTRY_BEGIN] = "BEGIN IMMEDIATE",
	[REGISTRY_COMMIT] = "COMMIT",
	[REGISTRY_ROLLBACK] = "ROLLBACK",
	[REGISTRY_INSERT] = "INSERT INTO stream VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	[REGISTRY_REMOVE] = "DELETE FROM stream WHERE name = ?",
	[REGISTRY_SHIFT] = "UPDATE stream SET expires = expires + ? WHERE expires",
	/* The same values in a table would not be written. */
	[REGISTRY_TRY] = "PRAGMA user_version = 4",
	[REGISTRY_NUMBER] = "SELECT number FROM number WHERE name = ? AND proof = ?",
	/* Of an earlier version: with which key is not known. */
	[REGISTRY_NUMBER_PROVE] = "UPDATE number SET proof = ?2 WHERE name = ?1 AND proof = 0",
	/* Counts what was ever given out, so that a forgotten number rests as long as possible. */
	[REGISTRY_NUMBER_NEXT] = "UPDATE last SET number = number + 1 WHERE number < 0xffffff",
	[REGISTRY_NUMBER_TAKE] = ("INSERT INTO number (name, number, proof)"
				  " SELECT ?, number, ? FROM last WHERE true" NUMBER_ANEW),
	[REGISTRY_NUMBER_REUSE] =
		("INSERT INTO number (name, number, proof) SELECT ?, free.number + 1, ? FROM"
		 " (SELECT 0 AS number UNION ALL SELECT number FROM number) AS free"
		 " WHERE free.number < 0xffffff AND NOT EXISTS"
		 " (SELECT 1 FROM number WHERE number.number = free.number + 1) LIMIT "
		 "1" NUMBER_ANEW),
	[REGISTRY_KEEP] = "INSERT OR IGNORE INTO keep VALUES (?)",
	[REGISTRY_KEEP_NONE] = "DELETE FROM keep",
	[REGISTRY_FORGET] = ("DELETE FROM number WHERE name NOT IN (SELECT name FROM stream)"
			     " AND name NOT IN (SELECT name FROM keep)"),
	[REGISTRY_USE] = "UPDATE number SET used = ?2, since = ?3 WHERE name = ?1",
	[REGISTRY_USED] = "SELECT used, since FROM number WHERE name = ?",
};

/*
 * For each connection. In WAL mode only FULL makes a commit durable. Where a file system has no
 * WAL, SQLite keeps its rollback journal, which is as durable.
 */
static const char sql_settings[] = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
				   "PRAGMA secure_delete = ON; PRAGMA trusted_schema = OFF;"
				   "PRAGMA temp_store = MEMORY;"
				   "CREATE TEMP TABLE keep (name TEXT PRIMARY KEY) WITHOUT ROWID;";

static const char sql_schema[] =
	"BEGIN IMMEDIATE;"
	"CREATE TABLE stream (name TEXT PRIMARY KEY, listen TEXT NOT NULL, source TEXT NOT NULL,"
	" key TEXT NOT NULL, clients TEXT NOT NULL, rate INTEGER NOT NULL,"
	" raw_punch INTEGER NOT NULL, expires INTEGER NOT NULL,"
	" peers INTEGER NOT NULL DEFAULT 0, quota TEXT NOT NULL DEFAULT '0') WITHOUT ROWID;"
	"CREATE TABLE number (name TEXT PRIMARY KEY, number INTEGER NOT NULL UNIQUE,"
	" proof INTEGER NOT NULL DEFAULT 0, used INTEGER NOT NULL DEFAULT 0,"
	" since INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;"
	"CREATE TABLE last (number INTEGER NOT NULL);"
	"INSERT INTO last VALUES (0);"
	"PRAGMA application_id = 0x50524c59; PRAGMA user_version = 4;"
	"COMMIT;";
/* From the version before. */
static const char *const sql_migrate[] = {
	[1] = "BEGIN IMMEDIATE;"
	      "ALTER TABLE stream ADD COLUMN peers INTEGER NOT NULL DEFAULT 0;"
	      "PRAGMA user_version = 2;"
	      "COMMIT;",
	[2] = "BEGIN IMMEDIATE;"
	      "ALTER TABLE number ADD COLUMN proof INTEGER NOT NULL DEFAULT 0;"
	      "PRAGMA user_version = 3;"
	      "COMMIT;",
	[3] = "BEGIN IMMEDIATE;"
	      "ALTER TABLE stream ADD COLUMN quota TEXT NOT NULL DEFAULT '0';"
	      "ALTER TABLE number ADD COLUMN used INTEGER NOT NULL DEFAULT 0;"
	      "ALTER TABLE number ADD COLUMN since INTEGER NOT NULL DEFAULT 0;"
	      "PRAGMA user_version = 4;"
	      "COMMIT;",
};

/*
 * SQLite tells system errors of opening, but not those of writing; errno still has them. Others
 * that it met on its way and did not mind are there as well, so only what can be the cause is
 * taken.
 */
static int errno_of_io(const struct registry *registry, int error)
{
	int system = sqlite3_system_errno(registry->db);

	if (system > 0)
		return -system;
	return error == EFBIG || error == EDQUOT ? -error : -EIO;
}

int registry_db_errno(const struct registry *registry)
{
	int error = errno;

	switch (sqlite3_errcode(registry->db)) {
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EBADMSG;
	case SQLITE_NOMEM:
		return -ENOMEM;
	}
	return errno_of_io(registry, error);
}

static const char *advice(int error)
{
	switch (error) {
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return "make room for it";
	case EROFS:
	case EACCES:
	case EPERM:
		return "let relayd write the file and its directory";
	case ENOENT:
		return "make its directory";
	case EBUSY:
		return "end the program that holds it";
	case EUSERS:
		return "remove some streams";
	case EBADMSG:
		return "bring back a copy of it, or move it away and add its streams again";
	}
	return "see the disk, and name another file in \"database\" if need be";
}

int registry_db_fail(const struct registry *registry, int ret, const char *what, char *error)
{
	bool sqlite = ret == -EIO || ret == -EBADMSG || ret == -EROFS;
	const char *why = sqlite ? sqlite3_errmsg(registry->db) : strerror(-ret);

	if (error)
		snprintf(error, REGISTRY_ERROR, "%.100s: %s: %s; %s", registry->path, what, why,
			advice(-ret));
	return ret;
}

int registry_db_run(struct registry *registry, enum registry_statement statement, int64_t *number)
{
	sqlite3_stmt *stmt = registry->statements[statement];
	int rc, ret = 0;

	errno = 0;
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW && number)
		*number = sqlite3_column_int64(stmt, 0);
	else if (rc == SQLITE_DONE && number)
		ret = -ENOENT;
	else if ((rc & 0xff) == SQLITE_CONSTRAINT)
		ret = -EEXIST;
	else if (rc != SQLITE_DONE)
		ret = registry_db_errno(registry);
	sqlite3_reset(stmt);
	sqlite3_clear_bindings(stmt);
	return ret;
}

int registry_db_run_name(struct registry *registry, enum registry_statement statement,
	const char *name, int64_t *number)
{
	if (sqlite3_bind_text(registry->statements[statement], 1, name, -1, SQLITE_STATIC))
		return -ENOMEM;
	return registry_db_run(registry, statement, number);
}

int registry_db_begin(struct registry *registry)
{
	return registry->batch ? 0 : registry_db_run(registry, REGISTRY_BEGIN, NULL);
}

int registry_db_finish(struct registry *registry, int ret, const char *what, char *error)
{
	if (registry->batch)
		return ret;
	if (ret == 0) {
		ret = registry_db_run(registry, REGISTRY_COMMIT, NULL);
		if (ret < 0)
			registry_db_fail(registry, ret, what, error);
	}
	/* After some errors SQLite has done so. */
	if (!sqlite3_get_autocommit(registry->db))
		registry_db_run(registry, REGISTRY_ROLLBACK, NULL);
	return ret;
}

/* A number out of the file, or a negative error. */
static int64_t ask(struct registry *registry, const char *question)
{
	sqlite3_stmt *stmt;
	int64_t answer;

	if (sqlite3_prepare_v2(registry->db, question, -1, &stmt, NULL) != SQLITE_OK)
		return registry_db_errno(registry);
	answer = sqlite3_step(stmt) == SQLITE_ROW ? sqlite3_column_int64(stmt, 0)
						  : registry_db_errno(registry);
	sqlite3_finalize(stmt);
	return answer;
}

static int refuse(const struct registry *registry, const char *why, char *error)
{
	snprintf(error, REGISTRY_ERROR, "%.100s: %s", registry->path, why);
	return -EINVAL;
}

/* Between them: the version of a file that is to be renewed. */
enum { FILE_KNOWN, FILE_NEW = REGISTRY_VERSION };

/* Whose file is it? Nothing is written before this is known. */
static int identify(struct registry *registry, char *error)
{
	int64_t tables = ask(registry, "SELECT count(*) FROM sqlite_schema");
	int64_t application = ask(registry, "PRAGMA application_id");
	int64_t version = ask(registry, "PRAGMA user_version");

	if (tables < 0)
		return registry_db_fail(registry, (int)tables, "cannot be read", error);
	if (tables == 0 && application == 0 && version == 0)
		return FILE_NEW;
	if (application != APPLICATION)
		return refuse(registry,
			"this is another program's database; name another file in \"database\"",
			error);
	if (version >= 1 && version < REGISTRY_VERSION)
		return (int)version;
	if (version != REGISTRY_VERSION)
		return refuse(registry,
			"this was written by a later relayd; install that, or name another file "
			"in \"database\"",
			error);
	return FILE_KNOWN;
}

/* Whole pages of nonsense are only met when a query comes by; better now than then. */
static int check_intact(struct registry *registry, char *error)
{
	const unsigned char *answer = NULL;
	sqlite3_stmt *stmt = NULL;
	bool intact;

	if (sqlite3_prepare_v2(registry->db, "PRAGMA quick_check(1)", -1, &stmt, NULL) ==
			SQLITE_OK &&
		sqlite3_step(stmt) == SQLITE_ROW)
		answer = sqlite3_column_text(stmt, 0);
	intact = answer && strcmp((const char *)answer, "ok") == 0;
	sqlite3_finalize(stmt);
	if (intact)
		return 0;
	snprintf(error, REGISTRY_ERROR, "%.100s: is damaged; %s", registry->path, advice(EBADMSG));
	return -EBADMSG;
}

/* SQLite would make it readable for everybody, and would open a file read-only without a word. */
static int make_file(const char *path, char *error)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600), ret = 0;
	struct stat st;

	if (fd < 0)
		ret = -errno;
	else if (fstat(fd, &st) == 0 && !S_ISREG(st.st_mode))
		ret = -EINVAL;
	if (fd >= 0)
		close(fd);
	if (ret == -EINVAL)
		snprintf(error, REGISTRY_ERROR, "%.100s: is not a file; name one in \"database\"",
			path);
	else if (ret < 0)
		snprintf(error, REGISTRY_ERROR, "%.100s: cannot be opened: %s; %s", path,
			strerror(-ret), advice(-ret));
	return ret;
}

static int prepare(struct registry *registry)
{
	for (int i = 0; i < REGISTRY_STATEMENTS; i++) {
		if (sqlite3_prepare_v3(registry->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT,
			    &registry->statements[i], NULL) != SQLITE_OK)
			return registry_db_errno(registry);
	}
	return 0;
}

static int migrate(struct registry *registry, int version, char *error)
{
	int ret = check_intact(registry, error);

	for (; ret == 0 && version < REGISTRY_VERSION; version++)
		if (sqlite3_exec(registry->db, sql_migrate[version], NULL, NULL, NULL))
			ret = registry_db_fail(
				registry, registry_db_errno(registry), "cannot be renewed", error);
	return ret;
}

static int set_up(struct registry *registry, char *error)
{
	int file, ret = 0;

	sqlite3_busy_timeout(registry->db, REGISTRY_BUSY_TIMEOUT);
	file = identify(registry, error);
	if (file < 0)
		return file;
	if (file != FILE_KNOWN && file != FILE_NEW)
		ret = migrate(registry, file, error);
	if (ret < 0)
		return ret;
	if (file == FILE_NEW &&
		sqlite3_exec(registry->db, sql_schema, NULL, NULL, NULL) != SQLITE_OK)
		return registry_db_fail(
			registry, registry_db_errno(registry), "cannot be made", error);
	if (sqlite3_exec(registry->db, sql_settings, NULL, NULL, NULL) != SQLITE_OK)
		ret = registry_db_errno(registry);
	if (ret == 0)
		ret = prepare(registry);
	if (ret < 0)
		return registry_db_fail(registry, ret, "cannot be opened", error);
	return file == FILE_KNOWN ? check_intact(registry, error) : 0;
}

int registry_open(const char *path, struct registry **out, char error[static REGISTRY_ERROR])
{
	struct registry *registry;
	int ret = make_file(path, error);
	size_t size;

	if (ret < 0)
		return ret;
	size = strlen(path) + 1;
	registry = calloc(1, sizeof(*registry) + size);
	if (!registry) {
		snprintf(error, REGISTRY_ERROR, "%.100s: %s", path, strerror(ENOMEM));
		return -ENOMEM;
	}
	memcpy(registry->path, path, size);
	if (sqlite3_open_v2(path, &registry->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL))
		ret = registry_db_fail(
			registry, registry_db_errno(registry), "cannot be opened", error);
	else
		ret = set_up(registry, error);
	if (ret < 0)
		registry_close(registry);
	else
		*out = registry;
	return ret;
}

void registry_close(struct registry *registry)
{
	if (!registry)
		return;
	for (int i = 0; i < REGISTRY_STATEMENTS; i++)
		sqlite3_finalize(registry->statements[i]);
	sqlite3_close(registry->db);
	free(registry);
}
