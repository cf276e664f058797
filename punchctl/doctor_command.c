/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/doctor_command.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* The conntrack entries of our flows, relayd(8). */
#define MARK	 "0x52000000/0xff000000"
#define OURS	 "-m connmark --mark " MARK " -j ACCEPT"
#define OURS_NFT "ct mark and 0xff000000 == 0x52000000 accept"

#define LOOK "Look at `nft list ruleset`, and let it pass there."

#define DROP_IN "/etc/systemd/system/docker.service.d"

const char *doctor_family_text(enum doctor_family family)
{
	switch (family) {
	case DOCTOR_IP:
		return "ip";
	case DOCTOR_IP6:
		return "ip6";
	case DOCTOR_INET:
		return "inet";
	case DOCTOR_OTHER:
		break;
	}
	return "?";
}

static const char *hook_text(enum doctor_hook hook)
{
	switch (hook) {
	case DOCTOR_PREROUTING:
		return "PREROUTING";
	case DOCTOR_INPUT:
		return "INPUT";
	case DOCTOR_FORWARD:
		return "FORWARD";
	case DOCTOR_OUTPUT:
		return "OUTPUT";
	case DOCTOR_POSTROUTING:
		return "POSTROUTING";
	case DOCTOR_ELSEWHERE:
		break;
	}
	return NULL;
}

static bool is_forwarded(const struct doctor_chain *chain)
{
	return chain->way == DOCTOR_MEDIA || chain->way == DOCTOR_REPLY;
}

/* Before conntrack has had a look, a packet has no mark by which we could name it. */
static bool is_before_conntrack(const struct doctor_chain *chain)
{
	return chain->hook == DOCTOR_ELSEWHERE ||
	       (chain->hook == DOCTOR_PREROUTING && chain->priority <= -200);
}

/*
 * ufw's routed rules see the packet as it was translated, to an address that nobody knows before;
 * its own file of rules takes any match. It may have other tables, so it is the filter's COMMIT.
 */
static void ufw_forward(const struct doctor_chain *chain, struct doctor_finding *finding)
{
	const char *v = chain->packet == AF_INET6 ? "6" : "";

	doctor_say(finding->fix,
		"grep -q '" MARK "' /etc/ufw/before%s.rules || sed -i "
		"'/^\\*filter/,/^COMMIT/s|^COMMIT|-A ufw%s-before-forward " OURS
		"\\n&|' /etc/ufw/before%s.rules; ufw reload",
		v, v, v);
}

static void ufw(const struct doctor_chain *chain, struct doctor_finding *finding)
{
	if (is_forwarded(chain))
		ufw_forward(chain, finding);
	else if (chain->way == DOCTOR_PUNCH)
		doctor_say(finding->fix, "ufw allow %u/udp", chain->port);
	else
		doctor_say(finding->fix, "ufw allow out proto udp from any port %u", chain->port);
}

/* A shell's variable z with the zone of the device, or `other`; "" where no device is known. */
static void firewalld_zone(
	const struct doctor_chain *chain, const char *other, char out[static 128])
{
	*out = '\0';
	if (doctor_is_name(chain->device))
		snprintf(out, 128,
			"z=$(firewall-cmd --get-zone-of-interface=%s 2>/dev/null || %s); ",
			chain->device, other);
}

/* Both as it runs and for ever: a reload would drop everything for a moment. */
static void firewalld_port(const struct doctor_chain *chain, struct doctor_finding *finding)
{
	char zone[128];

	firewalld_zone(chain, "firewall-cmd --get-default-zone", zone);
	doctor_say(finding->fix,
		"%sfirewall-cmd%s --add-port=%u/udp && firewall-cmd --permanent%s "
		"--add-port=%u/udp",
		zone, *zone ? " --zone=\"$z\"" : "", chain->port, *zone ? " --zone=\"$z\"" : "",
		chain->port);
}

/*
 * Its rules see a packet as it was translated, to a client's address and port that nobody knows
 * before, and cannot ask for our mark: what is left is UDP that comes in where senders are. A
 * device that no zone lists is in the default one, but not for policies (firewalld 1.3).
 */
static void firewalld_policy(const struct doctor_chain *chain, struct doctor_finding *finding)
{
	char zone[128];

	firewalld_zone(chain, "echo ANY", zone);
	doctor_say(finding->fix,
		"%s{ firewall-cmd --permanent --info-policy=relayd >/dev/null 2>&1 || "
		"firewall-cmd --permanent --new-policy=relayd; } && "
		"firewall-cmd --permanent --policy=relayd --add-ingress-zone=%s && "
		"firewall-cmd --permanent --policy=relayd --add-egress-zone=ANY && "
		"firewall-cmd --permanent --policy=relayd --add-protocol=udp && "
		"firewall-cmd --reload",
		zone, *zone ? "\"$z\"" : "ANY");
	doctor_say(finding->hint,
		"This lets pass all UDP that the host is asked to forward from there; a rule for "
		"our flows alone firewalld does not know.");
}

