/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/doctor.h"

#include <stdio.h>
#include <string.h>

static bool uses(const struct doctor_relay *relay, uint8_t family)
{
	for (size_t i = 0; i < relay->address_count; i++)
		if (relay->addresses[i].local.family == family)
			return true;
	return false;
}

/* Devices by which streams come and go, and whose names may stand in a command. */
static bool matters(const struct doctor_device *device)
{
	return device->routes && doctor_is_name(device->name);
}

static void set_device(struct doctor_finding *finding, int version, const char *device,
	const char *setting, long value)
{
	char name[128];

	snprintf(name, sizeof name, "net/ipv%d/conf/%s/%s", version, device, setting);
	doctor_set(finding, name, value);
}

/* What counts is the setting of the device by which a packet comes in; ip_forward sets them all. */
static void forwarding4(const struct doctor_host *host, struct doctor_report *report)
{
	struct doctor_finding *finding;
	size_t on = 0, off = 0;

	for (size_t i = 0; i < host->device_count; i++)
		if (matters(&host->devices[i]))
			host->devices[i].forwarding4 ? on++ : off++;
	if (!off && (on || host->ip_forward))
		return;
	if (host->ip_forward) {
		for (size_t i = 0; i < host->device_count; i++) {
			const char *name = host->devices[i].name;

			if (!matters(&host->devices[i]) || host->devices[i].forwarding4)
				continue;
			finding = doctor_add(report, "forwarding", DOCTOR_STOPS,
				"The kernel does not forward IPv4 that comes in by %s.", name);
			doctor_say(finding->breaks,
				"What senders and clients send to %s ends here.", name);
			set_device(finding, 4, name, "forwarding", 1);
		}
		return;
	}
	finding =
		doctor_add(report, "forwarding", DOCTOR_STOPS, "The kernel does not forward IPv4.");
	doctor_say(finding->breaks, "Media is translated and then thrown away.");
	doctor_set(finding, "net/ipv4/ip_forward", 1);
}

/*
 * A host that forwards ignores router advertisements unless accept_ra is 2: its default route
 * would be gone at once.
 */
static void forwarding6(const struct doctor_host *host, struct doctor_report *report)
{
	struct doctor_finding *finding;
	size_t on = 0, off = 0;

	for (size_t i = 0; i < host->device_count; i++)
		if (matters(&host->devices[i]))
			host->devices[i].force_forwarding6 == 1 ? on++ : off++;
	if (host->forwarding6 || (on && !off))
		return;
	finding = doctor_add(
		report, "forwarding6", DOCTOR_STOPS, "The kernel does not forward IPv6.");
	doctor_say(finding->breaks, "Media over IPv6 is translated and then thrown away.");
	for (size_t i = 0; i < host->device_count; i++)
		if (matters(&host->devices[i]) && host->devices[i].advertised &&
			host->devices[i].accept_ra == 1)
			set_device(finding, 6, host->devices[i].name, "accept_ra", 2);
	doctor_set(finding, "net/ipv6/conf/all/forwarding", 1);
}

/* The larger of "all" and the device's own counts, hence 2 for the device is enough. */
static void rp_filter(const struct doctor_host *host, size_t devices, struct doctor_report *report)
{
	struct doctor_finding *finding;

	for (size_t i = 0; devices > 1 && i < host->device_count; i++) {
		const struct doctor_device *device = &host->devices[i];
		long value = device->rp_filter > host->rp_filter_all ? device->rp_filter
								     : host->rp_filter_all;

		if (!matters(device) || value != 1)
			continue;
		finding = doctor_add(report, "rp_filter", DOCTOR_WEAKENS,
			"Strict reverse path filtering on %s, one of %zu ways out.", device->name,
			devices);
		doctor_say(finding->breaks,
			"Senders and clients that come in by %s but are routed by another device "
			"are dropped.",
			device->name);
		set_device(finding, 4, device->name, "rp_filter", 2);
	}
}

/*
 * Either of "all" and the device's own is enough to make them. Those for translated packets the
 * kernel throws away again, nf_nat_icmp_reply_translation(), so streams never meet one.
 */
static void send_redirects(
	const struct doctor_host *host, size_t devices, struct doctor_report *report)
{
	struct doctor_finding *finding;

	for (size_t i = 0; devices == 1 && i < host->device_count; i++) {
		const struct doctor_device *device = &host->devices[i];

		if (!matters(device) ||
			(device->send_redirects != 1 && host->send_redirects_all != 1))
			continue;
		finding = doctor_add(report, "send_redirects", DOCTOR_NOTE,
			"Packets come in and leave by %s alone, and the kernel makes redirects.",
			device->name);
		doctor_say(finding->breaks, "No stream: its redirects are made in vain. Whatever "
					    "else is forwarded is told "
					    "to go past this host.");
		if (host->send_redirects_all == 1)
			doctor_set(finding, "net/ipv4/conf/all/send_redirects", 0);
		if (device->send_redirects == 1)
			set_device(finding, 4, device->name, "send_redirects", 0);
	}
}

void doctor_sysctl(const struct doctor_host *host, const struct doctor_relay *relay,
	struct doctor_report *report)
{
	bool known = relay->asked && relay->address_count;
	size_t devices = 0;

	for (size_t i = 0; i < host->device_count; i++)
		devices += matters(&host->devices[i]);
	if (known ? uses(relay, AF_INET) : true) {
		if (host->ip_forward != DOCTOR_UNKNOWN)
			forwarding4(host, report);
		rp_filter(host, devices, report);
		send_redirects(host, devices, report);
	}
	if ((known ? uses(relay, AF_INET6) : host->ipv6) && host->forwarding6 != DOCTOR_UNKNOWN)
		forwarding6(host, report);
}
