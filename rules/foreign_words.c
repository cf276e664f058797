/* SPDX-License-Identifier: GPL-2.0-or-later */
/* foreign_words: a rule in about the words in which nft would print it, cut where space ends. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/xt_addrtype.h>
#include <linux/netfilter/xt_conntrack.h>

#include "rules/foreign_eval.h"

enum form { FORM_HEX, FORM_NUMBER, FORM_ADDR, FORM_NAME, FORM_STATE, FORM_STATUS, FORM_TYPE };

/* What lies in four bytes of the registers. */
struct slot {
	char label[24];
	enum form form;
	uint32_t mask; /* 0: none was applied */
};

struct words {
	char *out;
	size_t size, len;
	const struct ruleset_chain *chain;
	struct slot slots[REGS_SIZE / 4];
	uint8_t proto; /* of a test that is not written yet */
};

__attribute__((format(printf, 2, 3))) static void put(struct words *words, const char *format, ...)
{
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(words->out + words->len, words->size - words->len, format, args);
	va_end(args);
	if (len <= 0)
		return;
	words->len += (size_t)len;
	/* Not all of it fits: dots say so. */
	if (words->len >= words->size) {
		words->len = words->size - 1;
		memcpy(words->out + words->size - 4, "...", 4);
	}
}

static struct slot *slot_of(struct words *words, uint32_t reg)
{
	int at = reg_offset(reg, 4);

	return at < 0 ? NULL : &words->slots[at / 4];
}

static void label(struct words *words, uint32_t reg, enum form form, const char *text)
{
	struct slot *slot = slot_of(words, reg);

	if (!slot)
		return;
	*slot = (struct slot){.form = form};
	snprintf(slot->label, sizeof(slot->label), "%s", text);
}

static const char *proto_name(uint8_t proto)
{
	switch (proto) {
	case IPPROTO_UDP:
		return "udp";
	case IPPROTO_TCP:
		return "tcp";
	case IPPROTO_ICMP:
		return "icmp";
	case IPPROTO_ICMPV6:
		return "icmpv6";
	}
	return NULL;
}

static void words_payload(struct words *words, const struct nlattr *expr)
{
	const uint32_t base = attr_in_u32(expr, NFTA_PAYLOAD_BASE, 0);
	const uint32_t offset = attr_in_u32(expr, NFTA_PAYLOAD_OFFSET, 0);
	const uint32_t len = attr_in_u32(expr, NFTA_PAYLOAD_LEN, 0);
	const uint32_t dreg = attr_in_u32(expr, NFTA_PAYLOAD_DREG, 0);
	const char *proto = proto_name(words->proto);
	const bool v6 =
		words->chain->family == NFPROTO_IPV6 || len == 16 ||
		(words->chain->family == NFPROTO_INET && (offset == 8 || offset == 24) && len > 1);
	char text[24];

	if (attr_in(expr, NFTA_PAYLOAD_SREG)) {
		put(words, " payload set");
		return;
	}
	if (base == NFT_PAYLOAD_TRANSPORT_HEADER && (offset == 0 || offset == 2) && len == 2) {
		snprintf(text, sizeof(text), "%s %s", proto ? proto : "th",
			offset ? "dport" : "sport");
		words->proto = 0;
		label(words, dreg, FORM_NUMBER, text);
	} else if (base == NFT_PAYLOAD_NETWORK_HEADER && v6 && (offset == 8 || offset == 24)) {
		label(words, dreg, FORM_ADDR, offset == 8 ? "ip6 saddr" : "ip6 daddr");
	} else if (base == NFT_PAYLOAD_NETWORK_HEADER && !v6 && (offset == 12 || offset == 16)) {
		label(words, dreg, FORM_ADDR, offset == 12 ? "ip saddr" : "ip daddr");
	} else {
		snprintf(text, sizeof(text), "@%s,%u,%u",
			base == NFT_PAYLOAD_NETWORK_HEADER     ? "nh"
			: base == NFT_PAYLOAD_TRANSPORT_HEADER ? "th"
							       : "ll",
			8 * offset, 8 * len);
		label(words, dreg, FORM_HEX, text);
	}
}

