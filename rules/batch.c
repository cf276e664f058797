/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/batch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>

/* A second try leaves out what was not there; more can only fail if somebody else interferes. */
#define BATCH_TRIES 3

void batch_init(struct batch *batch)
{
	*batch = (struct batch){0};
}

void batch_fini(struct batch *batch)
{
	free(batch->data);
	free(batch->msgs);
	batch_init(batch);
}

void batch_clear(struct batch *batch)
{
	batch->len = 0;
	batch->count = 0;
	batch->failed = false;
}

static struct nlmsghdr *msg_header(const struct batch *batch, size_t index)
{
	return (struct nlmsghdr *)(batch->data + batch->msgs[index].at);
}

/* The last message was written after it had been added. */
static void batch_settle(struct batch *batch)
{
	if (batch->count)
		batch->len = batch->msgs[batch->count - 1].at +
			     MNL_ALIGN(msg_header(batch, batch->count - 1)->nlmsg_len);
}

void batch_finish(struct batch *batch)
{
	batch_settle(batch);
}

static bool batch_grow(struct batch *batch)
{
	if (batch->len + NL_REQUEST > batch->size) {
		size_t size = batch->size ? 2 * batch->size : 16 * NL_REQUEST;
		char *data = realloc(batch->data, size);

		if (!data)
			return false;
		batch->data = data;
		batch->size = size;
	}
	if (batch->count == batch->room) {
		size_t room = batch->room ? 2 * batch->room : 256;
		struct batch_msg *msgs = reallocarray(batch->msgs, room, sizeof(*msgs));

		if (!msgs)
			return false;
		batch->msgs = msgs;
		batch->room = room;
	}
	return true;
}

/* type is the whole message type, with its subsystem. */
static struct nlmsghdr *msg_add(struct batch *batch, uint16_t type, uint16_t flags, int op)
{
	struct nlmsghdr *nlh;
	char *out;

	batch_settle(batch);
	if (batch->failed || !batch_grow(batch)) {
		batch->failed = true;
		out = batch->scratch;
	} else {
		batch->msgs[batch->count++] = (struct batch_msg){.at = batch->len, .op = op};
		out = batch->data + batch->len;
	}
	nlh = nl_request(out, type, NFPROTO_INET);
	nlh->nlmsg_flags |= flags;
	return nlh;
}

static void batch_border(struct batch *batch, uint16_t type)
{
	struct nlmsghdr *nlh = msg_add(batch, type, 0, -1);
	struct nfgenmsg *nfg = mnl_nlmsg_get_payload(nlh);

	nfg->nfgen_family = AF_UNSPEC;
	nfg->res_id = htons(NFNL_SUBSYS_NFTABLES);
}

struct nlmsghdr *batch_add(struct batch *batch, uint16_t type, uint16_t flags, int op)
{
	if (!batch->count)
		batch_border(batch, NFNL_MSG_BATCH_BEGIN);
	return msg_add(batch, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), flags, op);
}

void batch_optional(struct batch *batch)
{
	if (!batch->failed)
		batch->msgs[batch->count - 1].optional = true;
}

static void batch_number(struct batch *batch, struct nl *nl)
{
	for (size_t i = 0; i < batch->count; i++)
		msg_header(batch, i)->nlmsg_seq = ++nl->seq;
}

/* The first error of one datagram; ENOENT for optional messages only marks them for removal. */
static void errors_read(
	struct batch *batch, struct nl *nl, size_t len, struct rules_error *worst, size_t *missing)
{
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)nl->buffer;
	uint32_t first = msg_header(batch, 0)->nlmsg_seq;
	int left = (int)len;

	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
		size_t index = nlh->nlmsg_seq - first;
		int code;

		if (nlh->nlmsg_type != NLMSG_ERROR || index >= batch->count ||
			mnl_nlmsg_get_payload_len(nlh) < sizeof(code))
			continue;
		memcpy(&code, mnl_nlmsg_get_payload(nlh), sizeof(code));
		if (code == -ENOENT && batch->msgs[index].optional) {
			batch->msgs[index].at = SIZE_MAX;
			(*missing)++;
		} else if (code && !worst->code) {
			worst->code = code;
			worst->op = index ? batch->msgs[index].op : -2;
		}
	}
}

