/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_tun.h>

#include "common/buf.h"
#include "rules/trace_inner.h"

#define PROBE_NAME "relayd-probe%d"
#define RTP_SIZE   12
#define UDP_SIZE   (8 + RTP_SIZE)
#define PROBE_MAX  (40 + UDP_SIZE)

/* RFC 1071. */
static uint16_t checksum(const uint8_t *data, size_t len, uint32_t sum)
{
	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)(data[i] << 8 | data[i + 1]);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void put_u16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* The network header; its length, and the sum of what UDP's checksum covers of it. */
static size_t network_write(
	uint8_t *out, const struct endpoint *source, const struct endpoint *dest, uint32_t *sum)
{
	const size_t size = addr_size(source->addr.family);
	const size_t at = size == 4 ? 12 : 8;

	memcpy(out + at, source->addr.bytes, size);
	memcpy(out + at + size, dest->addr.bytes, size);
	*sum = (uint16_t)~checksum(out + at, 2 * size, IPPROTO_UDP + UDP_SIZE);
	if (size == 4) {
		out[0] = 0x45;
		put_u16(out + 2, 20 + UDP_SIZE);
		out[8] = 64;
		out[9] = IPPROTO_UDP;
		put_u16(out + 10, checksum(out, 20, 0));
		return 20;
	}
	out[0] = 0x60;
	put_u16(out + 4, UDP_SIZE);
	out[6] = IPPROTO_UDP;
	out[7] = 64;
	return 40;
}

static size_t probe_write(
	uint8_t out[static PROBE_MAX], const struct endpoint *source, const struct endpoint *dest)
{
	uint32_t sum;
	uint8_t *udp;
	size_t network;

	memset(out, 0, PROBE_MAX);
	network = network_write(out, source, dest, &sum);
	udp = out + network;
	put_u16(udp, source->port);
	put_u16(udp + 2, dest->port);
	put_u16(udp + 4, UDP_SIZE);
	udp[8] = 0x80; /* RTP, version 2 (RFC 3550) */
	put_u16(udp + 6, checksum(udp, UDP_SIZE, sum));
	return network + UDP_SIZE;
}

static int device_up(const char *name)
{
	struct ifreq request = {.ifr_flags = IFF_UP};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int err = 0;

	if (fd < 0)
		return -errno;
	memcpy(request.ifr_name, name, IF_NAMESIZE);
	if (ioctl(fd, SIOCSIFFLAGS, &request))
		err = -errno;
	close(fd);
	return err;
}

static int device_open(struct trace *trace)
{
	struct ifreq request = {.ifr_name = PROBE_NAME, .ifr_flags = IFF_TUN | IFF_NO_PI};

	trace->tun = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (trace->tun < 0)
		return -errno;
	if (ioctl(trace->tun, TUNSETIFF, &request))
		return -errno;
	memcpy(trace->device, request.ifr_name, IF_NAMESIZE);
	trace->device[IF_NAMESIZE - 1] = 0;
	trace->index = if_nametoindex(trace->device);
	return trace->index ? device_up(trace->device) : -ENODEV;
}

void trace_probe_close(struct trace *trace)
{
	if (trace->tun >= 0)
		close(trace->tun); /* and with it the interface */
	trace->tun = -1;
	trace->index = 0;
	*trace->device = 0;
}

int trace_probe(struct trace *trace, const struct endpoint *source, const struct endpoint *dest)
{
	uint8_t packet[PROBE_MAX];
	size_t len;
	int err = 0;

	if (source->addr.family != dest->addr.family || !addr_size(dest->addr.family))
		return -EAFNOSUPPORT;
	if (trace->tun < 0) {
		err = device_open(trace);
		/* Not before it is sure that the packet goes nowhere. */
		if (!err)
			err = trace_table_stop(trace);
	}
	if (err) {
		trace_probe_close(trace);
		return err;
	}
	len = probe_write(packet, source, dest);
	return write(trace->tun, packet, len) == (ssize_t)len ? 0 : -errno;
}
