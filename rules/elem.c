/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/elem.h"

#include <arpa/inet.h>
#include <endian.h>
#include <string.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "common/buf.h"
#include "rules/elem_udata.h"

/* Newer than the oldest headers that we build with (6.3). */
#define MSG_DESTROYSETELEM 30

/* Both ends of a hole: 2 * (16 + 4) bytes. */
#define KEY_MAX 40

bool elem_is_peer(enum set_id set)
{
	return set == SET_PEER || set == SET_PEER_MARK || set == SET_PEER_FROM;
}

bool elem_has_source(enum set_id set)
{
	return set == SET_EXACT || set == SET_EXACT_RATE || set == SET_PREFIX;
}

static bool has_counter(enum set_id set)
{
	return set == SET_LISTEN || set == SET_EXACT || set == SET_ANY || set == SET_RATE ||
	       set == SET_CONSENT;
}

int elem_endpoint_compare(const void *a, const void *b)
{
	const struct endpoint *x = a, *y = b;
	int order = memcmp(x->addr.bytes, y->addr.bytes, sizeof(x->addr.bytes));

	return order ? order : x->port - y->port;
}

static void put_endpoint(struct buf *buf, const struct endpoint *endpoint)
{
	buf_put(buf, endpoint->addr.bytes, addr_size(endpoint->addr.family));
	buf_put_u16(buf, endpoint->port);
	buf_put_zero(buf, 2); /* fields are padded to 32 bits */
}

/* The prefix's last address. */
static struct addr prefix_last(const struct prefix *prefix)
{
	struct addr last = prefix->addr;

	for (size_t bit = prefix->bits; bit < 8 * addr_size(last.family); bit++)
		last.bytes[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	return last;
}

static void put_key(struct nlmsghdr *nlh, uint16_t attr, const struct elem *elem, bool end)
{
	uint8_t bytes[KEY_MAX];
	struct nlattr *nest;
	struct buf buf;

	buf_init(&buf, bytes, sizeof(bytes));
	put_endpoint(&buf, &elem->key);
	if (elem_is_peer(elem->set))
		put_endpoint(&buf, &elem->to);
	if (elem_has_source(elem->set)) {
		struct addr addr = end ? prefix_last(&elem->source) : elem->source.addr;

		buf_put(&buf, addr.bytes, addr_size(elem->key.addr.family));
	}
	nest = mnl_attr_nest_start(nlh, attr);
	mnl_attr_put(nlh, NFTA_DATA_VALUE, buf.at, bytes);
	mnl_attr_nest_end(nlh, nest);
}

/* Always the same one: that it is found is what counts, and a map says it without another step. */
static void put_accept(struct nlmsghdr *nlh)
{
	struct nlattr *data = mnl_attr_nest_start(nlh, NFTA_SET_ELEM_DATA);
	struct nlattr *verdict = mnl_attr_nest_start(nlh, NFTA_DATA_VERDICT);

	mnl_attr_put_u32(nlh, NFTA_VERDICT_CODE, htonl(NF_ACCEPT));
	mnl_attr_nest_end(nlh, verdict);
	mnl_attr_nest_end(nlh, data);
}

static void put_data(struct nlmsghdr *nlh, const struct elem *elem)
{
	struct nlattr *nest;
	uint8_t bytes[KEY_MAX];
	struct buf buf;

	if (elem->set == SET_EXACT || elem->set == SET_ANY) {
		put_accept(nlh);
		return;
	}
	buf_init(&buf, bytes, sizeof(bytes));
	if (elem->set == SET_MARK || elem->set == SET_PEER_MARK) {
		uint32_t mark = RULES_MARK | elem->number; /* registers are in host order */

		buf_put(&buf, &mark, sizeof(mark));
	} else if (elem->set == SET_INGRESS || elem->set == SET_EGRESS || elem->set == SET_PEER ||
		   elem->set == SET_PEER_FROM) {
		put_endpoint(&buf, &elem->data);
	} else {
		return;
	}
	nest = mnl_attr_nest_start(nlh, NFTA_SET_ELEM_DATA);
	mnl_attr_put(nlh, NFTA_DATA_VALUE, buf.at, bytes);
	mnl_attr_nest_end(nlh, nest);
}

static void put_userdata(struct nlmsghdr *nlh, const struct elem *elem)
{
	uint8_t bytes[2 + RULES_NAME + 2 + NOTE_SIZE];
	size_t len = strnlen(elem->name, RULES_NAME - 1);
	struct buf buf;

	buf_init(&buf, bytes, sizeof(bytes));
	if (len) {
		buf_put_u8(&buf, UDATA_COMMENT);
		buf_put_u8(&buf, (uint8_t)(len + 1));
		buf_put(&buf, elem->name, len);
		buf_put_zero(&buf, 1);
	}
	if (elem->set == SET_LISTEN || elem->set == SET_PEER) {
		buf_put_u8(&buf, UDATA_NOTE);
		buf_put_u8(&buf, NOTE_SIZE);
		buf_put_u8(&buf, elem->source.bits);
		buf_put_u8(&buf, elem->source.addr.family);
		buf_put(&buf, elem->source.addr.bytes, sizeof(elem->source.addr.bytes));
		buf_put_u32(&buf, elem->number);
	}
	if (buf.at)
		mnl_attr_put(nlh, NFTA_SET_ELEM_USERDATA, buf.at, bytes);
}

static void put_limit(struct nlmsghdr *nlh, uint64_t rate)
{
	struct nlattr *expr = mnl_attr_nest_start(nlh, NFTA_LIST_ELEM);
	struct nlattr *data;

	mnl_attr_put_strz(nlh, NFTA_EXPR_NAME, "limit");
	data = mnl_attr_nest_start(nlh, NFTA_EXPR_DATA);
	mnl_attr_put_u64(nlh, NFTA_LIMIT_RATE, htobe64(rate));
	mnl_attr_put_u64(nlh, NFTA_LIMIT_UNIT, htobe64(1));
	mnl_attr_put_u32(nlh, NFTA_LIMIT_TYPE, htonl(NFT_LIMIT_PKT_BYTES));
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, expr);
}

