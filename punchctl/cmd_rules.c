/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "punchctl/args.h"
#include "punchctl/daemon.h"
#include "punchctl/out.h"

struct ends {
	int family; /* 4 or 6 */
	char host[64], port[8];
};

/* "192.0.2.1:80" and "[2001:db8::1]:80" in two. */
static void split(const char *endpoint, struct ends *ends)
{
	const char *colon = strrchr(endpoint, ':');
	size_t len = colon ? (size_t)(colon - endpoint) : strlen(endpoint);

	ends->family = *endpoint == '[' ? 6 : 4;
	if (*endpoint == '[') {
		endpoint++;
		len -= 2;
	}
	snprintf(ends->host, sizeof ends->host, "%.*s", (int)(len < 63 ? len : 63), endpoint);
	snprintf(ends->port, sizeof ends->port, "%.7s", colon ? colon + 1 : "0");
}

static void nft_map(const char *map, const char *key, const char *value, const char *name)
{
	struct ends from, to;

	split(key, &from);
	split(value, &to);
	out_print("  add element inet relayd %s%d { %s . %s comment \"%s\" : %s . %s }\n", map,
		from.family, from.host, from.port, name, to.host, to.port);
}

/* The entry whose member `key` is the text; NULL: there is none. */
static const json_t *entry_find(const json_t *list, const char *key, const char *text)
{
	const json_t *entry;
	size_t i;

	json_array_foreach(list, i, entry)
		if (!strcmp(out_member(entry, key), text))
			return entry;
	return NULL;
}

/* Without its timeout it would never end, if somebody pasted it. */
static void nft_consent(const char *set, const char *key, const json_t *client, const char *name)
{
	const bool verdict = !strncmp(set, "exact", 5) || !strncmp(set, "any", 3);
	char text[OUT_UNIT];

	out_print("  add element inet relayd %s { %s timeout %lldms comment \"%s\"%s }  "
		  "# %s left, %lld packets\n",
		set, key, (long long)(json_number_value(json_object_get(client, "consent")) * 1000),
		name, verdict ? " : accept" : "", out_seconds(client, "consent", text),
		(long long)out_number(client, "packets"));
}

/* Of media to a port: in which set it stands depends on who may send, and on the rate. */
static void nft_port(const json_t *stream, const json_t *ingress, const char *name)
{
	const json_t *client = entry_find(
		json_object_get(stream, "clients"), "client", out_member(ingress, "client"));
	const json_t *listening = entry_find(
		json_object_get(stream, "listening"), "listen", out_member(ingress, "listen"));
	const char *source = listening ? out_member(listening, "source") : "any";
	const char *rate = client && out_number(client, "rate") ? "_rate" : "";
	const size_t host = strcspn(source, "/");
	char set[32], key[192];
	struct ends at;
	bool any, within;

	if (!client)
		return;
	split(out_member(ingress, "listen"), &at);
	any = !strcmp(source, "any");
	within = !any && strcmp(source + host, at.family == 6 ? "/128" : "/32") != 0;
	snprintf(set, sizeof set, "%s%s%d",
		any	 ? "any"
		: within ? "within"
			 : "exact",
		within ? "" : rate, at.family);
	snprintf(key, sizeof key, "%s . %s%s%.*s", at.host, at.port, any || within ? "" : " . ",
		any || within ? 0 : (int)host, source);
	/* Another element counts and polices then. */
	if ((within || *rate) && out_number(client, "rate"))
		out_print("  add element inet relayd rate%d { %s . %s limit rate %lld bytes/second "
			  "comment \"%s\" }\n",
			at.family, at.host, at.port, (long long)out_number(client, "rate"), name);
	else if (within)
		out_print("  add element inet relayd rate%d { %s . %s comment \"%s\" }\n",
			at.family, at.host, at.port, name);
	nft_consent(set, key, client, name);
}

static void nft_client(const json_t *stream, const json_t *client, const char *name)
{
	struct ends at;
	char set[32], key[96];

	nft_map("egress", out_member(client, "client"), out_member(client, "punch"), name);
	if (entry_find(json_object_get(stream, "ingress"), "client", out_member(client, "client")))
		return;
	split(out_member(client, "client"), &at);
	snprintf(set, sizeof set, "consent%d", at.family);
	snprintf(key, sizeof key, "%s . %s", at.host, at.port);
	nft_consent(set, key, client, name);
}

