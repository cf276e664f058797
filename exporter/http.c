/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "exporter/http.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <microhttpd.h>

#include "common/ctl.h"
#include "exporter/access.h"
#include "exporter/answer.h"
#include "exporter/assets.h"
#include "exporter/crowd.h"
#include "exporter/metrics.h"

struct http {
	struct http_setup setup;
	struct MHD_Daemon *daemon;
	uv_poll_t poll;
	uv_timer_t timer;
	struct metrics counts;
	struct crowd crowd;
};

/* One request, from its first header to its answer. */
struct call {
	struct http *http;
	struct MHD_Connection *connection;
	struct access access;
	struct MHD_PostProcessor *form; /* of ROUTE_ENTER, or NULL */
	char token[TOKEN_MAX + 1];
	size_t token_len, body;
	struct answer answer; /* once relayd has answered */
	bool answered;
};

static int64_t http_now(const struct http *http)
{
	return (int64_t)uv_now(http->setup.asker->loop);
}

static const char *header(const struct call *call, const char *name)
{
	return MHD_lookup_connection_value(call->connection, MHD_HEADER_KIND, name);
}

static const char *argument(const struct call *call, const char *name)
{
	return MHD_lookup_connection_value(call->connection, MHD_GET_ARGUMENT_KIND, name);
}

/* The page's own answers about relayd are never HTTP errors: those are of the exporter itself. */
static struct answer answer_error(const char *why)
{
	char *text = NULL;
	json_t *object = ctl_error("%s", why);

	if (object)
		text = json_dumps(object, JSON_COMPACT);
	json_decref(object);
	return answer_text(text, ANSWER_JSON);
}

static struct metrics metrics_now(const struct http *http)
{
	struct metrics metrics = http->counts;
	const union MHD_DaemonInfo *info =
		MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);

	metrics.up = http->setup.state->up;
	metrics.losses = http->setup.state->losses;
	metrics.streams = http->setup.state->history.count;
	metrics.connections = info ? info->num_connections : 0;
	return metrics;
}

static struct answer answer_metrics(const struct call *call, int error, const json_t *reply)
{
	const char *text = json_string_value(json_object_get(reply, "text"));
	bool open = access_wants_openmetrics(header(call, MHD_HTTP_HEADER_ACCEPT));
	struct metrics metrics = metrics_now(call->http);

	metrics.up = !error && text;
	return answer_text(metrics_view(metrics.up ? text : NULL, &metrics, open),
		open ? ANSWER_OPENMETRICS : ANSWER_PLAIN);
}

static void turn(struct http *http);

static void relay_answered(void *data, int error, json_t *reply)
{
	struct call *call = data;

	if (call->access.route == ROUTE_METRICS)
		call->answer = answer_metrics(call, error, reply);
	else if (error)
		call->answer = answer_error(watch_reason(error));
	else
		call->answer = answer_text(json_dumps(reply, JSON_COMPACT), ANSWER_JSON);
	call->answered = true;
	MHD_resume_connection(call->connection);
	turn(call->http); /* without a thread of its own nothing wakes it */
}

static json_t *explain_request(const struct call *call)
{
	const char *name = argument(call, "stream");

	return json_pack("{s:s, s:s, s:o*}", "do", "explain", "name", name ? name : "", "again",
		argument(call, "again") ? json_true() : NULL);
}

/* Explaining must not keep out those who ask for the metrics, nor us. */
static int ask_explain(struct call *call)
{
	struct asker *asker = call->http->setup.asker;
	json_t *request = explain_request(call);

	if (!request)
		return -EINVAL; /* a name that is not UTF-8 */
	if (asker->count >= HTTP_EXPLAINING) {
		json_decref(request);
		return -EBUSY;
	}
	return asker_ask(asker, request, ASKER_MS, relay_answered, call);
}

static enum MHD_Result ask(struct call *call)
{
	struct http *http = call->http;
	int err;

