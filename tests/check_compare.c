/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "relayd/adopt.h"
#include "relayd/compare.h"
#include "tests/endpoint.h"
#include "tests/suite.h"

#define KEY	"MDEyMzQ1Njc4OWFiY2RlZg=="
#define CONSENT 45000
#define MANY	20000

static struct net net;
static struct net_setup setup;
static struct config config;
static struct ipc_record records[16];
static struct sync_snapshot snapshot;
static struct compare_count count;
static struct rules_op ops[RULES_OPS_MAX];
static struct ipc message;
static char why[SPEC_WHY];
static struct slot *slot;

enum { LISTENING, INGRESS, CLIENT, PUNCH, RECORDS };

static int take(void *data, const uint8_t *bytes, size_t len)
{
	const struct ipc_room room = {.ops = ops, .room = RULES_OPS_MAX};

	(void)data;
	return ipc_decode(bytes, len, &room, &message);
}

static struct stream *stream(const char *name, const char *listen)
{
	struct stream *out = NULL;
	struct spec spec;

	ck_assert_int_eq(spec_init(&spec, name, why), 0);
	ck_assert_int_eq(spec_set_listen(&spec, listen, why), 0);
	ck_assert_int_eq(spec_set_key(&spec, KEY, why), 0);
	ck_assert_int_eq(stream_add(&net.table, &spec, 1, &out, why), 0);
	return out;
}

/* What is dirty is sent, and the kernel side agrees. */
static void settle(void)
{
	const struct ipc done = {.kind = IPC_DONE, .error.op = -1};

	memset(&message, 0, sizeof(message));
	sync_turn(&net.sync);
	if (message.kind == IPC_APPLY)
		sync_message(&net.sync, &done, NULL);
}

/* One stream whose client has punched, and just that in the kernel. */
static void begin(void)
{
	const struct hole hole = {endpoint("192.0.2.9:40000"), endpoint("203.0.113.7:3478")};
	bool moved;

	slot = stream("cam1", "9099")->slots;
	ck_assert_int_eq(slot_claim(&net.table, slot, &hole, net_now(&net), &moved), 0);
	settle();
	records[LISTENING] = (struct ipc_record){.kind = IPC_LISTENING,
		.listening = {.listen = endpoint("203.0.113.7:9099"), .number = 1, .name = "cam1"}};
	records[INGRESS] = (struct ipc_record){
		.kind = IPC_INGRESS, .ingress = {endpoint("203.0.113.7:9099"), hole.client}};
	records[CLIENT] = (struct ipc_record){.kind = IPC_CLIENT,
		.client = {.client = hole.client,
			.punch = hole.punch,
			.consent_ms = CONSENT,
			.name = "cam1"}};
	records[PUNCH] = (struct ipc_record){.kind = IPC_PUNCH, .punch.at = hole.punch};
	snapshot = (struct sync_snapshot){records, RECORDS, true};
}

static void set_up(void)
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

static void tear_down(void)
{
	broker_close(net.broker);
	sync_fini(&net.sync);
	stream_table_fini(&net.table);
	uv_loop_close(&net.loop);
}

static int adopted(const struct sync_snapshot *all)
{
	struct compare *compare = compare_open(&net);
	int err;

	ck_assert_ptr_nonnull(compare);
	adopt_begin(&net);
	adopt_part(&net, compare, all);
	err = adopt_finish(&net, compare, &count);
	compare_close(compare);
	return err;
}

/* Compares, and leaves in ops what is sent because of it; how many those are. */
static size_t compared(void)
{
	struct compare *compare = compare_open(&net);

	ck_assert_ptr_nonnull(compare);
	ck_assert_int_eq(compare_load(compare, &snapshot), 0);
	compare_part(compare);
	ck_assert_int_eq(compare_finish(compare, &count), 0);
	compare_close(compare);
	settle();
	return message.count;
}

START_TEST(test_equal)
{
	ck_assert_uint_eq(compared(), 0);
	ck_assert_uint_eq(count.missing + count.orphans, 0);
}
END_TEST

static const struct {
	int record;
	size_t count;
	enum rules_op_kind kind;
} missing[] = {
	{LISTENING, 1, RULES_LISTEN},
	{INGRESS, 1, RULES_INGRESS},
	{CLIENT, 2, RULES_CLIENT},
	{PUNCH, 1, RULES_PUNCH},
};

/* What is missing is sent, and nothing else. */
START_TEST(test_missing)
{
	records[missing[_i].record] = (struct ipc_record){.kind = IPC_FLOW};
	ck_assert_uint_eq(compared(), missing[_i].count);
	ck_assert_int_eq(ops[0].kind, missing[_i].kind);
	ck_assert_uint_eq(count.missing, 1);
	ck_assert_uint_eq(count.orphans, 0);
}
END_TEST

