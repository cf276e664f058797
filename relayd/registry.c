/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/registry.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "common/mac.h"
#include "relayd/registry_db.h"

static const char sql_each[] =
	"SELECT name, listen, source, key, clients, rate, raw_punch, expires, peers, quota"
	" FROM stream ORDER BY name";

/* Tells a key from another one, and says nothing else about it; never 0. */
static int64_t proof_of(const struct spec *spec)
{
	static const char what[] = "punchrelay number";
	const struct mac_part part = {what, sizeof(what) - 1};
	uint8_t mac[MAC_SHA256];
	int64_t proof = 0;

	mac_hmac_sha256(spec->key, strlen(spec->key), &part, 1, mac);
	memcpy(&proof, mac, sizeof(proof));
	return proof ? proof : 1;
}

static int number_run(struct registry *registry, enum registry_statement statement,
	const struct spec *spec, int64_t *number)
{
	if (sqlite3_bind_int64(registry->statements[statement], 2, proof_of(spec)))
		return -ENOMEM;
	return registry_db_run_name(registry, statement, spec->name, number);
}

/* Inside of a transaction. */
static int number_assign(struct registry *registry, const struct spec *spec)
{
	int ret = registry_db_run(registry, REGISTRY_NUMBER_NEXT, NULL);

	if (ret < 0)
		return ret;
	if (sqlite3_changes(registry->db) == 1)
		return number_run(registry, REGISTRY_NUMBER_TAKE, spec, NULL);
	ret = number_run(registry, REGISTRY_NUMBER_REUSE, spec, NULL);
	if (ret == 0 && sqlite3_changes(registry->db) == 0)
		return -EUSERS;
	return ret;
}

static int number_find(struct registry *registry, const struct spec *spec, uint32_t *number)
{
	int64_t found;
	int ret = number_run(registry, REGISTRY_NUMBER, spec, &found);

	if (ret == -ENOENT) {
		ret = number_run(registry, REGISTRY_NUMBER_PROVE, spec, NULL);
		if (ret == 0 && sqlite3_changes(registry->db) == 0)
			ret = number_assign(registry, spec);
		if (ret == 0)
			ret = number_run(registry, REGISTRY_NUMBER, spec, &found);
	}
	if (ret == 0)
		*number = (uint32_t)found;
	return ret;
}

int registry_number(struct registry *registry, const struct spec *spec, uint32_t *number,
	char error[static REGISTRY_ERROR])
{
	static const char what[] = "cannot number a stream";
	int64_t found;
	int ret;

	/* Most are known, and a look needs no lock. */
	if (number_run(registry, REGISTRY_NUMBER, spec, &found) == 0) {
		*number = (uint32_t)found;
		return 0;
	}
	ret = registry_db_begin(registry);
	if (ret < 0)
		return registry_db_fail(registry, ret, what, error);
	ret = number_find(registry, spec, number);
	if (ret < 0)
		registry_db_fail(registry, ret, what, error);
	return registry_db_finish(registry, ret, what, error);
}

int registry_forget(struct registry *registry, const char *const *keep, size_t count)
{
	int ret = registry_db_begin(registry);

	if (ret < 0)
		return ret;
	for (size_t i = 0; i < count && ret == 0; i++)
		ret = registry_db_run_name(registry, REGISTRY_KEEP, keep[i], NULL);
	if (ret == 0)
		ret = registry_db_run(registry, REGISTRY_FORGET, NULL);
	if (ret == 0)
		ret = registry_db_run(registry, REGISTRY_KEEP_NONE, NULL);
	return registry_db_finish(registry, ret, "cannot forget numbers", NULL);
}

static int insert(struct registry *registry, const struct spec *spec, int64_t expires)
{
	sqlite3_stmt *stmt = registry->statements[REGISTRY_INSERT];
	char listen[LISTEN_TEXT], source[PREFIX_TEXT], clients[PREFIX_TEXT];
	char quota[SPEC_QUOTA];
	const char *texts[] = {spec->name, listen_format(&spec->at, &spec->listen, listen),
		spec_source_format(spec, source), spec->key,
		prefix_format(&spec->clients, clients)};
	const int64_t numbers[] = {(int64_t)spec->rate, spec->raw_punch, expires, spec->peers};
	int at = 1, rc = 0;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		rc |= sqlite3_bind_text(stmt, at++, texts[i], -1, SQLITE_STATIC);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		rc |= sqlite3_bind_int64(stmt, at++, numbers[i]);
	rc |= sqlite3_bind_text(stmt, at, spec_quota_format(spec, quota), -1, SQLITE_STATIC);
	return rc ? -ENOMEM : registry_db_run(registry, REGISTRY_INSERT, NULL);
}

int registry_use(struct registry *registry, const char *name, uint64_t used, int64_t since,
	char error[static REGISTRY_ERROR])
{
	sqlite3_stmt *stmt = registry->statements[REGISTRY_USE];
	int ret = -ENOMEM;

	if (!sqlite3_bind_int64(stmt, 2, (int64_t)used) && !sqlite3_bind_int64(stmt, 3, since))
		ret = registry_db_run_name(registry, REGISTRY_USE, name, NULL);
	if (ret < 0)
		registry_db_fail(registry, ret, "cannot store what a quota has used", error);
	return ret;
}

