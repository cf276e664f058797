/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/nat.h"

#define FLAG_BLOCKED 0x01

/*
 *  0                   1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +---------------+---------------+---------------+---------------+
 * |    mapping    |   filtering   |  allocation   |     flags     |
 * +---------------+---------------+---------------+---------------+
 * |                             step                              |
 * +---------------+---------------+---------------+---------------+
 * |              low              |              high             |
 * +---------------+---------------+---------------+---------------+
 * |    layers     |  opener TTL   |
 * +---------------+---------------+
 */
void nat_put(struct buf *buf, const struct nat_report *report)
{
	buf_put_u8(buf, (uint8_t)report->mapping);
	buf_put_u8(buf, (uint8_t)report->filtering);
	buf_put_u8(buf, (uint8_t)report->ports.allocation);
	buf_put_u8(buf, report->blocked ? FLAG_BLOCKED : 0);
	buf_put_u32(buf, (uint32_t)report->ports.step);
	buf_put_u16(buf, report->ports.low);
	buf_put_u16(buf, report->ports.high);
	buf_put_u8(buf, report->layers);
	buf_put_u8(buf, report->opener_ttl);
}

/* Whoever predicts ports relies on a step that is not 0 and on a range that is not empty. */
static bool ports_are_valid(const struct nat_ports *ports)
{
	if (ports->allocation > NAT_ALLOCATION_RANDOM)
		return false;
	if (ports->step < -UINT16_MAX || ports->step > UINT16_MAX || ports->low > ports->high)
		return false;
	if (ports->allocation == NAT_ALLOCATION_SEQUENTIAL && ports->step == 0)
		return false;
	return ports->allocation != NAT_ALLOCATION_RANDOM || ports->low > 0;
}

void nat_get(struct buf *buf, struct nat_report *report)
{
	uint8_t flags;

	*report = (struct nat_report){
		.mapping = buf_get_u8(buf),
		.filtering = buf_get_u8(buf),
		.ports.allocation = buf_get_u8(buf),
	};
	flags = buf_get_u8(buf);
	report->blocked = flags & FLAG_BLOCKED;
	report->ports.step = (int32_t)buf_get_u32(buf);
	report->ports.low = buf_get_u16(buf);
	report->ports.high = buf_get_u16(buf);
	report->layers = buf_get_u8(buf);
	report->opener_ttl = buf_get_u8(buf);
	if (report->mapping > NAT_MAPPING_PORT || report->filtering > NAT_FILTERING_PORT ||
		flags > FLAG_BLOCKED || !ports_are_valid(&report->ports))
		buf->bad = true;
	if (buf->bad)
		*report = (struct nat_report){.mapping = NAT_MAPPING_UNKNOWN};
}
