/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/http.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "common/buf.h"

/* A line without its end. */
struct line {
	const char *text;
	size_t len;
};

/* false: there is no whole one. A lone line feed ends one as well (section 2.2). */
static bool line_take(struct buf *in, struct line *out)
{
	const char *at = (const char *)in->data + in->at;
	const char *end = memchr(at, '\n', buf_left(in));

	if (!end)
		return false;
	out->text = at;
	out->len = (size_t)(end - at);
	buf_take(in, out->len + 1);
	if (out->len && at[out->len - 1] == '\r')
		out->len--;
	return true;
}

/* "HTTP/1.1 200 OK", section 4 */
static bool status_read(const struct line *line, unsigned int *out)
{
	static const char version[] = "HTTP/1.";
	const char *digit = line->text + sizeof(version) + 1;

	if (line->len < sizeof(version) + 4 || memcmp(line->text, version, sizeof(version) - 1) ||
		digit[-1] != ' ' || (line->len > sizeof(version) + 4 && digit[3] != ' '))
		return false;
	*out = 0;
	for (int i = 0; i < 3; i++) {
		if (digit[i] < '0' || digit[i] > '9')
			return false;
		*out = *out * 10 + (unsigned int)(digit[i] - '0');
	}
	return *out >= 100 && *out < 600;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The value behind this name and its colon. */
static bool field_is(const struct line *line, const char *name, struct line *value)
{
	size_t len = strlen(name);

	if (line->len <= len || strncasecmp(line->text, name, len) != 0 || line->text[len] != ':')
		return false;
	value->text = line->text + len + 1;
	value->len = line->len - len - 1;
	while (value->len && is_blank(*value->text)) {
		value->text++;
		value->len--;
	}
	while (value->len && is_blank(value->text[value->len - 1]))
		value->len--;
	return true;
}

/* What is longer than HTTP_MAX is too long, whatever it is. */
static bool length_read(const struct line *value, size_t *out)
{
	*out = 0;
	for (size_t i = 0; i < value->len; i++) {
		if (value->text[i] < '0' || value->text[i] > '9' || *out > HTTP_MAX)
			return false;
		*out = *out * 10 + (size_t)(value->text[i] - '0');
	}
	return value->len && *out <= HTTP_MAX;
}

/* The fields up to the empty line; *sized: one says how long the body is. */
static int head_read(struct buf *in, bool *sized, size_t *len)
{
	struct line line, value;

	*sized = false;
	while (line_take(in, &line)) {
		if (line.len == 0)
			return 0;
		if (field_is(&line, "Transfer-Encoding", &value))
			return -EPROTO;
		if (!field_is(&line, "Content-Length", &value))
			continue;
		if (*sized || !length_read(&value, len))
			return -EPROTO;
		*sized = true;
	}
	return -EAGAIN;
}

static int answer_read(struct buf *in, bool ended, struct http_answer *out)
{
	struct line line;
	bool sized;
	size_t len;
	int ret;

	if (!line_take(in, &line))
		return -EAGAIN;
	if (!status_read(&line, &out->status))
		return -EPROTO;
	ret = head_read(in, &sized, &len);
	if (ret < 0)
		return ret;
	if (!sized && !ended)
		return -EAGAIN;
	out->len = sized ? len : buf_left(in);
	out->body = (const char *)buf_take(in, out->len);
	return in->bad ? -EAGAIN : 0;
}

int http_read(const char *data, size_t len, bool ended, struct http_answer *out)
{
	struct buf in;
	int ret;

	buf_init_read(&in, data, len);
	ret = answer_read(&in, ended, out);
	return ret == -EAGAIN && (ended || len >= HTTP_MAX) ? -EPROTO : ret;
}
