/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/stream_bed.h"

#include <string.h>

struct stream_table table;
char why[SPEC_WHY];
bool moved;
char events[1024];

static void note(void *data, const struct stream_event *event)
{
	ck_assert_ptr_eq(data, &table);
	ck_assert(!event->slot || event->slot->stream == event->stream);
	strcat(events, event->what);
	strcat(events, ":");
	strcat(events, event->stream->spec.name);
	strcat(events, " ");
}

void assert_events(const char *expected)
{
	ck_assert_str_eq(events, expected);
	events[0] = '\0';
}

void set_up(void)
{
	static const bool both[STREAM_FAMILIES] = {true, true};

	ck_assert_int_eq(stream_table_init(&table, both, CONSENT_MS), 0);
	table.event = note;
	table.event_data = &table;
}

void tear_down(void)
{
	stream_table_fini(&table);
}

struct spec make(const char *name, const char *listen)
{
	struct spec spec;

	ck_assert_int_eq(spec_init(&spec, name, why), 0);
	ck_assert_int_eq(spec_set_listen(&spec, listen, why), 0);
	ck_assert_int_eq(spec_set_key(&spec, KEY, why), 0);
	return spec;
}

struct stream *add_spec(const struct spec *spec)
{
	struct stream *stream = NULL;

	ck_assert_int_eq(stream_add(&table, spec, 7, &stream, why), 0);
	return stream;
}

struct stream *add(const char *name, const char *listen)
{
	struct spec spec = make(name, listen);

	return add_spec(&spec);
}

struct hole hole(const char *client, const char *punch)
{
	return (struct hole){endpoint(client), endpoint(punch)};
}

int claim(struct slot *slot, const char *client, int64_t now_ms)
{
	struct hole here = hole(client, "203.0.113.7:3478");

	return slot_claim(&table, slot, &here, now_ms, &moved);
}

void settle(void)
{
	struct slot *slot;

	while ((slot = TAILQ_FIRST(&table.dirty))) {
		TAILQ_REMOVE(&table.dirty, slot, dirty_link);
		slot->dirty = slot->refresh = slot->flush = false;
		slot->have = slot->want;
		slot->have_rate = slot->stream->spec.rate;
		slot->listening = !slot->gone;
		slot->raw_open = slot->gone ? 0 : slot->raw_port;
		slot_reap(&table, slot);
	}
}

size_t dirty_count(void)
{
	struct slot *slot;
	size_t count = 0;

	TAILQ_FOREACH(slot, &table.dirty, dirty_link) {
		count++;
	}
	return count;
}
