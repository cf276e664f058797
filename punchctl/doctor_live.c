/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/doctor_read.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/timex.h>
#include <unistd.h>

#include <linux/ethtool.h>
#include <linux/sockios.h>

/* Features of a device that the kernel may have names for. */
#define FEATURES      256
#define FEATURE_WORDS (FEATURES / 32)

static struct doctor_device *find(struct doctor_host *host, const char *name)
{
	for (size_t i = 0; i < host->device_count; i++)
		if (!strcmp(host->devices[i].name, name))
			return &host->devices[i];
	return NULL;
}

static bool is_relays(const struct doctor_relay *relay, const struct addr *addr)
{
	for (size_t i = 0; i < relay->address_count; i++)
		if (addr_equal(&relay->addresses[i].local, addr))
			return true;
	return false;
}

static void addresses_read(const struct doctor_relay *relay, struct doctor_host *host)
{
	struct ifaddrs *list;

	if (getifaddrs(&list))
		return;
	for (struct ifaddrs *at = list; at; at = at->ifa_next) {
		struct doctor_device *device = find(host, at->ifa_name);
		struct endpoint endpoint;

		if (!device || !at->ifa_addr || endpoint_from_sockaddr(at->ifa_addr, &endpoint) ||
			!addr_is_routable(&endpoint.addr))
			continue;
		host->ipv6 |= endpoint.addr.family == AF_INET6;
		device->routes |= is_relays(relay, &endpoint.addr);
	}
	freeifaddrs(list);
}

static int ethtool(int fd, const char *name, void *what)
{
	struct ifreq request = {0};

	strcpy(request.ifr_name, name);
	request.ifr_data = what;
	return ioctl(fd, SIOCETHTOOL, &request);
}

/* How many features the kernel knows; 0: it does not say. */
static uint32_t features_count(int fd, const char *name)
{
	struct {
		struct ethtool_sset_info info;
		uint32_t count;
	} set = {{.cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1ULL << ETH_SS_FEATURES}, 0};

	if (ethtool(fd, name, &set) || !set.info.sset_mask || set.count > FEATURES)
		return 0;
	return set.count;
}

static long feature(const struct ethtool_get_features_block *block, uint32_t bit, bool any)
{
	uint32_t mask = 1U << (bit % 32);

	block += bit / 32;
	if (!any && !(block->available & mask))
		return DOCTOR_UNKNOWN;
	return (block->active & mask) != 0;
}

static void offloads_read(int fd, struct doctor_device *device)
{
	static struct {
		struct ethtool_gstrings head;
		char names[FEATURES][ETH_GSTRING_LEN];
	} texts;
	struct {
		struct ethtool_gfeatures head;
		struct ethtool_get_features_block blocks[FEATURE_WORDS];
	} bits = {{.cmd = ETHTOOL_GFEATURES, .size = FEATURE_WORDS}, {{0}}};
	uint32_t count = features_count(fd, device->name);

	memset(&texts, 0, sizeof texts);
	texts.head.cmd = ETHTOOL_GSTRINGS;
	texts.head.string_set = ETH_SS_FEATURES;
	texts.head.len = count;
	if (!count || ethtool(fd, device->name, &texts) || ethtool(fd, device->name, &bits))
		return;
	for (uint32_t i = 0; i < count && i < texts.head.len; i++) {
		if (!strncmp(texts.names[i], "rx-gro", ETH_GSTRING_LEN))
			device->gro = feature(bits.blocks, i, true);
		if (!strncmp(texts.names[i], "rx-udp-gro-forwarding", ETH_GSTRING_LEN))
			device->udp_gro_forwarding = feature(bits.blocks, i, false);
	}
}

void doctor_read_live(const struct doctor_relay *relay, struct doctor_host *host)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct timex timex = {0};
	int state = adjtimex(&timex);

	addresses_read(relay, host);
	for (size_t i = 0; fd >= 0 && i < host->device_count; i++)
		offloads_read(fd, &host->devices[i]);
	if (fd >= 0)
		close(fd);
	if (state != -1)
		host->clock_synchronised = !(timex.status & STA_UNSYNC);
}
