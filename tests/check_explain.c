/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One fact at a time is made wrong: explain has to name that step, and say whether media stops. */
#include <errno.h>
#include <string.h>

#include <linux/neighbour.h>
#include <linux/netfilter.h>

#include "relayd/explain.h"
#include "tests/endpoint.h"
#include "tests/suite.h"

static struct explain_path path;
static struct foreign_chain chains[2];
static struct trace_event events[2];

static struct prefix prefix(const char *text)
{
	struct prefix out;

	ck_assert_int_eq(prefix_parse(text, &out), 0);
	return out;
}

/* All is well: media flows. */
static void set_up(void)
{
	memset(&path, 0, sizeof path);
	strcpy(path.name, "cam");
	path.number = 7;
	path.listen = path.public = endpoint("203.0.113.7:9099");
	path.sender = endpoint("198.51.100.175:9099");
	path.seen = true;
	path.sender_ms = 10000;
	path.media_ms = 20;
	path.allowed = SPEC_PREFIX;
	path.source = path.listen_source = prefix("198.51.100.0/24");
	path.client = path.ingress = endpoint("192.0.2.9:40123");
	path.punched = path.listens = path.consents = true;
	path.punch = path.punch_at = path.egress = endpoint("203.0.113.7:3478");
	path.consent_ms = 31200;
	path.punched_ms = 1500;
	path.route.known = path.back.known = true;
	path.route.route = (struct path_route){.in = "eth0",
		.out = "eth0",
		.forwards = true,
		.up = true,
		.gateway = endpoint("203.0.113.1:1").addr,
		.mtu = 1500,
		.asks = true,
		.neighbour = NUD_REACHABLE};
	path.flow.asked = path.flow.found = true;
	path.flow.flow = (struct path_flow){.orig_src = path.sender,
		.orig_dst = path.listen,
		.reply_src = path.client,
		.reply_dst = path.punch,
		.mark = 0x52000007,
		.timeout = 29};
	chains[0] = (struct foreign_chain){.family = 1,
		.table = "relayd",
		.chain = "relayed",
		.type = "filter",
		.hook = "forward",
		.priority = -10,
		.owner = FOREIGN_OURS};
	chains[1] = (struct foreign_chain){.family = 2,
		.table = "filter",
		.chain = "FORWARD",
		.type = "filter",
		.hook = "forward",
		.owner = FOREIGN_UFW,
		.at_chain = "ufw-reject-forward",
		.handle = 12,
		.why = "drop"};
	path.walks[FOREIGN_MEDIA] = (struct explain_walk){true, 0, 2, chains};
}

static json_t *view(enum explain_arrival want)
{
	enum explain_arrival arrival;
	json_t *object = explain_view(&path, &arrival), *arrives = explain_arrival(want);

	ck_assert_ptr_nonnull(object);
	ck_assert_int_eq(arrival, want);
	ck_assert(json_equal(json_object_get(object, "arrives"), arrives));
	json_decref(arrives);
	return object;
}

static const char *member(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "";
}

/* The first step of this name in this state. */
static const json_t *step(const json_t *object, const char *name, const char *state)
{
	const json_t *found;
	size_t i;

	json_array_foreach(json_object_get(object, "steps"), i, found) {
		ck_assert_str_ne(member(found, "text"), "");
		if (!strcmp(member(found, "step"), name) && !strcmp(member(found, "state"), state))
			return found;
	}
	ck_abort_msg("no step %s is %s", name, state);
}

/* Nothing arrives, because of this, and the sentence says so. */
static void stopped(const char *cause, const char *state, const char *part)
{
	json_t *object = view(EXPLAIN_LOST);
	const json_t *found = step(object, cause, state);

	ck_assert_str_eq(member(object, "cause"), cause);
	ck_assert(json_is_true(json_object_get(found, "stops")));
	ck_assert_msg(strstr(member(found, "text"), part) != NULL, "\"%s\" lacks %s",
		member(found, "text"), part);
	json_decref(object);
}

