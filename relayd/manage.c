/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an operator asks of the net side: add, remove, flush; and the streams at a start. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/mac.h"
#include "relayd/net.h"
#include "relayd/manage.h"
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

void net_leave_raws(struct net *net, const struct stream *stream)
{
	for (size_t i = 0; i < stream->slot_count && stream->spec.raw_punch; i++)
		udp_leave_raws(&net->udp, stream->slots[i]);
}

void net_take_raws(struct net *net, const struct stream *stream)
{
	for (size_t i = 0; i < stream->slot_count && stream->spec.raw_punch; i++)
		udp_take_raws(&net->udp, stream->slots[i]);
}

void net_warn_raw(const struct spec *spec)
{
	if (spec->raw_punch)
		log_warning("%s: raw-punch %u is on: whoever can forge an address can aim this "
			    "stream at it",
			spec->name, spec->raw_punch);
}

void net_take_away(struct net *net, struct stream *stream)
{
	broker_forget(net->broker, stream);
	net_leave_raws(net, stream);
	stream_remove(&net->table, stream);
}

void net_drop(struct net *net, struct stream *stream)
{
	net_take_away(net, stream);
	udp_close_idle(&net->udp);
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

int net_put(struct net *net, const struct spec *spec, uint32_t number, struct stream **out,
	char why[static SPEC_WHY])
{
	int err = stream_add(&net->table, spec, number, out, why);

	if (err == -ENOMEM)
		snprintf(why, SPEC_WHY, "out of memory");
	if (err)
		return err;
	net_take_raws(net, *out);
	net_warn_raw(spec);
	err = quota_load(net->registry, *out);
	if (err) {
		snprintf(why, SPEC_WHY, "what it has used of its quota cannot be read: %s",
			strerror(-err));
		net_take_away(net, *out);
	}
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
	if (!err)
		err = udp_open_raws(&net->udp, spec, why);
	if (!err)
		err = number_find(net, spec, &number, why);
	if (!err)
		err = net_put(net, spec, number, out, why);
	udp_close_idle(&net->udp);
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
		count += stream->slots[i]->want.client.addr.family != 0;
		slot_release(&net->table, stream->slots[i]);
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
