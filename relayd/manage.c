/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an operator asks of the net side: add, remove, flush, reload; and the streams at a start. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/mac.h"
#include "relayd/net.h"
#include "relayd/manage.h"
#include "relayd/net_discover.h"
#include "relayd/net_trouble.h"
#include "relayd/quota.h"
#include "relayd/sender.h"

/* A port that relayd itself has, or 0. */
static uint16_t wants_own_port(const struct net *net, const struct spec *spec)
{
	uint32_t first = spec->raw_punch, last = first + spec->listen.count;
	uint16_t port[CONFIG_PORTS];
	size_t count = config_ports(net->config, port);

	for (size_t i = 0; i < count; i++)
		if (ports_index(&spec->listen, port[i]) >= 0 ||
			(first && port[i] >= first && port[i] < last))
			return port[i];
	return 0;
}

static int open_raw(struct net *net, struct stream *stream, char why[static SPEC_WHY])
{
	int err = 0;

	if (!stream->spec.raw_punch)
		return 0;
	log_warning(
		"%s: raw-punch %u is on: whoever can forge an address can aim this stream at it",
		stream->spec.name, stream->spec.raw_punch);
	for (size_t i = 0; i < stream->slot_count && !err; i++)
		err = udp_open_raw(&net->udp, &stream->slots[i], why);
	return err;
}

void net_drop(struct net *net, struct stream *stream)
{
	broker_forget(net->broker, stream);
	for (size_t i = 0; i < stream->slot_count; i++)
		udp_close_raw(&net->udp, &stream->slots[i]);
	stream_remove(&net->table, stream);
}

static int number_find(
	struct net *net, const struct spec *spec, uint32_t *number, char why[static SPEC_WHY])
{
	char error[REGISTRY_ERROR];
	int err = registry_number(net->registry, spec, number, error);

	net_trouble_database(net, err, error);
	if (err)
		snprintf(why, SPEC_WHY, "%.*s", SPEC_WHY - 1, error);
	return err;
}

static int add_stream(
	struct net *net, struct spec *spec, struct stream **out, char why[static SPEC_WHY])
{
	uint32_t number;
	uint16_t own;
	int err;

	if (config_place(net->config, spec, why))
		return -EADDRNOTAVAIL;
	own = wants_own_port(net, spec);
	if (own) {
		snprintf(why, SPEC_WHY, "port %u is %s", own, config_port_text(net->config, own));
		return -EEXIST;
	}
	/* Who is refused must not change the number of the one that has the name. */
	err = stream_check(&net->table, spec, why);
	if (err)
		return err;
	err = number_find(net, spec, &number, why);
	if (err)
		return err;
	err = stream_add(&net->table, spec, number, out, why);
	if (err == -ENOMEM)
		snprintf(why, SPEC_WHY, "out of memory");
	if (err)
		return err;
	err = quota_load(net->registry, *out);
	if (err)
		snprintf(why, SPEC_WHY, "what it has used of its quota cannot be read: %s",
			strerror(-err));
	else
		err = open_raw(net, *out, why);
	if (err)
		net_drop(net, *out);
	return err;
}

int net_add(struct net *net, struct spec *spec, int64_t expires, char why[static SPEC_WHY])
{
	char error[REGISTRY_ERROR];
	struct stream *stream;
	int err;

	if (!*spec->key)
		mac_key_make(spec->key);
	if (spec_check(spec, why))
		return -EINVAL;
	err = add_stream(net, spec, &stream, why);
	if (err)
		return err;
	stream->origin = STREAM_RUNTIME;
	stream->expires = expires;
	stream->used = 0;
	stream->used_since = 0;
	err = registry_add(net->registry, spec, expires, error);
	net_trouble_database(net, err, error);
	if (err) {
		snprintf(why, SPEC_WHY, "%.*s", SPEC_WHY - 1, error);
		net_drop(net, stream);
	}
	return err;
}

int net_remove(struct net *net, const char *name, char why[static SPEC_WHY])
{
	struct stream *stream = stream_find(&net->table, name);
	char error[REGISTRY_ERROR];
	int err;

	if (!stream) {
		snprintf(why, SPEC_WHY, "there is no stream %s", name);
		return -ENOENT;
	}
	if (stream->origin == STREAM_CONFIG) {
		snprintf(why, SPEC_WHY, "stream %s stands in %.80s; remove it there and reload",
			name, net->setup->config_path);
		return -EPERM;
	}
	err = registry_remove(net->registry, name, error);
	net_trouble_database(net, err, error);
	if (err && err != -ENOENT) {
		snprintf(why, SPEC_WHY, "%.*s", SPEC_WHY - 1, error);
		return err;
	}
	net_drop(net, stream);
	return 0;
}

