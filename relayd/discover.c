/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/discover.h"

#include <stdio.h>
#include <string.h>

#include "common/mac.h"

#define FIRST_MS 1000	/* until a question is asked again; it doubles */
#define LAST_MS	 300000 /* and as often as this is asked anew what is known */

struct endpoint discover_server(const struct config *config, uint8_t family)
{
	const struct endpoint *server = &config->discover[family == AF_INET6];

	if (server->addr.family)
		return *server;
	if (config->partner.addr.family == family)
		return config->partner;
	return (struct endpoint){.port = 0};
}

static struct discover_address *find(struct discover *discover, const struct addr *local)
{
	for (size_t i = 0; i < discover->count; i++) {
		if (addr_equal(&discover->list[i].local, local))
			return &discover->list[i];
	}
	return NULL;
}

void discover_configure(struct discover *discover, const struct config *config, int64_t now_ms)
{
	struct discover old = *discover;

	memset(discover, 0, sizeof(*discover));
	discover->config = config;
	discover->count = config->address_count;
	for (size_t i = 0; i < discover->count; i++) {
		struct discover_address *address = &discover->list[i];
		const struct discover_address *before = find(&old, &config->addresses[i]);

		address->local = config->addresses[i];
		address->server = discover_server(config, address->local.family);
		address->due_ms = now_ms;
		if (!before)
			continue;
		address->told = before->told;
		if (endpoint_equal(&address->server, &before->server)) {
			address->mapped = before->mapped;
			/* The one on its way is asked anew. */
			address->unanswered = before->unanswered - before->asked;
		}
		if (!config->discover_cloud)
			continue;
		address->cloud = before->cloud;
		address->cloud_name = before->cloud_name;
	}
	memcpy(discover->silent, old.silent, sizeof(discover->silent));
	discover->metadata = old.metadata;
	if (config->discover_cloud == old.metadata.on)
		metadata_again(&discover->metadata, now_ms);
	else
		metadata_init(&discover->metadata, config->discover_cloud, now_ms);
}

static void wait_longer(struct discover_address *address, int64_t now_ms)
{
	address->wait_ms = address->wait_ms ? address->wait_ms * 2 : FIRST_MS;
	if (address->wait_ms > LAST_MS)
		address->wait_ms = LAST_MS;
	address->due_ms = now_ms + address->wait_ms;
}

/* Larger than its answer, so that servers which answer with no more than they got do. */
static size_t question_write(
	const struct discover_address *address, uint8_t out[static DISCOVER_ASK_MAX])
{
	static const uint8_t padding[DISCOVER_ASK_MAX - STUN_HEADER - 4] = {'P', 'N', 'C', 'H'};
	struct buf buf;

	buf_init(&buf, out, DISCOVER_ASK_MAX);
	stun_begin(&buf, STUN_REQUEST, address->tid);
	stun_put(&buf, STUN_PUNCH_PADDING, padding, sizeof(padding));
	return stun_end(&buf);
}

size_t discover_ask(struct discover *discover, int64_t now_ms, struct endpoint *from,
	struct endpoint *to, uint8_t out[static DISCOVER_ASK_MAX])
{
	for (size_t i = 0; i < discover->count; i++) {
		struct discover_address *address = &discover->list[i];

		if (!address->server.addr.family || now_ms < address->due_ms)
			continue;
		address->unanswered++;
		wait_longer(address, now_ms);
		address->asked = true;
		mac_random(address->tid, sizeof(address->tid));
		*from = (struct endpoint){address->local, discover->config->punch};
		*to = address->server;
		return question_write(address, out);
	}
	return 0;
}

bool discover_answer(struct discover *discover, const struct endpoint *source,
	const struct endpoint *local, const struct stun *stun, int64_t now_ms)
{
	struct discover_address *address = find(discover, &local->addr);

	if (!address || !address->asked || local->port != discover->config->punch)
		return false;
	if (!endpoint_equal(source, &address->server) || stun->type != STUN_SUCCESS ||
		memcmp(stun->tid, address->tid, STUN_TID) != 0)
		return false;
	if (stun->mapped.addr.family != local->addr.family || !stun->mapped.port ||
		!addr_is_routable(&stun->mapped.addr))
		return false;
	address->asked = false;
	address->unanswered = 0;
	address->mapped = stun->mapped;
	address->wait_ms = 0;
	address->due_ms = now_ms + LAST_MS;
	return true;
}

static bool is_silent(const struct discover_address *address)
{
	return address->unanswered >= DISCOVER_SILENT;
}

/* "auto" finds addresses of bridges, from which no server is reached: one that hears is enough. */
bool discover_silence(struct discover *discover, uint8_t family, char out[static DISCOVER_TEXT])
{
	struct endpoint server = discover_server(discover->config, family);
	struct endpoint *told = &discover->silent[family == AF_INET6];
	bool asked = false, silent = true, hears = false, seen = false, was;
	char text[ENDPOINT_TEXT];

	for (size_t i = 0; i < discover->count; i++) {
		const struct discover_address *address = &discover->list[i];

		if (address->local.family != family)
			continue;
		asked = true;
		silent &= is_silent(address);
		hears |= address->mapped.addr.family && !address->unanswered;
		seen |= discover_seen(address).family;
	}
	if (!asked || silent == hears)
		return false;
	was = endpoint_equal(told, &server);
	*told = silent ? server : (struct endpoint){.port = 0};
	if (silent == was)
		return false;
	snprintf(out, DISCOVER_TEXT, "%s %s", endpoint_format(&server, text),
		hears  ? "answers again"
		: seen ? "does not answer: what was learnt before stays"
		       : "does not answer: how the others see this relay is not known");
	return true;
}

