/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is asked of the kernel side to explain a stream, and what becomes of its answers. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "relayd/control_explain.h"
#include "tests/endpoint.h"
#include "tests/suite.h"

#define NOW 1000000

static struct net *net;
static struct config config;
static struct stream *stream;
static struct ipc_record records[3];
static struct sync_snapshot snapshot = {records, 3, true};
static struct ipc sent;
static unsigned int asked[IPC_ASK_TRACE + 1];
static struct ipc_ask last[IPC_ASK_TRACE + 1];
static json_t *answer;
static unsigned int answers;
static struct inquiry *inquiry;

/* That of net.c, which this program has no loop for. */
int64_t net_now(const struct net *of)
{
	(void)of;
	return NOW;
}

static int send_question(void *data, const uint8_t *message, size_t len)
{
	const struct ipc_room none = {.room = 0};

	(void)data;
	ck_assert_int_eq(ipc_decode(message, len, &none, &sent), 0);
	asked[sent.ask.kind]++;
	last[sent.ask.kind] = sent.ask;
	return 0;
}

static void done(void *data, json_t *object)
{
	(void)data;
	inquiry = NULL;
	answer = object;
	answers++;
}

/* Answers the question under way with at most one fact; false: there is none. */
static bool reply(const struct ipc_fact *fact, int code)
{
	struct ipc message = {.kind = IPC_FACTS, .id = sent.id, .count = 1};

	if (!net->asker.waiting)
		return false;
	if (fact)
		ck_assert(ask_message(&net->asker, &message, fact));
	message = (struct ipc){.kind = IPC_END, .id = sent.id, .error.code = code};
	ck_assert(ask_message(&net->asker, &message, NULL));
	return true;
}

static bool reply_as_asked(void)
{
	struct ipc_fact fact = {.kind = IPC_HOST};

	switch (sent.ask.kind) {
	case IPC_ASK_HOST:
		fact.host.refresh = true;
		break;
	case IPC_ASK_ROUTE:
		fact.kind = IPC_ROUTE;
		fact.route = (struct path_route){
			.in = "in0", .out = "out0", .forwards = true, .up = true, .mtu = 1400};
		break;
	case IPC_ASK_FLOW:
		return reply(NULL, 0);
	case IPC_ASK_WALK:
		fact.kind = IPC_CHAIN;
		fact.chain = (struct foreign_chain){
			.table = "fw", .chain = "c", .hook = "forward", .owner = FOREIGN_NFTABLES};
		break;
	case IPC_ASK_TRACE:
		fact.kind = IPC_TRACE;
		fact.trace = (struct trace_event){.kind = TRACE_POLICY, .verdict = 1};
		break;
	}
	return reply(&fact, 0);
}

static void set_up(void)
{
	static const bool families[STREAM_FAMILIES] = {true, false};
	struct spec spec;
	char why[SPEC_WHY];

	memset(asked, 0, sizeof asked);
	memset(last, 0, sizeof last);
	memset(&config, 0, sizeof config);
	memset(records, 0, sizeof records);
	answer = NULL;
	answers = 0;
	net = calloc(1, sizeof *net);
	ck_assert_ptr_nonnull(net);
	config.addresses[0] = endpoint("10.0.0.4:1").addr;
	config.address_count = 1;
	config.advertise[0].local = config.addresses[0];
	config.advertise[0].public = endpoint("203.0.113.7:1").addr;
	config.advertise_count = 1;
	config.punch = 3478;
	net->config = &config;
	ask_init(&net->asker);
	net->asker.send = send_question;
	ck_assert_int_eq(stream_table_init(&net->table, families, 45000), 0);
	ck_assert_int_eq(spec_init(&spec, "cam", why), 0);
	ck_assert_int_eq(spec_set_listen(&spec, "9099,9101", why), 0);
	ck_assert_int_eq(spec_set_source(&spec, "any", why), 0);
	ck_assert_int_eq(stream_add(&net->table, &spec, 7, &stream, why), 0);
	records[0].kind = IPC_LISTENING;
	records[0].listening.listen = endpoint("10.0.0.4:9099");
	records[1].kind = IPC_INGRESS;
	records[1].ingress.listen = endpoint("10.0.0.4:9099");
	records[1].ingress.client = endpoint("192.0.2.9:40123");
	records[2].kind = IPC_CLIENT;
	records[2].client.client = endpoint("192.0.2.9:40123");
	records[2].client.punch = endpoint("10.0.0.4:3478");
	records[2].client.consent_ms = 31200;
}

