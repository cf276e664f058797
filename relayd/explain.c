/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/explain.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/neighbour.h>
#include <linux/netfilter.h>

#include "relayd/view.h"

#define TEXT 400

/* How a step is. STOPS: broken or waiting, and no packet gets past it. */
enum how { OK, WAITS, WAITS_STOPS, BROKEN, BROKEN_STOPS };

/* The steps so far. */
struct steps {
	const struct explain_path *path;
	json_t *array;
	bool stopped;
	const char *cause; /* what stops it; rather something broken than what waits for it */
	enum how cause_how;
};

const char *explain_state_text(enum explain_state state)
{
	static const char *const texts[] = {"ok", "waiting", "broken"};

	return texts[state];
}

const char *explain_way_text(enum foreign_way way)
{
	static const char *const texts[EXPLAIN_WAYS] = {"media", "reply", "punch", "answer"};

	return texts[way];
}

/* One sentence; detail is taken over and may be NULL: its members become the step's. */
__attribute__((format(printf, 5, 6))) static void step(struct steps *steps, const char *name,
	enum how how, json_t *detail, const char *format, ...)
{
	static const enum explain_state states[] = {
		EXPLAIN_OK, EXPLAIN_WAITING, EXPLAIN_WAITING, EXPLAIN_BROKEN, EXPLAIN_BROKEN};
	bool stops = how == WAITS_STOPS || how == BROKEN_STOPS;
	char text[TEXT];
	json_t *object;
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	object = json_pack("{s:s, s:s, s:b, s:s}", "step", name, "state",
		explain_state_text(states[how]), "stops", stops, "text", text);
	if (detail)
		json_object_update_missing(object, detail);
	json_decref(detail);
	json_array_append_new(steps->array, object);
	steps->stopped |= stops;
	if (stops && (!steps->cause || how > steps->cause_how)) {
		steps->cause = name;
		steps->cause_how = how;
	}
}

struct words {
	char s[ENDPOINT_TEXT];
};

static struct words endpoint_text(const struct endpoint *endpoint)
{
	struct words text;

	endpoint_format(endpoint, text.s);
	return text;
}

static struct words addr_text(const struct addr *addr)
{
	struct words text;

	addr_format(addr, text.s);
	return text;
}

static double seconds(int64_t ms)
{
	return (double)(ms > 0 ? ms : 0) / 1000;
}

static void step_sender(struct steps *steps)
{
	const struct explain_path *path = steps->path;
	struct words to = endpoint_text(&path->public), sender = endpoint_text(&path->sender);
	json_t *detail = json_pack("{s:o}", "sender",
		path->seen || path->given ? view_endpoint(&path->sender) : json_null());

	if (!path->seen && !path->given)
		step(steps, "sender", WAITS, detail,
			"no sender has been seen: start it, and let it send to %s", to.s);
	else if (!path->seen)
		step(steps, "sender", WAITS, detail, "%s has not been seen: let it send to %s",
			sender.s, to.s);
	else if (path->media_ms >= 0 && path->sender_ms >= 0)
		step(steps, "sender", OK, detail,
			"%s sends to %s since %.0f s, media came last %.1f s ago", sender.s, to.s,
			seconds(path->sender_ms), seconds(path->media_ms));
	else
		step(steps, "sender", OK, detail, "%s has sent to %s", sender.s, to.s);
}

static void step_listen(struct steps *steps)
{
	const struct explain_path *path = steps->path;
	struct words listen = endpoint_text(&path->listen);

	if (path->listens)
		step(steps, "listen", OK, NULL, "the kernel takes what is sent to %s", listen.s);
	else
		step(steps, "listen", BROKEN_STOPS, NULL,
			"the kernel has no entry for %s: restart relayd, which makes its table "
			"anew",
			listen.s);
}

