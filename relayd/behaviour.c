/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/behaviour.h"

#include <string.h>

#include "relayd/rfc3489.h"

/*
 * Answers that go elsewhere than a plain answer would: who asks pays with one of these each, for
 * he may have asked in another's name. The tests of one client need fewer than 20.
 */
#define ELSEWHERE_PER_SECOND 10
#define ELSEWHERE_BURST	     64
#define ELSEWHERE_TOTAL	     200

/* RFC 5780, section 7.2 */
#define CHANGE_IP   4
#define CHANGE_PORT 2

/* A request in either form. */
struct ask {
	enum partner_form form;
	uint8_t id[RFC3489_ID]; /* with the cookie, or what stands there in RFC 3489 */
	uint32_t change;
	struct endpoint source, local, to;
	uint8_t arrived; /* at the form's port: 0 the main, 1 the other */
	size_t len;
};

/* What an answer says; an endpoint of family 0 and a port 0 are left out. */
struct says {
	struct endpoint mapped, origin, other;
	uint16_t alternate;
};

void behaviour_init(struct behaviour *behaviour, struct limit *unpadded)
{
	memset(behaviour, 0, sizeof(*behaviour));
	behaviour->unpadded = unpadded;
	limit_init(&behaviour->elsewhere, ELSEWHERE_PER_SECOND, ELSEWHERE_BURST, ELSEWHERE_TOTAL);
}

void behaviour_configure(struct behaviour *behaviour, const struct config *config, uint64_t session)
{
	struct endpoint local = {.port = config->punch};

	behaviour->config = config;
	for (size_t i = 0; i < config->address_count && !local.addr.family; i++) {
		if (config->addresses[i].family == config->partner.addr.family)
			local.addr = config->addresses[i];
	}
	partner_init(&behaviour->partner, &local, &config->partner, config->partner_key, session);
}

static struct partner_ports own_ports(const struct behaviour *behaviour)
{
	const struct config *config = behaviour->config;
	struct partner_ports ports = {0};

	if (!config)
		return ports;
	ports.port[PARTNER_STUN][0] = config->punch;
	ports.port[PARTNER_STUN][1] = config->alternate;
	ports.port[PARTNER_RFC3489][0] = config->rfc3489;
	ports.port[PARTNER_RFC3489][1] = config->rfc3489 ? (uint16_t)(config->rfc3489 + 1) : 0;
	return ports;
}

bool behaviour_is_alternate(const struct behaviour *behaviour, uint16_t port)
{
	return behaviour->config && behaviour->config->alternate == port;
}

bool behaviour_is_rfc3489(const struct behaviour *behaviour, uint16_t port)
{
	const struct partner_ports ports = own_ports(behaviour);

	return port &&
	       (port == ports.port[PARTNER_RFC3489][0] || port == ports.port[PARTNER_RFC3489][1]);
}

static struct endpoint public_of(const struct config *config, const struct endpoint *local)
{
	return (struct endpoint){
		config ? config_public(config, &local->addr) : local->addr, local->port};
}

static bool second_address(const struct config *config, const struct addr *local, struct addr *out)
{
	return config && config_second(config, local, out);
}

/* Does the partner answer, and has it both ports? */
static bool partner_serves(const struct behaviour *behaviour, const struct ask *ask, int64_t now_ms)
{
	const struct partner *partner = &behaviour->partner;
	const uint16_t *port = partner->ports.port[ask->form];

	return partner_is_alive(partner, now_ms) &&
	       addr_equal(&partner->local.addr, &ask->local.addr) && port[0] && port[1];
}

/* OTHER-ADDRESS: the other address and the other port, seen from where the request arrived. */
static struct endpoint other_address(
	const struct behaviour *behaviour, const struct ask *ask, int64_t now_ms)
{
	const struct partner_ports ports = own_ports(behaviour);
	struct endpoint other = {.port = ports.port[ask->form][!ask->arrived]};

	if (!other.port)
		return other;
	if (second_address(behaviour->config, &ask->local.addr, &other.addr))
		return public_of(behaviour->config, &other);
	if (!partner_serves(behaviour, ask, now_ms))
		return other;
	return (struct endpoint){behaviour->partner.at.addr,
		behaviour->partner.ports.port[ask->form][!ask->arrived]};
}

