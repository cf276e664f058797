/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <check.h>

#include "punchctl/doctor.h"
#include "punchctl/doctor_print.h"
#include "punchctl/doctor_read.h"
#include "punchctl/doctor_relay.h"

/* A host, and a relay on it, with which all is well; tests spoil it. */
static struct doctor_host host;
static struct doctor_relay relay;
static struct doctor_report report;

static void device_add(const char *name)
{
	struct doctor_device *device = &host.devices[host.device_count++];

	strcpy(device->name, name);
	device->routes = true;
	device->forwarding4 = 1;
	device->accept_ra = 1;
	device->force_forwarding6 = DOCTOR_UNKNOWN;
	device->gro = 1;
	device->udp_gro_forwarding = 1;
}

static void address_add(const char *local, const char *public)
{
	struct doctor_address *address = &relay.addresses[relay.address_count++];

	ck_assert_int_eq(addr_parse(local, &address->local), 0);
	ck_assert_int_eq(addr_parse(public, &address->public), 0);
}

static void setup(void)
{
	host = (struct doctor_host){
		.ip_forward = 1,
		.forwarding6 = 1,
		.conntrack_count = 100,
		.conntrack_max = 262144,
		.conntrack_buckets = 65536,
		.tcp_established = 432000,
		.udp_timeout = 30,
		.udp_stream = 120,
		.rmem_max = 212992,
		.receive_buffer = 8 * 1024 * 1024,
		.clock_synchronised = 1,
		.has_ethtool = true,
		.has_systemd = true,
	};
	relay = (struct doctor_relay){
		.asked = true, .walked = true, .punch = 3478, .persist = true};
	device_add("eth0");
	address_add("203.0.113.7", "203.0.113.7");
	address_add("2001:db8:2::7", "2001:db8:2::7");
}

static const struct doctor_finding *find(const char *id)
{
	for (size_t i = 0; i < report.count; i++)
		if (!strcmp(report.list[i].id, id))
			return &report.list[i];
	return NULL;
}

/* The only finding. */
static const struct doctor_finding *examine(const char *id, enum doctor_weight weight)
{
	const struct doctor_finding *finding;

	doctor_examine(&host, &relay, &report);
	finding = find(id);
	ck_assert_msg(finding, "%s is not found", id);
	ck_assert_msg(report.count == 1, "%zu findings, %s and %s", report.count,
		report.list[0].what, report.list[report.count - 1].what);
	ck_assert_int_eq(finding->weight, weight);
	ck_assert_int_eq(report.stops, weight == DOCTOR_STOPS);
	ck_assert(*finding->what && *finding->breaks);
	return finding;
}

static void assert_nothing(void)
{
	doctor_examine(&host, &relay, &report);
	ck_assert_msg(report.count == 0, "%s", report.list[0].what);
}

START_TEST(test_well)
{
	assert_nothing();
}
END_TEST

START_TEST(test_forwarding)
{
	const struct doctor_finding *finding;

	host.ip_forward = host.devices[0].forwarding4 = 0;
	finding = examine("forwarding", DOCTOR_STOPS);
	ck_assert_str_eq(finding->fix, "sysctl -w net.ipv4.ip_forward=1");
	ck_assert_str_eq(finding->keep,
		"printf '%s\\n' 'net.ipv4.ip_forward = 1' >>/etc/sysctl.d/zz-relayd.conf");

	host.ip_forward = 1; /* but off for the device; a dot in its name forbids dots elsewhere */
	strcpy(host.devices[0].name, "eth0.7");
	finding = examine("forwarding", DOCTOR_STOPS);
	ck_assert_str_eq(finding->fix, "sysctl -w net/ipv4/conf/eth0.7/forwarding=1");

	host.ip_forward = 0; /* on for it */
	host.devices[0].forwarding4 = 1;
	assert_nothing();

	host.devices[0].forwarding4 = 0; /* nobody needs it */
	relay.addresses[0] = relay.addresses[1];
	assert_nothing();

	relay.asked = false; /* nobody knows */
	doctor_examine(&host, &relay, &report);
	ck_assert_ptr_nonnull(find("forwarding"));
}
END_TEST

