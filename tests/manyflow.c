/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * manyflow: many streams at once, sent and received, and what of them was lost.
 *
 *	manyflow send --from ADDRESS:PORT --to ADDRESS:PORT --streams N --rate PPS --packets N --run
 *R manyflow recv --relay ADDRESS:PORT --from ADDRESS:PORT --key KEY --listen PORT --streams N
 *		      [--name TEXT] [--first N] [--again SECONDS]
 *
 * send: from one socket PPS packets a second to each of N ports from --to's on; prints as JSON
 * {"sent", "seconds"}. recv: client i, at port PORT + i, punches "NAMEi:LISTEN+i" (i from --first
 * on), again every so many seconds, and takes what comes. It says "punched" when all have, and
 * "run R PACKETS" when a second has passed since the last packet of a run. At SIGTERM it prints as
 * JSON a list of {"run", "distinct", "duplicated", "gap" (the longest silence of a stream, ms)}.
 */
#include <endian.h>
#include <getopt.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/puncher.h"
#include "tests/bench/tool.h"

#define STREAMS_MAX 256
#define RUNS_MAX    32
#define PACKETS_MAX 65536 /* of one stream in one run */
#define BATCH	    64
#define SIZE	    200
#define BUFFER	    (8 * 1024 * 1024)
#define RESEND_NS   (500 * 1000000LL)
#define HELD_NS	    1000000 /* a burst of each stream's next packet */

/* RTP's version, so that it is never taken for STUN. */
struct payload {
	uint8_t version, run, unused[2];
	uint32_t number;
};

struct flow {
	struct puncher puncher;
	long long asked, punched; /* when; 0: never */
	long long last[RUNS_MAX];
	uint8_t seen[RUNS_MAX][PACKETS_MAX / 8];
};

struct run {
	long distinct, duplicated;
	long long gap, last;
	bool told;
};

struct many {
	struct puncher_relay relay;
	struct endpoint from, to;
	const char *name;
	unsigned int listen, first;
	long streams, rate, packets, again, run;
	int epoll;
	bool told;
	struct flow *flow;
	struct run runs[RUNS_MAX];
};

static volatile sig_atomic_t ended;

static void end(int number)
{
	(void)number;
	ended = 1;
}

static void set_buffer(int fd, int option)
{
	const int size = BUFFER;

	setsockopt(fd, SOL_SOCKET, option, &size, sizeof(size));
}

/* The next packet of every stream. */
static void send_all(const struct many *many, int fd, const struct sockaddr_storage *to,
	socklen_t len, long number)
{
	struct payload payload[SIZE / sizeof(struct payload)] = {
		{.version = 0x80, .run = (uint8_t)many->run, .number = htobe32((uint32_t)number)}};
	struct iovec iov = {payload, SIZE};
	struct mmsghdr message[BATCH];

	for (long done = 0; done < many->streams;) {
		unsigned int count = 0;
		int sent;

		for (; count < BATCH && done + count < many->streams; count++)
			message[count] =
				(struct mmsghdr){.msg_hdr = {.msg_iov = &iov,
							 .msg_iovlen = 1,
							 .msg_name = (void *)&to[done + count],
							 .msg_namelen = len}};
		sent = sendmmsg(fd, message, count, 0);
		if (sent < 0 && errno != ENOBUFS && errno != EINTR)
			fail("send", "", errno);
		done += sent > 0 ? sent : 0;
	}
}

static void wait_until(long long at)
{
	struct timespec time = {at / NSEC, at % NSEC};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
}

