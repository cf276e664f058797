/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>

#include "rules/elem.h"
#include "rules/internal.h"
#include "tests/suite.h"

static struct endpoint at(const char *text)
{
	struct endpoint endpoint = {0};

	ck_assert_int_eq(endpoint_parse(text, 0, &endpoint), 0);
	return endpoint;
}

static struct prefix within(const char *text)
{
	struct prefix prefix = {0};

	ck_assert_int_eq(prefix_parse(text, &prefix), 0);
	return prefix;
}

/* What it refuses it refuses before it speaks to the kernel, so a closed socket does. */
static void check_refused(const struct rules_op *bad, const char *text)
{
	const struct rules_op good = {.kind = RULES_FLUSH,
		.client = at("192.0.2.9:5004"),
		.punch = at("203.0.113.7:3478")};
	struct rules_op ops[] = {good, *bad, good};
	struct rules *rules = calloc(1, sizeof(*rules));
	struct rules_error error = {0};

	ck_assert_ptr_nonnull(rules);
	rules->nl.fd = rules->log.fd = -1;
	batch_init(&rules->batch);
	ck_assert_int_eq(rules_apply(rules, ops, 3, &error), -EINVAL);
	ck_assert_int_eq(error.code, -EINVAL);
	ck_assert_int_eq(error.op, 1);
	ck_assert_msg(strstr(error.text, text), "%s", error.text);
	rules_close(rules);
}

START_TEST(test_apply_refuses)
{
	struct rules_op op;

	op = (struct rules_op){.kind = RULES_LISTEN};
	check_refused(&op, "incomplete");
	op.listen = at("203.0.113.7:9099");
	op.number = RULES_NUMBER_MAX + 1;
	check_refused(&op, "number");
	op.number = 1;
	op.source = within("2001:db8::/32");
	check_refused(&op, "IP versions");
	op.source = within("198.51.100.0/24");
	op.source.bits = 33;
	check_refused(&op, "too long");
	memset(op.name, 'x', sizeof(op.name));
	check_refused(&op, "name");

	op = (struct rules_op){.kind = RULES_CLIENT, .client = at("192.0.2.9:5004")};
	check_refused(&op, "local endpoint");
	op.punch = at("[2001:db8::1]:3478");
	check_refused(&op, "IP versions");
	op.kind = RULES_CONSENT;
	check_refused(&op, "no duration");
	op.consent_ms = 1000;
	op.listen = at("203.0.113.7:9099");
	op.source = within("2001:db8::/32");
	check_refused(&op, "IP versions");

	op = (struct rules_op){.kind = RULES_INGRESS,
		.client = at("192.0.2.9:5004"),
		.listen = at("[2001:db8::1]:9099")};
	check_refused(&op, "no duration");
	op.consent_ms = 1000;
	check_refused(&op, "IP versions");
	op.client = (struct endpoint){0};
	check_refused(&op, "incomplete");

	op = (struct rules_op){.kind = RULES_PUNCH};
	check_refused(&op, "incomplete");
	op = (struct rules_op){.kind = RULES_MAX_RATE, .rate = RULES_RATE_MAX + 1};
	check_refused(&op, "too high");
	op.kind = (enum rules_op_kind)99;
	check_refused(&op, "no such");
}
END_TEST

START_TEST(test_apply_counts)
{
	struct rules_error error = {0};

	ck_assert_int_eq(rules_apply(NULL, NULL, 0, &error), -EINVAL);
	ck_assert_int_eq(rules_apply(NULL, NULL, RULES_OPS_MAX + 1, &error), -EINVAL);
	ck_assert_int_eq(error.op, -1);
}
END_TEST

/* No name is used twice, and none is longer than what a message has room for. */
START_TEST(test_set_names)
{
	for (int i = 0; i < 2 * SET_COUNT; i++)
		for (int j = 0; j < i; j++)
			ck_assert_str_ne(set_name((enum set_id)(i / 2), i % 2 ? AF_INET : AF_INET6),
				set_name((enum set_id)(j / 2), j % 2 ? AF_INET : AF_INET6));
}
END_TEST

/* Every message fits into the room that it was given, and lies behind the one before. */
START_TEST(test_skeleton_fits)
{
	const struct kernel kernel = {true, true, true, true};
	struct batch batch;

	batch_init(&batch);
	skeleton_add(&batch, &kernel, &(struct skeleton_extra){true, 1000});
	ck_assert(!batch.failed);
	ck_assert_uint_gt(batch.count, 60);
	for (size_t i = 0; i + 1 < batch.count; i++) {
		const struct nlmsghdr *nlh =
			(const struct nlmsghdr *)(batch.data + batch.msgs[i].at);

		ck_assert_uint_le(nlh->nlmsg_len, NL_REQUEST);
		ck_assert_uint_eq(
			batch.msgs[i].at + NLMSG_ALIGN(nlh->nlmsg_len), batch.msgs[i + 1].at);
	}
	batch_fini(&batch);
}
END_TEST

/* IPv4, IPv6, IPv6 behind eight bytes of hop-by-hop options; from port 7000 to port 9099. */
static const uint8_t packet4[] = {0x45, 0, 0, 32, 0, 0, 0, 0, 64, 17, 0, 0, 198, 51, 100, 175, 203,
	0, 113, 7, 0x1b, 0x58, 0x23, 0x8b, 0, 12, 0, 0, 0x80, 0, 0, 0};
