/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "rules/consent.h"
#include "rules/elem.h"
#include "rules/internal.h"
#include "rules/max_rate.h"

/* What a transaction is made from. */
struct txn {
	struct rules *rules;
	const struct rules_op *ops;
	size_t count;
	struct rules_error *error;
	bool moved[RULES_OPS_MAX]; /* a LISTEN that took consent along to another source */
};

/* Deletes the element, if it is there, and makes it anew. */
static void elem_replace(struct txn *txn, int op, const struct elem *elem)
{
	elem_delete(&txn->rules->batch, &txn->rules->kernel, op, elem);
	elem_add(&txn->rules->batch, op, elem);
}

static void elem_remove(struct txn *txn, int op, const struct elem *elem)
{
	elem_delete(&txn->rules->batch, &txn->rules->kernel, op, elem);
}

/* What listens there before operation op: an earlier one of this transaction decides. */
static int listening_find(struct txn *txn, int op, struct elem *out)
{
	const struct rules_op *ops = txn->ops;

	for (int i = op - 1; i >= 0; i--) {
		if (ops[i].kind != RULES_LISTEN && ops[i].kind != RULES_UNLISTEN)
			continue;
		if (!endpoint_equal(&ops[i].listen, &ops[op].listen))
			continue;
		if (ops[i].kind == RULES_UNLISTEN)
			return -ENOENT;
		*out = (struct elem){.set = SET_LISTEN,
			.key = ops[i].listen,
			.source = ops[i].source,
			.number = ops[i].number};
		return 0;
	}
	*out = (struct elem){.set = SET_LISTEN, .key = ops[op].listen};
	return elem_get(&txn->rules->nl, out, out);
}

/* An operation of this kind for the same port, of those from first to before end. */
static const struct rules_op *op_find(
	const struct txn *txn, size_t first, size_t end, enum rules_op_kind kind, int like)
{
	for (size_t i = first; i < end; i++)
		if (txn->ops[i].kind == kind &&
			endpoint_equal(&txn->ops[i].listen, &txn->ops[like].listen))
			return &txn->ops[i];
	return NULL;
}

static struct elem prefix_elem(const struct elem *listening)
{
	struct elem elem = *listening;

	elem.set = SET_PREFIX;
	return elem;
}

static bool is_within(const struct prefix *source)
{
	return source->bits && source->bits < 8 * addr_size(source->addr.family);
}

/* Another source has the port: consent and counters go with it. */
static int consent_move(struct txn *txn, int i, const struct prefix *from)
{
	const struct rules_op *op = &txn->ops[i];
	const struct rules_op *begun = op_find(txn, (size_t)i + 1, txn->count, RULES_CONSENT, i);
	struct consent consent = {.listen = op->listen, .source = *from};
	int err = consent_read(&txn->rules->nl, &consent);

	/* What is read is what was before the transaction. */
	if (op_find(txn, 0, (size_t)i, RULES_UNINGRESS, i))
		return 0;
	consent_close(&txn->rules->batch, &txn->rules->kernel, i, &op->listen, from);
	if (err)
		return err == -ENOENT ? 0 : err;
	consent.source = op->source;
	if (begun)
		consent.timeout_ms = begun->consent_ms;
	consent_open(&txn->rules->batch, &txn->rules->kernel, i, &consent);
	txn->moved[i] = true;
	return 0;
}

/* What was listening there: its counters stay, and its consent if it has another source now. */
static int listen_change(struct txn *txn, int i, const struct elem *old, struct elem *elem)
{
	const struct elem prefix = prefix_elem(old);

	elem->packets = old->packets;
	elem->bytes = old->bytes;
	if (!memcmp(&old->source, &elem->source, sizeof(old->source)))
		return 0;
	if (is_within(&old->source))
		elem_remove(txn, i, &prefix);
	return consent_move(txn, i, &old->source);
}

static int listen_add(struct txn *txn, int i)
{
	const struct rules_op *op = &txn->ops[i];
	struct elem old, elem = {.set = SET_LISTEN,
				 .key = op->listen,
				 .source = op->source,
				 .number = op->number};
	int err = listening_find(txn, i, &old);

	if (!err)
		err = listen_change(txn, i, &old, &elem);
	if (err && err != -ENOENT)
		return err;
	memcpy(elem.name, op->name, sizeof(elem.name));
	elem_replace(txn, i, &elem);
	elem.set = SET_MARK;
	elem_replace(txn, i, &elem);
	if (is_within(&op->source)) {
		elem.set = SET_PREFIX;
		elem_replace(txn, i, &elem);
	}
	return 0;
}

/* Most ports have none: it is looked for, so that the transaction stays small. */
static int limited_remove(struct txn *txn, int i)
{
	struct elem elem = {.set = SET_LIMITED, .key = txn->ops[i].listen};
	int err = elem_get(&txn->rules->nl, &elem, &elem);

	if (!err)
		elem_remove(txn, i, &elem);
	return err == -ENOENT ? 0 : err;
}

