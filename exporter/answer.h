/* SPDX-License-Identifier: GPL-2.0-or-later */
/* answer: what goes back to an HTTP client: a body, its type, and the headers that keep it safe. */
#ifndef EXPORTER_ANSWER_H
#define EXPORTER_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

#include <microhttpd.h>

#include "exporter/token.h"

enum answer_type {
	ANSWER_HTML,
	ANSWER_CSS,
	ANSWER_SCRIPT,
	ANSWER_JSON,
	ANSWER_PLAIN, /* also Prometheus' older format */
	ANSWER_OPENMETRICS,
};

struct answer {
	unsigned int status;
	enum answer_type type;
	const void *data;
	size_t len;
	char *owned; /* is data then; NULL: data is static */
	const char *location, *allow;
	char cookie[TOKEN_COOKIE]; /* "": none */
	bool cookie_secure;	   /* only over TLS */
	bool cookie_clear;
};

struct answer answer_asset(const void *data, size_t len, enum answer_type type);
/* Takes the text over; NULL: memory was short, which is the answer. */
struct answer answer_text(char *text, enum answer_type type);
/* The status in words. */
struct answer answer_status(unsigned int status);
struct answer answer_redirect(const char *location);
/* The body goes over to the connection. */
enum MHD_Result answer_send(struct answer *answer, struct MHD_Connection *connection);
void answer_fini(struct answer *answer);

#endif
