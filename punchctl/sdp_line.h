/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sdp_line: pieces of text, and the lines of a session description. */
#ifndef PUNCHCTL_SDP_LINE_H
#define PUNCHCTL_SDP_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Part of a text that is the caller's. */
struct piece {
	const char *p;
	size_t len;
};

/* For "%.*s" */
#define PIECE(piece) (int)((piece).len < 40 ? (piece).len : 40), (piece).p

/* One line; value is what follows "x=", end the line's end as it was written. */
struct sdp_line {
	unsigned int number;
	struct piece whole, value, end;
};

struct sdp_lines {
	struct piece left;
	unsigned int number;
};

static inline bool piece_equal(struct piece piece, const char *text)
{
	return piece.len == strlen(text) && memcmp(piece.p, text, piece.len) == 0;
}

static inline bool piece_begins(struct piece piece, const char *text)
{
	size_t len = strlen(text);

	return piece.len >= len && memcmp(piece.p, text, len) == 0;
}

static inline struct piece piece_skip(struct piece piece, size_t len)
{
	return (struct piece){piece.p + len, piece.len - len};
}

/* Cuts the next word, up to the delimiter, off the front; empty when there is none. */
struct piece piece_word(struct piece *piece, char delimiter);
/* Decimal digits alone, not above max. */
bool piece_number(struct piece piece, uint32_t max, uint32_t *out);
bool piece_contains(struct piece piece, const char *text);

void sdp_lines_init(struct sdp_lines *lines, const char *text, size_t len);
/* The next line that is not empty, ended by LF, CRLF or the text's end; false: there is none. */
bool sdp_lines_next(struct sdp_lines *lines, struct sdp_line *out);
/* What ffmpeg prints in front of its description. */
bool sdp_line_is_heading(const struct sdp_line *line);

#endif
