/* SPDX-License-Identifier: GPL-2.0-or-later */
/* top_screen: what punchctl top shows on the terminal. ncurses sends what has changed, no more. */
#ifndef PUNCHCTL_TOP_SCREEN_H
#define PUNCHCTL_TOP_SCREEN_H

#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#include <jansson.h>

#include "punchctl/top.h"

enum top_page { TOP_PAGE_LIST, TOP_PAGE_EXPLAIN, TOP_PAGE_HELP };

struct top_screen {
	enum top_page page;
	bool typing;		 /* the filter */
	bool paused;		 /* nothing is asked for */
	const char *trouble;	 /* why there is no answer; "": there is */
	const json_t *explained; /* relayd's answer about the selected stream; NULL: none yet */
	size_t first;		 /* the uppermost row of the list, */
	size_t explain_first;	 /* or line of the explanation */
	time_t looked;		 /* when the streams were as they are shown */
};

/* False: the terminal is not one that can be drawn on. */
bool top_screen_open(void);
void top_screen_close(void);
/* How many streams fit on the page. */
size_t top_screen_rows(void);
void top_screen_draw(struct top_screen *screen, const struct top *top);

#endif
