/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * doctor: from facts about the host to findings: what is so, what it breaks, and the exact command
 * that mends it. Everything declared here is a pure function; doctor_read.h gets the facts,
 * doctor_fix.h runs the commands.
 *
 * The commands are run by root, and relayd's net side faces the network: a command holds texts of
 * ours, numbers, and names that doctor_is_name() has allowed; nothing else.
 */
#ifndef PUNCHCTL_DOCTOR_H
#define PUNCHCTL_DOCTOR_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"

/* What a number is that could not be read. */
#define DOCTOR_UNKNOWN (-1)

#define DOCTOR_DEVICES	 64
#define DOCTOR_CHAINS	 64
#define DOCTOR_ADDRESSES 64
#define DOCTOR_FINDINGS	 64
#define DOCTOR_NAME	 64  /* of a table or a chain, with the zero */
#define DOCTOR_TEXT	 256 /* of a finding, with the zero */

struct doctor_device {
	char name[IF_NAMESIZE];
	bool routes;	 /* it has a default route, or an address that streams use */
	bool advertised; /* its IPv6 default route was learnt from router advertisements */
	long forwarding4, rp_filter, send_redirects, accept_ra, force_forwarding6;
	long gro, udp_gro_forwarding; /* 0, 1; unknown: it has none, or it cannot be changed */
};

/* What /proc, ioctl() and adjtimex() say. */
struct doctor_host {
	struct doctor_device devices[DOCTOR_DEVICES];
	size_t device_count;
	long ip_forward, forwarding6;
	long rp_filter_all, send_redirects_all;
	bool ipv6; /* the host has a routable address of it */
	long conntrack_count, conntrack_max, conntrack_buckets;
	long tcp_established, udp_timeout, udp_stream; /* seconds */
	long rmem_max;
	long receive_buffer; /* the smallest of the sockets at the punch port */
	long overflows;	     /* datagrams that these sockets had no room for */
	long clock_synchronised;
	bool legacy; /* rules of iptables-legacy are there */
	/* Which programs are there to be told. */
	bool has_timesyncd, has_chrony, has_ethtool, has_saved_iptables, has_systemd;
	bool strict_forward_ports; /* of firewalld.conf */
};

enum doctor_way { DOCTOR_MEDIA, DOCTOR_REPLY, DOCTOR_PUNCH, DOCTOR_ANSWER };
enum doctor_verdict { DOCTOR_PASSES, DOCTOR_DROPS, DOCTOR_CHANGES, DOCTOR_UNCLEAR };
enum doctor_owner {
	DOCTOR_OURS,
	DOCTOR_UFW,
	DOCTOR_FIREWALLD,
	DOCTOR_DOCKER,
	DOCTOR_IPTABLES,
	DOCTOR_NFTABLES,
};
enum doctor_family { DOCTOR_IP, DOCTOR_IP6, DOCTOR_INET, DOCTOR_OTHER };
enum doctor_hook {
	DOCTOR_PREROUTING,
	DOCTOR_INPUT,
	DOCTOR_FORWARD,
	DOCTOR_OUTPUT,
	DOCTOR_POSTROUTING,
	DOCTOR_ELSEWHERE,
};

/* A base chain that a packet of ours meets, as relayd tells it. */
struct doctor_chain {
	enum doctor_way way;
	uint8_t packet; /* AF_INET, AF_INET6 */
	enum doctor_family family;
	char table[DOCTOR_NAME], chain[DOCTOR_NAME]; /* "": a name that no command may hold */
	enum doctor_hook hook;
	int priority;
	enum doctor_owner owner;
	enum doctor_verdict verdict;
	uint16_t port;		  /* PUNCH, ANSWER: ours */
	char device[IF_NAMESIZE]; /* by which it comes in; "": not known */
};

struct doctor_address {
	struct addr local, public; /* the same unless it is advertised */
	bool unseen;		   /* whom relayd asks has not said how the others see it */
	char device[IF_NAMESIZE];  /* "": not known */
};

/* What relayd has met itself, as its metrics name it. */
enum doctor_trouble {
	DOCTOR_FLOWS_FULL,
	DOCTOR_SET_FULL,
	DOCTOR_NO_DESCRIPTORS,
	DOCTOR_DATABASE,
	DOCTOR_NETLINK_BUFFER,
	DOCTOR_CLOCK_SET,
	DOCTOR_NO_MEMORY,
	DOCTOR_TROUBLES,
};

/* What relayd says. */
struct doctor_relay {
	bool asked;	/* it answered; otherwise nothing below is known */
	bool walked;	/* the other programs' rules were read */
	uint16_t punch; /* port */
	struct doctor_address addresses[DOCTOR_ADDRESSES];
	size_t address_count;
	struct doctor_chain chains[DOCTOR_CHAINS];
	size_t chain_count;
	bool persist, legacy;
	bool now[DOCTOR_TROUBLES];
	long met[DOCTOR_TROUBLES]; /* times since it started */
	char seen[DOCTOR_TEXT];	   /* how that differs from what is shown, as relayd says */
	long streams, ports;
	long raw_punches;    /* streams that have one */
	long public_clients; /* clients at public addresses */
};

enum doctor_weight {
	DOCTOR_NOTE,	/* good to know */
	DOCTOR_WEAKENS, /* something does not work, or not as well as it might */
	DOCTOR_STOPS,	/* streams do not flow */
};

struct doctor_finding {
	const char *id;
	enum doctor_weight weight;
	char what[DOCTOR_TEXT], breaks[DOCTOR_TEXT];
	char fix[512];	/* for sh, as root; "": there is none that could be given */
	char keep[512]; /* makes it last over a reboot; "": it does */
	char hint[384]; /* what else to do by hand */
};

struct doctor_report {
	struct doctor_finding list[DOCTOR_FINDINGS];
	size_t count;
	bool stops;
};

/* Everything that can be found. */
void doctor_examine(const struct doctor_host *host, const struct doctor_relay *relay,
	struct doctor_report *report);

const char *doctor_weight_text(enum doctor_weight weight); /* "stops", "weakens", "note" */

/* May stand in a command: letters, digits, '_', '-', '.', and the first is none of "-.". */
bool doctor_is_name(const char *text);

/* The parts of doctor_examine(), a file each. */
void doctor_sysctl(const struct doctor_host *, const struct doctor_relay *, struct doctor_report *);
void doctor_conntrack(
	const struct doctor_host *, const struct doctor_relay *, struct doctor_report *);
void doctor_firewall(
	const struct doctor_host *, const struct doctor_relay *, struct doctor_report *);
void doctor_system(const struct doctor_host *, const struct doctor_relay *, struct doctor_report *);
void doctor_streams(const struct doctor_relay *, struct doctor_report *);
void doctor_trouble(const struct doctor_relay *, struct doctor_report *);

/* A new finding, with what is so; one is always returned, also when there is no room left. */
__attribute__((format(printf, 4, 5))) struct doctor_finding *doctor_add(
	struct doctor_report *report, const char *id, enum doctor_weight weight, const char *format,
	...);
/* snprintf() into one of its texts. */
#define doctor_say(field, ...) snprintf((field), sizeof(field), __VA_ARGS__)
/* Adds a setting to its commands, e.g. "net/ipv4/conf/eth0/rp_filter". */
void doctor_set(struct doctor_finding *finding, const char *sysctl, long value);

#endif
