/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOG_LINE 1024

static struct {
	enum log_level level;
	const char *ident, *place;
	bool journal;
	char *kept;
	size_t kept_size;
} log_state = {.level = LOG_LEVEL_INFO};

void log_set_level(enum log_level level)
{
	log_state.level = level;
}

/* JOURNAL_STREAM is inherited by children whose stderr is another file (systemd.exec(5)). */
static bool log_is_journal(void)
{
	const char *text = getenv("JOURNAL_STREAM");
	char own[64];
	struct stat st;

	if (!text || fstat(STDERR_FILENO, &st) < 0)
		return false;
	snprintf(own, sizeof(own), "%llu:%llu", (unsigned long long)st.st_dev,
		(unsigned long long)st.st_ino);
	return strcmp(text, own) == 0;
}

void log_open(const char *ident)
{
	log_state.ident = ident;
	log_state.journal = log_is_journal();
}

void log_set_place(const char *place)
{
	log_state.place = place;
}

void log_keep(char *line, size_t size)
{
	log_state.kept = line;
	log_state.kept_size = size;
}

static size_t log_prefix(enum log_level level, char *out, size_t size)
{
	int len = 0;

	if (log_state.journal)
		len = snprintf(out, size, "<%d>", (int)level);
	else if (log_state.ident)
		len = snprintf(out, size, "%.64s: ", log_state.ident);
	if (log_state.place)
		len += snprintf(out + len, size - (size_t)len, "%.300s: ", log_state.place);
	return (size_t)len;
}

/* One write() a line, so that lines of several processes do not mix. errno survives. */
__attribute__((format(printf, 2, 0))) static void log_write(
	enum log_level level, const char *format, va_list args)
{
	char line[LOG_LINE];
	size_t len, start;
	int error = errno;

	if (level > log_state.level)
		return;
	start = log_prefix(level, line, sizeof(line));
	errno = error;
	if (vsnprintf(line + start, sizeof(line) - start, format, args) < 0)
		memcpy(line + start, "?", 2);
	len = strlen(line);
	/* What a client sent must not forge a line or drive a terminal. */
	for (size_t i = start; i < len; i++) {
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = '?';
	}
	if (log_state.kept) {
		snprintf(log_state.kept, log_state.kept_size, "%s", line + start);
		errno = error;
		return;
	}
	line[len++] = '\n';
	if (write(STDERR_FILENO, line, len) < 0)
		errno = error; /* there is nowhere left to say it */
	errno = error;
}

void log_error(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_write(LOG_LEVEL_ERROR, format, args);
	va_end(args);
}

void log_warning(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_write(LOG_LEVEL_WARNING, format, args);
	va_end(args);
}

void log_notice(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_write(LOG_LEVEL_NOTICE, format, args);
	va_end(args);
}

void log_info(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_write(LOG_LEVEL_INFO, format, args);
	va_end(args);
}

void log_debug(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_write(LOG_LEVEL_DEBUG, format, args);
	va_end(args);
}
