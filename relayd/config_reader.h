/* SPDX-License-Identifier: GPL-2.0-or-later */
/* config_reader: the options of relayd.conf, each with what it takes. */
#ifndef RELAYD_CONFIG_READER_H
#define RELAYD_CONFIG_READER_H

#include <ifaddrs.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/file.h"
#include "relayd/config.h"
#include "relayd/config_text.h"
#include "relayd/spec.h"

#define CONFIG_READER_OPTIONS 20  /* of one table, at most */
#define CONFIG_READER_ADVICE  320 /* with the names of them all */

struct config_reader;

/* One of the three setters is there. A list is set once for each of its values. */
struct config_option {
	const char *name;
	bool list, secret;
	int (*set)(struct config_reader *reader, const char *text);
	int (*set_text)(struct spec *spec, const char *text, char why[static SPEC_WHY]);
	int (*set_number)(struct spec *spec, long long value, char why[static SPEC_WHY]);
};

/* Both end with an option without a name. */
extern const struct config_option config_reader_options[];
extern const struct config_option config_reader_stream_options[];

struct config_reader {
	const char *path;
	bool peek; /* whosever the files are */
	uid_t uid; /* else, beside root's and ours, this user's */
	gid_t gid;
	char *error; /* CONFIG_ERROR: the first mistake, "" while there is none */
	struct config_text text;
	struct ifaddrs *host;
	struct config *config;		    /* what has been read */
	const struct config_option *option; /* what is being set, on which line */
	int line;
	int seen[CONFIG_READER_OPTIONS]; /* lines of the options, 0: not there */
	int advertise_line[CONFIG_ADDRESSES];
	const void *section; /* the stream that is being read, NULL outside of streams */
	struct spec spec;
	int spec_seen[CONFIG_READER_OPTIONS];
	uint16_t owner[UINT16_MAX + 1]; /* of each port: its stream's index and one, or 0 */
};

/* "FILE:LINE: what", or "FILE: what" for line 0, unless there is a mistake already. -EINVAL. */
__attribute__((format(printf, 3, 4))) int config_reader_error(
	struct config_reader *reader, int line, const char *format, ...);
/* Where the option stands, `seen` being that table's lines, or `otherwise`. */
int config_reader_line(
	const struct config_option *options, const int *seen, const char *name, int otherwise);
/* file_is_foreign(), for whom the file is read. */
bool config_reader_distrusts(const struct config_reader *reader, const struct stat *st,
	const char *path, char why[static FILE_WHY]);
/* Sets reader->option to what the text says. 0, or -EINVAL and the mistake is noted. */
int config_reader_set(struct config_reader *reader, const char *text);
/*
 * What would be right, where libConfuse says in `what` what is wrong, in a stream or outside of
 * one; in out or a constant.
 */
const char *config_reader_advice(
	bool stream, const char *what, char out[static CONFIG_READER_ADVICE]);

#endif