static void put_counter(struct nlmsghdr *nlh, const struct elem *elem)
{
	struct nlattr *expr = mnl_attr_nest_start(nlh, NFTA_LIST_ELEM);
	struct nlattr *data;

	mnl_attr_put_strz(nlh, NFTA_EXPR_NAME, "counter");
	data = mnl_attr_nest_start(nlh, NFTA_EXPR_DATA);
	mnl_attr_put_u64(nlh, NFTA_COUNTER_BYTES, htobe64(elem->bytes));
	mnl_attr_put_u64(nlh, NFTA_COUNTER_PACKETS, htobe64(elem->packets));
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, expr);
}

/* What the limit cuts off is not counted, so it comes first; no rate, no limit, no cost. */
static void put_exprs(struct nlmsghdr *nlh, const struct elem *elem)
{
	struct nlattr *nest;

	if (!has_counter(elem->set))
		return;
	nest = mnl_attr_nest_start(nlh, NFTA_SET_ELEM_EXPRESSIONS);
	if (elem->rate)
		put_limit(nlh, elem->rate);
	put_counter(nlh, elem);
	mnl_attr_nest_end(nlh, nest);
}

/* Table, set, and the element's key; `full`: all the rest. */
static void put_elem(struct nlmsghdr *nlh, const struct elem *elem, bool full)
{
	struct nlattr *list, *nest;

	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_TABLE, RULES_TABLE);
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, set_name(elem->set, elem->key.addr.family));
	list = mnl_attr_nest_start(nlh, NFTA_SET_ELEM_LIST_ELEMENTS);
	nest = mnl_attr_nest_start(nlh, NFTA_LIST_ELEM);
	put_key(nlh, NFTA_SET_ELEM_KEY, elem, false);
	if (elem->set == SET_PREFIX)
		put_key(nlh, NFTA_SET_ELEM_KEY_END, elem, true);
	if (full) {
		put_data(nlh, elem);
		if (elem->timeout_ms) {
			uint64_t timeout = htobe64((uint64_t)elem->timeout_ms);

			mnl_attr_put_u64(nlh, NFTA_SET_ELEM_TIMEOUT, timeout);
			/* Without it a timeout that is as before would not begin anew. */
			mnl_attr_put_u64(nlh, NFTA_SET_ELEM_EXPIRATION, timeout);
		}
		put_userdata(nlh, elem);
		put_exprs(nlh, elem);
	}
	mnl_attr_nest_end(nlh, nest);
	mnl_attr_nest_end(nlh, list);
}

void elem_put_key(struct nlmsghdr *nlh, const struct elem *elem)
{
	put_elem(nlh, elem, false);
}

void elem_add(struct batch *batch, int op, const struct elem *elem)
{
	put_elem(batch_add(batch, NFT_MSG_NEWSETELEM, NLM_F_CREATE, op), elem, true);
}

void elem_delete(struct batch *batch, const struct kernel *kernel, int op, const struct elem *elem)
{
	uint16_t type = kernel->destroy ? MSG_DESTROYSETELEM : NFT_MSG_DELSETELEM;

	put_elem(batch_add(batch, type, 0, op), elem, false);
	if (!kernel->destroy)
		batch_optional(batch);
}
