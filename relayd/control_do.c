/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/control_do.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/ctl.h"
#include "common/mac.h"
#include "relayd/view.h"
#include "relayd/view_rules.h"

/* An answer as an object, which is taken over; NULL: memory is short. */
static char *format(json_t *object, size_t *len)
{
	char *line = object ? ctl_format(object, len) : NULL;

	json_decref(object);
	return line;
}

static void finish(struct job *job, char *line, size_t len)
{
	mac_wipe(job->request.spec.key, sizeof(job->request.spec.key));
	job->answer(job, line, len);
}

static void finish_error(struct job *job, const char *text)
{
	size_t len = 0;
	char *line = format(ctl_error("%s", text), &len);

	finish(job, line, len);
}

static const struct stream *find(const struct job *job)
{
	return stream_find(&job->net->table, job->request.spec.name);
}

static json_t *no_stream(const struct job *job)
{
	return ctl_error("there is no stream %s", job->request.spec.name);
}

/* The first half of each request: 0, or -errno and why. */

static int add_begin(struct job *job, char why[static CONFIG_ERROR])
{
	const struct request *request = &job->request;
	int64_t expires = request->expire ? (int64_t)time(NULL) + request->expire : 0;

	return net_add(job->net, &job->request.spec, expires, why);
}

static int remove_begin(struct job *job, char why[static CONFIG_ERROR])
{
	return net_remove(job->net, job->request.spec.name, why);
}

static int flush_begin(struct job *job, char why[static CONFIG_ERROR])
{
	const char *name = job->request.spec.name;

	return net_flush(job->net, *name ? name : NULL, &job->count, why);
}

static int reload_begin(struct job *job, char why[static CONFIG_ERROR])
{
	return net_reload(job->net, &job->changes, why);
}

/* Those that only look need no more than the name. */
static int look_begin(struct job *job, char why[static CONFIG_ERROR])
{
	if (!*job->request.spec.name || find(job))
		return 0;
	snprintf(why, CONFIG_ERROR, "there is no stream %s", job->request.spec.name);
	return -ENOENT;
}

/* The second half, when the kernel is what the table says: the line of the answer. */

static bool is_committed(const struct stream *stream)
{
	for (size_t i = 0; i < stream->slot_count; i++) {
		if (!stream->slots[i].listening)
			return false;
	}
	return true;
}

/* A stream that the kernel does not take must not stay. */
static char *add_end(struct job *job, const struct sync_snapshot *snapshot, size_t *len)
{
	const struct net *net = job->net;
	const struct stream *stream = find(job);
	char why[SPEC_WHY];

	(void)snapshot;
	if (!stream)
		return format(ctl_error("%s was removed meanwhile", job->request.spec.name), len);
	if (job->failed[0] == '\0' && is_committed(stream))
		return format(
			json_pack("{s:b, s:o, s:s, s:o}", "ok", 1, "stream",
				view_stream(net->config, net->broker, stream, net_now(net)), "key",
				job->request.spec.key, "relays", view_relays(net->config)),
			len);
	net_remove(job->net, job->request.spec.name, why);
	return format(ctl_error("the kernel refused it: %s",
			      job->failed[0] ? job->failed : "the log says why"),
		len);
}

static char *remove_end(struct job *job, const struct sync_snapshot *snapshot, size_t *len)
{
	(void)job, (void)snapshot;
	return format(json_pack("{s:b}", "ok", 1), len);
}

static char *flush_end(struct job *job, const struct sync_snapshot *snapshot, size_t *len)
{
	(void)snapshot;
	return format(json_pack("{s:b, s:I}", "ok", 1, "clients", (json_int_t)job->count), len);
}

static char *reload_end(struct job *job, const struct sync_snapshot *snapshot, size_t *len)
{
	const struct net_changes *changes = &job->changes;

	(void)snapshot;
	return format(json_pack("{s:b, s:I, s:I, s:I}", "ok", 1, "added",
			      (json_int_t)changes->added, "changed", (json_int_t)changes->changed,
			      "removed", (json_int_t)changes->removed),
		len);
}

static char *show_end(struct job *job, const struct sync_snapshot *snapshot, size_t *len)
{
	const struct net *net = job->net;
	const struct stream *stream = find(job);

	(void)snapshot;
	if (!stream)
		return format(no_stream(job), len);
	return format(json_pack("{s:b, s:o, s:o}", "ok", 1, "stream",
			      view_stream(net->config, net->broker, stream, net_now(net)),
			      "troubles", view_troubles(&net->troubles, net_now(net))),
		len);
}

/* Large answers are written stream by stream: 100,000 of them as one tree are 300 MB. */
static int list_write(struct job *job, const struct sync_snapshot *snapshot, FILE *out)
{
	const struct net *net = job->net;
	const struct stream **streams;
	size_t count;
	int ret = 0;

	(void)snapshot;
	streams = view_sorted(&net->table, &count);
	if (!streams)
		return -ENOMEM;
	fputc('[', out);
	for (size_t i = 0; i < count && ret == 0; i++) {
		json_t *stream = view_stream(net->config, net->broker, streams[i], net_now(net));

		if (i > 0)
			fputc(',', out);
		if (!stream || json_dumpf(stream, out, JSON_COMPACT))
			ret = -ENOMEM;
		json_decref(stream);
		if (ftell(out) > CTL_REPLY_MAX)
			ret = -EMSGSIZE;
	}
	fputc(']', out);
	free(streams);
	return ret;
}