static void tear_down(void)
{
	json_decref(answer);
	ask_fini(&net->asker);
	stream_table_fini(&net->table);
	free(net);
}

static void punch(void)
{
	const struct hole hole = {endpoint("192.0.2.9:40123"), endpoint("10.0.0.4:3478")};
	bool moved;

	ck_assert_int_eq(slot_claim(&net->table, stream->slots[0], &hole, NOW - 1000, &moved), 0);
}

static void begin(const struct request *request)
{
	ck_assert_int_eq(inquiry_start(net, request, &snapshot, done, NULL, &inquiry), 0);
}

static void explain(uint16_t port, const char *from, bool trace)
{
	struct request request = {.what = REQUEST_EXPLAIN, .port = port, .trace = trace};

	strcpy(request.spec.name, "cam");
	if (from)
		request.from = endpoint(from);
	begin(&request);
}

static const json_t *path(size_t index)
{
	const json_t *found = json_array_get(json_object_get(answer, "paths"), index);

	ck_assert_ptr_nonnull(found);
	return found;
}

START_TEST(arrives)
{
	punch();
	stream->slots[0]->sender = endpoint("198.51.100.175:9099");
	explain(9099, NULL, false);
	while (reply_as_asked())
		;
	ck_assert_uint_eq(answers, 1);
	ck_assert(json_is_true(json_object_get(answer, "arrives")));
	ck_assert_uint_eq(json_array_size(json_object_get(answer, "paths")), 1);
	ck_assert_str_eq(json_string_value(json_object_get(path(0), "listen")), "203.0.113.7:9099");
	ck_assert_uint_eq(asked[IPC_ASK_ROUTE], 2);
	ck_assert_uint_eq(asked[IPC_ASK_FLOW], 2);
	ck_assert_uint_eq(asked[IPC_ASK_WALK], EXPLAIN_WAYS);
	ck_assert_uint_eq(asked[IPC_ASK_TRACE], 0);
	ck_assert(endpoint_equal(&last[IPC_ASK_FLOW].dest, &records[2].client.punch));
	/* Our answer leaves by where the client is. */
	ck_assert_int_eq(last[IPC_ASK_WALK].packet.way, FOREIGN_ANSWER);
	ck_assert_str_eq(last[IPC_ASK_WALK].packet.out, "out0");
	ck_assert_str_eq(last[IPC_ASK_WALK].packet.in, "");
	ck_assert_uint_eq(last[IPC_ASK_WALK].packet.mark, 0x52000007);
}
END_TEST

/* Of all ports one has no client. */
START_TEST(all_ports)
{
	punch();
	explain(0, NULL, true);
	while (reply_as_asked())
		;
	ck_assert_uint_eq(json_array_size(json_object_get(answer, "paths")), 2);
	ck_assert(json_is_true(json_object_get(path(0), "arrives")));
	ck_assert(json_is_false(json_object_get(path(1), "arrives")));
	ck_assert(json_is_false(json_object_get(answer, "arrives")));
	ck_assert_uint_eq(asked[IPC_ASK_TRACE], 1);
	ck_assert(last[IPC_ASK_TRACE].any);
}
END_TEST

START_TEST(no_such_port)
{
	explain(1, NULL, false);
	ck_assert(reply_as_asked());
	ck_assert_uint_eq(answers, 1);
	ck_assert(json_is_false(json_object_get(answer, "arrives")));
	ck_assert_uint_eq(json_array_size(json_object_get(answer, "paths")), 0);
}
END_TEST

START_TEST(from_named)
{
	punch();
	explain(9099, "192.0.2.77:5", true);
	while (reply_as_asked())
		;
	ck_assert_str_eq(json_string_value(json_object_get(path(0), "sender")), "192.0.2.77:5");
	ck_assert(!last[IPC_ASK_TRACE].any);
}
END_TEST

