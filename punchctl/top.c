/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/top.h"

#include <stdlib.h>
#include <string.h>

#include "punchctl/summary.h"

static const char *const state_texts[TOP_STATES] = {
	[TOP_LIVE] = "live",
	[TOP_READY] = "ready",
	[TOP_WAITING] = "waiting",
	[TOP_STALE] = "stale",
	[TOP_SPENT] = "over-quota",
};

const char *top_state_text(enum top_state state)
{
	return state_texts[state];
}

/* A state that we do not know is nothing that could be live. */
static enum top_state parse_state(const char *text)
{
	for (int i = 0; i < TOP_STATES; i++)
		if (!strcmp(text, state_texts[i]))
			return (enum top_state)i;
	return TOP_WAITING;
}

static void put_rate(struct top_history *history, double rate)
{
	history->rates[history->next] = (float)rate;
	history->next = (history->next + 1) % TOP_HISTORY;
	if (history->count < TOP_HISTORY)
		history->count++;
}

double top_rate(const struct top_history *history, size_t i)
{
	if (i >= history->count)
		return 0;
	return history->rates[(history->next + TOP_HISTORY - 1 - i) % TOP_HISTORY];
}

double top_peak(const struct top_history *history, size_t looks)
{
	double peak = 0;

	for (size_t i = 0; i < looks && i < history->count; i++)
		if (top_rate(history, i) > peak)
			peak = top_rate(history, i);
	return peak;
}

void top_init(struct top *top)
{
	memset(top, 0, sizeof(*top));
	top->sort = TOP_COL_RATE;
}

void top_fini(struct top *top)
{
	for (size_t i = 0; i < top->count; i++)
		free(top->rows[i]);
	free(top->rows);
	free(top->shown);
}

static int compare_names(const void *a, const void *b)
{
	const struct top_row *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

static void copy(char *to, size_t size, const char *text)
{
	size_t len = strnlen(text, size - 1);

	memcpy(to, text, len);
	to[len] = '\0';
}

static struct top_row *find(const struct top *top, const char *name)
{
	struct top_row key, *row = &key, **found;

	if (!top->sorted)
		return NULL;
	copy(key.name, sizeof(key.name), name);
	found = bsearch(&row, top->rows, top->sorted, sizeof(*top->rows), compare_names);
	return found ? *found : NULL;
}

static bool grow(struct top *top)
{
	size_t room = top->room ? 2 * top->room : 64;
	void *rows, *shown;

	if (top->count < top->room)
		return true;
	rows = reallocarray(top->rows, room, sizeof(*top->rows));
	if (rows)
		top->rows = rows;
	shown = rows ? reallocarray(top->shown, room, sizeof(*top->shown)) : NULL;
	if (!shown)
		return false;
	top->shown = shown;
	top->room = room;
	return true;
}

/* When memory is short, the stream is not shown. */
static struct top_row *append(struct top *top, const char *name)
{
	struct top_row *row = grow(top) ? calloc(1, sizeof(*row)) : NULL;

	if (!row)
		return NULL;
	copy(row->name, sizeof(row->name), name);
	top->rows[top->count++] = row;
	return row;
}

void top_add(struct top *top, const json_t *stream)
{
	struct summary summary;
	struct top_row *row;

	summary_read(&summary, stream);
	row = find(top, summary.name);
	if (!row)
		row = append(top, summary.name);
	if (!row)
		return;
	row->seen = true;
	row->state = parse_state(summary.state);
	copy(row->listen, sizeof(row->listen), summary.listen);
	copy(row->sender, sizeof(row->sender), summary.sender);
	copy(row->client, sizeof(row->client), summary.client);
	row->idle = summary.idle;
	put_rate(&row->history, (double)summary.rate);
}

void top_end(struct top *top)
{
	double total = 0;
	size_t kept = 0;

	memset(top->states, 0, sizeof(top->states));
	for (size_t i = 0; i < top->count; i++) {
		struct top_row *row = top->rows[i];

		if (!row->seen) {
			free(row);
			continue;
		}
		row->seen = false;
		total += top_rate(&row->history, 0);
		top->states[row->state]++;
		top->rows[kept++] = row;
	}
	top->count = kept;
	if (kept)
		qsort(top->rows, kept, sizeof(*top->rows), compare_names);
	top->sorted = kept;
	put_rate(&top->total, total);
	top_arrange(top);
}

static int compare_numbers(double x, double y)
{
	return (x > y) - (x < y);
}

/* Numbers begin with the highest, of what is equal names decide. */
static int compare_rows(const void *a, const void *b, void *data)
{
	const struct top_row *x = *(const struct top_row *const *)a;
	const struct top_row *y = *(const struct top_row *const *)b;
	const struct top *top = data;
	int order = 0;

	switch (top->sort) {
	case TOP_COL_STATE:
		order = (int)x->state - (int)y->state;
		break;
	case TOP_COL_LISTEN:
		order = strverscmp(x->listen, y->listen);
		break;
	case TOP_COL_SENDER:
		order = strverscmp(x->sender, y->sender);
		break;
	case TOP_COL_CLIENT:
		order = strverscmp(x->client, y->client);
		break;
	case TOP_COL_RATE:
		order = compare_numbers(top_rate(&y->history, 0), top_rate(&x->history, 0));
		break;
	case TOP_COL_IDLE:
		/* Who never had media comes behind who had. */
		order = (x->idle < 0) - (y->idle < 0);
		if (!order)
			order = compare_numbers(x->idle, y->idle);
		break;
	case TOP_COL_NAME:
	case TOP_COLUMNS:
		break;
	}
	if (!order)
		order = strverscmp(x->name, y->name);
	return top->reverse ? -order : order;
}

static bool is_wanted(const struct top *top, const struct top_row *row)
{
	return strcasestr(row->name, top->filter) || strcasestr(row->listen, top->filter) ||
	       strcasestr(row->sender, top->filter) || strcasestr(row->client, top->filter) ||
	       strcasestr(top_state_text(row->state), top->filter);
}

void top_arrange(struct top *top)
{
	top->shown_count = 0;
	for (size_t i = 0; i < top->sorted; i++)
		if (is_wanted(top, top->rows[i]))
			top->shown[top->shown_count++] = top->rows[i];
	if (top->shown_count)
		qsort_r(top->shown, top->shown_count, sizeof(*top->shown), compare_rows, top);
	for (size_t i = 0; i < top->shown_count; i++)
		if (!strcmp(top->shown[i]->name, top->selected)) {
			top->cursor = i;
			return;
		}
	top_move(top, 0); /* the stream is gone: whoever has its place */
}

void top_sort_by(struct top *top, int step)
{
	top->sort = (enum top_column)(((int)top->sort + step + TOP_COLUMNS) % TOP_COLUMNS);
	top_arrange(top);
}

void top_move(struct top *top, long by)
{
	long at = (long)top->cursor + by, last = (long)top->shown_count - 1;

	if (at > last)
		at = last;
	top->cursor = at < 0 ? 0 : (size_t)at;
	if (top->shown_count)
		copy(top->selected, sizeof(top->selected), top->shown[top->cursor]->name);
}

const struct top_row *top_selected(const struct top *top)
{
	return top->cursor < top->shown_count ? top->shown[top->cursor] : NULL;
}
