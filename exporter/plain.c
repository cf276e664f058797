/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "exporter/plain.h"

#include <stdbool.h>
#include <string.h>

/* Part of the text; not terminated. */
struct word {
	const char *data;
	size_t len;
};

static bool is(const struct word *word, const char *text)
{
	return word->len == strlen(text) && memcmp(word->data, text, word->len) == 0;
}

/* The next word of the line, which loses it. */
static struct word take(struct word *line)
{
	struct word word = {line->data, 0};

	while (word.len < line->len && word.data[word.len] != ' ')
		word.len++;
	line->data += word.len;
	line->len -= word.len;
	if (line->len > 0) {
		line->data++;
		line->len--;
	}
	return word;
}

/* What the samples of the family that we are in have behind its name. TYPE comes before HELP. */
static const char *suffix(const struct word *type)
{
	return is(type, "counter") ? "_total" : is(type, "info") ? "_info" : "";
}

static void line_write(FILE *out, struct word line, const char **behind)
{
	const struct word whole = line;
	struct word hash = take(&line), what = take(&line), name = take(&line);
	bool type = is(&what, "TYPE");

	if (is(&hash, "#") && (is(&what, "UNIT") || (is(&what, "EOF") && !name.len)))
		return;
	if (!is(&hash, "#") || (!type && !is(&what, "HELP"))) {
		fprintf(out, "%.*s\n", (int)whole.len, whole.data);
		return;
	}
	if (type)
		*behind = suffix(&line);
	if (type && is(&line, "info"))
		line = (struct word){"gauge", 5};
	fprintf(out, "# %.*s %.*s%s %.*s\n", (int)what.len, what.data, (int)name.len, name.data,
		*behind, (int)line.len, line.data);
}

void plain_write(FILE *out, const char *openmetrics)
{
	const char *behind = "";

	while (*openmetrics) {
		const size_t len = strcspn(openmetrics, "\n");

		line_write(out, (struct word){openmetrics, len}, &behind);
		openmetrics += len + (openmetrics[len] == '\n');
	}
}
