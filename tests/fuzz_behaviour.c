/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Plain STUN to a relay with two addresses and, for IPv6, a partner. The first byte says what the
 * others are:
 *
 *   0  a datagram to the punch port
 *   1  one to the alternate port
 *   2  one to the port for RFC 3489
 *   3  what the partner has signed, behind the head that makes it new: kind, flags, the rest
 *   4  a request from IPv6, which may go to the partner
 */
#undef NDEBUG /* the assertions are what is tested */
#include <assert.h>
#include <string.h>

#include "relayd/behaviour.h"

#define NOW   ((int64_t)100000000)
#define KEY   "MDEyMzQ1Njc4OWFiY2RlZg=="
#define TIMES 80 /* more often than a prefix has tokens for */
#define LIMIT 64 /* as of answers that go elsewhere */

enum mode { PUNCH, ALTERNATE, RFC3489, PARTNER, FORWARD, MODES };

static const struct endpoint home = {{AF_INET, {192, 0, 2, 9}}, 40123};
static const struct endpoint home6 = {{AF_INET6, {0x20, 1, 9}}, 40123};
static const struct endpoint partner = {{AF_INET6, {0x20, 1, 7}}, 3478};

static struct config config;
static struct limit unpadded;
static struct behaviour behaviour;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void begin(void)
{
	memset(&config, 0, sizeof(config));
	config.punch = 3478;
	config.alternate = 3479;
	config.rfc3489 = 3480;
	config.address_count = 3;
	config.addresses[0] = (struct addr){AF_INET, {203, 0, 113, 7}};
	config.addresses[1] = (struct addr){AF_INET, {203, 0, 113, 8}};
	config.addresses[2] = (struct addr){AF_INET6, {0x20, 1, 8}};
	config.partner = partner;
	strcpy(config.partner_key, KEY);
	limit_init(&unpadded, 5, LIMIT, 500);
	behaviour_init(&behaviour, &unpadded);
	behaviour_configure(&behaviour, &config, 1000);
	unpadded.seed = behaviour.elsewhere.seed = 1;
	behaviour.partner.theirs = behaviour.partner.seen = 2000;
	behaviour.partner.heard_ms = NOW;
	behaviour.partner.ports = (struct partner_ports){.port = {{3478, 3479}, {3480, 3481}}};
}

static void answer_check(const struct behaviour_packet *packet, enum behaviour_count count,
	const struct behaviour_answer *answer)
{
	struct stun stun;

	assert(count < BEHAVIOUR_COUNTS && answer->len <= BEHAVIOUR_ANSWER_MAX);
	if (!answer->len)
		return;
	assert(config_is_local(&config, &answer->from.addr));
	assert(config_port_option(&config, answer->from.port));
	assert(answer->to.port && answer->to.addr.family == packet->local.addr.family);
	if (count == BEHAVIOUR_FORWARDED)
		assert(endpoint_equal(&answer->to, &partner));
	else if (count != BEHAVIOUR_EMITTED)
		assert(addr_equal(&answer->to.addr, &packet->source.addr));
	if (!behaviour_is_rfc3489(&behaviour, answer->from.port))
		assert(stun_parse(answer->data, answer->len, &stun) == 0 &&
			stun.type != STUN_REQUEST);
}

static enum behaviour_count handle_once(
	const struct behaviour_packet *packet, struct behaviour_answer *answer)
{
	struct stun stun;

	answer->len = 0;
	if (behaviour_is_rfc3489(&behaviour, packet->local.port))
		return behaviour_rfc3489(&behaviour, packet, NOW, answer);
	if (stun_parse(packet->data, packet->len, &stun))
		return BEHAVIOUR_MALFORMED;
	if (stun.type == STUN_REQUEST)
		return behaviour_request(&behaviour, packet, &stun, NOW, answer);
	if (stun.type == STUN_INDICATION && stun.partner.p)
		return behaviour_partner(&behaviour, packet, &stun, NOW, answer);
	return BEHAVIOUR_MALFORMED;
}

static void handle(const struct behaviour_packet *packet)
{
	uint8_t room[BEHAVIOUR_ANSWER_MAX];
	struct behaviour_answer answer = {.data = room};
	unsigned int paid = 0;

	for (int i = 0; i < TIMES; i++) {
		enum behaviour_count count = handle_once(packet, &answer);

		answer_check(packet, count, &answer);
		paid += answer.len > packet->len ||
			(answer.len &&
				(count == BEHAVIOUR_ELSEWHERE || count == BEHAVIOUR_FORWARDED ||
					count == BEHAVIOUR_EMITTED));
	}
	assert(paid <= LIMIT);
}

static void handle_partner(const uint8_t *data, size_t size)
{
	uint8_t value[PARTNER_MAX], message[STUN_MAX];
	struct behaviour_packet packet = {message, 0, partner, {config.addresses[2], config.punch}};
	struct buf buf;

	if (size < 2)
		return;
	size = size < 130 ? size : 130;
	buf_init(&buf, value, sizeof(value));
	buf_put(&buf, data, 2);
	buf_put_u16(&buf, 0);
	buf_put_u64(&buf, 2000);
	buf_put_u64(&buf, 1000);
	buf_put_u64(&buf, 1);
	buf_put(&buf, data + 2, size - 2);
	size = buf.at;
	buf_init(&buf, message, sizeof(message));
	stun_begin(&buf, STUN_INDICATION, (const uint8_t *)"transactions");
	stun_put_endpoint(&buf, STUN_RESPONSE_ORIGIN, &partner);
	stun_put_partner(&buf, value, size);
	stun_put_integrity256(&buf, (const uint8_t *)KEY, strlen(KEY));
	packet.len = stun_end(&buf);
	assert(packet.len);
	handle(&packet);
	/* It was new the first time alone. */
	assert(behaviour.counts[BEHAVIOUR_EMITTED] + behaviour.counts[BEHAVIOUR_HELLO] <= 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct behaviour_packet packet = {.source = home};

	if (size < 1)
		return 0;
	begin();
	packet.data = data + 1;
	packet.len = size - 1;
	packet.local = (struct endpoint){config.addresses[0], config.punch};
	switch ((enum mode)(data[0] % MODES)) {
	case PUNCH:
		break;
	case ALTERNATE:
		packet.local.port = config.alternate;
		break;
	case RFC3489:
		packet.local.port = config.rfc3489;
		break;
	case PARTNER:
		handle_partner(data + 1, size - 1);
		return 0;
	case FORWARD:
		packet.source = home6;
		packet.local.addr = config.addresses[2];
		break;
	case MODES:
		break;
	}
	handle(&packet);
	return 0;
}
