/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stream_slots: the slots that a stream's spec asks for, and who has which port. */
#ifndef RELAYD_STREAM_SLOTS_H
#define RELAYD_STREAM_SLOTS_H

#include "relayd/stream.h"

/*
 * Makes the list of the slots that the spec asks for: of those that the stream has the ones that
 * stay, and new ones, which nobody knows before slots_take. -ENOMEM.
 */
int slots_make(const struct stream_table *table, const struct stream *stream,
	const struct spec *spec, struct slot ***out, size_t *count);
/* Frees a list that is not taken, with its new slots. */
void slots_free_new(struct slot **slots, size_t count);
/* They are the stream's from now on, with the raw punch ports of its spec; all of them are dirty.
 * The list is the stream's, too. */
void slots_take(
	struct stream_table *table, struct stream *stream, struct slot **slots, size_t count);
/* The slot's port is another's, or nobody's. */
void slots_leave(struct stream_table *table, struct slot *slot);

/* Does the slot stay when its stream has this spec? */
bool slots_stay(const struct slot *slot, const struct spec *spec);
/* Its raw punch port then, or 0. */
uint16_t slots_raw_port(const struct slot *slot, const struct spec *spec);
/* The stream that already uses a port of the spec, or NULL. One that goes is in nobody's way: the
 * kernel hears of it first. */
const struct stream *slots_conflict(
	const struct stream_table *table, const struct spec *spec, uint16_t *port);

#endif
