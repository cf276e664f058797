/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * punchstorm: many clients that punch, and how long a relay needs for them.
 *
 *	punchstorm --relay ADDRESS:PORT --from ADDRESS[:PORT] --key KEY [--realm TEXT] [--core N]
 *		   [--name TEXT] [--listen PORT] [--window N] [--pid PID]...
 *		   {--clients N [--again SECONDS [--pace N]] [--per N] [--first N] [--slow] | --late
 *N}
 *
 * --clients: client i, at port PORT + i of the address, punches "NAMEi:LISTEN+i". Prints
 *
 *	first PUNCHES SECONDS CPU LOST     every client's first punch, a new hole each
 *	again PUNCHES SECONDS CPU LOST     the same clients again, in turns, for so many seconds,
 *	                                   --pace a second at the most
 *
 * --first N: the first client is number N. --per N: client i is at address FROM + i / N and port
 *PORT + i % N, its stream's port is LISTEN + i % N. --slow: prints, as a last line, the longest
 *that an answer took, in milliseconds.
 *
 * CPU is the processor time of all --pid, in seconds. LOST are requests that were not answered in
 * 0.5 s and were sent again. No more than --window requests are under way at a time.
 *
 * --late: one client after another, each a new socket, takes over "NAME0:LISTEN", to which somebody
 * sends media all the time. Prints for each, in microseconds from the proven request on:
 *
 *	late MEDIA REPLY ALL               MEDIA: to the first media, REPLY: to the success;
 *	                                   ALL: to the first media from the very first request on
 */
#include <getopt.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/bench/puncher.h"
#include "tests/bench/tool.h"

#define PIDS_MAX    8
#define CLIENTS_MAX 50000
#define EVENTS	    64
#define RESEND_NS   (500 * 1000000LL) /* as STUN does (RFC 8489, section 6.2.1) */
#define GIVE_UP_NS  (2 * NSEC)
#define DATAGRAM    2048

struct client {
	struct puncher puncher;
	long long sent;	 /* when the request that is under way was sent; 0: none is */
	long long first; /* when it was sent for the first time */
};

struct storm {
	struct puncher_relay relay;
	struct endpoint from;
	const char *name;
	unsigned int listen;
	long clients, first, window, again, late, pace, per;
	long long slowest, began; /* answer of the phase, in ns; the phase */
	bool slow;
	clockid_t pid[PIDS_MAX];
	int pid_count, epoll;
	struct client *client;
	long next, under_way, done, lost; /* of the phase */
	long long deadline;		  /* no new punches from then on; 0: every client once */
};

static long long relay_cpu(const struct storm *storm)
{
	long long sum = 0;

	for (int i = 0; i < storm->pid_count; i++)
		sum += now(storm->pid[i]);
	return sum;
}

static void request(struct storm *storm, struct client *client)
{
	int error = puncher_send(&client->puncher, &storm->relay);

	if (error && error != -EAGAIN && error != -ECONNREFUSED)
		fail("send", "", -error);
	client->sent = now(CLOCK_MONOTONIC);
}

/* The next client whose turn it is, or NULL when the phase has no more of them. */
static struct client *take(struct storm *storm)
{
	long long at = now(CLOCK_MONOTONIC);

	if (storm->deadline ? at >= storm->deadline : storm->next >= storm->clients)
		return NULL;
	if (storm->deadline && storm->pace &&
		storm->next >= (at - storm->began) * storm->pace / NSEC)
		return NULL;
	for (long i = 0; i < storm->clients; i++) {
		struct client *client = &storm->client[storm->next++ % storm->clients];

		if (!client->sent)
			return client;
	}
	return NULL;
}

static void refill(struct storm *storm)
{
	while (storm->under_way < storm->window) {
		struct client *client = take(storm);

		if (!client)
			return;
		request(storm, client);
		client->first = client->sent;
		storm->under_way++;
	}
}

static void receive(struct storm *storm, struct client *client)
{
	uint8_t data[DATAGRAM];
	ssize_t len;

	while ((len = recv(client->puncher.fd, data, sizeof(data), 0)) >= 0) {
		switch (puncher_read(&client->puncher, data, (size_t)len)) {
		case PUNCHER_NOTHING:
			break;
		case PUNCHER_NONCE_GOT:
			request(storm, client);
			break;
		case PUNCHER_PUNCHED:
			if (now(CLOCK_MONOTONIC) - client->first > storm->slowest)
				storm->slowest = now(CLOCK_MONOTONIC) - client->first;
			storm->done++;
			storm->under_way--;
			client->sent = 0;
			break;
		case PUNCHER_REFUSED:
			fprintf(stderr, "punchstorm: %s was refused: %u\n", client->puncher.user,
				client->puncher.error);
			exit(1);
		}
	}
}

