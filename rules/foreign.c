/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/foreign.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/netfilter.h>

#include "rules/foreign_eval.h"
#include "rules/foreign_host.h"
#include "rules/foreign_order.h"
#include "rules/foreign_walk.h"
#include "rules/rules.h"

/* Rules that one walk evaluates; chains that jump to each other may be asked very often. */
#define BUDGET 300000

#define STATUS_SEEN_REPLY 0x2u
#define STATUS_CONFIRMED  0x8u
#define STATUS_SRC_DONE	  0x80u
#define STATUS_DST_DONE	  0x100u
#define STATUS_ASSURED	  0x4u

struct walker {
	const struct ruleset *ruleset;
	struct foreign_state state;
	size_t budget;
	bool translated; /* a nat chain of this hook has taken the packet */
	bool nat_over;	 /* the nat chains of this hook lie behind us */
	void (*tell)(void *data, const struct foreign_chain *chain);
	void *data;
};

const char *foreign_verdict_text(enum foreign_verdict verdict)
{
	switch (verdict) {
	case FOREIGN_PASSES:
		return "passes";
	case FOREIGN_DROPS:
		return "drops";
	case FOREIGN_CHANGES:
		return "changes";
	case FOREIGN_UNKNOWN:
		return "unknown";
	}
	return "?";
}

const char *foreign_owner_text(enum foreign_owner owner)
{
	switch (owner) {
	case FOREIGN_OURS:
		return "relayd";
	case FOREIGN_UFW:
		return "ufw";
	case FOREIGN_FIREWALLD:
		return "firewalld";
	case FOREIGN_DOCKER:
		return "docker";
	case FOREIGN_IPTABLES:
		return "iptables";
	case FOREIGN_NFTABLES:
		return "nftables";
	}
	return "?";
}

static const char *hook_text(uint32_t hook)
{
	static const char *const names[] = {
		"prerouting", "input", "forward", "output", "postrouting", "ingress"};

	return hook < sizeof(names) / sizeof(names[0]) ? names[hook] : "?";
}

/* What is true of the conntrack entry when the packet gets one. */
static void entry_meet(struct foreign_state *state)
{
	const struct foreign_packet *packet = state->packet;
	const bool relayed = packet->way == FOREIGN_MEDIA || packet->way == FOREIGN_REPLY;
	const bool old = !packet->first;
	uint32_t status = 0, known = UINT32_MAX;

	state->entry = truth_not(state->untracked);
	if (state->entry == NO)
		return;
	if (old) {
		status = STATUS_CONFIRMED | STATUS_SRC_DONE | STATUS_DST_DONE;
		known &= ~STATUS_ASSURED;
	}
	if (foreign_is_reply(state) || packet->replied)
		status |= STATUS_SEEN_REPLY;
	if (old && relayed)
		status |= CT_STATUS_DNAT | CT_STATUS_SNAT;
	state->ct_status = (struct fact){status, known};
	state->ct_mark = (struct fact){old && relayed ? packet->mark : 0, UINT32_MAX};
}

/* The kernel translates: what our own chains, and nobody before them, have told it to. */
static void addresses_translate(struct walker *walker)
{
	struct foreign_state *state = &walker->state;
	const struct foreign_packet *packet = state->packet;
	const struct endpoint *source = &state->source, *dest = &state->dest;
	const bool before = state->hook == NF_INET_PRE_ROUTING;

	walker->nat_over = true;
	if (packet->way == FOREIGN_PUNCH || packet->way == FOREIGN_ANSWER ||
		(!before && state->hook != NF_INET_POST_ROUTING))
		return;
	if (before && packet->to.addr.family)
		dest = &packet->to;
	if (!before && packet->from.addr.family)
		source = &packet->from;
	state->ct_status.value |=
		before ? CT_STATUS_DNAT | STATUS_DST_DONE : CT_STATUS_SNAT | STATUS_SRC_DONE;
	if (packet->mark)
		state->ct_mark = (struct fact){packet->mark, UINT32_MAX};
	foreign_state_rewrite(state, &(struct endpoint){source->addr, source->port},
		&(struct endpoint){dest->addr, dest->port});
}

/* Conntrack and NAT do their work between the chains. */
static void priority_reach(struct walker *walker, int32_t priority, bool nat)
{
	struct foreign_state *state = &walker->state;
	const bool begin = state->hook == NF_INET_PRE_ROUTING || state->hook == NF_INET_LOCAL_OUT;
	const int32_t place = begin ? PRIORITY_NAT_DST : PRIORITY_NAT_SRC;

	if (begin && state->entry == NO && state->untracked != YES && priority > PRIORITY_CONNTRACK)
		entry_meet(state);
	if (!walker->nat_over && (priority > place || (priority == place && !nat)))
		if (priority > place)
			addresses_translate(walker);
}

static void chain_describe(const struct ruleset_chain *from, struct foreign_chain *out)
{
	*out = (struct foreign_chain){.family = from->family, .priority = from->priority};
	snprintf(out->table, sizeof(out->table), "%s", from->table);
	snprintf(out->chain, sizeof(out->chain), "%s", from->name);
	snprintf(out->type, sizeof(out->type), "%s", from->type);
	snprintf(out->at_chain, sizeof(out->at_chain), "%s", from->name);
}

/* Whether a nat chain is asked at all; if not, `out` says why. */
static bool nat_is_asked(const struct walker *walker, struct foreign_chain *out)
{
	const struct foreign_state *state = &walker->state;
	const char *why = NULL;

	if (state->entry == NO)
		why = "not asked: the packet is not tracked";
	else if (!state->packet->first)
		why = "not asked: the flow is translated already";
	else if (walker->translated)
		why = "not asked: an earlier chain has translated the packet";
	if (why)
		snprintf(out->why, sizeof(out->why), "%s", why);
	return !why;
}

