/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/sync_bed.h"

#include <string.h>

#include "common/log.h"

#define KEY "MDEyMzQ1Njc4OWFiY2RlZg=="

struct stream_table table;
struct sync sync_;
struct rules_op ops[RULES_OPS_MAX];
struct ipc message;
size_t applied, reads;
char verdicts[4096];

static struct config config;

static int take(void *data, const uint8_t *bytes, size_t len)
{
	const struct ipc_room room = {.ops = ops, .room = RULES_OPS_MAX};

	ck_assert_ptr_eq(data, &sync_);
	ck_assert_int_eq(ipc_decode(bytes, len, &room, &message), 0);
	applied += message.kind == IPC_APPLY;
	reads += message.kind == IPC_READ;
	return 0;
}

void set_up(void)
{
	static const bool families[STREAM_FAMILIES] = {true, false};

	log_set_level(LOG_LEVEL_ERROR);
	ck_assert_int_eq(stream_table_init(&table, families, 45000), 0);
	config.address_count = 1;
	ck_assert_int_eq(addr_parse("203.0.113.7", &config.addresses[0]), 0);
	ck_assert_int_eq(sync_init(&sync_, &table, &config), 0);
	sync_.send = take;
	sync_.send_data = &sync_;
	applied = reads = 0;
	verdicts[0] = '\0';
}

void tear_down(void)
{
	sync_fini(&sync_);
	stream_table_fini(&table);
}

void note(void *data, int error)
{
	char text[64];

	snprintf(text, sizeof(text), "%s:%d ", (const char *)data, error);
	strcat(verdicts, text);
}

void assert_verdicts(const char *expected)
{
	ck_assert_str_eq(verdicts, expected);
	verdicts[0] = '\0';
}

void batch(const char *name, size_t count)
{
	struct rules_op list[SYNC_BATCH] = {0};

	for (size_t i = 0; i < count; i++) {
		list[i].kind = RULES_UNPEER;
		list[i].number = (uint32_t)i;
		strcpy(list[i].name, name);
	}
	ck_assert_int_eq(sync_batch(&sync_, list, count, note, (void *)(uintptr_t)name), 0);
}

void answer(int code, int op)
{
	struct ipc done = {.kind = IPC_DONE, .error = {.code = code, .op = op}};

	sync_message(&sync_, &done, NULL);
}

void assert_sent(const char *expected)
{
	char names[1024] = "";

	ck_assert_int_eq(message.kind, IPC_APPLY);
	for (size_t i = 0; i < message.count; i++) {
		strcat(names, ops[i].name);
		strcat(names, " ");
	}
	ck_assert_str_eq(names, expected);
}

struct stream *stream(const char *name, const char *listen)
{
	struct stream *out = NULL;
	struct spec spec;
	char why[SPEC_WHY];

	ck_assert_int_eq(spec_init(&spec, name, why), 0);
	ck_assert_int_eq(spec_set_listen(&spec, listen, why), 0);
	ck_assert_int_eq(spec_set_key(&spec, KEY, why), 0);
	ck_assert_int_eq(stream_add(&table, &spec, 1, &out, why), 0);
	return out;
}
