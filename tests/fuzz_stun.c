/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as a datagram: what stun_parse() accepts lies within them. */
#undef NDEBUG /* the assertions are what is tested */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/stun.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void bytes_check(const struct stun *stun, struct stun_bytes bytes)
{
	if (!bytes.p) {
		assert(bytes.len == 0);
		return;
	}
	assert(bytes.p >= stun->data + STUN_HEADER + 4);
	assert(bytes.p + bytes.len <= stun->data + stun->len);
}

static void endpoint_check(const struct endpoint *endpoint)
{
	uint8_t family = endpoint->addr.family;

	assert(family == 0 || family == AF_INET || family == AF_INET6);
}

static void stun_check(const struct stun *stun)
{
	bytes_check(stun, stun->username);
	bytes_check(stun, stun->realm);
	bytes_check(stun, stun->nonce);
	bytes_check(stun, stun->userhash);
	bytes_check(stun, stun->software);
	bytes_check(stun, stun->reason);
	bytes_check(stun, stun->algorithms);
	endpoint_check(&stun->mapped);
	endpoint_check(&stun->other);
	endpoint_check(&stun->origin);
	assert(stun->unknown_count <= 8);
	assert(stun->error == 0 || (stun->error >= 300 && stun->error < 700));
	if (stun->integrity)
		assert(stun->integrity + 24u <= stun->len);
	if (stun->integrity256)
		assert(stun->integrity256 + 4u + stun->integrity256_len <= stun->len);
	if (!stun->integrity && !stun->integrity256)
		assert(!stun_verify(stun, stun->tid, STUN_TID));
	else
		stun_verify(stun, stun->tid, STUN_TID);
}

/* What was read, written again, is read as the same. */
static void stun_rewrite(const struct stun *stun)
{
	uint8_t data[STUN_MAX];
	struct stun again;
	struct buf buf;
	size_t len;

	buf_init(&buf, data, sizeof(data));
	stun_begin(&buf, stun->type, stun->tid);
	if (stun->username.p)
		stun_put(&buf, STUN_USERNAME, stun->username.p, stun->username.len);
	if (stun->mapped.addr.family)
		stun_put_endpoint(&buf, STUN_XOR_MAPPED_ADDRESS, &stun->mapped);
	if (stun->has_sequence)
		stun_put_sequence(&buf, stun->sequence);
	stun_put_integrity256(&buf, stun->tid, STUN_TID);
	stun_put_fingerprint(&buf);
	len = stun_end(&buf);
	assert(len > 0);
	assert(stun_parse(data, len, &again) == 0);
	assert(stun_verify(&again, stun->tid, STUN_TID));
	assert(again.type == stun->type);
	assert(endpoint_equal(&again.mapped, &stun->mapped));
	assert(again.has_sequence == stun->has_sequence && again.sequence == stun->sequence);
	assert(again.username.len == stun->username.len);
	assert(!again.username.len ||
		memcmp(again.username.p, stun->username.p, again.username.len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stun stun;
	int ret = stun_parse(data, size, &stun);

	if (ret == 0) {
		assert(stun_is(data, size));
		assert(stun.data == data && stun.len == size && size <= STUN_MAX);
		stun_check(&stun);
		stun_rewrite(&stun);
	}
	return 0;
}