START_TEST(test_nothing_there)
{
	snapshot.count = 0;
	ck_assert_uint_eq(compared(), 4);
	ck_assert_uint_eq(count.missing, 3);
	ck_assert(endpoint_equal(&slot->have.client, &slot->want.client));
}
END_TEST

/* Adding it again replaces it, so it is not deleted before. */
START_TEST(test_otherwise)
{
	records[LISTENING].listening.number = 2;
	records[INGRESS].ingress.client.port++;
	ck_assert_uint_eq(compared(), 2);
	ck_assert_int_eq(ops[0].kind, RULES_INGRESS);
	ck_assert_int_eq(ops[1].kind, RULES_LISTEN);
	ck_assert_uint_eq(count.orphans, 0);
}
END_TEST

START_TEST(test_consent)
{
	static const uint32_t left[] = {0, 1000, 3600000};

	records[CLIENT].client.consent_ms = left[_i];
	ck_assert_uint_eq(compared(), 1);
	ck_assert_int_eq(ops[0].kind, RULES_CONSENT);
	ck_assert_uint_le(ops[0].consent_ms, CONSENT);
}
END_TEST

/* A part that is not about a slot says nothing about it, nor of our own ports. */
START_TEST(test_parts)
{
	const struct sync_snapshot own = {&records[PUNCH], 1, true}, rest = {records, PUNCH, false};
	struct compare *compare = compare_open(&net);

	ck_assert_ptr_nonnull(compare);
	ck_assert_int_eq(compare_load(compare, &own), 0);
	compare_part(compare);
	ck_assert_int_eq(compare_load(compare, &rest), 0);
	compare_part(compare);
	ck_assert_int_eq(compare_finish(compare, &count), 0);
	compare_close(compare);
	settle();
	ck_assert_uint_eq(message.count, 0);
	ck_assert_uint_eq(count.missing + count.orphans, 0);
}
END_TEST

/* What is being changed cannot be judged; consent that is on its way is as it should be. */
START_TEST(test_busy)
{
	slot->refresh = true;
	slot_mark(&net.table, slot);
	sync_turn(&net.sync);
	ck_assert(slot->busy);
	records[CLIENT].client.consent_ms = 1000;
	compared();
	ck_assert_uint_eq(count.missing + count.orphans, 0);
	ck_assert(!net.restore.doubt);
	slot_mark(&net.table, slot);
	sync_turn(&net.sync);
	records[CLIENT].kind = IPC_FLOW;
	compared();
	ck_assert_uint_eq(count.missing, 0);
	ck_assert(net.restore.doubt);
	ck_assert(endpoint_equal(&slot->have.client, &slot->want.client));
}
END_TEST

/* It is restored with what is left of it, not with all. */
START_TEST(test_consent_left)
{
	slot->punched_ms -= 40000;
	snapshot.count = 0;
	compared();
	ck_assert_int_eq(ops[2].kind, RULES_CLIENT);
	ck_assert_int_eq(ops[3].kind, RULES_INGRESS);
	ck_assert_uint_le(ops[3].consent_ms, 5000);
}
END_TEST

START_TEST(test_torn)
{
	static const enum rules_op_kind kind[] = {RULES_LISTEN, RULES_INGRESS};

	records[RECORDS] = (struct ipc_record){.kind = IPC_TORN,
		.torn = {.kind = _i ? RULES_TORN_INGRESS : RULES_TORN_LISTEN,
			.at = endpoint("203.0.113.7:9099")}};
	snapshot.count = RECORDS + 1;
	ck_assert_uint_eq(compared(), 1);
	ck_assert_int_eq(ops[0].kind, kind[_i]);
}
END_TEST

static const struct {
	struct ipc_record record;
	const char *at, *to;
	enum rules_op_kind kind;
} orphans[] = {
	{{.kind = IPC_LISTENING}, "203.0.113.7:9100", "", RULES_UNLISTEN},
	{{.kind = IPC_INGRESS}, "203.0.113.7:9100", "192.0.2.9:40001", RULES_UNINGRESS},
	{{.kind = IPC_CLIENT}, "192.0.2.9:40001", "203.0.113.7:3478", RULES_UNCLIENT},
	{{.kind = IPC_PUNCH}, "203.0.113.7:3479", "", RULES_UNPUNCH},
	{{.kind = IPC_PUNCH, .punch.raw = true}, "203.0.113.7:3478", "", RULES_UNPUNCH},
	{{.kind = IPC_PEER}, "192.0.2.9:40001", "203.0.113.7:3478", RULES_UNPEER},
};