START_TEST(test_forwarding6)
{
	host.forwarding6 = 0;
	ck_assert_str_eq(examine("forwarding6", DOCTOR_STOPS)->fix,
		"sysctl -w net.ipv6.conf.all.forwarding=1");

	host.devices[0].advertised = true; /* its default route must not be lost by it */
	ck_assert_str_eq(examine("forwarding6", DOCTOR_STOPS)->fix,
		"sysctl -w net.ipv6.conf.eth0.accept_ra=2 net.ipv6.conf.all.forwarding=1");
	host.devices[0].accept_ra = 0;
	ck_assert_str_eq(examine("forwarding6", DOCTOR_STOPS)->fix,
		"sysctl -w net.ipv6.conf.all.forwarding=1");

	host.devices[0].force_forwarding6 = 1;
	assert_nothing();

	host.devices[0].force_forwarding6 = 0;
	host.forwarding6 = DOCTOR_UNKNOWN; /* no IPv6 in this kernel */
	assert_nothing();
}
END_TEST

START_TEST(test_rp_filter)
{
	host.rp_filter_all = 1;
	assert_nothing(); /* with one way out */
	device_add("eth1");
	doctor_examine(&host, &relay, &report);
	ck_assert_uint_eq(report.count, 2);
	ck_assert_str_eq(report.list[0].fix, "sysctl -w net.ipv4.conf.eth0.rp_filter=2");
	ck_assert_str_eq(report.list[1].fix, "sysctl -w net.ipv4.conf.eth1.rp_filter=2");
	host.devices[0].rp_filter = 2;
	ck_assert_str_eq(examine("rp_filter", DOCTOR_WEAKENS)->fix,
		"sysctl -w net.ipv4.conf.eth1.rp_filter=2");
	host.devices[1].routes = false;
	assert_nothing();
}
END_TEST

START_TEST(test_redirects)
{
	host.devices[0].send_redirects = 1;
	ck_assert_str_eq(examine("send_redirects", DOCTOR_NOTE)->fix,
		"sysctl -w net.ipv4.conf.eth0.send_redirects=0");
	host.send_redirects_all = 1;
	ck_assert_str_eq(examine("send_redirects", DOCTOR_NOTE)->fix,
		"sysctl -w net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.eth0.send_redirects=0");
	device_add("eth1");
	assert_nothing();
}
END_TEST

START_TEST(test_conntrack)
{
	const struct doctor_finding *finding;

	host.tcp_established = 86400;
	host.conntrack_max = 1000;
	host.conntrack_count = 799;
	assert_nothing();
	host.conntrack_count = 800;
	examine("conntrack_full", DOCTOR_WEAKENS);
	host.conntrack_count = 950;
	finding = examine("conntrack_full", DOCTOR_STOPS);
	ck_assert_str_eq(finding->fix, "sysctl -w net.netfilter.nf_conntrack_max=65536");
	ck_assert_ptr_nonnull(strstr(finding->keep, "/etc/modules-load.d/relayd.conf"));

	host.conntrack_max = 262144; /* too few for all ports at once */
	relay.ports = 200000;
	finding = examine("conntrack_size", DOCTOR_WEAKENS);
	ck_assert_str_eq(finding->fix, "sysctl -w net.netfilter.nf_conntrack_max=2097152 "
				       "net.netfilter.nf_conntrack_buckets=524288");

	relay.ports = 0; /* it was full at another time */
	relay.met[DOCTOR_FLOWS_FULL] = 3;
	examine("conntrack_size", DOCTOR_WEAKENS);

	host.conntrack_count = DOCTOR_UNKNOWN; /* the module is not there */
	assert_nothing();
}
END_TEST

START_TEST(test_timeouts)
{
	host.conntrack_max = 180;
	ck_assert_str_eq(examine("conntrack_timeouts", DOCTOR_WEAKENS)->fix,
		"sysctl -w net.netfilter.nf_conntrack_tcp_timeout_established=86400");
	host.udp_stream = 3600;
	ck_assert_str_eq(examine("conntrack_timeouts", DOCTOR_WEAKENS)->fix,
		"sysctl -w net.netfilter.nf_conntrack_tcp_timeout_established=86400 "
		"net.netfilter.nf_conntrack_udp_timeout_stream=120");
}
END_TEST

