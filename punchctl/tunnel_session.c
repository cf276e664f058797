/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/tunnel_state.h"

#include <stdlib.h>
#include <unistd.h>

#include "punchctl/escape.h"

struct session *tunnel_session_open(struct tunnel *tunnel)
{
	struct session *session = calloc(1, sizeof(*session));

	if (!session)
		return NULL;
	session->tunnel = tunnel;
	session->number = ++tunnel->session_number;
	session->inner = -1;
	session->used_ms = tunnel_now(tunnel);
	TAILQ_INSERT_TAIL(&tunnel->sessions, session, entry);
	tunnel->session_count++;
	return session;
}

void tunnel_session_attach(struct session *session, struct carrier *carrier)
{
	struct tell tell;

	session->carrier = carrier;
	carrier->owner = session;
	tell = tunnel_tell(session->tunnel, carrier);
	tell_lane(&tell, &carrier->pairing);
}

struct carrier *tunnel_session_release(struct session *session)
{
	struct carrier *carrier = session->carrier;

	if (!carrier)
		return NULL;
	session->used_ms = tunnel_session_used_ms(session);
	session->inward += carrier->inward;
	session->outward += carrier->outward;
	carrier->inward = carrier->outward = 0;
	carrier->sink.fd = -1;
	carrier->owner = NULL;
	session->carrier = NULL;
	return carrier;
}

void tunnel_session_detach(struct session *session)
{
	struct carrier *carrier = tunnel_session_release(session);

	if (carrier)
		tunnel_carrier_close(session->tunnel, carrier);
}

static void session_freed(uv_handle_t *handle)
{
	free(handle->data);
}

void tunnel_session_close(struct session *session, const char *reason)
{
	struct tunnel *tunnel = session->tunnel;
	struct tell tell = tunnel_tell(tunnel, session->carrier);

	tell.session = session->number;
	tunnel_session_detach(session);
	tell_closed(&tell, reason, session->inward, session->outward);
	TAILQ_REMOVE(&tunnel->sessions, session, entry);
	tunnel->session_count--;
	free(session->queue);
	if (session->inner < 0) {
		source_remove(&tunnel->sources, &session->source);
		free(session);
		return;
	}
	uv_close((uv_handle_t *)&session->poll, session_freed);
	close(session->inner);
	session->inner = -1;
}

int64_t tunnel_session_used_ms(const struct session *session)
{
	int64_t used = session->carrier ? lane_used_ms(session->carrier->lane) : 0;

	return used > session->used_ms ? used : session->used_ms;
}

void tunnel_stage_data(struct session *session, unsigned int at, uint8_t *data, size_t len)
{
	struct volley *volley = &session->tunnel->volley;

	volley_put(volley, at, data, len);
	/* A program whose socket is shared gets what we send, and knows of no mark. */
	if (!lane_is_pinned(session->carrier->lane) && escape_is_needed(data, len))
		volley_put_behind(volley, at, escape_marker, ESCAPE_LEN);
}

bool tunnel_stage(struct session *session, unsigned int i, unsigned int at)
{
	struct tunnel *tunnel = session->tunnel;
	struct volley *volley = &tunnel->volley;

	if (!volley_is_whole(volley, i)) {
		tunnel->counters.loss.oversized++;
		return false;
	}
	tunnel_stage_data(session, at, volley->data[i], volley_len(volley, i));
	return true;
}
