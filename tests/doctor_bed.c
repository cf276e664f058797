/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/doctor_bed.h"

#include <string.h>

struct doctor_host host;
struct doctor_relay relay;
struct doctor_report report;

void device_add(const char *name)
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

void address_add(const char *local, const char *public)
{
	struct doctor_address *address = &relay.addresses[relay.address_count++];

	ck_assert_int_eq(addr_parse(local, &address->local), 0);
	ck_assert_int_eq(addr_parse(public, &address->public), 0);
}

void setup(void)
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

const struct doctor_finding *find(const char *id)
{
	for (size_t i = 0; i < report.count; i++)
		if (!strcmp(report.list[i].id, id))
			return &report.list[i];
	return NULL;
}

const struct doctor_finding *examine(const char *id, enum doctor_weight weight)
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

void assert_nothing(void)
{
	doctor_examine(&host, &relay, &report);
	ck_assert_msg(report.count == 0, "%s", report.list[0].what);
}
