/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/sender_bed.h"

#include <string.h>

#include "relayd/sender.h"

struct stream_table table;
struct stream *stream;
struct slot *slot;
char events[1024], text[128];
unsigned int probes;

static void note(void *data, const struct stream_event *event)
{
	(void)data;
	strcat(events, event->what);
	strcat(events, " ");
	if (event->text)
		strcpy(text, event->text);
}

static void count_probe(void *data, const struct slot *of)
{
	(void)data;
	ck_assert_ptr_eq(of, slot);
	probes++;
}

void assert_events(const char *expected)
{
	ck_assert_str_eq(events, expected);
	events[0] = '\0';
}

void settle(void)
{
	struct slot *dirty;

	while ((dirty = TAILQ_FIRST(&table.dirty))) {
		TAILQ_REMOVE(&table.dirty, dirty, dirty_link);
		dirty->dirty = dirty->flush = false;
	}
}

size_t dirty_count(void)
{
	struct slot *dirty;
	size_t count = 0;

	TAILQ_FOREACH(dirty, &table.dirty, dirty_link) {
		count++;
	}
	return count;
}

void punch(struct slot *of, const char *client)
{
	struct hole hole = {endpoint(client), endpoint("203.0.113.7:3478")};
	bool moved;

	ck_assert_int_eq(slot_claim(&table, of, &hole, NOW, &moved), 0);
}

void set_up(void)
{
	static const bool four[STREAM_FAMILIES] = {true, false};
	struct spec spec;
	char why[SPEC_WHY];

	ck_assert_int_eq(stream_table_init(&table, four, 45000), 0);
	ck_assert_int_eq(spec_init(&spec, "cam1", why), 0);
	ck_assert_int_eq(spec_set_listen(&spec, "9099-9100", why), 0);
	ck_assert_int_eq(spec_set_source(&spec, "any", why), 0);
	ck_assert_int_eq(stream_add(&table, &spec, 1, &stream, why), 0);
	slot = stream->slots[0];
	punch(slot, "192.0.2.9:40123");
	punch(stream->slots[1], "192.0.2.9:40124");
	settle();
	table.event = note;
	table.probe = count_probe;
	probes = 0;
}

void tear_down(void)
{
	stream_table_fini(&table);
}

void packet(const char *from, bool refused, int64_t now_ms)
{
	struct rules_event event = {.refused = refused, .number = 1};

	/* The kernel lets a stranger through only when the port has been let go. */
	sender_tick(&table, now_ms);
	event.sender = endpoint(from);
	event.listen = endpoint("203.0.113.7:9099");
	sender_event(&table, &event, now_ms);
}

void assert_sender(const char *from)
{
	struct endpoint sender = endpoint(from);

	ck_assert(endpoint_equal(&slot->sender, &sender));
}
