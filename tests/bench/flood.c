/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * flood: sends the same packets over several paths in turn, and prints what each packet cost.
 *
 *	flood --sink PID [--core N] [--rounds N] [--packets N] [--burst N] [--size N] PATH...
 *	flood --rate PPS --seconds N [--core N] [--size N] PATH
 *
 * PATH is NAME,SOURCE,DESTINATION,COUNT,INTERFACE[,PID]: COUNT ports from DESTINATION's on take
 * turns, packet by packet; INTERFACE is where the packets arrive in the network namespace of the
 * process --sink; PID is a process that carries them. A line per path and round:
 *
 *	NAME ROUND SENT ARRIVED NANOSECONDS WALL
 *
 * NANOSECONDS is the processor time of the whole path, per packet: of this thread while it sends,
 * in which the kernel does all that a veth path does, and of PID. WALL is the time that passed.
 */
#include <fcntl.h>
#include <getopt.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/addr.h"
#include "tests/bench/tool.h"

#define BURST_MAX   64
#define PATHS_MAX   32
#define PORTS_ALL   65536
#define PAYLOAD_MAX 1472
#define WAIT_NS	    20000000 /* for a burst to arrive */

struct path {
	const char *name, *interface;
	int fd;
	clockid_t carrier; /* the clock of the process that carries, or -1 */
	unsigned int count, next;
	struct sockaddr_storage *to; /* count of them */
	socklen_t to_len;
};

struct flood {
	int sink;
	long rounds, packets, burst, size, rate, seconds;
	struct path path[PATHS_MAX];
	unsigned int path_count;
	uint8_t payload[PAYLOAD_MAX];
};

struct cost {
	long sent, arrived;
	long long cpu, wall;
};

/* Packets that the interface has received, of the sink's /proc/net/dev. */
static long arrived(const struct flood *flood, const struct path *path)
{
	static char text[65536];
	size_t len = strlen(path->interface);
	ssize_t got = pread(flood->sink, text, sizeof(text) - 1, 0);
	char *end;

	if (got <= 0)
		fail("read", "/proc/PID/net/dev", got ? errno : ENODATA);
	text[got] = 0;
	for (char *line = text; line; line = strchr(line, '\n')) {
		line += strspn(line, " \n");
		if (strncmp(line, path->interface, len) != 0 || line[len] != ':')
			continue;
		strtol(line + len + 1, &end, 10); /* bytes */
		return strtol(end, NULL, 10);
	}
	fail("interface", path->interface, ENODEV);
}

/* Ports take turns. */
static void send_burst(struct flood *flood, struct path *path, long count)
{
	struct mmsghdr message[BURST_MAX] = {0};
	struct iovec iov = {flood->payload, (size_t)flood->size};
	long sent = 0;

	for (long i = 0; i < count; i++) {
		message[i].msg_hdr.msg_iov = &iov;
		message[i].msg_hdr.msg_iovlen = 1;
		message[i].msg_hdr.msg_name = &path->to[path->next];
		message[i].msg_hdr.msg_namelen = path->to_len;
		path->next = (path->next + 1) % path->count;
	}
	while (sent < count) {
		int done = sendmmsg(path->fd, message + sent, (unsigned int)(count - sent), 0);

		if (done < 0 && errno != EINTR && errno != ECONNREFUSED)
			fail("send", path->name, errno);
		sent += done > 0 ? done : 0;
	}
}

/* So that no queue on the way overflows; it is not part of the cost. Returns what has arrived. */
static long wait_arrived(const struct flood *flood, const struct path *path, long wanted)
{
	static const struct timespec rest = {0, 50000};
	long long until = now(CLOCK_MONOTONIC) + WAIT_NS;
	long seen;

	while ((seen = arrived(flood, path)) < wanted && now(CLOCK_MONOTONIC) < until)
		nanosleep(&rest, NULL);
	return seen;
}

static struct cost measure(struct flood *flood, struct path *path)
{
	bool carried = path->carrier != -1;
	long before = arrived(flood, path);
	struct cost cost = {0};

	cost.cpu -= carried ? now(path->carrier) : 0;
	while (cost.sent < flood->packets) {
		long count = flood->packets - cost.sent;
		long long wall = now(CLOCK_MONOTONIC), cpu = now(CLOCK_THREAD_CPUTIME_ID);

		count = count < flood->burst ? count : flood->burst;
		send_burst(flood, path, count);
		cost.cpu += now(CLOCK_THREAD_CPUTIME_ID) - cpu;
		cost.wall += now(CLOCK_MONOTONIC) - wall;
		cost.sent += count;
		cost.arrived = wait_arrived(flood, path, before + cost.sent) - before;
	}
	cost.cpu += carried ? now(path->carrier) : 0;
	return cost;
}

/* Every port once, or one burst: the first packet of a flow is dearer than all that follow. */
static void warm(struct flood *flood, struct path *path)
{
	long left = path->count > flood->burst ? (long)path->count : flood->burst;

	for (long count; left > 0; left -= count) {
		long before = arrived(flood, path);

		count = left < flood->burst ? left : flood->burst;
		send_burst(flood, path, count);
		wait_arrived(flood, path, before + count);
	}
}