	if (call->access.route == ROUTE_EXPLAIN)
		err = ask_explain(call);
	else
		err = asker_ask(http->setup.asker, json_pack("{s:s}", "do", "metrics"),
			HTTP_METRICS_MS, relay_answered, call);
	if (err) {
		http->counts.busy += err == -EBUSY;
		call->answer = answer_status(
			err == -EINVAL ? MHD_HTTP_BAD_REQUEST : MHD_HTTP_SERVICE_UNAVAILABLE);
		return answer_send(&call->answer, call->connection);
	}
	MHD_suspend_connection(call->connection);
	return MHD_YES;
}

static struct answer answer_enter(const struct call *call)
{
	const struct token *token = call->http->setup.token;
	const char *proto = header(call, "X-Forwarded-Proto");
	struct answer answer;

	if (!token_equal(token, call->token, call->token_len)) {
		call->http->counts.unauthorized++;
		return answer_redirect("/login#wrong");
	}
	answer = answer_redirect("/");
	token_cookie_make(token, (int64_t)time(NULL), answer.cookie);
	answer.cookie_secure = proto && strcmp(proto, "https") == 0;
	return answer;
}

static struct answer answer_leave(void)
{
	struct answer answer = answer_redirect("/login");

	answer.cookie_clear = true;
	return answer;
}

/* Those that need not wait for relayd. */
static struct answer answer_at_once(struct call *call)
{
	const struct http_setup *setup = &call->http->setup;

	switch (call->access.route) {
	case ROUTE_PAGE:
		return answer_asset(asset_index_html, asset_index_html_len, ANSWER_HTML);
	case ROUTE_LOGIN:
		return answer_asset(asset_login_html, asset_login_html_len, ANSWER_HTML);
	case ROUTE_STYLE:
		return answer_asset(asset_style_css, asset_style_css_len, ANSWER_CSS);
	case ROUTE_SCRIPT:
		return answer_asset(asset_page_js, asset_page_js_len, ANSWER_SCRIPT);
	case ROUTE_ENTER:
		return answer_enter(call);
	case ROUTE_LEAVE:
		return answer_leave();
	case ROUTE_STATE:
		watch_look(setup->watch);
		return answer_text(
			state_view(setup->state, token_is_set(setup->token), http_now(call->http)),
			ANSWER_JSON);
	case ROUTE_HISTORY:
		return answer_text(state_view_history(setup->state, argument(call, "stream"),
					   http_now(call->http)),
			ANSWER_JSON);
	case ROUTE_METRICS:
	case ROUTE_EXPLAIN:
		break;
	}
	return answer_status(MHD_HTTP_INTERNAL_SERVER_ERROR);
}

static enum MHD_Result answer(struct call *call)
{
	if (call->access.status) {
		call->answer = answer_status(call->access.status);
		call->answer.location = call->access.location;
		call->answer.allow = call->access.allow;
		return answer_send(&call->answer, call->connection);
	}
	if (!call->answered &&
		(call->access.route == ROUTE_METRICS || call->access.route == ROUTE_EXPLAIN))
		return ask(call);
	if (!call->answered)
		call->answer = answer_at_once(call);
	return answer_send(&call->answer, call->connection);
}

/* A piece of a field. NOLINTNEXTLINE(readability-function-size): libmicrohttpd's parameters */
static enum MHD_Result take_field(void *data, enum MHD_ValueKind kind, const char *key,
	const char *file, const char *type, const char *encoding, const char *value, uint64_t at,
	size_t len)
{
	struct call *call = data;

	(void)kind, (void)file, (void)type, (void)encoding;
	if (strcmp(key, "token") != 0 || at + len > sizeof(call->token))
		return MHD_YES;
	memcpy(call->token + at, value, len);
	call->token_len = at + len;
	return MHD_YES;
}

static struct call *call_begin(
	struct http *http, struct MHD_Connection *connection, const char *method, const char *path)
{
	struct call *call = calloc(1, sizeof(*call));

