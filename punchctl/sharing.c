/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/sharing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "punchctl/share.h"
#include "punchctl/watch.h"

struct sharing {
	struct sharing_config config;
	uv_timer_t timer;
	int notice_fd;
	struct watch *notice;
	struct ports ports;
	struct share shares[PORTS_MAX];
	char said[PORTS_MAX][SHARE_WHY];
};

static void share_tell(struct sharing *sharing, unsigned int lane, bool found)
{
	struct share *share = &sharing->shares[lane];
	struct sharing_twin twin = {.fd = share->twin, .why = share->why};

	if (!found && strcmp(sharing->said[lane], share->why) == 0)
		return;
	memcpy(sharing->said[lane], share->why, sizeof(share->why));
	twin.remote_len = share_sockaddr(share, &share->remote, &twin.remote);
	sharing->config.changed(sharing->config.arg, lane, &twin);
}

/* Returns milliseconds until the next time. */
static uint64_t shares_check(struct sharing *sharing)
{
	uint64_t next = SHARING_WATCH_MS;

	for (unsigned int i = 0; i < sharing->ports.count; i++) {
		enum share_state state = share_check(&sharing->shares[i]);

		share_tell(sharing, i, state == SHARE_FOUND);
		if (sharing->shares[i].workers == 0)
			next = SHARING_WAIT_MS;
	}
	return next;
}

static void on_timer(uv_timer_t *timer);

static void sharing_check(struct sharing *sharing)
{
	uint64_t next = shares_check(sharing);

	if (!uv_is_closing((uv_handle_t *)&sharing->timer))
		uv_timer_start(&sharing->timer, on_timer, next, 0);
}

static void on_timer(uv_timer_t *timer)
{
	sharing_check(timer->data);
}

static void on_notice(uv_poll_t *poll, int status, int events)
{
	struct watch *watch = poll->data;
	struct sharing *sharing = watch->data;

	(void)status;
	(void)events;
	if (share_noticed(sharing->notice_fd, &sharing->ports))
		sharing_check(sharing);
}

static void notice_open(struct sharing *sharing)
{
	int ret;

	sharing->notice_fd = ret = share_notice();
	if (ret >= 0)
		ret = watch_open(sharing->config.loop, sharing->notice_fd, on_notice, sharing,
			&sharing->notice);
	if (ret < 0)
		log_debug("no notice of closed sockets: %s", strerror(-ret));
}

int sharing_open(const struct sharing_config *config, struct sharing **out)
{
	struct sharing *sharing = calloc(1, sizeof(*sharing));

	if (!sharing)
		return -ENOMEM;
	sharing->config = *config;
	for (unsigned int i = 0; i < config->count && i < PORTS_MAX; i++) {
		sharing->ports.port[sharing->ports.count++] = config->ports[i];
		share_init(&sharing->shares[i], config->ports[i], &config->remote);
	}
	notice_open(sharing);
	uv_timer_init(config->loop, &sharing->timer);
	sharing->timer.data = sharing;
	uv_timer_start(&sharing->timer, on_timer, 0, 0);
	*out = sharing;
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void sharing_close(struct sharing *sharing)
{
	if (!sharing)
		return;
	watch_close(&sharing->notice);
	if (sharing->notice_fd >= 0)
		close(sharing->notice_fd);
	for (unsigned int i = 0; i < sharing->ports.count; i++)
		share_fini(&sharing->shares[i]);
	uv_close((uv_handle_t *)&sharing->timer, on_closed);
}