/* This step does not know, and so nobody does. */
static void doubted(const char *cause, const char *part)
{
	json_t *object = view(EXPLAIN_UNSURE);
	const json_t *found = step(object, cause, "unknown");

	ck_assert_str_eq(member(object, "cause"), cause);
	ck_assert(json_is_false(json_object_get(found, "stops")));
	ck_assert_msg(strstr(member(found, "text"), part) != NULL, "\"%s\" lacks %s",
		member(found, "text"), part);
	json_decref(object);
}

/* It arrives, whatever this step says. */
static void flows(const char *name, const char *state, const char *part)
{
	json_t *object = view(EXPLAIN_ARRIVES);
	const json_t *found = step(object, name, state);

	ck_assert(json_is_null(json_object_get(object, "cause")));
	ck_assert(json_is_false(json_object_get(found, "stops")));
	ck_assert_msg(strstr(member(found, "text"), part) != NULL, "\"%s\" lacks %s",
		member(found, "text"), part);
	json_decref(object);
}

START_TEST(all_well)
{
	json_t *object = view(EXPLAIN_ARRIVES);
	const json_t *found;
	size_t i;

	json_array_foreach(json_object_get(object, "steps"), i, found)
		ck_assert_str_eq(member(found, "state"), "ok");
	ck_assert_str_eq(member(object, "sender"), "198.51.100.175:9099");
	ck_assert_str_eq(member(object, "client"), "192.0.2.9:40123");
	json_decref(object);
}
END_TEST

START_TEST(sender_unknown)
{
	path.seen = false;
	path.flow.found = false;
	flows("sender", "waiting", "let it send to 203.0.113.7:9099");
	flows("conntrack", "waiting", "the next packet");
	path.given = true;
	flows("sender", "waiting", "198.51.100.175:9099 has not been seen");
}
END_TEST

START_TEST(listen_missing)
{
	path.listens = false;
	stopped("listen", "broken", "203.0.113.7:9099");
}
END_TEST

START_TEST(source_refuses)
{
	path.sender = endpoint("192.0.2.66:5");
	path.flow.found = false;
	stopped("source", "broken", "source allows 198.51.100.0/24");
	path.source = path.listen_source = prefix("192.0.2.0/24");
	path.holder = endpoint("192.0.2.1:1").addr;
	path.listen_source = prefix("192.0.2.1/32");
	stopped("source", "broken", "192.0.2.1 sends");
	path.holder.family = 0;
	path.allowed = SPEC_FIRST;
	path.lock = endpoint("192.0.2.1:1").addr;
	path.lock_ms = 60000;
	stopped("source", "broken", "since 60 s");
	stopped("source", "broken", "punchctl flush cam");
	path.sender = endpoint("192.0.2.1:5");
	flows("source", "ok", "locked to 192.0.2.1");
}
END_TEST

START_TEST(not_punched)
{
	path.punched = path.consents = false;
	path.ingress.addr.family = path.egress.addr.family = 0;
	path.flow.found = false;
	stopped("map", "waiting", "punchctl punch cam@RELAY");
	path.stale = true;
	stopped("consent", "broken", "has run out");
}
END_TEST

START_TEST(map_wrong)
{
	path.ingress.addr.family = 0;
	stopped("map", "broken", "no entry");
	path.ingress = endpoint("192.0.2.10:1");
	stopped("map", "broken", "instead of 192.0.2.9:40123");
}
END_TEST

START_TEST(consent_over)
{
	path.consent_ms = 0;
	stopped("consent", "broken", "192.0.2.9:40123");
	path.consents = false;
	stopped("consent", "broken", "has run out");
	path.consents = true;
	path.consent_ms = 1;
	path.egress.addr.family = 0;
	path.flow.found = false;
	stopped("snat", "broken", "192.0.2.9:40123");
}
END_TEST

