/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any five texts as method, path, Host, Authorization and cookie: nobody gets what the token guards
 * without it. And any bytes as metrics.
 */
#undef NDEBUG /* the assertions are what is tested */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "exporter/access.h"
#include "exporter/metrics.h"

#define NOW    1800000000
#define FIELDS 5

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_open(enum access_route route)
{
	return route == ROUTE_STYLE || route == ROUTE_SCRIPT || route == ROUTE_LOGIN ||
	       route == ROUTE_ENTER || route == ROUTE_LEAVE;
}

/* Each in memory of its own, so that reading one byte too far is seen. */
static void split(const uint8_t *data, size_t size, char *fields[static FIELDS])
{
	for (size_t i = 0; i < FIELDS; i++) {
		const uint8_t *end = size ? memchr(data, '\n', size) : NULL;
		size_t len = end ? (size_t)(end - data) : size;

		fields[i] = strndup((const char *)data, len);
		assert(fields[i]);
		len += end != NULL;
		data += len;
		size -= len;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct token token = {"correct-horse-battery", 21}, none;
	static const struct metrics counts;
	char *fields[FIELDS], *text;
	struct access access;

	if (size == 0)
		return 0;
	split(data, size, fields);
	const struct access_request request = {
		fields[0], fields[1], fields[2], fields[3], fields[4]};

	access = access_decide(&token, &request, NOW);
	assert(access.status || is_open(access.route) ||
		strstr(request.authorization, token.text) ||
		token_cookie_valid(&token, request.cookie, NOW));
	access_decide(&none, &request, NOW);
	access_wants_openmetrics(request.authorization);
	text = strndup((const char *)data, size);
	assert(text);
	free(metrics_view(text, &counts, false));
	free(text);
	for (size_t i = 0; i < FIELDS; i++)
		free(fields[i]);
	return 0;
}