static void words_meta(struct words *words, const struct nlattr *expr)
{
	static const struct {
		const char *text;
		enum form form;
	} keys[] = {
		[NFT_META_PROTOCOL] = {"protocol", FORM_HEX},
		[NFT_META_MARK] = {"meta mark", FORM_HEX},
		[NFT_META_IIF] = {"iif", FORM_HEX},
		[NFT_META_OIF] = {"oif", FORM_HEX},
		[NFT_META_IIFNAME] = {"iifname", FORM_NAME},
		[NFT_META_OIFNAME] = {"oifname", FORM_NAME},
		[NFT_META_SKUID] = {"meta skuid", FORM_HEX},
		[NFT_META_SKGID] = {"meta skgid", FORM_HEX},
		[NFT_META_NFPROTO] = {"meta nfproto", FORM_NUMBER},
		[NFT_META_L4PROTO] = {"meta l4proto", FORM_NUMBER},
		[NFT_META_PKTTYPE] = {"pkttype", FORM_NUMBER},
		[NFT_META_LEN] = {"meta length", FORM_HEX},
		[NFT_META_CGROUP] = {"meta cgroup", FORM_HEX},
	};
	const uint32_t key = attr_in_u32(expr, NFTA_META_KEY, 0);
	const bool known = key < sizeof(keys) / sizeof(keys[0]) && keys[key].text;

	if (attr_in(expr, NFTA_META_SREG))
		put(words, " %s set", known ? keys[key].text : "meta");
	else
		label(words, attr_in_u32(expr, NFTA_META_DREG, 0),
			known ? keys[key].form : FORM_HEX, known ? keys[key].text : "meta");
}

static void words_ct(struct words *words, const struct nlattr *expr)
{
	static const struct {
		const char *text;
		enum form form;
	} keys[] = {
		[NFT_CT_STATE] = {"ct state", FORM_STATE},
		[NFT_CT_DIRECTION] = {"ct direction", FORM_NUMBER},
		[NFT_CT_STATUS] = {"ct status", FORM_STATUS},
		[NFT_CT_MARK] = {"ct mark", FORM_HEX},
		[NFT_CT_HELPER] = {"ct helper", FORM_NAME},
		[NFT_CT_SRC] = {"ct saddr", FORM_ADDR},
		[NFT_CT_DST] = {"ct daddr", FORM_ADDR},
		[NFT_CT_PROTOCOL] = {"ct protocol", FORM_NUMBER},
		[NFT_CT_PROTO_SRC] = {"ct proto-src", FORM_NUMBER},
		[NFT_CT_PROTO_DST] = {"ct proto-dst", FORM_NUMBER},
		[NFT_CT_SRC_IP] = {"ct ip saddr", FORM_ADDR},
		[NFT_CT_DST_IP] = {"ct ip daddr", FORM_ADDR},
		[NFT_CT_SRC_IP6] = {"ct ip6 saddr", FORM_ADDR},
		[NFT_CT_DST_IP6] = {"ct ip6 daddr", FORM_ADDR},
	};
	const uint32_t key = attr_in_u32(expr, NFTA_CT_KEY, 0);
	const bool known = key < sizeof(keys) / sizeof(keys[0]) && keys[key].text;

	if (attr_in(expr, NFTA_CT_SREG))
		put(words, " %s set", known ? keys[key].text : "ct");
	else
		label(words, attr_in_u32(expr, NFTA_CT_DREG, 0), known ? keys[key].form : FORM_HEX,
			known ? keys[key].text : "ct");
}

static void put_bits(struct words *words, uint32_t bits, const char *const names[], size_t count)
{
	const char *comma = " ";

	for (size_t i = 0; i < count; i++)
		if (bits & 1u << i && names[i]) {
			put(words, "%s%s", comma, names[i]);
			comma = ",";
		}
	if (comma[0] == ' ')
		put(words, " 0x%x", bits);
}

static void put_state(struct words *words, uint32_t bits)
{
	static const char *const names[] = {
		"invalid", "established", "related", "new", NULL, NULL, "untracked"};

	put_bits(words, bits, names, sizeof(names) / sizeof(names[0]));
}

static void put_status(struct words *words, uint32_t bits)
{
	static const char *const names[] = {
		"expected", "seen-reply", "assured", "confirmed", "snat", "dnat"};

	put_bits(words, bits, names, sizeof(names) / sizeof(names[0]));
}

