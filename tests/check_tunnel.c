/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What tunnels are made of: the escape, the table of sources, and sockets by the volley. */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "common/stun.h"
#include "punchctl/escape.h"
#include "punchctl/resolver.h"
#include "punchctl/source.h"
#include "punchctl/target.h"
#include "punchctl/volley.h"
#include "tests/suite.h"

static const uint8_t binding[20] = {0x00, 0x01, 0x00, 0x00, 0x21, 0x12, 0xa4, 0x42};

START_TEST(test_escape)
{
	static const uint8_t marked[] = {0xff, 'E', 'S', 'C', 'x'};
	static const uint8_t rtp[20] = {0x80, 96, 0, 0, 0x21, 0x12, 0xa4, 0x42};
	uint8_t carried[ESCAPE_LEN + sizeof(binding)];

	ck_assert(escape_is_needed(binding, sizeof(binding)));
	ck_assert(escape_is_needed(marked, sizeof(marked)));
	ck_assert(escape_is_needed(marked, ESCAPE_LEN));
	ck_assert(!escape_is_needed(marked, ESCAPE_LEN - 1));
	ck_assert(!escape_is_needed(rtp, sizeof(rtp)));
	ck_assert(!escape_is_needed(rtp, 0));

	ck_assert_uint_eq(escape_skip(rtp, sizeof(rtp)), 0);
	ck_assert_uint_eq(escape_skip(marked, ESCAPE_LEN - 1), 0);
	memcpy(carried, escape_marker, ESCAPE_LEN);
	memcpy(carried + ESCAPE_LEN, binding, sizeof(binding));
	ck_assert(!stun_is(carried, sizeof(carried)));
	ck_assert_uint_eq(escape_skip(carried, sizeof(carried)), ESCAPE_LEN);
	/* What began with the marker has it twice on its way. */
	memcpy(carried + ESCAPE_LEN, marked, sizeof(marked));
	ck_assert_uint_eq(escape_skip(carried, sizeof(carried)), ESCAPE_LEN);
	ck_assert_mem_eq(carried + ESCAPE_LEN, marked, sizeof(marked));
}
END_TEST

static struct endpoint loopback(uint8_t family, uint16_t port)
{
	struct endpoint endpoint = {{family, {0}}, port};

	if (family == AF_INET)
		memcpy(endpoint.addr.bytes, "\x7f\0\0\1", 4);
	else
		endpoint.addr.bytes[15] = 1;
	return endpoint;
}

START_TEST(test_sources)
{
	enum { COUNT = 2000 };
	static struct source sources[COUNT];
	static struct source_table table = {.seed = 7};
	struct endpoint stranger = loopback(AF_INET6, 1);

	for (unsigned int i = 0; i < COUNT; i++) {
		sources[i].from = loopback(AF_INET, (uint16_t)(1 + i));
		ck_assert_ptr_null(source_find(&table, &sources[i].from));
		source_add(&table, &sources[i]);
	}
	ck_assert_uint_eq(table.count, COUNT);
	ck_assert_ptr_null(source_find(&table, &stranger));
	for (unsigned int i = 0; i < COUNT; i += 2)
		source_remove(&table, &sources[i]);
	source_remove(&table, &sources[0]);
	ck_assert_uint_eq(table.count, COUNT / 2);
	for (unsigned int i = 0; i < COUNT; i++)
		ck_assert_ptr_eq(source_find(&table, &sources[i].from), i % 2 ? &sources[i] : NULL);
}
END_TEST

static const uint8_t families[] = {AF_INET, AF_INET6};

static struct volley volley;
static struct volley_loss loss;
static int a, b; /* sockets on loopback */
static struct endpoint at_a, at_b;

static void sockets_open(uint8_t family)
{
	struct endpoint any = loopback(family, 0);

	memset(&loss, 0, sizeof(loss));
	a = volley_socket(&any);
	b = volley_socket(&any);
	ck_assert_int_ge(a, 0);
	ck_assert_int_ge(b, 0);
	ck_assert_int_eq(volley_local(a, &at_a), 0);
	ck_assert_int_eq(volley_local(b, &at_b), 0);
	ck_assert_uint_eq(volley_port(a), at_a.port);
}

static void sockets_close(void)
{
	close(a);
	close(b);
}

static unsigned int receive(int fd)
{
	struct pollfd wait = {fd, POLLIN, 0};
	int got;

	poll(&wait, 1, 2000);
	got = volley_receive(&volley, fd);
	ck_assert_int_ge(got, 0);
	return (unsigned int)got;
}

