/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/nl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

/* The largest transaction takes about half a MiB, and each message may be answered by an error. */
#define SOCKET_BUFFER (8 * 1024 * 1024)
#define DUMP_TRIES    16 /* each meets another transaction in between */

static void socket_enlarge(int fd, int forced, int plain)
{
	const int size = SOCKET_BUFFER;

	/* Without CAP_NET_ADMIN in the first user namespace the limit of sysctl holds. */
	if (setsockopt(fd, SOL_SOCKET, forced, &size, sizeof(size)))
		setsockopt(fd, SOL_SOCKET, plain, &size, sizeof(size));
}

int nl_open(struct nl *nl)
{
	struct sockaddr_nl address = {.nl_family = AF_NETLINK};
	const int on = 1;
	int err;

	nl->seq = 0;
	nl->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	if (nl->fd < 0)
		return -errno;
	if (bind(nl->fd, (struct sockaddr *)&address, sizeof(address))) {
		err = -errno;
		nl_close(nl);
		return err;
	}
	socket_enlarge(nl->fd, SO_SNDBUFFORCE, SO_SNDBUF);
	socket_enlarge(nl->fd, SO_RCVBUFFORCE, SO_RCVBUF);
	/* Errors without a copy of the request: thousands of them fit into the buffer. */
	setsockopt(nl->fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	return 0;
}

void nl_close(struct nl *nl)
{
	if (nl->fd >= 0)
		close(nl->fd);
	nl->fd = -1;
}

struct nlmsghdr *nl_request(char out[static NL_REQUEST], uint16_t type, uint8_t family)
{
	struct nlmsghdr *request = mnl_nlmsg_put_header(out);
	struct nfgenmsg *nfg;

	request->nlmsg_type = type;
	request->nlmsg_flags = NLM_F_REQUEST;
	nfg = mnl_nlmsg_put_extra_header(request, sizeof(*nfg));
	nfg->nfgen_family = family;
	nfg->version = NFNETLINK_V0;
	nfg->res_id = 0;
	return request;
}

int nl_send(struct nl *nl, const void *data, size_t len)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	ssize_t sent;

	do {
		sent = sendto(nl->fd, data, len, 0, (struct sockaddr *)&kernel, sizeof(kernel));
	} while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

/* The kernel has answered when sendto returns, and goes on with a dump as it is read: nothing is
 * worth waiting for. */
static ssize_t buffer_fill(struct nl *nl)
{
	struct sockaddr_nl from = {0};
	socklen_t from_len;
	ssize_t got;

	do {
		from_len = sizeof(from);
		got = recvfrom(nl->fd, nl->buffer, sizeof(nl->buffer), MSG_DONTWAIT,
			(struct sockaddr *)&from, &from_len);
	} while ((got < 0 && errno == EINTR) || (got >= 0 && from.nl_pid != 0));
	return got < 0 ? -errno : got;
}

ssize_t nl_receive(struct nl *nl)
{
	ssize_t got = buffer_fill(nl);

	return got == -EAGAIN ? 0 : got;
}

/* One answer: 1 when it was the last one, *result is its verdict then. */
static int answer_check(const struct nlmsghdr *nlh, bool *torn, int *result)
{
	if (nlh->nlmsg_flags & NLM_F_DUMP_INTR)
		*torn = true;
	if (nlh->nlmsg_type == NLMSG_DONE || nlh->nlmsg_type == NLMSG_ERROR) {
		*result = 0;
		if (mnl_nlmsg_get_payload_len(nlh) >= sizeof(int))
			memcpy(result, mnl_nlmsg_get_payload(nlh), sizeof(int));
		return 1;
	}
	return 0;
}

int nl_talk(struct nl *nl, struct nlmsghdr *request, void (*cb)(void *, const struct nlmsghdr *),
	void *data)
{
	bool torn = false;
	int err, result;

	/* The acknowledgement marks the end where no NLMSG_DONE does. */
	if ((request->nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP)
		request->nlmsg_flags |= NLM_F_ACK;
	request->nlmsg_seq = ++nl->seq;
	err = nl_send(nl, request, request->nlmsg_len);
	if (err)
		return err;
	for (;;) {
		const struct nlmsghdr *nlh = (const struct nlmsghdr *)nl->buffer;
		ssize_t got = buffer_fill(nl);
		int left = (int)got;

		/* It did not fit; of the second time in a row the kernel does not tell. */
		if (got < 0)
			return got == -EAGAIN ? -ENOBUFS : (int)got;
		for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
			if (nlh->nlmsg_seq != nl->seq)
				continue; /* the rest of an older answer */
			if (answer_check(nlh, &torn, &result))
				return result ? result : torn ? -EINTR : 0;
			if (cb)
				cb(data, nlh);
		}
	}
}

int nl_dump(struct nl *nl, struct nlmsghdr *request, void (*begin)(void *),
	void (*cb)(void *, const struct nlmsghdr *), void *data)
{
	int err = -EINTR;

	request->nlmsg_flags |= NLM_F_DUMP;
	for (int i = 0; err == -EINTR && i < DUMP_TRIES; i++) {
		begin(data);
		err = nl_talk(nl, request, cb, data);
	}
	return err;
}

int nl_fail(struct rules_error *error, int code, int op, const char *format, ...)
{
	va_list args;

	if (!error)
		return code;
	error->code = code;
	error->op = op;
	va_start(args, format);
	vsnprintf(error->text, sizeof(error->text), format, args);
	va_end(args);
	return code;
}
