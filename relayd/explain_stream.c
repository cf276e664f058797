/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include "relayd/explain_step.h"
#include "relayd/view.h"

void step_sender(struct steps *steps)
{
	const struct explain_path *path = steps->path;
	struct words to = step_endpoint(&path->public), sender = step_endpoint(&path->sender);
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
			step_seconds(path->sender_ms), step_seconds(path->media_ms));
	else
		step(steps, "sender", OK, detail, "%s has sent to %s", sender.s, to.s);
}

void step_listen(struct steps *steps)
{
	const struct explain_path *path = steps->path;
	struct words listen = step_endpoint(&path->listen);

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
	struct words sender = step_endpoint(&path->sender), lock = step_addr(&path->lock);
	char source[PREFIX_TEXT];

	if (path->allowed == SPEC_PREFIX && !prefix_contains(&path->source, &path->sender.addr))
		step(steps, "source", BROKEN_STOPS, NULL,
			"source allows %s, so %s is refused: send from there, or change source",
			prefix_format(&path->source, source), sender.s);
	else if (path->lock.family)
		step(steps, "source", BROKEN_STOPS, NULL,
			"locked to %s, its first sender, since %.0f s, so %s is refused: stop that "
			"one, or release the lock with 'punchctl flush %s'",
			lock.s, step_seconds(path->lock_ms), sender.s, path->name);
	else if (path->holder.family)
		step(steps, "source", BROKEN_STOPS, NULL,
			"%s sends, and one address at a time may, so %s is refused: stop the "
			"other, "
			"and this one may send two seconds later",
			step_addr(&path->holder).s, sender.s);
	else
		step(steps, "source", BROKEN_STOPS, NULL,
			"the kernel allows %s, so %s is refused: restart relayd, which mends its "
			"table",
			prefix_format(&path->listen_source, source), sender.s);
}

void step_source(struct steps *steps)
{
	const struct explain_path *path = steps->path;
	const struct prefix *source = &path->listen_source;
	struct words lock = step_addr(&path->lock), sender = step_endpoint(&path->sender);
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
			lock.s, step_seconds(path->lock_ms), path->name);
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
	struct words from = step_endpoint(&path->sender);
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
			from.s, step_endpoint(to).s, step_endpoint(as).s,
			step_addr(&flow->orig_src.addr).s, flow->orig_src.port);
	else
		step(steps, "conntrack", OK, view_entry(flow),
			"the flow from %s leads to %s as %s, mark 0x%x, ends after %u s of "
			"silence, "
			"%s",
			from.s, step_endpoint(to).s, step_endpoint(as).s, flow->mark, flow->timeout,
			counted);
}

void step_conntrack(struct steps *steps)
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
			step_endpoint(&hole->orig_src).s);
	else if (path->hole.found)
		step(steps, "conntrack", BROKEN_STOPS, view_entry(hole),
			"an entry from %s to %s occupies the client's hole: 'conntrack -D -p udp "
			"--orig-src %s --orig-port-src %u' ends it",
			step_endpoint(&hole->orig_src).s, step_endpoint(&hole->orig_dst).s,
			step_addr(&hole->orig_src.addr).s, hole->orig_src.port);
	else if (path->full)
		step(steps, "conntrack", BROKEN_STOPS, NULL, "there is no entry, and %s",
			path->full);
	else
		step(steps, "conntrack", WAITS, NULL,
			"there is no entry yet: the next packet that gets through makes it");
}

void step_quota(struct steps *steps)
{
	const struct explain_path *path = steps->path;
	unsigned long long used = path->used;

	if (path->spent)
		step(steps, "quota", BROKEN_STOPS, json_pack("{s:I}", "used", (json_int_t)used),
			"the quota of %s is used up (%llu bytes): its next period, or a larger "
			"`quota`, lets it flow again",
			path->quota, used);
	else if (*path->quota)
		step(steps, "quota", OK, json_pack("{s:I}", "used", (json_int_t)used),
			"of the quota of %s %llu bytes are used up", path->quota, used);
}

void step_ingress(struct steps *steps)
{
	const struct explain_path *path = steps->path;
	struct words client = step_endpoint(&path->client), has = step_endpoint(&path->ingress);

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
	else if (path->loop.addr.family)
		step(steps, "map", BROKEN_STOPS, NULL,
			"a loop: what was sent to %s came back here, so its hole was closed: it is "
			"another relay, or sends on what it gets; take it out there, or start "
			"'punchctl punch %s@RELAY' where the stream is to end",
			step_endpoint(&path->loop).s, path->name);
	else if (path->stale)
		step(steps, "map", WAITS_STOPS, NULL,
			"it is sent nowhere until the client punches again");
	else
		step(steps, "map", WAITS_STOPS, NULL,
			"nobody has punched for it: start 'punchctl punch %s@RELAY' on the client",
			path->name);
}

void step_consent(struct steps *steps)
{
	const struct explain_path *path = steps->path;
	json_t *detail;

	if (!path->punched && path->stale)
		step(steps, "consent", BROKEN_STOPS, NULL,
			"consent has run out, as the client punched last %.0f s ago: start "
			"'punchctl "
			"punch %s@RELAY' there again, or find out why its punches are lost",
			step_seconds(path->punched_ms), path->name);
	if (!path->punched)
		return;
	detail = json_pack("{s:f, s:I, s:I}", "consent", step_seconds(path->consent_ms), "packets",
		(json_int_t)path->packets, "bytes", (json_int_t)path->bytes);
	if (path->consents && path->consent_ms)
		step(steps, "consent", OK, detail,
			"%s may be sent to for another %.1f s; %llu packets so far%s",
			step_endpoint(&path->client).s, step_seconds(path->consent_ms),
			(unsigned long long)path->packets, path->rate ? ", limited by rate" : "");
	else
		step(steps, "consent", BROKEN_STOPS, detail,
			"consent has run out, so the kernel sends nothing to %s: the client has to "
			"punch again",
			step_endpoint(&path->client).s);
}

void step_egress(struct steps *steps)
{
	const struct explain_path *path = steps->path;

	if (!path->punched)
		return;
	if (path->egress.addr.family)
		step(steps, "snat", OK, NULL, "it leaves as %s, from where %s expects it",
			step_endpoint(&path->egress).s,
			path->pair ? "the peer" : "the client's NAT");
	else
		step(steps, "snat", BROKEN_STOPS, NULL,
			"the kernel does not know as whom it leaves to %s: the client's next "
			"punch, "
			"or a restart of relayd, mends it",
			step_endpoint(&path->client).s);
}

void step_client(struct steps *steps)
{
	const struct explain_path *path = steps->path;
	struct words client = step_endpoint(&path->client);
	json_t *detail = json_pack("{s:o, s:o, s:I}", "client",
		path->punched ? view_endpoint(&path->client) : json_null(), "punched",
		path->punched ? json_real(step_seconds(path->punched_ms)) : json_null(), "moves",
		(json_int_t)path->moves);

	if (path->punched)
		step(steps, "client", OK, detail,
			"%s punched last %.1f s ago%s, and has moved %llu times", client.s,
			step_seconds(path->punched_ms), path->raw ? " without proof" : "",
			(unsigned long long)path->moves);
	else if (path->stale)
		step(steps, "client", BROKEN_STOPS, detail,
			"the client's punches have ceased: start it again, or look why they are "
			"lost");
	else
		step(steps, "client", WAITS_STOPS, detail, "no client has punched yet");
}

void steps_pair(struct steps *steps)
{
	const struct explain_path *path = steps->path;
	struct words a = step_endpoint(&path->sender), b = step_endpoint(&path->client);

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
