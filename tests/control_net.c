/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "control_net.h"

#include "relayd/sampler.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct testbed t;

int64_t net_now(const struct net *net)
{
	(void)net;
	return t.now;
}

int net_add(struct net *net, struct spec *spec, int64_t expires, char why[static SPEC_WHY])
{
	struct stream *stream;
	int ret;

	if (!spec->key[0])
		strcpy(spec->key, KEY);
	ret = spec_check(spec, why);
	if (ret == 0)
		ret = stream_add(&net->table, spec, 7, &stream, why);
	if (ret < 0)
		return ret;
	stream->origin = STREAM_RUNTIME;
	stream->expires = expires;
	return 0;
}

int net_remove(struct net *net, const char *name, char why[static SPEC_WHY])
{
	struct stream *stream = stream_find(&net->table, name);

	snprintf(why, SPEC_WHY, "there is no stream %s", name);
	if (!stream)
		return -ENOENT;
	stream_remove(&net->table, stream);
	return 0;
}

int net_flush(struct net *net, const char *name, unsigned int *count, char why[static SPEC_WHY])
{
	(void)net, (void)why;
	*count = name ? 1 : 2;
	return 0;
}

int net_reload(struct net *net, struct net_changes *changes, char why[static CONFIG_ERROR])
{
	(void)net;
	snprintf(why, CONFIG_ERROR, "relayd.conf:3: no");
	*changes = (struct net_changes){1, 2, 3};
	return t.reloads++ ? -EINVAL : 0;
}

int sync_read(struct sync *sync, sync_read_fn *done, void *data)
{
	(void)sync;
	ck_assert_uint_lt(t.reader_count, 256);
	t.readers[t.reader_count].done = done;
	t.readers[t.reader_count++].data = data;
	return 0;
}

int sync_settle(struct sync *sync, sync_read_fn *done, void *data)
{
	return sync_read(sync, done, data);
}

bool sampler_is_enough(const struct net *net)
{
	(void)net;
	return false;
}

int net_add_many(struct net *net, struct spec_item *items, size_t count, bool some,
	char why[static SPEC_WHY])
{
	int added = 0;

	for (size_t i = 0; i < count; i++) {
		items[i].done = !items[i].why[0] &&
				!net_add(net, &items[i].spec, items[i].expires, items[i].why);
		added += items[i].done;
		if (items[i].done || some)
			continue;
		snprintf(why, SPEC_WHY, "nothing was added");
		return -EINVAL;
	}
	return added;
}

int net_remove_many(struct net *net, struct spec_item *items, size_t count, bool some,
	char why[static SPEC_WHY])
{
	int removed = 0;

	(void)some;
	for (size_t i = 0; i < count; i++)
		removed += !net_remove(net, items[i].spec.name, why);
	return removed;
}

void sync_forget(struct sync *sync, void *data)
{
	(void)sync;
	for (unsigned int i = 0; i < t.reader_count; i++) {
		if (t.readers[i].data != data || !t.readers[i].done)
			continue;
		t.readers[i].done = NULL;
		t.forgotten++;
	}
}

const char *punch_count_text(enum punch_count count)
{
	return count == PUNCH_ACCEPTED ? "accepted" : "other";
}

const char *behaviour_count_text(enum behaviour_count count)
{
	return count == BEHAVIOUR_ANSWERED ? "answered" : "other";
}

void event(const char *what, const char *name, const char *text)
{
	const struct control_event out = {.event = what, .name = name, .text = text};

	control_event(t.net.control, &out);
}

static void commit(void)
{
	struct slot *slot;

	while ((slot = TAILQ_FIRST(&t.net.table.dirty))) {
		TAILQ_REMOVE(&t.net.table.dirty, slot, dirty_link);
		slot->dirty = false;
		slot->have = slot->want;
		slot->listening = !slot->gone && !t.kernel_refuses;
		if (!slot->gone && t.kernel_refuses)
			event("failed", slot->stream->spec.name, "no room");
		slot_reap(&t.net.table, slot);
	}
}

void pump(void)
{
	unsigned int count = t.kernel_waits ? 0 : t.reader_count;

	uv_run(&t.net.loop, UV_RUN_NOWAIT);
	if (count == 0)
		return;
	commit();
	for (unsigned int i = 0; i < count; i++) {
		if (t.readers[i].done)
			t.readers[i].done(t.readers[i].data, t.read_error, &t.snapshot);
	}
	t.reader_count -= count;
	memmove(t.readers, t.readers + count, t.reader_count * sizeof(t.readers[0]));
}

