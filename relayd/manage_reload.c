/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The file is read again: what may fail is done first, and then all that is other than before. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "relayd/manage.h"
#include "relayd/net_discover.h"
#include "relayd/net_trouble.h"

#define LIST_TEXT (CONFIG_ADDRESSES * (ADDR_TEXT + 1))

struct reload {
	struct net *net;
	struct config *config;
	struct net_changes *changes;
	uint32_t *numbers; /* of the streams of config */
};

/* "auto" finds what the host has at the time; that an interface comes or goes is no new wish. */
static bool same_addresses(const struct config *was, const struct config *is)
{
	if (was->automatic && is->automatic)
		return true;
	return was->address_count == is->address_count &&
	       !memcmp(was->addresses, is->addresses, is->address_count * sizeof *is->addresses);
}

/* What needs sockets or privileges that the net side has not got. */
static const char *needs_restart(const struct config *was, const struct config *is)
{
	if (!same_addresses(was, is))
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

static void list_others(
	const struct config *of, const struct config *than, char out[static LIST_TEXT])
{
	char text[ADDR_TEXT];
	size_t at = 0;

	out[0] = '\0';
	for (size_t i = 0; i < of->address_count; i++)
		if (!config_is_local(than, &of->addresses[i]))
			at += (size_t)snprintf(out + at, LIST_TEXT - at, " %s",
				addr_format(&of->addresses[i], text));
}

/* Said when it is new. */
static void tell_addresses(struct net *net, const struct config *is)
{
	const struct config *was = net->config;
	char take[LIST_TEXT], leave[LIST_TEXT], text[NET_ADDRESSES_TEXT];

	if (!was->automatic || !is->automatic)
		return;
	list_others(is, was, take);
	list_others(was, is, leave);
	snprintf(text, sizeof text, "%s%s%s%s%s", *take ? " take" : "", take,
		*take && *leave ? " and" : "", *leave ? " leave" : "", leave);
	if (!strcmp(text, net->addresses_told))
		return;
	strcpy(net->addresses_told, text);
	if (*text)
		log_info("this host has other addresses than relayd uses; a restart would%s", text);
	else
		log_info("this host has the addresses again that relayd uses");
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

/* May peers go on as they have agreed to, or must they prove themselves anew? */
static bool keeps_peers(const struct spec *was, const struct spec *is)
{
	return was->peers <= is->peers && !strcmp(was->key, is->key) &&
	       prefix_equal(&was->clients, &is->clients);
}

static int refuse(const struct reload *reload, const struct spec *spec, const char *reason,
	char why[static CONFIG_ERROR])
{
	snprintf(why, CONFIG_ERROR, "%.200s: stream \"%s\": %s", reload->net->setup->config_path,
		spec->name, reason);
	return -EINVAL;
}

/* Is the stream of this name (*out, or NULL) other than the spec wants it? */
static bool differs(const struct reload *reload, const struct spec *spec, struct stream **out)
{
	*out = stream_find(&reload->net->table, spec->name);
	return !*out || !spec_equal(spec, &(*out)->spec);
}

/* All of the sockets that streams want and that are not open yet. */
static int open_sockets(const struct reload *reload, char why[static CONFIG_ERROR])
{
	struct net *net = reload->net;
	char text[ADDR_TEXT], reason[SPEC_WHY];
	struct stream *stream;

	for (size_t i = 0; i < reload->config->stream_count; i++) {
		const struct spec *spec = &reload->config->streams[i];

		if (!differs(reload, spec, &stream))
			continue;
		if (spec->at.family && !config_is_local(net->config, &spec->at)) {
			snprintf(reason, sizeof reason,
				"listen: relayd does not use %s yet; that needs a restart of it",
				addr_format(&spec->at, text));
			return refuse(reload, spec, reason, why);
		}
		if (udp_open_raws(&net->udp, spec, reason))
			return refuse(reload, spec, reason, why);
	}
	return 0;
}

static int find_number(
	const struct reload *reload, size_t i, bool *begun, char error[static REGISTRY_ERROR])
{
	const struct spec *spec = &reload->config->streams[i];
	const struct stream *stream = stream_find(&reload->net->table, spec->name);
	struct registry *registry = reload->net->registry;
	int err;

	/* It goes with the key. */
	if (stream && !strcmp(stream->spec.key, spec->key)) {
		reload->numbers[i] = stream->number;
		return 0;
	}
	if (!*begun) {
		err = registry_begin(registry, error);
		if (err)
			return err;
		*begun = true;
	}
	return registry_number(registry, spec, &reload->numbers[i], error);
}

/* In one transaction, and none if there is no new key. */
static int find_numbers(const struct reload *reload, char why[static CONFIG_ERROR])
{
	char error[REGISTRY_ERROR], ignored[REGISTRY_ERROR];
	bool begun = false;
	int err = 0, end;

	for (size_t i = 0; i < reload->config->stream_count && !err; i++)
		err = find_number(reload, i, &begun, error);
	if (begun) {
		end = registry_end(reload->net->registry, !err, err ? ignored : error);
		err = err ? err : end;
	}
	if (begun || err)
		net_trouble_database(reload->net, err, error);
	if (err)
		snprintf(why, CONFIG_ERROR, "%.*s", CONFIG_ERROR - 1, error);
	return err;
}

/* What may fail; an error leaves everything as it was. */
static int prepare(struct reload *reload, char why[static CONFIG_ERROR])
{
	const char *path = reload->net->setup->config_path;
	const char *fixed = needs_restart(reload->net->config, reload->config);
	int err;

	if (fixed) {
		snprintf(
			why, CONFIG_ERROR, "%s: a new `%s` needs a restart of relayd", path, fixed);
		return -EBUSY;
	}
	reload->numbers = calloc(reload->config->stream_count + 1, sizeof *reload->numbers);
	if (!reload->numbers) {
		snprintf(why, CONFIG_ERROR, "%s: %s", path, strerror(ENOMEM));
		return -ENOMEM;
	}
	err = check_runtime(reload->net, reload->config, why);
	if (!err)
		err = open_sockets(reload, why);
	return err ? err : find_numbers(reload, why);
}

/* Who is not in the file any more, and the ports that streams give up: others may want them. */
static void sweep(const struct reload *reload)
{
	struct net *net = reload->net;
	struct stream *stream, *next;

	for (size_t i = 0; i < reload->config->stream_count; i++) {
		const struct spec *spec = &reload->config->streams[i];

		if (differs(reload, spec, &stream) && stream) {
			net_leave_raws(net, stream);
			stream_shrink(&net->table, stream, spec);
		}
		if (stream)
			stream->marked = true;
	}
	for (stream = LIST_FIRST(&net->table.streams); stream; stream = next) {
		next = LIST_NEXT(stream, link);
		if (!stream->gone && !stream->marked && stream->origin == STREAM_CONFIG) {
			reload->changes->removed++;
			net_take_away(net, stream);
			continue;
		}
		stream->marked = false;
	}
}

static int change(const struct reload *reload, struct stream *stream, const struct spec *spec,
	uint32_t number, char why[static SPEC_WHY])
{
	struct net *net = reload->net;
	bool raw = spec->raw_punch != stream->spec.raw_punch;
	bool rate = spec->rate != stream->spec.rate;
	int err;

	reload->changes->changed++;
	if (!keeps_peers(&stream->spec, spec))
		broker_forget(net->broker, stream);
	err = stream_change(&net->table, stream, spec, number);
	net_take_raws(net, stream);
	if (err) {
		snprintf(why, SPEC_WHY, "%s", strerror(-err));
		return err;
	}
	if (rate)
		broker_rate(net->broker, stream, net_now(net));
	if (raw)
		net_warn_raw(spec);
	return 0;
}

/* Memory may be short for one; the others are done all the same. */
static int apply(const struct reload *reload, char why[static CONFIG_ERROR])
{
	char reason[SPEC_WHY];
	struct stream *stream;
	int err = 0;

	sweep(reload);
	for (size_t i = 0; i < reload->config->stream_count; i++) {
		const struct spec *spec = &reload->config->streams[i];
		int failed = 0;

		if (!differs(reload, spec, &stream))
			continue;
		if (stream) {
			failed = change(reload, stream, spec, reload->numbers[i], reason);
		} else {
			reload->changes->added++;
			failed = net_put(reload->net, spec, reload->numbers[i], &stream, reason);
		}
		if (failed)
			err = refuse(reload, spec, reason, why);
	}
	return err;
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
	struct reload reload = {.net = net, .changes = changes};
	int err = config_read(net->setup->config_path, &reload.config, why);

	memset(changes, 0, sizeof *changes);
	if (err)
		return err;
	err = prepare(&reload, why);
	if (err) {
		config_free(reload.config);
	} else {
		err = apply(&reload, why);
		tell_addresses(net, reload.config);
		take_over(net->config, reload.config);
		net->table.holes_max = net->config->max_clients;
		net_discover_again(net);
		log_info("reloaded: %u added, %u changed, %u removed", changes->added,
			changes->changed, changes->removed);
	}
	udp_close_idle(&net->udp);
	free(reload.numbers);
	return err;
}
