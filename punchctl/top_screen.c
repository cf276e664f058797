/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/top_screen.h"

#include <langinfo.h>
#include <locale.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <curses.h>

#include "punchctl/out.h"

#define HEAD_LINES 3 /* totals, an empty one, the columns' names */
#define FOOT_LINES 1
#define GAP	   2 /* between columns */
#define CELL	   64
#define NAME_MIN   8
#define SPARK_MIN  10
#define CLOCK	   8 /* columns */
#define SPARK_MAX  TOP_HISTORY

enum { PAIR_GOOD = 1, PAIR_ATTENTION, PAIR_BAD, PAIR_QUIET };

/* Columns that go when the terminal is narrow, the first one first. */
static const enum top_column dispensable[] = {
	TOP_COL_LISTEN, TOP_COL_SENDER, TOP_COL_IDLE, TOP_COL_CLIENT};

static const char *const heads[TOP_COLUMNS] = {
	"NAME", "STATE", "LISTEN", "SENDER", "CLIENT", "RATE", "IDLE"};

static const char *const sparks_utf8[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
static const char *const sparks_ascii[] = {" ", ".", ":", "-", "=", "+", "*", "#", "@"};
#define SPARKS (sizeof(sparks_ascii) / sizeof(sparks_ascii[0]))

struct layout {
	int width[TOP_COLUMNS]; /* 0: not shown */
	int spark;
};

bool top_screen_open(void)
{
	setlocale(LC_CTYPE, "");
	if (!newterm(NULL, stdout, stdin))
		return false;
	cbreak();
	noecho();
	keypad(stdscr, TRUE);
	set_escdelay(50);
	curs_set(0);
	if (has_colors() && !getenv("NO_COLOR") && start_color() == OK) {
		use_default_colors();
		init_pair(PAIR_GOOD, COLOR_GREEN, -1);
		init_pair(PAIR_ATTENTION, COLOR_YELLOW, -1);
		init_pair(PAIR_BAD, COLOR_RED, -1);
		init_pair(PAIR_QUIET, COLOR_CYAN, -1);
	}
	return true;
}

void top_screen_close(void)
{
	endwin();
}

size_t top_screen_rows(void)
{
	return LINES > HEAD_LINES + FOOT_LINES ? (size_t)(LINES - HEAD_LINES - FOOT_LINES) : 1;
}

static const char *cell_text(const struct top_row *row, enum top_column column, char out[CELL])
{
	char unit[OUT_UNIT];

	switch (column) {
	case TOP_COL_NAME:
		return row->name;
	case TOP_COL_STATE:
		return top_state_text(row->state);
	case TOP_COL_LISTEN:
		return row->listen;
	case TOP_COL_SENDER:
		return row->sender;
	case TOP_COL_CLIENT:
		return row->client;
	case TOP_COL_RATE:
		snprintf(out, CELL, "%s",
			out_bytes((json_int_t)top_rate(&row->history, 0), 1, unit));
		return out;
	case TOP_COL_IDLE:
		if (row->idle < 0)
			return "-";
		snprintf(out, CELL, "%.1f s", row->idle);
		return out;
	case TOP_COLUMNS:
		break;
	}
	return "";
}

static int total_width(const struct layout *layout)
{
	int width = 0;

	for (int i = 0; i < TOP_COLUMNS; i++)
		width += layout->width[i] ? layout->width[i] + GAP : 0;
	return width;
}

/* As wide as what stands in the rows that are shown, and no wider than the terminal. */
static void lay_out(
	struct layout *layout, const struct top *top, size_t first, size_t rows, int columns)
{
	int *name = &layout->width[TOP_COL_NAME];
	char text[CELL];

	for (int c = 0; c < TOP_COLUMNS; c++) {
		layout->width[c] = (int)strlen(heads[c]) + 1; /* and the mark of the order */
		for (size_t i = first; i < first + rows && i < top->shown_count; i++) {
			int len = (int)strlen(cell_text(top->shown[i], (enum top_column)c, text));

			if (len > layout->width[c])
				layout->width[c] = len;
		}
	}
	for (size_t i = 0; i < sizeof(dispensable) / sizeof(dispensable[0]); i++)
		if (total_width(layout) + SPARK_MIN > columns)
			layout->width[dispensable[i]] = 0;
	if (total_width(layout) > columns)
		*name -= total_width(layout) - columns;
	if (*name < NAME_MIN)
		*name = NAME_MIN;
	layout->spark = columns - total_width(layout);
	if (layout->spark > SPARK_MAX)
		layout->spark = SPARK_MAX;
	if (layout->spark < 0)
		layout->spark = 0;
}

/* The youngest look is at the right; the highest rate of those shown fills a cell. */
static void draw_spark(const struct top_history *history, int width)
{
	const char *const *sparks =
		strcmp(nl_langinfo(CODESET), "UTF-8") ? sparks_ascii : sparks_utf8;
	const int highest = SPARKS - 1;
	double peak = top_peak(history, (size_t)width);

	for (int i = width; i > 0; i--) {
		double rate = top_rate(history, (size_t)i - 1);
		size_t height = peak > 0 ? (size_t)(rate / peak * highest + 0.5) : 0;

		/* What is little is more than nothing. */
		addstr(sparks[rate > 0 && !height ? 1 : height]);
	}
}

static int state_pair(enum top_state state)
{
	static const int pairs[TOP_STATES] = {
		[TOP_LIVE] = PAIR_GOOD,
		[TOP_READY] = PAIR_QUIET,
		[TOP_STALE] = PAIR_ATTENTION,
		[TOP_SPENT] = PAIR_ATTENTION,
	};

	return pairs[state];
}

static bool is_number(enum top_column column)
{
	return column == TOP_COL_RATE || column == TOP_COL_IDLE;
}

static void draw_cell(enum top_column column, int width, const char *text)
{
	printw(is_number(column) ? "%*.*s" : "%-*.*s", width, width, text);
	printw("%*s", GAP, "");
}

static void draw_heads(const struct layout *layout, const struct top *top)
{
	char text[CELL];

	move(HEAD_LINES - 1, 0);
	attron(A_BOLD);
	for (int c = 0; c < TOP_COLUMNS; c++) {
		if (!layout->width[c])
			continue;
		snprintf(text, sizeof(text), "%s%s", heads[c],
			(int)top->sort != c ? ""
			: top->reverse	    ? "^"
					    : "v");
		draw_cell((enum top_column)c, layout->width[c], text);
	}
	attroff(A_BOLD);
}

static void draw_row(const struct layout *layout, const struct top_row *row, bool selected)
{
	char text[CELL];

	if (selected)
		attron(A_REVERSE);
	for (int c = 0; c < TOP_COLUMNS; c++) {
		int pair = c == TOP_COL_STATE && !selected ? state_pair(row->state) : 0;

		if (!layout->width[c])
			continue;
		attron(COLOR_PAIR(pair));
		draw_cell((enum top_column)c, layout->width[c],
			cell_text(row, (enum top_column)c, text));
		attroff(COLOR_PAIR(pair));
	}
	if (selected)
		attroff(A_REVERSE);
	draw_spark(&row->history, layout->spark);
}

/* As far as the clock on the first line leaves room. */
__attribute__((format(printf, 1, 2))) static void add(const char *format, ...)
{
	char text[CELL];
	int room = COLS - getcurx(stdscr) - GAP - CLOCK;
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (room > 0)
		addnstr(text, room);
}

static void draw_totals(const struct top_screen *screen, const struct top *top)
{
	char rate[OUT_UNIT], clock[16] = "";
	bool begun = false;
	struct tm tm;
	int room;

	move(0, 0);
	add("%zu stream%s", top->sorted, top->sorted == 1 ? "" : "s");
	for (int s = 0; s < TOP_STATES; s++) {
		if (!top->states[s])
			continue;
		add("%s", begun ? ", " : ": ");
		attron(COLOR_PAIR(state_pair((enum top_state)s)));
		add("%zu %s", top->states[s], top_state_text((enum top_state)s));
		attroff(COLOR_PAIR(state_pair((enum top_state)s)));
		begun = true;
	}
	add("   %s  ", out_bytes((json_int_t)top_rate(&top->total, 0), 1, rate));
	room = COLS - getcurx(stdscr) - GAP - CLOCK;
	if (room >= SPARK_MIN)
		draw_spark(&top->total, room < SPARK_MAX ? room : SPARK_MAX);
	if (COLS >= 2 * CLOCK && localtime_r(&screen->looked, &tm)) {
		strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
		mvaddstr(0, COLS - CLOCK, clock);
	}
	if (*screen->trouble) {
		attron(COLOR_PAIR(PAIR_BAD) | A_BOLD);
		mvprintw(1, 0, "%.*s", COLS, screen->trouble);
		attroff(COLOR_PAIR(PAIR_BAD) | A_BOLD);
	}
}

static void draw_foot(const struct top_screen *screen, const struct top *top)
{
	move(LINES - 1, 0);
	attron(A_REVERSE);
	if (screen->typing)
		printw(" only with: %s_  (Enter: keep, Esc: all)", top->filter);
	else if (screen->page == TOP_PAGE_EXPLAIN)
		addstr(" Esc back  Up Down scroll  q quit");
	else if (screen->page == TOP_PAGE_HELP)
		addstr(" Esc back  q quit");
	else
		addstr(" Enter why  < > column  r reverse  / filter  p pause  h help  q quit");
	if (screen->paused)
		addstr("  [paused]");
	if (*top->filter && !screen->typing)
		printw("  [only with \"%s\"]", top->filter);
	attroff(A_REVERSE);
}

static void draw_list(struct top_screen *screen, const struct top *top)
{
	size_t rows = top_screen_rows();
	struct layout layout;

	if (top->cursor < screen->first)
		screen->first = top->cursor;
	if (top->cursor >= screen->first + rows)
		screen->first = top->cursor - rows + 1;
	if (screen->first + rows > top->shown_count)
		screen->first = top->shown_count > rows ? top->shown_count - rows : 0;
	lay_out(&layout, top, screen->first, rows, COLS);
	draw_heads(&layout, top);
	for (size_t i = 0; i < rows && screen->first + i < top->shown_count; i++) {
		size_t at = screen->first + i;

		move(HEAD_LINES + (int)i, 0);
		draw_row(&layout, top->shown[at], at == top->cursor);
	}
	if (!top->shown_count)
		mvaddstr(HEAD_LINES, 0,
			top->sorted ? "no stream has that in its name, state or addresses"
				    : "no streams; `punchctl add` makes one");
}

/* Lines of the explanation as they come, of which those from `first` on are drawn. */
struct lines {
	size_t at, first, rows;
};

static bool line_begin(struct lines *lines)
{
	size_t at = lines->at++;

	if (at < lines->first || at >= lines->first + lines->rows)
		return false;
	move(HEAD_LINES - 1 + (int)(at - lines->first), 0);
	return true;
}

static int step_pair(const char *state)
{
	if (!strcmp(state, "ok"))
		return PAIR_GOOD;
	return strcmp(state, "broken") ? PAIR_ATTENTION : PAIR_BAD;
}

#define STEP_INDENT 24

/* How much of the text fits into a line, by whole words where that can be. */
static int line_length(const char *text, int room)
{
	int len = (int)strlen(text);

	if (len <= room)
		return len;
	for (len = room; len > 0 && text[len] != ' '; len--)
		;
	return len ? len : room;
}

/* The sentence goes on below itself. */
static void draw_step(struct lines *lines, const json_t *step)
{
	const char *state = out_member(step, "state"), *text = out_member(step, "text");
	int room = COLS > STEP_INDENT ? COLS - STEP_INDENT : 1, len = line_length(text, room);

	if (line_begin(lines)) {
		attron(COLOR_PAIR(step_pair(state)));
		printw("  %-8.8s ", state);
		attroff(COLOR_PAIR(step_pair(state)));
		printw("%-12.12s ", out_member(step, "step"));
		addnstr(text, len);
	}
	for (text += len; *text; text += len) {
		text += *text == ' ';
		len = line_length(text, room);
		if (line_begin(lines))
			printw("%*s%.*s", STEP_INDENT, "", len, text);
	}
}

static void draw_path(struct lines *lines, const json_t *path)
{
	const json_t *step;
	size_t i;

	if (line_begin(lines)) {
		attron(A_BOLD);
		printw("%s: a packet %s", out_member(path, "listen"),
			json_is_true(json_object_get(path, "arrives")) ? "would arrive"
								       : "would not arrive");
		attroff(A_BOLD);
	}
	json_array_foreach(json_object_get(path, "steps"), i, step)
		draw_step(lines, step);
}

static void draw_explain(struct top_screen *screen, const struct top *top)
{
	struct lines lines = {.first = screen->explain_first, .rows = top_screen_rows() + 1};
	const json_t *paths = json_object_get(screen->explained, "paths"), *path;
	size_t i;

	if (!screen->explained) {
		mvprintw(HEAD_LINES - 1, 0, "asking why %s flows or does not ...", top->selected);
		return;
	}
	json_array_foreach(paths, i, path)
		draw_path(&lines, path);
	if (!json_array_size(paths) && line_begin(&lines))
		printw("%s has no port that could be explained", top->selected);
	/* No further than to the last page. */
	if (lines.at > lines.rows && screen->explain_first > lines.at - lines.rows)
		screen->explain_first = lines.at - lines.rows;
	else if (lines.at <= lines.rows)
		screen->explain_first = 0;
}

static void draw_help(void)
{
	static const char *const lines[] = {
		"Up Down PgUp PgDn Home End   choose a stream; k and j do, too",
		"Enter                        why it flows or does not, step by step",
		"< >  or  Left Right          the column that the order goes by",
		"r                            the other way round",
		"/                            only streams with a text in name, state or address;",
		"                             Esc: all again",
		"p or Space                   hold still; again: go on",
		"q                            quit",
		"",
		"The curve is the rate of the last looks, the youngest at the right;",
		"each curve is as high as its own highest rate.",
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		mvaddnstr(HEAD_LINES - 1 + (int)i, 0, lines[i], COLS);
}

void top_screen_draw(struct top_screen *screen, const struct top *top)
{
	erase();
	draw_totals(screen, top);
	if (screen->page == TOP_PAGE_EXPLAIN)
		draw_explain(screen, top);
	else if (screen->page == TOP_PAGE_HELP)
		draw_help();
	else
		draw_list(screen, top);
	draw_foot(screen, top);
	refresh();
}
