/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/nat.h"

#include <stdlib.h>

#define PORT_LOW  1024 /* where NATs take ports from, all but always */
#define PORT_HIGH 65535
#define PORT_POOL (PORT_HIGH - PORT_LOW + 1)

#define NEAR_ONE     512  /* one distance alone: random ports are that close in 1.6 % of cases */
#define NEAR_MEAN    2048 /* many of one sign: the same for their mean */
#define NEAR_COUNT   6	  /* so many random distances have one sign in 0.3 % of cases */
#define FOREIGN_MEAN 8	  /* mappings per distance, ours and those of others */

#define BLOCK_MIN   64
#define BLOCK_MAX   4096
#define BLOCK_COUNT 4 /* fewer samples say nothing about a range */
#define BLOCK_SURE  6 /* fewer may all lie in one half of the block by chance */

#define EPHEMERAL_LOW  32768 /* Linux, ip_local_port_range */
#define EPHEMERAL_HIGH 60999
#define DYNAMIC_LOW    49152 /* RFC 6335, section 6 */

struct distances {
	int32_t sign;	       /* of most */
	unsigned int forward;  /* how many have it */
	unsigned int backward; /* and how many do not */
	uint32_t gcd, sum;     /* of those that have it */
	int32_t first, last;   /* ports */
};

