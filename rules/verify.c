/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether the table still is the skeleton. The messages that would make it are read as if the
 * kernel had sent them, and compared in words with what it does send: of rules every expression,
 * of chains where they hang and what becomes of packets at their end.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libnftnl/chain.h>
#include <libnftnl/rule.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "rules/internal.h"

#define LINE_MAX 2048

/* Lines, one behind the other. */
struct lines {
	char *text;
	size_t len, size;
	size_t count;
	size_t kept_len, kept_count; /* of what a dump that is repeated does not void */
	bool failed;
};

static void lines_add(struct lines *lines, const char *line)
{
	size_t len = strlen(line) + 1;

	if (lines->len + len > lines->size) {
		size_t size = 2 * lines->size + LINE_MAX;
		char *text = realloc(lines->text, size);

		if (!text) {
			lines->failed = true;
			return;
		}
		lines->text = text;
		lines->size = size;
	}
	memcpy(lines->text + lines->len, line, len);
	lines->len += len;
	lines->count++;
}

/*
 * The first of four 32-bit registers, 8, 12, 16 and 20, is also called by the number of a register
 * of 128 bits, 1 to 4 (linux/netfilter/nf_tables.h); the kernel prefers that.
 */
static void register_simplify(char *digits)
{
	char *end;
	unsigned long number = strtoul(digits, &end, 10);

	if (end == digits || number < NFT_REG32_00 || number % 4)
		return;
	*digits = (char)('0' + NFT_REG_1 + (number - NFT_REG32_00) / 4);
	memmove(digits + 1, end, strlen(end) + 1);
}

static void registers_simplify(char *line)
{
	for (char *at = line; (at = strstr(at, "reg")); at++) {
		char *digits = at + 3;

		if (!strncmp(digits, "_key", 4))
			digits += 4;
		if (*digits == ' ')
			register_simplify(digits + 1);
	}
}

/* Takes words out, but for the last `keep` characters of them. */
static void words_remove(char *line, const char *words, size_t keep)
{
	size_t len = strlen(words) - keep;
	char *at = line;

	while ((at = strstr(at, words)))
		memmove(at, at + len, strlen(at + len) + 1);
}

/* libnftnl writes the name of an object without its end, and reads on behind it. */
static void object_simplify(char *line)
{
	char *at = strstr(line, "[ objref "), *end;

	if (!at || !(at = strstr(at, " name ")))
		return;
	at += strlen(" name ");
	while (isalnum((unsigned char)*at))
		at++;
	end = strstr(at, " ]");
	if (end)
		memmove(at, end, strlen(end) + 1);
}

/* What counters say is no part of a rule; and the kernel sends what goes without saying. */
static void line_simplify(char *line)
{
	static const char *const said[] = {" timeout 0ms", " addr_max reg 1", " proto_max reg 9",
		" proto_max reg 2", " flags 0x3"};
	char *at, *end;

	registers_simplify(line);
	object_simplify(line);
	for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++)
		words_remove(line, said[i], 0);
	words_remove(line, " 0x0 ]", 2);
	at = line;
	while ((at = strstr(at, "counter pkts ")) && (end = strchr(at, ']'))) {
		at += strlen("counter ");
		memmove(at, end, strlen(end) + 1);
	}
}

static void rule_add(struct lines *lines, const struct nlmsghdr *nlh)
{
	struct nftnl_rule *rule = nftnl_rule_alloc();
	char line[LINE_MAX];

	if (!rule || nftnl_rule_nlmsg_parse(nlh, rule) < 0) {
		lines->failed = true;
	} else if (!strcmp(nftnl_rule_get_str(rule, NFTNL_RULE_TABLE), RULES_TABLE)) {
		nftnl_rule_unset(rule, NFTNL_RULE_HANDLE);
		nftnl_rule_unset(rule, NFTNL_RULE_POSITION);
		nftnl_rule_unset(rule, NFTNL_RULE_POSITION_ID);
		nftnl_rule_unset(rule, NFTNL_RULE_ID);
		nftnl_rule_snprintf(line, sizeof(line), rule, NFTNL_OUTPUT_DEFAULT, 0);
		line_simplify(line);
		lines_add(lines, line);
	}
	if (rule)
		nftnl_rule_free(rule);
}