START_TEST(test_volley)
{
	static uint8_t data[VOLLEY_COUNT];
	struct sockaddr_storage to;
	struct endpoint from;
	socklen_t len;

	sockets_open(families[_i]);
	ck_assert_int_eq(volley_receive(&volley, b), 0);
	for (unsigned int i = 0; i < VOLLEY_COUNT; i++) {
		data[i] = (uint8_t)i;
		volley_put(&volley, i, data + i, 1);
	}
	volley_put(&volley, 1, data, 0);
	volley_put_behind(&volley, 2, escape_marker, ESCAPE_LEN);
	len = endpoint_to_sockaddr(&at_b, &to);
	volley_aim(&volley, VOLLEY_COUNT, &to, len);
	ck_assert_uint_eq(volley_send(&volley, a, VOLLEY_COUNT, &loss), VOLLEY_COUNT);
	ck_assert_uint_eq(receive(b), VOLLEY_COUNT);
	ck_assert_uint_eq(volley_len(&volley, 1), 0);
	ck_assert_uint_eq(volley_len(&volley, 2), ESCAPE_LEN + 1);
	ck_assert_mem_eq(volley.data[2], escape_marker, ESCAPE_LEN);
	ck_assert_uint_eq(volley.data[2][ESCAPE_LEN], 2);
	ck_assert_uint_eq(volley.data[VOLLEY_COUNT - 1][0], VOLLEY_COUNT - 1);
	ck_assert_int_eq(endpoint_from_sockaddr((struct sockaddr *)&volley.from[5], &from), 0);
	ck_assert(endpoint_equal(&from, &at_a));
	sockets_close();
}
END_TEST

START_TEST(test_oversized)
{
	static uint8_t data[70000];
	struct sockaddr_storage to;
	socklen_t len;

	sockets_open(families[_i]);
	volley_put(&volley, 0, data, 70000); /* no datagram at all */
	volley_put(&volley, 1, data, VOLLEY_DATAGRAM + 1);
	volley_put(&volley, 2, data, VOLLEY_DATAGRAM);
	len = endpoint_to_sockaddr(&at_b, &to);
	volley_aim(&volley, 3, &to, len);
	ck_assert_uint_eq(volley_send(&volley, a, 3, &loss), 2);
	ck_assert_uint_eq(loss.oversized, 1);
	ck_assert_uint_eq(receive(b), 2);
	ck_assert(!volley_is_whole(&volley, 0));
	ck_assert(volley_is_whole(&volley, 1));
	sockets_close();
}
END_TEST

/* The error is an earlier datagram's: none is lost when the service is there again. */
START_TEST(test_refused)
{
	struct endpoint any = loopback(families[_i], 0);
	struct sockaddr_storage to;
	socklen_t len;
	uint8_t byte = 1;

	sockets_open(families[_i]);
	len = endpoint_to_sockaddr(&at_b, &to);
	ck_assert_int_eq(connect(a, (struct sockaddr *)&to, len), 0);
	close(b);
	volley_put(&volley, 0, &byte, 1);
	ck_assert_uint_eq(volley_send(&volley, a, 1, &loss), 1);
	any.port = at_b.port;
	b = volley_socket(&any);
	ck_assert_int_ge(b, 0);
	volley_put(&volley, 0, &byte, 1);
	volley_put(&volley, 1, &byte, 1);
	ck_assert_uint_eq(volley_send(&volley, a, 2, &loss), 2);
	ck_assert_uint_eq(loss.refused, 1);
	ck_assert_uint_eq(loss.unsent, 0);
	ck_assert_uint_eq(receive(b), 2);
	sockets_close();
}
END_TEST

/* An answer leaves from the address that was asked, which need not be the first of the host. */
START_TEST(test_asked)
{
	bool four = families[_i] == AF_INET;
	struct endpoint asked = loopback(families[_i], 0), from;
	struct endpoint any = {.addr = {.family = families[_i]}};
	struct volley_asked told;
	struct sockaddr_storage to;
	socklen_t len;
	uint8_t byte = 1;
	int c;

	sockets_open(families[_i]);
	c = volley_socket(&any);
	ck_assert_int_ge(c, 0);
	ck_assert_int_eq(volley_send_one(a, &at_b, 0, &byte, 1), 0);
	ck_assert_uint_eq(receive(b), 1);
	volley_asked(&volley, 0, &told);
	ck_assert_uint_eq(told.len, 0); /* nobody wanted to know */
	ck_assert_int_eq(volley_ask(c), 0);
	asked.port = volley_port(c);
	if (four)
		asked.addr.bytes[3] = 77;
	ck_assert_int_eq(volley_send_one(a, &asked, 0, &byte, 1), 0);
	ck_assert_uint_eq(receive(c), 1);
	volley_asked(&volley, 0, &told);
	ck_assert_uint_gt(told.len, 0);
	len = endpoint_to_sockaddr(&at_a, &to);
	volley_put(&volley, 0, &byte, 1);
	volley_aim(&volley, 1, &to, len);
	volley_answer(&volley, 1, &told);
	ck_assert_uint_eq(volley_send(&volley, c, 1, &loss), 1);
	ck_assert_uint_eq(receive(a), 1);
	ck_assert_int_eq(endpoint_from_sockaddr((struct sockaddr *)&volley.from[0], &from), 0);
	ck_assert(endpoint_equal(&from, &asked));
	close(c);
	sockets_close();
}
END_TEST

