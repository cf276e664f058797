/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/doctor_read.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RTF_UP	     0x1
#define RTF_ADDRCONF 0x40000 /* linux/ipv6_route.h */

__attribute__((format(printf, 2, 3))) static FILE *file_open(
	const char *root, const char *format, ...)
{
	char path[PATH_MAX], name[PATH_MAX / 2];
	va_list list;

	va_start(list, format);
	vsnprintf(name, sizeof name, format, list);
	va_end(list);
	if ((size_t)snprintf(path, sizeof path, "%s%s", root, name) >= sizeof path)
		return NULL;
	return fopen(path, "re");
}

static bool exists(const char *root, const char *name)
{
	char path[PATH_MAX];

	return (size_t)snprintf(path, sizeof path, "%s%s", root, name) < sizeof path &&
	       !access(path, F_OK);
}

static long number_read(FILE *file)
{
	char text[64], *end;
	long value = DOCTOR_UNKNOWN;

	if (!file)
		return DOCTOR_UNKNOWN;
	if (fgets(text, sizeof text, file)) {
		errno = 0;
		value = strtol(text, &end, 10);
		if (errno || end == text || value < 0)
			value = DOCTOR_UNKNOWN;
	}
	fclose(file);
	return value;
}

static long setting(const char *root, const char *name)
{
	return number_read(file_open(root, "/proc/sys/net/%s", name));
}

static long device_setting(
	const char *root, int version, const struct doctor_device *device, const char *name)
{
	return number_read(
		file_open(root, "/proc/sys/net/ipv%d/conf/%s/%s", version, device->name, name));
}

static struct doctor_device *find(struct doctor_host *host, const char *name)
{
	for (size_t i = 0; i < host->device_count; i++)
		if (!strcmp(host->devices[i].name, name))
			return &host->devices[i];
	return NULL;
}

static void device_read(const char *root, struct doctor_device *device)
{
	device->forwarding4 = device_setting(root, 4, device, "forwarding");
	device->rp_filter = device_setting(root, 4, device, "rp_filter");
	device->send_redirects = device_setting(root, 4, device, "send_redirects");
	device->accept_ra = device_setting(root, 6, device, "accept_ra");
	device->force_forwarding6 = device_setting(root, 6, device, "force_forwarding");
	device->gro = device->udp_gro_forwarding = DOCTOR_UNKNOWN;
}

/* "  eth0: 1234 ..", below two lines of heads. */
static void devices_read(const char *root, struct doctor_host *host)
{
	FILE *file = file_open(root, "/proc/net/dev");
	char line[512], name[IF_NAMESIZE];

	while (file && fgets(line, sizeof line, file)) {
		struct doctor_device *device = &host->devices[host->device_count];

		if (host->device_count == DOCTOR_DEVICES ||
			sscanf(line, " %15[^: |]:", name) != 1 || !strchr(line, ':') ||
			!strcmp(name, "lo"))
			continue;
		memset(device, 0, sizeof *device);
		strcpy(device->name, name);
		device_read(root, device);
		host->device_count++;
	}
	if (file)
		fclose(file);
}

/* A field of /proc: digits without a sign and no more than fit. */
static unsigned long hex(const char *field)
{
	return strtoul(field, NULL, 16);
}

/* Default routes: destination and mask are zero. */
static void routes_read(const char *root, struct doctor_host *host)
{
	FILE *file = file_open(root, "/proc/net/route");
	char line[512], name[IF_NAMESIZE], dest[9], flags[9], mask[9];

	while (file && fgets(line, sizeof line, file)) {
		struct doctor_device *device;

		if (sscanf(line, "%15s %8s %*s %8s %*s %*s %*s %8s", name, dest, flags, mask) !=
				4 ||
			hex(dest) || hex(mask) || !(hex(flags) & RTF_UP))
			continue;
		device = find(host, name);
		if (device)
			device->routes = true;
	}
	if (file)
		fclose(file);
}

static void routes6_read(const char *root, struct doctor_host *host)
{
	static const char none[] = "00000000000000000000000000000000";
	FILE *file = file_open(root, "/proc/net/ipv6_route");
	char line[512], dest[33], bits[3], flags[9], name[IF_NAMESIZE];

	while (file && fgets(line, sizeof line, file)) {
		struct doctor_device *device;

		if (sscanf(line, "%32s %2s %*s %*s %*s %*s %*s %*s %8s %15s", dest, bits, flags,
			    name) != 4 ||
			strcmp(dest, none) || strcmp(bits, "00") || !(hex(flags) & RTF_UP))
			continue;
		device = find(host, name);
		if (!device)
			continue;
		device->routes = true;
		device->advertised |= (hex(flags) & RTF_ADDRCONF) != 0;
	}
	if (file)
		fclose(file);
}

static bool contains(FILE *file, const char *word)
{
	char line[256];
	bool found = false;

	while (file && !found && fgets(line, sizeof line, file))
		found = !strncasecmp(line, word, strlen(word));
	if (file)
		fclose(file);
	return found;
}

static void programs_read(const char *root, struct doctor_host *host)
{
	host->has_systemd = exists(root, "/run/systemd/system");
	host->has_timesyncd = exists(root, "/lib/systemd/systemd-timesyncd");
	host->has_chrony = exists(root, "/usr/sbin/chronyd");
	host->has_ethtool = exists(root, "/usr/sbin/ethtool") || exists(root, "/sbin/ethtool");
	host->has_saved_iptables = exists(root, "/etc/iptables");
	host->strict_forward_ports = contains(
		file_open(root, "/etc/firewalld/firewalld.conf"), "StrictForwardPorts=yes");
	host->legacy = contains(file_open(root, "/proc/net/ip_tables_names"), "") ||
		       contains(file_open(root, "/proc/net/ip6_tables_names"), "");
}

void doctor_read_files(const char *root, struct doctor_host *host)
{
	memset(host, 0, sizeof *host);
	devices_read(root, host);
	routes_read(root, host);
	routes6_read(root, host);
	host->ip_forward = setting(root, "ipv4/ip_forward");
	host->forwarding6 = setting(root, "ipv6/conf/all/forwarding");
	host->rp_filter_all = setting(root, "ipv4/conf/all/rp_filter");
	host->send_redirects_all = setting(root, "ipv4/conf/all/send_redirects");
	host->conntrack_count = setting(root, "netfilter/nf_conntrack_count");
	host->conntrack_max = setting(root, "netfilter/nf_conntrack_max");
	host->conntrack_buckets = setting(root, "netfilter/nf_conntrack_buckets");
	host->tcp_established = setting(root, "netfilter/nf_conntrack_tcp_timeout_established");
	host->udp_timeout = setting(root, "netfilter/nf_conntrack_udp_timeout");
	host->udp_stream = setting(root, "netfilter/nf_conntrack_udp_timeout_stream");
	host->rmem_max = setting(root, "core/rmem_max");
	host->receive_buffer = host->overflows = host->clock_synchronised = DOCTOR_UNKNOWN;
	programs_read(root, host);
}
