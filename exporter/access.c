/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "exporter/access.h"

#include <string.h>
#include <strings.h>

#include <microhttpd.h>

#include "common/addr.h"

static const struct row {
	const char *path;
	bool post, open; /* open: to those without the token too */
	enum access_route route;
} rows[] = {
	{"/", false, false, ROUTE_PAGE},
	{"/style.css", false, true, ROUTE_STYLE},
	{"/page.js", false, true, ROUTE_SCRIPT},
	{"/login", false, true, ROUTE_LOGIN},
	{"/login", true, true, ROUTE_ENTER},
	{"/logout", true, true, ROUTE_LEAVE},
	{"/metrics", false, false, ROUTE_METRICS},
	{"/api/state", false, false, ROUTE_STATE},
	{"/api/history", false, false, ROUTE_HISTORY},
	{"/api/explain", false, false, ROUTE_EXPLAIN},
};

static const struct row *find(const char *path, bool post)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].post == post && strcmp(path, rows[i].path) == 0)
			return &rows[i];
	return NULL;
}

/* The row of the request; NULL: *no says why not. */
static const struct row *choose(const struct access_request *request, struct access *no)
{
	const struct row *get = find(request->path, false), *post = find(request->path, true);

	if (get && (!strcmp(request->method, "GET") || !strcmp(request->method, "HEAD")))
		return get;
	if (post && !strcmp(request->method, "POST"))
		return post;
	no->status = get || post ? MHD_HTTP_METHOD_NOT_ALLOWED : MHD_HTTP_NOT_FOUND;
	if (get || post)
		no->allow = !post ? "GET, HEAD" : get ? "GET, HEAD, POST" : "POST";
	return NULL;
}

static bool bearer_valid(const struct token *token, const char *authorization)
{
	static const char scheme[] = "Bearer ";

	if (!authorization || strncasecmp(authorization, scheme, sizeof(scheme) - 1) != 0)
		return false;
	authorization += sizeof(scheme) - 1;
	authorization += strspn(authorization, " ");
	return token_equal(token, authorization, strlen(authorization));
}

/* "192.0.2.1:9478", "[::1]", "localhost:9478" */
static bool host_is_address(const char *host)
{
	static const char local[] = "localhost";
	struct endpoint endpoint;

	if (!host || endpoint_parse(host, 80, &endpoint) == 0)
		return true;
	if (strncasecmp(host, local, sizeof(local) - 1) != 0)
		return false;
	host += sizeof(local) - 1;
	return *host == '\0' || *host == ':';
}

static bool is_trusted(
	const struct token *token, const struct access_request *request, int64_t now_s)
{
	return token_is_set(token) &&
	       (bearer_valid(token, request->authorization) ||
		       (request->cookie && token_cookie_valid(token, request->cookie, now_s)));
}

struct access access_decide(
	const struct token *token, const struct access_request *request, int64_t now_s)
{
	struct access access = {0};
	const struct row *row;

	if (!token_is_set(token) && !host_is_address(request->host)) {
		access.status = MHD_HTTP_MISDIRECTED_REQUEST;
		return access;
	}
	row = choose(request, &access);
	if (!row)
		return access;
	access.route = row->route;
	access.trusted = is_trusted(token, request, now_s);
	if (!row->open && token_is_set(token) && !access.trusted) {
		access.status = MHD_HTTP_UNAUTHORIZED;
		if (row->route == ROUTE_PAGE) {
			access.status = MHD_HTTP_SEE_OTHER;
			access.location = "/login";
		}
	} else if (!token_is_set(token) && strcmp(row->path, "/login") == 0) {
		access.status = MHD_HTTP_SEE_OTHER;
		access.location = "/";
	}
	return access;
}

bool access_wants_openmetrics(const char *accept)
{
	return accept && strstr(accept, "application/openmetrics-text") != NULL;
}