static void chain_ask(struct walker *walker, const struct ruleset_chain *chain,
	struct foreign_chain *out, struct foreign_result *result)
{
	foreign_chain_eval(walker->ruleset, chain, &walker->state, &walker->budget, result);
	out->verdict = result->verdict;
	if (result->at.chain)
		snprintf(out->at_chain, sizeof(out->at_chain), "%s", result->at.chain->name);
	out->handle = result->at.rule ? result->at.rule->handle : 0;
	foreign_words(walker->ruleset, result, out->why, sizeof(out->why));
}

static void chain_walk(struct walker *walker, const struct ruleset_chain *chain)
{
	const bool nat = order_is_nat(chain);
	struct foreign_result result = {0};
	struct foreign_chain out;

	priority_reach(walker, order_priority(chain), nat);
	chain_describe(chain, &out);
	snprintf(out.hook, sizeof(out.hook), "%s", hook_text(walker->state.hook));
	if (!nat || nat_is_asked(walker, &out))
		chain_ask(walker, chain, &out, &result);
	out.owner = order_owner(walker->ruleset, chain, result.at.chain);
	/* That we translate is what is wanted. */
	if (out.owner == FOREIGN_OURS && out.verdict == FOREIGN_CHANGES)
		out.verdict = FOREIGN_PASSES;
	walker->translated |= nat && result.translated;
	out.mark = walker->state.mark.value & walker->state.mark.known;
	walker->tell(walker->data, &out);
}

static int hook_walk(struct walker *walker, uint32_t hook)
{
	struct order_list list;
	int err = order_chains(
		walker->ruleset, walker->state.family, hook, walker->state.packet->in, &list);

	if (err)
		return err;
	walker->translated = walker->nat_over = false;
	foreign_state_move(&walker->state, (uint8_t)hook);
	for (size_t i = 0; i < list.count; i++)
		chain_walk(walker, list.chains[i]);
	priority_reach(walker, INT32_MAX, false);
	free(list.chains);
	return 0;
}

/* Over which interface it leaves says the route, where the caller does not. */
static void out_find(const struct foreign_host *host, struct foreign_packet *packet)
{
	const struct addr *to =
		packet->way == FOREIGN_ANSWER ? &packet->dest.addr : &packet->to.addr;
	uint32_t index = 0;
	uint8_t type;

	if (*packet->out || packet->way == FOREIGN_PUNCH || !to->family)
		return;
	if (host->route(host->data, to, 0, &type, &index) != 1 ||
		!if_indextoname(index, packet->out))
		*packet->out = 0;
}

int foreign_walk_ruleset(const struct ruleset *ruleset, const struct foreign_host *host,
	const struct foreign_packet *packet,
	void (*chain)(void *data, const struct foreign_chain *chain), void *data)
{
	static const uint32_t hooks[][5] = {
		[FOREIGN_MEDIA] = {NF_INET_INGRESS, NF_INET_PRE_ROUTING, NF_INET_FORWARD,
			NF_INET_POST_ROUTING, UINT32_MAX},
		[FOREIGN_REPLY] = {NF_INET_INGRESS, NF_INET_PRE_ROUTING, NF_INET_FORWARD,
			NF_INET_POST_ROUTING, UINT32_MAX},
		[FOREIGN_PUNCH] = {NF_INET_INGRESS, NF_INET_PRE_ROUTING, NF_INET_LOCAL_IN,
			UINT32_MAX},
		[FOREIGN_ANSWER] = {NF_INET_LOCAL_OUT, NF_INET_POST_ROUTING, UINT32_MAX},
	};
	struct walker walker = {.ruleset = ruleset, .budget = BUDGET, .tell = chain, .data = data};
	struct foreign_packet routed = *packet;
	int err = 0;

	if (packet->way > FOREIGN_ANSWER || !addr_size(packet->source.addr.family) ||
		packet->source.addr.family != packet->dest.addr.family)
		return -EINVAL;
	out_find(host, &routed);
	walker.state = (struct foreign_state){.packet = &routed,
		.host = host,
		.family = packet->source.addr.family == AF_INET ? NFPROTO_IPV4 : NFPROTO_IPV6,
		.mark.known = UINT32_MAX};
	foreign_state_rewrite(&walker.state, &packet->source, &packet->dest);
	for (const uint32_t *hook = hooks[packet->way]; !err && *hook != UINT32_MAX; hook++)
		err = hook_walk(&walker, *hook);
	return err;
}

int foreign_walk(const struct foreign_packet *packet,
	void (*chain)(void *data, const struct foreign_chain *chain), void *data)
{
	struct foreign_kernel *kernel = calloc(1, sizeof(*kernel));
	struct foreign_host host;
	struct ruleset ruleset = {0};
	int err;

	if (!kernel)
		return -ENOMEM;
	err = foreign_kernel_open(kernel, &host);
	if (!err)
		err = ruleset_read(&ruleset, &kernel->nl);
	if (!err)
		ruleset_rank(&ruleset, &kernel->nl);
	if (!err)
		err = foreign_walk_ruleset(&ruleset, &host, packet, chain, data);
	ruleset_fini(&ruleset);
	foreign_kernel_close(kernel);
	free(kernel);
	return err;
}

/* The kernel lists the tables of a family once they are in use in this network namespace. */
static bool names_any(const char *path)
{
	FILE *file = fopen(path, "re");
	bool any = file && fgetc(file) != EOF;

	if (file)
		fclose(file);
	return any;
}

bool foreign_legacy(uint8_t family)
{
	return names_any(family == AF_INET6 ? "/proc/self/net/ip6_tables_names"
					    : "/proc/self/net/ip_tables_names");
}