START_TEST(test_system)
{
	host.receive_buffer = 425984;
	ck_assert_str_eq(
		examine("buffers", DOCTOR_NOTE)->fix, "sysctl -w net.core.rmem_max=4194304");
	host.overflows = 7;
	examine("buffers", DOCTOR_WEAKENS);
	host.receive_buffer = DOCTOR_UNKNOWN;
	examine("buffers", DOCTOR_NOTE);
	host.rmem_max = 4194304;
	assert_nothing();

	host.devices[0].udp_gro_forwarding = 0;
	ck_assert_str_eq(
		examine("udp_gro", DOCTOR_NOTE)->fix, "ethtool -K eth0 rx-udp-gro-forwarding on");
	host.devices[0].gro = 0; /* nothing is gathered at all */
	assert_nothing();
	host.devices[0].gro = 1;
	host.devices[0].udp_gro_forwarding = DOCTOR_UNKNOWN; /* it cannot */
	assert_nothing();

	host.clock_synchronised = 0;
	ck_assert_str_eq(examine("clock", DOCTOR_NOTE)->fix, "");
	host.has_chrony = true;
	ck_assert_str_eq(examine("clock", DOCTOR_NOTE)->fix, "systemctl enable --now chrony");
	host.has_timesyncd = true;
	ck_assert_str_eq(examine("clock", DOCTOR_NOTE)->fix, "timedatectl set-ntp true");
	host.clock_synchronised = DOCTOR_UNKNOWN;
	assert_nothing();

	relay.persist = false;
	examine("persist", DOCTOR_NOTE);
	relay.persist = true;
	relay.legacy = true;
	examine("legacy", DOCTOR_NOTE);
}
END_TEST

START_TEST(test_streams)
{
	relay.raw_punches = 1;
	relay.streams = 3;
	examine("raw_punch", DOCTOR_NOTE);
	relay.raw_punches = 0;

	relay.address_count = 0;
	address_add("10.1.0.4", "203.0.114.7");
	assert_nothing();
	relay.address_count = 0;
	address_add("100.64.3.4", "100.64.3.4");
	ck_assert_ptr_nonnull(strstr(examine("advertise", DOCTOR_NOTE)->hint,
		"advertise = { \"100.64.3.4=PUBLIC-ADDRESS\" }"));
	relay.public_clients = 1;
	examine("advertise", DOCTOR_WEAKENS);
	address_add("203.0.113.7", "203.0.113.7"); /* the other one is for those at home */
	assert_nothing();
}
END_TEST

START_TEST(test_troubles)
{
	relay.now[DOCTOR_DATABASE] = true;
	examine("database", DOCTOR_WEAKENS);
	relay.now[DOCTOR_DATABASE] = false;
	relay.met[DOCTOR_DATABASE] = 1; /* over */
	assert_nothing();
	relay.met[DOCTOR_CLOCK_SET] = 1;
	examine("clock_jumped", DOCTOR_NOTE);
}
END_TEST

#define MARK "--mark 0x52000000/0xff000000 -j ACCEPT"

/* What lets a packet pass where each of them drops it. */
#define POLICY                                                                                     \
	"{ firewall-cmd --permanent --info-policy=relayd >/dev/null 2>&1 || firewall-cmd "         \
	"--permanent --new-policy=relayd; } && firewall-cmd --permanent --policy=relayd"
#define POLICY_UDP                                                                                 \
	" && firewall-cmd --permanent --policy=relayd --add-egress-zone=ANY && firewall-cmd "      \
	"--permanent --policy=relayd --add-protocol=udp && firewall-cmd --reload"

