/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "relayd/guard.h"
#include "tests/endpoint.h"
#include "tests/suite.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct config config;

/* A relay of two addresses. */
static void set_up(void)
{
	config.address_count = 2;
	ck_assert_int_eq(addr_parse("203.0.113.7", &config.addresses[0]), 0);
	ck_assert_int_eq(addr_parse("2001:db8::7", &config.addresses[1]), 0);
}

/* What sync would send. */
static struct rules_op good(enum rules_op_kind kind)
{
	struct rules_op op = {.kind = kind, .name = "cam1", .number = 1, .consent_ms = 45000};

	op.listen = endpoint("203.0.113.7:9099");
	op.client = endpoint("192.0.2.9:40123");
	op.punch = endpoint("203.0.113.7:3478");
	op.peer = endpoint("198.51.100.9:50123");
	return op;
}

static void assert_good(const struct rules_op *op)
{
	struct rules_error error = {.code = 1, .op = 2, .text = "untouched"};
	int ret = guard_check(&config, op, 1, &error);

	ck_assert_msg(ret == 0, "kind %d: %s", op->kind, error.text);
	ck_assert_int_eq(error.code, 1);
	ck_assert_str_eq(error.text, "untouched");
}

static void assert_bad(const struct rules_op *op, const char *why)
{
	struct rules_error error = {0};

	ck_assert_msg(guard_check(&config, op, 1, &error) == -EPERM, "kind %d", op->kind);
	ck_assert_int_eq(error.code, -EPERM);
	ck_assert_int_eq(error.op, 0);
	ck_assert_msg(
		strstr(error.text, why) != NULL, "\"%s\" does not say \"%s\"", error.text, why);
	ck_assert_uint_lt(strlen(error.text), sizeof(error.text) - 1);
}

START_TEST(test_good)
{
	struct rules_op op = good((enum rules_op_kind)_i);

	assert_good(&op);
	op.listen = endpoint("[2001:db8::7]:9099");
	op.client = endpoint("[2001:db8:1::9]:40123");
	op.punch = endpoint("[2001:db8::7]:3478");
	op.peer = endpoint("[2001:db8:2::9]:50123");
	assert_good(&op);
}
END_TEST

static const char *const names[] = {"", "a b", "../x", "a\"", "-a", "a;b", "caf\xc3\xa9", "a\n"};

START_TEST(test_name)
{
	struct rules_op op = good((enum rules_op_kind)_i);

	for (size_t i = 0; i < COUNT(names); i++) {
		strcpy(op.name, names[i]);
		if (op.kind == RULES_PUNCH || op.kind == RULES_UNPUNCH)
			assert_good(&op);
		else
			assert_bad(&op, "a stream's name");
	}
}
END_TEST

static const char *const not_ours[] = {
	"203.0.113.8:9099", "[2001:db8::8]:9099", "127.0.0.1:9099", "0.0.0.0:9099", NULL};

/* Kinds that make something where packets arrive. */
START_TEST(test_listen)
{
	static const enum rules_op_kind kinds[] = {RULES_LISTEN, RULES_INGRESS};
	struct rules_op op;

	for (size_t k = 0; k < COUNT(kinds); k++) {
		for (size_t i = 0; i < COUNT(not_ours); i++) {
			op = good(kinds[k]);
			op.listen = endpoint(not_ours[i]);
			assert_bad(&op, "not the relay's");
		}
		op = good(kinds[k]);
		op.listen.port = 0;
		assert_bad(&op, "not the relay's");
	}
}
END_TEST

START_TEST(test_punch)
{
	static const enum rules_op_kind kinds[] = {
		RULES_PUNCH, RULES_CLIENT, RULES_UNCLIENT, RULES_FLUSH, RULES_PEER, RULES_UNPEER};
	struct rules_op op;

	for (size_t k = 0; k < COUNT(kinds); k++) {
		for (size_t i = 0; i < COUNT(not_ours); i++) {
			op = good(kinds[k]);
			op.punch = endpoint(not_ours[i]);
			assert_bad(&op, "not the relay's");
		}
		op = good(kinds[k]);
		op.punch.port = 0;
		assert_bad(&op, "not the relay's");
	}
}
END_TEST

/* Elements of an address that is not ours any more may go. */
START_TEST(test_remove)
{
	static const enum rules_op_kind kinds[] = {RULES_UNLISTEN, RULES_UNPUNCH, RULES_UNINGRESS};
	struct rules_op op;

	for (size_t k = 0; k < COUNT(kinds); k++) {
		op = good(kinds[k]);
		op.listen = endpoint("203.0.113.8:9099");
		op.punch = endpoint("203.0.113.8:3478");
		assert_good(&op);
	}
}
END_TEST

static const char *const no_clients[] = {
	"203.0.113.7:5004", /* the relay itself */
	"[2001:db8::7]:5004",
	"127.0.0.1:5004",
	"127.255.0.1:5004",
	"0.0.0.0:5004",
	"224.0.0.1:5004",
	"239.1.2.3:5004",
	"255.255.255.255:5004",
	"169.254.1.1:5004",
	"[::1]:5004",
	"[::]:5004",
	"[ff02::1]:5004",
	"[fe80::1]:5004",
	"[::ffff:192.0.2.9]:5004",
	NULL,
};