/* Looked at once per resend time only: under_way clients are few, all clients are many. */
static void resend(struct storm *storm)
{
	long long limit = now(CLOCK_MONOTONIC) - RESEND_NS;

	for (long i = 0; i < storm->clients; i++) {
		if (!storm->client[i].sent || storm->client[i].sent > limit)
			continue;
		storm->lost++;
		request(storm, &storm->client[i]);
	}
}

static void phase(struct storm *storm, const char *name, long seconds)
{
	long long start = now(CLOCK_MONOTONIC), cpu = relay_cpu(storm), looked = start;
	struct epoll_event event[EVENTS];

	storm->next = storm->done = storm->lost = 0;
	storm->deadline = seconds ? start + seconds * NSEC : 0;
	storm->began = start;
	storm->slowest = 0;
	for (refill(storm); storm->under_way || now(CLOCK_MONOTONIC) < storm->deadline;
		refill(storm)) {
		int count = epoll_wait(storm->epoll, event, EVENTS, storm->pace ? 1 : 100);

		for (int i = 0; i < count; i++)
			receive(storm, event[i].data.ptr);
		if (now(CLOCK_MONOTONIC) - looked > RESEND_NS) {
			resend(storm);
			looked = now(CLOCK_MONOTONIC);
		}
		if (storm->lost > storm->clients + storm->done) {
			fprintf(stderr, "punchstorm: the relay does not answer\n");
			exit(1);
		}
	}
	printf("%s %ld %.6f %.6f %ld\n", name, storm->done,
		(double)(now(CLOCK_MONOTONIC) - start) / NSEC,
		(double)(relay_cpu(storm) - cpu) / NSEC, storm->lost);
	if (storm->slow)
		printf("slowest %.1f\n", (double)storm->slowest / 1000000);
	fflush(stdout);
}

static void open_client(struct storm *storm, struct puncher *puncher, unsigned int number)
{
	struct endpoint from = storm->from;
	unsigned int place = number;
	char user[PUNCHER_NAME];
	int error;

	if (storm->per) {
		from.addr.bytes[addr_size(from.addr.family) - 1] +=
			(uint8_t)(number / (unsigned int)storm->per);
		place = number % (unsigned int)storm->per;
	}
	from.port = from.port ? (uint16_t)(from.port + place) : 0;
	snprintf(user, sizeof(user), "%s%u:%u", storm->name, number, storm->listen + place);
	error = puncher_open(puncher, &storm->relay, &from, user);
	if (error)
		fail("socket of", user, -error);
}

static void punch_all(struct storm *storm)
{
	storm->client = calloc((size_t)storm->clients, sizeof(*storm->client));
	storm->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!storm->client || storm->epoll < 0)
		fail("clients", "", ENOMEM);
	for (long i = 0; i < storm->clients; i++) {
		struct client *client = &storm->client[i];
		struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};

		open_client(storm, &client->puncher, (unsigned int)(storm->first + i));
		if (epoll_ctl(storm->epoll, EPOLL_CTL_ADD, client->puncher.fd, &event))
			fail("epoll", "", errno);
	}
	phase(storm, "first", 0);
	if (storm->again)
		phase(storm, "again", storm->again);
}

/* One client from its first request to its first media. */
struct late {
	long long first, proven, reply, media; /* when; 0: not yet */
};

static void late_read(struct storm *storm, struct puncher *puncher, struct late *late)
{
	uint8_t data[DATAGRAM];
	ssize_t len = recv(puncher->fd, data, sizeof(data), 0);

	if (len < 0)
		return;
	if (!stun_is(data, (size_t)len)) {
		late->media = late->media ? late->media : now(CLOCK_MONOTONIC);
		return;
	}
	switch (puncher_read(puncher, data, (size_t)len)) {
	case PUNCHER_NOTHING:
		break;
	case PUNCHER_NONCE_GOT:
		late->proven = now(CLOCK_MONOTONIC);
		puncher_send(puncher, &storm->relay);
		break;
	case PUNCHER_PUNCHED:
		late->reply = now(CLOCK_MONOTONIC);
		break;
	case PUNCHER_REFUSED:
		fprintf(stderr, "punchstorm: %s was refused: %u\n", puncher->user, puncher->error);
		exit(1);
	}
}

