/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "punchctl/share.h"
#include "punchctl/share_list.h"
#include "share/steer.h"
#include "tests/suite.h"

#define SOURCES 16
#define ROUNDS	25
#define WORKERS 3

/* The program is this process: its sockets on loopback, in all the ways in which it may bind them.
 */
static const struct program {
	int family;
	const char *addr, *to; /* where it binds, and where it is spoken to */
	int option;	       /* that it sets itself, or 0 */
	unsigned int workers;
	bool v6only;
} programs[] = {
	{AF_INET, "0.0.0.0", "127.0.0.1", 0, 1, false},
	{AF_INET, "127.0.0.1", "127.0.0.1", 0, 1, false},
	{AF_INET, "0.0.0.0", "127.0.0.1", SO_REUSEADDR, 1, false},
	{AF_INET, "0.0.0.0", "127.0.0.1", SO_REUSEPORT, 1, false},
	{AF_INET, "0.0.0.0", "127.0.0.1", SO_REUSEPORT, WORKERS, false},
	{AF_INET6, "::", "127.0.0.1", 0, 1, false},
	{AF_INET6, "::", "::1", 0, 1, false},
	{AF_INET6, "::", "::1", 0, 1, true},
	{AF_INET6, "::1", "::1", 0, 1, false},
	{AF_INET6, "::", "127.0.0.1", SO_REUSEPORT, WORKERS, false},
	{AF_INET6, "::", "::1", SO_REUSEPORT, WORKERS, false},
};

#define PROGRAMS (sizeof(programs) / sizeof(programs[0]))

static socklen_t sockaddr_of(const char *addr, uint16_t port, struct sockaddr_storage *out)
{
	struct endpoint endpoint = {.port = port};

	ck_assert_int_eq(addr_parse(addr, &endpoint.addr), 0);
	return endpoint_to_sockaddr(&endpoint, out);
}

static struct endpoint remote_of(const char *addr)
{
	struct endpoint remote = {.port = 3478};

	ck_assert_int_eq(addr_parse(addr, &remote.addr), 0);
	return remote;
}

static int program_bind(const struct program *program, uint16_t *port)
{
	int fd = socket(program->family, SOCK_DGRAM | SOCK_NONBLOCK, 0), one = 1;
	int v6only = program->v6only;
	struct sockaddr_storage sa;
	struct endpoint local;
	socklen_t len = sockaddr_of(program->addr, *port, &sa);

	ck_assert_int_ge(fd, 0);
	if (program->option)
		ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, program->option, &one, sizeof(one)), 0);
	if (program->family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only));
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sa, len), 0);
	len = sizeof(sa);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	ck_assert_int_eq(endpoint_from_sockaddr((struct sockaddr *)&sa, &local), 0);
	*port = local.port;
	return fd;
}

static void send_to(int fd, const char *to, uint16_t port, const void *data, size_t len)
{
	struct sockaddr_storage sa;
	socklen_t sa_len = sockaddr_of(to, port, &sa);

	ck_assert_int_eq(sendto(fd, data, len, 0, (struct sockaddr *)&sa, sa_len), (int)len);
}

/* The number of datagrams that wait, of which `stun` are to be STUN. */
static unsigned int drain(int fd, unsigned int stun)
{
	unsigned int count = 0, found = 0;
	uint8_t data[512];
	ssize_t len;

	while ((len = recv(fd, data, sizeof(data), MSG_DONTWAIT)) >= 0) {
		count++;
		found += len == 28 && data[1] == 1;
	}
	ck_assert_uint_eq(found, stun);
	return count;
}

static const uint8_t request[28] = {0, 1, 0, 8, 0x21, 0x12, 0xa4, 0x42};

/* From each of the sources some data and one request; how many data came, and at how many sockets.
 */
static void speak(const struct program *program, uint16_t port, const int *fds, int twin)
{
	unsigned int total = 0, busy = 0;
	uint8_t data[200] = {0x80};

	for (unsigned int i = 0; i < SOURCES; i++) {
		int fd = socket(strchr(program->to, ':') ? AF_INET6 : AF_INET, SOCK_DGRAM, 0);

		for (unsigned int j = 0; j < ROUNDS; j++)
			send_to(fd, program->to, port, data, sizeof(data));
		send_to(fd, program->to, port, request, sizeof(request));
		for (unsigned int j = 0; j < program->workers; j++) {
			unsigned int got = drain(fds[j], 0);

			ck_assert(got == 0 || got == ROUNDS); /* a flow stays at one */
			total += got;
			busy |= (got > 0) << j;
		}
		close(fd);
	}
	ck_assert_uint_eq(total, SOURCES * ROUNDS);
	ck_assert_uint_eq(drain(twin, SOURCES), SOURCES);
	ck_assert(program->workers == 1 || busy & (busy - 1));
}

