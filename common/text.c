/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/text.h"

#include <stdlib.h>
#include <string.h>

#define TEXT_MIN 4096

static void put(struct text *text, const char *data, size_t len)
{
	size_t room = text->room ? text->room : TEXT_MIN;
	char *longer;

	while (room - text->len <= len)
		room *= 2;
	if (room != text->room) {
		longer = realloc(text->data, room);
		if (!longer) {
			text->bad = true;
			return;
		}
		text->data = longer;
		text->room = room;
	}
	memcpy(text->data + text->len, data, len);
	text->len += len;
	text->data[text->len] = '\0';
}

void text_put(struct text *text, const char *string)
{
	put(text, string, strlen(string));
}

void text_put_number(struct text *text, uint64_t number)
{
	char digits[20], *at = digits + sizeof(digits);

	do {
		*--at = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	put(text, at, (size_t)(digits + sizeof(digits) - at));
}

void text_put_seconds(struct text *text, int64_t ms)
{
	uint64_t positive = ms > 0 ? (uint64_t)ms : 0;
	const char rest[] = {'.', (char)('0' + positive / 100 % 10),
		(char)('0' + positive / 10 % 10), (char)('0' + positive % 10)};

	text_put_number(text, positive / 1000);
	put(text, rest, sizeof(rest));
}

char *text_take(struct text *text, size_t *len)
{
	char *data = text->data;

	*len = text->len;
	if (text->bad) {
		free(data);
		data = NULL;
	}
	*text = (struct text){0};
	return data;
}
