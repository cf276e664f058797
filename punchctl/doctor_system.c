/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/doctor.h"

#include <stdio.h>

/* What relayd asks for; the kernel reports twice as much. */
#define RECEIVE_BUFFER (4L * 1024 * 1024)

/*
 * relayd may go beyond rmem_max where the kernel lets it, so what its sockets have counts, if that
 * is known.
 */
static void buffers(const struct doctor_host *host, struct doctor_report *report)
{
	struct doctor_finding *finding;
	long have =
		host->receive_buffer != DOCTOR_UNKNOWN ? host->receive_buffer / 2 : host->rmem_max;

	if (have == DOCTOR_UNKNOWN || have >= RECEIVE_BUFFER)
		return;
	if (host->receive_buffer != DOCTOR_UNKNOWN) {
		finding = doctor_add(report, "buffers",
			host->overflows > 0 ? DOCTOR_WEAKENS : DOCTOR_NOTE,
			"The punch port's socket has a buffer of %ld KiB, of %ld that were wanted; "
			"it has overflowed %ld times.",
			have / 1024, RECEIVE_BUFFER / 1024,
			host->overflows > 0 ? host->overflows : 0);
		doctor_say(finding->hint, "Restart relayd afterwards.");
	} else {
		finding = doctor_add(report, "buffers", DOCTOR_NOTE,
			"net.core.rmem_max is %ld KiB; relayd wants %ld for its punch port.",
			have / 1024, RECEIVE_BUFFER / 1024);
	}
	doctor_say(finding->breaks,
		"When thousands of clients punch at the same moment, some punches are lost.");
	doctor_set(finding, "net/core/rmem_max", RECEIVE_BUFFER);
}

/* Receive offload gathers datagrams of a flow, and the stack then carries many as one. */
static void offload(const struct doctor_host *host, struct doctor_report *report)
{
	struct doctor_finding *finding;

	for (size_t i = 0; i < host->device_count; i++) {
		const struct doctor_device *device = &host->devices[i];

		if (!device->routes || device->gro != 1 || device->udp_gro_forwarding != 0 ||
			!doctor_is_name(device->name))
			continue;
		finding = doctor_add(report, "udp_gro", DOCTOR_NOTE,
			"%s can gather UDP datagrams that are forwarded, and does not.",
			device->name);
		doctor_say(finding->breaks, "Nothing; forwarding costs more CPU than it needs to.");
		doctor_say(finding->fix, "ethtool -K %s rx-udp-gro-forwarding on", device->name);
		doctor_say(finding->keep,
			"mkdir -p /etc/udev/rules.d && printf '%%s\\n' 'ACTION==\"add\", "
			"SUBSYSTEM==\"net\", NAME==\"%s\", "
			"RUN+=\"/usr/sbin/ethtool -K %s rx-udp-gro-forwarding on\"' "
			">>/etc/udev/rules.d/90-relayd.rules",
			device->name, device->name);
		doctor_say(finding->hint,
			"%sWhat was gathered counts as one packet in `punchctl show`.",
			host->has_ethtool ? "" : "First install ethtool. ");
	}
}

static void clocks(const struct doctor_host *host, struct doctor_report *report)
{
	struct doctor_finding *finding;

	if (host->clock_synchronised == 0) {
		finding = doctor_add(
			report, "clock", DOCTOR_NOTE, "Nothing keeps this host's clock right.");
		doctor_say(finding->breaks,
			"Streams that were added with --expire end too early or too late.");
		if (host->has_timesyncd && host->has_systemd)
			doctor_say(finding->fix, "timedatectl set-ntp true");
		else if (host->has_chrony && host->has_systemd)
			doctor_say(finding->fix, "systemctl enable --now chrony");
		else
			doctor_say(finding->hint, "Install and start chrony or systemd-timesyncd.");
	}
}

static void kernel(const struct doctor_host *host, const struct doctor_relay *relay,
	struct doctor_report *report)
{
	struct doctor_finding *finding;

	if (relay->asked && !relay->persist) {
		finding = doctor_add(report, "persist", DOCTOR_NOTE,
			"This kernel cannot guard relayd's table against other programs.");
		doctor_say(finding->breaks,
			"`nft flush ruleset` removes it; relayd notices and restores it.");
		doctor_say(finding->hint, "Linux 6.9 and later can.");
	}
	if (host->legacy || (relay->asked && relay->legacy)) {
		finding = doctor_add(report, "legacy", DOCTOR_NOTE,
			"There are rules of iptables-legacy, which cannot be looked through.");
		doctor_say(finding->breaks, "One of them may drop what is forwarded, or punches.");
		doctor_say(finding->hint,
			"Look with `iptables-legacy-save`; `update-alternatives --set iptables "
			"/usr/sbin/iptables-nft` and a reboot move them to where they can be "
			"seen.");
	}
}

void doctor_system(const struct doctor_host *host, const struct doctor_relay *relay,
	struct doctor_report *report)
{
	buffers(host, report);
	offload(host, report);
	clocks(host, report);
	kernel(host, relay, report);
}
