/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "rules/foreign_words.h"

void words_put(struct words *words, const char *format, ...)
{
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(words->out + words->len, words->size - words->len, format, args);
	va_end(args);
	if (len <= 0)
		return;
	words->len += (size_t)len;
	/* Not all of it fits: dots say so. */
	if (words->len >= words->size) {
		words->len = words->size - 1;
		memcpy(words->out + words->size - 4, "...", 4);
	}
}

static void put_bits(struct words *words, uint32_t bits, const char *const names[], size_t count)
{
	const char *comma = " ";

	for (size_t i = 0; i < count; i++)
		if (bits & 1u << i && names[i]) {
			words_put(words, "%s%s", comma, names[i]);
			comma = ",";
		}
	if (comma[0] == ' ')
		words_put(words, " 0x%x", bits);
}

void words_state(struct words *words, uint32_t bits)
{
	static const char *const names[] = {
		"invalid", "established", "related", "new", NULL, NULL, "untracked"};

	put_bits(words, bits, names, sizeof(names) / sizeof(names[0]));
}

static void put_status(struct words *words, uint32_t bits)
{
	static const char *const names[] = {
		"expected", "seen-reply", "assured", "confirmed", "snat", "dnat"};

	put_bits(words, bits, names, sizeof(names) / sizeof(names[0]));
}

static void put_addr(struct words *words, const uint8_t *data, size_t len, bool v6)
{
	struct addr addr = {.family = v6 ? AF_INET6 : AF_INET};
	char text[ADDR_TEXT];

	memcpy(addr.bytes, data, len);
	words_put(words, " %s", addr_format(&addr, text));
	if (len < addr_size(addr.family))
		words_put(words, "/%zu", 8 * len);
}

static void put_number(struct words *words, const uint8_t *data, size_t len)
{
	uint64_t value = 0;

	for (size_t i = 0; i < len && i < 8; i++)
		value = value << 8 | data[i];
	words_put(words, " %llu", (unsigned long long)value);
}

void words_value(struct words *words, const struct slot *slot, const uint8_t *data, size_t len)
{
	uint32_t number = 0;

	memcpy(&number, data, len < sizeof(number) ? len : sizeof(number));
	switch (slot->form) {
	case FORM_ADDR:
		if (len && len <= 16) {
			put_addr(words, data, len, strstr(slot->label, "ip6") || len > 4);
			return;
		}
		break;
	case FORM_NAME:
		words_put(words, " \"%.*s%s\"", (int)strnlen((const char *)data, len),
			(const char *)data, len < IF_NAMESIZE && !memchr(data, 0, len) ? "*" : "");
		return;
	case FORM_NUMBER:
		put_number(words, data, len);
		return;
	case FORM_TYPE:
		words_put(words, number == 2 ? " local" : " %u", number);
		return;
	case FORM_STATE:
		words_state(words, number);
		return;
	case FORM_STATUS:
		put_status(words, number);
		return;
	case FORM_HEX:
		break;
	}
	words_put(words, " 0x%x", number);
}