/* It lets pass what is translated, unless told otherwise. */
static void firewalld(const struct doctor_host *host, const struct doctor_chain *chain,
	struct doctor_finding *finding)
{
	if (chain->way == DOCTOR_PUNCH) {
		firewalld_port(chain, finding);
	} else if (is_forwarded(chain) && host->strict_forward_ports) {
		doctor_say(finding->fix, "sed -i 's/^StrictForwardPorts=.*/StrictForwardPorts=no/' "
					 "/etc/firewalld/firewalld.conf && firewall-cmd --reload");
	} else if (is_forwarded(chain)) {
		firewalld_policy(chain, finding);
	} else {
		doctor_say(finding->hint, "Look at `firewall-cmd --list-all-policies`.");
	}
}

static const char *tool(const struct doctor_chain *chain)
{
	return chain->packet == AF_INET6 ? "ip6tables" : "iptables";
}

/* Docker keeps what is in DOCKER-USER, until the next boot. */
static void docker(const struct doctor_host *host, const struct doctor_chain *chain,
	struct doctor_finding *finding)
{
	const char *name = tool(chain);

	doctor_say(finding->fix, "%s -I DOCKER-USER " OURS, name);
	if (!host->has_systemd) {
		doctor_say(
			finding->hint, "Until the next boot; run it whenever Docker has started.");
		return;
	}
	doctor_say(finding->keep,
		"mkdir -p " DROP_IN " && printf '%%s\\n' '[Service]' "
		"'ExecStartPost=/bin/sh -c \"%s -C DOCKER-USER " OURS " || %s -I DOCKER-USER " OURS
		"\"' >" DROP_IN "/relayd-%s.conf && systemctl "
		"daemon-reload",
		name, name, name);
}

static void iptables(const struct doctor_host *host, const struct doctor_chain *chain,
	struct doctor_finding *finding)
{
	const char *name = tool(chain), *hook = hook_text(chain->hook);
	char table[DOCTOR_NAME + 8] = "";

	if (!hook)
		return;
	if (strcmp(chain->table, "filter"))
		snprintf(table, sizeof table, "-t %s ", chain->table);
	if (is_forwarded(chain))
		doctor_say(finding->fix, "%s %s-I %s " OURS, name, table, hook);
	else
		doctor_say(finding->fix, "%s %s-I %s -p udp --%s %u -j ACCEPT", name, table, hook,
			chain->way == DOCTOR_PUNCH ? "dport" : "sport", chain->port);
	if (host->has_saved_iptables)
		doctor_say(finding->keep, "%s-save >/etc/iptables/rules.v%c", name,
			chain->packet == AF_INET6 ? '6' : '4');
	else
		doctor_say(finding->hint,
			"Until the next boot. To keep it, put it where your rules come from, or "
			"install iptables-persistent.");
}

static void nftables(const struct doctor_chain *chain, struct doctor_finding *finding)
{
	char rule[128];

	if (chain->family == DOCTOR_OTHER)
		return;
	if (is_forwarded(chain))
		snprintf(rule, sizeof rule, OURS_NFT);
	else
		snprintf(rule, sizeof rule, "udp %s %u accept",
			chain->way == DOCTOR_PUNCH ? "dport" : "sport", chain->port);
	doctor_say(finding->fix, "nft insert rule %s %s %s %s", doctor_family_text(chain->family),
		chain->table, chain->chain, rule);
	doctor_say(finding->hint,
		"Until your rules are loaded again. To keep it, put `%s` first into that chain "
		"where they come from, on Debian /etc/nftables.conf.",
		rule);
}

void doctor_command(const struct doctor_host *host, const struct doctor_chain *chain,
	struct doctor_finding *finding)
{
	if (!doctor_is_name(chain->table) || !doctor_is_name(chain->chain) ||
		(is_forwarded(chain) && is_before_conntrack(chain))) {
		doctor_say(finding->hint, LOOK);
		return;
	}
	switch (chain->owner) {
	case DOCTOR_OURS:
		break;
	case DOCTOR_UFW:
		ufw(chain, finding);
		break;
	case DOCTOR_FIREWALLD:
		firewalld(host, chain, finding);
		break;
	case DOCTOR_DOCKER:
		if (is_forwarded(chain) && chain->hook == DOCTOR_FORWARD)
			docker(host, chain, finding);
		else
			iptables(host, chain, finding);
		break;
	case DOCTOR_IPTABLES:
		iptables(host, chain, finding);
		break;
	case DOCTOR_NFTABLES:
		nftables(chain, finding);
		break;
	}
	if (!*finding->fix && !*finding->hint)
		doctor_say(finding->hint, LOOK);
}
