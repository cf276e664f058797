/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/config_reader.h"

#include <stdio.h>
#include <string.h>

static void options_format(const struct config_option *options, char *out, size_t size)
{
	size_t at = 0;

	for (; options->name && at < size; options++)
		at += (size_t)snprintf(out + at, size - at, "%s%s", at ? ", " : "", options->name);
}

/* The option whose name libConfuse quotes in what it says, or NULL. */
static const char *option_quoted(const struct config_option *options, const char *what)
{
	char quoted[40];

	for (; options->name; options++) {
		snprintf(quoted, sizeof(quoted), "'%s'", options->name);
		if (strstr(what, quoted))
			break;
	}
	return options->name;
}

static const char *unknown_advice(
	bool stream, const char *what, char out[static CONFIG_READER_ADVICE])
{
	const char *name =
		option_quoted(stream ? config_reader_options : config_reader_stream_options, what);
	size_t at;

	if (name && stream)
		return "it belongs outside of the streams";
	if (name) {
		snprintf(out, CONFIG_READER_ADVICE,
			"it belongs into a stream: stream \"NAME\" { %s = ... }", name);
		return out;
	}
	at = (size_t)snprintf(out, CONFIG_READER_ADVICE, "options are ");
	options_format(stream ? config_reader_stream_options : config_reader_options, out + at,
		CONFIG_READER_ADVICE - at);
	if (!stream)
		strncat(out, " and stream \"NAME\" { ... }",
			CONFIG_READER_ADVICE - strlen(out) - 1);
	return out;
}

const char *config_reader_advice(
	bool stream, const char *what, char out[static CONFIG_READER_ADVICE])
{
	static const char *const list[][2] = {
		{"unexpected token '{'", "only address, advertise and discover take a list"},
		{"unexpected token", "write NAME = VALUE, with quotes around a value with signs"},
		{"missing equal sign", "write NAME = VALUE"},
		{"missing title", "write stream \"NAME\" { ... }"},
		{"missing opening brace", "write stream \"NAME\" { ... }"},
		{"found duplicate title", "give each stream a name of its own"},
		{"unexpected closing brace", "nothing is open here, remove it"},
		{"append to non-list", "write = instead of +="},
		{"premature end of file", "write a value behind the last word"},
	};

	if (strstr(what, "no such option"))
		return unknown_advice(stream, what, out);
	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		if (strstr(what, list[i][0]))
			return list[i][1];
	}
	return "see relayd.conf(5)";
}
