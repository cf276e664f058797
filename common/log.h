/* SPDX-License-Identifier: GPL-2.0-or-later */
/* log: one line to stderr per event, with "<N>" priorities when systemd reads it. */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include <stddef.h>

enum log_level {
	LOG_LEVEL_ERROR = 3,
	LOG_LEVEL_WARNING = 4,
	LOG_LEVEL_NOTICE = 5,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7
};

/* Lines above the level are not written; the default is LOG_LEVEL_INFO. */
void log_set_level(enum log_level level);
/* "relayd: " in front of each line, unless systemd reads (JOURNAL_STREAM is set and is stderr). */
void log_open(const char *ident);
/* From now on lines say where in a file the mistake is, "FILE:3"; NULL: no more. */
void log_set_place(const char *place);
/*
 * Lines with fields go there as one record each, with their fields, over a connected datagram
 * socket of journald's; -1: to stderr, as all others. log_open() connects it when systemd reads.
 */
void log_set_journal(int fd);
/* From now on the last line is kept there instead of written; NULL: no more. */
void log_keep(char *line, size_t size);

#define LOG_STATUS 256
/*
 * The last line of the terminal that stderr is, below all that is logged; it is written anew in
 * place, cut to LOG_STATUS. "": it goes.
 */
void log_set_status(const char *text);
/* It is gone, and others write to that terminal: what they left to the right gives way to a line.
 */
void log_share_terminal(void);

/* A fact of a line, for those who search the journal. */
struct log_field {
	const char *name;  /* capital letters and _ */
	const char *value; /* NULL: this line has none */
};

__attribute__((format(printf, 4, 5))) void log_fields(enum log_level level,
	const struct log_field *fields, size_t count, const char *format, ...);
__attribute__((format(printf, 1, 2))) void log_error(const char *format, ...);
__attribute__((format(printf, 1, 2))) void log_warning(const char *format, ...);
__attribute__((format(printf, 1, 2))) void log_notice(const char *format, ...);
__attribute__((format(printf, 1, 2))) void log_info(const char *format, ...);
__attribute__((format(printf, 1, 2))) void log_debug(const char *format, ...);

#endif
