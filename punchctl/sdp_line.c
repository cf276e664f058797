/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/sdp_line.h"

struct piece piece_word(struct piece *piece, char delimiter)
{
	struct piece word = *piece;
	const char *end;

	while (word.len > 0 && delimiter == ' ' && *word.p == delimiter)
		word = piece_skip(word, 1);
	end = word.len > 0 ? memchr(word.p, delimiter, word.len) : NULL;
	if (!end) {
		*piece = piece_skip(word, word.len);
		return word;
	}
	*piece = (struct piece){end + 1, word.len - (size_t)(end - word.p) - 1};
	word.len = (size_t)(end - word.p);
	return word;
}

bool piece_number(struct piece piece, uint32_t max, uint32_t *out)
{
	uint64_t value = 0;

	if (piece.len == 0 || piece.len > 10)
		return false;
	for (size_t i = 0; i < piece.len; i++) {
		if (piece.p[i] < '0' || piece.p[i] > '9')
			return false;
		value = value * 10 + (uint64_t)(piece.p[i] - '0');
	}
	*out = (uint32_t)value;
	return value <= max;
}

bool piece_contains(struct piece piece, const char *text)
{
	return piece.len > 0 && memmem(piece.p, piece.len, text, strlen(text));
}

void sdp_lines_init(struct sdp_lines *lines, const char *text, size_t len)
{
	*lines = (struct sdp_lines){.left = {text, len}};
}

/* Spaces at the end belong to nobody: old writers leave them behind port numbers. */
static void line_set(struct sdp_line *line, struct piece whole, const char *next)
{
	while (whole.len > 0 && strchr("\r \t", whole.p[whole.len - 1]) &&
		whole.p[whole.len - 1] != '\0')
		whole.len--;
	line->whole = whole;
	line->value = piece_skip(whole, whole.len < 2 ? whole.len : 2);
	line->end = (struct piece){whole.p + whole.len, (size_t)(next - whole.p) - whole.len};
}

bool sdp_lines_next(struct sdp_lines *lines, struct sdp_line *out)
{
	while (lines->left.len > 0) {
		const char *last = lines->left.p + lines->left.len;
		const char *newline = memchr(lines->left.p, '\n', lines->left.len);
		const char *stop = newline ? newline : last;
		const char *next = newline ? newline + 1 : last;

		line_set(out, (struct piece){lines->left.p, (size_t)(stop - lines->left.p)}, next);
		lines->left = (struct piece){next, (size_t)(last - next)};
		out->number = ++lines->number;
		if (out->whole.len > 0)
			return true;
	}
	return false;
}

bool sdp_line_is_heading(const struct sdp_line *line)
{
	return line->number == 1 && piece_equal(line->whole, "SDP:");
}