static void send_run(struct many *many)
{
	struct sockaddr_storage to[STREAMS_MAX], from;
	socklen_t len = endpoint_to_sockaddr(&many->from, &from);
	int fd = socket(from.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	long long start = now(CLOCK_MONOTONIC);

	if (fd < 0 || bind(fd, (struct sockaddr *)&from, len))
		fail("socket", "", errno);
	for (long i = 0; i < many->streams; i++) {
		struct endpoint at = {many->to.addr, (uint16_t)(many->to.port + i)};

		endpoint_to_sockaddr(&at, &to[i]);
	}
	set_buffer(fd, SO_SNDBUFFORCE);
	for (long i = 0; i < many->packets; i++) {
		wait_until(start + i * NSEC / many->rate);
		send_all(many, fd, to, len, i);
	}
	printf("{\"sent\": %ld, \"seconds\": %.3f}\n", many->packets * many->streams,
		(double)(now(CLOCK_MONOTONIC) - start) / NSEC);
}

static void take_media(struct many *many, struct flow *flow, const uint8_t *data, long long at)
{
	struct payload payload;
	uint32_t number;
	struct run *run;

	memcpy(&payload, data, sizeof(payload));
	number = be32toh(payload.number);
	if (payload.version != 0x80 || payload.run >= RUNS_MAX || number >= PACKETS_MAX)
		return;
	run = &many->runs[payload.run];
	run->last = at;
	if (flow->seen[payload.run][number / 8] & 1 << number % 8) {
		run->duplicated++;
		return;
	}
	flow->seen[payload.run][number / 8] |= (uint8_t)(1 << number % 8);
	run->distinct++;
	if (flow->last[payload.run] && at - flow->last[payload.run] > run->gap)
		run->gap = at - flow->last[payload.run];
	flow->last[payload.run] = at;
}

static void punch(struct many *many, struct flow *flow)
{
	puncher_send(&flow->puncher, &many->relay);
	flow->asked = now(CLOCK_MONOTONIC);
}

static void take(
	struct many *many, struct flow *flow, const uint8_t *data, size_t len, long long at)
{
	if (!stun_is(data, len)) {
		if (len >= sizeof(struct payload))
			take_media(many, flow, data, at);
		return;
	}
	switch (puncher_read(&flow->puncher, data, len)) {
	case PUNCHER_NOTHING:
		break;
	case PUNCHER_NONCE_GOT:
		punch(many, flow);
		break;
	case PUNCHER_PUNCHED:
		flow->punched = at;
		flow->asked = 0;
		break;
	case PUNCHER_REFUSED:
		fprintf(stderr, "manyflow: %s was refused: %u\n", flow->puncher.user,
			flow->puncher.error);
		flow->asked = at;
		break;
	}
}

static void receive(struct many *many, struct flow *flow)
{
	static uint8_t data[BATCH][2048];
	struct mmsghdr message[BATCH];
	struct iovec iov[BATCH];
	int got;

	do {
		long long at;

		for (int i = 0; i < BATCH; i++) {
			iov[i] = (struct iovec){data[i], sizeof(data[i])};
			message[i] =
				(struct mmsghdr){.msg_hdr = {.msg_iov = &iov[i], .msg_iovlen = 1}};
		}
		got = recvmmsg(flow->puncher.fd, message, BATCH, MSG_DONTWAIT, NULL);
		at = now(CLOCK_MONOTONIC);
		for (int i = 0; i < got; i++)
			take(many, flow, data[i], message[i].msg_len, at);
	} while (got == BATCH);
}

static void open_flows(struct many *many)
{
	many->flow = calloc((size_t)many->streams, sizeof(*many->flow));
	many->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!many->flow || many->epoll < 0)
		fail("streams", "", ENOMEM);
	for (long i = 0; i < many->streams; i++) {
		struct flow *flow = &many->flow[i];
		struct epoll_event event = {.events = EPOLLIN, .data.ptr = flow};
		struct endpoint from = {many->from.addr, (uint16_t)(many->from.port + i)};
		char user[PUNCHER_NAME];
		int error;

		snprintf(user, sizeof(user), "%s%u:%u", many->name, many->first + (unsigned int)i,
			many->listen + many->first + (unsigned int)i);
		error = puncher_open(&flow->puncher, &many->relay, &from, user);
		if (error)
			fail("socket of", user, -error);
		set_buffer(flow->puncher.fd, SO_RCVBUFFORCE);
		if (epoll_ctl(many->epoll, EPOLL_CTL_ADD, flow->puncher.fd, &event))
			fail("epoll", "", errno);
	}
}

