/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/ruleset.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

/* Each try meets another transaction in between. */
#define READ_TRIES 8
#define CHUNK_SIZE (64 * 1024)

struct ruleset_chunk {
	struct ruleset_chunk *next;
	size_t used, size;
	uint64_t data[];
};

const struct nlattr *attr_in(const struct nlattr *nest, uint16_t type)
{
	const struct nlattr *attr;

	if (!nest)
		return NULL;
	mnl_attr_for_each_nested(attr, nest) if (mnl_attr_get_type(attr) == type) return attr;
	return NULL;
}

static uint32_t attr_u32(const struct nlattr *attr, uint32_t absent)
{
	uint32_t value;

	if (!attr || mnl_attr_get_payload_len(attr) < sizeof(value))
		return absent;
	memcpy(&value, mnl_attr_get_payload(attr), sizeof(value));
	return ntohl(value);
}

static const char *attr_text(const struct nlattr *attr)
{
	return attr && !mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) ? mnl_attr_get_str(attr)
								     : NULL;
}

uint32_t attr_in_u32(const struct nlattr *nest, uint16_t type, uint32_t absent)
{
	return attr_u32(attr_in(nest, type), absent);
}

const char *attr_in_text(const struct nlattr *nest, uint16_t type)
{
	return attr_text(attr_in(nest, type));
}

static void *ruleset_keep(struct ruleset *ruleset, const void *data, size_t len)
{
	const size_t need = (len + 7) & ~(size_t)7;
	struct ruleset_chunk *chunk = ruleset->chunks;
	void *out;

	if (!chunk || chunk->size - chunk->used < need) {
		size_t size = need > CHUNK_SIZE ? need : CHUNK_SIZE;

		chunk = malloc(sizeof(*chunk) + size);
		if (!chunk) {
			ruleset->err = -ENOMEM;
			return NULL;
		}
		*chunk = (struct ruleset_chunk){ruleset->chunks, 0, size};
		ruleset->chunks = chunk;
	}
	out = (char *)chunk->data + chunk->used;
	chunk->used += need;
	memcpy(out, data, len);
	return out;
}

static const char *keep_text(struct ruleset *ruleset, const char *text)
{
	return text ? ruleset_keep(ruleset, text, strlen(text) + 1) : NULL;
}

static const struct nlattr *keep_attr(struct ruleset *ruleset, const struct nlattr *attr)
{
	return attr ? ruleset_keep(ruleset, attr, attr->nla_len) : NULL;
}

/* Room for one more; NULL when there is no memory or too much. */
static void *list_extend(
	struct ruleset *ruleset, void **list, size_t size, size_t count, size_t *room, size_t max)
{
	if (count >= max) {
		ruleset->err = -E2BIG;
		return NULL;
	}
	if (count == *room) {
		size_t more = *room ? 2 * *room : 64;
		void *grown = reallocarray(*list, more, size);

		if (!grown) {
			ruleset->err = -ENOMEM;
			return NULL;
		}
		*list = grown;
		*room = more;
	}
	return (char *)*list + count * size;
}

/* A message's attributes by type, as many as we look at. */
#define ATTRS_MAX 24
static void attrs_read(const struct nlmsghdr *nlh, const struct nlattr *out[static ATTRS_MAX])
{
	const struct nlattr *attr;

	memset(out, 0, ATTRS_MAX * sizeof(out[0]));
	mnl_attr_for_each(
		attr, nlh, sizeof(struct nfgenmsg)) if (mnl_attr_get_type(attr) < ATTRS_MAX)
		out[mnl_attr_get_type(attr)] = attr;
}

/* One device, or the first of several. */
static const char *hook_device(const struct nlattr *hook)
{
	const char *device = attr_in_text(hook, NFTA_HOOK_DEV);

	return device ? device : attr_in_text(attr_in(hook, NFTA_HOOK_DEVS), NFTA_DEVICE_NAME);
}

static void chain_add(
	struct ruleset *ruleset, uint8_t family, const struct nlattr *attrs[static ATTRS_MAX])
{
	const struct nlattr *hook = attrs[NFTA_CHAIN_HOOK];
	const char *table = attr_text(attrs[NFTA_CHAIN_TABLE]);
	const char *name = attr_text(attrs[NFTA_CHAIN_NAME]);
	struct ruleset_chain *chain;

