/* SPDX-License-Identifier: GPL-2.0-or-later */
/* out: the one writer of what operators read: aligned tables, units, and JSON. */
#ifndef PUNCHCTL_OUT_H
#define PUNCHCTL_OUT_H

#include <stddef.h>

#include <jansson.h>

#define OUT_COLUMNS 8
#define OUT_CELL    72

/* A table that is printed when its columns' widths are known. */
struct out_table {
	size_t columns, rows, room;
	char (*cells)[OUT_CELL]; /* row by row; owned */
};

void out_begin(struct out_table *table, size_t columns, const char *const *heads);
/* The next cell; cut to its size, control characters become '?'. */
__attribute__((format(printf, 2, 3))) void out_cell(
	struct out_table *table, const char *format, ...);
void out_end(struct out_table *table);

/* One line of JSON. */
void out_json(const json_t *value);
/* Text from elsewhere: control characters become '?', but for newlines if lines is set. */
void out_text(const char *text, int lines);

/* printf() for what may hold texts from elsewhere: control characters but newlines become '?'. */
__attribute__((format(printf, 1, 2))) void out_print(const char *format, ...);

#define OUT_UNIT 24
/* "1.5 MB", "640 B"; with "/s" if rate is set. */
const char *out_bytes(json_int_t bytes, int rate, char text[static OUT_UNIT]);
/* A member that is a text, or "-". */
const char *out_member(const json_t *object, const char *name);
json_int_t out_number(const json_t *object, const char *name);
/* "3.2 s", or "-" when it is null. */
const char *out_seconds(const json_t *object, const char *name, char text[static OUT_UNIT]);

#endif
