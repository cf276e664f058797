/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nl: a netlink socket, requests with their answers, and errors in words. */
#ifndef RULES_NL_H
#define RULES_NL_H

#include <stddef.h>
#include <stdint.h>

#include <libmnl/libmnl.h>

#include "rules/rules.h"

/* Larger than any reply: the kernel fills at most 32 KiB of a dump at once. */
#define NL_BUFFER (64 * 1024)
/* Room that a builder may rely on when it writes one request. */
#define NL_REQUEST 4096

struct nl {
	int fd;
	uint32_t seq; /* last used */
	char buffer[NL_BUFFER];
};

/* A socket with large buffers where the kernel allows it; fd is -1 after an error. */
int nl_open(struct nl *nl);
void nl_close(struct nl *nl);

/* Begins a request of a netfilter subsystem in out, which has NL_REQUEST bytes. */
struct nlmsghdr *nl_request(char out[static NL_REQUEST], uint16_t type, uint8_t family);

/*
 * Sends a request and hands each answer to cb, until the kernel says that it was the last one.
 * -EINTR: a dump was not consistent, the caller begins again. cb may be NULL.
 */
int nl_talk(struct nl *nl, struct nlmsghdr *request, void (*cb)(void *, const struct nlmsghdr *),
	void *data);
/* Turns a request into one for a dump, and repeats it until that is consistent, calling begin
 * before each time. -EINTR: it never was. */
int nl_dump(struct nl *nl, struct nlmsghdr *request, void (*begin)(void *),
	void (*cb)(void *, const struct nlmsghdr *), void *data);
/* Sends bytes that hold whole messages. */
int nl_send(struct nl *nl, const void *data, size_t len);
/* One datagram of answers without waiting: its length, 0 when there is none, or -errno. */
ssize_t nl_receive(struct nl *nl);

/* Fills *error (which may be NULL) and returns code. */
__attribute__((format(printf, 4, 5))) int nl_fail(
	struct rules_error *error, int code, int op, const char *format, ...);

#endif
