/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/doctor_relay.h"

#include <stdio.h>
#include <stdlib.h>
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
			!address_read(object, "address", &address->local))
			continue;
		if (!address_read(object, "advertise", &address->public))
			address->public = address->local;
		address->unseen = flag(object, "unseen");
		name_read(object, "interface", address->device, sizeof address->device);
		relay->address_count++;
	}
}

/* The device of the address that the chain's packet was for. */
static void device_find(
	const struct doctor_relay *relay, const json_t *object, struct doctor_chain *chain)
{
	struct addr addr;

	if (!address_read(object, "address", &addr))
		return;
	for (size_t i = 0; i < relay->address_count; i++)
		if (addr_equal(&relay->addresses[i].local, &addr))
			strcpy(chain->device, relay->addresses[i].device);
}

/* False when it is not to be understood, or lets pass. */
static bool chain_read(
	const struct doctor_relay *relay, const json_t *object, struct doctor_chain *chain)
{
	static const char *const ways[] = {"media", "reply", "punch", "answer"};
	static const char *const families[] = {"ip", "ip6", "inet"};
	static const char *const hooks[] = {
		"prerouting", "input", "forward", "output", "postrouting"};
	static const char *const owners[] = {
		"relayd", "ufw", "firewalld", "docker", "iptables", "nftables"};
	static const char *const verdicts[] = {"passes", "drops", "changes"};
	int way = WORD(object, "way", ways), owner = WORD(object, "owner", owners);

	memset(chain, 0, sizeof *chain);
	chain->way = (enum doctor_way)way;
	chain->packet = out_number(object, "family") == 6 ? AF_INET6 : AF_INET;
	chain->family = (enum doctor_family)WORD(object, "table_family", families);
	chain->hook = (enum doctor_hook)WORD(object, "hook", hooks);
	chain->owner = owner > DOCTOR_NFTABLES ? DOCTOR_NFTABLES : (enum doctor_owner)owner;
	chain->verdict = (enum doctor_verdict)WORD(object, "verdict", verdicts);
	chain->priority = (int)out_number(object, "priority");
	chain->port = relay->punch;
	name_read(object, "table", chain->table, sizeof chain->table);
	name_read(object, "chain", chain->chain, sizeof chain->chain);
	device_find(relay, object, chain);
	return way <= DOCTOR_ANSWER && chain->owner != DOCTOR_OURS &&
	       chain->verdict != DOCTOR_PASSES;
}

/* For people, and in no command. */
static void seen_read(const json_t *troubles, struct doctor_relay *relay)
{
	const json_t *object;
	size_t i;

	json_array_foreach(troubles, i, object)
		if (!strcmp(out_member(object, "trouble"), "advertise"))
			snprintf(relay->seen, sizeof relay->seen, "%s", out_member(object, "text"));
}

static void host_read(const json_t *host, struct doctor_relay *relay)
{
	const json_t *features = json_object_get(host, "features"), *object;
	const char *unread = json_string_value(json_object_get(host, "unread"));
	size_t i;

	relay->asked = true;
	relay->punch = port_read(host, "punch");
	relay->persist = flag(features, "persist");
	relay->legacy = flag(host, "legacy");
	relay->walked = unread && !*unread;
	addresses_read(json_object_get(host, "addresses"), relay);
	seen_read(json_object_get(host, "troubles"), relay);
	json_array_foreach(json_object_get(host, "chains"), i, object)
		if (relay->chain_count < DOCTOR_CHAINS &&
			chain_read(relay, object, &relay->chains[relay->chain_count]))
			relay->chain_count++;
}

static bool is_public(const json_t *port)
{
	const char *text = json_string_value(json_object_get(port, "client"));
	struct endpoint client;

	return text && !endpoint_parse(text, 0, &client) && addr_is_routable(&client.addr) &&
	       !addr_is_private(&client.addr);
}

void doctor_relay_stream(const json_t *stream, struct doctor_relay *relay)
{
	const json_t *ports = json_object_get(stream, "ports"), *port;
	size_t i;

	relay->streams++;
	relay->raw_punches += out_number(stream, "raw_punch") > 0;
	relay->ports += (long)json_array_size(ports);
	json_array_foreach(ports, i, port)
		relay->public_clients += is_public(port);
}

/* The number behind NAME{trouble="WORD"} in OpenMetrics text, or 0. */
static long metric(const char *text, const char *name, const char *word)
{
	char label[96];
	const char *at;
	long value;

	snprintf(label, sizeof label, "\n%s{trouble=\"%s\"} ", name, word);
	at = strstr(text, label);
	if (!at)
		return 0;
	value = strtol(at + strlen(label), NULL, 10);
	return value > 0 ? value : 0;
}

static void troubles_read(const json_t *metrics, struct doctor_relay *relay)
{
	static const char *const words[DOCTOR_TROUBLES] = {
		[DOCTOR_FLOWS_FULL] = "conntrack_full",
		[DOCTOR_SET_FULL] = "set_full",
		[DOCTOR_NO_DESCRIPTORS] = "no_descriptors",
		[DOCTOR_DATABASE] = "database",
		[DOCTOR_NETLINK_BUFFER] = "netlink_buffer",
		[DOCTOR_CLOCK_SET] = "clock_set",
		[DOCTOR_NO_MEMORY] = "kernel_memory",
	};
	const char *text = json_string_value(json_object_get(metrics, "text"));

	for (int i = 0; text && i < DOCTOR_TROUBLES; i++) {
		relay->now[i] = metric(text, "relayd_trouble", words[i]) > 0;
		relay->met[i] = metric(text, "relayd_troubles_total", words[i]);
	}
}

void doctor_relay_read(const struct doctor_answers *answers, struct doctor_relay *relay)
{
	memset(relay, 0, sizeof *relay);
	if (answers->host)
		host_read(answers->host, relay);
	if (answers->metrics)
		troubles_read(answers->metrics, relay);
}
