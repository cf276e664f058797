/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/ctl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CTL_READER_MIN 4096
#define CTL_ERROR_TEXT 512

void ctl_reader_init(struct ctl_reader *reader, size_t max)
{
	*reader = (struct ctl_reader){.max = max};
}

void ctl_reader_fini(struct ctl_reader *reader)
{
	free(reader->data);
	*reader = (struct ctl_reader){0};
}

/* Would a line be too long? Looked at before anything is copied, so that max bounds memory. */
static int reader_check(const struct ctl_reader *reader, const char *data, size_t len)
{
	size_t before = reader->len - reader->line;

	while (len > 0) {
		const char *newline = memchr(data, '\n', len);
		size_t part = newline ? (size_t)(newline - data) : len;

		if (part > reader->max || before > reader->max - part)
			return -EMSGSIZE;
		if (!newline)
			break;
		data += part + 1;
		len -= part + 1;
		before = 0;
	}
	return 0;
}

/* Room for len more bytes; what was handed out is dropped first. */
static int reader_reserve(struct ctl_reader *reader, size_t len)
{
	size_t size = reader->size ? reader->size : CTL_READER_MIN;
	char *data;

	if (reader->at > 0) {
		memmove(reader->data, reader->data + reader->at, reader->len - reader->at);
		reader->len -= reader->at;
		reader->line -= reader->at;
		reader->at = 0;
	}
	while (size - reader->len < len) {
		if (size > SIZE_MAX / 2)
			return -ENOMEM;
		size *= 2;
	}
	if (size == reader->size)
		return 0;
	data = realloc(reader->data, size);
	if (!data)
		return -ENOMEM;
	reader->data = data;
	reader->size = size;
	return 0;
}

int ctl_reader_feed(struct ctl_reader *reader, const void *data, size_t len)
{
	const char *newline;
	int ret;

	if (len == 0)
		return 0;
	ret = reader_check(reader, data, len);
	if (ret < 0)
		return ret;
	ret = reader_reserve(reader, len);
	if (ret < 0)
		return ret;
	memcpy(reader->data + reader->len, data, len);
	newline = memrchr(data, '\n', len);
	if (newline)
		reader->line = reader->len + (size_t)(newline - (const char *)data) + 1;
	reader->len += len;
	return 0;
}

int ctl_reader_next(struct ctl_reader *reader, json_t **out, char *text, size_t text_size)
{
	const char *line, *newline;
	json_error_t error;
	json_t *object;

	if (reader->at == reader->line)
		return -EAGAIN;
	line = reader->data + reader->at;
	newline = memchr(line, '\n', reader->line - reader->at);
	reader->at += (size_t)(newline - line) + 1;
	object = json_loadb(line, (size_t)(newline - line), JSON_REJECT_DUPLICATES, &error);
	if (!object) {
		snprintf(text, text_size, "column %d: %s", error.column, error.text);
		return -EINVAL;
	}
	if (!json_is_object(object)) {
		json_decref(object);
		snprintf(text, text_size, "not an object");
		return -EINVAL;
	}
	*out = object;
	return 0;
}

char *ctl_format(const json_t *object, size_t *len)
{
	char *line = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(15));
	size_t end;
	char *longer;

	if (!line)
		return NULL;
	end = strlen(line);
	longer = realloc(line, end + 2);
	if (!longer) {
		free(line);
		return NULL;
	}
	memcpy(longer + end, "\n", 2);
	*len = end + 1;
	return longer;
}

json_t *ctl_error(const char *format, ...)
{
	char text[CTL_ERROR_TEXT];
	json_t *string;
	va_list args;

	va_start(args, format);
	if (vsnprintf(text, sizeof(text), format, args) < 0)
		text[0] = '\0';
	va_end(args);
	string = json_string(text);
	if (!string) {
		/* Not UTF-8: another's text, or ours cut within a character. */
		for (char *p = text; *p != '\0'; p++) {
			if ((unsigned char)*p >= 0x80)
				*p = '?';
		}
		string = json_string(text);
	}
	return json_pack("{s:b, s:o}", "ok", 0, "error", string);
}