static void put_addr(struct words *words, const uint8_t *data, size_t len, bool v6)
{
	struct addr addr = {.family = v6 ? AF_INET6 : AF_INET};
	char text[ADDR_TEXT];

	memcpy(addr.bytes, data, len);
	put(words, " %s", addr_format(&addr, text));
	if (len < addr_size(addr.family))
		put(words, "/%zu", 8 * len);
}

static void put_number(struct words *words, const uint8_t *data, size_t len)
{
	uint64_t value = 0;

	for (size_t i = 0; i < len && i < 8; i++)
		value = value << 8 | data[i];
	put(words, " %llu", (unsigned long long)value);
}

static void put_value(struct words *words, const struct slot *slot, const uint8_t *data, size_t len)
{
	uint32_t number = 0;

	memcpy(&number, data, len < sizeof(number) ? len : sizeof(number));
	switch (slot->form) {
	case FORM_ADDR:
		if (len && len <= 16) {
			put_addr(words, data, len, strstr(slot->label, "ip6") || len > 4);
			return;
		}
		break;
	case FORM_NAME:
		put(words, " \"%.*s%s\"", (int)strnlen((const char *)data, len), (const char *)data,
			len < IF_NAMESIZE && !memchr(data, 0, len) ? "*" : "");
		return;
	case FORM_NUMBER:
		put_number(words, data, len);
		return;
	case FORM_TYPE:
		put(words, number == 2 ? " local" : " %u", number);
		return;
	case FORM_STATE:
		put_state(words, number);
		return;
	case FORM_STATUS:
		put_status(words, number);
		return;
	case FORM_HEX:
		break;
	}
	put(words, " 0x%x", number);
}

static const uint8_t *value_of(const struct nlattr *nest, size_t *len)
{
	const struct nlattr *attr = attr_in(nest, NFTA_DATA_VALUE);

	*len = attr ? mnl_attr_get_payload_len(attr) : 0;
	return attr ? mnl_attr_get_payload(attr) : NULL;
}

/* "(x & mask) != 0" is how nft tests for any of some bits. */
static void words_cmp(struct words *words, const struct nlattr *expr)
{
	static const char *const ops[] = {"", " !=", " <", " <=", " >", " >="};
	const uint32_t op = attr_in_u32(expr, NFTA_CMP_OP, 0);
	const struct slot *slot = slot_of(words, attr_in_u32(expr, NFTA_CMP_SREG, 0));
	size_t len;
	const uint8_t *data = value_of(attr_in(expr, NFTA_CMP_DATA), &len);
	const bool bits = slot && (slot->form == FORM_STATE || slot->form == FORM_STATUS);

	if (!slot || !data || !len || op >= sizeof(ops) / sizeof(ops[0]))
		return;
	/* These go without saying, or come with what follows. */
	if (!strcmp(slot->label, "meta nfproto"))
		return;
	if (!strcmp(slot->label, "meta l4proto") && op == NFT_CMP_EQ && proto_name(data[0])) {
		words->proto = data[0];
		return;
	}
	if (bits && slot->mask && op == NFT_CMP_NEQ) {
		put(words, " %s", slot->label);
		put_value(words, slot, (const uint8_t *)&slot->mask, sizeof(slot->mask));
		return;
	}
	put(words, " %s", slot->label);
	if (slot->mask)
		put(words, " & 0x%x", slot->mask);
	put(words, "%s", ops[op]);
	put_value(words, slot, data, len);
}

static void words_range(struct words *words, const struct nlattr *expr)
{
	const struct slot *slot = slot_of(words, attr_in_u32(expr, NFTA_RANGE_SREG, 0));
	size_t from_len, to_len;
	const uint8_t *from = value_of(attr_in(expr, NFTA_RANGE_FROM_DATA), &from_len);
	const uint8_t *to = value_of(attr_in(expr, NFTA_RANGE_TO_DATA), &to_len);

	if (!slot || !from || !to || !from_len || !to_len)
		return;
	put(words, " %s%s", slot->label,
		attr_in_u32(expr, NFTA_RANGE_OP, NFT_RANGE_EQ) == NFT_RANGE_EQ ? "" : " !=");
	put_value(words, slot, from, from_len);
	put(words, " to");
	put_value(words, slot, to, to_len);
}

