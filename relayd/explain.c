/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/explain.h"

#include <stdlib.h>

#include "relayd/explain_step.h"
#include "relayd/view.h"

const char *explain_state_text(enum explain_state state)
{
	static const char *const texts[] = {"ok", "waiting", "unknown", "broken"};

	return texts[state];
}

const char *explain_way_text(enum foreign_way way)
{
	static const char *const texts[EXPLAIN_WAYS] = {"media", "reply", "punch", "answer"};

	return texts[way];
}

json_t *explain_arrival(enum explain_arrival arrival)
{
	return arrival == EXPLAIN_UNSURE ? json_null() : json_boolean(arrival == EXPLAIN_ARRIVES);
}

json_t *explain_view(const struct explain_path *path, enum explain_arrival *arrival)
{
	struct steps steps = {.path = path, .array = json_array()};
	bool known = path->seen || path->given;

	if (path->pair) {
		steps_pair(&steps);
	} else {
		step_sender(&steps);
		step_listen(&steps);
		step_source(&steps);
		step_quota(&steps);
		step_ingress(&steps);
	}
	step_consent(&steps);
	step_chains(&steps, FOREIGN_MEDIA, "prerouting");
	step_conntrack(&steps);
	step_forwarding(&steps);
	step_route(&steps);
	step_chains(&steps, FOREIGN_MEDIA, "forward");
	step_egress(&steps);
	step_chains(&steps, FOREIGN_MEDIA, "postrouting");
	step_neighbour(&steps);
	step_legacy(&steps);
	steps_trace(&steps);
	step_chains(&steps, FOREIGN_REPLY, NULL);
	step_chains(&steps, FOREIGN_PUNCH, NULL);
	step_chains(&steps, FOREIGN_ANSWER, NULL);
	if (!path->pair)
		step_client(&steps);
	*arrival = steps.arrival;
	return json_pack("{s:o, s:o, s:o, s:o, s:s?, s:o}", "listen", view_endpoint(&path->public),
		"sender", known ? view_endpoint(&path->sender) : json_null(), "client",
		path->punched ? view_endpoint(&path->client) : json_null(), "arrives",
		explain_arrival(*arrival), "cause", steps.cause, "steps", steps.array);
}

void explain_fini(struct explain_path *path)
{
	for (size_t i = 0; i < EXPLAIN_WAYS; i++)
		free(path->walks[i].chains);
	free(path->trace.events);
}