void discover_cloud(struct discover *discover, const struct metadata_pair *pair)
{
	struct discover_address *address = find(discover, &pair->local);

	if (!address || pair->public.family != pair->local.family ||
		!addr_is_routable(&pair->public))
		return;
	address->cloud = pair->public;
	address->cloud_name = discover->metadata.name;
}

struct addr discover_seen(const struct discover_address *address)
{
	return address->cloud.family ? address->cloud : address->mapped.addr;
}

const char *discover_by(const struct discover_address *address)
{
	if (address->cloud.family)
		return "cloud";
	return address->mapped.addr.family ? "stun" : "";
}

bool discover_is_unseen(const struct discover *discover, const struct discover_address *address)
{
	return !discover_seen(address).family &&
	       (address->server.addr.family || discover->metadata.on);
}

/* A cloud's address has all ports. */
static bool port_changes(const struct discover *discover, const struct discover_address *address)
{
	return !address->cloud.family && address->mapped.addr.family &&
	       address->mapped.port != discover->config->punch;
}

/* Behind 1:1 NAT a public address is one local one's: the first that is seen there at its port. */
static bool is_other_ones(const struct discover *discover, const struct discover_address *address)
{
	struct addr seen = discover_seen(address), one;

	for (size_t i = 0; i < discover->count; i++) {
		const struct discover_address *other = &discover->list[i];

		if (other == address && !port_changes(discover, address))
			return false;
		one = discover_seen(other);
		if (other != address && addr_equal(&one, &seen) && !port_changes(discover, other))
			return true;
	}
	return false;
}

struct addr discover_public(const struct discover *discover, const struct discover_address *address)
{
	struct addr seen = discover_seen(address), none = {0};

	if (!addr_is_private(&address->local) || !seen.family || addr_is_private(&seen) ||
		is_other_ones(discover, address))
		return none;
	return port_changes(discover, address) ? none : seen;
}

/* A public address that the host has itself is seen as it is, unless somebody says otherwise. */
static bool is_own(const struct discover *discover, const struct discover_address *address)
{
	const struct metadata *metadata = &discover->metadata;
	bool may_be_told = (address->server.addr.family && !is_silent(address)) ||
			   (metadata->on && !metadata->name && metadata->silent < DISCOVER_SILENT);

	return !discover_seen(address).family && !may_be_told &&
	       addr_is_routable(&address->local) && !addr_is_private(&address->local);
}

/* What is shown to people is not what others see. */
static bool differs(const struct discover *discover, const struct discover_address *address,
	char out[static DISCOVER_TEXT])
{
	const struct addr *advertised = config_advertised(discover->config, &address->local);
	const struct addr *shown = advertised ? advertised : &address->local;
	char local[ADDR_TEXT], is[ADDR_TEXT], seen_as[ADDR_TEXT];
	bool own = is_own(discover, address);
	struct addr seen = own ? address->local : discover_seen(address);

	if (!seen.family || addr_equal(&seen, shown) ||
		(!advertised && addr_is_private(&address->local)))
		return false;
	snprintf(out, DISCOVER_TEXT, "%s is seen as %s (%s), but shown as %s: mend `advertise`",
		addr_format(&address->local, local), addr_format(&seen, seen_as),
		own ? "interface" : discover_by(address), addr_format(shown, is));
	return true;
}

static bool disagree(const struct discover_address *address, char out[static DISCOVER_TEXT])
{
	const struct addr *cloud = &address->cloud, *mapped = &address->mapped.addr;
	char local[ADDR_TEXT], one[ADDR_TEXT], other[ADDR_TEXT];

	if (!cloud->family || !mapped->family || addr_equal(cloud, mapped))
		return false;
	snprintf(out, DISCOVER_TEXT,
		"%s is %s to the cloud, %s to the STUN server: set `advertise`",
		addr_format(&address->local, local), addr_format(cloud, one),
		addr_format(mapped, other));
	return true;
}

static bool moves(const struct discover *discover, const struct discover_address *address,
	char out[static DISCOVER_TEXT])
{
	char local[ADDR_TEXT];

	if (!port_changes(discover, address) || is_other_ones(discover, address))
		return false;
	snprintf(out, DISCOVER_TEXT,
		"a NAT that is not 1:1 makes port %u of %s port %u: others do not reach it there; "
		"forward the ports and set `advertise`",
		discover->config->punch, addr_format(&address->local, local), address->mapped.port);
	return true;
}

bool discover_doubt(const struct discover *discover, char out[static DISCOVER_TEXT])
{
	for (size_t i = 0; i < discover->count; i++) {
		const struct discover_address *address = &discover->list[i];

		if (differs(discover, address, out))
			return true;
		/* Who has configured it knows better. */
		if (config_advertised(discover->config, &address->local))
			continue;
		if (disagree(address, out) || moves(discover, address, out))
			return true;
	}
	return false;
}