/* A new order for every round, so that no path profits or suffers from the one before it. */
static void shuffle(unsigned int *order, unsigned int count)
{
	for (unsigned int i = count; i > 1; i--) {
		unsigned int other = (unsigned int)random() % i, last = order[i - 1];

		order[i - 1] = order[other];
		order[other] = last;
	}
}

static void measure_all(struct flood *flood)
{
	unsigned int order[PATHS_MAX] = {0};

	for (unsigned int i = 0; i < flood->path_count; i++) {
		order[i] = i;
		warm(flood, &flood->path[i]);
	}
	for (long round = 0; round < flood->rounds; round++) {
		shuffle(order, flood->path_count);
		for (unsigned int i = 0; i < flood->path_count; i++) {
			struct path *path = &flood->path[order[i]];
			struct cost cost = measure(flood, path);

			printf("%s %ld %ld %ld %.1f %.1f\n", path->name, round, cost.sent,
				cost.arrived, (double)cost.cpu / (double)cost.sent,
				(double)cost.wall / (double)cost.sent);
		}
		fflush(stdout);
	}
}

/* One packet after the other at even distances. */
static void send_evenly(struct flood *flood, struct path *path)
{
	long long start = now(CLOCK_MONOTONIC);
	long long total = flood->rate * flood->seconds;

	for (long long i = 0; i < total; i++) {
		long long at = start + i * NSEC / flood->rate;
		struct timespec until = {at / NSEC, at % NSEC};

		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
		send_burst(flood, path, 1);
	}
}

static char *field(char **rest, const char *what)
{
	char *text = strsep(rest, ",");

	if (!text || !*text)
		fail("path without", what, EINVAL);
	return text;
}

static int open_from(const char *text)
{
	struct sockaddr_storage from;
	struct endpoint source;
	int fd;

	if (endpoint_parse(text, 0, &source))
		fail("source", text, EINVAL);
	fd = socket(source.addr.family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&from, endpoint_to_sockaddr(&source, &from)))
		fail("bind", text, errno);
	return fd;
}

static void add_path(struct flood *flood, char *text)
{
	struct path *path = &flood->path[flood->path_count++];
	struct endpoint to;
	char *name;

	path->name = field(&text, "a name");
	path->fd = open_from(field(&text, "a source"));
	name = field(&text, "a destination");
	path->count = (unsigned int)number(field(&text, "a count"));
	path->interface = field(&text, "an interface");
	path->carrier = -1;
	if (text && clock_getcpuclockid((pid_t)number(text), &path->carrier))
		fail("process", text, ESRCH);
	if (endpoint_parse(name, 0, &to) || !path->count || to.port + path->count > PORTS_ALL)
		fail("destination", name, EINVAL);
	path->to = calloc(path->count, sizeof(*path->to));
	if (!path->to)
		fail("memory", "", ENOMEM);
	for (unsigned int i = 0; i < path->count; i++, to.port++)
		path->to_len = endpoint_to_sockaddr(&to, &path->to[i]);
}

static void open_sink(struct flood *flood, const char *pid)
{
	char name[64];

	snprintf(name, sizeof(name), "/proc/%ld/net/dev", number(pid));
	flood->sink = open(name, O_RDONLY | O_CLOEXEC);
	if (flood->sink < 0)
		fail("open", name, errno);
}

static void read_option(struct flood *flood, int option)
{
	switch (option) {
	case 'k':
		open_sink(flood, optarg);
		break;
	case 'c':
		pin(optarg);
		break;
	case 'r':
		flood->rounds = number(optarg);
		break;
	case 'n':
		flood->packets = number(optarg);
		break;
	case 'b':
		flood->burst = number(optarg);
		break;
	case 's':
		flood->size = number(optarg);
		break;
	case 'p':
		flood->rate = number(optarg);
		break;
	case 't':
		flood->seconds = number(optarg);
		break;
	default:
		exit(2);
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"sink", 1, NULL, 'k'}, {"core", 1, NULL, 'c'},
		{"rounds", 1, NULL, 'r'}, {"packets", 1, NULL, 'n'}, {"burst", 1, NULL, 'b'},
		{"size", 1, NULL, 's'}, {"rate", 1, NULL, 'p'}, {"seconds", 1, NULL, 't'}, {0}};
	static struct flood flood = {
		.sink = -1, .rounds = 10, .packets = 1024, .burst = 64, .size = 1172};
	int option;

	prctl(PR_SET_TIMERSLACK, 1);
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		read_option(&flood, option);
	while (optind < argc && flood.path_count < PATHS_MAX)
		add_path(&flood, argv[optind++]);
	if (!flood.path_count || flood.burst < 1 || flood.burst > BURST_MAX || flood.packets < 1 ||
		flood.size < 12 || flood.size > PAYLOAD_MAX || (flood.sink < 0) == !flood.rate) {
		fprintf(stderr, "flood: see the head of flood.c\n");
		return 2;
	}
	flood.payload[0] = 0x80; /* RTP, which no relay takes for STUN */
	if (flood.rate)
		send_evenly(&flood, &flood.path[0]);
	else
		measure_all(&flood);
	return 0;
}
