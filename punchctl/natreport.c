/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/natreport.h"

#include "punchctl/out.h"

static const char *mapping_sentence(enum nat_mapping mapping)
{
	switch (mapping) {
	case NAT_MAPPING_UNKNOWN:
		return "the relay has no second address or port to compare with";
	case NAT_MAPPING_NONE:
		return "the relay sees this host's own address";
	case NAT_MAPPING_ENDPOINT:
		return "a socket looks the same from everywhere";
	case NAT_MAPPING_NOT_PORT:
		return "a socket looks the same from both ports of the relay, which has one "
		       "address";
	case NAT_MAPPING_ADDRESS:
		return "a socket gets another port for each address that it sends to";
	case NAT_MAPPING_PORT:
		return "a socket gets another port for each address and port that it sends to";
	}
	return "";
}

static const char *filtering_sentence(enum nat_filtering filtering)
{
	switch (filtering) {
	case NAT_FILTERING_UNKNOWN:
		return "the relay cannot answer from elsewhere";
	case NAT_FILTERING_ENDPOINT:
		return "everybody may answer once a socket has sent something";
	case NAT_FILTERING_NOT_PORT:
		return "other ports of the relay may answer; it has no other address to try";
	case NAT_FILTERING_ADDRESS:
		return "only addresses that a socket has sent to may answer";
	case NAT_FILTERING_PORT:
		return "only the very address and port that a socket has sent to may answer";
	}
	return "";
}

/* What stands in the way of a verdict, where the relay has named what would help to one. */
static void print_closed(const struct natprobe_result *result)
{
	out_print("port %u of the relay does not answer; a firewall in front of it?\n",
		result->alternate.port);
}

static void print_mapping(const struct natprobe_result *result)
{
	enum nat_mapping mapping = result->report.mapping;
	char other[ENDPOINT_TEXT];

	out_print("mapping       %s: ", nat_mapping_text(mapping));
	if (mapping == NAT_MAPPING_UNKNOWN && result->alternate_silent)
		print_closed(result);
	else if (mapping == NAT_MAPPING_NOT_PORT && result->other.addr.family)
		out_print("a socket looks the same from both ports of the relay; its other "
			  "address, %s, does not answer\n",
			endpoint_format(&result->other, other));
	else
		out_print("%s\n", mapping_sentence(mapping));
}

static void print_filtering(const struct natprobe_result *result)
{
	enum nat_filtering filtering = result->report.filtering;
	char other[ENDPOINT_TEXT];

	out_print("filtering     %s: ", nat_filtering_text(filtering));
	if (filtering == NAT_FILTERING_UNKNOWN && result->alternate_silent)
		print_closed(result);
	else if (filtering == NAT_FILTERING_NOT_PORT && result->other.addr.family)
		out_print("other ports of the relay may answer; its other address, %s, does not "
			  "answer\n",
			endpoint_format(&result->other, other));
	else
		out_print("%s\n", filtering_sentence(filtering));
}

static void print_ports(const struct nat_ports *ports)
{
	switch (ports->allocation) {
	case NAT_ALLOCATION_UNKNOWN:
		out_print("ports         unknown: too few answers came\n");
		return;
	case NAT_ALLOCATION_PRESERVING:
		out_print("ports         preserved: outside they are those of the sockets\n");
		return;
	case NAT_ALLOCATION_SEQUENTIAL:
		out_print("ports         sequential: each new one is %+d from the last\n",
			ports->step);
		return;
	case NAT_ALLOCATION_RANDOM:
		out_print("ports         random, from %u to %u\n", ports->low, ports->high);
		return;
	}
}

static void print_layers(const struct natprobe_result *result)
{
	const struct nat_report *report = &result->report;

	if (report->layers == 0)
		return;
	out_print(
		"layers        %s", report->layers == 1 ? "at least one NAT" : "two NATs or more");
	if (report->opener_ttl && !result->opener_guessed)
		out_print(", passed with a TTL of %u", report->opener_ttl);
	out_print("\n");
}

static void print_lifetime(const struct natrun_config *config, const struct natprobe_result *result)
{
	if (!config->lifetime)
		return;
	if (result->lifetime_ms == 0)
		out_print("lifetime      unknown: the relay did not send when asked to\n");
	else
		out_print("lifetime      %s %.1f s idle\n",
			result->lifetime_is_minimum ? "more than" : "about",
			result->lifetime_ms / 1000.0);
}

static void print_hairpin(enum natprobe_answer hairpin)
{
	if (hairpin != NATPROBE_UNKNOWN)
		out_print("hairpinning   %s: hosts behind this NAT %s each other by their outer "
			  "addresses\n",
			hairpin == NATPROBE_YES ? "yes" : "no",
			hairpin == NATPROBE_YES ? "reach" : "do not reach");
}