static void late_one(struct storm *storm, struct puncher *puncher)
{
	struct pollfd poll_fd = {.events = POLLIN};
	struct late late = {.first = now(CLOCK_MONOTONIC)};

	open_client(storm, puncher, 0);
	poll_fd.fd = puncher->fd;
	puncher_send(puncher, &storm->relay);
	while ((!late.reply || !late.media) && now(CLOCK_MONOTONIC) < late.first + GIVE_UP_NS) {
		poll(&poll_fd, 1, 100);
		late_read(storm, puncher, &late);
	}
	if (!late.reply || !late.media)
		printf("late - - -\n");
	else
		printf("late %.1f %.1f %.1f\n", (double)(late.media - late.proven) / 1000,
			(double)(late.reply - late.proven) / 1000,
			(double)(late.media - late.first) / 1000);
}

/* The socket before stays open until the next one has taken over, or media would meet a closed
 * port. */
static void punch_late(struct storm *storm)
{
	struct puncher puncher[2] = {{.fd = -1}, {.fd = -1}};

	for (long i = 0; i < storm->late; i++) {
		puncher_close(&puncher[i % 2]);
		late_one(storm, &puncher[i % 2]);
	}
	puncher_close(&puncher[0]);
	puncher_close(&puncher[1]);
}

static struct endpoint parse(const char *text)
{
	struct endpoint endpoint = {0};

	if (endpoint_parse(text, 0, &endpoint) && addr_parse(text, &endpoint.addr))
		fail("address", text, EINVAL);
	return endpoint;
}

static void watch_pid(struct storm *storm, const char *text)
{
	if (storm->pid_count == PIDS_MAX ||
		clock_getcpuclockid((pid_t)number(text), &storm->pid[storm->pid_count++]))
		fail("process", text, ESRCH);
}

static void read_option(struct storm *storm, int option)
{
	switch (option) {
	case 'r':
		storm->relay.at = parse(optarg);
		break;
	case 'f':
		storm->from = parse(optarg);
		break;
	case 'k':
		storm->relay.key = optarg;
		break;
	case 'm':
		storm->relay.realm = optarg;
		break;
	case 'c':
		pin(optarg);
		break;
	case 'N':
		storm->name = optarg;
		break;
	case 'l':
		storm->listen = (unsigned int)number(optarg);
		break;
	case 'w':
		storm->window = number(optarg);
		break;
	case 'p':
		watch_pid(storm, optarg);
		break;
	case 'n':
		storm->clients = number(optarg);
		break;
	case 'a':
		storm->again = number(optarg);
		break;
	case 'P':
		storm->pace = number(optarg);
		break;
	case 'F':
		storm->first = number(optarg);
		break;
	case 'x':
		storm->per = number(optarg);
		break;
	case 's':
		storm->slow = true;
		break;
	case 'L':
		storm->late = number(optarg);
		break;
	default:
		exit(2);
	}
}

static void allow_files(long clients)
{
	rlim_t wanted = (rlim_t)clients + 16;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		fail("open files", "", errno);
	if (limit.rlim_cur >= wanted)
		return;
	limit.rlim_cur = wanted;
	if (limit.rlim_max < wanted)
		limit.rlim_max = wanted;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		fail("open files", "", errno);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"relay", 1, NULL, 'r'}, {"from", 1, NULL, 'f'},
		{"key", 1, NULL, 'k'}, {"realm", 1, NULL, 'm'}, {"core", 1, NULL, 'c'},
		{"name", 1, NULL, 'N'}, {"listen", 1, NULL, 'l'}, {"window", 1, NULL, 'w'},
		{"pid", 1, NULL, 'p'}, {"clients", 1, NULL, 'n'}, {"again", 1, NULL, 'a'},
		{"late", 1, NULL, 'L'}, {"pace", 1, NULL, 'P'}, {"per", 1, NULL, 'x'},
		{"first", 1, NULL, 'F'}, {"slow", 0, NULL, 's'}, {0}};
	struct storm storm = {.relay.realm = "relayd", .name = "s", .listen = 10000, .window = 64};
	int option;

	prctl(PR_SET_TIMERSLACK, 1);
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		read_option(&storm, option);
	if (optind != argc || !storm.relay.at.port || !storm.from.addr.family || !storm.relay.key ||
		storm.window < 1 || (storm.clients < 1) == (storm.late < 1) ||
		storm.clients > CLIENTS_MAX) {
		fprintf(stderr, "punchstorm: see the head of punchstorm.c\n");
		return 2;
	}
	if (storm.late)
		punch_late(&storm);
	else {
		allow_files(storm.clients);
		punch_all(&storm);
	}
	return 0;
}
