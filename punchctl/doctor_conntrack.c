/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/doctor.h"

#include <stdio.h>
#include <string.h>

/* A port's sender and one that has just been replaced. */
#define FLOWS_PER_PORT 2
#define LEAST_MAX      65536
/* What recent kernels and distributions take, but for TCP, whose default is five days. */
#define TCP_ESTABLISHED 86400
#define UDP_TIMEOUT	30
#define UDP_STREAM	120

static long percent(const struct doctor_host *host)
{
	return host->conntrack_count * 100 / host->conntrack_max;
}

/* Four times what is needed now, as a power of two. */
static long enough(long need)
{
	long size = LEAST_MAX;

	while (size < need * 4 && size < 1L << 26)
		size *= 2;
	return size;
}

static void raise_max(const struct doctor_host *host, long need, struct doctor_finding *finding)
{
	long size = enough(need);
	size_t len;

	doctor_set(finding, "net/netfilter/nf_conntrack_max", size);
	if (host->conntrack_buckets != DOCTOR_UNKNOWN && host->conntrack_buckets * 4 < size)
		doctor_set(finding, "net/netfilter/nf_conntrack_buckets", size / 4);
	/* At boot the settings are there only once the module is. */
	len = strlen(finding->keep);
	snprintf(finding->keep + len, sizeof finding->keep - len,
		"; echo nf_conntrack >/etc/modules-load.d/relayd.conf");
}

static void size(const struct doctor_host *host, const struct doctor_relay *relay,
	struct doctor_report *report)
{
	long ports = relay->asked && relay->ports > 0 ? relay->ports : 0;
	long need = host->conntrack_count + ports * FLOWS_PER_PORT;
	struct doctor_finding *finding;

	if (percent(host) >= 80) {
		finding = doctor_add(report, "conntrack_full",
			percent(host) >= 95 ? DOCTOR_STOPS : DOCTOR_WEAKENS,
			"The conntrack table is %ld %% full: %ld of %ld entries.", percent(host),
			host->conntrack_count, host->conntrack_max);
		doctor_say(finding->breaks, "When it is full, packets of senders and clients that "
					    "are new are dropped.");
		raise_max(host, need, finding);
	} else if (relay->met[DOCTOR_FLOWS_FULL] > 0) {
		finding = doctor_add(report, "conntrack_size", DOCTOR_WEAKENS,
			"The conntrack table was full %ld times since relayd started; it takes "
			"%ld.",
			relay->met[DOCTOR_FLOWS_FULL], host->conntrack_max);
		doctor_say(finding->breaks, "Streams that start when it is full do not flow.");
		raise_max(host, host->conntrack_max, finding);
	} else if (ports && host->conntrack_max < need) {
		finding = doctor_add(report, "conntrack_size", DOCTOR_WEAKENS,
			"The conntrack table takes %ld entries; there are %ld, and %ld ports of "
			"streams may need %ld more.",
			host->conntrack_max, host->conntrack_count, ports, ports * FLOWS_PER_PORT);
		doctor_say(finding->breaks, "Streams that start when it is full do not flow.");
		raise_max(host, need, finding);
	}
}

/* Our flows have timeouts of their own; it is the others that fill the table. */
static void timeouts(const struct doctor_host *host, struct doctor_report *report)
{
	static const char names[3][64] = {"net/netfilter/nf_conntrack_tcp_timeout_established",
		"net/netfilter/nf_conntrack_udp_timeout",
		"net/netfilter/nf_conntrack_udp_timeout_stream"};
	static const long best[3] = {TCP_ESTABLISHED, UDP_TIMEOUT, UDP_STREAM};
	const long is[3] = {host->tcp_established, host->udp_timeout, host->udp_stream};
	struct doctor_finding *finding = NULL;

	for (int i = 0; percent(host) >= 50 && i < 3; i++) {
		if (is[i] <= best[i] * 2)
			continue;
		if (!finding) {
			finding = doctor_add(report, "conntrack_timeouts", DOCTOR_WEAKENS,
				"The conntrack table is %ld %% full, and dead flows stay in it for "
				"long.",
				percent(host));
			doctor_say(finding->breaks,
				"When it is full, packets of senders and clients that are new are "
				"dropped.");
		}
		doctor_set(finding, names[i], best[i]);
	}
}

void doctor_conntrack(const struct doctor_host *host, const struct doctor_relay *relay,
	struct doctor_report *report)
{
	if (host->conntrack_count < 0 || host->conntrack_max <= 0)
		return;
	size(host, relay, report);
	timeouts(host, report);
}