static void print_gateway(const struct natrun_outcome *outcome)
{
	const struct gateway_status *gateway = &outcome->gateway;
	const struct gateway_service *natpmp = &gateway->services[GATEWAY_NATPMP];
	bool upnp = gateway->services[GATEWAY_UPNP].answered;
	char text[ENDPOINT_TEXT];

	if (!outcome->has_gateway)
		return;
	if (!natpmp->answered && !upnp) {
		out_print("router        maps no ports on request\n");
		return;
	}
	out_print("router        speaks %s%s%s%s", natpmp->answered ? "NAT-PMP" : "",
		natpmp->pcp ? ", PCP" : "", natpmp->answered && upnp ? ", " : "",
		upnp ? "UPnP IGD" : "");
	if (!gateway->external.addr.family)
		out_print(", but refuses to map a port\n");
	else if (gateway_is_outermost(&gateway->external, &outcome->probe.mapped))
		out_print(", and maps a port when asked: %s\n",
			endpoint_format(&gateway->external, text));
	else
		out_print(", but its outside is %s, behind another NAT: of no use\n",
			addr_format(&gateway->external.addr, text));
}

static bool is_open(const struct natrun_outcome *outcome)
{
	const struct nat_report *report = &outcome->probe.report;

	if (gateway_is_outermost(&outcome->gateway.external, &outcome->probe.mapped))
		return true;
	return report->filtering == NAT_FILTERING_ENDPOINT &&
	       (report->mapping == NAT_MAPPING_NONE || report->mapping == NAT_MAPPING_ENDPOINT);
}

/* By what the plans of punch(7) can do; see there for how long each takes. */
enum natreport_chance natreport_chance(
	const struct natrun_outcome *outcome, enum natreport_peer peer)
{
	const struct nat_report *report = &outcome->probe.report;
	const struct nat_ports *ports = &report->ports;

	if (report->blocked || outcome->probe.mapped.addr.family == 0)
		return NATREPORT_NEVER;
	if (is_open(outcome) || peer == NATREPORT_OPEN)
		return NATREPORT_SURELY;
	if (nat_is_predictable(report) || report->mapping == NAT_MAPPING_NOT_PORT)
		return peer == NATREPORT_INDEPENDENT || report->filtering == NAT_FILTERING_ADDRESS
			       ? NATREPORT_SURELY
			       : NATREPORT_MAYBE;
	if (peer == NATREPORT_INDEPENDENT)
		return NATREPORT_MAYBE;
	if (ports->allocation == NAT_ALLOCATION_SEQUENTIAL)
		return peer == NATREPORT_SEQUENTIAL ? NATREPORT_MAYBE : NATREPORT_NEVER;
	return NATREPORT_NEVER;
}

static const char *const peer_names[NATREPORT_PEERS] = {
	"open", "independent", "sequential", "random"};

static void print_peers(const struct natrun_outcome *outcome)
{
	static const char *const who[NATREPORT_PEERS] = {
		"without NAT, or with a mapped port",
		"behind a NAT that keeps a socket's port",
		"behind a NAT that counts ports up or down",
		"behind a NAT that draws ports at random",
	};
	static const char *const how[] = {
		"only through the relay",
		"directly as a rule, after a search of seconds",
		"directly",
	};

	out_print("peers\n");
	for (int i = 0; i < NATREPORT_PEERS; i++)
		out_print("  %-41s %s\n", who[i], how[natreport_chance(outcome, i)]);
}

void natreport_print(const struct natrun_config *config, const struct natrun_outcome *outcome)
{
	const struct natprobe_result *result = &outcome->probe;
	const struct nat_report *report = &result->report;
	char text[ENDPOINT_TEXT];

	out_print("relay         %s, %u ms away\n", endpoint_format(&config->relay, text),
		result->rtt_ms);
	out_print("this host     %s\n", endpoint_format(&result->local, text));
	out_print("seen as       %s\n", endpoint_format(&result->mapped, text));
	print_mapping(result);
	print_filtering(result);
	if (report->mapping != NAT_MAPPING_NONE)
		print_ports(&report->ports);
	print_layers(result);
	print_hairpin(result->hairpin);
	print_lifetime(config, result);
	print_gateway(outcome);
	print_peers(outcome);
}

static json_t *endpoint_json(const struct endpoint *endpoint)
{
	char text[ENDPOINT_TEXT];

	return endpoint->addr.family ? json_string(endpoint_format(endpoint, text)) : json_null();
}

static json_t *answer_json(enum natprobe_answer answer)
{
	return answer == NATPROBE_UNKNOWN ? json_null() : json_boolean(answer == NATPROBE_YES);
}