static void source_refuses(struct steps *steps)
{
	const struct explain_path *path = steps->path;
	struct words sender = endpoint_text(&path->sender), lock = addr_text(&path->lock);
	char source[PREFIX_TEXT];

	if (path->allowed == SPEC_PREFIX && !prefix_contains(&path->source, &path->sender.addr))
		step(steps, "source", BROKEN_STOPS, NULL,
			"source allows %s, so %s is refused: send from there, or change source",
			prefix_format(&path->source, source), sender.s);
	else if (path->lock.family)
		step(steps, "source", BROKEN_STOPS, NULL,
			"locked to %s, its first sender, since %.0f s, so %s is refused: stop that "
			"one, or release the lock with 'punchctl flush %s'",
			lock.s, seconds(path->lock_ms), sender.s, path->name);
	else if (path->holder.family)
		step(steps, "source", BROKEN_STOPS, NULL,
			"%s sends, and one address at a time may, so %s is refused: stop the "
			"other, "
			"and this one may send two seconds later",
			addr_text(&path->holder).s, sender.s);
	else
		step(steps, "source", BROKEN_STOPS, NULL,
			"the kernel allows %s, so %s is refused: restart relayd, which mends its "
			"table",
			prefix_format(&path->listen_source, source), sender.s);
}

static void step_source(struct steps *steps)
{
	const struct explain_path *path = steps->path;
	const struct prefix *source = &path->listen_source;
	struct words lock = addr_text(&path->lock), sender = endpoint_text(&path->sender);
	char text[PREFIX_TEXT];

	if (!path->listens)
		return;
	if (source->bits && !prefix_contains(source, &path->sender.addr))
		source_refuses(steps);
	else if (path->lock.family)
		step(steps, "source", OK, NULL,
			"locked to %s, its first sender, since %.0f s; 'punchctl flush %s' "
			"releases "
			"the lock",
			lock.s, seconds(path->lock_ms), path->name);
	else if (path->allowed == SPEC_FIRST)
		step(steps, "source", OK, NULL, "not locked: the first sender will have it");
	else if (path->allowed == SPEC_ANY)
		step(steps, "source", OK, NULL, "anybody may send");
	else
		step(steps, "source", OK, NULL, "source allows %s%s%s",
			prefix_format(&path->source, text), path->seen ? ", and so " : "",
			path->seen ? sender.s : "");
}

static json_t *view_entry(const struct path_flow *flow)
{
	json_t *entry = json_pack("{s:[o,o], s:[o,o], s:I, s:I}", "original",
		view_endpoint(&flow->orig_src), view_endpoint(&flow->orig_dst), "reply",
		view_endpoint(&flow->reply_src), view_endpoint(&flow->reply_dst), "mark",
		(json_int_t)flow->mark, "timeout", (json_int_t)flow->timeout);

	json_object_set_new(entry, "packets",
		flow->counts ? json_integer((json_int_t)flow->orig_packets) : json_null());
	json_object_set_new(entry, "answers",
		flow->counts ? json_integer((json_int_t)flow->reply_packets) : json_null());
	return json_pack("{s:o}", "entry", entry);
}

static void step_entry(struct steps *steps, const struct path_flow *flow)
{
	const struct explain_path *path = steps->path;
	/* Of peers either one may have opened the flow. */
	bool answers = endpoint_equal(&flow->reply_src, &path->sender) &&
		       endpoint_equal(&flow->reply_dst, &path->listen);
	const struct endpoint *to = answers ? &flow->orig_src : &flow->reply_src;
	const struct endpoint *as = answers ? &flow->orig_dst : &flow->reply_dst;
	struct words from = endpoint_text(&path->sender);
	char counted[80] = "not counted, as net.netfilter.nf_conntrack_acct is 0";

	if (flow->counts)
		snprintf(counted, sizeof counted, "%llu packets, %llu answers",
			(unsigned long long)flow->orig_packets,
			(unsigned long long)flow->reply_packets);
	if (!endpoint_equal(to, &path->client) || !endpoint_equal(as, &path->egress))
		step(steps, "conntrack", BROKEN_STOPS, view_entry(flow),
			"the flow from %s leads to %s as %s, made by somebody else's rules or "
			"before "
			"relayd: 'conntrack -D -p udp --orig-src %s --orig-port-src %u' ends it",
			from.s, endpoint_text(to).s, endpoint_text(as).s,
			addr_text(&flow->orig_src.addr).s, flow->orig_src.port);
	else
		step(steps, "conntrack", OK, view_entry(flow),
			"the flow from %s leads to %s as %s, mark 0x%x, ends after %u s of "
			"silence, "
			"%s",
			from.s, endpoint_text(to).s, endpoint_text(as).s, flow->mark, flow->timeout,
			counted);
}

