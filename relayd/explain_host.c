/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <linux/neighbour.h>
#include <linux/netfilter.h>

#include "relayd/explain_step.h"

void step_forwarding(struct steps *steps)
{
	const struct explain_path *path = steps->path;
	const struct path_route *route = &path->route.route;
	bool v6 = path->listen.addr.family == AF_INET6;

	if (!path->route.known)
		return;
	if (route->forwards)
		step(steps, "forwarding", OK, NULL, "the kernel forwards what comes in%s%s",
			*route->in ? " by " : "", route->in);
	else
		step(steps, "forwarding", BROKEN_STOPS, NULL,
			"the kernel does not forward what comes in%s%s: 'sysctl -w %s=1'",
			*route->in ? " by " : "", route->in,
			v6 ? "net.ipv6.conf.all.forwarding" : "net.ipv4.ip_forward");
}

static const char *route_trouble(int error)
{
	switch (error) {
	case -ENETUNREACH:
		return "there is no route";
	case -EHOSTUNREACH:
		return "the route says unreachable";
	case -EACCES:
		return "the route says prohibit";
	case -EINVAL:
		return "the route is a black hole";
	case -EXDEV:
		return "the reverse path filter refuses";
	}
	return strerror(-error);
}

static json_t *view_route(const struct path_route *route)
{
	json_t *gateway = json_null();

	if (route->gateway.family)
		gateway = json_string(step_addr(&route->gateway).s);
	return json_pack("{s:s, s:s, s:o, s:I}", "in", route->in, "out", route->out, "gateway",
		gateway, "mtu", (json_int_t)route->mtu);
}

void step_legacy(struct steps *steps)
{
	const struct explain_trace *trace = &steps->path->trace;
	bool left = false;

	for (size_t i = 0; i < trace->count; i++)
		left |= trace->events[i].ours;
	if (steps->path->legacy)
		step(steps, "legacy", left ? OK : UNKNOWN_DOUBTS, NULL,
			"there are tables of iptables-legacy, which only it can read: "
			"'iptables-legacy-save' shows them%s",
			left ? ", and a probe got past them"
			     : "; --trace follows a packet through them");
}

void step_route(struct steps *steps)
{
	const struct explain_path *path = steps->path;
	const struct path_route *route = &path->route.route;
	struct words client = step_endpoint(&path->client), gateway = step_addr(&route->gateway);
	char mark[24] = "";

	if (!path->punched || !path->route.known)
		return;
	if (path->mark)
		snprintf(mark, sizeof mark, " mark 0x%x", path->mark);
	if (route->local)
		step(steps, "route", OK, view_route(route), "%s is on this host", client.s);
	else if (route->error)
		step(steps, "route", BROKEN_STOPS, view_route(route),
			"%s to %s: mend it, 'ip route get %s%s' shows what applies",
			route_trouble(route->error), client.s, step_addr(&path->client.addr).s,
			mark);
	else if (!route->up)
		step(steps, "route", BROKEN_STOPS, view_route(route),
			"%s is reached by %s, which is down or has no carrier: 'ip link set %s up'",
			client.s, route->out, route->out);
	else
		step(steps, "route", OK, view_route(route), "%s is reached by %s%s%s%s%s, mtu %u",
			client.s, route->out, route->gateway.family ? " via " : "",
			route->gateway.family ? gateway.s : "", *mark ? " with" : "", mark,
			route->mtu);
}

void step_neighbour(struct steps *steps)
{
	const struct explain_path *path = steps->path;
	const struct path_route *route = &path->route.route;
	const struct addr *hop = route->gateway.family ? &route->gateway : &path->client.addr;
	struct words next = step_addr(hop);

	if (!path->punched || !path->route.known || route->error || route->local || !route->asks)
		return;
	if (route->neighbour & NUD_FAILED)
		step(steps, "neighbour", BROKEN_STOPS, NULL,
			"%s does not answer on %s: is it up, and is the cable or the network "
			"right?",
			next.s, route->out);
	else if (route->neighbour & NUD_INCOMPLETE)
		step(steps, "neighbour", WAITS_STOPS, NULL,
			"%s is being asked for on %s, and has not answered yet", next.s,
			route->out);
	else if (!route->neighbour)
		step(steps, "neighbour", OK, NULL,
			"%s will be asked for on %s with the first packet", next.s, route->out);
	else
		step(steps, "neighbour", OK, NULL, "%s is known on %s", next.s, route->out);
}