int registry_used(struct registry *registry, const char *name, uint64_t *used, int64_t *since)
{
	sqlite3_stmt *stmt = registry->statements[REGISTRY_USED];
	int rc = sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC), ret = -ENOENT;

	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW) {
		*used = (uint64_t)sqlite3_column_int64(stmt, 0);
		*since = sqlite3_column_int64(stmt, 1);
		ret = 0;
	} else if (rc != SQLITE_DONE) {
		ret = registry_db_errno(registry);
	}
	sqlite3_reset(stmt);
	sqlite3_clear_bindings(stmt);
	return ret;
}

int registry_begin(struct registry *registry, char error[static REGISTRY_ERROR])
{
	int ret = registry_db_begin(registry);

	if (ret < 0)
		return registry_db_fail(registry, ret, "cannot be changed", error);
	registry->batch = true;
	return 0;
}

int registry_end(struct registry *registry, bool keep, char error[static REGISTRY_ERROR])
{
	registry->batch = false;
	return registry_db_finish(registry, keep ? 0 : -ECANCELED, "cannot be changed", error);
}

int registry_add(struct registry *registry, const struct spec *spec, int64_t expires,
	char error[static REGISTRY_ERROR])
{
	static const char what[] = "cannot add a stream";
	uint32_t number;
	int ret = registry_db_begin(registry);

	if (ret < 0)
		return registry_db_fail(registry, ret, what, error);
	ret = insert(registry, spec, expires);
	if (ret == -EEXIST) {
		snprintf(error, REGISTRY_ERROR,
			"the name \"%s\" is taken; choose another or remove that stream",
			spec->name);
	} else {
		if (ret == 0)
			ret = number_find(registry, spec, &number);
		if (ret == 0)
			ret = registry_use(registry, spec->name, 0, 0, error);
		else
			registry_db_fail(registry, ret, what, error);
	}
	return registry_db_finish(registry, ret, what, error);
}

int registry_remove(struct registry *registry, const char *name, char error[static REGISTRY_ERROR])
{
	int ret = registry_db_run_name(registry, REGISTRY_REMOVE, name, NULL);

	if (ret < 0)
		return registry_db_fail(registry, ret, "cannot remove a stream", error);
	if (sqlite3_changes(registry->db) == 0) {
		snprintf(error, REGISTRY_ERROR,
			"no stream \"%.*s\" has been added; \"punchctl list\" names all",
			SPEC_NAME - 1, name);
		return -ENOENT;
	}
	return 0;
}

int registry_shift(struct registry *registry, int64_t seconds, char error[static REGISTRY_ERROR])
{
	int ret = -ENOMEM;

	if (!sqlite3_bind_int64(registry->statements[REGISTRY_SHIFT], 1, seconds))
		ret = registry_db_run(registry, REGISTRY_SHIFT, NULL);
	return ret < 0 ? registry_db_fail(registry, ret, "cannot move what expires", error) : 0;
}

int registry_try(struct registry *registry)
{
	int ret;

	sqlite3_busy_timeout(registry->db, 0);
	ret = registry_db_run(registry, REGISTRY_TRY, NULL);
	sqlite3_busy_timeout(registry->db, REGISTRY_BUSY_TIMEOUT);
	return ret;
}

static const char *column(sqlite3_stmt *stmt, int i)
{
	const unsigned char *text = sqlite3_column_text(stmt, i);

	return text ? (const char *)text : "";
}

/* What stands in the file is checked as if a person had written it. */
static int row_read(sqlite3_stmt *stmt, struct spec *spec, char why[static SPEC_WHY])
{
	if (spec_init(spec, column(stmt, 0), why) < 0 ||
		(*column(stmt, 1) && spec_set_listen(spec, column(stmt, 1), why) < 0) ||
		spec_set_source(spec, column(stmt, 2), why) < 0 ||
		spec_set_key(spec, column(stmt, 3), why) < 0 ||
		spec_set_clients(spec, column(stmt, 4), why) < 0 ||
		spec_set_rate(spec, sqlite3_column_int64(stmt, 5), why) < 0 ||
		spec_set_raw_punch(spec, sqlite3_column_int64(stmt, 6), why) < 0 ||
		spec_set_peers(spec, sqlite3_column_int64(stmt, 8), why) < 0 ||
		spec_set_quota(spec, column(stmt, 9), why) < 0)
		return -EINVAL;
	return spec_check(spec, why);
}

int registry_each(struct registry *registry,
	int (*each)(void *data, const struct spec *spec, int64_t expires), void *data)
{
	char why[SPEC_WHY];
	sqlite3_stmt *stmt;
	struct spec spec;
	int ret = 0, rc;

	/* A statement of its own: the callback may use the registry. */
	if (sqlite3_prepare_v2(registry->db, sql_each, -1, &stmt, NULL) != SQLITE_OK)
		return registry_db_errno(registry);
	while (ret == 0 && (rc = sqlite3_step(stmt)) != SQLITE_DONE) {
		if (rc != SQLITE_ROW)
			ret = registry_db_errno(registry);
		else if (row_read(stmt, &spec, why) == 0)
			ret = each(data, &spec, sqlite3_column_int64(stmt, 7));
		else
			log_error("%s: stream \"%s\" is left out: %s", registry->path,
				column(stmt, 0), why);
	}
	sqlite3_finalize(stmt);
	mac_wipe(&spec, sizeof(spec));
	return ret;
}
