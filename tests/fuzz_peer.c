/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as a hello and as a word: what is read is the only way to write it. */
#undef NDEBUG /* the assertions are what is tested */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/peer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void endpoint_check(const struct endpoint *endpoint, bool may_be_none)
{
	uint8_t family = endpoint->addr.family;

	assert(family == AF_INET || family == AF_INET6 || (may_be_none && family == 0));
	assert((endpoint->port == 0) == (family == 0));
}

static void hello_check(const uint8_t *data, size_t size)
{
	uint8_t again[PEER_WIRE];
	struct peer_hello hello;

	if (peer_hello_decode(data, size, &hello) < 0)
		return;
	assert(hello.role <= PEER_SERVICE && hello.progress <= PEER_FAILED);
	assert(hello.host_count <= PEER_HOSTS);
	endpoint_check(&hello.gateway, true);
	for (size_t i = 0; i < hello.host_count; i++)
		endpoint_check(&hello.hosts[i], false);
	assert(peer_hello_encode(&hello, again) == size);
	assert(memcmp(data, again, size) == 0);
}

static void word_check(const uint8_t *data, size_t size)
{
	uint8_t again[PEER_WIRE];
	struct peer_word word;

	if (peer_word_decode(data, size, &word) < 0)
		return;
	assert(word.state <= PEER_CLOSED && word.round.plan <= PEER_BIRTHDAY);
	assert(word.round.part <= 1 && word.round.count <= PEER_PROBES_MAX);
	assert(word.round.target_count <= PEER_TARGETS);
	endpoint_check(&word.alternate, true);
	for (size_t i = 0; i < word.round.target_count; i++)
		endpoint_check(&word.round.targets[i], false);
	assert(peer_word_encode(&word, again) == size);
	assert(memcmp(data, again, size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	hello_check(data, size);
	word_check(data, size);
	return 0;
}
