/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * relay_mmsg: what a good relay in user space can do, to compare with: recvmmsg, sendmmsg.
 *
 *	relay_mmsg LISTEN FROM CLIENT
 *
 * Whatever comes to LISTEN leaves from FROM to CLIENT, up to 64 datagrams per system call.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/addr.h"

#define BATCH	 64
#define DATAGRAM 2048
#define QUEUE	 (4 << 20)

static struct endpoint parse(const char *text)
{
	struct endpoint endpoint;

	if (endpoint_parse(text, 0, &endpoint)) {
		fprintf(stderr, "relay_mmsg: %s is not an address and a port\n", text);
		exit(2);
	}
	return endpoint;
}

static int bound(const char *text)
{
	struct endpoint at = parse(text);
	struct sockaddr_storage addr;
	socklen_t len = endpoint_to_sockaddr(&at, &addr);
	int fd = socket(at.addr.family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int queue = QUEUE;

	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, len)) {
		fprintf(stderr, "relay_mmsg: %s: %s\n", text, strerror(errno));
		exit(1);
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &queue, sizeof(queue));
	return fd;
}

/* Returns only on an error that is not the loss of a datagram. */
static void carry(int in, int out)
{
	static uint8_t data[BATCH][DATAGRAM];
	struct mmsghdr message[BATCH] = {0};
	struct iovec iov[BATCH];

	for (int i = 0; i < BATCH; i++) {
		message[i].msg_hdr.msg_iov = &iov[i];
		message[i].msg_hdr.msg_iovlen = 1;
	}
	for (;;) {
		int count, sent = 0;

		for (int i = 0; i < BATCH; i++)
			iov[i] = (struct iovec){data[i], DATAGRAM};
		count = recvmmsg(in, message, BATCH, MSG_WAITFORONE, NULL);
		if (count < 0 && errno != EINTR)
			return;
		for (int i = 0; i < count; i++)
			iov[i].iov_len = message[i].msg_len;
		while (sent < count) {
			int done = sendmmsg(out, message + sent, (unsigned int)(count - sent), 0);

			sent += done > 0 ? done : 1;
		}
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_storage addr;
	struct endpoint client;
	int in, out;

	if (argc != 4) {
		fprintf(stderr, "usage: relay_mmsg LISTEN FROM CLIENT\n");
		return 2;
	}
	in = bound(argv[1]);
	out = bound(argv[2]);
	client = parse(argv[3]);
	if (connect(out, (struct sockaddr *)&addr, endpoint_to_sockaddr(&client, &addr))) {
		fprintf(stderr, "relay_mmsg: %s: %s\n", argv[3], strerror(errno));
		return 1;
	}
	carry(in, out);
	fprintf(stderr, "relay_mmsg: %s\n", strerror(errno));
	return 1;
}