static int ttl_of(int fd)
{
	union {
		struct cmsghdr align;
		uint8_t bytes[256];
	} room;
	uint8_t byte;
	struct iovec iov = {&byte, 1};
	struct msghdr message = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &room,
		.msg_controllen = sizeof(room)};
	struct pollfd wait = {fd, POLLIN, 0};
	int ttl = -1;

	poll(&wait, 1, 2000);
	ck_assert_int_eq(recvmsg(fd, &message, 0), 1);
	ck_assert_ptr_nonnull(CMSG_FIRSTHDR(&message));
	memcpy(&ttl, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(ttl));
	return ttl;
}

START_TEST(test_ttl)
{
	bool four = families[_i] == AF_INET;
	int one = 1, usual;

	sockets_open(families[_i]);
	ck_assert_int_eq(setsockopt(b, four ? IPPROTO_IP : IPPROTO_IPV6,
				 four ? IP_RECVTTL : IPV6_RECVHOPLIMIT, &one, sizeof(one)),
		0);
	ck_assert_int_eq(volley_send_one(a, &at_b, 0, "x", 1), 0);
	usual = ttl_of(b);
	ck_assert_int_gt(usual, 30);
	ck_assert_int_eq(volley_send_one(a, &at_b, 3, "x", 1), 0);
	ck_assert_int_eq(ttl_of(b), 3);
	ck_assert_int_eq(volley_send_one(a, &at_b, 0, "x", 1), 0);
	ck_assert_int_eq(ttl_of(b), usual);
	sockets_close();
}
END_TEST

/* Of the addresses that were found anew the one in use, or one like it; a family is never lost. */
START_TEST(test_target)
{
	struct sockaddr_storage sa[3];
	struct addrinfo found[3] = {0};
	static const char *const texts[] = {"192.0.2.1:9", "[2001:db8::1]:9", "192.0.2.2:9"};
	struct target target = {.port = 3478};
	struct endpoint at;

	for (unsigned int i = 0; i < 3; i++) {
		ck_assert_int_eq(endpoint_parse(texts[i], 0, &at), 0);
		found[i].ai_addrlen = endpoint_to_sockaddr(&at, &sa[i]);
		found[i].ai_addr = (struct sockaddr *)&sa[i];
		found[i].ai_next = i < 2 ? &found[i + 1] : NULL;
	}
	ck_assert_uint_eq(target_take(&target, found), 3);
	ck_assert_uint_eq(target.relays[2].port, 3478);
	at = target.relays[2];
	ck_assert_uint_eq(target_keep(&target, &at), 2);
	at.addr.bytes[3] = 3;
	ck_assert_uint_eq(target_keep(&target, &at), 0);
	at = target.relays[1];
	found[0].ai_next = &found[2];
	ck_assert_uint_eq(target_take(&target, found), 2);
	ck_assert_uint_eq(target_keep(&target, &at), 2);
	ck_assert_uint_eq(target.count, 3);
	ck_assert(endpoint_equal(&target.relays[2], &at));
	ck_assert_uint_eq(target_take(&target, NULL), 0);
}
END_TEST

static struct resolver *resolver;
static bool resolved;

static void on_found(void *arg, int error, const struct addrinfo *found)
{
	struct target target = {.port = 3478};

	ck_assert_ptr_eq(arg, &target_hints);
	ck_assert_int_eq(error, 0);
	resolved = target_take(&target, found) > 0;
	resolver_close(resolver);
}

START_TEST(test_resolver)
{
	uv_loop_t loop;

	ck_assert_int_eq(uv_loop_init(&loop), 0);
	for (unsigned int i = 0; i < 2; i++) {
		resolved = false;
		ck_assert_int_eq(resolver_open(&loop, "127.0.0.1", on_found, (void *)&target_hints,
					 &resolver),
			0);
		if (i) /* nobody waits for it any more */
			resolver_close(resolver);
		uv_run(&loop, UV_RUN_DEFAULT);
		ck_assert(resolved == (i == 0));
	}
	ck_assert_int_eq(uv_loop_close(&loop), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("tunnel");
	TCase *tcase = tcase_create("tunnel");

	tcase_add_test(tcase, test_escape);
	tcase_add_test(tcase, test_sources);
	tcase_add_loop_test(tcase, test_volley, 0, 2);
	tcase_add_loop_test(tcase, test_oversized, 0, 2);
	tcase_add_test(tcase, test_target);
	tcase_add_test(tcase, test_resolver);
	tcase_add_loop_test(tcase, test_asked, 0, 2);
	tcase_add_loop_test(tcase, test_refused, 0, 2);
	tcase_add_loop_test(tcase, test_ttl, 0, 2);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