static void words_bitwise(struct words *words, const struct nlattr *expr)
{
	const struct slot *from = slot_of(words, attr_in_u32(expr, NFTA_BITWISE_SREG, 0));
	struct slot *to = slot_of(words, attr_in_u32(expr, NFTA_BITWISE_DREG, 0));
	size_t len;
	const uint8_t *mask = value_of(attr_in(expr, NFTA_BITWISE_MASK), &len);

	if (!from || !to)
		return;
	*to = *from;
	if (mask && to->form != FORM_ADDR && len)
		memcpy(&to->mask, mask, len < sizeof(to->mask) ? len : sizeof(to->mask));
}

static void words_lookup(
	struct words *words, const struct nlattr *expr, const struct ruleset *ruleset)
{
	const char *name = attr_in_text(expr, NFTA_LOOKUP_SET);
	const struct ruleset_set *set =
		name ? ruleset_set(ruleset, words->chain->family, words->chain->table, name) : NULL;
	const int at = reg_offset(attr_in_u32(expr, NFTA_LOOKUP_SREG, 0), 4);
	const char *dot = " ";

	if (!set || at < 0)
		return;
	for (size_t i = 0; i < (set->key_len + 3) / 4 && (size_t)at / 4 + i < REGS_SIZE / 4; i++)
		if (*words->slots[(size_t)at / 4 + i].label) {
			put(words, "%s%s", dot, words->slots[(size_t)at / 4 + i].label);
			dot = " . ";
		}
	put(words, "%s", attr_in_u32(expr, NFTA_LOOKUP_FLAGS, 0) & NFT_LOOKUP_F_INV ? " !=" : "");
	if (set->flags & NFT_SET_MAP)
		put(words, attr_in_u32(expr, NFTA_LOOKUP_DREG, 0) == NFT_REG_VERDICT ? " vmap"
										     : " map");
	put(words, set->flags & NFT_SET_ANONYMOUS ? " { .. }" : " @%s", name);
}

static void words_verdict(struct words *words, const struct nlattr *expr)
{
	const struct nlattr *verdict =
		attr_in(attr_in(expr, NFTA_IMMEDIATE_DATA), NFTA_DATA_VERDICT);
	const char *chain = attr_in_text(verdict, NFTA_VERDICT_CHAIN);

	if (!verdict)
		return;
	switch ((int32_t)attr_in_u32(verdict, NFTA_VERDICT_CODE, 0)) {
	case NF_ACCEPT:
		put(words, " accept");
		break;
	case NF_DROP:
		put(words, " drop");
		break;
	case NFT_JUMP:
		put(words, " jump %s", chain ? chain : "?");
		break;
	case NFT_GOTO:
		put(words, " goto %s", chain ? chain : "?");
		break;
	case NFT_RETURN:
		put(words, " return");
		break;
	}
}

static void words_fib(struct words *words, const struct nlattr *expr)
{
	const uint32_t flags = attr_in_u32(expr, NFTA_FIB_FLAGS, 0);
	const bool type = attr_in_u32(expr, NFTA_FIB_RESULT, 0) == NFT_FIB_RESULT_ADDRTYPE;
	char text[24];

	snprintf(text, sizeof(text), "fib %s%s %s", flags & NFTA_FIB_F_SADDR ? "saddr" : "daddr",
		flags & NFTA_FIB_F_IIF ? " . iif" : "", type ? "type" : "oif");
	label(words, attr_in_u32(expr, NFTA_FIB_DREG, 0), type ? FORM_TYPE : FORM_HEX, text);
}

static void words_conntrack(struct words *words, const void *info, size_t len)
{
	struct xt_conntrack_mtinfo3 conntrack;

	if (len < sizeof(conntrack)) {
		put(words, " conntrack");
		return;
	}
	memcpy(&conntrack, info, sizeof(conntrack));
	if (!(conntrack.match_flags & XT_CONNTRACK_STATE)) {
		put(words, " conntrack");
		return;
	}
	put(words, " ct state%s", conntrack.invert_flags & XT_CONNTRACK_STATE ? " !=" : "");
	if (conntrack.state_mask & 0x1f)
		put_state(words, conntrack.state_mask & 0x1f);
	if (conntrack.state_mask & XT_CONNTRACK_STATE_DNAT)
		put(words, " dnat");
	if (conntrack.state_mask & XT_CONNTRACK_STATE_SNAT)
		put(words, " snat");
	if (conntrack.state_mask & XT_CONNTRACK_STATE_UNTRACKED)
		put(words, " untracked");
}