static void step_conntrack(struct steps *steps)
{
	const struct explain_path *path = steps->path;
	const struct path_flow *hole = &path->hole.flow;

	if (path->flow.found)
		step_entry(steps, &path->flow.flow);
	else if (path->hole.found && endpoint_equal(&hole->reply_src, &path->client))
		step(steps, "conntrack", path->seen || path->given ? BROKEN_STOPS : OK,
			view_entry(hole),
			"the flow of %s has the client's hole: another sender gets it when that "
			"one "
			"has been silent for two seconds",
			endpoint_text(&hole->orig_src).s);
	else if (path->hole.found)
		step(steps, "conntrack", BROKEN_STOPS, view_entry(hole),
			"an entry from %s to %s occupies the client's hole: 'conntrack -D -p udp "
			"--orig-src %s --orig-port-src %u' ends it",
			endpoint_text(&hole->orig_src).s, endpoint_text(&hole->orig_dst).s,
			addr_text(&hole->orig_src.addr).s, hole->orig_src.port);
	else
		step(steps, "conntrack", WAITS, NULL,
			"there is no entry yet: the next packet that gets through makes it");
}

static void step_ingress(struct steps *steps)
{
	const struct explain_path *path = steps->path;
	struct words client = endpoint_text(&path->client), has = endpoint_text(&path->ingress);

	if (path->ingress.addr.family && endpoint_equal(&path->ingress, &path->client))
		step(steps, "map", OK, NULL, "the kernel sends it to %s", client.s);
	else if (path->ingress.addr.family)
		step(steps, "map", BROKEN_STOPS, NULL,
			"the kernel sends it to %s instead of %s: restart relayd, which mends its "
			"table",
			has.s, path->punched ? client.s : "nobody");
	else if (path->punched)
		step(steps, "map", BROKEN_STOPS, NULL,
			"the kernel has no entry that sends it to %s: the client's next punch, or "
			"a "
			"restart of relayd, makes it",
			client.s);
	else if (path->stale)
		step(steps, "map", WAITS_STOPS, NULL,
			"it is sent nowhere until the client punches again");
	else
		step(steps, "map", WAITS_STOPS, NULL,
			"nobody has punched for it: start 'punchctl punch %s@RELAY' on the client",
			path->name);
}

static void step_consent(struct steps *steps)
{
	const struct explain_path *path = steps->path;
	json_t *detail;

	if (!path->punched && path->stale)
		step(steps, "consent", BROKEN_STOPS, NULL,
			"consent has run out, as the client punched last %.0f s ago: start "
			"'punchctl "
			"punch %s@RELAY' there again, or find out why its punches are lost",
			seconds(path->punched_ms), path->name);
	if (!path->punched)
		return;
	detail = json_pack("{s:f, s:I, s:I}", "consent", seconds(path->consent_ms), "packets",
		(json_int_t)path->packets, "bytes", (json_int_t)path->bytes);
	if (path->consents && path->consent_ms)
		step(steps, "consent", OK, detail,
			"%s may be sent to for another %.1f s; %llu packets so far%s",
			endpoint_text(&path->client).s, seconds(path->consent_ms),
			(unsigned long long)path->packets, path->rate ? ", limited by rate" : "");
	else
		step(steps, "consent", BROKEN_STOPS, detail,
			"consent has run out, so the kernel sends nothing to %s: the client has to "
			"punch again",
			endpoint_text(&path->client).s);
}

static void step_egress(struct steps *steps)
{
	const struct explain_path *path = steps->path;

	if (!path->punched)
		return;
	if (path->egress.addr.family)
		step(steps, "snat", OK, NULL, "it leaves as %s, from where %s expects it",
			endpoint_text(&path->egress).s,
			path->pair ? "the peer" : "the client's NAT");
	else
		step(steps, "snat", BROKEN_STOPS, NULL,
			"the kernel does not know as whom it leaves to %s: the client's next "
			"punch, "
			"or a restart of relayd, mends it",
			endpoint_text(&path->client).s);
}