START_TEST(test_programs)
{
	const struct program *program = &programs[_i];
	struct endpoint remote = remote_of(program->to);
	int fds[WORKERS];
	struct share share;
	uint16_t port = 0;

	for (unsigned int i = 0; i < program->workers; i++)
		fds[i] = program_bind(program, &port);
	share_init(&share, port, &remote);
	ck_assert_msg(share_check(&share) == SHARE_FOUND, "%s", share.why);
	ck_assert_int_eq(share_check(&share), SHARE_SAME);
	ck_assert_uint_eq(share.workers, program->workers);
	speak(program, port, fds, share.twin);
	for (unsigned int i = 0; i < program->workers; i++)
		close(fds[i]);
	ck_assert_int_eq(share_check(&share), SHARE_GONE);
	ck_assert_int_eq(share.twin, -1);
	ck_assert_int_eq(share_check(&share), SHARE_SAME);
	/* Nothing of ours is in the way of the next one. */
	fds[0] = program_bind(program, &port);
	ck_assert_int_eq(share_check(&share), SHARE_FOUND);
	close(fds[0]);
	share_fini(&share);
}
END_TEST

/* At the same port, but at other addresses, or talking to one host only. */
START_TEST(test_others)
{
	const struct program any = {.family = AF_INET, .addr = "0.0.0.0", .option = SO_REUSEADDR};
	const struct program near = {
		.family = AF_INET, .addr = "127.0.0.1", .option = SO_REUSEADDR};
	struct endpoint remote = remote_of("127.0.0.1");
	struct sockaddr_storage sa;
	struct share share;
	uint16_t port = 0;
	int fds[] = {
		program_bind(&any, &port), program_bind(&near, &port), program_bind(&near, &port)};

	share_init(&share, port, &remote);
	ck_assert_int_eq(share_check(&share), SHARE_FAILED);
	ck_assert_ptr_nonnull(strstr(share.why, "2 sockets have UDP port"));
	ck_assert_int_eq(
		connect(fds[2], (struct sockaddr *)&sa, sockaddr_of("127.0.0.1", 9, &sa)), 0);
	ck_assert_int_eq(share_check(&share), SHARE_SAME);
	ck_assert_ptr_nonnull(strstr(share.why, "connected to 127.0.0.1"));
	close(fds[2]);
	ck_assert_msg(share_check(&share) == SHARE_FOUND, "%s", share.why);
	ck_assert_uint_eq(share.workers, 1);
	speak(&programs[1], port, &fds[1], share.twin);
	close(fds[1]);
	ck_assert_int_eq(share_check(&share), SHARE_FOUND);
	share_fini(&share);
	fds[2] = program_bind(&any, &port);
	ck_assert_int_eq(
		connect(fds[2], (struct sockaddr *)&sa, sockaddr_of("127.0.0.1", 9, &sa)), 0);
	ck_assert_msg(share_check(&share) == SHARE_FOUND, "%s", share.why);
	speak(&programs[0], port, &fds[0], share.twin);
	close(fds[0]);
	ck_assert_int_eq(share_check(&share), SHARE_GONE);
	close(fds[2]);
	share_fini(&share);
}
END_TEST

START_TEST(test_workers_change)
{
	const struct program *program = &programs[4];
	struct endpoint remote = remote_of(program->to);
	int fds[WORKERS];
	struct share share;
	uint16_t port = 0;

	for (unsigned int i = 0; i < WORKERS - 1; i++)
		fds[i] = program_bind(program, &port);
	share_init(&share, port, &remote);
	ck_assert_int_eq(share_check(&share), SHARE_FOUND);
	fds[WORKERS - 1] = program_bind(program, &port);
	ck_assert_int_eq(share_check(&share), SHARE_FOUND);
	speak(program, port, fds, share.twin);
	close(fds[0]);
	ck_assert_int_eq(share_check(&share), SHARE_FOUND);
	fds[0] = program_bind(program, &port);
	ck_assert_int_eq(share_check(&share), SHARE_FOUND);
	speak(program, port, fds, share.twin);
	for (unsigned int i = 0; i < WORKERS; i++)
		close(fds[i]);
	share_fini(&share);
}
END_TEST

/* What the twin sends comes from the program's port. */
START_TEST(test_source)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	struct share share;
	struct endpoint remote = {0}, from;

	for (unsigned int i = 0; i < PROGRAMS; i++) {
		uint16_t port = 0, here = 0;
		int fd = program_bind(&programs[i], &port), ear;
		const struct program peer = {
			.family = strchr(programs[i].to, ':') ? AF_INET6 : AF_INET,
			.addr = programs[i].to};
		uint8_t byte;

		ear = program_bind(&peer, &here);
		remote = remote_of(programs[i].to);
		remote.port = here;
		share_init(&share, port, &remote);
		ck_assert_int_eq(share_check(&share), SHARE_FOUND);
		len = share_sockaddr(&share, &remote, &sa);
		ck_assert_int_eq(sendto(share.twin, "x", 1, 0, (struct sockaddr *)&sa, len), 1);
		len = sizeof(sa);
		ck_assert_int_eq(recvfrom(ear, &byte, 1, 0, (struct sockaddr *)&sa, &len), 1);
		ck_assert_int_eq(endpoint_from_sockaddr((struct sockaddr *)&sa, &from), 0);
		ck_assert_uint_eq(from.port, port);
		share_fini(&share);
		close(fd);
		close(ear);
	}
}
END_TEST

