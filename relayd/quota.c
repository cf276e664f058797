/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/quota.h"

#include <stdio.h>
#include <time.h>

int64_t quota_since(enum spec_period period, int64_t now)
{
	const time_t at = (time_t)now;
	struct tm tm;

	if (period == SPEC_EVER || !gmtime_r(&at, &tm))
		return 0;
	tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
	if (period == SPEC_MONTH)
		tm.tm_mday = 1;
	return (int64_t)timegm(&tm);
}

int quota_load(struct registry *registry, struct stream *stream)
{
	return registry_used(registry, stream->spec.name, &stream->used, &stream->used_since);
}

void quota_check(struct stream_table *table, struct stream *stream)
{
	size_t holes = table->holes;
	char quota[SPEC_QUOTA], text[SPEC_QUOTA + 16];

	if (!stream_is_spent(stream))
		return;
	for (size_t i = 0; i < stream->slot_count; i++)
		slot_release(table, stream->slots[i]);
	if (table->holes == holes)
		return;
	snprintf(text, sizeof text, "%s is used up", spec_quota_format(&stream->spec, quota));
	stream_tell_all(table, "quota", stream, text);
}

/* A clock that is set back renews nothing. */
void quota_renew(struct stream_table *table, int64_t now)
{
	const int64_t periods[] = {
		[SPEC_EVER] = quota_since(SPEC_EVER, now),
		[SPEC_DAY] = quota_since(SPEC_DAY, now),
		[SPEC_MONTH] = quota_since(SPEC_MONTH, now),
	};
	struct stream *stream;

	LIST_FOREACH(stream, &table->streams, link) {
		int64_t since = periods[stream->spec.period];
		bool spent = stream_is_spent(stream);

		if (stream->gone || since <= stream->used_since)
			continue;
		stream->used = 0;
		stream->used_since = since;
		if (spent)
			stream_tell_all(table, "quota", stream,
				stream->spec.period == SPEC_DAY ? "a new day" : "a new month");
	}
}

static int store_all(
	struct stream_table *table, struct registry *registry, char error[static REGISTRY_ERROR])
{
	const struct stream *stream;
	int err = 0;

	LIST_FOREACH(stream, &table->streams, link) {
		if (stream->used_news)
			err = registry_use(registry, stream->spec.name, stream->used,
				stream->used_since, error);
		if (err)
			break;
	}
	return err;
}

int quota_store(
	struct stream_table *table, struct registry *registry, char error[static REGISTRY_ERROR])
{
	struct stream *stream;
	int err, end;

	if (!table->used_news)
		return 0;
	err = registry_begin(registry, error);
	if (err)
		return err;
	err = store_all(table, registry, error);
	end = registry_end(registry, !err, error);
	if (err || end)
		return err ? err : end;
	LIST_FOREACH(stream, &table->streams, link)
		stream->used_news = false;
	table->used_news = false;
	return 1;
}