static size_t answer_write(const struct ask *ask, const struct says *says, uint8_t *out)
{
	struct buf buf;

	if (ask->form == PARTNER_RFC3489)
		return rfc3489_write(ask->id, &says->mapped, &says->origin, &says->other, out);
	buf_init(&buf, out, BEHAVIOUR_ANSWER_MAX);
	stun_begin(&buf, STUN_SUCCESS, ask->id + 4);
	stun_put_endpoint(&buf, STUN_XOR_MAPPED_ADDRESS, &says->mapped);
	/* Beside the other, it tells whether a NAT rewrites addresses in what it carries. */
	if (says->other.addr.family)
		stun_put_endpoint(&buf, STUN_MAPPED_ADDRESS, &says->mapped);
	if (says->origin.addr.family)
		stun_put_endpoint(&buf, STUN_RESPONSE_ORIGIN, &says->origin);
	if (says->other.addr.family)
		stun_put_endpoint(&buf, STUN_OTHER_ADDRESS, &says->other);
	if (says->alternate)
		stun_put_alternate(&buf, says->alternate);
	return stun_end(&buf);
}

static bool fits(const struct ask *ask, const struct says *says, struct behaviour_answer *answer)
{
	answer->len = answer_write(ask, says, answer->data);
	return answer->len <= ask->len;
}

/* As much as the request has paid for; else what its kind needs, for a token; else the least. */
static enum behaviour_count answer_here(struct behaviour *behaviour, const struct ask *ask,
	const struct says *all, int64_t now_ms, struct behaviour_answer *answer)
{
	struct says says = *all;

	if (ask->form == PARTNER_STUN) {
		says.alternate = own_ports(behaviour).port[PARTNER_STUN][!ask->arrived];
		if (fits(ask, &says, answer))
			return BEHAVIOUR_ANSWERED;
		says.alternate = 0;
		if (!says.other.addr.family)
			says.origin.addr.family = 0;
	}
	if (fits(ask, &says, answer) || limit_take(behaviour->unpadded, &ask->source.addr, now_ms))
		return BEHAVIOUR_ANSWERED;
	says = (struct says){.mapped = all->mapped};
	if (ask->form == PARTNER_STUN && fits(ask, &says, answer))
		return BEHAVIOUR_ANSWERED;
	answer->len = 0;
	return BEHAVIOUR_UNPADDED;
}

static enum behaviour_count answer_elsewhere(struct behaviour *behaviour, const struct ask *ask,
	const struct says *says, int64_t now_ms, struct behaviour_answer *answer)
{
	if (!limit_take(&behaviour->elsewhere, &ask->source.addr, now_ms))
		return BEHAVIOUR_LIMITED;
	answer->len = answer_write(ask, says, answer->data);
	return BEHAVIOUR_ELSEWHERE;
}

static enum behaviour_count forward(struct behaviour *behaviour, const struct ask *ask,
	int64_t now_ms, struct behaviour_answer *answer)
{
	struct partner *partner = &behaviour->partner;
	struct partner_emit emit = {.form = ask->form,
		.arrived = ask->arrived,
		.leaves = ask->change & CHANGE_PORT ? !ask->arrived : ask->arrived,
		.to = ask->to,
		.mapped = ask->source};
	struct endpoint origin;

	if (!partner_serves(behaviour, ask, now_ms))
		return BEHAVIOUR_SILENT;
	if (!limit_take(&behaviour->elsewhere, &ask->source.addr, now_ms))
		return BEHAVIOUR_LIMITED;
	memcpy(&emit.magic, ask->id, sizeof(emit.magic));
	memcpy(emit.tid, ask->id + 4, sizeof(emit.tid));
	origin = public_of(behaviour->config, &partner->local);
	answer->len = partner_emit(partner, &origin, &emit, answer->data);
	answer->from = partner->local;
	answer->to = partner->at;
	return BEHAVIOUR_FORWARDED;
}

