/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <curses.h>

#include "common/log.h"
#include "punchctl/args.h"
#include "punchctl/daemon.h"
#include "punchctl/top.h"
#include "punchctl/top_screen.h"

#define LOOK_MS	 1000
#define REPLY_MS 2000 /* meanwhile no key is answered */
/* A look at very many streams takes its time; it may have a fourth of ours and relayd's. */
#define LOOK_SHARE 4
#define TROUBLE	   256
#define ESC	   27

struct view {
	struct cmd_context context;
	struct top top;
	struct top_screen screen;
	json_t *explained; /* owned */
	char trouble[TROUBLE];
	int64_t next_ms;
	bool done;
};

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void take(void *data, const char *text, size_t len)
{
	json_t *stream = json_loadb(text, len, 0, NULL);

	top_add(data, stream);
	json_decref(stream);
}

static json_t *list_request(void)
{
	json_t *request = args_request("list", NULL);

	json_object_set_new(request, "brief", json_true());
	return request;
}

static void look_why(struct view *view)
{
	json_t *reply;

	if (daemon_ask(&view->context, args_request("explain", view->top.selected), &reply))
		return;
	json_decref(view->explained);
	view->explained = reply;
	view->screen.explained = reply;
}

/* What is said about a failure stands above the streams as they last were. */
static void look(struct view *view)
{
	int64_t begun = now_ms();
	int status;

	*view->trouble = '\0';
	status = daemon_ask_streams(&view->context, list_request(), take, &view->top);
	if (!status) {
		top_end(&view->top);
		view->screen.looked = time(NULL);
	}
	if (!status && view->screen.page == TOP_PAGE_EXPLAIN)
		look_why(view);
	view->next_ms = now_ms() + (now_ms() - begun) * LOOK_SHARE;
	if (view->next_ms < begun + LOOK_MS)
		view->next_ms = begun + LOOK_MS;
}

static void go_to(struct view *view, enum top_page page)
{
	view->screen.page = page;
	view->screen.explain_first = 0;
	json_decref(view->explained);
	view->explained = NULL;
	view->screen.explained = NULL;
	if (page == TOP_PAGE_EXPLAIN)
		look_why(view);
}

/* The filter holds as it is typed. */
static void take_letter(struct view *view, int key)
{
	char *filter = view->top.filter;
	size_t len = strlen(filter);

	if (key == '\n' || key == KEY_ENTER || key == ESC)
		view->screen.typing = false;
	if (key == ESC)
		*filter = '\0';
	else if ((key == KEY_BACKSPACE || key == 127 || key == '\b') && len)
		filter[len - 1] = '\0';
	else if (key >= ' ' && key < 127 && len + 1 < sizeof(view->top.filter))
		memcpy(filter + len, (char[]){(char)key, '\0'}, 2);
	top_arrange(&view->top);
}

static void move_by(struct view *view, long by)
{
	if (view->screen.page == TOP_PAGE_LIST)
		top_move(&view->top, by);
	else if (by < 0 && (size_t)-by > view->screen.explain_first)
		view->screen.explain_first = 0;
	else
		view->screen.explain_first += (size_t)by;
}

static bool take_move(struct view *view, int key)
{
	const long page = (long)top_screen_rows(), all = LONG_MAX / 2;

	switch (key) {
	case KEY_UP:
	case 'k':
		move_by(view, -1);
		return true;
	case KEY_DOWN:
	case 'j':
		move_by(view, 1);
		return true;
	case KEY_PPAGE:
		move_by(view, -page);
		return true;
	case KEY_NPAGE:
		move_by(view, page);
		return true;
	case KEY_HOME:
		move_by(view, -all);
		return true;
	case KEY_END:
		move_by(view, all);
		return true;
	default:
		return false;
	}
}

static void take_list_key(struct view *view, int key)
{
	switch (key) {
	case '\n':
	case KEY_ENTER:
		if (top_selected(&view->top))
			go_to(view, TOP_PAGE_EXPLAIN);
		break;
	case '<':
	case KEY_LEFT:
		top_sort_by(&view->top, -1);
		break;
	case '>':
	case KEY_RIGHT:
		top_sort_by(&view->top, 1);
		break;
	case 'r':
		view->top.reverse = !view->top.reverse;
		top_arrange(&view->top);
		break;
	case '/':
		view->screen.typing = true;
		break;
	default:
		break;
	}
}

static void take_key(struct view *view, int key)
{
	if (view->screen.typing) {
		take_letter(view, key);
	} else if (key == 'q') {
		view->done = true;
	} else if (key == 'p' || key == ' ') {
		view->screen.paused = !view->screen.paused;
	} else if (key == 'h' || key == '?') {
		go_to(view, TOP_PAGE_HELP);
	} else if (key == ESC && view->screen.page != TOP_PAGE_LIST) {
		go_to(view, TOP_PAGE_LIST);
	} else if (key == ESC) {
		*view->top.filter = '\0';
		top_arrange(&view->top);
	} else if (!take_move(view, key) && view->screen.page == TOP_PAGE_LIST) {
		take_list_key(view, key);
	}
}

/* Keys are answered at once but while relayd is asked, which is done when it is time. */
static void run_view(struct view *view)
{
	while (!view->done) {
		int64_t left = view->next_ms - now_ms();
		int key;

		if (left <= 0) {
			if (!view->screen.paused)
				look(view);
			else
				view->next_ms = now_ms() + LOOK_MS;
			top_screen_draw(&view->screen, &view->top);
			continue;
		}
		timeout((int)left);
		key = getch();
		if (key != ERR) { /* a new size comes as a key too */
			take_key(view, key);
			top_screen_draw(&view->screen, &view->top);
		}
	}
}

static int run(const struct cmd_context *context, int argc, char **argv)
{
	struct view view = {.context = *context};
	const char *term = getenv("TERM");
	int status = args_none(&cmd_top, argc, argv);

	if (status)
		return status;
	if (context->json)
		return args_usage(
			&cmd_top, "there is no JSON of it; `punchctl --json list` has it");
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
		log_error("top needs a terminal; `punchctl list` prints the same once");
		return CMD_USAGE;
	}
	top_init(&view.top);
	view.screen.trouble = view.trouble;
	/* A relayd that is away at the start is a mistake, one that goes later comes back. */
	view.context.reply_ms = REPLY_MS;
	status = daemon_ask_streams(&view.context, list_request(), take, &view.top);
	if (!status && !top_screen_open()) {
		log_error("top cannot draw on a terminal of the type \"%s\"", term ? term : "");
		status = CMD_FAILED;
	}
	if (status) {
		top_fini(&view.top);
		return status;
	}
	top_end(&view.top);
	view.screen.looked = time(NULL);
	view.next_ms = now_ms() + LOOK_MS;
	log_keep(view.trouble, sizeof(view.trouble));
	top_screen_draw(&view.screen, &view.top);
	run_view(&view);
	top_screen_close();
	log_keep(NULL, 0);
	json_decref(view.explained);
	top_fini(&view.top);
	return CMD_DONE;
}

const struct cmd cmd_top = {"top", "", "all streams and their rates, live", run};
