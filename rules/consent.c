/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/consent.h"

#include <errno.h>
#include <string.h>

const enum set_id consent_sets[] = {
	SET_EXACT, SET_ANY, SET_EXACT_RATE, SET_ANY_RATE, SET_WITHIN, SET_COUNT};

/* Where one lookup cannot do it all, another element counts and polices. */
bool consent_is_apart(enum set_id set)
{
	return set == SET_EXACT_RATE || set == SET_ANY_RATE || set == SET_WITHIN;
}

static enum set_id set_of(const struct prefix *source, bool rated)
{
	if (!source->bits)
		return rated ? SET_ANY_RATE : SET_ANY;
	if (source->bits != 8 * addr_size(source->addr.family))
		return SET_WITHIN;
	return rated ? SET_EXACT_RATE : SET_EXACT;
}

bool consent_is_of(enum set_id set, const struct prefix *source)
{
	return set == set_of(source, false) || set == set_of(source, true);
}

static struct elem elem_of(const struct consent *consent, bool rated)
{
	struct elem elem = {.set = set_of(&consent->source, rated),
		.key = consent->listen,
		.source = consent->source,
		.timeout_ms = consent->timeout_ms};

	memcpy(elem.name, consent->name, sizeof(elem.name));
	if (!consent_is_apart(elem.set)) {
		elem.packets = consent->packets;
		elem.bytes = consent->bytes;
	}
	return elem;
}

static void rate_add(struct batch *batch, int op, const struct consent *consent)
{
	struct elem elem = {.set = SET_RATE,
		.key = consent->listen,
		.rate = consent->rate,
		.packets = consent->packets,
		.bytes = consent->bytes};

	memcpy(elem.name, consent->name, sizeof(elem.name));
	elem_add(batch, op, &elem);
}

void consent_open(
	struct batch *batch, const struct kernel *kernel, int op, const struct consent *consent)
{
	const struct elem elem = elem_of(consent, consent->rate);

	consent_close(batch, kernel, op, &consent->listen, &consent->source);
	if (consent_is_apart(elem.set))
		rate_add(batch, op, consent);
	elem_add(batch, op, &elem);
}

void consent_close(struct batch *batch, const struct kernel *kernel, int op,
	const struct endpoint *listen, const struct prefix *source)
{
	const struct elem rate = {.set = SET_RATE, .key = *listen};
	struct elem elem = {.set = set_of(source, false), .key = *listen, .source = *source};

	elem_delete(batch, kernel, op, &elem);
	if (set_of(source, true) != elem.set) {
		elem.set = set_of(source, true);
		elem_delete(batch, kernel, op, &elem);
	}
	elem_delete(batch, kernel, op, &rate);
}

int consent_refresh(struct batch *batch, const struct kernel *kernel, struct nl *nl, int op,
	const struct consent *consent)
{
	struct elem elem = elem_of(consent, consent->rate);
	struct elem old;
	int err;

	/* It is there, unless consent had run out; then it is not changed by this. */
	if (consent_is_apart(elem.set))
		rate_add(batch, op, consent);
	if (!kernel->refresh) {
		err = elem_get(nl, &elem, &old);
		if (err && err != -ENOENT)
			return err;
		elem_delete(batch, kernel, op, &elem);
		if (!err) {
			elem.packets = old.packets;
			elem.bytes = old.bytes;
		}
	}
	elem_add(batch, op, &elem);
	return 0;
}

int consent_read(struct nl *nl, struct consent *out)
{
	struct elem found, elem = elem_of(out, false);
	int err = elem_get(nl, &elem, &found);

	if (err == -ENOENT && set_of(&out->source, true) != elem.set) {
		elem.set = set_of(&out->source, true);
		err = elem_get(nl, &elem, &found);
	}
	if (err)
		return err;
	memcpy(out->name, found.name, sizeof(out->name));
	out->timeout_ms = found.timeout_ms;
	if (consent_is_apart(elem.set)) {
		elem = (struct elem){.set = SET_RATE, .key = out->listen};
		err = elem_get(nl, &elem, &found);
		if (err)
			return err;
	}
	out->rate = found.rate;
	out->packets = found.packets;
	out->bytes = found.bytes;
	return 0;
}