static const char *family_text(uint8_t family)
{
	switch (family) {
	case NFPROTO_IPV4:
		return "ip";
	case NFPROTO_IPV6:
		return "ip6";
	case NFPROTO_INET:
		return "inet";
	case NFPROTO_NETDEV:
		return "netdev";
	case NFPROTO_BRIDGE:
		return "bridge";
	}
	return "?";
}

json_t *explain_chain(enum foreign_way way, uint8_t family, const struct foreign_chain *chain)
{
	return json_pack("{s:s, s:i, s:s, s:s, s:s, s:s, s:s, s:i, s:s, s:s, s:s, s:I, s:s}", "way",
		explain_way_text(way), "family", family == AF_INET6 ? 6 : 4, "table_family",
		family_text(chain->family), "table", chain->table, "chain", chain->chain, "type",
		chain->type, "hook", chain->hook, "priority", (int)chain->priority, "owner",
		foreign_owner_text(chain->owner), "verdict", foreign_verdict_text(chain->verdict),
		"at", chain->at_chain, "handle", (json_int_t)chain->handle, "why", chain->why);
}

/* The kernel itself let a packet go on from here. */
static bool trace_passed(const struct explain_path *path, const struct foreign_chain *chain)
{
	for (size_t i = 0; i < path->trace.count; i++) {
		const struct trace_event *event = &path->trace.events[i];

		if (event->ours ||
			(event->verdict == NF_ACCEPT && !strcmp(event->table, chain->table) &&
				!strcmp(event->chain, chain->chain)))
			return true;
	}
	return false;
}

static void step_chain(struct steps *steps, enum foreign_way way, const struct foreign_chain *chain)
{
	static const char *const whose[EXPLAIN_WAYS] = {
		"the packet", "the client's answer", "the client's punch", "our answer to a punch"};
	const struct explain_path *path = steps->path;
	bool media = way == FOREIGN_MEDIA;
	json_t *detail = explain_chain(way, path->listen.addr.family, chain);
	const char *owner = foreign_owner_text(chain->owner);

	if (chain->owner == FOREIGN_OURS || chain->verdict == FOREIGN_PASSES)
		step(steps, "chain", OK, detail, "%s passes %s %s (%s, %s %d)", whose[way],
			chain->table, chain->chain, owner, chain->hook, (int)chain->priority);
	else if (chain->verdict == FOREIGN_UNKNOWN && media && trace_passed(path, chain))
		step(steps, "chain", OK, detail, "%s passed %s %s (%s, %s %d), as --trace saw",
			whose[way], chain->table, chain->chain, owner, chain->hook,
			(int)chain->priority);
	else if (chain->verdict == FOREIGN_UNKNOWN)
		step(steps, "chain", media ? UNKNOWN_DOUBTS : UNKNOWN, detail,
			"whether %s passes %s %s (%s, %s %d) cannot be told: %s%s%s%s", whose[way],
			chain->table, chain->chain, owner, chain->hook, (int)chain->priority,
			chain->why, *chain->at_chain ? " in " : "", chain->at_chain,
			media && !path->trace.asked ? "; --trace follows a packet through it" : "");
	else
		step(steps, "chain", media ? BROKEN_STOPS : BROKEN, detail,
			"%s %s %s (%s, %s %d) %s: %s%s%s; 'punchctl doctor' prints what mends it",
			chain->table, chain->chain,
			chain->verdict == FOREIGN_DROPS ? "drops" : "takes", owner, chain->hook,
			(int)chain->priority, whose[way], chain->why,
			*chain->at_chain ? " in " : "", chain->at_chain);
}

void step_chains(struct steps *steps, enum foreign_way way, const char *hook)
{
	const struct explain_walk *walk = &steps->path->walks[way];

	for (size_t i = 0; i < walk->count; i++)
		if (!hook || !strcmp(walk->chains[i].hook, hook))
			step_chain(steps, way, &walk->chains[i]);
	if (walk->asked && walk->error && (!hook || !strcmp(hook, "forward")))
		step(steps, "chain", way == FOREIGN_MEDIA ? UNKNOWN_DOUBTS : UNKNOWN, NULL,
			"the rules of others could not be read for %s: %s", explain_way_text(way),
			strerror(-walk->error));
}