/* Two holes. */
static void count_pair(void *data, const struct broker_pair *pair)
{
	unsigned int *count = data;

	(void)pair;
	*count += 2;
}

static unsigned int flush_stream(struct net *net, struct stream *stream)
{
	unsigned int count = 0;

	broker_each(net->broker, stream, count_pair, &count);
	broker_forget(net->broker, stream);
	for (size_t i = 0; i < stream->slot_count; i++) {
		count += stream->slots[i].want.client.addr.family != 0;
		slot_release(&net->table, &stream->slots[i]);
	}
	sender_unlock(&net->table, stream);
	return count;
}

int net_flush(struct net *net, const char *name, unsigned int *count, char why[static SPEC_WHY])
{
	struct stream *stream;

	*count = 0;
	if (name) {
		stream = stream_find(&net->table, name);
		if (!stream) {
			snprintf(why, SPEC_WHY, "there is no stream %s", name);
			return -ENOENT;
		}
		*count = flush_stream(net, stream);
		return 0;
	}
	LIST_FOREACH(stream, &net->table.streams, link)
		*count += flush_stream(net, stream);
	return 0;
}

/* What needs sockets or privileges that the net side has not got. */
static const char *needs_restart(const struct config *was, const struct config *is)
{
	if (was->address_count != is->address_count ||
		memcmp(was->addresses, is->addresses, is->address_count * sizeof *is->addresses))
		return "address";
	if (was->punch != is->punch)
		return "punch";
	if (was->alternate != is->alternate)
		return "alternate";
	if (was->rfc3489 != is->rfc3489)
		return "rfc3489";
	if (was->share_low != is->share_low || was->share_high != is->share_high)
		return "share";
	if (!endpoint_equal(&was->partner, &is->partner))
		return "partner";
	if (strcmp(was->partner_key, is->partner_key))
		return "partner-key";
	if (strcmp(was->realm, is->realm))
		return "realm";
	if (was->consent != is->consent)
		return "consent";
	if (strcmp(was->database, is->database))
		return "database";
	if (strcmp(was->socket, is->socket))
		return "socket";
	return strcmp(was->user, is->user) ? "user" : NULL;
}

static const struct spec *find_spec(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->stream_count; i++)
		if (!strcmp(config->streams[i].name, name))
			return &config->streams[i];
	return NULL;
}

/* A stream added at run time may want a port or the name of a new one in the file: nothing is
 * changed then. */
static int check_runtime(
	struct net *net, const struct config *config, char why[static CONFIG_ERROR])
{
	struct stream *stream;
	uint16_t port;

	LIST_FOREACH(stream, &net->table.streams, link) {
		if (stream->gone || stream->origin == STREAM_CONFIG)
			continue;
		for (size_t i = 0; i < config->stream_count; i++) {
			const struct spec *spec = &config->streams[i];

			port = spec_overlap(spec, &stream->spec);
			if (!port && strcmp(spec->name, stream->spec.name))
				continue;
			snprintf(why, CONFIG_ERROR,
				"%s: stream %s: stream %s, which was added at run time, has %s",
				net->setup->config_path, spec->name, stream->spec.name,
				port ? "a port of it" : "its name");
			return -EEXIST;
		}
	}
	return 0;
}

static bool same_ports(const struct spec *a, const struct spec *b)
{
	return !memcmp(&a->listen, &b->listen, sizeof a->listen) && addr_equal(&a->at, &b->at) &&
	       a->raw_punch == b->raw_punch;
}

/* What peers have agreed to: others must prove themselves anew. */
static bool same_peers(const struct spec *a, const struct spec *b)
{
	return a->peers == b->peers && a->rate == b->rate && !strcmp(a->key, b->key) &&
	       !memcmp(&a->clients, &b->clients, sizeof a->clients);
}

/* Streams that are not in the file any more go first, for new ones may want their ports. */
static void sweep(struct net *net, const struct config *config, struct net_changes *changes)
{
	struct stream *stream, *next;

	for (stream = LIST_FIRST(&net->table.streams); stream; stream = next) {
		const struct spec *spec = find_spec(config, stream->spec.name);

		next = LIST_NEXT(stream, link);
		if (stream->gone || stream->origin != STREAM_CONFIG ||
			(spec && same_ports(spec, &stream->spec)))
			continue;
		changes->removed += !spec;
		changes->changed += spec != NULL;
		net_drop(net, stream);
	}
}

static int update(
	struct net *net, struct spec *spec, struct net_changes *changes, char why[static SPEC_WHY])
{
	struct stream *stream = stream_find(&net->table, spec->name);
	uint32_t number;
	int err;

