/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define LOG_LINE   1024
#define LOG_PREFIX 400
#define LOG_VALUE  256
#define JOURNAL	   "/run/systemd/journal/socket"
/*
 * ECMA-48, EL and ED: the rest of a line goes, or all of ours. The cursor waits at its beginning,
 * where it stays when a narrower terminal breaks the line in two.
 */
#define LINE_REST "\033[K"
#define LINE_ANEW "\r\033[J"
#define LINE_END  "\r"

static struct {
	enum log_level level;
	const char *ident, *place;
	bool journal;
	int journal_fd; /* for lines with fields; -1: none */
	char *kept;
	size_t kept_size;
	char status[LOG_STATUS]; /* "": there is none */
	bool shared;		 /* the terminal, with others */
} log_state = {.level = LOG_LEVEL_INFO, .journal_fd = -1};

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

static int journal_connect(void)
{
	const struct sockaddr_un sa = {.sun_family = AF_UNIX, .sun_path = JOURNAL};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

void log_set_journal(int fd)
{
	if (log_state.journal_fd >= 0)
		close(log_state.journal_fd);
	log_state.journal_fd = fd;
}

void log_open(const char *ident)
{
	log_state.ident = ident;
	log_state.journal = log_is_journal();
	if (log_state.journal)
		log_set_journal(journal_connect());
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

/* What a client sent must not forge a line or a field, or drive a terminal. */
static void clean(char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
	}
}

static const char *log_begin(void)
{
	if (*log_state.status)
		return LINE_ANEW;
	return log_state.shared ? LINE_REST : "";
}

/* One write() a line, so that lines of several processes do not mix. */
static void log_put(enum log_level level, const char *message)
{
	char line[LOG_LINE + LOG_PREFIX + LOG_STATUS + 16], prefix[LOG_PREFIX];
	size_t len = log_prefix(level, prefix, sizeof(prefix));

	len = (size_t)snprintf(line, sizeof(line), "%s%.*s%s\n%s%s", log_begin(), (int)len, prefix,
		message, log_state.status, *log_state.status ? LINE_END : "");
	if (write(STDERR_FILENO, line, len) < 0)
		return; /* there is nowhere left to say it */
}

void log_set_status(const char *text)
{
	char line[sizeof(LINE_ANEW LINE_END) + LOG_STATUS];
	int len;

	log_state.shared = false;
	if (!strcmp(text, log_state.status))
		return;
	snprintf(log_state.status, sizeof(log_state.status), "%s", text);
	clean(log_state.status);
	len = snprintf(line, sizeof(line), LINE_ANEW "%s" LINE_END, log_state.status);
	if (write(STDERR_FILENO, line, (size_t)len) < 0)
		return; /* as above */
}

void log_share_terminal(void)
{
	log_state.status[0] = '\0';
	log_state.shared = true;
}

/* systemd's native protocol: a variable a line, <systemd/sd-journal.h> says which. */
static bool log_record(
	enum log_level level, const char *message, const struct log_field *fields, size_t count)
{
	char record[2 * LOG_LINE];
	int len =
		snprintf(record, sizeof(record), "PRIORITY=%d\nSYSLOG_IDENTIFIER=%s\nMESSAGE=%s\n",
			(int)level, log_state.ident ? log_state.ident : "", message);

	for (size_t i = 0; i < count && len < (int)sizeof(record); i++) {
		char value[LOG_VALUE];

		if (!fields[i].value)
			continue;
		snprintf(value, sizeof(value), "%s", fields[i].value);
		clean(value);
		len += snprintf(record + len, sizeof(record) - (size_t)len, "%s=%s\n",
			fields[i].name, value);
	}
	return len < (int)sizeof(record) &&
	       send(log_state.journal_fd, record, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT) == len;
}

/* errno survives. */
__attribute__((format(printf, 4, 0))) static void log_write(enum log_level level,
	const struct log_field *fields, size_t count, const char *format, va_list args)
{
	char message[LOG_LINE];
	int error = errno;

	if (level > log_state.level)
		return;
	if (vsnprintf(message, sizeof(message), format, args) < 0)
		strcpy(message, "?");
	clean(message);
	if (log_state.kept)
		snprintf(log_state.kept, log_state.kept_size, "%s", message);
	else if (!count || log_state.journal_fd < 0 || !log_record(level, message, fields, count))
		log_put(level, message);
	errno = error;
}

void log_fields(
	enum log_level level, const struct log_field *fields, size_t count, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_write(level, fields, count, format, args);
	va_end(args);
}

void log_error(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_write(LOG_LEVEL_ERROR, NULL, 0, format, args);
	va_end(args);
}

void log_warning(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_write(LOG_LEVEL_WARNING, NULL, 0, format, args);
	va_end(args);
}

void log_notice(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_write(LOG_LEVEL_NOTICE, NULL, 0, format, args);
	va_end(args);
}

void log_info(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_write(LOG_LEVEL_INFO, NULL, 0, format, args);
	va_end(args);
}

void log_debug(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_write(LOG_LEVEL_DEBUG, NULL, 0, format, args);
	va_end(args);
}