static void step_forwarding(struct steps *steps)
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
		gateway = json_string(addr_text(&route->gateway).s);
	return json_pack("{s:s, s:s, s:o, s:I}", "in", route->in, "out", route->out, "gateway",
		gateway, "mtu", (json_int_t)route->mtu);
}

static void step_route(struct steps *steps)
{
	const struct explain_path *path = steps->path;
	const struct path_route *route = &path->route.route;
	struct words client = endpoint_text(&path->client), gateway = addr_text(&route->gateway);

	if (!path->punched || !path->route.known)
		return;
	if (route->local)
		step(steps, "route", OK, view_route(route), "%s is on this host", client.s);
	else if (route->error)
		step(steps, "route", BROKEN_STOPS, view_route(route),
			"%s to %s: mend it, 'ip route get %s' shows what applies",
			route_trouble(route->error), client.s, addr_text(&path->client.addr).s);
	else if (!route->up)
		step(steps, "route", BROKEN_STOPS, view_route(route),
			"%s is reached by %s, which is down or has no carrier: 'ip link set %s up'",
			client.s, route->out, route->out);
	else
		step(steps, "route", OK, view_route(route), "%s is reached by %s%s%s, mtu %u",
			client.s, route->out, route->gateway.family ? " via " : "",
			route->gateway.family ? gateway.s : "", route->mtu);
}

static void step_neighbour(struct steps *steps)
{
	const struct explain_path *path = steps->path;
	const struct path_route *route = &path->route.route;
	const struct addr *hop = route->gateway.family ? &route->gateway : &path->client.addr;
	struct words next = addr_text(hop);

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
	else if (chain->verdict == FOREIGN_UNKNOWN)
		step(steps, "chain", OK, detail,
			"what %s %s (%s, %s %d) does is not understood (%s): --trace shows it",
			chain->table, chain->chain, owner, chain->hook, (int)chain->priority,
			chain->why);
	else
		step(steps, "chain", media ? BROKEN_STOPS : BROKEN, detail,
			"%s %s %s (%s, %s %d) %s: %s%s%s; 'punchctl doctor' prints what mends it",
			chain->table, chain->chain,
			chain->verdict == FOREIGN_DROPS ? "drops" : "takes", owner, chain->hook,
			(int)chain->priority, whose[way], chain->why,
			*chain->at_chain ? " in " : "", chain->at_chain);
}

/* The chains of one way, of one hook or (NULL) of all. */
static void step_chains(struct steps *steps, enum foreign_way way, const char *hook)
{
	const struct explain_walk *walk = &steps->path->walks[way];

	for (size_t i = 0; i < walk->count; i++)
		if (!hook || !strcmp(walk->chains[i].hook, hook))
			step_chain(steps, way, &walk->chains[i]);
	if (walk->asked && walk->error && (!hook || !strcmp(hook, "forward")))
		step(steps, "chain", OK, NULL, "the rules of others could not be read for %s: %s",
			explain_way_text(way), strerror(-walk->error));
}

static void step_client(struct steps *steps)
{
	const struct explain_path *path = steps->path;
	struct words client = endpoint_text(&path->client);
	json_t *detail = json_pack("{s:o, s:o, s:I}", "client",
		path->punched ? view_endpoint(&path->client) : json_null(), "punched",
		path->punched ? json_real(seconds(path->punched_ms)) : json_null(), "moves",
		(json_int_t)path->moves);

	if (path->punched)
		step(steps, "client", OK, detail,
			"%s punched last %.1f s ago%s, and has moved %llu times", client.s,
			seconds(path->punched_ms), path->raw ? " without proof" : "",
			(unsigned long long)path->moves);
	else if (path->stale)
		step(steps, "client", BROKEN_STOPS, detail,
			"the client's punches have ceased: start it again, or look why they are "
			"lost");
	else
		step(steps, "client", WAITS_STOPS, detail, "no client has punched yet");
}

static const char *trace_verdict(const struct trace_event *event)
{
	switch (event->verdict) {
	case NF_DROP:
		return "drops it";
	case NF_ACCEPT:
		return event->kind == TRACE_POLICY ? "lets it pass by its policy" : "accepts it";
	case NF_STOLEN:
		return "keeps it";
	case NF_QUEUE:
		return "gives it to a program";
	}
	return NULL;
}

