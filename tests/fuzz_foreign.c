/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any bytes as a ruleset in netlink messages: every kind of packet walks through it to an end, and
 * what is told of it are words.
 */
#undef NDEBUG /* the assertions are what is tested */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "rules/foreign_walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Answers of a kernel that differ from key to key. */
static int elem_lookup(
	void *data, const struct ruleset_set *set, const uint8_t *key, struct foreign_elem *out)
{
	(void)data;
	assert(set->key_len <= REGS_SIZE);
	for (uint32_t i = 0; i < set->key_len; i++)
		out->len += key[i];
	out->verdict = (int32_t)(out->len % 7) - 5;
	out->len %= sizeof(out->data) + 1;
	return out->verdict == -1 ? 0 : 1;
}

static int route_find(
	void *data, const struct addr *addr, uint32_t mark, uint8_t *type, uint32_t *oif)
{
	(void)data;
	(void)mark;
	*type = 1 + addr->bytes[0] % 2;
	*oif = 1;
	return 1;
}

static void chain_check(void *data, const struct foreign_chain *chain)
{
	size_t *count = data;

	assert(chain->verdict <= FOREIGN_UNKNOWN);
	assert(chain->owner <= FOREIGN_NFTABLES);
	assert(*chain->why && strnlen(chain->why, sizeof(chain->why)) < sizeof(chain->why));
	assert(strnlen(chain->at_chain, sizeof(chain->at_chain)) < sizeof(chain->at_chain));
	++*count;
}

static void ruleset_walk(const struct ruleset *ruleset, bool v6)
{
	const struct foreign_host host = {NULL, elem_lookup, route_find};
	struct foreign_packet packet = {.first = true, .mark = 0x52000001, .in = "lo"};
	size_t count = 0;

	endpoint_parse(v6 ? "[fd01::2]:6000" : "10.1.0.2:6000", 0, &packet.source);
	endpoint_parse(v6 ? "[fd01::1]:9099" : "10.1.0.1:9099", 0, &packet.dest);
	endpoint_parse(v6 ? "[fd02::2]:5004" : "10.2.0.2:5004", 0, &packet.to);
	endpoint_parse(v6 ? "[fd02::1]:3478" : "10.2.0.1:3478", 0, &packet.from);
	for (int way = FOREIGN_MEDIA; way <= FOREIGN_ANSWER; way++) {
		packet.way = (enum foreign_way)way;
		assert(!foreign_walk_ruleset(ruleset, &host, &packet, chain_check, &count));
		packet.first = !packet.first;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ruleset ruleset = {0};
	uint8_t *copy = malloc(size + 1);
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)copy;
	int left = (int)size;

	if (size > 65536 || !copy) {
		free(copy);
		return 0;
	}
	memcpy(copy, data, size);
	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left))
		ruleset_add(&ruleset, nlh);
	free(copy);
	if (!ruleset.err) {
		ruleset_walk(&ruleset, false);
		ruleset_walk(&ruleset, true);
	}
	ruleset_fini(&ruleset);
	return 0;
}
