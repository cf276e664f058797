/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/out.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void out_begin(struct out_table *table, size_t columns, const char *const *heads)
{
	memset(table, 0, sizeof *table);
	table->columns = columns;
	for (size_t i = 0; i < columns; i++)
		out_cell(table, "%s", heads[i]);
}

void out_cell(struct out_table *table, const char *format, ...)
{
	va_list list;

	if (table->rows == table->room) {
		size_t room = table->room ? table->room * 2 : 64;
		void *grown = reallocarray(table->cells, room, sizeof *table->cells);

		if (!grown)
			return; /* the rest is not shown; there is nothing better to do */
		table->cells = grown;
		table->room = room;
	}
	va_start(list, format);
	vsnprintf(table->cells[table->rows], OUT_CELL, format, list);
	va_end(list);
	for (char *at = table->cells[table->rows]; *at; at++)
		if (iscntrl((unsigned char)*at))
			*at = '?';
	table->rows++;
}

/* printf() takes too long for a million cells. */
static void put_padded(const char *cell, size_t width)
{
	static const char blanks[OUT_CELL + 2] = {[0 ... OUT_CELL + 1] = ' '};
	size_t len = strlen(cell);

	fwrite(cell, 1, len, stdout);
	fwrite(blanks, 1, width - len, stdout);
}

void out_end(struct out_table *table)
{
	size_t width[OUT_COLUMNS] = {0};

	for (size_t i = 0; i < table->rows; i++) {
		size_t len = strlen(table->cells[i]);

		if (len > width[i % table->columns])
			width[i % table->columns] = len;
	}
	for (size_t i = 0; i < table->rows; i++) {
		size_t column = i % table->columns;

		if (column + 1 == table->columns)
			puts(table->cells[i]);
		else
			put_padded(table->cells[i], width[column] + 2);
	}
	free(table->cells);
}

void out_json(const json_t *value)
{
	json_dumpf(value, stdout, JSON_COMPACT | JSON_REAL_PRECISION(15));
	putchar('\n');
	fflush(stdout);
}

void out_text(const char *text, int lines)
{
	for (; *text; text++)
		putchar(iscntrl((unsigned char)*text) && !(lines && *text == '\n') ? '?' : *text);
}

void out_print(const char *format, ...)
{
	char *text;
	va_list list;
	int len;

	va_start(list, format);
	len = vasprintf(&text, format, list);
	va_end(list);
	if (len < 0)
		return;
	out_text(text, 1);
	free(text);
}

const char *out_bytes(json_int_t bytes, int rate, char text[static OUT_UNIT])
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
	double value = (double)bytes;
	size_t unit = 0;

	/* Half a unit below the borders, so that rounding does not make "1000 kB". */
	while (value >= 999.5 && unit + 1 < sizeof units / sizeof *units) {
		value /= 1000;
		unit++;
	}
	snprintf(text, OUT_UNIT, unit && value < 99.95 ? "%.1f %s%s" : "%.0f %s%s", value,
		units[unit], rate ? "/s" : "");
	return text;
}

const char *out_member(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text && *text ? text : "-";
}

json_int_t out_number(const json_t *object, const char *name)
{
	return json_integer_value(json_object_get(object, name));
}

const char *out_seconds(const json_t *object, const char *name, char text[static OUT_UNIT])
{
	const json_t *value = json_object_get(object, name);

	if (!json_is_number(value))
		return "-";
	snprintf(text, OUT_UNIT, "%.1f s", json_number_value(value));
	return text;
}