/* Who was not answered, or has to keep its consent. */
static void punch_due(struct many *many)
{
	long long at = now(CLOCK_MONOTONIC);
	long open = 0;

	for (long i = 0; i < many->streams; i++) {
		struct flow *flow = &many->flow[i];
		bool due = !flow->punched || at - flow->punched > many->again * NSEC;

		open += !flow->punched;
		if (due && at - flow->asked > RESEND_NS)
			punch(many, flow);
	}
	if (!open && !many->told) {
		puts("punched");
		many->told = true;
	}
}

static void tell_runs(struct many *many)
{
	long long at = now(CLOCK_MONOTONIC);

	for (int i = 0; i < RUNS_MAX; i++) {
		struct run *run = &many->runs[i];

		if (!run->last || run->told || at - run->last < NSEC)
			continue;
		run->told = true;
		printf("run %d %ld\n", i, run->distinct);
	}
}

static void print_runs(const struct many *many)
{
	const char *between = "[";

	for (int i = 0; i < RUNS_MAX; i++) {
		const struct run *run = &many->runs[i];

		if (!run->distinct)
			continue;
		printf("%s{\"run\": %d, \"distinct\": %ld, \"duplicated\": %ld, \"gap\": %lld}",
			between, i, run->distinct, run->duplicated, run->gap / 1000000);
		between = ", ";
	}
	puts(*between == '[' ? "[]" : "]");
}

static void receive_all(struct many *many)
{
	struct epoll_event event[BATCH];
	long long looked = 0;

	open_flows(many);
	while (!ended) {
		int count = epoll_wait(many->epoll, event, BATCH, 50);

		for (int i = 0; i < count; i++)
			receive(many, event[i].data.ptr);
		if (now(CLOCK_MONOTONIC) - looked < 50000000)
			continue;
		looked = now(CLOCK_MONOTONIC);
		punch_due(many);
		tell_runs(many);
	}
	print_runs(many);
}

static struct endpoint parse(const char *text)
{
	struct endpoint endpoint = {0};

	if (endpoint_parse(text, 0, &endpoint))
		fail("address", text, EINVAL);
	return endpoint;
}

static void read_option(struct many *many, int option)
{
	switch (option) {
	case 'r':
		many->relay.at = parse(optarg);
		break;
	case 'f':
		many->from = parse(optarg);
		break;
	case 't':
		many->to = parse(optarg);
		break;
	case 'k':
		many->relay.key = optarg;
		break;
	case 'N':
		many->name = optarg;
		break;
	case 'l':
		many->listen = (unsigned int)number(optarg);
		break;
	case 'F':
		many->first = (unsigned int)number(optarg);
		break;
	case 's':
		many->streams = number(optarg);
		break;
	case 'p':
		many->rate = number(optarg);
		break;
	case 'n':
		many->packets = number(optarg);
		break;
	case 'a':
		many->again = number(optarg);
		break;
	case 'R':
		many->run = number(optarg);
		break;
	default:
		exit(2);
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"relay", 1, NULL, 'r'}, {"from", 1, NULL, 'f'},
		{"to", 1, NULL, 't'}, {"key", 1, NULL, 'k'}, {"name", 1, NULL, 'N'},
		{"listen", 1, NULL, 'l'}, {"first", 1, NULL, 'F'}, {"streams", 1, NULL, 's'},
		{"rate", 1, NULL, 'p'}, {"packets", 1, NULL, 'n'}, {"again", 1, NULL, 'a'},
		{"run", 1, NULL, 'R'}, {0}};
	struct many many = {
		.relay.realm = "relayd", .name = "s", .streams = 1, .rate = 1000, .again = 5};
	bool sends = argc > 1 && !strcmp(argv[1], "send");
	int option;

	prctl(PR_SET_TIMERSLACK, 1);
	setvbuf(stdout, NULL, _IOLBF, 0);
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		read_option(&many, option);
	if (optind != argc - 1 || many.streams < 1 || many.streams > STREAMS_MAX ||
		!many.from.port || many.packets > PACKETS_MAX || many.run >= RUNS_MAX ||
		(sends ? !many.to.port || !many.rate : !many.relay.at.port || !many.relay.key)) {
		fprintf(stderr, "manyflow: see the head of manyflow.c\n");
		return 2;
	}
	signal(SIGTERM, end);
	if (sends)
		send_run(&many);
	else
		receive_all(&many);
	return 0;
}
