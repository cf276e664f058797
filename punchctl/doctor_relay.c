/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/doctor_relay.h"

#include <stdio.h>
#include <string.h>

#include "punchctl/out.h"

/* The place of a text in a list of words, or the number of words. */
static int word_index(const json_t *object, const char *member, const char *const *words, int count)
{
	const char *text = json_string_value(json_object_get(object, member));
	int at = 0;

	while (at < count && (!text || strcmp(text, words[at])))
		at++;
	return at;
}
#define WORD(object, member, words)                                                                \
	word_index(object, member, words, (int)(sizeof(words) / sizeof(*(words))))

static bool flag(const json_t *object, const char *member)
{
	return json_is_true(json_object_get(object, member));
}

static void name_read(const json_t *object, const char *member, char *out, size_t size)
{
	const char *text = json_string_value(json_object_get(object, member));

	snprintf(out, size, "%s", text && strlen(text) < size && doctor_is_name(text) ? text : "");
}

static uint16_t port_read(const json_t *object, const char *member)
{
	json_int_t value = out_number(object, member);

	return value > 0 && value <= UINT16_MAX ? (uint16_t)value : 0;
}

static bool address_read(const json_t *object, const char *member, struct addr *out)
{
	const char *text = json_string_value(json_object_get(object, member));

	return text && !addr_parse(text, out);
}

static void addresses_read(const json_t *list, struct doctor_relay *relay)
{
	const json_t *object;
	size_t i;

	json_array_foreach(list, i, object) {
		struct doctor_address *address = &relay->addresses[relay->address_count];

		if (relay->address_count == DOCTOR_ADDRESSES ||
			!address_read(object, "local", &address->local))
			continue;
		if (!address_read(object, "public", &address->public))
			address->public = address->local;
		relay->address_count++;
	}
}

static void chain_read(const json_t *object, struct doctor_chain *chain)
{
	static const char *const families[] = {"ip", "ip6", "inet"};
	static const char *const hooks[] = {
		"prerouting", "input", "forward", "output", "postrouting"};
	static const char *const owners[] = {
		"relayd", "ufw", "firewalld", "docker", "iptables", "nftables"};
	static const char *const verdicts[] = {"passes", "drops", "changes"};
	int owner = WORD(object, "owner", owners);

	chain->family = (enum doctor_family)WORD(object, "family", families);
	chain->hook = (enum doctor_hook)WORD(object, "hook", hooks);
	chain->owner = owner > DOCTOR_NFTABLES ? DOCTOR_NFTABLES : (enum doctor_owner)owner;
	chain->verdict = (enum doctor_verdict)WORD(object, "verdict", verdicts);
	chain->priority = (int)out_number(object, "priority");
	name_read(object, "table", chain->table, sizeof chain->table);
	name_read(object, "chain", chain->chain, sizeof chain->chain);
}

static void walk_read(const json_t *walk, struct doctor_relay *relay)
{
	static const char *const ways[] = {"media", "reply", "punch", "answer"};
	static const char *const packets[] = {"ipv4", "ipv6"};
	struct doctor_chain chain = {0};
	int way = WORD(walk, "way", ways), packet = WORD(walk, "family", packets);
	const json_t *object;
	size_t i;

	if (way > DOCTOR_ANSWER || packet > 1)
		return;
	relay->walked = true;
	chain.way = (enum doctor_way)way;
	chain.packet = packet ? AF_INET6 : AF_INET;
	chain.port = port_read(walk, "port") ? port_read(walk, "port") : relay->punch;
	name_read(walk, "in", chain.device, sizeof chain.device);
	json_array_foreach(json_object_get(walk, "chains"), i, object) {
		chain_read(object, &chain);
		if (chain.verdict != DOCTOR_PASSES && relay->chain_count < DOCTOR_CHAINS)
			relay->chains[relay->chain_count++] = chain;
	}
}

static void host_read(const json_t *host, struct doctor_relay *relay)
{
	const json_t *walk;
	size_t i;

	relay->asked = true;
	relay->punch = port_read(host, "punch");
	relay->persist = flag(host, "persist");
	relay->legacy = flag(host, "legacy");
	addresses_read(json_object_get(host, "addresses"), relay);
	json_array_foreach(json_object_get(host, "walks"), i, walk)
		walk_read(walk, relay);
}

static bool is_public(const json_t *port)
{
	static const struct prefix home[] = {
		{{AF_INET, {10}}, 8},
		{{AF_INET, {172, 16}}, 12},
		{{AF_INET, {192, 168}}, 16},
		{{AF_INET, {100, 64}}, 10},
		{{AF_INET6, {0xfc}}, 7},
	};
	const char *text = json_string_value(json_object_get(port, "client"));
	struct endpoint client;

	if (!text || endpoint_parse(text, 0, &client) || !addr_is_routable(&client.addr))
		return false;
	for (size_t i = 0; i < sizeof home / sizeof *home; i++)
		if (prefix_contains(&home[i], &client.addr))
			return false;
	return true;
}

static void streams_read(const json_t *streams, struct doctor_relay *relay)
{
	const json_t *stream, *port;
	size_t i, j;

	json_array_foreach(streams, i, stream) {
		const json_t *ports = json_object_get(stream, "ports");

		relay->streams++;
		relay->raw_punches += out_number(stream, "raw_punch") > 0;
		relay->ports += (long)json_array_size(ports);
		json_array_foreach(ports, j, port)
			relay->public_clients += is_public(port);
	}
}

void doctor_relay_read(const json_t *host, const json_t *list, struct doctor_relay *relay)
{
	memset(relay, 0, sizeof *relay);
	if (host)
		host_read(json_object_get(host, "host"), relay);
	if (list)
		streams_read(json_object_get(list, "streams"), relay);
}
