/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/control_list.h"

#include <stdlib.h>

#include "common/text.h"
#include "relayd/view.h"

#define PART_STREAMS 128

struct list {
	struct net *net;
	const struct stream **streams;
	size_t at, count, left_out;
	bool brief, begun, done, written; /* written: a stream stands before the next one */
};

struct list *list_open(struct net *net, const struct request *request)
{
	struct list *list = calloc(1, sizeof(*list));

	if (!list)
		return NULL;
	list->net = net;
	list->brief = request->brief;
	list->streams = view_sorted(&net->table, &list->count);
	if (!list->streams) {
		free(list);
		return NULL;
	}
	if (request->limit && request->limit < list->count) {
		list->left_out = list->count - request->limit;
		list->count = request->limit;
	}
	stream_table_pin(&net->table);
	return list;
}

void list_close(struct list *list)
{
	stream_table_unpin(&list->net->table);
	free(list->streams);
	free(list);
}

bool list_done(const struct list *list)
{
	return list->done;
}

char *list_part(struct list *list, size_t *len)
{
	const struct net *net = list->net;
	struct text text = {0};

	if (!list->begun)
		text_put(&text, "{\"ok\":true,\"streams\":[");
	list->begun = true;
	for (size_t i = 0; i < PART_STREAMS && list->at < list->count; i++) {
		const struct stream *stream = list->streams[list->at++];

		if (stream->gone)
			continue;
		if (list->written)
			text_put(&text, ",");
		list->written = true;
		if (list->brief)
			view_stream_brief(net->config, stream, net_now(net), &text);
		else
			view_stream_write(net->config, net->broker, stream, net_now(net), &text);
	}
	list->done = list->at == list->count;
	if (list->done) {
		text_put(&text, "],\"left_out\":");
		text_put_number(&text, list->left_out);
		text_put(&text, "}\n");
	}
	return text_take(&text, len);
}