static void chain_add(struct lines *lines, const struct nlmsghdr *nlh)
{
	struct nftnl_chain *chain = nftnl_chain_alloc();
	char line[LINE_MAX];

	if (!chain || nftnl_chain_nlmsg_parse(nlh, chain) < 0) {
		lines->failed = true;
	} else if (!strcmp(nftnl_chain_get_str(chain, NFTNL_CHAIN_TABLE), RULES_TABLE)) {
		bool base = nftnl_chain_is_set(chain, NFTNL_CHAIN_HOOKNUM);

		snprintf(line, sizeof(line), "chain %s %d %u %d %u",
			nftnl_chain_get_str(chain, NFTNL_CHAIN_NAME), base,
			base ? nftnl_chain_get_u32(chain, NFTNL_CHAIN_HOOKNUM) : 0,
			base ? nftnl_chain_get_s32(chain, NFTNL_CHAIN_PRIO) : 0,
			base ? nftnl_chain_get_u32(chain, NFTNL_CHAIN_POLICY) : 0);
		lines_add(lines, line);
	}
	if (chain)
		nftnl_chain_free(chain);
}

static void message_add(struct lines *lines, const struct nlmsghdr *nlh)
{
	if (nlh->nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE))
		rule_add(lines, nlh);
	else if (nlh->nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWCHAIN))
		chain_add(lines, nlh);
}

static void answer(void *data, const struct nlmsghdr *nlh)
{
	message_add(data, nlh);
}

static void dump_begin(void *data)
{
	struct lines *lines = data;

	lines->len = lines->kept_len;
	lines->count = lines->kept_count;
}

/* NFTA_CHAIN_TABLE and NFTA_RULE_TABLE are one; older kernels send all chains. */
static int dump(struct nl *nl, uint16_t type, struct lines *lines)
{
	char request[NL_REQUEST];
	struct nlmsghdr *nlh = nl_request(request, NFNL_SUBSYS_NFTABLES << 8 | type, NFPROTO_INET);

	lines->kept_len = lines->len;
	lines->kept_count = lines->count;
	mnl_attr_put_strz(nlh, NFTA_RULE_TABLE, RULES_TABLE);
	return nl_dump(nl, nlh, dump_begin, answer, lines);
}

static void batch_read(const struct batch *batch, struct lines *lines)
{
	for (size_t i = 0; i < batch->count; i++)
		message_add(lines, (const struct nlmsghdr *)(batch->data + batch->msgs[i].at));
}

/* The kernel sends chain by chain, the skeleton as it likes; within a chain the order counts. */
struct ordered {
	const char *line;
	size_t place;
};

/* "inet relayd CHAIN ..." and "chain CHAIN ...": by the words up to the chain's name. */
static size_t head_length(const char *line)
{
	const char *end = line;

	for (int words = *line == 'c' ? 2 : 3; words > 0 && *end; words--) {
		end += strcspn(end, " \n");
		end += words > 1 && *end ? 1 : 0;
	}
	return (size_t)(end - line);
}

static int ordered_compare(const void *a, const void *b)
{
	const struct ordered *x = a, *y = b;
	size_t xlen = head_length(x->line), ylen = head_length(y->line);
	int order = memcmp(x->line, y->line, xlen < ylen ? xlen : ylen);

	if (!order)
		order = (xlen > ylen) - (xlen < ylen);
	return order ? order : (x->place > y->place) - (x->place < y->place);
}

static struct ordered *lines_order(const struct lines *lines)
{
	struct ordered *list = calloc(lines->count + 1, sizeof(*list));
	const char *at = lines->text;

	for (size_t i = 0; list && i < lines->count; i++) {
		list[i] = (struct ordered){at, i};
		at += strlen(at) + 1;
	}
	if (list)
		qsort(list, lines->count, sizeof(*list), ordered_compare);
	return list;
}

static int lines_compare(const struct lines *want, const struct lines *have, bool *same)
{
	struct ordered *a = lines_order(want), *b = lines_order(have);

	*same = a && b && want->count == have->count;
	for (size_t i = 0; *same && i < want->count; i++)
		*same = strcmp(a[i].line, b[i].line) == 0;
	free(a);
	free(b);
	return a && b ? 0 : -ENOMEM;
}

int skeleton_verify(struct rules *rules, bool *same)
{
	struct lines want = {0}, have = {0};
	int err;

	batch_clear(&rules->batch);
	skeleton_add(&rules->batch, &rules->kernel, &rules->extra);
	batch_finish(&rules->batch);
	batch_read(&rules->batch, &want);
	err = dump(&rules->nl, NFT_MSG_GETCHAIN, &have);
	if (!err)
		err = dump(&rules->nl, NFT_MSG_GETRULE, &have);
	if (!err && (want.failed || have.failed))
		err = -ENOMEM;
	if (!err)
		err = lines_compare(&want, &have, same);
	free(want.text);
	free(have.text);
	batch_clear(&rules->batch);
	return err;
}