static const struct firewall_case {
	struct doctor_chain chain;
	const char *id, *fix;
} firewalls[] = {
	{{DOCTOR_PUNCH, AF_INET, DOCTOR_IP, "filter", "INPUT", DOCTOR_INPUT, 0, DOCTOR_UFW,
		 DOCTOR_DROPS, 3478, "eth0"},
		"punch", "ufw allow 3478/udp"},
	{{DOCTOR_MEDIA, AF_INET6, DOCTOR_IP6, "filter", "FORWARD", DOCTOR_FORWARD, 0, DOCTOR_UFW,
		 DOCTOR_DROPS, 0, ""},
		"forward",
		"grep -q '0x52000000/0xff000000' /etc/ufw/before6.rules || sed -i "
		"'/^\\*filter/,/^COMMIT/s|^COMMIT|-A ufw6-before-forward -m connmark " MARK
		"\\n&|' /etc/ufw/before6.rules; ufw reload"},
	{{DOCTOR_PUNCH, AF_INET, DOCTOR_INET, "firewalld", "filter_INPUT", DOCTOR_INPUT, 10,
		 DOCTOR_FIREWALLD, DOCTOR_DROPS, 3478, ""},
		"punch",
		"firewall-cmd --add-port=3478/udp && firewall-cmd --permanent "
		"--add-port=3478/udp"},
	{{DOCTOR_PUNCH, AF_INET, DOCTOR_INET, "firewalld", "filter_INPUT", DOCTOR_INPUT, 10,
		 DOCTOR_FIREWALLD, DOCTOR_DROPS, 3478, "eth0"},
		"punch",
		"z=$(firewall-cmd --get-zone-of-interface=eth0 2>/dev/null || firewall-cmd "
		"--get-default-zone); firewall-cmd --zone=\"$z\" --add-port=3478/udp && "
		"firewall-cmd --permanent --zone=\"$z\" --add-port=3478/udp"},
	{{DOCTOR_MEDIA, AF_INET, DOCTOR_INET, "firewalld", "filter_FORWARD", DOCTOR_FORWARD, 10,
		 DOCTOR_FIREWALLD, DOCTOR_DROPS, 0, ""},
		"forward", POLICY " --add-ingress-zone=ANY" POLICY_UDP},
	{{DOCTOR_MEDIA, AF_INET, DOCTOR_INET, "firewalld", "filter_FORWARD", DOCTOR_FORWARD, 10,
		 DOCTOR_FIREWALLD, DOCTOR_DROPS, 0, "eth0"},
		"forward",
		"z=$(firewall-cmd --get-zone-of-interface=eth0 2>/dev/null || echo "
		"ANY); " POLICY " --add-ingress-zone=\"$z\"" POLICY_UDP},
	{{DOCTOR_MEDIA, AF_INET, DOCTOR_IP, "filter", "FORWARD", DOCTOR_FORWARD, 0, DOCTOR_DOCKER,
		 DOCTOR_DROPS, 0, ""},
		"forward", "iptables -I DOCKER-USER -m connmark " MARK},
	{{DOCTOR_MEDIA, AF_INET6, DOCTOR_IP6, "filter", "FORWARD", DOCTOR_FORWARD, 0,
		 DOCTOR_IPTABLES, DOCTOR_DROPS, 0, ""},
		"forward", "ip6tables -I FORWARD -m connmark " MARK},
	{{DOCTOR_PUNCH, AF_INET, DOCTOR_IP, "raw", "PREROUTING", DOCTOR_PREROUTING, -300,
		 DOCTOR_IPTABLES, DOCTOR_DROPS, 3478, ""},
		"punch", "iptables -t raw -I PREROUTING -p udp --dport 3478 -j ACCEPT"},
	{{DOCTOR_MEDIA, AF_INET, DOCTOR_IP, "raw", "PREROUTING", DOCTOR_PREROUTING, -300,
		 DOCTOR_IPTABLES, DOCTOR_DROPS, 0, ""},
		"forward", ""}, /* it has no mark yet */
	{{DOCTOR_ANSWER, AF_INET, DOCTOR_IP, "filter", "OUTPUT", DOCTOR_OUTPUT, 0, DOCTOR_IPTABLES,
		 DOCTOR_DROPS, 3478, ""},
		"answer", "iptables -I OUTPUT -p udp --sport 3478 -j ACCEPT"},
	{{DOCTOR_MEDIA, AF_INET, DOCTOR_INET, "filter", "forward", DOCTOR_FORWARD, 0,
		 DOCTOR_NFTABLES, DOCTOR_DROPS, 0, ""},
		"forward",
		"nft insert rule inet filter forward ct mark and 0xff000000 == 0x52000000 accept"},
	{{DOCTOR_PUNCH, AF_INET, DOCTOR_INET, "filter", "input", DOCTOR_INPUT, 0, DOCTOR_NFTABLES,
		 DOCTOR_DROPS, 3478, ""},
		"punch", "nft insert rule inet filter input udp dport 3478 accept"},
	{{DOCTOR_PUNCH, AF_INET, DOCTOR_OTHER, "filter", "input", DOCTOR_INPUT, 0, DOCTOR_NFTABLES,
		 DOCTOR_DROPS, 3478, ""},
		"punch", ""},
	{{DOCTOR_MEDIA, AF_INET, DOCTOR_INET, "", "forward", DOCTOR_FORWARD, 0, DOCTOR_NFTABLES,
		 DOCTOR_DROPS, 0, ""},
		"forward", ""}, /* a name that no command may hold */
	{{DOCTOR_MEDIA, AF_INET, DOCTOR_IP, "nat", "PREROUTING", DOCTOR_PREROUTING, -200,
		 DOCTOR_IPTABLES, DOCTOR_CHANGES, 0, ""},
		"taken", ""},
};