static const uint8_t packet6[] = {0x60, 0, 0, 0, 0, 12, 17, 64, 0x20, 1, 0xd, 0xb8, 0, 1, 0, 0, 0,
	0, 0, 0, 0, 0, 1, 0x75, 0x20, 1, 0xd, 0xb8, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0x1b, 0x58,
	0x23, 0x8b, 0, 12, 0, 0, 0x80, 0, 0, 0};
static const uint8_t options6[] = {0x60, 0, 0, 0, 0, 20, 0, 64, 0x20, 1, 0xd, 0xb8, 0, 1, 0, 0, 0,
	0, 0, 0, 0, 0, 1, 0x75, 0x20, 1, 0xd, 0xb8, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 17, 0, 0, 0,
	0, 0, 0, 0, 0x1b, 0x58, 0x23, 0x8b, 0, 12, 0, 0, 0x80, 0, 0, 0};

/* The payload is the copy's last bytes, so that reading past it leaves the allocation. */
static bool log_read(const void *packet, size_t len, const char *prefix, struct rules_event *event)
{
	const size_t size = 256 + len;
	char *data = calloc(1, size);
	struct nlmsghdr *nlh;
	char *tight;
	bool found;

	ck_assert_ptr_nonnull(data);
	nlh = mnl_nlmsg_put_header(data);
	nlh->nlmsg_type = NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET;
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct nfgenmsg));
	if (prefix)
		mnl_attr_put_strz(nlh, NFULA_PREFIX, prefix);
	mnl_attr_put(nlh, NFULA_PAYLOAD, len, packet);
	tight = malloc(nlh->nlmsg_len);
	ck_assert_ptr_nonnull(tight);
	memcpy(tight, data, nlh->nlmsg_len);
	found = log_parse((const struct nlmsghdr *)tight, event);
	free(tight);
	free(data);
	return found;
}

static void check_packet(const void *packet, size_t len, const char *sender, const char *listen)
{
	const struct endpoint from = at(sender), to = at(listen);
	struct rules_event event;

	ck_assert(log_read(packet, len, "open", &event));
	ck_assert(!event.refused);
	ck_assert(endpoint_equal(&event.sender, &from));
	ck_assert(endpoint_equal(&event.listen, &to));
	ck_assert_mem_eq(event.first, (const uint8_t *)packet + len - 4, 4);
	ck_assert_uint_eq(event.first[4], 0);
	ck_assert(log_read(packet, len, "refused", &event));
	ck_assert(event.refused);
	ck_assert(!log_read(packet, len, NULL, &event));
	/* The ports are the last that is read: eight bytes before the end of UDP's header's. */
	for (size_t cut = 0; cut < len - 8; cut++)
		ck_assert(!log_read(packet, cut, "open", &event));
}

START_TEST(test_log_parse)
{
	check_packet(packet4, sizeof(packet4), "198.51.100.175:7000", "203.0.113.7:9099");
	check_packet(packet6, sizeof(packet6), "[2001:db8:1::175]:7000", "[2001:db8:2::7]:9099");
	check_packet(options6, sizeof(options6), "[2001:db8:1::175]:7000", "[2001:db8:2::7]:9099");
}
END_TEST

START_TEST(test_log_parse_refuses)
{
	uint8_t packet[sizeof(packet4)];
	struct rules_event event;

	memcpy(packet, packet4, sizeof(packet));
	packet[9] = 6; /* TCP */
	ck_assert(!log_read(packet, sizeof(packet), "open", &event));
	packet[9] = 17;
	packet[0] = 0x44; /* a header of 16 bytes */
	ck_assert(!log_read(packet, sizeof(packet), "open", &event));
	packet[0] = 0x4f; /* of 60 */
	ck_assert(!log_read(packet, sizeof(packet), "open", &event));
	packet[0] = 0x55;
	ck_assert(!log_read(packet, sizeof(packet), "open", &event));
}
END_TEST

/* Any bytes: nothing is read out of bounds, and it ends (an IPv6 header may chain to itself). */
START_TEST(test_log_parse_random)
{
	uint8_t packet[160];
	struct rules_event event;

	srandom(1);
	for (int round = 0; round < 20000; round++) {
		size_t len = (size_t)random() % sizeof(packet);

		for (size_t i = 0; i < len; i++)
			packet[i] = (uint8_t)(random() % 4 ? random() : 0);
		if (len)
			packet[0] = round % 2 ? 0x60 : (uint8_t)(0x40 | (packet[0] & 15));
		log_read(packet, len, "open", &event);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("rules");
	TCase *tcase = tcase_create("rules");

	tcase_add_test(tcase, test_apply_refuses);
	tcase_add_test(tcase, test_apply_counts);
	tcase_add_test(tcase, test_set_names);
	tcase_add_test(tcase, test_skeleton_fits);
	tcase_add_test(tcase, test_log_parse);
	tcase_add_test(tcase, test_log_parse_refuses);
	tcase_add_test(tcase, test_log_parse_random);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