/* What looks like STUN, but for one thing, is the program's. */
START_TEST(test_not_stun)
{
	static const struct {
		unsigned int at;
		uint8_t value;
	} changes[] = {{0, 0x40}, {0, 0x80}, {1, 3}, {3, 4}, {3, 12}, {4, 0x20}, {7, 0x43}};
	struct endpoint remote = remote_of("127.0.0.1");
	int out = socket(AF_INET, SOCK_DGRAM, 0);
	uint16_t port = 0;
	int fd = program_bind(&programs[0], &port);
	struct share share;
	uint8_t data[28];

	share_init(&share, port, &remote);
	ck_assert_int_eq(share_check(&share), SHARE_FOUND);
	for (unsigned int i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		memcpy(data, request, sizeof(data));
		data[changes[i].at] = changes[i].value;
		send_to(out, "127.0.0.1", port, data, sizeof(data));
		ck_assert_int_eq(recv(fd, data, sizeof(data), 0), sizeof(data));
	}
	for (size_t len = 0; len < 20; len++) {
		send_to(out, "127.0.0.1", port, request, len);
		ck_assert_int_eq(recv(fd, data, sizeof(data), 0), (int)len);
	}
	ck_assert_uint_eq(drain(share.twin, 0), 0);
	/* And indications and answers are ours as requests are. */
	for (unsigned int type = 0; type < 4; type++) {
		memcpy(data, request, sizeof(data));
		data[0] = (uint8_t)(type >> 1);
		data[1] = (uint8_t)(1 | (type & 1) << 4);
		send_to(out, "127.0.0.1", port, data, sizeof(data));
	}
	ck_assert_int_eq(recv(fd, data, sizeof(data), MSG_DONTWAIT), -1);
	while (recv(share.twin, data, sizeof(data), MSG_DONTWAIT) > 0)
		remote.port--;
	ck_assert_uint_eq(remote.port, 3478 - 4);
	share_fini(&share);
	close(fd);
	close(out);
}
END_TEST

START_TEST(test_reasons)
{
	struct endpoint near = remote_of("127.0.0.1"), far = remote_of("192.0.2.1");
	struct share share, other;
	struct sockaddr_storage sa;
	uint16_t port = 0;
	int fd = program_bind(&programs[1], &port);

	share_init(&share, port, &far);
	share_init(&other, port, &near);
	ck_assert_int_eq(share_check(&share), SHARE_SAME);
	ck_assert_ptr_nonnull(strstr(share.why, "listens at 127.0.0.1 only"));
	ck_assert_int_eq(share_check(&other), SHARE_FOUND);
	share_fini(&share);
	share_init(&share, port, &near);
	ck_assert_int_eq(share_check(&share), SHARE_FAILED);
	ck_assert_ptr_nonnull(strstr(share.why, "another punchctl shares"));
	share_fini(&other);
	ck_assert_int_eq(share_check(&share), SHARE_FOUND);
	ck_assert_str_eq(share.why, "");
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&sa, sockaddr_of("127.0.0.1", 9, &sa)), 0);
	ck_assert_int_eq(share_check(&share), SHARE_GONE);
	ck_assert_ptr_nonnull(strstr(share.why, "connected to 127.0.0.1"));
	close(fd);
	ck_assert_int_eq(share_check(&share), SHARE_SAME);
	ck_assert_ptr_nonnull(strstr(share.why, "no program of this host has UDP port"));
	share_fini(&share);
}
END_TEST

START_TEST(test_notice)
{
	struct ports ports = {.count = 1}, others = {.count = 1, .port = {9}};
	int fd = program_bind(&programs[0], &ports.port[0]);
	int notice = share_notice();
	bool seen = false;

	ck_assert_int_ge(notice, 0);
	ck_assert(!share_noticed(notice, &ports));
	close(fd);
	for (unsigned int i = 0; i < 1000 && !seen; i++) {
		seen = share_noticed(notice, &ports);
		usleep(1000);
	}
	ck_assert(seen);
	fd = program_bind(&programs[0], &ports.port[0]);
	close(fd);
	usleep(10000);
	ck_assert(!share_noticed(notice, &others));
	close(notice);
}
END_TEST

START_TEST(test_steer_size)
{
	struct sock_filter code[STEER_MAX];

	ck_assert_uint_le(steer_group(code, 1), STEER_MAX);
	ck_assert_uint_le(steer_group(code, SHARE_LIST_MAX), STEER_MAX);
	ck_assert_uint_le(steer_only_stun(code), STEER_MAX);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("share");
	TCase *tcase = tcase_create("share");

	tcase_add_loop_test(tcase, test_programs, 0, PROGRAMS);
	tcase_add_test(tcase, test_others);
	tcase_add_test(tcase, test_workers_change);
	tcase_add_test(tcase, test_source);
	tcase_add_test(tcase, test_not_stun);
	tcase_add_test(tcase, test_reasons);
	tcase_add_test(tcase, test_notice);
	tcase_add_test(tcase, test_steer_size);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
