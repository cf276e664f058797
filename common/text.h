/* SPDX-License-Identifier: GPL-2.0-or-later */
/* text: a text that grows, for answers that are written faster than by printf(). */
#ifndef COMMON_TEXT_H
#define COMMON_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All zero: empty. What does not find memory is left out, and text_take tells. */
struct text {
	char *data; /* owned */
	size_t len, room;
	bool bad;
};

void text_put(struct text *text, const char *string);
void text_put_number(struct text *text, uint64_t number);
/* "3.250" */
void text_put_seconds(struct text *text, int64_t ms);
/* The text with a zero behind it, for free(), or NULL when memory was short; *text is empty then. */
char *text_take(struct text *text, size_t *len);

#endif
