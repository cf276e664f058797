/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/volley.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

int volley_socket(const struct endpoint *local)
{
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(local, &sa);
	int fd, ret, one = 1, fragments = IP_PMTUDISC_DONT;

	fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (sa.ss_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	else /* routers may cut what is too large for a link: not all of them say that it was */
		(void)setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &fragments, sizeof(fragments));
	if (bind(fd, (struct sockaddr *)&sa, len) == 0)
		return fd;
	ret = -errno;
	close(fd);
	return ret;
}

int volley_ask(int fd)
{
	struct endpoint local = {0};
	int one = 1, ret = volley_local(fd, &local);

	if (ret < 0)
		return ret;
	if (local.addr.family == AF_INET)
		ret = setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &one, sizeof(one));
	else
		ret = setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &one, sizeof(one));
	return ret < 0 ? -errno : 0;
}

void volley_grow(int fd)
{
	int size = VOLLEY_RCVBUF;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
}

int volley_local(int fd, struct endpoint *out)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	if (getsockname(fd, (struct sockaddr *)&sa, &len) < 0)
		return -errno;
	return endpoint_from_sockaddr((struct sockaddr *)&sa, out);
}

uint16_t volley_port(int fd)
{
	struct endpoint local = {0};

	(void)volley_local(fd, &local);
	return local.port;
}

/* For one datagram and not by setsockopt(), which would hold for those that follow. */
static void message_set_ttl(struct msghdr *message, void *room, int family, int ttl)
{
	struct cmsghdr *cmsg;

	message->msg_control = room;
	message->msg_controllen = CMSG_SPACE(sizeof(ttl));
	cmsg = CMSG_FIRSTHDR(message);
	cmsg->cmsg_level = family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6;
	cmsg->cmsg_type = family == AF_INET ? IP_TTL : IPV6_HOPLIMIT;
	cmsg->cmsg_len = CMSG_LEN(sizeof(ttl));
	memcpy(CMSG_DATA(cmsg), &ttl, sizeof(ttl));
}