static void place(struct ipc_record *record, const struct endpoint *at, const struct endpoint *to)
{
	if (record->kind == IPC_LISTENING)
		record->listening.listen = *at;
	else if (record->kind == IPC_INGRESS)
		record->ingress = (struct rules_ingress){*at, *to};
	else if (record->kind == IPC_CLIENT)
		record->client = (struct rules_client){.client = *at, .punch = *to};
	else if (record->kind == IPC_PUNCH)
		record->punch.at = *at;
	else
		record->peer = (struct rules_peer){.client = *at, .punch = *to};
}

START_TEST(test_orphan)
{
	const struct endpoint at = endpoint(orphans[_i].at);
	const struct endpoint to =
		*orphans[_i].to ? endpoint(orphans[_i].to) : (struct endpoint){.port = 0};

	records[RECORDS] = orphans[_i].record;
	place(&records[RECORDS], &at, &to);
	snapshot.count = RECORDS + 1;
	ck_assert_uint_eq(compared(), 1);
	ck_assert_int_eq(ops[0].kind, orphans[_i].kind);
	ck_assert_uint_eq(count.missing, 0);
	ck_assert_uint_eq(count.orphans, 1);
}
END_TEST

/* Conntrack would keep it for as long as the sender sends. */
START_TEST(test_flow)
{
	struct rules_flow flow = {1, endpoint("198.51.100.1:7000"), endpoint("203.0.113.7:9099"),
		endpoint("192.0.2.9:40000"), endpoint("203.0.113.7:3478")};

	snapshot.count = RECORDS + 1;
	records[RECORDS] = (struct ipc_record){.kind = IPC_FLOW, .flow = flow};
	ck_assert_uint_eq(compared(), 0);
	records[RECORDS].flow.client.port++;
	ck_assert_uint_eq(compared(), 1);
	ck_assert_int_eq(ops[0].kind, RULES_FLUSH);
	ck_assert_uint_eq(ops[0].client.port, 40001);
	records[RECORDS].flow.client.port--;
	records[RECORDS].flow.number = 2;
	ck_assert_uint_eq(compared(), 1);
}
END_TEST

/* A start takes over what is there, in the order of the punches. */
START_TEST(test_adopt)
{
	struct stream *other = stream("cam2", "9100");
	const struct endpoint listen = endpoint("203.0.113.7:9100");
	const struct endpoint client = endpoint("192.0.2.9:40001");

	slot_release(&net.table, slot);
	memset(&slot->have, 0, sizeof(slot->have));
	slot->listening = false;
	records[RECORDS] = (struct ipc_record){.kind = IPC_LISTENING,
		.listening = {.listen = listen, .number = 1, .name = "cam2"}};
	records[RECORDS + 1] =
		(struct ipc_record){.kind = IPC_INGRESS, .ingress = {listen, client}};
	records[RECORDS + 2] = (struct ipc_record){.kind = IPC_CLIENT,
		.client = {.client = client,
			.punch = records[CLIENT].client.punch,
			.consent_ms = 10000,
			.name = "cam2"}};
	snapshot.count = RECORDS + 3;
	ck_assert_int_eq(adopted(&snapshot), 0);
	ck_assert_uint_eq(count.missing + count.orphans, 0);
	ck_assert_uint_eq(net.table.holes, 2);
	ck_assert_ptr_eq(TAILQ_FIRST(&net.table.consents), other->slots);
	settle();
	ck_assert_uint_eq(message.count, 0);
}
END_TEST

/* Of those that were sent. */
static const struct rules_op *sent(enum rules_op_kind kind)
{
	for (size_t i = 0; i < message.count; i++)
		if (ops[i].kind == kind)
			return &ops[i];
	return NULL;
}

/* As a relayd that has just started, with what the one before has left. */
static void start_again(size_t missing_count, size_t orphan_count)
{
	slot_release(&net.table, slot);
	memset(&slot->have, 0, sizeof(slot->have));
	slot->listening = false;
	ck_assert_int_eq(adopted(&snapshot), 0);
	ck_assert_uint_eq(count.missing, missing_count);
	ck_assert_uint_eq(count.orphans, orphan_count);
	settle();
}

/* What has changed in the file while no relayd was running is seen at the next start. */
START_TEST(test_other_source)
{
	ck_assert_int_eq(spec_set_source(&slot->stream->spec, "198.51.100.0/24", why), 0);
	start_again(0, 0);
	ck_assert_ptr_nonnull(sent(RULES_LISTEN));
	ck_assert_uint_eq(sent(RULES_LISTEN)->source.bits, 24);
	ck_assert_ptr_null(sent(RULES_UNCLIENT));
	ck_assert_uint_eq(net.table.holes, 1);
}
END_TEST

/* With another number it is a stream of that name with another key: who has the hole knows the old.
 */
