/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "rules/internal.h"

static bool endpoint_is_valid(const struct endpoint *endpoint)
{
	return addr_size(endpoint->addr.family) && endpoint->port;
}

static const char *listen_check(const struct rules_op *op)
{
	if (!endpoint_is_valid(&op->listen))
		return "the listening endpoint is incomplete";
	if (op->kind == RULES_UNLISTEN || op->kind == RULES_UNINGRESS)
		return NULL;
	if (op->number > RULES_NUMBER_MAX)
		return "the stream's number is too large";
	if (op->source.bits && op->source.addr.family != op->listen.addr.family)
		return "source and listening endpoint are of different IP versions";
	if (op->source.bits > 8 * addr_size(op->listen.addr.family))
		return "the source's prefix is too long";
	return NULL;
}

static const char *client_check(const struct rules_op *op)
{
	if (!endpoint_is_valid(&op->client))
		return "the client's endpoint is incomplete";
	if (op->kind == RULES_CONSENT)
		return NULL;
	if (op->kind == RULES_INGRESS) {
		if (op->listen.addr.family != op->client.addr.family)
			return "client and listening endpoint are of different IP versions";
		return listen_check(op);
	}
	if (!endpoint_is_valid(&op->punch))
		return "the hole's local endpoint is incomplete";
	if (op->punch.addr.family != op->client.addr.family)
		return "client and hole are of different IP versions";
	return NULL;
}

static const char *peer_check(const struct rules_op *op)
{
	if (!endpoint_is_valid(&op->peer))
		return "the peer's endpoint is incomplete";
	if (op->peer.addr.family != op->client.addr.family)
		return "the peers are of different IP versions";
	if (op->number > RULES_NUMBER_MAX)
		return "the stream's number is too large";
	if (op->from.addr.family &&
		(!endpoint_is_valid(&op->from) || op->from.addr.family != op->peer.addr.family))
		return "the relay's end of the peer's hole is wrong";
	return client_check(op);
}

const char *op_check(const struct rules_op *op)
{
	if (strnlen(op->name, RULES_NAME) == RULES_NAME)
		return "the name is too long";
	if ((op->kind == RULES_INGRESS || op->kind == RULES_CONSENT) && !op->consent_ms)
		return "consent of no duration";
	switch (op->kind) {
	case RULES_LISTEN:
	case RULES_UNLISTEN:
	case RULES_UNINGRESS:
		return listen_check(op);
	case RULES_PUNCH:
	case RULES_UNPUNCH:
		return endpoint_is_valid(&op->punch) ? NULL : "the local endpoint is incomplete";
	case RULES_MAX_RATE:
		return op->rate > RULES_RATE_MAX ? "the rate is too high" : NULL;
	case RULES_CONSENT:
		return op->listen.addr.family ? listen_check(op) : client_check(op);
	case RULES_INGRESS:
	case RULES_CLIENT:
	case RULES_UNCLIENT:
	case RULES_FLUSH:
	case RULES_UNPEER:
		return client_check(op);
	case RULES_PEER:
		return peer_check(op);
	}
	return "no such operation";
}
