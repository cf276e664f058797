/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Many streams at once: one transaction of the registry, one line of the log. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "relayd/manage.h"
#include "relayd/net_trouble.h"

static int many_begin(struct net *net, char error[static REGISTRY_ERROR])
{
	int err = registry_begin(net->registry, error);

	if (err)
		net_trouble_database(net, err, error);
	net->quiet = !err;
	return err;
}

/* What registry_end said. */
static void many_end(struct net *net, int err, const char *error)
{
	net->quiet = false;
	if (err != -ECANCELED)
		net_trouble_database(net, err, error);
}

static int add_one(struct net *net, struct spec_item *item)
{
	int err = item->why[0] ? -EINVAL : net_add(net, &item->spec, item->expires, item->why);

	if (err && !item->why[0])
		snprintf(item->why, sizeof item->why, "%s", strerror(-err));
	item->done = !err;
	return err;
}

static void undo(struct net *net, struct spec_item *items, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct stream *stream = stream_find(&net->table, items[i].spec.name);

		if (items[i].done && stream)
			net_drop(net, stream);
		items[i].done = false;
	}
}

int net_add_many(struct net *net, struct spec_item *items, size_t count, bool some,
	char why[static SPEC_WHY])
{
	char error[REGISTRY_ERROR];
	int added = 0, err = many_begin(net, error), end;

	if (err)
		goto out;
	for (size_t i = 0; i < count && !err; i++) {
		err = add_one(net, &items[i]);
		added += !err;
		if (some)
			err = 0;
	}
	end = registry_end(net->registry, !err, error);
	if (err || end)
		undo(net, items, count);
	many_end(net, end, error);
	if (err)
		snprintf(error, sizeof error, "nothing was added");
	else
		err = end;
	if (!err && added)
		log_info("%d streams added", added);
out:
	if (err)
		snprintf(why, SPEC_WHY, "%.*s", SPEC_WHY - 1, error);
	return err ? err : added;
}

static int remove_one(struct net *net, struct spec_item *item)
{
	return item->why[0] ? -EINVAL : net_remove(net, item->spec.name, item->why);
}

/* Before anything is changed. */
static int check_names(struct net *net, struct spec_item *items, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct stream *stream = stream_find(&net->table, items[i].spec.name);

		if (!items[i].why[0] && stream && stream->origin == STREAM_RUNTIME)
			continue;
		/* It says why. */
		return remove_one(net, &items[i]);
	}
	return 0;
}

int net_remove_many(struct net *net, struct spec_item *items, size_t count, bool some,
	char why[static SPEC_WHY])
{
	char error[REGISTRY_ERROR] = "nothing was removed";
	int removed = 0, err = some ? 0 : check_names(net, items, count);

	if (!err)
		err = many_begin(net, error);
	if (err)
		goto out;
	for (size_t i = 0; i < count; i++) {
		items[i].done = !remove_one(net, &items[i]);
		removed += items[i].done;
	}
	err = registry_end(net->registry, true, error);
	many_end(net, err, error);
	if (!err && removed)
		log_info("%d streams removed", removed);
out:
	if (err)
		snprintf(why, SPEC_WHY, "%.*s", SPEC_WHY - 1, error);
	return err ? err : removed;
}
