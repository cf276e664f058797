/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/watch.h"

#include <errno.h>
#include <stdlib.h>

static void on_freed(uv_handle_t *handle)
{
	free(handle->data);
}

void watch_close(struct watch **watch)
{
	if (*watch)
		uv_close((uv_handle_t *)&(*watch)->poll, on_freed);
	*watch = NULL;
}

int watch_open(uv_loop_t *loop, int fd, uv_poll_cb cb, void *data, struct watch **out)
{
	struct watch *watch = calloc(1, sizeof(*watch));
	int ret;

	if (!watch)
		return -ENOMEM;
	watch->data = data;
	ret = uv_poll_init(loop, &watch->poll, fd);
	if (ret < 0) {
		free(watch);
		return ret;
	}
	watch->poll.data = watch;
	ret = uv_poll_start(&watch->poll, UV_READABLE, cb);
	if (ret < 0)
		watch_close(&watch);
	else
		*out = watch;
	return ret;
}