static json_t *view_trace(const struct trace_event *event)
{
	return json_pack("{s:s, s:s, s:I, s:o, s:o, s:b}", "table", event->table, "chain",
		event->chain, "handle", (json_int_t)event->handle, "from",
		view_endpoint(&event->source), "to", view_endpoint(&event->dest), "probe",
		event->probe);
}

static void step_trace(struct steps *steps, const struct trace_event *event)
{
	const char *what = event->probe ? "the probe" : "a packet of the sender";
	const char *verdict = trace_verdict(event);
	char rule[40] = "";

	if (!verdict || !strcmp(event->table, TRACE_TABLE))
		return;
	if (event->handle)
		snprintf(rule, sizeof rule, " (handle %llu)", (unsigned long long)event->handle);
	step(steps, "trace", event->verdict == NF_DROP ? BROKEN_STOPS : OK, view_trace(event),
		"%s came to %s %s, which %s%s", what, event->table, event->chain, verdict, rule);
}

/* What the kernel itself said of a packet. */
static void steps_trace(struct steps *steps)
{
	const struct explain_trace *trace = &steps->path->trace;
	bool left = false;

	if (!trace->asked)
		return;
	if (trace->error == -ENOENT || trace->error == -EACCES)
		step(steps, "trace", WAITS, NULL,
			"no packet came, and a probe needs /dev/net/tun, which %s",
			trace->error == -ENOENT ? "is not there"
						: "relayd's user may not open: 'chmod 666 "
						  "/dev/net/tun'");
	else if (trace->error)
		step(steps, "trace", WAITS, NULL, "no packet could be traced: %s",
			strerror(-trace->error));
	else if (!trace->count)
		step(steps, "trace", WAITS, NULL,
			"no packet could be traced: the kernel told of none");
	for (size_t i = 0; i < trace->count; i++) {
		step_trace(steps, &trace->events[i]);
		left |= trace->events[i].ours;
	}
	if (left)
		step(steps, "trace", OK, NULL, "the probe came to where it would leave the host");
}

/* The steps of peers that are not those of a stream. */
static void steps_pair(struct steps *steps)
{
	const struct explain_path *path = steps->path;
	struct words a = endpoint_text(&path->sender), b = endpoint_text(&path->client);

	if (path->direct)
		step(steps, "pair", OK, NULL, "%s and %s reach each other without the relay", a.s,
			b.s);
	else
		step(steps, "pair", OK, NULL, "%s and %s are a pair, and need the relay", a.s, b.s);
	if (endpoint_equal(&path->ingress, &path->client))
		step(steps, "map", OK, NULL, "the kernel sends what comes from %s on to %s", a.s,
			b.s);
	else
		step(steps, "map", BROKEN_STOPS, NULL,
			"the kernel has no entry from %s to %s: their next hello, or a restart of "
			"relayd, makes it",
			a.s, b.s);
}

json_t *explain_view(const struct explain_path *path, bool *arrives)
{
	struct steps steps = {.path = path, .array = json_array()};
	bool known = path->seen || path->given;

	if (path->pair) {
		steps_pair(&steps);
	} else {
		step_sender(&steps);
		step_listen(&steps);
		step_source(&steps);
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
	steps_trace(&steps);
	step_chains(&steps, FOREIGN_REPLY, NULL);
	step_chains(&steps, FOREIGN_PUNCH, NULL);
	step_chains(&steps, FOREIGN_ANSWER, NULL);
	if (!path->pair)
		step_client(&steps);
	*arrives = !steps.stopped;
	return json_pack("{s:o, s:o, s:o, s:b, s:s?, s:o}", "listen", view_endpoint(&path->public),
		"sender", known ? view_endpoint(&path->sender) : json_null(), "client",
		path->punched ? view_endpoint(&path->client) : json_null(), "arrives", *arrives,
		"cause", steps.cause, "steps", steps.array);
}

void explain_fini(struct explain_path *path)
{
	for (size_t i = 0; i < EXPLAIN_WAYS; i++)
		free(path->walks[i].chains);
	free(path->trace.events);
}