START_TEST(test_firewall)
{
	const struct firewall_case *it = &firewalls[_i];
	const struct doctor_finding *finding;

	relay.chain_count = 2;
	relay.chains[0] = relay.chains[1] = it->chain; /* told once */
	finding = examine(it->id, DOCTOR_STOPS);
	ck_assert_str_eq(finding->fix, it->fix);
	ck_assert(*finding->fix || *finding->hint);
}
END_TEST

START_TEST(test_firewall_more)
{
	relay.chain_count = 1;
	relay.chains[0] = firewalls[6].chain; /* Docker: kept over a boot */
	ck_assert_ptr_nonnull(strstr(examine("forward", DOCTOR_STOPS)->keep, "ExecStartPost="));
	host.has_systemd = false;
	ck_assert_str_eq(examine("forward", DOCTOR_STOPS)->keep, "");

	relay.chains[0].way = DOCTOR_REPLY;
	examine("forward_back", DOCTOR_WEAKENS);
	relay.chain_count = 2; /* what mends the one mends the other */
	relay.chains[1] = relay.chains[0];
	relay.chains[0].way = DOCTOR_MEDIA;
	examine("forward", DOCTOR_STOPS);

	relay.chain_count = 1;
	relay.chains[0] = firewalls[7].chain;
	host.has_saved_iptables = true;
	ck_assert_str_eq(
		examine("forward", DOCTOR_STOPS)->keep, "ip6tables-save >/etc/iptables/rules.v6");

	relay.chains[0] = firewalls[2].chain;
	relay.chains[0].way = DOCTOR_MEDIA;
	host.strict_forward_ports = true;
	ck_assert_str_eq(examine("forward", DOCTOR_STOPS)->fix,
		"sed -i 's/^StrictForwardPorts=.*/StrictForwardPorts=no/' "
		"/etc/firewalld/firewalld.conf && firewall-cmd --reload");

	relay.chains[0].verdict = DOCTOR_UNCLEAR;
	examine("unclear", DOCTOR_NOTE);
	relay.chains[0].owner = DOCTOR_OURS;
	assert_nothing();
}
END_TEST

/* relayd's answer, with what a hostile one might say. */
static void answer(const char *chain, const char *device)
{
	struct doctor_answers answers = {NULL, NULL};
	const json_t *stream;
	json_t *list;
	size_t i;

	answers.host =
		json_pack("{s:i, s:[{s:s, s:s, s:s}], s:{s:b}, s:[{s:s, s:s, s:i, s:s, s:s, s:s, "
			  "s:s, s:i, s:s, s:s}], s:b, s:s}",
			"punch", 3478, "addresses", "address", "203.0.113.7", "advertise",
			"203.0.113.7", "interface", device, "features", "persist", 1, "chains",
			"address", "203.0.113.7", "way", "punch", "family", 4, "table_family",
			"inet", "table", "firewalld", "chain", chain, "hook", "input", "priority",
			0, "owner", "firewalld", "verdict", "drops", "legacy", 0, "unread", "");
	ck_assert_ptr_nonnull(answers.host);
	list = json_pack("[{s:i, s:[{s:s}, {s:s}, {s:n}]}, {s:i, s:[]}]", "raw_punch", 9000,
		"ports", "client", "192.0.2.9:40000", "client", "10.0.0.2:4000", "client",
		"raw_punch", 0, "ports");
	ck_assert_ptr_nonnull(list);
	answers.metrics = json_pack("{s:s}", "text",
		"# HELP x\nrelayd_trouble{trouble=\"database\"} 1\n"
		"relayd_troubles_total{trouble=\"clock_set\"} 2\n# EOF\n");
	doctor_relay_read(&answers, &relay);
	json_array_foreach(list, i, stream)
		doctor_relay_stream(stream, &relay);
	json_decref(answers.host);
	json_decref(list);
	json_decref(answers.metrics);
}

