/* SPDX-License-Identifier: GPL-2.0-or-later */
/* registry_db: the registry's file: SQLite's connection, statements and errors. */
#ifndef RELAYD_REGISTRY_DB_H
#define RELAYD_REGISTRY_DB_H

#include <stdbool.h>
#include <stdint.h>

#include <sqlite3.h>

#include "relayd/registry.h"

#define REGISTRY_BUSY_TIMEOUT 1000 /* milliseconds; the loop stands still */

enum registry_statement {
	REGISTRY_BEGIN,
	REGISTRY_COMMIT,
	REGISTRY_ROLLBACK,
	REGISTRY_INSERT,
	REGISTRY_REMOVE,
	REGISTRY_SHIFT,
	REGISTRY_TRY,
	REGISTRY_NUMBER,
	REGISTRY_NUMBER_PROVE,
	REGISTRY_NUMBER_NEXT,
	REGISTRY_NUMBER_TAKE,
	REGISTRY_NUMBER_REUSE,
	REGISTRY_KEEP,
	REGISTRY_KEEP_NONE,
	REGISTRY_FORGET,
	REGISTRY_USE,
	REGISTRY_USED,
	REGISTRY_STATEMENTS
};

struct registry {
	sqlite3 *db;
	bool batch; /* a transaction is open for several calls */
	sqlite3_stmt *statements[REGISTRY_STATEMENTS];
	char path[];
};

/* -errno of what SQLite did last. */
int registry_db_errno(const struct registry *registry);
/*
 * Returns ret, and in error, which may be NULL, a sentence: the path, what cannot be done, why, and
 * what helps. To be called before a rollback hides SQLite's reason.
 */
int registry_db_fail(const struct registry *registry, int ret, const char *what, char *error);

/*
 * Runs a statement whose values are bound, and unbinds them. Without number it must yield no row,
 * with it, the first number of its first row, or -ENOENT. -EEXIST: a constraint.
 */
int registry_db_run(struct registry *registry, enum registry_statement statement, int64_t *number);
/* The same with the name as its only value. */
int registry_db_run_name(struct registry *registry, enum registry_statement statement,
	const char *name, int64_t *number);
/* Begins a transaction, or joins that of a batch. */
int registry_db_begin(struct registry *registry);
/* Ends the transaction, unless a batch goes on: commits for ret 0, else rolls back. Returns ret or
 * why it cannot commit. */
int registry_db_finish(struct registry *registry, int ret, const char *what, char *error);

#endif
