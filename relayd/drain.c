/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/drain.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"

#define SUFFIX ".draining"
#define PATH   (sizeof(((struct config *)0)->database) + sizeof(SUFFIX))

static const char *drain_path(const struct net *net, char out[static PATH])
{
	snprintf(out, PATH, "%s" SUFFIX, net->config->database);
	return out;
}

void drain_open(struct net *net)
{
	char path[PATH];

	if (access(drain_path(net, path), F_OK))
		return;
	net->table.draining = true;
	log_warning("draining: no new clients until `punchctl drain --off`");
}

static int drain_mark(const char *path, bool on)
{
	int fd;

	if (!on)
		return unlink(path) && errno != ENOENT ? -errno : 0;
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

int drain_set(struct net *net, bool on, char why[static CONFIG_ERROR])
{
	char path[PATH];
	int err = drain_mark(drain_path(net, path), on);

	if (err) {
		snprintf(why, CONFIG_ERROR, "%.280s: %s; nothing is changed", path, strerror(-err));
		return err;
	}
	if (net->table.draining != on)
		log_notice(on ? "draining: no new clients" : "drained no more");
	net->table.draining = on;
	return 0;
}

struct drain_count drain_count(const struct net *net)
{
	return (struct drain_count){net->table.holes, broker_pairs(net->broker)};
}