	if (!table || !name)
		return;
	chain = list_extend(ruleset, (void **)&ruleset->chains, sizeof(*chain),
		ruleset->chain_count, &ruleset->chain_room, RULESET_CHAINS_MAX);
	if (!chain)
		return;
	*chain = (struct ruleset_chain){.family = family, .policy = NF_ACCEPT};
	chain->table = keep_text(ruleset, table);
	chain->name = keep_text(ruleset, name);
	if (hook) {
		const char *type = attr_text(attrs[NFTA_CHAIN_TYPE]);

		chain->type = keep_text(ruleset, type ? type : "filter");
		chain->hook = attr_in_u32(hook, NFTA_HOOK_HOOKNUM, UINT32_MAX);
		chain->priority = (int32_t)attr_in_u32(hook, NFTA_HOOK_PRIORITY, 0);
		chain->policy = attr_u32(attrs[NFTA_CHAIN_POLICY], NF_ACCEPT);
		chain->device = keep_text(ruleset, hook_device(hook));
	}
	if (!ruleset->err)
		ruleset->chain_count++;
}

static bool chain_is(
	const struct ruleset_chain *chain, uint8_t family, const char *table, const char *name)
{
	return chain->family == family && !strcmp(chain->name, name) &&
	       !strcmp(chain->table, table);
}

/* Rules come chain by chain, mostly in the order of the chains, so we look from the last one on. */
static bool chain_find(struct ruleset *ruleset, uint8_t family, const char *table, const char *name)
{
	for (size_t i = 0; i < ruleset->chain_count; i++) {
		if (chain_is(&ruleset->chains[ruleset->at], family, table, name))
			return true;
		ruleset->at = (ruleset->at + 1) % ruleset->chain_count;
	}
	return false;
}

static void rule_add(
	struct ruleset *ruleset, uint8_t family, const struct nlattr *attrs[static ATTRS_MAX])
{
	const char *table = attr_text(attrs[NFTA_RULE_TABLE]);
	const char *name = attr_text(attrs[NFTA_RULE_CHAIN]);
	struct ruleset_chain *chain;
	struct ruleset_rule *rule;
	uint64_t handle = 0;

	if (!table || !name || !chain_find(ruleset, family, table, name))
		return;
	chain = &ruleset->chains[ruleset->at];
	if (chain->count && chain->first + chain->count != ruleset->rule_count) {
		ruleset->err = -EINTR; /* not in one piece: two dumps */
		return;
	}
	rule = list_extend(ruleset, (void **)&ruleset->rules, sizeof(*rule), ruleset->rule_count,
		&ruleset->rule_room, RULESET_RULES_MAX);
	if (!rule)
		return;
	if (attrs[NFTA_RULE_HANDLE] &&
		mnl_attr_get_payload_len(attrs[NFTA_RULE_HANDLE]) >= sizeof(handle))
		memcpy(&handle, mnl_attr_get_payload(attrs[NFTA_RULE_HANDLE]), sizeof(handle));
	*rule = (struct ruleset_rule){.handle = be64toh(handle), .chain = ruleset->at};
	rule->exprs = keep_attr(ruleset, attrs[NFTA_RULE_EXPRESSIONS]);
	rule->udata = keep_attr(ruleset, attrs[NFTA_RULE_USERDATA]);
	if (ruleset->err)
		return;
	if (!chain->count++)
		chain->first = ruleset->rule_count;
	ruleset->rule_count++;
}

static void set_add(
	struct ruleset *ruleset, uint8_t family, const struct nlattr *attrs[static ATTRS_MAX])
{
	const char *table = attr_text(attrs[NFTA_SET_TABLE]);
	const char *name = attr_text(attrs[NFTA_SET_NAME]);
	struct ruleset_set *set;

	if (!table || !name)
		return;
	set = list_extend(ruleset, (void **)&ruleset->sets, sizeof(*set), ruleset->set_count,
		&ruleset->set_room, RULESET_SETS_MAX);
	if (!set)
		return;
	*set = (struct ruleset_set){.family = family,
		.table = keep_text(ruleset, table),
		.name = keep_text(ruleset, name),
		.flags = attr_u32(attrs[NFTA_SET_FLAGS], 0),
		.key_len = attr_u32(attrs[NFTA_SET_KEY_LEN], 0),
		.key_type = attr_u32(attrs[NFTA_SET_KEY_TYPE], 0)};
	if (!ruleset->err)
		ruleset->set_count++;
}