static json_t *samples_json(const struct natprobe_result *result)
{
	json_t *samples = json_array();

	for (unsigned int i = 0; i < result->sample_count; i++)
		json_array_append_new(samples,
			json_pack("[i, i]", result->samples[i].local, result->samples[i].mapped));
	return samples;
}

static json_t *gateway_json(const struct natrun_outcome *outcome)
{
	const struct gateway_status *gateway = &outcome->gateway;
	const struct gateway_service *natpmp = &gateway->services[GATEWAY_NATPMP];
	const struct gateway_service *upnp = &gateway->services[GATEWAY_UPNP];
	const struct gateway_service *best = natpmp->answered ? natpmp : upnp;
	char text[ADDR_TEXT];

	if (!outcome->has_gateway)
		return json_null();
	return json_pack("{s:b, s:b, s:b, s:o, s:o, s:o, s:b}", "nat_pmp", natpmp->answered, "pcp",
		natpmp->pcp, "upnp", upnp->answered, "external",
		best->external.family ? json_string(addr_format(&best->external, text))
				      : json_null(),
		"mapping", endpoint_json(&gateway->external), "by",
		gateway->external.addr.family ? json_string(gateway_protocol_text(gateway->by))
					      : json_null(),
		"useful", gateway_is_outermost(&gateway->external, &outcome->probe.mapped));
}

static json_t *peers_json(const struct natrun_outcome *outcome)
{
	static const char *const words[] = {"relay", "search", "direct"};
	json_t *peers = json_object();

	for (int i = 0; i < NATREPORT_PEERS; i++)
		json_object_set_new(
			peers, peer_names[i], json_string(words[natreport_chance(outcome, i)]));
	return peers;
}

static const char *mapping_word(enum nat_mapping mapping)
{
	switch (mapping) {
	case NAT_MAPPING_NOT_PORT:
		return "not-port-dependent";
	case NAT_MAPPING_PORT:
		return "address-and-port-dependent";
	case NAT_MAPPING_UNKNOWN:
	case NAT_MAPPING_NONE:
	case NAT_MAPPING_ENDPOINT:
	case NAT_MAPPING_ADDRESS:
		break;
	}
	return nat_mapping_text(mapping);
}

static const char *filtering_word(enum nat_filtering filtering)
{
	switch (filtering) {
	case NAT_FILTERING_NOT_PORT:
		return "not-port-dependent";
	case NAT_FILTERING_PORT:
		return "address-and-port-dependent";
	case NAT_FILTERING_UNKNOWN:
	case NAT_FILTERING_ENDPOINT:
	case NAT_FILTERING_ADDRESS:
		break;
	}
	return nat_filtering_text(filtering);
}

static json_t *number_json(bool is_known, int number)
{
	return is_known ? json_integer(number) : json_null();
}

json_t *natreport_json(const struct natrun_config *config, const struct natrun_outcome *outcome)
{
	static const char *const allocations[] = {"unknown", "preserving", "sequential", "random"};
	const struct natprobe_result *result = &outcome->probe;
	const struct nat_report *report = &result->report;
	const struct nat_ports *ports = &report->ports;
	bool sequential = ports->allocation == NAT_ALLOCATION_SEQUENTIAL;
	bool random = ports->allocation == NAT_ALLOCATION_RANDOM;
	json_t *object;

	object = json_pack("{s:o, s:o, s:o, s:o, s:o, s:b, s:f, s:s, s:s, s:s}", "relay",
		endpoint_json(&config->relay), "alternate", endpoint_json(&result->alternate),
		"other", endpoint_json(&result->other), "local", endpoint_json(&result->local),
		"mapped", endpoint_json(&result->mapped), "blocked", report->blocked, "rtt",
		result->rtt_ms / 1000.0, "mapping", mapping_word(report->mapping), "filtering",
		filtering_word(report->filtering), "allocation", allocations[ports->allocation]);
	if (!object)
		return NULL;
	json_object_set_new(object, "step", number_json(sequential, ports->step));
	json_object_set_new(object, "low", number_json(random, ports->low));
	json_object_set_new(object, "high", number_json(random, ports->high));
	json_object_set_new(object, "samples", samples_json(result));
	json_object_set_new(object, "layers", json_integer(report->layers));
	json_object_set_new(object, "opener_ttl",
		number_json(report->opener_ttl > 0 && !result->opener_guessed, report->opener_ttl));
	json_object_set_new(object, "hairpinning", answer_json(result->hairpin));
	json_object_set_new(object, "lifetime",
		result->lifetime_ms ? json_real(result->lifetime_ms / 1000.0) : json_null());
	json_object_set_new(
		object, "lifetime_is_minimum", json_boolean(result->lifetime_is_minimum));
	json_object_set_new(object, "gateway", gateway_json(outcome));
	json_object_set_new(object, "peers", peers_json(outcome));
	return object;
}