static int listen_remove(struct txn *txn, int i)
{
	struct elem old, prefix;
	int err = listening_find(txn, i, &old);

	if (err)
		return err == -ENOENT ? 0 : err;
	prefix = prefix_elem(&old);
	if (is_within(&old.source))
		elem_remove(txn, i, &prefix);
	consent_close(&txn->rules->batch, &txn->rules->kernel, i, &old.key, &old.source);
	elem_remove(txn, i, &old);
	old.set = SET_MARK;
	elem_remove(txn, i, &old);
	return limited_remove(txn, i);
}

static int client_add(struct txn *txn, int i)
{
	const struct rules_op *op = &txn->ops[i];
	struct elem elem = {.set = SET_EGRESS,
		.key = op->client,
		.data = op->punch,
		.timeout_ms = 0,
		.rate = op->rate};

	memcpy(elem.name, op->name, sizeof(elem.name));
	elem_replace(txn, i, &elem);
	elem.set = SET_CONSENT;
	elem.timeout_ms = op->consent_ms;
	if (op->consent_ms)
		elem_replace(txn, i, &elem);
	return 0;
}

static int client_remove(struct txn *txn, int i)
{
	struct elem elem = {.set = SET_EGRESS, .key = txn->ops[i].client};

	elem_remove(txn, i, &elem);
	elem.set = SET_CONSENT;
	elem_remove(txn, i, &elem);
	return 0;
}

/* Of a peer; as consent_refresh does it. */
static int peer_consent_begin(struct txn *txn, int i)
{
	const struct rules_op *op = &txn->ops[i];
	struct elem elem = {.set = SET_CONSENT, .key = op->client, .rate = op->rate};
	struct elem old;
	int err = 0;

	memcpy(elem.name, op->name, sizeof(elem.name));
	if (!txn->rules->kernel.refresh) {
		err = elem_get(&txn->rules->nl, &elem, &old);
		if (err && err != -ENOENT)
			return err;
		elem_remove(txn, i, &elem);
		if (!err)
			elem = old;
	}
	elem.timeout_ms = op->consent_ms;
	elem_add(&txn->rules->batch, i, &elem);
	return 0;
}

static struct consent consent_of(const struct rules_op *op)
{
	struct consent consent = {.listen = op->listen,
		.source = op->source,
		.timeout_ms = op->consent_ms,
		.rate = op->rate};

	memcpy(consent.name, op->name, sizeof(consent.name));
	return consent;
}

static int consent_begin(struct txn *txn, int i)
{
	const struct rules_op *op = &txn->ops[i];
	const struct consent consent = consent_of(op);
	const struct rules_op *listen;

	if (!op->listen.addr.family)
		return peer_consent_begin(txn, i);
	listen = op_find(txn, 0, (size_t)i, RULES_LISTEN, i);
	if (listen && txn->moved[listen - txn->ops])
		return 0;
	return consent_refresh(
		&txn->rules->batch, &txn->rules->kernel, &txn->rules->nl, i, &consent);
}

static int ingress_add(struct txn *txn, int i)
{
	const struct rules_op *op = &txn->ops[i];
	const struct consent consent = consent_of(op);
	struct elem elem = {.set = SET_INGRESS, .key = op->listen, .data = op->client};

	memcpy(elem.name, op->name, sizeof(elem.name));
	elem_replace(txn, i, &elem);
	consent_open(&txn->rules->batch, &txn->rules->kernel, i, &consent);
	return 0;
}

static int ingress_remove(struct txn *txn, int i)
{
	const struct elem elem = {.set = SET_INGRESS, .key = txn->ops[i].listen};
	struct elem old;
	int err = listening_find(txn, i, &old);

	elem_remove(txn, i, &elem);
	if (!err)
		consent_close(&txn->rules->batch, &txn->rules->kernel, i, &old.key, &old.source);
	return err == -ENOENT ? 0 : err;
}

static int punch_set(struct txn *txn, int i)
{
	const struct rules_op *op = &txn->ops[i];
	struct elem elem = {.set = op->raw ? SET_RAW : SET_PUNCH, .key = op->punch};

	if (op->kind == RULES_UNPUNCH)
		elem_remove(txn, i, &elem);
	else
		elem_add(&txn->rules->batch, i, &elem);
	return 0;
}

