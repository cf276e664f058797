/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a paired lane hears. The first byte is its role; then records: a byte that says what
 * follows, a byte that says from whom and where to, two bytes of length, and as many bytes:
 *
 *   0  a datagram as it is
 *   1  a word that the relay has signed: a relay that lies
 *   2  attributes of a request that the other has signed
 *   3  the same of an answer to the newest request
 *   4  time: the length in milliseconds, and no bytes
 *   5  so many datagrams of data are sent
 */
#undef NDEBUG /* the assertions are what is tested */
#include <assert.h>
#include <stdlib.h>

#define FAKE_ASSERT(what) assert(what)
#include "tests/lane_fake.h"

#define RECORDS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void word_input(const uint8_t *bytes, size_t len)
{
	uint8_t out[STUN_MAX], tid[STUN_TID] = {1};
	struct buf buf;

	if (len > PEER_WIRE)
		return;
	buf_init(&buf, out, sizeof(out));
	stun_begin(&buf, STUN_INDICATION, tid);
	stun_put_sequence(&buf, fake.newest);
	stun_put_peer(&buf, bytes, len);
	stun_put_integrity256(&buf, fake.key, fake.key_len);
	fake_input(0, &fake.relay, out, stun_end(&buf));
}

static void check_input(unsigned int socket, const struct endpoint *from, uint16_t type,
	const uint8_t *bytes, size_t len)
{
	const struct sent *sent = sent_to(from);
	uint8_t out[STUN_MAX], tid[STUN_TID] = {2};
	struct buf buf;

	if (type == STUN_SUCCESS && sent)
		memcpy(tid, sent->data + 8, sizeof(tid));
	buf_init(&buf, out, sizeof(out));
	stun_begin(&buf, type, tid);
	buf_put(&buf, bytes, len);
	if (buf.bad)
		return;
	other_sign(&buf);
	len = stun_end(&buf);
	if (len > 0)
		fake_input(socket, from, out, len);
}

static void record_do(uint8_t what, uint8_t where, const uint8_t *bytes, size_t len, size_t number)
{
	const struct endpoint *from[] = {&fake.relay, &fake.alternate, &fake.other, &fake.mapped};
	unsigned int socket = where >> 2;
	struct lane_path path;

	if (socket > fake.sockets)
		socket = fake.sockets;
	switch (what % 6) {
	case 0:
		fake_input(socket, from[where & 3], bytes, len);
		break;
	case 1:
		word_input(bytes, len);
		break;
	case 2:
		check_input(socket, from[where & 3], STUN_REQUEST, bytes, len);
		break;
	case 3:
		check_input(socket, from[where & 3], STUN_SUCCESS, bytes, len);
		break;
	case 4:
		fake_run((int64_t)(number % 5000));
		break;
	case 5:
		if (lane_output(fake.lane, (unsigned int)number, fake.now_ms, &path))
			assert(path.socket <= fake.sockets && path.peer.port);
		break;
	}
}

/* Nothing leaves for where no peer can be. */
static void sent_check(void)
{
	for (unsigned int i = 0; i < fake.sent_count; i++) {
		assert(addr_is_routable(&fake.sent[i].to.addr));
		assert(fake.sent[i].to.port && fake.sent[i].len);
	}
	fake.sent_count = fake.event_count = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint16_t number;
	uint8_t what, where;
	const uint8_t *bytes;
	struct buf buf;

	buf_init_read(&buf, data, size);
	fake_pair(buf_get_u8(&buf) & 1 ? PEER_SERVICE : PEER_CLIENT);
	for (unsigned int i = 0; i < RECORDS_MAX && buf_left(&buf) > 0; i++) {
		what = buf_get_u8(&buf);
		where = buf_get_u8(&buf);
		number = buf_get_u16(&buf);
		bytes = what % 6 < 4 ? buf_take(&buf, number) : buf.data;
		if (buf.bad)
			break;
		record_do(what, where, bytes, number, number);
		sent_check();
		fake_run(1);
	}
	lane_close(fake.lane, fake.now_ms);
	return 0;
}