START_TEST(test_client)
{
	static const enum rules_op_kind kinds[] = {RULES_CLIENT, RULES_INGRESS, RULES_PEER};
	struct rules_op op;

	for (size_t k = 0; k < COUNT(kinds); k++) {
		op = good(kinds[k]);
		op.client = endpoint(no_clients[_i]);
		assert_bad(&op, "no client can be");
		op = good(kinds[k]);
		op.client.port = 0;
		assert_bad(&op, "no client can be");
	}
}
END_TEST

START_TEST(test_peer)
{
	struct rules_op op = good(RULES_PEER);

	op.peer = endpoint(no_clients[_i]);
	assert_bad(&op, "no peer can be");
	op.peer = op.client;
	op.peer.port++;
	assert_good(&op);
	op.peer.port = 0;
	assert_bad(&op, "no peer can be");
	op.peer = op.client;
	assert_bad(&op, "its own peer");
	op = good(RULES_PEER);
	op.peer = endpoint("[2001:db8:2::9]:50123");
	assert_bad(&op, "another family");
}
END_TEST

START_TEST(test_number)
{
	static const uint32_t bad[] = {0, RULES_NUMBER_MAX + 1, 0x52000001, 0xffffffff};
	static const enum rules_op_kind kinds[] = {RULES_LISTEN, RULES_PEER};

	for (size_t k = 0; k < COUNT(kinds); k++) {
		struct rules_op op = good(kinds[k]);

		op.number = RULES_NUMBER_MAX;
		assert_good(&op);
		for (size_t i = 0; i < COUNT(bad); i++) {
			op.number = bad[i];
			assert_bad(&op, "outside our marks");
		}
	}
}
END_TEST

START_TEST(test_source)
{
	struct rules_op op = good(RULES_LISTEN);

	ck_assert_int_eq(prefix_parse("198.51.100.0/24", &op.source), 0);
	assert_good(&op);
	op.listen = endpoint("[2001:db8::7]:9099");
	assert_bad(&op, "another family");
	ck_assert_int_eq(prefix_parse("0.0.0.0/0", &op.source), 0);
	assert_good(&op);
}
END_TEST

START_TEST(test_consent)
{
	static const enum rules_op_kind kinds[] = {RULES_INGRESS, RULES_CONSENT};
	static const uint32_t bad[] = {0, 3600 * 1000 + 1, 0xffffffff};
	struct rules_op op;

	for (size_t k = 0; k < COUNT(kinds); k++) {
		op = good(kinds[k]);
		op.consent_ms = 3600 * 1000;
		assert_good(&op);
		for (size_t i = 0; i < COUNT(bad); i++) {
			op.consent_ms = bad[i];
			assert_bad(&op, "consent");
		}
	}
	/* A stream's client has none of its own; its ports have. */
	op = good(RULES_CLIENT);
	op.consent_ms = 0;
	assert_good(&op);
	op.consent_ms = bad[1];
	assert_bad(&op, "consent");
	/* Of a port only the port counts. */
	op = good(RULES_CONSENT);
	op.client = (struct endpoint){0};
	assert_good(&op);
	op.listen = endpoint("192.0.2.9:9099");
	assert_bad(&op, "not the relay's");
	op.listen = endpoint("203.0.113.7:9099");
	ck_assert_int_eq(prefix_parse("2001:db8::1", &op.source), 0);
	assert_bad(&op, "another family");
}
END_TEST

/* One that is bad and all are refused; the error says which. */
START_TEST(test_index)
{
	struct rules_op ops[] = {
		good(RULES_LISTEN), good(RULES_CLIENT), good(RULES_INGRESS), good(RULES_CLIENT)};
	struct rules_error error = {0};

	ck_assert_int_eq(guard_check(&config, ops, COUNT(ops), &error), 0);
	ck_assert_int_eq(guard_check(&config, ops, 0, &error), 0);
	ops[2].client.port = 0;
	ops[3].consent_ms = 0;
	ck_assert_int_eq(guard_check(&config, ops, COUNT(ops), &error), -EPERM);
	ck_assert_int_eq(error.op, 2);
	ck_assert_ptr_nonnull(strstr(error.text, "no client can be"));
	ck_assert_int_eq(guard_check(&config, ops, 2, &error), 0);
}
END_TEST

static Suite *guard_suite(void)
{
	Suite *suite = suite_create("guard");
	TCase *tcase = tcase_create("guard");

	tcase_add_checked_fixture(tcase, set_up, NULL);
	tcase_add_loop_test(tcase, test_good, RULES_LISTEN, RULES_UNPEER + 1);
	tcase_add_loop_test(tcase, test_name, RULES_LISTEN, RULES_UNPEER + 1);
	tcase_add_test(tcase, test_listen);
	tcase_add_test(tcase, test_punch);
	tcase_add_test(tcase, test_remove);
	tcase_add_loop_test(tcase, test_client, 0, COUNT(no_clients));
	tcase_add_loop_test(tcase, test_peer, 0, COUNT(no_clients));
	tcase_add_test(tcase, test_number);
	tcase_add_test(tcase, test_source);
	tcase_add_test(tcase, test_consent);
	tcase_add_test(tcase, test_index);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(guard_suite());
}
