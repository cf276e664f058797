/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/tunnel_state.h"

static enum status_path session_path(const struct tunnel *tunnel, const struct session *session)
{
	const struct carrier *carrier = session->carrier;

	if (!carrier || !carrier->paired)
		return STATUS_LOST;
	if (lane_is_direct(carrier->lane))
		return STATUS_DIRECT;
	if (carrier->silent)
		return STATUS_LOST;
	if (carrier->fallen && !tunnel->relayed)
		return STATUS_BACK;
	return lane_is_searching(carrier->lane) ? STATUS_SEARCHING : STATUS_RELAYED;
}

/* One route that works is enough. */
static bool relay_is_silent(const struct tunnel *tunnel)
{
	for (unsigned int i = 0; i < tunnel->route_count; i++) {
		if (!tunnel->routes[i].silent && !tunnel->routes[i].failed)
			return false;
	}
	return true;
}

void tunnel_show(struct tunnel *tunnel)
{
	const struct tunnel_config *config = tunnel->config;
	struct status_peers status = {
		.stream = config->target->name,
		.role = config->role,
		.relay = config->target->relays[tunnel->routes[0].index],
		.local = config->local,
		.proven = tunnel->proven,
		.silent = relay_is_silent(tunnel),
		.ready = tunnel->best >= 0,
		.shared = config->share,
		.lasting = tunnel->progress.unit,
		.in = tunnel->in,
		.out = tunnel->out,
	};
	const struct session *session;
	char text[STATUS_TEXT];

	if (!progress_is_seen(&tunnel->progress))
		return;
	if (config->share && tunnel->twin.fd < 0)
		status.unshared = config->local.port;
	TAILQ_FOREACH(session, &tunnel->sessions, entry)
		status.paths[session_path(tunnel, session)]++;
	progress_show(&tunnel->progress, status_peers_words(&status, text));
}