static enum behaviour_count serve(struct behaviour *behaviour, const struct ask *ask,
	int64_t now_ms, struct behaviour_answer *answer)
{
	uint16_t other_port = own_ports(behaviour).port[ask->form][!ask->arrived];
	struct says says = {.mapped = ask->source};

	answer->from = ask->local;
	answer->to = ask->to;
	if (ask->change & CHANGE_PORT) {
		if (!other_port)
			return BEHAVIOUR_SILENT;
		answer->from.port = other_port;
	}
	if (ask->change & CHANGE_IP &&
		!second_address(behaviour->config, &ask->local.addr, &answer->from.addr))
		return forward(behaviour, ask, now_ms, answer);
	if (behaviour->config) {
		says.origin = public_of(behaviour->config, &answer->from);
		says.other = other_address(behaviour, ask, now_ms);
	}
	if (endpoint_equal(&answer->from, &ask->local) && endpoint_equal(&answer->to, &ask->source))
		return answer_here(behaviour, ask, &says, now_ms, answer);
	return answer_elsewhere(behaviour, ask, &says, now_ms, answer);
}

static enum behaviour_count counted(struct behaviour *behaviour, enum behaviour_count count)
{
	behaviour->counts[count]++;
	return count;
}

/* It is a request that went wrong, so it is answered where it came from, with no more than it had.
 */
static enum behaviour_count refuse(struct behaviour *behaviour, const struct ask *ask,
	int64_t now_ms, struct behaviour_answer *answer)
{
	struct buf buf;

	buf_init(&buf, answer->data, BEHAVIOUR_ANSWER_MAX);
	stun_begin(&buf, STUN_ERROR, ask->id + 4);
	stun_put_error(&buf, 400, "");
	answer->from = ask->local;
	answer->to = ask->source;
	answer->len = stun_end(&buf);
	if (answer->len > ask->len && !limit_take(behaviour->unpadded, &ask->source.addr, now_ms))
		answer->len = 0;
	return BEHAVIOUR_REFUSED;
}

static struct ask ask_of(const struct behaviour *behaviour, const struct behaviour_packet *packet,
	enum partner_form form)
{
	struct ask ask = {.form = form,
		.source = packet->source,
		.local = packet->local,
		.to = packet->source,
		.len = packet->len};

	ask.arrived = packet->local.port == own_ports(behaviour).port[form][1];
	return ask;
}

enum behaviour_count behaviour_request(struct behaviour *behaviour,
	const struct behaviour_packet *packet, const struct stun *stun, int64_t now_ms,
	struct behaviour_answer *answer)
{
	struct ask ask = ask_of(behaviour, packet, PARTNER_STUN);

	answer->len = 0;
	memcpy(ask.id + 4, stun->tid, STUN_TID);
	ask.change = stun->change;
	/* RFC 5780, section 6.1: not together, for no fragments are to hit another port. */
	if (stun->has_response_port && (stun->has_padding || !stun->response_port))
		return counted(behaviour, refuse(behaviour, &ask, now_ms, answer));
	if (stun->has_response_port)
		ask.to.port = stun->response_port;
	return counted(behaviour, serve(behaviour, &ask, now_ms, answer));
}

enum behaviour_count behaviour_rfc3489(struct behaviour *behaviour,
	const struct behaviour_packet *packet, int64_t now_ms, struct behaviour_answer *answer)
{
	struct ask ask = ask_of(behaviour, packet, PARTNER_RFC3489);
	struct rfc3489 request;

	answer->len = 0;
	if (rfc3489_parse(packet->data, packet->len, &request))
		return counted(behaviour, BEHAVIOUR_MALFORMED);
	memcpy(ask.id, request.id, sizeof(ask.id));
	ask.change = request.change;
	return counted(behaviour, serve(behaviour, &ask, now_ms, answer));
}