START_TEST(conntrack_elsewhere)
{
	path.flow.flow.reply_src = endpoint("10.1.1.1:9099");
	stopped("conntrack", "broken", "conntrack -D -p udp --orig-src 198.51.100.175");
	path.flow.found = false;
	path.hole.found = true;
	path.hole.flow = path.flow.flow;
	path.hole.flow.reply_src = path.client;
	path.hole.flow.orig_src = endpoint("198.51.100.175:7777");
	stopped("conntrack", "broken", "198.51.100.175:7777");
	path.hole.flow.reply_src = path.punch;
	path.hole.flow.orig_src = path.client;
	stopped("conntrack", "broken", "occupies the client's hole");
}
END_TEST

START_TEST(conntrack_counts)
{
	flows("conntrack", "ok", "nf_conntrack_acct is 0");
	path.flow.flow.counts = true;
	path.flow.flow.orig_packets = 5;
	flows("conntrack", "ok", "5 packets");
	flows("conntrack", "ok", "mark 0x52000007");
}
END_TEST

START_TEST(route_wrong)
{
	static const struct {
		int error;
		const char *part;
	} rows[] = {{-ENETUNREACH, "no route"}, {-EHOSTUNREACH, "unreachable"},
		{-EACCES, "prohibit"}, {-EINVAL, "black hole"}, {-EIO, "Input/output"}};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		path.route.route.error = rows[i].error;
		stopped("route", "broken", rows[i].part);
	}
	path.route.route.error = 0;
	path.route.route.up = false;
	stopped("route", "broken", "ip link set eth0 up");
	path.route.route.up = true;
	path.route.route.forwards = false;
	stopped("forwarding", "broken", "net.ipv4.ip_forward");
	path.listen = endpoint("[2001:db8::7]:9099");
	stopped("forwarding", "broken", "net.ipv6.conf.all.forwarding");
}
END_TEST

START_TEST(neighbour_wrong)
{
	path.route.route.neighbour = NUD_FAILED;
	stopped("neighbour", "broken", "203.0.113.1 does not answer on eth0");
	path.route.route.gateway.family = 0;
	stopped("neighbour", "broken", "192.0.2.9 does not answer");
	path.route.route.neighbour = NUD_INCOMPLETE;
	stopped("neighbour", "waiting", "being asked for");
	path.route.route.neighbour = 0;
	flows("neighbour", "ok", "will be asked for");
}
END_TEST

START_TEST(table_full)
{
	path.full = "the conntrack table is full (9 of 9)";
	flows("conntrack", "ok", "leads to");
	path.flow.found = false;
	stopped("conntrack", "broken", "there is no entry, and the conntrack table is full");
}
END_TEST

START_TEST(route_marked)
{
	path.mark = 5;
	flows("route", "ok", "via 203.0.113.1 with mark 0x5,");
	path.route.route.error = -EINVAL;
	stopped("route", "broken", "'ip route get 192.0.2.9 mark 0x5'");
}
END_TEST

START_TEST(chains_foreign)
{
	chains[1].verdict = FOREIGN_DROPS;
	stopped("chain", "broken", "ufw-reject-forward");
	stopped("chain", "broken", "filter FORWARD drops");
	chains[1].verdict = FOREIGN_CHANGES;
	stopped("chain", "broken", "takes");
	chains[1].verdict = FOREIGN_UNKNOWN;
	doubted("chain", "filter FORWARD (ufw, forward 0) cannot be told: drop in ufw-reject");
	path.route.route.forwards = false;
	stopped("forwarding", "broken", "does not forward");
	path.route.route.forwards = true;
	chains[1].verdict = FOREIGN_DROPS;
	path.walks[FOREIGN_PUNCH] = path.walks[FOREIGN_MEDIA];
	path.walks[FOREIGN_MEDIA].count = 0;
	flows("chain", "broken", "the client's punch");
	chains[1].verdict = FOREIGN_UNKNOWN;
	flows("chain", "unknown", "the client's punch");
	path.walks[FOREIGN_PUNCH].count = 0;
	path.walks[FOREIGN_MEDIA].error = -EPERM;
	doubted("chain", "could not be read");
	path.walks[FOREIGN_MEDIA].error = 0;
	path.legacy = true;
	doubted("legacy", "iptables-legacy-save");
}
END_TEST

