/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel holds, found by what it is about. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "relayd/compare_inner.h"

static int key_compare(const void *a, const void *b)
{
	const struct endpoint *x = a, *y = b;
	int order = memcmp(x->addr.bytes, y->addr.bytes, sizeof x->addr.bytes);

	if (!order)
		order = (int)x->addr.family - (int)y->addr.family;
	return order ? order : (int)x->port - (int)y->port;
}

/* Where a record stands, and by what; false: nowhere. */
static bool record_index(
	const struct ipc_record *record, enum compare_index *out, const struct endpoint **key)
{
	switch (record->kind) {
	case IPC_LISTENING:
		*out = BY_LISTENING;
		*key = &record->listening.listen;
		return true;
	case IPC_PUNCH:
		*out = record->punch.raw ? BY_RAW : BY_PUNCH;
		*key = &record->punch.at;
		return true;
	case IPC_INGRESS:
		*out = BY_INGRESS;
		*key = &record->ingress.listen;
		return true;
	case IPC_CLIENT:
		*out = BY_CLIENT;
		*key = &record->client.client;
		return true;
	case IPC_PEER:
		*out = BY_PEER;
		*key = &record->peer.client;
		return true;
	case IPC_TORN:
		*out = BY_TORN;
		*key = &record->torn.at;
		return true;
	case IPC_FLOW:
	case IPC_HEALTH:
	case IPC_AGAIN:
	case IPC_PART:
		return false;
	}
	return false;
}

static void list_add(
	struct compare_list *list, const struct endpoint *key, const struct ipc_record *record)
{
	list->entries[list->count++] = (struct compare_entry){*key, record};
}

static int lists_fill(struct compare *compare)
{
	const struct sync_snapshot *snapshot = &compare->part;
	size_t counts[INDEXES] = {0};
	const struct endpoint *key;
	enum compare_index at;

	for (size_t i = 0; i < snapshot->count; i++)
		if (record_index(&snapshot->records[i], &at, &key))
			counts[at]++;
	counts[BY_TARGET] = counts[BY_INGRESS];
	for (size_t i = 0; i < INDEXES; i++) {
		compare->lists[i].entries = calloc(counts[i] + 1, sizeof(struct compare_entry));
		if (!compare->lists[i].entries)
			return -ENOMEM;
	}
	for (size_t i = 0; i < snapshot->count; i++) {
		const struct ipc_record *record = &snapshot->records[i];

		if (!record_index(record, &at, &key))
			continue;
		list_add(&compare->lists[at], key, record);
		if (at == BY_INGRESS)
			list_add(&compare->lists[BY_TARGET], &record->ingress.client, record);
	}
	for (size_t i = 0; i < INDEXES; i++)
		qsort(compare->lists[i].entries, compare->lists[i].count,
			sizeof(struct compare_entry), key_compare);
	return 0;
}

struct compare *compare_open(struct net *net)
{
	struct compare *compare = calloc(1, sizeof *compare);

	if (!compare)
		return NULL;
	compare->net = net;
	compare->first = net->table.round + 1;
	return compare;
}

static void unload(struct compare *compare)
{
	for (size_t i = 0; i < INDEXES; i++)
		free(compare->lists[i].entries);
	memset(compare->lists, 0, sizeof compare->lists);
	free(compare->wanted);
	compare->wanted = NULL;
	compare->part.count = 0;
}

void compare_close(struct compare *compare)
{
	unload(compare);
	free(compare);
}

int compare_load(struct compare *compare, const struct sync_snapshot *part)
{
	unload(compare);
	compare->net->table.round++;
	compare->part = *part;
	compare->wanted = calloc(part->count + 1, sizeof *compare->wanted);
	if (compare->wanted && !lists_fill(compare))
		return 0;
	unload(compare);
	compare->error = -ENOMEM;
	return -ENOMEM;
}

const struct compare_entry *compare_find(
	const struct compare *compare, enum compare_index at, const struct endpoint *key)
{
	const struct compare_list *list = &compare->lists[at];
	const struct compare_entry *found =
		list->count ? bsearch(key, list->entries, list->count, sizeof *found, key_compare)
			    : NULL;

	while (found && found > list->entries && !key_compare(&found[-1].key, key))
		found--;
	return found;
}

const struct ipc_record *compare_record(
	const struct compare *compare, enum compare_index at, const struct endpoint *key)
{
	const struct compare_entry *found = compare_find(compare, at, key);

	return found ? found->record : NULL;
}

const struct rules_ingress *compare_destination(
	const struct compare *compare, const struct endpoint *client)
{
	const struct compare_list *list = &compare->lists[BY_TARGET];
	const struct compare_entry *entry = compare_find(compare, BY_TARGET, client);

	for (; entry && entry < list->entries + list->count && !key_compare(&entry->key, client);
		entry++)
		if (config_is_local(compare->net->config, &entry->record->ingress.listen.addr))
			return &entry->record->ingress;
	return NULL;
}

const struct rules_listening *compare_listening(
	const struct compare *compare, const struct endpoint *listen)
{
	const struct ipc_record *record = compare_record(compare, BY_LISTENING, listen);

	return record ? &record->listening : NULL;
}

bool compare_is_torn(const struct compare *compare, enum rules_torn_kind kind,
	const struct endpoint *at, const struct endpoint *to)
{
	const struct compare_list *list = &compare->lists[BY_TORN];
	const struct compare_entry *entry = compare_find(compare, BY_TORN, at);

	for (; entry && entry < list->entries + list->count && !key_compare(&entry->key, at);
		entry++) {
		const struct rules_torn *torn = &entry->record->torn;

		if (torn->kind == kind && (!to || endpoint_equal(&torn->to, to)))
			return true;
	}
	return false;
}

const struct ipc_record *compare_peer(const struct compare *compare, const struct hole *hole)
{
	const struct compare_list *list = &compare->lists[BY_PEER];
	const struct compare_entry *entry = compare_find(compare, BY_PEER, &hole->client);

	for (; entry && entry < list->entries + list->count &&
		!key_compare(&entry->key, &hole->client);
		entry++)
		if (endpoint_equal(&entry->record->peer.punch, &hole->punch))
			return entry->record;
	return NULL;
}

void compare_want(struct compare *compare, const struct ipc_record *record)
{
	if (record)
		compare->wanted[record - compare->part.records] = true;
}

void compare_queue(struct compare *compare, const struct rules_op *op)
{
	int err = sync_batch(&compare->net->sync, op, 1, NULL, NULL);

	if (err)
		compare->error = err;
}
