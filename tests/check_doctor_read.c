/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the doctor reads of the relay and of files. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "punchctl/doctor_print.h"
#include "punchctl/doctor_read.h"
#include "punchctl/doctor_relay.h"
#include "tests/doctor_bed.h"
#include "tests/suite.h"

/* relayd's answer, with what a hostile one might say. */
static void answer(const char *chain, const char *device)
{
	struct doctor_answers answers = {NULL, NULL};
	const json_t *stream;
	json_t *list;
	size_t i;

	answers.host = json_pack(
		"{s:i, s:[{s:s, s:s, s:b, s:s}], s:{s:b}, s:[{s:s, s:s, s:i, s:s, s:s, "
		"s:s, s:s, s:i, s:s, s:s}], s:b, s:s, s:[{s:s, s:s}, {s:s, s:s}]}",
		"punch", 3478, "addresses", "address", "203.0.113.7", "advertise", "203.0.113.7",
		"unseen", 1, "interface", device, "features", "persist", 1, "chains", "address",
		"203.0.113.7", "way", "punch", "family", 4, "table_family", "inet", "table",
		"firewalld", "chain", chain, "hook", "input", "priority", 0, "owner", "firewalld",
		"verdict", "drops", "legacy", 0, "unread", "", "troubles", "trouble", "advertise",
		"text", "seen as another", "trouble", "database", "text", "the disk is full");
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
	ck_assert(relay.addresses[0].unseen);
	ck_assert_str_eq(relay.seen, "seen as another");
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
	static const char *const texts[] = {"{}",
		"{\"punch\":-1,\"addresses\":7,\"chains\":{},\"troubles\":[3,{}]}",
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

static Suite *doctor_read_suite(void)
{
	Suite *suite = suite_create("doctor_read");
	TCase *tcase = tcase_create("doctor_read");

	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_test(tcase, test_answers);
	tcase_add_loop_test(tcase, test_hostile, 0, sizeof hostile / sizeof *hostile);
	tcase_add_test(tcase, test_nonsense);
	tcase_add_test(tcase, test_files);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(doctor_read_suite());
}