static int peer_set(struct txn *txn, int i)
{
	static const enum set_id sets[] = {SET_PEER, SET_PEER_MARK, SET_PEER_FROM};
	const struct rules_op *op = &txn->ops[i];

	for (size_t s = 0; s < sizeof(sets) / sizeof(sets[0]); s++) {
		struct elem elem = {.set = sets[s],
			.key = op->client,
			.to = op->punch,
			.data = sets[s] == SET_PEER_FROM ? op->from : op->peer,
			.number = op->number};

		memcpy(elem.name, op->name, sizeof(elem.name));
		if (op->kind == RULES_PEER && elem.data.addr.family)
			elem_replace(txn, i, &elem);
		else
			elem_remove(txn, i, &elem);
	}
	return 0;
}

static int max_rate_set(struct txn *txn, int i)
{
	const uint64_t rate = txn->ops[i].rate;
	struct max_rate is;
	int err = max_rate_read(&txn->rules->nl, &is);

	if (err)
		return err;
	if (rate && rate != is.rate)
		max_rate_add(&txn->rules->batch, rate);
	else if (!rate && is.rate)
		max_rate_delete(&txn->rules->batch);
	return 0;
}

static int op_build(struct txn *txn, int i)
{
	switch (txn->ops[i].kind) {
	case RULES_LISTEN:
		return listen_add(txn, i);
	case RULES_UNLISTEN:
		return listen_remove(txn, i);
	case RULES_PUNCH:
	case RULES_UNPUNCH:
		return punch_set(txn, i);
	case RULES_INGRESS:
		return ingress_add(txn, i);
	case RULES_UNINGRESS:
		return ingress_remove(txn, i);
	case RULES_CLIENT:
		return client_add(txn, i);
	case RULES_UNCLIENT:
		return client_remove(txn, i);
	case RULES_CONSENT:
		return consent_begin(txn, i);
	case RULES_FLUSH:
		return 0;
	case RULES_PEER:
	case RULES_UNPEER:
		return peer_set(txn, i);
	case RULES_MAX_RATE:
		return max_rate_set(txn, i);
	}
	return -EINVAL;
}

static bool has_op(const struct rules_op *ops, size_t count, enum rules_op_kind kind)
{
	for (size_t i = 0; i < count; i++)
		if (ops[i].kind == kind)
			return true;
	return false;
}

static void max_rate_note(struct rules *rules, const struct rules_op *ops, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (ops[i].kind == RULES_MAX_RATE)
			rules->extra.max_rate = ops[i].rate;
}

/* The peers' chain goes with the last pair; that it stays only costs time. */
static void peers_tidy(struct rules *rules, const struct rules_op *ops, size_t count)
{
	bool used = true;

	rules->extra.peers |= has_op(ops, count, RULES_PEER);
	if (!rules->extra.peers || !has_op(ops, count, RULES_UNPEER) ||
		table_has_peers(&rules->nl, &used) || used)
		return;
	batch_clear(&rules->batch);
	skeleton_delete_peers(&rules->batch);
	rules->extra.peers = batch_commit(&rules->batch, &rules->nl, NULL) != 0;
}

/* Sets stay as large as they are when consent begins anew. */
static size_t ops_resizing(const struct rules_op *ops, size_t count)
{
	size_t resizing = 0;

	for (size_t i = 0; i < count; i++)
		resizing += ops[i].kind != RULES_CONSENT && ops[i].kind != RULES_FLUSH;
	return resizing;
}

static int txn_build(struct txn *txn)
{
	int err;

	batch_clear(&txn->rules->batch);
	if (!txn->rules->extra.peers && has_op(txn->ops, txn->count, RULES_PEER))
		skeleton_add_peers(&txn->rules->batch);
	for (size_t i = 0; i < txn->count; i++) {
		const char *wrong = op_check(&txn->ops[i]);

		if (wrong)
			return nl_fail(txn->error, -EINVAL, (int)i, "%s", wrong);
		err = op_build(txn, (int)i);
		if (err)
			return nl_fail(txn->error, err, (int)i, "reading table %s: %s", RULES_TABLE,
				strerror(-err));
	}
	return 0;
}

int rules_apply(
	struct rules *rules, const struct rules_op *ops, size_t count, struct rules_error *error)
{
	struct txn txn = {.rules = rules, .ops = ops, .count = count, .error = error};
	int err;

	if (!count || count > RULES_OPS_MAX)
		return nl_fail(error, -EINVAL, -1, "between 1 and %d operations", RULES_OPS_MAX);
	err = txn_build(&txn);
	if (!err)
		err = batch_commit(&rules->batch, &rules->nl, error);
	if (err)
		return err;
	rules->resized += ops_resizing(ops, count);
	max_rate_note(rules, ops, count);
	peers_tidy(rules, ops, count);
	flush_holes(&rules->flush, &rules->nl, ops, count);
	return 0;
}

int64_t rules_due(const struct rules *rules)
{
	return flush_due(&rules->flush);
}

void rules_tick(struct rules *rules, int64_t now_ms)
{
	flush_tick(&rules->flush, &rules->nl, now_ms);
}
