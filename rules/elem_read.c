/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/elem.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "common/buf.h"
#include "rules/elem_udata.h"

static uint64_t attr_u64(const struct nlattr *attr)
{
	uint64_t value = 0;

	if (mnl_attr_get_payload_len(attr) == sizeof(value))
		memcpy(&value, mnl_attr_get_payload(attr), sizeof(value));
	return be64toh(value);
}

static void get_endpoint(struct buf *buf, uint8_t family, struct endpoint *out)
{
	*out = (struct endpoint){.addr.family = family};
	buf_get(buf, out->addr.bytes, addr_size(family));
	out->port = buf_get_u16(buf);
	buf_take(buf, 2);
}

/* Of a prefix its first address. */
static void get_source(struct buf *buf, uint8_t family, struct prefix *out)
{
	*out = (struct prefix){.addr.family = family, .bits = (uint8_t)(8 * addr_size(family))};
	buf_get(buf, out->addr.bytes, addr_size(family));
}

/* The value in a nest of KEY or DATA. */
static void get_value(const struct nlattr *nest, struct elem *elem, bool data)
{
	uint8_t family = elem->key.addr.family;
	const struct nlattr *attr;
	struct buf buf;

	mnl_attr_for_each_nested(attr, nest)
	{
		if (mnl_attr_get_type(attr) != NFTA_DATA_VALUE)
			continue;
		buf_init_read(&buf, mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr));
		if (!data) {
			get_endpoint(&buf, family, &elem->key);
			if (elem_is_peer(elem->set))
				get_endpoint(&buf, family, &elem->to);
			if (elem_has_source(elem->set))
				get_source(&buf, family, &elem->source);
		} else if (elem->set == SET_MARK || elem->set == SET_PEER_MARK) {
			buf_get(&buf, &elem->number, sizeof(elem->number));
			elem->number &= RULES_NUMBER_MAX;
		} else {
			get_endpoint(&buf, family, &elem->data);
		}
	}
}

static void get_note(struct buf *buf, struct elem *elem)
{
	elem->source.bits = buf_get_u8(buf);
	elem->source.addr.family = buf_get_u8(buf);
	buf_get(buf, elem->source.addr.bytes, sizeof(elem->source.addr.bytes));
	elem->number = buf_get_u32(buf);
}

static void get_userdata(const struct nlattr *attr, struct elem *elem)
{
	struct buf buf;

	buf_init_read(&buf, mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr));
	while (buf_left(&buf) > 1 && !buf.bad) {
		uint8_t type = buf_get_u8(&buf), len = buf_get_u8(&buf);
		const uint8_t *value = buf_take(&buf, len);
		struct buf note;

		if (!value)
			return;
		if (type == UDATA_COMMENT && len && len <= RULES_NAME && !value[len - 1])
			memcpy(elem->name, value, len);
		buf_init_read(&note, value, len);
		if (type == UDATA_NOTE && len == NOTE_SIZE)
			get_note(&note, elem);
	}
}

/* One expression: its name, then its data. */
static void get_expr(const struct nlattr *expr, struct elem *elem)
{
	const struct nlattr *attr, *field;
	bool counter = false, limit = false;

	mnl_attr_for_each_nested(attr, expr)
	{
		if (mnl_attr_get_type(attr) == NFTA_EXPR_NAME) {
			counter = !strcmp(mnl_attr_get_str(attr), "counter");
			limit = !strcmp(mnl_attr_get_str(attr), "limit");
		}
		if (mnl_attr_get_type(attr) != NFTA_EXPR_DATA)
			continue;
		mnl_attr_for_each_nested(field, attr)
		{
			uint16_t type = mnl_attr_get_type(field);

			if (counter && type == NFTA_COUNTER_BYTES)
				elem->bytes = attr_u64(field);
			if (counter && type == NFTA_COUNTER_PACKETS)
				elem->packets = attr_u64(field);
			if (limit && type == NFTA_LIMIT_RATE)
				elem->rate = attr_u64(field);
		}
	}
}

static void get_elem(const struct nlattr *nest, struct elem *elem)
{
	const struct nlattr *attr, *expr;

	mnl_attr_for_each_nested(attr, nest)
	{
		switch (mnl_attr_get_type(attr)) {
		case NFTA_SET_ELEM_KEY:
			get_value(attr, elem, false);
			break;
		case NFTA_SET_ELEM_DATA:
			get_value(attr, elem, true);
			break;
		case NFTA_SET_ELEM_EXPIRATION:
			elem->timeout_ms = (uint32_t)attr_u64(attr);
			break;
		case NFTA_SET_ELEM_USERDATA:
			get_userdata(attr, elem);
			break;
		case NFTA_SET_ELEM_EXPR:
			get_expr(attr, elem);
			break;
		case NFTA_SET_ELEM_EXPRESSIONS:
			mnl_attr_for_each_nested(expr, attr) get_expr(expr, elem);
			break;
		}
	}
}

static struct elem *elems_extend(struct elems *elems)
{
	if (elems->count == elems->room) {
		size_t room = elems->room ? 2 * elems->room : 16;
		struct elem *list = reallocarray(elems->list, room, sizeof(*list));

		if (!list) {
			elems->failed = true;
			return NULL;
		}
		elems->list = list;
		elems->room = room;
	}
	return &elems->list[elems->count++];
}

bool elems_append(struct elems *elems, const struct elems *more)
{
	for (size_t i = 0; i < more->count; i++) {
		struct elem *elem = elems_extend(elems);

		if (!elem)
			return false;
		*elem = more->list[i];
	}
	return true;
}

void elem_answer(void *data, const struct nlmsghdr *nlh)
{
	struct elem_reading *reading = data;
	const struct nlattr *attr, *nest;

	mnl_attr_for_each(attr, nlh, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attr) != NFTA_SET_ELEM_LIST_ELEMENTS)
			continue;
		mnl_attr_for_each_nested(nest, attr)
		{
			struct elem *elem = elems_extend(reading->out);

			if (!elem)
				return;
			*elem = (struct elem){
				.set = reading->set, .key.addr.family = reading->family};
			get_elem(nest, elem);
		}
	}
}

int elem_get(struct nl *nl, const struct elem *key, struct elem *out)
{
	struct elems found = {0};
	struct elem_reading reading = {key->set, key->key.addr.family, &found};
	char request[NL_REQUEST];
	struct nlmsghdr *nlh =
		nl_request(request, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETSETELEM, NFPROTO_INET);
	int err;

	elem_put_key(nlh, key);
	err = nl_talk(nl, nlh, elem_answer, &reading);
	if (!err && found.failed)
		err = -ENOMEM;
	if (!err && !found.count)
		err = -ENOENT;
	if (!err)
		*out = found.list[0];
	free(found.list);
	return err;
}

static void elems_begin(void *data)
{
	const struct elem_reading *reading = data;

	reading->out->count = 0;
}

int elem_dump(struct nl *nl, enum set_id set, uint8_t family, struct elems *out)
{
	struct elem_reading reading = {set, family, out};
	char request[NL_REQUEST];
	struct nlmsghdr *nlh =
		nl_request(request, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETSETELEM, NFPROTO_INET);
	int err;

	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_TABLE, RULES_TABLE);
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, set_name(set, family));
	err = nl_dump(nl, nlh, elems_begin, elem_answer, &reading);
	return !err && out->failed ? -ENOMEM : err;
}