/* What the rules do not tell, a packet does. */
START_TEST(trace_settles)
{
	events[0] = (struct trace_event){.kind = TRACE_POLICY,
		.table = "filter",
		.chain = "INPUT",
		.verdict = NF_ACCEPT,
		.probe = true};
	path.trace = (struct explain_trace){true, 0, 1, events};
	chains[1].verdict = FOREIGN_UNKNOWN;
	doubted("chain", "cannot be told");
	strcpy(events[0].chain, "FORWARD");
	flows("chain", "ok", "passes relayd");
	path.legacy = true;
	doubted("legacy", "follows a packet");
	events[0].ours = true;
	flows("legacy", "ok", "got past them");
}
END_TEST

START_TEST(trace_told)
{
	events[0] = (struct trace_event){.kind = TRACE_POLICY,
		.table = "fw",
		.chain = "in",
		.verdict = NF_ACCEPT,
		.probe = true};
	events[1] = (struct trace_event){.kind = TRACE_RULE,
		.table = "fw",
		.chain = "forward",
		.verdict = NF_DROP,
		.handle = 9};
	path.trace = (struct explain_trace){true, 0, 2, events};
	stopped("trace", "broken", "drops it (handle 9)");
	path.trace.count = 1;
	flows("trace", "ok", "the probe came to fw in");
	path.trace.count = 0;
	flows("trace", "waiting", "none");
	path.trace.error = -ENOENT;
	flows("trace", "waiting", "/dev/net/tun");
	path.trace.error = -EBUSY;
	flows("trace", "waiting", "busy");
}
END_TEST

START_TEST(client_told)
{
	json_t *object = view(EXPLAIN_ARRIVES);
	const json_t *found = step(object, "client", "ok");

	ck_assert(json_number_value(json_object_get(found, "punched")) == 1.5);
	json_decref(object);
	path.raw = true;
	path.moves = 3;
	flows("client", "ok", "without proof, and has moved 3 times");
}
END_TEST

START_TEST(peers_told)
{
	path.pair = true;
	flows("pair", "ok", "need the relay");
	/* The other one opened the flow. */
	path.flow.flow = (struct path_flow){.orig_src = path.client,
		.orig_dst = path.punch,
		.reply_src = path.sender,
		.reply_dst = path.listen};
	flows("conntrack", "ok", "from 198.51.100.175:9099 leads to 192.0.2.9:40123");
	path.direct = true;
	flows("pair", "ok", "without the relay");
	path.ingress.addr.family = 0;
	stopped("map", "broken", "198.51.100.175:9099");
}
END_TEST

static Suite *explain_suite(void)
{
	Suite *suite = suite_create("explain");
	TCase *tcase = tcase_create("explain");

	tcase_add_checked_fixture(tcase, set_up, NULL);
	tcase_add_test(tcase, all_well);
	tcase_add_test(tcase, sender_unknown);
	tcase_add_test(tcase, listen_missing);
	tcase_add_test(tcase, source_refuses);
	tcase_add_test(tcase, not_punched);
	tcase_add_test(tcase, map_wrong);
	tcase_add_test(tcase, consent_over);
	tcase_add_test(tcase, conntrack_elsewhere);
	tcase_add_test(tcase, conntrack_counts);
	tcase_add_test(tcase, route_wrong);
	tcase_add_test(tcase, neighbour_wrong);
	tcase_add_test(tcase, table_full);
	tcase_add_test(tcase, route_marked);
	tcase_add_test(tcase, chains_foreign);
	tcase_add_test(tcase, trace_settles);
	tcase_add_test(tcase, trace_told);
	tcase_add_test(tcase, client_told);
	tcase_add_test(tcase, peers_told);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(explain_suite());
}
