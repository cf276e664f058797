/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <time.h>

#include "punchctl/args.h"
#include "punchctl/daemon.h"
#include "punchctl/out.h"

static void show_ports(const json_t *ports)
{
	static const char *const heads[] = {
		"LISTEN", "STATE", "SENDER", "CLIENT", "CONSENT", "PACKETS", "RATE", "IDLE"};
	struct out_table table;
	const json_t *port;
	char text[OUT_UNIT];
	size_t i;

	out_begin(&table, sizeof heads / sizeof *heads, heads);
	json_array_foreach(ports, i, port) {
		out_cell(&table, "%s", out_member(port, "listen"));
		out_cell(&table, "%s", out_member(port, "state"));
		out_cell(&table, "%s", out_member(port, "sender"));
		out_cell(&table, "%s", out_member(port, "client"));
		out_cell(&table, "%s", out_seconds(port, "consent", text));
		out_cell(&table, "%lld", (long long)out_number(port, "packets"));
		out_cell(&table, "%s", out_bytes(out_number(port, "rate"), 1, text));
		out_cell(&table, "%s", out_seconds(port, "idle", text));
	}
	out_end(&table);
}

static void show(const json_t *stream)
{
	const json_t *relayed = json_object_get(stream, "relayed");
	time_t expires = (time_t)out_number(stream, "expires");
	char text[OUT_UNIT];

	out_print("%s is %s\n", out_member(stream, "name"), out_member(stream, "state"));
	if (json_array_size(json_object_get(stream, "ports")))
		out_print("  ports %s, from %s, clients %s\n", out_member(stream, "listen"),
			out_member(stream, "source"), out_member(stream, "clients"));
	if (out_number(stream, "peers"))
		out_print("  peers, at most %lld pairs at once, clients %s\n",
			(long long)out_number(stream, "peers"), out_member(stream, "clients"));
	if (out_number(stream, "peers"))
		out_print("  %zu pairs, %lld services wait, %lld hellos turned away\n",
			json_array_size(json_object_get(stream, "pairs")),
			(long long)out_number(stream, "offers"),
			(long long)out_number(stream, "turned_away"));
	if (out_number(stream, "peers"))
		out_print("  %lld packets relayed, now %s\n",
			(long long)out_number(relayed, "packets"),
			out_bytes(out_number(relayed, "rate"), 1, text));
	if (out_number(stream, "rate"))
		out_print("  limited to %s, %lld packets were more\n",
			out_bytes(out_number(stream, "rate"), 1, text),
			(long long)out_number(stream, "limited"));
	if (json_string_length(json_object_get(stream, "quota")))
		out_print("  %s of %s used\n", out_bytes(out_number(stream, "used"), 0, text),
			out_member(stream, "quota"));
	if (out_number(stream, "raw_punch"))
		out_print("  raw punches at %lld: unproven\n",
			(long long)out_number(stream, "raw_punch"));
	if (expires)
		out_print("  expires %s", ctime(&expires));
	if (!json_array_size(json_object_get(stream, "ports")))
		return;
	out_print("  refused %lld packets, the client moved %lld times\n",
		(long long)out_number(stream, "refused"), (long long)out_number(stream, "moves"));
	show_ports(json_object_get(stream, "ports"));
}

/* What the host is short of concerns every stream. */
static void show_troubles(const json_t *troubles)
{
	const json_t *trouble;
	char text[OUT_UNIT];
	size_t i;

	json_array_foreach(troubles, i, trouble)
		out_print("%s, for %s: %s\n", out_member(trouble, "trouble"),
			out_seconds(trouble, "since", text), out_member(trouble, "text"));
}

static int run(const struct cmd_context *context, int argc, char **argv)
{
	const char *name;
	json_t *reply;
	int status = args_name(&cmd_show, argc, argv, 0, &name);

	if (!status)
		status = daemon_ask(context, args_request("show", name), &reply);
	if (status)
		return status;
	if (context->json) {
		json_object_set(json_object_get(reply, "stream"), "troubles",
			json_object_get(reply, "troubles"));
		out_json(json_object_get(reply, "stream"));
	} else {
		show(json_object_get(reply, "stream"));
		show_troubles(json_object_get(reply, "troubles"));
	}
	json_decref(reply);
	return CMD_DONE;
}

const struct cmd cmd_show = {
	"show", "NAME", "one stream: its ports, clients, senders, counters", run, NULL};