void ruleset_add(struct ruleset *ruleset, const struct nlmsghdr *nlh)
{
	const struct nlattr *attrs[ATTRS_MAX];
	uint8_t family;

	if (ruleset->err || mnl_nlmsg_get_payload_len(nlh) < sizeof(struct nfgenmsg))
		return;
	family = ((const struct nfgenmsg *)mnl_nlmsg_get_payload(nlh))->nfgen_family;
	attrs_read(nlh, attrs);
	switch (nlh->nlmsg_type) {
	case NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWCHAIN:
		chain_add(ruleset, family, attrs);
		break;
	case NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE:
		rule_add(ruleset, family, attrs);
		break;
	case NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWSET:
		set_add(ruleset, family, attrs);
		break;
	}
}

const struct ruleset_chain *ruleset_chain(
	const struct ruleset *ruleset, uint8_t family, const char *table, const char *name)
{
	for (size_t i = 0; i < ruleset->chain_count; i++)
		if (chain_is(&ruleset->chains[i], family, table, name))
			return &ruleset->chains[i];
	return NULL;
}

const struct ruleset_set *ruleset_set(
	const struct ruleset *ruleset, uint8_t family, const char *table, const char *name)
{
	for (size_t i = 0; i < ruleset->set_count; i++) {
		const struct ruleset_set *set = &ruleset->sets[i];

		if (set->family == family && !strcmp(set->name, name) && !strcmp(set->table, table))
			return set;
	}
	return NULL;
}

void ruleset_fini(struct ruleset *ruleset)
{
	while (ruleset->chunks) {
		struct ruleset_chunk *next = ruleset->chunks->next;

		free(ruleset->chunks);
		ruleset->chunks = next;
	}
	free(ruleset->chains);
	free(ruleset->rules);
	free(ruleset->sets);
	*ruleset = (struct ruleset){0};
}

static void message_read(void *data, const struct nlmsghdr *nlh)
{
	ruleset_add(data, nlh);
}

static int dump_read(struct ruleset *ruleset, struct nl *nl, uint16_t type)
{
	char request[NL_REQUEST];
	struct nlmsghdr *nlh =
		nl_request(request, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), NFPROTO_UNSPEC);
	int err;

	nlh->nlmsg_flags |= NLM_F_DUMP;
	err = nl_talk(nl, nlh, message_read, ruleset);
	return err ? err : ruleset->err;
}

static void generation_read(void *data, const struct nlmsghdr *nlh)
{
	const struct nlattr *attrs[ATTRS_MAX];

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(struct nfgenmsg))
		return;
	attrs_read(nlh, attrs);
	*(uint32_t *)data = attr_u32(attrs[NFTA_GEN_ID], 0);
}

static int generation_get(struct nl *nl, uint32_t *out)
{
	char request[NL_REQUEST];

	return nl_talk(nl,
		nl_request(request, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN, NFPROTO_UNSPEC),
		generation_read, out);
}

/* Which rules in which order; their counters change all the time. */
static uint64_t ruleset_digest(const struct ruleset *ruleset)
{
	uint64_t hash = 14695981039346656037u;

	for (size_t i = 0; i < ruleset->rule_count; i++)
		hash = (hash ^ (ruleset->rules[i].handle << 20 | ruleset->rules[i].chain)) *
		       1099511628211u;
	return (hash ^ ruleset->chain_count) * 1099511628211u ^ ruleset->set_count;
}

static int ruleset_try(struct ruleset *ruleset, struct nl *nl)
{
	static const uint16_t types[] = {NFT_MSG_GETCHAIN, NFT_MSG_GETRULE, NFT_MSG_GETSET};
	bool torn = false;

	ruleset_fini(ruleset);
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		int err = dump_read(ruleset, nl, types[i]);

		if (err && (err != -EINTR || ruleset->err))
			return err;
		torn |= err == -EINTR;
	}
	return torn ? -EINTR : 0;
}

int ruleset_read(struct ruleset *ruleset, struct nl *nl)
{
	uint64_t digest = 0, last = 0;
	uint32_t before = 0, after = 1;
	int err = 0;

	*ruleset = (struct ruleset){0};
	for (int i = 0; i < READ_TRIES; i++) {
		err = generation_get(nl, &before);
		if (!err)
			err = ruleset_try(ruleset, nl);
		if (!err || (err == -EINTR && !ruleset->err)) {
			/* relayd's own elements change with every punch: the same rules again will
			 * do. */
			digest = ruleset_digest(ruleset);
			if (i && digest == last)
				return 0;
			last = digest;
		}
		if (!err)
			err = generation_get(nl, &after);
		if (!err && before == after)
			return 0;
		if (err && err != -EINTR)
			break;
	}
	ruleset_fini(ruleset);
	return err ? err : -EINTR;
}
