/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ctl: the control protocol's framing: one JSON object a line, in both directions. */
#ifndef COMMON_CTL_H
#define COMMON_CTL_H

#include <stddef.h>

#include <jansson.h>

#define CTL_LINE_MAX  (64 * 1024)	 /* of a request */
#define CTL_REPLY_MAX (64 * 1024 * 1024) /* of a reply: `list` of 100,000 streams */

/* Collects bytes until a line is whole. */
struct ctl_reader {
	char *data;
	size_t len;  /* bytes held */
	size_t at;   /* the first byte not yet handed out */
	size_t line; /* where the line begins that is not whole yet */
	size_t size; /* bytes allocated */
	size_t max;  /* a longer line is an error */
};

void ctl_reader_init(struct ctl_reader *reader, size_t max);
void ctl_reader_fini(struct ctl_reader *reader);
/* Takes a copy of the bytes; -EMSGSIZE when a line is longer than max, -ENOMEM. */
int ctl_reader_feed(struct ctl_reader *reader, const void *data, size_t len);
/*
 * The next object, owned by the caller: 0 and *out; -EAGAIN: no whole line yet; -EINVAL: the line
 * is not a JSON object (text says where), and has been skipped.
 */
int ctl_reader_next(struct ctl_reader *reader, json_t **out, char *text, size_t text_size);

/* The object as one line with its newline, for free(); NULL when memory is short. */
char *ctl_format(const json_t *object, size_t *len);

/* {"ok":false,"error":"..."} */
__attribute__((format(printf, 1, 2))) json_t *ctl_error(const char *format, ...);

#endif