START_TEST(test_other_number)
{
	const struct endpoint client = slot->want.client;

	records[LISTENING].listening.number = 2;
	start_again(0, 2);
	ck_assert_uint_eq(sent(RULES_LISTEN)->number, 1);
	ck_assert(endpoint_equal(&sent(RULES_UNCLIENT)->client, &client));
	ck_assert_ptr_nonnull(sent(RULES_UNINGRESS));
	ck_assert_uint_eq(net.table.holes, 0);
}
END_TEST

/* Where somebody has taken away what the number stands in, the name has to do. */
START_TEST(test_no_number)
{
	records[LISTENING] = (struct ipc_record){.kind = IPC_HEALTH};
	start_again(0, 0);
	ck_assert_ptr_nonnull(sent(RULES_LISTEN));
	ck_assert_ptr_null(sent(RULES_UNCLIENT));
	ck_assert_uint_eq(net.table.holes, 1);
}
END_TEST

START_TEST(test_other_clients)
{
	ck_assert_int_eq(spec_set_clients(&slot->stream->spec, "198.51.100.0/24", why), 0);
	start_again(0, 2);
	ck_assert_ptr_nonnull(sent(RULES_UNINGRESS));
	ck_assert_ptr_nonnull(sent(RULES_UNCLIENT));
	ck_assert_uint_eq(net.table.holes, 0);
}
END_TEST

START_TEST(test_other_rate)
{
	static const uint64_t had[] = {0, 2000, RULES_RATE_UNKNOWN};

	slot->stream->spec.rate = 1000;
	records[CLIENT].client.rate = had[_i];
	start_again(1, 0);
	ck_assert_ptr_nonnull(sent(RULES_INGRESS));
	ck_assert_uint_eq(sent(RULES_INGRESS)->rate, 1000);
	ck_assert_uint_eq(net.table.holes, 1);
}
END_TEST

/* Pairs in quadratic time would take minutes. */
START_TEST(test_many)
{
	struct ipc_record *many = calloc(3 * MANY, sizeof(*many));
	char name[32], listen[8];

	ck_assert_ptr_nonnull(many);
	for (unsigned int i = 0; i < MANY; i++) {
		struct ipc_record *record = &many[3 * i];
		struct endpoint at = endpoint("203.0.113.7:9099"), client = endpoint("192.0.2.9:1");

		snprintf(name, sizeof(name), "s%u", i);
		snprintf(listen, sizeof(listen), "%u", 10000 + i);
		stream(name, listen);
		at.port = (uint16_t)(10000 + i);
		client.port = (uint16_t)(20000 + i);
		record[0] = (struct ipc_record){.kind = IPC_LISTENING, .listening = {at, 1}};
		strcpy(record[0].listening.name, name);
		record[1] = (struct ipc_record){.kind = IPC_INGRESS, .ingress = {at, client}};
		record[2] = (struct ipc_record){.kind = IPC_CLIENT,
			.client = {.client = client,
				.punch = records[PUNCH].punch.at,
				.consent_ms = 1 + i * 7919 % CONSENT}};
		strcpy(record[2].client.name, name);
	}
	snapshot = (struct sync_snapshot){many, 3 * (size_t)MANY, true};
	ck_assert_int_eq(adopted(&snapshot), 0);
	ck_assert_uint_eq(net.table.holes, MANY + 1);
	ck_assert_uint_eq(count.orphans, 0);
	free(many);
}
END_TEST

static Suite *compare_suite(void)
{
	Suite *suite = suite_create("compare");
	TCase *tcase = tcase_create("compare");

	tcase_set_timeout(tcase, 30);
	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, test_equal);
	tcase_add_loop_test(tcase, test_missing, 0, (int)(sizeof(missing) / sizeof(missing[0])));
	tcase_add_test(tcase, test_nothing_there);
	tcase_add_test(tcase, test_otherwise);
	tcase_add_loop_test(tcase, test_consent, 0, 3);
	tcase_add_test(tcase, test_consent_left);
	tcase_add_test(tcase, test_parts);
	tcase_add_test(tcase, test_busy);
	tcase_add_loop_test(tcase, test_torn, 0, 2);
	tcase_add_loop_test(tcase, test_orphan, 0, (int)(sizeof(orphans) / sizeof(orphans[0])));
	tcase_add_test(tcase, test_flow);
	tcase_add_test(tcase, test_adopt);
	tcase_add_test(tcase, test_other_source);
	tcase_add_test(tcase, test_other_number);
	tcase_add_test(tcase, test_no_number);
	tcase_add_test(tcase, test_other_clients);
	tcase_add_loop_test(tcase, test_other_rate, 0, 3);
	tcase_add_test(tcase, test_many);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(compare_suite());
}