	if (!stream) {
		changes->added++;
		return add_stream(net, spec, &stream, why);
	}
	if (spec_equal(spec, &stream->spec))
		return 0;
	err = number_find(net, spec, &number, why);
	if (err)
		return err;
	changes->changed++;
	if (!same_peers(spec, &stream->spec))
		broker_forget(net->broker, stream);
	return stream_change(&net->table, stream, spec, number);
}

/* The ports of streams that go are free only when the kernel has let them go. */
static void after_sweep(void *data, int error, const struct sync_snapshot *snapshot)
{
	struct net *net = data;
	struct net_changes changes = {0};
	char why[SPEC_WHY];

	(void)error;
	(void)snapshot;
	for (size_t i = 0; i < net->config->stream_count; i++)
		if (update(net, &net->config->streams[i], &changes, why))
			log_error("%s: stream %s: %s", net->setup->config_path,
				net->config->streams[i].name, why);
}

/* All that may change while relayd runs; frees the other. */
static void take_over(struct config *config, struct config *other)
{
	free(config->streams);
	config->streams = other->streams;
	config->stream_count = other->stream_count;
	memcpy(config->advertise, other->advertise, sizeof config->advertise);
	config->advertise_count = other->advertise_count;
	memcpy(config->discover, other->discover, sizeof config->discover);
	config->discover_cloud = other->discover_cloud;
	config->max_clients = other->max_clients;
	config->max_rate = other->max_rate;
	other->streams = NULL;
	other->stream_count = 0;
	config_free(other);
}

void net_read_again(struct net *net)
{
	struct config *config;
	char why[CONFIG_ERROR];
	const char *fixed;

	if (config_read(net->setup->config_path, &config, why)) {
		log_error("%s; the streams are as they were when relayd started", why);
		return;
	}
	fixed = needs_restart(net->config, config);
	if (fixed)
		log_warning(
			"%s: a new `%s` needs a restart of relayd", net->setup->config_path, fixed);
	take_over(net->config, config);
}

int net_reload(struct net *net, struct net_changes *changes, char why[static CONFIG_ERROR])
{
	struct config *config;
	const char *fixed;
	int err = config_read(net->setup->config_path, &config, why);

	memset(changes, 0, sizeof *changes);
	if (err)
		return err;
	fixed = needs_restart(net->config, config);
	if (fixed) {
		snprintf(why, CONFIG_ERROR, "%s: a new `%s` needs a restart of relayd",
			net->setup->config_path, fixed);
		err = -EBUSY;
	}
	if (!err)
		err = check_runtime(net, config, why);
	if (err) {
		config_free(config);
		return err;
	}
	sweep(net, config, changes);
	for (size_t i = 0; i < config->stream_count; i++) {
		const struct stream *stream = stream_find(&net->table, config->streams[i].name);

		changes->added += !stream && !find_spec(net->config, config->streams[i].name);
		changes->changed += stream && !spec_equal(&config->streams[i], &stream->spec);
	}
	take_over(net->config, config);
	net->table.holes_max = net->config->max_clients;
	net_discover_again(net);
	log_info("reloaded: %u added, %u changed, %u removed", changes->added, changes->changed,
		changes->removed);
	return sync_read(&net->sync, after_sweep, net);
}

/* What the callback of registry_each needs. */
struct loading {
	struct net *net;
	char *why;
};

static int load_stored(void *data, const struct spec *stored, int64_t expires)
{
	const struct loading *loading = data;
	struct spec copy = *stored, *spec = &copy;
	char why[SPEC_WHY];
	struct stream *stream;

	/* The file may have taken its name or a port since: the file wins, the stored one is kept.
	 */
	if (add_stream(loading->net, spec, &stream, why)) {
		log_warning("stream %s, which was added at run time, rests: %s", spec->name, why);
		return 0;
	}
	stream->origin = STREAM_RUNTIME;
	stream->expires = expires;
	return 0;
}

/* Streams that have gone from the file while relayd was not running give up their numbers. */
static int forget_others(struct net *net)
{
	size_t count = net->config->stream_count;
	const char **names = calloc(count + 1, sizeof(*names));
	int err;

	if (!names)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		names[i] = net->config->streams[i].name;
	err = registry_forget(net->registry, names, count);
	free(names);
	return err;
}

int net_load(struct net *net, char why[static CONFIG_ERROR])
{
	struct loading loading = {net, why};
	char reason[SPEC_WHY];
	struct stream *stream;

	if (forget_others(net))
		log_warning("%s: old streams' numbers cannot be given up", net->config->database);
	for (size_t i = 0; i < net->config->stream_count; i++) {
		int err = add_stream(net, &net->config->streams[i], &stream, reason);

		if (!err)
			continue;
		snprintf(why, CONFIG_ERROR, "%.200s: stream %s: %s", net->setup->config_path,
			net->config->streams[i].name, reason);
		return err;
	}
	return registry_each(net->registry, load_stored, &loading);
}
