/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/progress.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/log.h"
#include "common/notify.h"

#define COLUMNS 80 /* of a terminal that does not know */

void progress_cut(const char *words, size_t columns, char *out, size_t size)
{
	size_t len = 0;

	while (words[len] && len < columns && len + 1 < size) {
		out[len] = words[len] >= ' ' && words[len] <= '~' ? words[len] : '?';
		len++;
	}
	out[len] = '\0';
}

void progress_begin(struct progress *progress, bool plain)
{
	const char *term = getenv("TERM");

	progress->live = !plain && isatty(STDERR_FILENO) && term && *term && strcmp(term, "dumb");
	progress->unit = !progress->live && getenv("NOTIFY_SOCKET");
}

bool progress_is_seen(const struct progress *progress)
{
	return progress->live || progress->unit;
}

static void progress_tell(struct progress *progress, const char *words)
{
	char line[LOG_STATUS];

	progress_cut(words, sizeof(line), line, sizeof(line));
	if (!strcmp(line, progress->told))
		return;
	memcpy(progress->told, line, sizeof(line));
	notify_status(line);
}

void progress_show(struct progress *progress, const char *words)
{
	struct winsize size = {0};
	char line[LOG_STATUS];

	if (progress->unit)
		progress_tell(progress, words);
	if (!progress->live)
		return;
	/* What a shell has put into the background must not write into its prompt. */
	if (tcgetpgrp(STDERR_FILENO) != getpgrp()) {
		log_share_terminal();
		return;
	}
	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
		size.ws_col = COLUMNS;
	/* With the last column, some terminals begin another line. */
	progress_cut(words, size.ws_col - 1u, line, sizeof(line));
	log_set_status(line);
}

void progress_share(struct progress *progress)
{
	if (!progress->live)
		return;
	progress_end(progress);
	log_share_terminal();
}

void progress_end(struct progress *progress)
{
	progress_show(progress, "");
	progress->live = progress->unit = false;
}
