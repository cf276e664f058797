/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "exporter/metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exporter/plain.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown"
#endif

static const char end[] = "# EOF\n";

static void relay_write(FILE *out, const char *relay)
{
	size_t len = strlen(relay), tail = sizeof(end) - 1;

	if (len >= tail && strcmp(relay + len - tail, end) == 0)
		len -= tail;
	fwrite(relay, 1, len, out);
}

static void own_write(FILE *out, const struct metrics *metrics)
{
	const struct {
		const char *name, *type, *sample, *help;
		uint64_t value;
	} own[] = {
		{"relayd_up", "gauge", "", "1 while relayd answers.", metrics->up},
		{"relayd_losses", "counter", "_total", "Times that relayd ceased to answer.",
			metrics->losses},
		{"relayd_exporter_build", "info", "_info{version=\"" PACKAGE_VERSION "\"}",
			"Which relayd-exporter this is.", 1},
		{"relayd_exporter_served", "counter", "_total", "HTTP requests.", metrics->served},
		{"relayd_exporter_unauthorized", "counter", "_total",
			"Requests without the token, or with a wrong one.", metrics->unauthorized},
		{"relayd_exporter_busy", "counter", "_total",
			"Requests refused because too many waited for relayd.", metrics->busy},
		{"relayd_exporter_connections", "gauge", "", "HTTP connections.",
			metrics->connections},
		{"relayd_exporter_streams", "gauge", "", "Streams whose last hour is remembered.",
			metrics->streams},
	};

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		fprintf(out, "# TYPE %s %s\n# HELP %s %s\n%s%s %" PRIu64 "\n", own[i].name,
			own[i].type, own[i].name, own[i].help, own[i].name, own[i].sample,
			own[i].value);
}

/* The text of the stream, which is closed; NULL when any of it found no memory. */
static char *finish(FILE *out, char **text)
{
	bool bad = ferror(out);

	if (fclose(out) == 0 && !bad)
		return *text;
	free(*text);
	return NULL;
}

char *metrics_view(const char *relay, const struct metrics *metrics, bool openmetrics)
{
	char *text = NULL, *plain = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return NULL;
	if (relay)
		relay_write(out, relay);
	own_write(out, metrics);
	fputs(end, out);
	text = finish(out, &text);
	if (!text || openmetrics)
		return text;
	out = open_memstream(&plain, &len);
	if (out) {
		plain_write(out, text);
		plain = finish(out, &plain);
	}
	free(text);
	return plain;
}