/* The partner has been asked to answer from here. */
static enum behaviour_count emit_answer(struct behaviour *behaviour,
	const struct partner_emit *emit, int64_t now_ms, struct behaviour_answer *answer)
{
	const struct config *config = behaviour->config;
	const struct partner_ports ports = own_ports(behaviour);
	const uint16_t *port = ports.port[emit->form];
	struct endpoint other = {behaviour->partner.local.addr, port[!emit->arrived]};
	struct says says = {.mapped = emit->mapped};
	struct ask ask = {.form = emit->form, .source = emit->mapped};

	/* It is trusted with more than we would do ourselves, and yet no more is done. */
	if (!addr_equal(&emit->to.addr, &emit->mapped.addr) ||
		emit->to.addr.family != other.addr.family ||
		config_is_local(config, &emit->to.addr))
		return BEHAVIOUR_STRANGER;
	if (!port[0] || !port[1])
		return BEHAVIOUR_SILENT;
	answer->from = (struct endpoint){other.addr, port[emit->leaves]};
	answer->to = emit->to;
	says.origin = public_of(config, &answer->from);
	says.other = public_of(config, &other);
	memcpy(ask.id, &emit->magic, sizeof(emit->magic));
	memcpy(ask.id + 4, emit->tid, sizeof(emit->tid));
	if (answer_elsewhere(behaviour, &ask, &says, now_ms, answer) == BEHAVIOUR_LIMITED)
		return BEHAVIOUR_LIMITED;
	return BEHAVIOUR_EMITTED;
}

enum behaviour_count behaviour_partner(struct behaviour *behaviour,
	const struct behaviour_packet *packet, const struct stun *stun, int64_t now_ms,
	struct behaviour_answer *answer)
{
	struct partner_emit emit;

	answer->len = 0;
	if (!endpoint_equal(&packet->local, &behaviour->partner.local))
		return counted(behaviour, BEHAVIOUR_STRANGER);
	switch (partner_read(&behaviour->partner, stun, &packet->source, now_ms, &emit)) {
	case PARTNER_HEARD:
		return counted(behaviour, BEHAVIOUR_HELLO);
	case PARTNER_ASKED:
		return counted(behaviour, emit_answer(behaviour, &emit, now_ms, answer));
	case PARTNER_OLD:
		return counted(behaviour, BEHAVIOUR_STALE);
	case PARTNER_REFUSED:
		break;
	}
	return counted(behaviour, BEHAVIOUR_STRANGER);
}

void behaviour_tick(struct behaviour *behaviour, int64_t now_ms, struct behaviour_answer *answer)
{
	const struct partner_ports ports = own_ports(behaviour);
	struct partner *partner = &behaviour->partner;
	struct endpoint origin;

	answer->len = 0;
	if (!behaviour->config || !partner_tick(partner, now_ms))
		return;
	origin = public_of(behaviour->config, &partner->local);
	answer->from = partner->local;
	answer->to = partner->at;
	answer->len = partner_hello(partner, &origin, &ports, answer->data);
}

const char *behaviour_count_text(enum behaviour_count count)
{
	static const char *const text[BEHAVIOUR_COUNTS] = {
		[BEHAVIOUR_ANSWERED] = "answered",
		[BEHAVIOUR_ELSEWHERE] = "elsewhere",
		[BEHAVIOUR_FORWARDED] = "forwarded",
		[BEHAVIOUR_EMITTED] = "emitted",
		[BEHAVIOUR_UNPADDED] = "unpadded",
		[BEHAVIOUR_LIMITED] = "limited",
		[BEHAVIOUR_SILENT] = "silent",
		[BEHAVIOUR_REFUSED] = "refused",
		[BEHAVIOUR_MALFORMED] = "malformed",
		[BEHAVIOUR_HELLO] = "hello",
		[BEHAVIOUR_STRANGER] = "stranger",
		[BEHAVIOUR_STALE] = "stale",
	};

	return text[count];
}