static const char *bracketed(const struct ends *ends, char *text, size_t size)
{
	snprintf(text, size, ends->family == 6 ? "[%s]:%s" : "%s:%s", ends->host, ends->port);
	return text;
}

/* What one would type without relayd, and forget to remove. */
static void iptables(const char *what, const char *match, const char *target, const char *name)
{
	struct ends from, to;
	char text[80];
	int dnat = !strcmp(what, "DNAT");

	split(match, &from);
	split(target, &to);
	out_print(
		"  ip%stables -t nat -A %s -p udp -d %s --dport %s -m comment --comment relayd:%s "
		"-j %s --to-%s %s\n",
		from.family == 6 ? "6" : "", dnat ? "PREROUTING" : "POSTROUTING", from.host,
		from.port, name, what, dnat ? "destination" : "source",
		bracketed(&to, text, sizeof text));
}

static void nft_peer(const json_t *peer, const char *name)
{
	struct ends client, punch, to;

	split(out_member(peer, "client"), &client);
	split(out_member(peer, "punch"), &punch);
	split(out_member(peer, "peer"), &to);
	out_print(
		"  add element inet relayd peer%d { %s . %s . %s . %s comment \"%s\" : %s . %s }\n",
		client.family, client.host, client.port, punch.host, punch.port, name, to.host,
		to.port);
}

static void iptables_peer(const json_t *peer, const char *name)
{
	struct ends client, punch, to;
	char text[80];

	split(out_member(peer, "client"), &client);
	split(out_member(peer, "punch"), &punch);
	split(out_member(peer, "peer"), &to);
	out_print("  ip%stables -t nat -A PREROUTING -p udp -s %s --sport %s -d %s --dport %s "
		  "-m comment --comment relayd:%s -j DNAT --to-destination %s\n",
		client.family == 6 ? "6" : "", client.host, client.port, punch.host, punch.port,
		name, bracketed(&to, text, sizeof text));
}

static void print_stream(const json_t *stream)
{
	const char *name = out_member(stream, "name");
	const json_t *ingress = json_object_get(stream, "ingress"),
		     *clients = json_object_get(stream, "clients");
	const json_t *flows = json_object_get(stream, "flows"),
		     *peers = json_object_get(stream, "peers"), *entry;
	size_t i;

	out_print("%s, conntrack mark 0x%llx\n as nft has it\n", name,
		(unsigned long long)out_number(stream, "mark"));
	json_array_foreach(ingress, i, entry) {
		nft_map("ingress", out_member(entry, "listen"), out_member(entry, "client"), name);
		nft_port(stream, entry, name);
	}
	json_array_foreach(clients, i, entry)
		nft_client(stream, entry, name);
	json_array_foreach(peers, i, entry)
		nft_peer(entry, name);
	puts(" as iptables would say it");
	json_array_foreach(ingress, i, entry)
		iptables("DNAT", out_member(entry, "listen"), out_member(entry, "client"), name);
	json_array_foreach(clients, i, entry)
		iptables("SNAT", out_member(entry, "client"), out_member(entry, "punch"), name);
	json_array_foreach(peers, i, entry)
		iptables_peer(entry, name);
	puts(" flows");
	json_array_foreach(flows, i, entry)
		out_print("  %s -> %s, forwarded as %s -> %s\n", out_member(entry, "sender"),
			out_member(entry, "listen"), out_member(entry, "punch"),
			out_member(entry, "client"));
}

static int run(const struct cmd_context *context, int argc, char **argv)
{
	const json_t *stream;
	const char *name;
	json_t *reply;
	size_t i;
	int status = args_name(&cmd_rules, argc, argv, 1, &name);

	if (!status)
		status = daemon_ask(context, args_request("rules", name), &reply);
	if (status)
		return status;
	if (context->json)
		out_json(json_object_get(reply, "streams"));
	else
		json_array_foreach(json_object_get(reply, "streams"), i, stream)
			print_stream(stream);
	json_decref(reply);
	return CMD_DONE;
}

const struct cmd cmd_rules = {"rules", "[NAME]",
	"what is in the kernel for it, as nft and iptables would say it", run, NULL};