START_TEST(test_answers)
{
	answer("filter_INPUT", "eth0");
	ck_assert(relay.asked && relay.walked && relay.persist && !relay.legacy);
	ck_assert_uint_eq(relay.punch, 3478);
	ck_assert_uint_eq(relay.address_count, 1);
	ck_assert_uint_eq(relay.chain_count, 1);
	ck_assert_int_eq(relay.chains[0].way, DOCTOR_PUNCH);
	ck_assert_int_eq(relay.chains[0].owner, DOCTOR_FIREWALLD);
	ck_assert_int_eq(relay.chains[0].family, DOCTOR_INET);
	ck_assert_int_eq(relay.chains[0].verdict, DOCTOR_DROPS);
	ck_assert_str_eq(relay.chains[0].device, "eth0");
	ck_assert_int_eq(relay.streams, 2);
	ck_assert_int_eq(relay.ports, 3);
	ck_assert_int_eq(relay.raw_punches, 1);
	ck_assert_int_eq(relay.public_clients, 1);
	ck_assert(relay.now[DOCTOR_DATABASE]);
	ck_assert_int_eq(relay.met[DOCTOR_CLOCK_SET], 2);
}
END_TEST

static const char *const hostile[] = {"a b", "x;id", "$(id)", "`id`", "a\nb", "--x", "../x", "'",
	"", "a|b", "\xc3\xa4",
	"0123456789012345678901234567890123456789012345678901234567890123456789"};

START_TEST(test_hostile)
{
	ck_assert(!doctor_is_name(hostile[_i]));
	answer(hostile[_i], hostile[_i]);
	doctor_examine(&host, &relay, &report);
	ck_assert_ptr_nonnull(find("punch"));
	for (size_t i = 0; i < report.count; i++)
		ck_assert(!*hostile[_i] || (!strstr(report.list[i].fix, hostile[_i]) &&
						   !strstr(report.list[i].keep, hostile[_i])));
	ck_assert_str_eq(find("punch")->fix, "");
}
END_TEST

START_TEST(test_nonsense)
{
	static const char *const texts[] = {"{}", "{\"punch\":-1,\"addresses\":7,\"chains\":{}}",
		"{\"punch\":\"x\",\"addresses\":[3,{}],\"chains\":[3,{},{\"way\":\"up\"}]}",
		"{\"punch\":65536,\"chains\":[{\"way\":\"media\",\"verdict\":7,\"family\":\"x\"}]"
		"}"};

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct doctor_answers answers = {json_loads(texts[i], 0, NULL), NULL};

		answers.metrics = answers.host;
		ck_assert_ptr_nonnull(answers.host);
		doctor_relay_read(&answers, &relay);
		doctor_relay_stream(answers.host, &relay);
		doctor_examine(&host, &relay, &report);
		ck_assert_uint_eq(relay.punch, 0);
		ck_assert_uint_eq(relay.address_count, 0);
		for (size_t f = 0; f < report.count; f++)
			ck_assert_ptr_null(strstr(report.list[f].fix, "65536"));
		json_decref(answers.host);
	}
}
END_TEST

static char root[] = "/tmp/punchrelay-doctor-XXXXXX";

