/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "exporter/crowd.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>

struct guest {
	TAILQ_ENTRY(guest) link;
	struct MHD_Connection *connection;
	bool stranger; /* in the list */
};

void crowd_init(struct crowd *crowd, size_t room)
{
	*crowd = (struct crowd){.room = room};
	TAILQ_INIT(&crowd->strangers);
}

static void guest_forget(struct crowd *crowd, struct guest *guest)
{
	if (guest->stranger)
		TAILQ_REMOVE(&crowd->strangers, guest, link);
	guest->stranger = false;
}

/* Its connection is closed as soon as libmicrohttpd looks at it. */
static void guest_dismiss(struct crowd *crowd, struct guest *guest)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(guest->connection, MHD_CONNECTION_INFO_CONNECTION_FD);

	guest_forget(crowd, guest);
	if (info)
		shutdown(info->connect_fd, SHUT_RDWR);
}

static void guest_begin(struct crowd *crowd, struct MHD_Connection *connection, void **out)
{
	struct guest *guest = calloc(1, sizeof(*guest));
	struct guest *oldest = TAILQ_FIRST(&crowd->strangers);

	crowd->count++;
	if (oldest && crowd->count >= crowd->room)
		guest_dismiss(crowd, oldest);
	*out = guest;
	if (!guest)
		return; /* it is served, and stays */
	guest->connection = connection;
	guest->stranger = true;
	TAILQ_INSERT_TAIL(&crowd->strangers, guest, link);
}

void crowd_notify(void *data, struct MHD_Connection *connection, void **guest,
	enum MHD_ConnectionNotificationCode code)
{
	struct crowd *crowd = data;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		guest_begin(crowd, connection, guest);
		return;
	}
	crowd->count--;
	if (*guest)
		guest_forget(crowd, *guest);
	free(*guest);
	*guest = NULL;
}

void crowd_trust(struct crowd *crowd, struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	if (info && info->socket_context)
		guest_forget(crowd, info->socket_context);
}
