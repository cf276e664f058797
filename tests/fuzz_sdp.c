/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as a session description: what is accepted can be rewritten and read again. */
#undef NDEBUG /* the assertions are what is tested */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "punchctl/sdp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void choose(const struct sdp *sdp, uint16_t local[static SDP_MEDIA_MAX])
{
	uint16_t next = 10000;

	for (unsigned int i = 0; i < sdp->media_count; i++) {
		unsigned int same = sdp_bundle(sdp, i);

		local[i] = 0;
		if (sdp->media[i].port == 0)
			continue;
		local[i] = same < i ? local[same] : next;
		next = (uint16_t)(next + 2 * sdp->media[i].count);
	}
}

static void ports_check(const struct sdp *sdp, const uint16_t local[static SDP_MEDIA_MAX])
{
	struct ports ports;

	sdp_ports(sdp, &ports);
	assert(ports.count > 0 && ports.count <= PORTS_MAX);
	for (unsigned int i = 0; i < ports.count; i++) {
		uint16_t to = sdp_local(sdp, local, ports.port[i]);

		assert(to >= 10000);
		for (unsigned int j = 0; j < i; j++)
			assert(to != sdp_local(sdp, local, ports.port[j]));
	}
}

/* The second reading finds our ports where the first found the relay's. */
static void again_check(const struct sdp *sdp, const uint16_t local[static SDP_MEDIA_MAX])
{
	static char text[2 * SDP_SIZE_MAX];
	char why[SDP_WHY];
	unsigned int pairs = 0;
	struct sdp again;
	size_t len;

	assert(sdp_rewrite(sdp, local, text, sizeof(text), &len) == 0);
	for (unsigned int i = 0; i < sdp->media_count; i++)
		pairs += sdp->media[i].port ? sdp->media[i].count : 0u;
	/* The relay's ports may have been neighbours without RTCP between them; ours never are. */
	if (len > SDP_SIZE_MAX || 2 * pairs > PORTS_MAX)
		return;
	assert(sdp_parse(text, len, &again, why) == 0);
	assert(again.media_count == sdp->media_count);
	for (unsigned int i = 0; i < again.media_count; i++) {
		assert(again.media[i].port == local[i]);
		assert(again.media[i].count == sdp->media[i].count);
		assert(again.media[i].rtp == sdp->media[i].rtp);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint16_t local[SDP_MEDIA_MAX];
	char why[SDP_WHY] = "";
	struct sdp sdp;
	char *copy;

	/* Without a zero behind it, so that reading one byte too far is seen. */
	copy = malloc(size + (size == 0));
	assert(copy);
	memcpy(copy, data, size);
	if (sdp_parse(copy, size, &sdp, why) < 0) {
		assert(why[0] != '\0' && memchr(why, '\0', sizeof(why)));
	} else {
		choose(&sdp, local);
		ports_check(&sdp, local);
		again_check(&sdp, local);
	}
	free(copy);
	return 0;
}
