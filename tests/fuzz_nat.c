/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes for a report: what is taken can be written again, and is fit to predict ports with. */
#undef NDEBUG /* the assertions are what is tested */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "common/nat.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_report(const uint8_t *data, size_t size)
{
	uint8_t wire[NAT_WIRE];
	struct nat_report report;
	struct buf buf;

	buf_init_read(&buf, data, size);
	nat_get(&buf, &report);
	assert(nat_mapping_text(report.mapping) && nat_filtering_text(report.filtering));
	if (buf.bad)
		return;
	buf_init(&buf, wire, sizeof(wire));
	nat_put(&buf, &report);
	assert(!buf.bad && memcmp(wire, data, sizeof(wire)) == 0);
	if (report.ports.allocation == NAT_ALLOCATION_SEQUENTIAL)
		assert(nat_ports_next(&report.ports, data[0], data[1]) >= 1024);
	if (report.ports.allocation == NAT_ALLOCATION_RANDOM)
		assert(report.ports.low > 0 && report.ports.low <= report.ports.high);
}

/* The same bytes as ports that were seen. */
static void check_classify(const uint8_t *data, size_t size)
{
	struct nat_sample samples[NAT_SAMPLES];
	size_t count = 0;
	struct nat_ports ports;
	struct buf buf;

	buf_init_read(&buf, data, size);
	for (; count < NAT_SAMPLES && buf_left(&buf) >= 4; count++) {
		samples[count].local = buf_get_u16(&buf);
		samples[count].mapped = buf_get_u16(&buf);
	}
	nat_ports_classify(samples, count, &ports);
	if (ports.allocation == NAT_ALLOCATION_SEQUENTIAL)
		assert(ports.step != 0);
	if (ports.allocation != NAT_ALLOCATION_RANDOM)
		return;
	for (size_t i = 0; i < count; i++)
		assert(samples[i].mapped == 0 ||
			(samples[i].mapped >= ports.low && samples[i].mapped <= ports.high));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_report(data, size);
	check_classify(data, size);
	return 0;
}