static int rules_write(struct job *job, const struct sync_snapshot *snapshot, FILE *out)
{
	return view_rules(&job->net->table, job->request.spec.name, snapshot, out);
}

/* {"ok":true,"streams":[..]} */
static char *streams_end(struct job *job, const struct sync_snapshot *snapshot, size_t *len)
{
	bool list = job->request.what == REQUEST_LIST;
	char *line = NULL;
	FILE *out = open_memstream(&line, len);
	bool broken;
	int ret;

	if (!out)
		return NULL;
	fputs("{\"ok\":true,\"streams\":", out);
	ret = list ? list_write(job, snapshot, out) : rules_write(job, snapshot, out);
	fputs("}\n", out);
	broken = ferror(out) != 0;
	if ((fclose(out) != 0 || broken) && ret == 0)
		ret = -ENOMEM;
	if (ret == 0 && *len <= CTL_REPLY_MAX)
		return line;
	free(line);
	if (ret == -ENOMEM)
		return NULL;
	return format(ctl_error("the answer is larger than %d MiB; ask for one stream",
			      CTL_REPLY_MAX / 1024 / 1024),
		len);
}

static char *metrics_end(struct job *job, const struct sync_snapshot *snapshot, size_t *len)
{
	char *text = NULL, *line = NULL;
	size_t text_len;
	FILE *out = open_memstream(&text, &text_len);
	int ret;

	(void)snapshot;
	if (!out)
		return NULL;
	ret = metrics_write(job->net, job->counts, out);
	if (fclose(out) == 0 && ret == 0)
		line = format(json_pack("{s:b, s:s}", "ok", 1, "text", text), len);
	free(text);
	return line;
}

static const struct doing {
	int (*begin)(struct job *job, char why[static CONFIG_ERROR]);
	char *(*end)(struct job *job, const struct sync_snapshot *snapshot, size_t *len);
	bool looks; /* it is about what the kernel holds, and changes nothing */
	unsigned int reads;
} doings[REQUEST_COUNT] = {
	[REQUEST_ADD] = {add_begin, add_end, false, 1},
	[REQUEST_REMOVE] = {remove_begin, remove_end, false, 1},
	[REQUEST_LIST] = {look_begin, streams_end, true, 1},
	[REQUEST_SHOW] = {look_begin, show_end, true, 1},
	[REQUEST_FLUSH] = {flush_begin, flush_end, false, 1},
	/* New streams are added after the first one, when the ports of old ones are free. */
	[REQUEST_RELOAD] = {reload_begin, reload_end, false, 2},
	[REQUEST_RULES] = {look_begin, streams_end, true, 1},
	[REQUEST_METRICS] = {look_begin, metrics_end, true, 1},
};

static void job_end(void *data, int error, const struct sync_snapshot *snapshot);

/*
 * The kernel side works in order, and a read begins when nothing is left to change: its end is the
 * verdict on all that was asked for before it.
 */
static void job_wait(struct job *job)
{
	char undone[SPEC_WHY];

	job->waiting = sync_read(&job->net->sync, job_end, job) == 0;
	if (job->waiting)
		return;
	if (job->request.what == REQUEST_ADD)
		net_remove(job->net, job->request.spec.name, undone);
	finish_error(job, "memory is short; it is not known what the kernel has done");
}

/* Whether the read itself failed matters only to those who look. */
static void job_end(void *data, int error, const struct sync_snapshot *snapshot)
{
	struct job *job = data;
	const struct doing *doing = &doings[job->request.what];
	char why[CONFIG_ERROR], *line;
	size_t len = 0;

	job->waiting = false;
	if (--job->reads > 0) {
		job_wait(job);
	} else if (error && doing->looks) {
		snprintf(why, sizeof(why), "the kernel's state could not be read: %s",
			strerror(-error));
		finish_error(job, why);
	} else if (job->failed[0] && !doing->looks && job->request.what != REQUEST_ADD) {
		snprintf(why, sizeof(why), "the kernel refused it: %s", job->failed);
		finish_error(job, why);
	} else {
		line = doing->end(job, snapshot, &len);
		finish(job, line, len);
	}
}

void job_begin(struct job *job)
{
	const struct doing *doing = &doings[job->request.what];
	char why[CONFIG_ERROR] = "";
	int ret;

	job->count = 0;
	job->failed[0] = '\0';
	job->reads = doing->reads;
	ret = doing->begin(job, why);
	if (ret < 0)
		finish_error(job, why[0] ? why : strerror(-ret));
	else
		job_wait(job);
}

void job_cancel(struct job *job)
{
	if (job->waiting)
		sync_forget(&job->net->sync, job);
	job->waiting = false;
	mac_wipe(job->request.spec.key, sizeof(job->request.spec.key));
}

void job_event(struct job *job, const struct control_event *event)
{
	const char *name = job->request.spec.name;
	const char *other = event->name ? event->name : "";

	if (!job->waiting || strcmp(event->event, "failed") != 0)
		return;
	if (*name && strcmp(name, other) != 0)
		return;
	snprintf(job->failed, sizeof(job->failed), "%s%s%s", *name ? "" : other,
		*name || !*other ? "" : ": ", event->text ? event->text : "no reason");
}
