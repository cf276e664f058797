/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Firewalls in the way: what the doctor finds, and advises. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "punchctl/doctor_print.h"
#include "tests/doctor_bed.h"
#include "tests/suite.h"

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

static Suite *doctor_firewall_suite(void)
{
	Suite *suite = suite_create("doctor_firewall");
	TCase *tcase = tcase_create("doctor_firewall");

	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_loop_test(tcase, test_firewall, 0, sizeof firewalls / sizeof *firewalls);
	tcase_add_test(tcase, test_firewall_more);
	tcase_add_test(tcase, test_many);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(doctor_firewall_suite());
}