void set_up(void)
{
	static const bool families[STREAM_FAMILIES] = {true, true};
	struct broker_config broker = {.consent_ms = 45000};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memset(&t, 0, sizeof(t));
	signal(SIGPIPE, SIG_IGN);
	t.now = 1000000;
	t.addr.sun_family = AF_UNIX;
	t.addr_len = sizeof(t.addr);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&t.addr, sizeof(sa_family_t)), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&t.addr, &t.addr_len), 0);
	ck_assert_int_eq(listen(fd, 128), 0);
	ck_assert_int_eq(addr_parse("10.0.0.4", &t.config.addresses[0]), 0);
	ck_assert_int_eq(addr_parse("2001:db8::7", &t.config.addresses[1]), 0);
	ck_assert_int_eq(addr_parse("203.0.113.7", &t.config.seen[0]), 0);
	t.config.address_count = 2;
	t.config.punch = 3478;
	t.net.config = &t.config;
	ck_assert_int_eq(uv_loop_init(&t.net.loop), 0);
	ck_assert_int_eq(stream_table_init(&t.net.table, families, 45000), 0);
	broker.table = &t.net.table;
	ck_assert_int_eq(broker_open(&broker, &t.net.broker), 0);
	ck_assert_int_eq(control_open(&t.net, fd, &t.net.control), 0);
}

void tear_down(void)
{
	control_close(t.net.control);
	ck_assert_int_eq(uv_run(&t.net.loop, UV_RUN_DEFAULT), 0);
	ck_assert_int_eq(uv_loop_close(&t.net.loop), 0);
	broker_close(t.net.broker);
	stream_table_fini(&t.net.table);
}

int dial(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	ck_assert_int_eq(connect(fd, (struct sockaddr *)&t.addr, t.addr_len), 0);
	return fd;
}

void say(int fd, const char *text)
{
	size_t len = strlen(text);

	for (int i = 0; i < PUMPS_MAX && len > 0; i++) {
		ssize_t done = send(fd, text, len, MSG_NOSIGNAL);

		if (done > 0) {
			text += done;
			len -= (size_t)done;
		}
		pump();
	}
	ck_assert_uint_eq(len, 0);
}

bool hear_byte(int fd, char *out)
{
	for (int i = 0; i < PUMPS_MAX; i++) {
		struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
		ssize_t len = recv(fd, out, 1, 0);

		if (len == 1)
			return true;
		if (len == 0 || errno == ECONNRESET)
			return false;
		pump();
		poll(&poll_fd, 1, i < 20 ? 0 : 10);
	}
	ck_abort_msg("nothing came");
}

json_t *hear(int fd)
{
	static char line[65536];
	json_error_t error;
	size_t len = 0;
	json_t *object;

	while (len < sizeof(line) && hear_byte(fd, &line[len]) && line[len] != '\n')
		len++;
	object = json_loadb(line, len, JSON_REJECT_DUPLICATES, &error);
	ck_assert_msg(object != NULL, "%s in %.*s", error.text, (int)len, line);
	return object;
}

json_t *ask(int fd, const char *text)
{
	json_t *answer;

	say(fd, text);
	say(fd, "\n");
	answer = hear(fd);
	ck_assert_msg(json_is_true(json_object_get(answer, "ok")), "%s: %s", text,
		json_string_value(json_object_get(answer, "error")));
	return answer;
}

void hear_error(int fd, const char *part)
{
	json_t *answer = hear(fd);
	const char *error = json_string_value(json_object_get(answer, "error"));

	ck_assert(json_is_false(json_object_get(answer, "ok")));
	ck_assert_msg(error && strstr(error, part), "\"%s\" does not say %s", error, part);
	ck_assert_ptr_null(strchr(error, '\n'));
	json_decref(answer);
}

void refused(int fd, const char *text, const char *part)
{
	say(fd, text);
	say(fd, "\n");
	hear_error(fd, part);
}

void granted(int fd, const char *text)
{
	json_decref(ask(fd, text));
}

void assert_end(int fd)
{
	char byte;

	ck_assert(!hear_byte(fd, &byte));
	close(fd);
}
