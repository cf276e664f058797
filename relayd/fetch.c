/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/fetch.h"

#include <errno.h>

static void closed(uv_handle_t *handle)
{
	struct fetch *fetch = handle->data;

	if (--fetch->handles == 0)
		fetch->done(fetch->data, fetch->answer, fetch->answer_len);
}

/* The loop may be closing the handles itself, because the program ends. */
static void end(struct fetch *fetch)
{
	if (uv_is_closing((uv_handle_t *)&fetch->tcp))
		return;
	uv_close((uv_handle_t *)&fetch->tcp, closed);
	uv_close((uv_handle_t *)&fetch->limit, closed);
}

static void late(uv_timer_t *limit)
{
	end(limit->data);
}

static void room(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
	struct fetch *fetch = handle->data;

	(void)suggested;
	*out = uv_buf_init(fetch->answer + fetch->answer_len,
		(unsigned int)(sizeof(fetch->answer) - fetch->answer_len));
}

static void came(uv_stream_t *stream, ssize_t len, const uv_buf_t *into)
{
	struct fetch *fetch = stream->data;
	struct http_answer whole;

	(void)into;
	if (len > 0)
		fetch->answer_len += (size_t)len;
	if (len < 0 || http_read(fetch->answer, fetch->answer_len, false, &whole) != -EAGAIN)
		end(fetch);
}

static void written(uv_write_t *write, int status)
{
	if (status < 0)
		end(write->data);
}

static void connected(uv_connect_t *connect, int status)
{
	struct fetch *fetch = connect->data;
	uv_stream_t *stream = (uv_stream_t *)&fetch->tcp;
	uv_buf_t ask = uv_buf_init(fetch->ask, (unsigned int)fetch->ask_len);

	if (status < 0 || uv_write(&fetch->write, stream, &ask, 1, written) ||
		uv_read_start(stream, room, came))
		end(fetch);
}

void fetch_start(struct fetch *fetch, uv_loop_t *loop, const struct endpoint *to, size_t len)
{
	struct sockaddr_storage sa;

	fetch->ask_len = len;
	fetch->answer_len = 0;
	uv_timer_init(loop, &fetch->limit);
	uv_tcp_init(loop, &fetch->tcp);
	fetch->handles = 2;
	fetch->tcp.data = fetch->limit.data = fetch->connect.data = fetch->write.data = fetch;
	uv_timer_start(&fetch->limit, late, FETCH_MS, 0);
	endpoint_to_sockaddr(to, &sa);
	/* As if nobody was there. */
	if (uv_tcp_connect(&fetch->connect, &fetch->tcp, (struct sockaddr *)&sa, connected))
		end(fetch);
}

bool fetch_busy(const struct fetch *fetch)
{
	return fetch->handles > 0;
}
