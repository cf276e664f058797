/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <natpmp.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/buf.h"
#include "punchctl/gateway.h"
#include "punchctl/gateway_job.h"

#define PCP_VERSION  2
#define PCP_RESPONSE 0x80
#define PCP_HEADER   24
#define PCP_TRIES    2
#define PCP_WAIT_MS  100 /* it has just answered in NAT-PMP, from next door */

static int64_t clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static struct addr addr_from(in_addr_t in)
{
	struct addr addr = {.family = AF_INET};

	memcpy(addr.bytes, &in, sizeof(in));
	return addr;
}

/* The library repeats the request by itself, for two minutes if it were let. */
static int response_wait(natpmp_t *natpmp, int64_t end_ms, natpmpresp_t *response)
{
	struct pollfd pollfd = {.fd = natpmp->s, .events = POLLIN};
	struct timeval timeout;
	int64_t left;
	int ret;

	for (;;) {
		ret = readnatpmpresponseorretry(natpmp, response);
		if (ret == 0)
			return 0;
		if (ret == NATPMP_ERR_NOTAUTHORIZED || ret == NATPMP_ERR_OUTOFRESOURCES ||
			ret == NATPMP_ERR_NETWORKFAILURE)
			return -EACCES;
		left = end_ms - clock_ms();
		if (ret != NATPMP_TRYAGAIN || left <= 0)
			return -ETIMEDOUT;
		if (getnatpmprequesttimeout(natpmp, &timeout) == 0 &&
			timeout.tv_sec * 1000 + timeout.tv_usec / 1000 < left)
			left = timeout.tv_sec * 1000 + timeout.tv_usec / 1000 + 1;
		poll(&pollfd, 1, left > 0 ? (int)left : 0);
	}
}

/*
 * RFC 6887, section 14.1: ANNOUNCE changes nothing, and whoever speaks PCP answers in version 2.
 * The socket is the library's, connected to the router, with no request of its own under way.
 */
static bool pcp_is_spoken(const natpmp_t *natpmp, const struct addr *local)
{
	struct pollfd pollfd = {.fd = natpmp->s, .events = POLLIN};
	uint8_t data[PCP_HEADER], answer[1100];
	struct buf buf;

	buf_init(&buf, data, sizeof(data));
	buf_put_u8(&buf, PCP_VERSION);
	buf_put_zero(&buf, 17); /* opcode 0, no lifetime, and ::ffff:0:0/96 of our address */
	buf_put_u16(&buf, 0xffff);
	buf_put(&buf, local->bytes, 4);
	for (int i = 0; i < PCP_TRIES; i++) {
		if (send(natpmp->s, data, sizeof(data), 0) < 0)
			return false;
		if (poll(&pollfd, 1, PCP_WAIT_MS) <= 0)
			continue;
		if (recv(natpmp->s, answer, sizeof(answer), 0) >= PCP_HEADER &&
			answer[0] == PCP_VERSION && answer[1] == PCP_RESPONSE)
			return true;
	}
	return false;
}

static int natpmp_find(natpmp_t *natpmp, struct gateway_job *job, int64_t end_ms)
{
	natpmpresp_t response;
	int ret;

	if (sendpublicaddressrequest(natpmp) < 0)
		return -ETIMEDOUT;
	ret = response_wait(natpmp, end_ms, &response);
	if (ret < 0)
		return ret;
	if (response.type != NATPMP_RESPTYPE_PUBLICADDRESS)
		return -EPROTO;
	job->external = addr_from(response.pnu.publicaddress.addr.s_addr);
	return 0;
}

static int natpmp_map(natpmp_t *natpmp, struct gateway_job *job, int64_t end_ms)
{
	natpmpresp_t response;
	int ret;

	if (sendnewportmappingrequest(natpmp, NATPMP_PROTOCOL_UDP, job->port, job->wanted,
		    job->what == GATEWAY_MAP ? job->lifetime_s : 0) < 0)
		return -ETIMEDOUT;
	ret = response_wait(natpmp, end_ms, &response);
	if (ret < 0)
		return ret;
	if (response.type != NATPMP_RESPTYPE_UDPPORTMAPPING)
		return -EPROTO;
	job->given = response.pnu.newportmapping.mappedpublicport;
	job->granted_s = response.pnu.newportmapping.lifetime;
	return 0;
}

void gateway_natpmp_run(struct gateway_job *job)
{
	int64_t end_ms = clock_ms() + GATEWAY_BUDGET_MS;
	natpmp_t natpmp;

	job->ret = -ETIMEDOUT;
	if (initnatpmp(&natpmp, 0, 0) < 0)
		return;
	job->ret = job->what == GATEWAY_UNMAP ? 0 : natpmp_find(&natpmp, job, end_ms);
	if (job->ret == 0 && job->what == GATEWAY_FIND)
		job->pcp = pcp_is_spoken(&natpmp, &job->local);
	else if (job->ret == 0)
		job->ret = natpmp_map(&natpmp, job, end_ms);
	closenatpmp(&natpmp);
}
