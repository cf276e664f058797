/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The host: what the doctor finds in it, and advises. */
#include <string.h>

#include "tests/doctor_bed.h"
#include "tests/suite.h"

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
	relay.addresses[0].unseen = true;
	ck_assert_ptr_nonnull(strstr(
		examine("advertise", DOCTOR_NOTE)->what, "and `discover` has found nothing"));
	ck_assert_ptr_null(strstr(examine("advertise", DOCTOR_NOTE)->hint, "discover"));
	relay.public_clients = 1;
	examine("advertise", DOCTOR_WEAKENS);
	address_add("203.0.113.7", "203.0.113.7"); /* the other one is for those at home */
	assert_nothing();
}
END_TEST

START_TEST(test_troubles)
{
	strcpy(relay.seen, "10.0.0.4 is seen as 203.0.113.7 (stun): mend `advertise`");
	ck_assert_str_eq(examine("seen", DOCTOR_WEAKENS)->what,
		"10.0.0.4 is seen as 203.0.113.7 (stun): mend `advertise`.");
	relay.seen[0] = '\0';
	relay.now[DOCTOR_DATABASE] = true;
	examine("database", DOCTOR_WEAKENS);
	relay.now[DOCTOR_DATABASE] = false;
	relay.met[DOCTOR_DATABASE] = 1; /* over */
	assert_nothing();
	relay.met[DOCTOR_CLOCK_SET] = 1;
	examine("clock_jumped", DOCTOR_NOTE);
}
END_TEST

static Suite *doctor_suite(void)
{
	Suite *suite = suite_create("doctor");
	TCase *tcase = tcase_create("doctor");

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
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(doctor_suite());
}