static void file_make(const char *name, const char *text)
{
	char path[256], *slash;
	FILE *file;

	snprintf(path, sizeof path, "%s%s", root, name);
	for (slash = strchr(path + sizeof root, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(path, 0755);
		*slash = '/';
	}
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
}

static void files_make(void)
{
	static const char *const files[][2] = {
		{"/proc/net/dev",
			"Inter-|   Receive\n face |bytes    packets\n    lo: 1 2\n  eth0: 12 3\n"
			"wg0:99 1\n"},
		{"/proc/net/route",
			"Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n"
			"eth0\t00000000\t017100CB\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
			"wg0\t0000000A\t00000000\t0001\t0\t0\t0\t000000FF\t0\t0\t0\n"},
		{"/proc/net/ipv6_route",
			"00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
			"fe800000000000000000000000000001 00000400 00000001 00000000 00450003     "
			"eth0\n"},
		{"/proc/sys/net/ipv4/ip_forward", "1\n"},
		{"/proc/sys/net/ipv4/conf/eth0/forwarding", "0\n"},
		{"/proc/sys/net/ipv6/conf/eth0/accept_ra", "1\n"},
		{"/proc/sys/net/netfilter/nf_conntrack_count", "nonsense\n"},
		{"/proc/sys/net/netfilter/nf_conntrack_max", "99999999999999999999\n"},
		{"/proc/sys/net/core/rmem_max", "212992\n"},
		{"/proc/net/ip_tables_names", "filter\n"},
		{"/etc/firewalld/firewalld.conf", "# x\nStrictForwardPorts=yes\n"},
		{"/usr/sbin/ethtool", ""},
	};

	for (size_t i = 0; i < sizeof files / sizeof *files; i++)
		file_make(files[i][0], files[i][1]);
}

START_TEST(test_files)
{
	char command[64];

	ck_assert_ptr_nonnull(mkdtemp(root));
	files_make();
	doctor_read_files(root, &host);
	snprintf(command, sizeof command, "rm -r %s", root);
	ck_assert_int_eq(system(command), 0);

	ck_assert_uint_eq(host.device_count, 2);
	ck_assert_str_eq(host.devices[0].name, "eth0");
	ck_assert(host.devices[0].routes && host.devices[0].advertised);
	ck_assert_int_eq(host.devices[0].forwarding4, 0);
	ck_assert_int_eq(host.devices[0].accept_ra, 1);
	ck_assert_str_eq(host.devices[1].name, "wg0");
	ck_assert(!host.devices[1].routes);
	ck_assert_int_eq(host.ip_forward, 1);
	ck_assert_int_eq(host.forwarding6, DOCTOR_UNKNOWN);
	ck_assert_int_eq(host.conntrack_count, DOCTOR_UNKNOWN);
	ck_assert_int_eq(host.conntrack_max, DOCTOR_UNKNOWN);
	ck_assert_int_eq(host.rmem_max, 212992);
	ck_assert(host.legacy && host.strict_forward_ports && host.has_ethtool);
	ck_assert(!host.has_chrony && !host.has_systemd);
}
END_TEST

/* As many as one may think of. */
START_TEST(test_many)
{
	json_t *json;

	for (size_t i = 0; i < DOCTOR_DEVICES - 1; i++) {
		char name[IF_NAMESIZE];

		snprintf(name, sizeof name, "eth%zu", i + 1);
		device_add(name);
		host.devices[i + 1].udp_gro_forwarding = 0;
	}
	host.rp_filter_all = 1;
	relay.chain_count = 1;
	relay.chains[0] = firewalls[0].chain;
	doctor_examine(&host, &relay, &report);
	ck_assert_uint_eq(report.count, DOCTOR_FINDINGS);
	ck_assert(report.stops);
	ck_assert_int_eq(report.list[0].weight, DOCTOR_STOPS); /* the heaviest come first */
	json = doctor_json(&report, NULL);
	ck_assert_uint_eq(json_array_size(json_object_get(json, "findings")), DOCTOR_FINDINGS);
	json_decref(json);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("doctor");
	Suite *suite = suite_create("doctor");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_test(tcase, test_well);
	tcase_add_test(tcase, test_forwarding);
	tcase_add_test(tcase, test_forwarding6);
	tcase_add_test(tcase, test_rp_filter);
	tcase_add_test(tcase, test_redirects);
	tcase_add_test(tcase, test_conntrack);
	tcase_add_test(tcase, test_timeouts);
	tcase_add_test(tcase, test_system);
	tcase_add_test(tcase, test_streams);
	tcase_add_test(tcase, test_troubles);
	tcase_add_loop_test(tcase, test_firewall, 0, sizeof firewalls / sizeof *firewalls);
	tcase_add_test(tcase, test_firewall_more);
	tcase_add_test(tcase, test_answers);
	tcase_add_loop_test(tcase, test_hostile, 0, sizeof hostile / sizeof *hostile);
	tcase_add_test(tcase, test_nonsense);
	tcase_add_test(tcase, test_files);
	tcase_add_test(tcase, test_many);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