	if (!call)
		return NULL;
	call->http = http;
	call->connection = connection;
	const struct access_request request = {
		.method = method,
		.path = path,
		.host = header(call, MHD_HTTP_HEADER_HOST),
		.authorization = header(call, MHD_HTTP_HEADER_AUTHORIZATION),
		.cookie = MHD_lookup_connection_value(connection, MHD_COOKIE_KIND, ACCESS_COOKIE),
	};
	call->access = access_decide(http->setup.token, &request, (int64_t)time(NULL));
	http->counts.served++;
	http->counts.unauthorized += call->access.status == MHD_HTTP_UNAUTHORIZED;
	if (call->access.trusted)
		crowd_trust(&http->crowd, connection);
	if (!call->access.status && call->access.route == ROUTE_ENTER)
		call->form = MHD_create_post_processor(connection, 1024, take_field, call);
	return call;
}

/* With headers, pieces of a body, its end. NOLINTNEXTLINE(readability-function-size): as above */
static enum MHD_Result serve(void *data, struct MHD_Connection *connection, const char *path,
	const char *method, const char *version, const char *body, size_t *body_len, void **out)
{
	struct call *call = *out;

	(void)version;
	if (!call) {
		*out = call_begin(data, connection, method, path);
		return *out ? MHD_YES : MHD_NO;
	}
	if (*body_len > 0) {
		call->body += *body_len;
		if (call->body > HTTP_BODY)
			return MHD_NO;
		if (call->form)
			MHD_post_process(call->form, body, *body_len);
		*body_len = 0;
		return MHD_YES;
	}
	return answer(call);
}

static void completed(void *data, struct MHD_Connection *connection, void **out,
	enum MHD_RequestTerminationCode code)
{
	struct call *call = *out;

	(void)data, (void)connection, (void)code;
	if (!call)
		return;
	if (call->form)
		MHD_destroy_post_processor(call->form);
	answer_fini(&call->answer);
	explicit_bzero(call->token, sizeof(call->token));
	free(call);
	*out = NULL;
}

static void turn_timer(uv_timer_t *timer)
{
	turn(timer->data);
}

static void turn_poll(uv_poll_t *poll, int status, int events)
{
	(void)status, (void)events;
	turn(poll->data);
}

static void turn(struct http *http)
{
	unsigned long long wait_ms;

	MHD_run(http->daemon);
	if (MHD_get_timeout(http->daemon, &wait_ms) == MHD_YES)
		uv_timer_start(&http->timer, turn_timer, wait_ms, 0);
	else
		uv_timer_stop(&http->timer);
}

int http_open(const struct http_setup *setup, uv_loop_t *loop, struct http **out)
{
	struct http *http = calloc(1, sizeof(*http));
	const union MHD_DaemonInfo *info;

	if (!http)
		return -ENOMEM;
	http->setup = *setup;
	crowd_init(&http->crowd, HTTP_CONNECTIONS);
	http->daemon = MHD_start_daemon(
		MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_PEDANTIC_CHECKS, 0, NULL, NULL,
		serve, http, MHD_OPTION_LISTEN_SOCKET, setup->fd, MHD_OPTION_CONNECTION_LIMIT,
		HTTP_CONNECTIONS, MHD_OPTION_PER_IP_CONNECTION_LIMIT, HTTP_PER_ADDRESS,
		MHD_OPTION_CONNECTION_TIMEOUT, HTTP_IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)HTTP_MEMORY, MHD_OPTION_NOTIFY_COMPLETED, completed, NULL,
		MHD_OPTION_NOTIFY_CONNECTION, crowd_notify, &http->crowd, MHD_OPTION_END);
	info = http->daemon ? MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
	if (!info) {
		free(http);
		return -EIO;
	}
	uv_poll_init(loop, &http->poll, info->epoll_fd);
	uv_timer_init(loop, &http->timer);
	http->poll.data = http->timer.data = http;
	uv_poll_start(&http->poll, UV_READABLE, turn_poll);
	*out = http;
	return 0;
}

void http_close(struct http *http)
{
	uv_poll_stop(&http->poll);
	uv_close((uv_handle_t *)&http->poll, NULL);
	uv_close((uv_handle_t *)&http->timer, NULL);
}

void http_free(struct http *http)
{
	MHD_stop_daemon(http->daemon);
	free(http);
}