static void words_xt(struct words *words, const struct nlattr *expr, bool target)
{
	const char *name = attr_in_text(expr, NFTA_MATCH_NAME);
	const struct nlattr *info = attr_in(expr, NFTA_MATCH_INFO);

	if (!name || !strcmp(name, "comment"))
		return;
	if (!target && !strcmp(name, "conntrack") && info)
		words_conntrack(words, mnl_attr_get_payload(info), mnl_attr_get_payload_len(info));
	else
		put(words, target ? " %s" : " -m %s", name);
}

static void words_nat(struct words *words, const struct nlattr *expr)
{
	put(words,
		attr_in_u32(expr, NFTA_NAT_TYPE, NFT_NAT_SNAT) == NFT_NAT_SNAT ? " snat" : " dnat");
}

static void words_expr(struct words *words, const struct ruleset *ruleset, const char *name,
	const struct nlattr *data)
{
	static const char *const plain[] = {"reject", "masq", "notrack", "queue", "log", "limit",
		"quota", "tproxy", "dup", "fwd", "redir", "connlimit", "socket", "osf", "xfrm",
		"tunnel", "synproxy", "numgen", "hash", "rt", "exthdr"};

	if (!strcmp(name, "payload"))
		words_payload(words, data);
	else if (!strcmp(name, "meta"))
		words_meta(words, data);
	else if (!strcmp(name, "ct"))
		words_ct(words, data);
	else if (!strcmp(name, "fib"))
		words_fib(words, data);
	else if (!strcmp(name, "cmp"))
		words_cmp(words, data);
	else if (!strcmp(name, "range"))
		words_range(words, data);
	else if (!strcmp(name, "bitwise"))
		words_bitwise(words, data);
	else if (!strcmp(name, "lookup"))
		words_lookup(words, data, ruleset);
	else if (!strcmp(name, "immediate"))
		words_verdict(words, data);
	else if (!strcmp(name, "nat"))
		words_nat(words, data);
	else if (!strcmp(name, "match") || !strcmp(name, "target"))
		words_xt(words, data, name[0] == 't');
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		if (!strcmp(name, plain[i]))
			put(words, " %s", name);
}

static void words_rule(
	struct words *words, const struct ruleset *ruleset, const struct ruleset_rule *rule)
{
	const struct nlattr *expr;

	if (!rule->exprs)
		return;
	mnl_attr_for_each_nested(expr, rule->exprs)
	{
		const char *name = attr_in_text(expr, NFTA_EXPR_NAME);
		const struct nlattr *data = attr_in(expr, NFTA_EXPR_DATA);
		const uint8_t proto = words->proto;
		const size_t len = words->len;

		if (name && data)
			words_expr(words, ruleset, name, data);
		/* A protocol that nothing else has said yet, before a verdict and the like. */
		if (proto && words->proto && words->len != len) {
			words->len = len;
			words->proto = 0;
			put(words, " %s", proto_name(proto));
			words_expr(words, ruleset, name, data);
		}
	}
}

/* What the doubt is about, behind the rule: there must be room for it. */
static size_t doubt_write(const struct foreign_result *result, char *out, size_t size)
{
	const char *text = result->doubt;
	const bool value = !strncmp(text, "value ", 6);
	int len;

	*out = 0;
	if (result->verdict != FOREIGN_UNKNOWN || !*text)
		return 0;
	len = snprintf(out, size, value ? " (not known: %s)" : " (not understood: %s)",
		value ? text + 6 : text);
	return len > 0 && (size_t)len < size ? (size_t)len : 0;
}

void foreign_words(
	const struct ruleset *ruleset, const struct foreign_result *result, char *out, size_t size)
{
	struct words words = {.out = out, .chain = result->at.chain};
	char doubt[64];

	*out = 0;
	if (!result->at.chain) {
		snprintf(out, size, "%s", result->doubt);
		return;
	}
	words.size = size - doubt_write(result, doubt, sizeof(doubt));
	if (!result->at.rule) {
		snprintf(out, size, "policy %s",
			result->at.chain->policy == NF_DROP ? "drop" : "accept");
		return;
	}
	put(&words, "rule %zu:", result->at.number);
	words_rule(&words, ruleset, result->at.rule);
	words.size = size;
	put(&words, "%s", doubt);
}
