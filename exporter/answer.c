/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "exporter/answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exporter/access.h"

static const char *const types[] = {
	[ANSWER_HTML] = "text/html; charset=utf-8",
	[ANSWER_CSS] = "text/css; charset=utf-8",
	[ANSWER_SCRIPT] = "text/javascript; charset=utf-8",
	[ANSWER_JSON] = "application/json",
	[ANSWER_PLAIN] = "text/plain; version=0.0.4; charset=utf-8",
	[ANSWER_OPENMETRICS] = "application/openmetrics-text; version=1.0.0; charset=utf-8",
};

/* The page loads nothing from elsewhere, is in nobody's frame, and is kept nowhere. */
static const struct {
	const char *name, *value;
} headers[] = {
	{"Content-Security-Policy",
		"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
		"img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"},
	{"X-Content-Type-Options", "nosniff"},
	{"Referrer-Policy", "no-referrer"},
	{"Cross-Origin-Resource-Policy", "same-origin"},
	{"Cache-Control", "no-store"},
};

struct answer answer_asset(const void *data, size_t len, enum answer_type type)
{
	return (struct answer){.status = MHD_HTTP_OK, .type = type, .data = data, .len = len};
}

struct answer answer_text(char *text, enum answer_type type)
{
	struct answer answer;

	if (!text)
		return answer_status(MHD_HTTP_INTERNAL_SERVER_ERROR);
	answer = answer_asset(text, strlen(text), type);
	answer.owned = text;
	return answer;
}

struct answer answer_status(unsigned int status)
{
	const char *text = MHD_get_reason_phrase_for(status);
	struct answer answer = answer_asset(text, strlen(text), ANSWER_PLAIN);

	answer.status = status;
	return answer;
}

struct answer answer_redirect(const char *location)
{
	struct answer answer = answer_status(MHD_HTTP_SEE_OTHER);

	answer.location = location;
	return answer;
}

static void add(struct MHD_Response *response, const char *name, const char *value)
{
	if (value)
		MHD_add_response_header(response, name, value);
}

static void add_cookie(struct MHD_Response *response, const struct answer *answer)
{
	char text[TOKEN_COOKIE + 128];

	if (!answer->cookie[0] && !answer->cookie_clear)
		return;
	snprintf(text, sizeof(text),
		ACCESS_COOKIE "=%s; Max-Age=%d; Path=/; HttpOnly; SameSite=Strict%s",
		answer->cookie, answer->cookie_clear ? 0 : TOKEN_COOKIE_S,
		answer->cookie_secure ? "; Secure" : "");
	add(response, MHD_HTTP_HEADER_SET_COOKIE, text);
}

enum MHD_Result answer_send(struct answer *answer, struct MHD_Connection *connection)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(answer->len, (void *)answer->data,
			answer->owned ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
	enum MHD_Result result;

	if (!response)
		return MHD_NO;
	answer->owned = NULL;
	add(response, MHD_HTTP_HEADER_CONTENT_TYPE, types[answer->type]);
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		add(response, headers[i].name, headers[i].value);
	add(response, MHD_HTTP_HEADER_LOCATION, answer->location);
	add(response, MHD_HTTP_HEADER_ALLOW, answer->allow);
	if (answer->status == MHD_HTTP_UNAUTHORIZED)
		add(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
	add_cookie(response, answer);
	result = MHD_queue_response(connection, answer->status, response);
	MHD_destroy_response(response);
	return result;
}

void answer_fini(struct answer *answer)
{
	free(answer->owned);
	answer->owned = NULL;
}
