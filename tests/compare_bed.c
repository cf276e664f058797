/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/compare_bed.h"

#include <string.h>

#include "common/log.h"
#include "tests/endpoint.h"

#define KEY "MDEyMzQ1Njc4OWFiY2RlZg=="

struct net net;
struct slot *slot;
struct ipc_record records[16];
struct sync_snapshot snapshot;
struct rules_op ops[RULES_OPS_MAX];
struct ipc message;

static struct net_setup setup;
static struct config config;
static char why[SPEC_WHY];

static int take(void *data, const uint8_t *bytes, size_t len)
{
	const struct ipc_room room = {.ops = ops, .room = RULES_OPS_MAX};

	(void)data;
	return ipc_decode(bytes, len, &room, &message);
}

struct stream *stream(const char *name, const char *listen)
{
	struct stream *out = NULL;
	struct spec spec;

	ck_assert_int_eq(spec_init(&spec, name, why), 0);
	ck_assert_int_eq(spec_set_listen(&spec, listen, why), 0);
	ck_assert_int_eq(spec_set_key(&spec, KEY, why), 0);
	ck_assert_int_eq(stream_add(&net.table, &spec, 1, &out, why), 0);
	return out;
}

void settle(void)
{
	const struct ipc done = {.kind = IPC_DONE, .error.op = -1};

	memset(&message, 0, sizeof(message));
	sync_turn(&net.sync);
	if (message.kind == IPC_APPLY)
		sync_message(&net.sync, &done, NULL);
}

struct ipc_record listening_record(struct endpoint at, const char *name)
{
	struct ipc_record out = {.kind = IPC_LISTENING, .listening = {at, 1}};

	strcpy(out.listening.name, name);
	return out;
}

struct ipc_record client_record(struct endpoint client, const char *name, uint32_t consent_ms)
{
	struct ipc_record out = {.kind = IPC_CLIENT,
		.client = {.client = client,
			.punch = endpoint("203.0.113.7:3478"),
			.consent_ms = consent_ms}};

	strcpy(out.client.name, name);
	return out;
}

/* One stream whose client has punched, and just that in the kernel. */
static void begin(void)
{
	const struct hole hole = {endpoint("192.0.2.9:40000"), endpoint("203.0.113.7:3478")};
	bool moved;

	slot = stream("cam1", "9099")->slots[0];
	ck_assert_int_eq(slot_claim(&net.table, slot, &hole, net_now(&net), &moved), 0);
	settle();
	records[LISTENING] = listening_record(endpoint("203.0.113.7:9099"), "cam1");
	records[INGRESS] = (struct ipc_record){
		.kind = IPC_INGRESS, .ingress = {endpoint("203.0.113.7:9099"), hole.client}};
	records[CLIENT] = client_record(hole.client, "cam1", CONSENT);
	records[PUNCH] = (struct ipc_record){.kind = IPC_PUNCH, .punch.at = hole.punch};
	snapshot = (struct sync_snapshot){records, RECORDS, true};
}

void set_up(void)
{
	static const bool families[STREAM_FAMILIES] = {true, false};
	struct broker_config broker = {.table = &net.table, .consent_ms = CONSENT};

	log_set_level(LOG_LEVEL_ERROR);
	memset(&net, 0, sizeof(net));
	ck_assert_int_eq(uv_loop_init(&net.loop), 0);
	config.address_count = 1;
	config.punch = 3478;
	ck_assert_int_eq(addr_parse("203.0.113.7", &config.addresses[0]), 0);
	setup.punch_count = 1;
	setup.punch_at[0] = endpoint("203.0.113.7:3478");
	net.config = &config;
	net.setup = &setup;
	ck_assert_int_eq(stream_table_init(&net.table, families, CONSENT), 0);
	ck_assert_int_eq(sync_init(&net.sync, &net.table, &config), 0);
	net.sync.send = take;
	net.sync.now_ms = net_now(&net);
	ck_assert_int_eq(broker_open(&broker, &net.broker), 0);
	begin();
}

void tear_down(void)
{
	broker_close(net.broker);
	sync_fini(&net.sync);
	stream_table_fini(&net.table);
	uv_loop_close(&net.loop);
}