/* Closes the gaps of messages that errors_read has marked. */
static void batch_compact(struct batch *batch)
{
	size_t count = 0, len = 0;

	for (size_t i = 0; i < batch->count; i++) {
		size_t size;

		if (batch->msgs[i].at == SIZE_MAX)
			continue;
		size = MNL_ALIGN(msg_header(batch, i)->nlmsg_len);
		memmove(batch->data + len, batch->data + batch->msgs[i].at, size);
		batch->msgs[count] = batch->msgs[i];
		batch->msgs[count++].at = len;
		len += size;
	}
	batch->count = count;
	batch->len = len;
}

static int error_explain(const struct rules_error *worst, struct rules_error *error)
{
	/* The kernel answers a lack of privilege on the batch, a foreign owner on the message. */
	bool batch = worst->op == -2;
	int op = batch ? -1 : worst->op;

	switch (-worst->code) {
	case EPERM:
		if (batch)
			return nl_fail(error, -EPERM, -1, "CAP_NET_ADMIN is missing");
		return nl_fail(
			error, -EBUSY, op, "table %s belongs to another process", RULES_TABLE);
	case ENOENT:
		return nl_fail(error, -ENOENT, op, "table %s or a part of it is gone", RULES_TABLE);
	case ENFILE:
	case ENOSPC:
		return nl_fail(error, worst->code, op, "the kernel's set is full");
	case EEXIST:
		return nl_fail(
			error, -EEXIST, op, "overlaps with what is there, or differs from it");
	case EOPNOTSUPP:
		return nl_fail(error, -EOPNOTSUPP, op, "this kernel's nf_tables cannot do that");
	case EMSGSIZE:
		return nl_fail(
			error, -EMSGSIZE, -1, "transaction exceeds the socket's send buffer");
	case ENOBUFS:
		return nl_fail(
			error, -ENOBUFS, -1, "the kernel had more errors than fit its buffer");
	}
	return nl_fail(error, worst->code, op, "nf_tables: %s", strerror(-worst->code));
}

/* 0, -EAGAIN when marked messages were removed and it should be sent again, or an error. */
static int batch_send(struct batch *batch, struct nl *nl, struct rules_error *error)
{
	struct rules_error worst = {.op = -1};
	size_t missing = 0;
	ssize_t got;

	batch_number(batch, nl);
	worst.code = nl_send(nl, batch->data, batch->len);
	while (!worst.code && (got = nl_receive(nl)) != 0) {
		if (got < 0)
			worst.code = (int)got;
		else
			errors_read(batch, nl, (size_t)got, &worst, &missing);
	}
	while (nl_receive(nl) > 0)
		; /* nothing of this batch may be taken for an answer to the next */
	if (worst.code)
		return error_explain(&worst, error);
	if (!missing)
		return 0;
	batch_compact(batch);
	return -EAGAIN;
}

int batch_commit(struct batch *batch, struct nl *nl, struct rules_error *error)
{
	int err = -EAGAIN;

	if (!batch->count && !batch->failed)
		return 0;
	batch_border(batch, NFNL_MSG_BATCH_END);
	batch_settle(batch);
	if (batch->failed)
		return nl_fail(error, -ENOMEM, -1, "out of memory");
	for (int i = 0; err == -EAGAIN && i < BATCH_TRIES; i++)
		err = batch_send(batch, nl, error);
	/* Only now: what a later try has mended is no error. */
	if (err == -EAGAIN)
		return nl_fail(error, err, -1, "elements vanish while they are being deleted");
	return err;
}