static uint32_t gcd(uint32_t a, uint32_t b)
{
	while (b) {
		uint32_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

/* From a to b the shorter way round. */
static int32_t distance(uint16_t a, uint16_t b)
{
	int32_t d = b - a;

	if (d > PORT_POOL / 2)
		return d - PORT_POOL;
	return d < -PORT_POOL / 2 ? d + PORT_POOL : d;
}

static int32_t majority_sign(const struct nat_sample *samples, size_t count)
{
	int32_t balance = 0, nearest = 0;

	for (size_t i = 1; i < count; i++) {
		int32_t d = distance(samples[i - 1].mapped, samples[i].mapped);

		balance += (d > 0) - (d < 0);
		if (d && (!nearest || abs(d) < abs(nearest)))
			nearest = d;
	}
	if (balance)
		return balance > 0 ? 1 : -1;
	return nearest < 0 ? -1 : 1;
}

/* The same port twice is one mapping that was seen twice. */
static void distances_measure(const struct nat_sample *samples, size_t count, struct distances *out)
{
	*out = (struct distances){
		.sign = majority_sign(samples, count),
		.first = samples[0].mapped,
		.last = samples[count - 1].mapped,
	};
	for (size_t i = 1; i < count; i++) {
		int32_t d = distance(samples[i - 1].mapped, samples[i].mapped) * out->sign;

		if (d < 0)
			out->backward++;
		if (d <= 0)
			continue;
		out->forward++;
		out->sum += (uint32_t)d;
		out->gcd = gcd((uint32_t)d, out->gcd);
	}
}

/*
 * A NAT that counts goes one way, but for one leap when its range ends, which may end anywhere;
 * then it is still behind where it began. Foreign mappings only make the distances larger: they
 * remain small multiples of the step or, with many of them, small.
 */
static bool is_sequential(const struct distances *distances)
{
	unsigned int count = distances->forward + distances->backward;

	if (distances->backward > 1)
		return false;
	if (distances->backward == 1 &&
		(count < 3 || (distances->last - distances->first) * distances->sign > 0))
		return false;
	if (distances->forward == 1)
		return distances->sum <= NEAR_ONE;
	if (distances->sum <= FOREIGN_MEAN * distances->gcd * distances->forward)
		return true;
	return count >= NEAR_COUNT && distances->sum <= NEAR_MEAN * distances->forward;
}

static uint16_t port_clamp(int32_t port)
{
	if (port < PORT_LOW)
		return PORT_LOW;
	return (uint16_t)(port > PORT_HIGH ? PORT_HIGH : port);
}

/*
 * Carrier-grade NATs give each subscriber a block, mostly of a power of two and aligned to it
 * (RFC 7753, RFC 6431). When the samples straddle every such border, the block is anywhere that
 * holds them all.
 */
static bool block_find(int32_t min, int32_t max, size_t count, struct nat_ports *out)
{
	int32_t size = BLOCK_MIN;

	while (size < max - min + 1)
		size *= 2;
	if (count < BLOCK_SURE)
		size *= 2;
	if (size > BLOCK_MAX || min < PORT_LOW)
		return false;
	for (int32_t aligned = size; aligned <= 2 * size; aligned *= 2) {
		if (min / aligned != max / aligned)
			continue;
		out->low = port_clamp(min / aligned * aligned);
		out->high = port_clamp(min / aligned * aligned + aligned - 1);
		return true;
	}
	out->low = port_clamp(max - size + 1);
	out->high = port_clamp(min + size - 1);
	return true;
}

static void range_find(const struct nat_sample *samples, size_t count, struct nat_ports *out)
{
	int32_t min = samples[0].mapped, max = min;
	size_t distinct = 1;

	for (size_t i = 1; i < count; i++) {
		distinct += samples[i].mapped != samples[i - 1].mapped;
		if (samples[i].mapped < min)
			min = samples[i].mapped;
		if (samples[i].mapped > max)
			max = samples[i].mapped;
	}
	out->low = min < PORT_LOW ? 1 : PORT_LOW;
	out->high = PORT_HIGH;
	if (distinct < BLOCK_COUNT || block_find(min, max, distinct, out) || distinct < BLOCK_SURE)
		return;
	if (min >= DYNAMIC_LOW) {
		out->low = DYNAMIC_LOW;
	} else if (min >= EPHEMERAL_LOW && max <= EPHEMERAL_HIGH) {
		out->low = EPHEMERAL_LOW;
		out->high = EPHEMERAL_HIGH;
	}
}

/* Where another host has the port already, even a NAT that preserves gives a different one. */
static bool is_preserving(const struct nat_sample *samples, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++)
		kept += samples[i].mapped == samples[i].local;
	return kept > 0 && kept * 4 >= count * 3;
}

void nat_ports_classify(const struct nat_sample *samples, size_t count, struct nat_ports *out)
{
	struct distances distances;

	*out = (struct nat_ports){.allocation = NAT_ALLOCATION_UNKNOWN};
	if (count == 0)
		return;
	if (is_preserving(samples, count)) {
		out->allocation = NAT_ALLOCATION_PRESERVING;
		return;
	}
	distances_measure(samples, count, &distances);
	if (distances.forward == 0)
		return;
	if (is_sequential(&distances)) {
		out->allocation = NAT_ALLOCATION_SEQUENTIAL;
		out->step = distances.sign * (int32_t)distances.gcd;
		return;
	}
	out->allocation = NAT_ALLOCATION_RANDOM;
	range_find(samples, count, out);
}

uint16_t nat_ports_next(const struct nat_ports *ports, uint16_t last, unsigned int n)
{
	int64_t offset = (int64_t)last - PORT_LOW;

	if (ports->allocation != NAT_ALLOCATION_SEQUENTIAL)
		return last;
	offset = (offset + (int64_t)ports->step * n) % PORT_POOL;
	if (offset < 0)
		offset += PORT_POOL;
	return (uint16_t)(PORT_LOW + offset);
}

bool nat_is_predictable(const struct nat_report *report)
{
	return report->mapping == NAT_MAPPING_NONE || report->mapping == NAT_MAPPING_ENDPOINT ||
	       report->ports.allocation == NAT_ALLOCATION_PRESERVING;
}

const char *nat_mapping_text(enum nat_mapping mapping)
{
	switch (mapping) {
	case NAT_MAPPING_UNKNOWN:
		return "unknown";
	case NAT_MAPPING_NONE:
		return "none";
	case NAT_MAPPING_ENDPOINT:
		return "endpoint-independent";
	case NAT_MAPPING_NOT_PORT:
		return "endpoint-independent or address-dependent";
	case NAT_MAPPING_ADDRESS:
		return "address-dependent";
	case NAT_MAPPING_PORT:
		return "address- and port-dependent";
	}
	return "unknown";
}

const char *nat_filtering_text(enum nat_filtering filtering)
{
	switch (filtering) {
	case NAT_FILTERING_UNKNOWN:
		return "unknown";
	case NAT_FILTERING_ENDPOINT:
		return "endpoint-independent";
	case NAT_FILTERING_NOT_PORT:
		return "endpoint-independent or address-dependent";
	case NAT_FILTERING_ADDRESS:
		return "address-dependent";
	case NAT_FILTERING_PORT:
		return "address- and port-dependent";
	}
	return "unknown";
}

const char *nat_allocation_text(enum nat_allocation allocation)
{
	switch (allocation) {
	case NAT_ALLOCATION_UNKNOWN:
		return "unknown";
	case NAT_ALLOCATION_PRESERVING:
		return "port preserving";
	case NAT_ALLOCATION_SEQUENTIAL:
		return "sequential";
	case NAT_ALLOCATION_RANDOM:
		return "random";
	}
	return "unknown";
}