/* Who came after the last media is why somebody asks. */
START_TEST(refused_last)
{
	punch();
	stream->slots[0]->sender = endpoint("198.51.100.175:9099");
	stream->slots[0]->media_ms = NOW - 5000;
	stream->slots[0]->refused_sender = endpoint("192.0.2.77:5");
	stream->slots[0]->refused_ms = NOW - 6000;
	explain(9099, NULL, false);
	while (reply_as_asked())
		;
	ck_assert_str_eq(
		json_string_value(json_object_get(path(0), "sender")), "198.51.100.175:9099");
	json_decref(answer);
	stream->slots[0]->refused_ms = NOW - 4000;
	explain(9099, NULL, false);
	while (reply_as_asked())
		;
	ck_assert_str_eq(json_string_value(json_object_get(path(0), "sender")), "192.0.2.77:5");
}
END_TEST

/* A kernel side that cannot answer leaves steps out, and nothing else. */
START_TEST(nothing_known)
{
	punch();
	explain(9099, NULL, true);
	while (reply(NULL, -EPERM))
		;
	ck_assert_uint_eq(answers, 1);
	ck_assert_uint_eq(json_array_size(json_object_get(answer, "paths")), 1);
}
END_TEST

START_TEST(removed_meanwhile)
{
	explain(9099, NULL, false);
	stream_remove(&net->table, stream);
	while (reply_as_asked())
		;
	ck_assert(json_is_false(json_object_get(answer, "ok")));
}
END_TEST

/* Who asked may go at any time; what is asked next is answered all the same. */
START_TEST(cancelled)
{
	punch();
	for (int turns = 0; turns < 12; turns++) {
		struct request host = {.what = REQUEST_HOST};

		if (turns % 2)
			begin(&host);
		else
			explain(0, NULL, true);
		for (int i = 0; i < turns; i++)
			reply_as_asked();
		if (inquiry)
			inquiry_cancel(inquiry);
		else
			json_decref(answer);
		answer = NULL;
		inquiry = NULL;
	}
	answers = 0;
	explain(9099, NULL, false);
	while (reply_as_asked())
		;
	ck_assert_uint_eq(answers, 1);
}
END_TEST

START_TEST(host_told)
{
	const struct request request = {.what = REQUEST_HOST};
	const json_t *address;

	begin(&request);
	while (reply_as_asked())
		;
	ck_assert_uint_eq(answers, 1);
	ck_assert_int_eq(json_integer_value(json_object_get(answer, "punch")), 3478);
	address = json_array_get(json_object_get(answer, "addresses"), 0);
	ck_assert_str_eq(json_string_value(json_object_get(address, "address")), "10.0.0.4");
	ck_assert_str_eq(json_string_value(json_object_get(address, "advertise")), "203.0.113.7");
	ck_assert_str_eq(json_string_value(json_object_get(address, "interface")), "in0");
	ck_assert(json_is_true(json_object_get(json_object_get(answer, "features"), "refresh")));
	ck_assert_uint_eq(json_array_size(json_object_get(answer, "chains")), EXPLAIN_WAYS);
	ck_assert_str_eq(json_string_value(json_object_get(answer, "unread")), "");
}
END_TEST

START_TEST(host_unread)
{
	const struct request request = {.what = REQUEST_HOST};

	begin(&request);
	while (reply(NULL, -EPERM))
		;
	ck_assert_str_ne(json_string_value(json_object_get(answer, "unread")), "");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("explain_gather");
	TCase *tcase = tcase_create("explain_gather");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, arrives);
	tcase_add_test(tcase, all_ports);
	tcase_add_test(tcase, no_such_port);
	tcase_add_test(tcase, from_named);
	tcase_add_test(tcase, refused_last);
	tcase_add_test(tcase, nothing_known);
	tcase_add_test(tcase, removed_meanwhile);
	tcase_add_test(tcase, cancelled);
	tcase_add_test(tcase, host_told);
	tcase_add_test(tcase, host_unread);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