int volley_send_as(int fd, uint8_t family, const struct endpoint *to, uint8_t ttl, const void *data,
	size_t len)
{
	_Alignas(struct cmsghdr) uint8_t room[CMSG_SPACE(sizeof(int))] = {0};
	struct sockaddr_storage sa;
	struct iovec iov = {(void *)(uintptr_t)data, len};
	struct msghdr message = {
		.msg_name = &sa,
		.msg_namelen = endpoint_to_family(to, family, &sa),
		.msg_iov = &iov,
		.msg_iovlen = 1,
	};

	if (ttl > 0)
		message_set_ttl(&message, room, to->addr.family, ttl);
	return sendmsg(fd, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int volley_send_one(int fd, const struct endpoint *to, uint8_t ttl, const void *data, size_t len)
{
	return volley_send_as(fd, to->addr.family, to, ttl, data, len);
}

static void volley_init(struct volley *volley)
{
	for (unsigned int i = 0; i < VOLLEY_COUNT; i++) {
		volley->in_iov[i] = (struct iovec){volley->data[i], VOLLEY_DATAGRAM};
		volley->in[i].msg_hdr = (struct msghdr){
			.msg_name = &volley->from[i],
			.msg_iov = &volley->in_iov[i],
			.msg_iovlen = 1,
			.msg_control = volley->to[i].control,
		};
	}
	volley->used = VOLLEY_COUNT;
}

int volley_receive(struct volley *volley, int fd)
{
	int got;

	if (!volley->in[0].msg_hdr.msg_iov)
		volley_init(volley);
	/* Of what the kernel reads, it has changed no more than this. */
	for (unsigned int i = 0; i < volley->used; i++) {
		volley->in[i].msg_hdr.msg_namelen = sizeof(volley->from[i]);
		volley->in[i].msg_hdr.msg_controllen = sizeof(volley->to[i].control);
	}
	got = recvmmsg(fd, volley->in, VOLLEY_COUNT, 0, NULL);
	volley->used = got > 0 ? (unsigned int)got : 0;
	if (got < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	return got;
}

bool volley_is_whole(const struct volley *volley, unsigned int i)
{
	return !(volley->in[i].msg_hdr.msg_flags & MSG_TRUNC);
}

size_t volley_len(const struct volley *volley, unsigned int i)
{
	return volley->in[i].msg_len;
}

/* The same goes out as came in; by which interface is left to the routes. */
static void asked_put(struct volley_asked *out, int level, int type, const void *info, size_t len)
{
	struct msghdr message = {.msg_control = out->control, .msg_controllen = CMSG_SPACE(len)};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&message);

	cmsg->cmsg_level = level;
	cmsg->cmsg_type = type;
	cmsg->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(cmsg), info, len);
	out->len = CMSG_SPACE(len);
}

void volley_asked(const struct volley *volley, unsigned int i, struct volley_asked *out)
{
	const struct cmsghdr *cmsg = CMSG_FIRSTHDR(&volley->in[i].msg_hdr);
	struct in6_pktinfo six;
	struct in_pktinfo four;

	*out = (struct volley_asked){0};
	if (!cmsg)
		return;
	if (cmsg->cmsg_level == IPPROTO_IP && cmsg->cmsg_type == IP_PKTINFO) {
		memcpy(&four, CMSG_DATA(cmsg), sizeof(four));
		four.ipi_ifindex = 0;
		asked_put(out, IPPROTO_IP, IP_PKTINFO, &four, sizeof(four));
	} else if (cmsg->cmsg_level == IPPROTO_IPV6 && cmsg->cmsg_type == IPV6_PKTINFO) {
		memcpy(&six, CMSG_DATA(cmsg), sizeof(six));
		if (!IN6_IS_ADDR_LINKLOCAL(&six.ipi6_addr))
			six.ipi6_ifindex = 0;
		asked_put(out, IPPROTO_IPV6, IPV6_PKTINFO, &six, sizeof(six));
	}
}

void volley_put(struct volley *volley, unsigned int at, uint8_t *data, size_t len)
{
	volley->out_iov[at][0] = (struct iovec){data, len};
	volley->out[at].msg_hdr = (struct msghdr){.msg_iov = volley->out_iov[at], .msg_iovlen = 1};
}

void volley_put_behind(struct volley *volley, unsigned int at, const uint8_t *head, size_t head_len)
{
	volley->out_iov[at][1] = volley->out_iov[at][0];
	volley->out_iov[at][0] = (struct iovec){(void *)(uintptr_t)head, head_len};
	volley->out[at].msg_hdr.msg_iovlen = 2;
}

void volley_aim(
	struct volley *volley, unsigned int count, struct sockaddr_storage *to, socklen_t len)
{
	for (unsigned int i = 0; i < count; i++) {
		volley->out[i].msg_hdr.msg_name = to;
		volley->out[i].msg_hdr.msg_namelen = len;
	}
}

void volley_answer(struct volley *volley, unsigned int count, struct volley_asked *asked)
{
	for (unsigned int i = 0; i < count; i++) {
		volley->out[i].msg_hdr.msg_control = asked->len ? asked->control : NULL;
		volley->out[i].msg_hdr.msg_controllen = asked->len;
	}
}

unsigned int volley_send(
	struct volley *volley, int fd, unsigned int count, struct volley_loss *loss)
{
	unsigned int done = 0, sent = 0;
	bool refused = false;
	int ret;

	volley->sent_bytes = 0;
	while (done < count) {
		ret = sendmmsg(fd, volley->out + done, count - done, MSG_NOSIGNAL);
		if (ret > 0) {
			sent += (unsigned int)ret;
			while (ret-- > 0)
				volley->sent_bytes += volley->out[done++].msg_len;
			continue;
		}
		if (ret < 0 && errno == EINTR)
			continue;
		/* The error is an earlier datagram's, and this one has not been tried. */
		if (ret < 0 && errno == ECONNREFUSED && !refused) {
			refused = true;
			loss->refused++;
			continue;
		}
		if (ret < 0 && errno == EMSGSIZE)
			loss->oversized++;
		else
			loss->unsent++;
		done++;
		refused = false;
	}
	return sent;
}
