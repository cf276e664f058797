/* SPDX-License-Identifier: GPL-2.0-or-later */
/* natbox: a NAT between TUN devices, and the wire outside of it; natbox --help. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "tests/natbox/link.h"
#include "tests/natbox/options.h"
#include "tests/natbox/tun.h"

#define BATCH 64
#define HOSTS 64

/* Inside hosts are learnt from what they send, as a switch does. */
struct host {
	struct addr addr;
	size_t device;
};

struct natbox {
	struct options options;
	struct box box;
	struct link link;
	struct pollfd fds[INSIDE_MAX + 1]; /* the inside devices, then the outside one */
	struct host hosts[HOSTS];
	size_t host_count;
	int64_t now_us;
	uint64_t out, in;
};

static volatile sig_atomic_t ended, asked;

static void on_signal(int number)
{
	if (number == SIGUSR1)
		asked = 1;
	else
		ended = 1;
}

static int64_t now_get(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static struct host *host_find(struct natbox *natbox, const struct addr *addr)
{
	for (size_t i = 0; i < natbox->host_count; i++) {
		if (addr_equal(&natbox->hosts[i].addr, addr))
			return &natbox->hosts[i];
	}
	return NULL;
}

static void host_learn(struct natbox *natbox, const struct addr *addr, size_t device)
{
	struct host *host = host_find(natbox, addr);

	if (!host && natbox->host_count < HOSTS)
		host = &natbox->hosts[natbox->host_count++];
	if (host)
		*host = (struct host){*addr, device};
}

/* Where the IP header itself says; not what an ICMP error is about. */
static struct addr header_addr(const struct packet *packet, bool to)
{
	bool v6 = packet->data[0] >> 4 == 6;
	struct addr addr = {.family = v6 ? AF_INET6 : AF_INET};
	size_t size = addr_size(addr.family);

	memcpy(addr.bytes, packet->data + (v6 ? 8 : 12) + (to ? size : 0), size);
	return addr;
}

/* A device that is down loses what is written to it, as a cable does. */
static void device_write(const struct natbox *natbox, size_t device, const struct packet *packet)
{
	if (write(natbox->fds[device].fd, packet->data, packet->size) < 0)
		return;
}

static void to_inside(void *data, const struct packet *packet)
{
	struct natbox *natbox = data;
	struct addr addr = header_addr(packet, true);
	const struct host *host = host_find(natbox, &addr);

	natbox->in++;
	device_write(natbox, host ? host->device : 0, packet);
}

static void to_outside(void *data, const struct packet *packet)
{
	struct natbox *natbox = data;

	natbox->out++;
	link_push(&natbox->link, LINK_OUT, packet->data, packet->size, natbox->now_us);
}

/* Hosts of one side reach each other without the NAT, if they know each other's addresses. */
static void inside_take(struct natbox *natbox, size_t device, struct packet *packet)
{
	struct addr from = header_addr(packet, false), to = header_addr(packet, true);
	const struct host *host;

	host_learn(natbox, &from, device);
	host = host_find(natbox, &to);
	if (host)
		device_write(natbox, host->device, packet);
	else
		box_out(&natbox->box, packet, natbox->now_us / 1000);
}

static void device_read(struct natbox *natbox, size_t device)
{
	uint8_t data[LINK_MTU];
	struct packet packet;

	for (int i = 0; i < BATCH; i++) {
		ssize_t size = read(natbox->fds[device].fd, data, sizeof(data));

		if (size <= 0)
			return;
		if (device == natbox->options.inside_count)
			link_push(&natbox->link, LINK_IN, data, (size_t)size, natbox->now_us);
		else if (packet_parse(data, (size_t)size, &packet))
			inside_take(natbox, device, &packet);
	}
}

static void link_deliver(struct natbox *natbox)
{
	struct link_packet *arrived;
	struct packet packet;

	while ((arrived = link_pop(&natbox->link, natbox->now_us))) {
		/* A copy, as what is answered goes on the wire. */
		uint8_t data[LINK_MTU];

		memcpy(data, arrived->data, arrived->size);
		if (!packet_parse(data, arrived->size, &packet))
			continue;
		if (arrived->way == LINK_OUT)
			device_write(natbox, natbox->options.inside_count, &packet);
		else
			box_in(&natbox->box, &packet, natbox->now_us / 1000);
	}
}

static void counters_print(const struct natbox *natbox)
{
	const struct box_counters *box = &natbox->box.counters;

	printf("{\"out\": %lu, \"in\": %lu, \"lost\": %lu, \"overflown\": %lu, \"expired\": %lu, "
	       "\"errors\": %lu, \"dropped\": %lu, \"wall_refused\": %lu, \"layers\": [",
		natbox->out, natbox->in, natbox->link.lost, natbox->link.overflown, box->expired,
		box->errors, box->dropped, natbox->box.wall.refused);
	for (size_t i = 0; i < natbox->box.config.count; i++) {
		const struct nat_counters *nat = nat_counters(natbox->box.layers[i]->nat);

		printf("%s{\"mappings\": %lu, \"foreign\": %lu, \"refused\": %lu, "
		       "\"exhausted\": %lu}",
			i ? ", " : "", nat->mappings, nat->foreign, nat->refused, nat->exhausted);
	}
	printf("]}\n");
	fflush(stdout);
}

/* Signals come only while it waits. */
static void loop(struct natbox *natbox, const sigset_t *waiting)
{
	size_t count = natbox->options.inside_count + 1;

	while (!ended) {
		int64_t due = link_due(&natbox->link), wait = due - now_get();
		struct timespec timeout = {0};

		if (wait > 0)
			timeout = (struct timespec){wait / 1000000, wait % 1000000 * 1000};
		if (ppoll(natbox->fds, count, due < 0 ? NULL : &timeout, waiting) < 0 &&
			errno != EINTR)
			return;
		if (asked)
			counters_print(natbox);
		asked = 0;
		natbox->now_us = now_get();
		for (size_t i = 0; i < count; i++)
			if (natbox->fds[i].revents)
				device_read(natbox, i);
		link_deliver(natbox);
	}
}

static int devices_open(struct natbox *natbox)
{
	size_t inside = natbox->options.inside_count;

	for (size_t i = 0; i <= inside; i++) {
		const char *name = i < inside ? natbox->options.inside[i] : natbox->options.outside;
		int fd = tun_open(name);

		if (fd < 0) {
			fprintf(stderr, "natbox: %s: %s\n", name, strerror(-fd));
			return fd;
		}
		natbox->fds[i] = (struct pollfd){.fd = fd, .events = POLLIN};
	}
	return 0;
}

static void signals_set(sigset_t *waiting)
{
	static const int numbers[] = {SIGTERM, SIGINT, SIGUSR1};
	struct sigaction action = {.sa_handler = on_signal};
	sigset_t blocked;

	sigemptyset(&blocked);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		sigaddset(&blocked, numbers[i]);
		sigaction(numbers[i], &action, NULL);
	}
	sigprocmask(SIG_BLOCK, &blocked, waiting);
}

int main(int argc, char **argv)
{
	struct natbox *natbox = calloc(1, sizeof(*natbox));
	int ret = natbox ? options_parse(argc, argv, &natbox->options) : -ENOMEM;
	sigset_t waiting;

	if (ret != 0)
		goto out;
	signals_set(&waiting);
	ret = box_init(&natbox->box, &natbox->options.box);
	if (ret == 0)
		ret = link_init(&natbox->link, &natbox->options.link);
	if (ret == 0)
		ret = devices_open(natbox);
	if (ret < 0)
		goto out;
	natbox->box.to_inside = to_inside;
	natbox->box.to_outside = to_outside;
	natbox->box.data = natbox;
	prctl(PR_SET_TIMERSLACK, 1);
	loop(natbox, &waiting);
	counters_print(natbox);
	box_fini(&natbox->box);
	link_fini(&natbox->link);
out:
	free(natbox);
	return ret < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
