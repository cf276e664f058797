/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/guard.h"

#include <errno.h>
#include <stdio.h>

#define CONSENT_MS_MAX (3600u * 1000)

static bool ours(const struct config *config, const struct endpoint *endpoint)
{
	return endpoint->port && config_is_local(config, &endpoint->addr);
}

/* A hole leads away from this host, or the relay would feed itself. */
static bool hole(const struct config *config, const struct endpoint *client)
{
	return client->port && addr_is_routable(&client->addr) &&
	       !config_is_local(config, &client->addr);
}

static bool name(const char *text)
{
	char why[SPEC_WHY];
	struct spec spec;

	return !spec_init(&spec, text, why);
}

static const char *check(const struct config *config, const struct rules_op *op)
{
	bool named =
		op->kind != RULES_PUNCH && op->kind != RULES_UNPUNCH && op->kind != RULES_MAX_RATE;
	/* Elements of addresses that are not ours any more may go; but what flushes flows is ours.
	 */
	bool media = op->kind == RULES_CONSENT && op->listen.addr.family;
	bool listens = op->kind == RULES_LISTEN || op->kind == RULES_INGRESS || media;
	bool punches = op->kind == RULES_PUNCH || op->kind == RULES_CLIENT ||
		       op->kind == RULES_UNCLIENT || op->kind == RULES_FLUSH ||
		       op->kind == RULES_PEER || op->kind == RULES_UNPEER;
	bool opens = op->kind == RULES_INGRESS || op->kind == RULES_CLIENT ||
		     (op->kind == RULES_CONSENT && !media) || op->kind == RULES_PEER;
	bool numbered = op->kind == RULES_LISTEN || op->kind == RULES_PEER;

	if (named && !name(op->name))
		return "a stream's name that no stream can have";
	if (listens && !ours(config, &op->listen))
		return "senders' packets for an address that is not the relay's";
	if (punches && !ours(config, &op->punch))
		return "a punch port at an address that is not the relay's";
	if (opens && !hole(config, &op->client))
		return "a client at an address where no client can be";
	if (op->kind == RULES_PEER && !hole(config, &op->peer))
		return "a peer at an address where no peer can be";
	if (op->kind == RULES_PEER && op->from.addr.family && !ours(config, &op->from))
		return "a peer's hole at an address that is not the relay's";
	if (op->kind == RULES_PEER && endpoint_equal(&op->client, &op->peer))
		return "a peer that is its own peer";
	if (op->kind == RULES_PEER && op->peer.addr.family != op->client.addr.family)
		return "a peer of another family";
	if (numbered && (!op->number || op->number > RULES_NUMBER_MAX))
		return "a stream's number outside our marks";
	if (listens && op->source.bits && op->source.addr.family != op->listen.addr.family)
		return "a source of another family";
	if ((op->kind == RULES_INGRESS || op->kind == RULES_CONSENT) && !op->consent_ms)
		return "a consent that is none or too long";
	if (op->consent_ms > CONSENT_MS_MAX)
		return "a consent that is none or too long";
	return NULL;
}

int guard_check(const struct config *config, const struct rules_op *ops, size_t count,
	struct rules_error *error)
{
	for (size_t i = 0; i < count; i++) {
		const char *why = check(config, &ops[i]);

		if (!why)
			continue;
		error->code = -EPERM;
		error->op = (int)i;
		snprintf(error->text, sizeof error->text, "the kernel side refuses %s", why);
		return -EPERM;
	}
	return 0;
}
