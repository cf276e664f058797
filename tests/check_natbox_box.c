/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/natbox/box.h"
#include "tests/natbox/link.h"
#include "tests/suite.h"

#define NOW	((int64_t)1000000)
#define HEADERS 28

/* A packet, and what left the box: on which side, and how it looked. */
static uint8_t data[256], left[256];
static struct packet packet;
static size_t left_size;
static char side;
static struct box box;
static struct link wire;

static struct endpoint at(const char *text)
{
	struct endpoint out;

	ck_assert_int_eq(endpoint_parse(text, 0, &out), 0);
	return out;
}

static void put16(uint8_t *p, unsigned int value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

/* The sum that is 0xffff when the checksum among them is right. */
static uint32_t sum(uint32_t begin, const uint8_t *p, size_t size)
{
	for (size_t i = 0; i < size; i++)
		begin += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	while (begin >> 16)
		begin = (begin & 0xffff) + (begin >> 16);
	return begin;
}

static uint32_t udp_sum(const uint8_t *ip, size_t size)
{
	return sum(sum(17 + (uint32_t)size - 20, ip + 12, 8), ip + 20, size - 20);
}

/* A UDP packet with a payload of `size` bytes, and right checksums. */
static void packet_make(const char *from, const char *to, uint8_t ttl, size_t size)
{
	struct endpoint source = at(from), target = at(to);

	memset(data, 0x5a, sizeof(data));
	memset(data, 0, HEADERS);
	data[0] = 0x45;
	put16(data + 2, (unsigned int)(HEADERS + size));
	data[8] = ttl;
	data[9] = 17;
	memcpy(data + 12, source.addr.bytes, 4);
	memcpy(data + 16, target.addr.bytes, 4);
	put16(data + 20, source.port);
	put16(data + 22, target.port);
	put16(data + 24, (unsigned int)(8 + size));
	put16(data + 10, ~sum(0, data, 20));
	put16(data + 26, ~udp_sum(data, HEADERS + size));
	ck_assert(packet_parse(data, HEADERS + size, &packet));
}

static void take(char where, const struct packet *out)
{
	side = where;
	left_size = out->size;
	memcpy(left, out->data, out->size);
	ck_assert_uint_eq(sum(0, left, 20), 0xffff);
	if (out->kind == PACKET_UDP)
		ck_assert_uint_eq(udp_sum(left, left_size), 0xffff);
	else
		ck_assert_uint_eq(sum(0, left + 20, left_size - 20), 0xffff);
}

static void to_inside(void *unused, const struct packet *out)
{
	(void)unused;
	take('i', out);
}

static void to_outside(void *unused, const struct packet *out)
{
	(void)unused;
	take('o', out);
}

static void box_begin(struct box_config *config)
{
	ck_assert_int_eq(addr_parse("100.64.0.2", &config->layers[0].nat.public), 0);
	ck_assert_int_eq(addr_parse("10.0.0.1", &config->layers[0].gateway), 0);
	ck_assert_int_eq(addr_parse("192.0.2.9", &config->layers[1].nat.public), 0);
	ck_assert_int_eq(addr_parse("100.64.0.1", &config->layers[1].gateway), 0);
	if (config->count == 1)
		config->layers[0].nat.public = config->layers[1].nat.public;
	ck_assert_int_eq(box_init(&box, config), 0);
	box.to_inside = to_inside;
	box.to_outside = to_outside;
}

static void set_up(void)
{
	side = '-';
	memset(&box, 0, sizeof(box));
	memset(&wire, 0, sizeof(wire));
}

static void tear_down(void)
{
	box_fini(&box);
	link_fini(&wire);
}

/* What left: "o 192.0.2.9:5000 203.0.113.7:3478 62". */
static const char *seen(void)
{
	static char text[128];
	char from[ENDPOINT_TEXT], to[ENDPOINT_TEXT];
	struct packet out;
	uint8_t copy[256];

	if (side == '-')
		return "-";
	memcpy(copy, left, sizeof(copy));
	ck_assert(packet_parse(copy, left_size, &out));
	snprintf(text, sizeof(text), "%c%s %s %s %u", side, out.kind == PACKET_ERROR ? "!" : "",
		endpoint_format(&out.from, from), endpoint_format(&out.to, to), left[8]);
	side = '-';
	return text;
}

#define HOST "10.0.0.2:5000"
#define R    "203.0.113.7:3478"

static const char *send_out(const char *from, const char *to, uint8_t ttl)
{
	packet_make(from, to, ttl, 33);
	box_out(&box, &packet, NOW);
	return seen();
}

static const char *send_in(const char *from, const char *to, uint8_t ttl)
{
	packet_make(from, to, ttl, 33);
	box_in(&box, &packet, NOW);
	return seen();
}

static struct box_config port_restricted(size_t count)
{
	struct box_config config = {.count = count};

	for (size_t i = 0; i < count; i++)
		config.layers[i].nat.filtering = NAT_PORT;
	return config;
}

START_TEST(test_one)
{
	struct box_config config = port_restricted(1);

	box_begin(&config);
	ck_assert_str_eq(send_out(HOST, R, 64), "o 192.0.2.9:5000 203.0.113.7:3478 63");
	ck_assert_str_eq(send_in(R, "192.0.2.9:5000", 60), "i 203.0.113.7:3478 10.0.0.2:5000 59");
	ck_assert_str_eq(send_in(R, "192.0.2.9:5001", 60), "-");
	ck_assert_str_eq(send_in(R, "192.0.2.10:5000", 60), "-");
}
END_TEST

START_TEST(test_two)
{
	struct box_config config = port_restricted(2);

	box_begin(&config);
	ck_assert_str_eq(send_out(HOST, R, 64), "o 192.0.2.9:5000 203.0.113.7:3478 62");
	ck_assert_str_eq(send_in(R, "192.0.2.9:5000", 60), "i 203.0.113.7:3478 10.0.0.2:5000 58");
}
END_TEST

START_TEST(test_none)
{
	struct box_config config = {.count = 0};

	box_begin(&config);
	ck_assert_str_eq(send_out(HOST, R, 1), "o 10.0.0.2:5000 203.0.113.7:3478 1");
	ck_assert_str_eq(send_in(R, HOST, 1), "i 203.0.113.7:3478 10.0.0.2:5000 1");
}
END_TEST

START_TEST(test_ttl)
{
	struct box_config config = port_restricted(2);

	config.time_exceeded = _i;
	box_begin(&config);
	ck_assert_str_eq(send_out(HOST, R, 1), _i ? "i! 10.0.0.2:5000 203.0.113.7:3478 64" : "-");
	ck_assert_int_eq(_i && memcmp(left + 12, "\x0a\x00\x00\x01\x0a\x00\x00\x02", 8) != 0, 0);
	ck_assert_str_eq(send_out(HOST, R, 2), _i ? "i! 10.0.0.2:5000 203.0.113.7:3478 63" : "-");
	ck_assert_int_eq(_i && memcmp(left + 12, "\x64\x40\x00\x01\x0a\x00\x00\x02", 8) != 0, 0);
	ck_assert_str_eq(send_out(HOST, R, 3), "o 192.0.2.9:5000 203.0.113.7:3478 1");
	ck_assert_uint_eq(box.counters.expired, 2);
}
END_TEST

/* An error from outside finds the host, one from the host finds who caused it. */
START_TEST(test_errors)
{
	struct box_config config = port_restricted(2);
	uint8_t made[PACKET_ERROR_SIZE];
	struct addr router = at("203.0.113.1:1").addr, host = at(HOST).addr;

	box_begin(&config);
	send_out(HOST, R, 64);
	packet_make("192.0.2.9:5000", R, 1, 33);
	ck_assert(packet_parse(made, packet_error(&packet, ICMP_TIME, &router, made), &packet));
	box_in(&box, &packet, NOW);
	ck_assert_str_eq(seen(), "i! 10.0.0.2:5000 203.0.113.7:3478 62");
	packet_make(R, HOST, 60, 33);
	ck_assert(packet_parse(made, packet_error(&packet, ICMP_PORT, &host, made), &packet));
	box_out(&box, &packet, NOW);
	ck_assert_str_eq(seen(), "o! 203.0.113.7:3478 192.0.2.9:5000 62");
	ck_assert_int_eq(memcmp(left + 12, "\xc0\x00\x02\x09\xcb\x00\x71\x07", 8), 0);
}
END_TEST

START_TEST(test_refused)
{
	struct box_config config = port_restricted(2);

	config.layers[_i].nat.icmp = true;
	config.layers[1].nat.filtering = _i ? NAT_PORT : NAT_ENDPOINT;
	box_begin(&config);
	send_out(HOST, R, 64);
	ck_assert_str_eq(send_in("198.51.100.1:7", "192.0.2.9:5000", 60),
		_i ? "o! 198.51.100.1:7 192.0.2.9:5000 64" : "o! 198.51.100.1:7 192.0.2.9:5000 63");
}
END_TEST

START_TEST(test_hairpin)
{
	struct box_config config = port_restricted(1);

	config.layers[0].nat.filtering = NAT_ENDPOINT;
	config.layers[0].nat.hairpin = _i;
	box_begin(&config);
	send_out(HOST, R, 64);
	ck_assert_str_eq(send_out("10.0.0.3:6000", "192.0.2.9:5000", 64),
		_i ? "i 192.0.2.9:6000 10.0.0.2:5000 63" : "-");
}
END_TEST

/* What is cut short, or lies about its size, is not read beyond its end. */
START_TEST(test_short)
{
	uint8_t made[PACKET_ERROR_SIZE];
	size_t size;
	struct addr router = at("203.0.113.1:1").addr;

	packet_make(HOST, R, 64, 33);
	size = packet_error(&packet, ICMP_PORT, &router, made);
	for (size_t i = 0; i < size; i++) {
		uint8_t *copy = malloc(i ? i : 1);

		memcpy(copy, made, i);
		ck_assert(!packet_parse(copy, i, &packet));
		if (i >= 20) {
			put16(copy + 2, (unsigned int)i);
			ck_assert(packet_parse(copy, i, &packet));
			ck_assert_int_eq(packet.kind == PACKET_ERROR, i >= 56);
		}
		for (unsigned int first = 0; i && first < 256; first++) {
			copy[0] = (uint8_t)first;
			packet_parse(copy, i, &packet);
		}
		free(copy);
	}
}
END_TEST

START_TEST(test_link_order)
{
	struct link_config config = {
		.delay_us = 20000, .jitter_us = 15000, .reorder = _i, .seed = 3};
	unsigned int reordered = 0, last = 0;
	struct link_packet *out;
	uint16_t i;

	ck_assert_int_eq(link_init(&wire, &config), 0);
	for (i = 0; i < 1000; i++)
		link_push(&wire, LINK_OUT, (uint8_t *)&i, sizeof(i), i * 100);
	ck_assert_ptr_null(link_pop(&wire, 4999));
	for (int64_t now = 0; now < 200000; now += 100) {
		while ((out = link_pop(&wire, now))) {
			memcpy(&i, out->data, sizeof(i));
			ck_assert_int_ge(now, i * 100 + 5000);
			ck_assert_int_le(now, i * 100 + 35100);
			reordered += i < last;
			last = i;
		}
	}
	ck_assert_int_eq(link_due(&wire), -1);
	ck_assert_int_eq(reordered > 100, _i);
	ck_assert_int_eq(reordered == 0, !_i);
}
END_TEST

START_TEST(test_link_limits)
{
	struct link_config config = {.loss = 0.2, .seed = 3};

	ck_assert_int_eq(link_init(&wire, &config), 0);
	for (int i = 0; i < LINK_PACKETS; i++)
		link_push(&wire, i % 2 ? LINK_OUT : LINK_IN, data, 28, 0);
	ck_assert_uint_gt(wire.lost, LINK_PACKETS / 5 - 250);
	ck_assert_uint_lt(wire.lost, LINK_PACKETS / 5 + 250);
	ck_assert_uint_eq(wire.count + wire.lost, LINK_PACKETS);
	wire.config.loss = 0;
	for (int i = 0; i < LINK_PACKETS; i++)
		link_push(&wire, LINK_OUT, data, 28, 0);
	ck_assert_uint_eq(wire.count, LINK_PACKETS);
	ck_assert_uint_eq(wire.overflown, LINK_PACKETS - wire.lost);
	for (int i = 0; i < LINK_PACKETS; i++)
		ck_assert_ptr_nonnull(link_pop(&wire, 0));
	ck_assert_ptr_null(link_pop(&wire, 0));
}
END_TEST

static Suite *box_suite(void)
{
	Suite *suite = suite_create("natbox_box");
	TCase *tests = tcase_create("box");

	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_test(tests, test_one);
	tcase_add_test(tests, test_two);
	tcase_add_test(tests, test_none);
	tcase_add_loop_test(tests, test_ttl, 0, 2);
	tcase_add_test(tests, test_errors);
	tcase_add_loop_test(tests, test_refused, 0, 2);
	tcase_add_loop_test(tests, test_hairpin, 0, 2);
	tcase_add_test(tests, test_short);
	tcase_add_loop_test(tests, test_link_order, 0, 2);
	tcase_add_test(tests, test_link_limits);
	suite_add_tcase(suite, tests);
	return suite;
}

int main(void)
{
	return suite_run(box_suite());
}
