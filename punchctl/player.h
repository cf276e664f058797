/* SPDX-License-Identifier: GPL-2.0-or-later */
/* player: the program that receives the media: started, watched, and stopped with us. */
#ifndef PUNCHCTL_PLAYER_H
#define PUNCHCTL_PLAYER_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#define PLAYER_PATIENCE_MS 3000 /* from SIGTERM to SIGKILL */

struct player {
	uv_process_t process;
	uv_timer_t patience;
	bool running, stopped; /* stopped: by player_stop() */
	/* status: what it returned; signal: by which it was killed, or 0. */
	void (*ended)(struct player *player, int64_t status, int signal);
	void *data; /* the caller's */
};

struct player_config {
	char **words; /* the program and its arguments, ended by NULL */
	const char
		*path; /* stands for each "{}", or is appended when there is none; NULL: neither */
	bool quiet;    /* its standard output is our stderr, as ours belongs to somebody else */
};

/* The words with the path in them, to be freed by player_words_free(); NULL when memory is short.
 */
char **player_words(const struct player_config *config);
void player_words_free(char **words);

/* 0 or -errno; `data` and `ended` are set before. Its handles are closed when it has ended. */
int player_start(struct player *player, uv_loop_t *loop, const struct player_config *config);
/* SIGTERM, and in the end SIGKILL; `ended` is called as ever. */
void player_stop(struct player *player);

#endif
