/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/control_request.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mac.h"

#define BIT(what)  (1u << (what))
#define COUNT(arr) (sizeof(arr) / sizeof((arr)[0]))

/* The name is set before the fields are; "do" is read first of all. */
static int ignore(struct request *request, const json_t *value, char why[static SPEC_WHY])
{
	(void)request, (void)value, (void)why;
	return 0;
}

static int set_listen(struct request *request, const json_t *value, char why[static SPEC_WHY])
{
	return spec_set_listen(&request->spec, json_string_value(value), why);
}

static int set_source(struct request *request, const json_t *value, char why[static SPEC_WHY])
{
	return spec_set_source(&request->spec, json_string_value(value), why);
}

static int set_clients(struct request *request, const json_t *value, char why[static SPEC_WHY])
{
	return spec_set_clients(&request->spec, json_string_value(value), why);
}

static int set_key(struct request *request, const json_t *value, char why[static SPEC_WHY])
{
	return spec_set_key(&request->spec, json_string_value(value), why);
}

static int set_rate(struct request *request, const json_t *value, char why[static SPEC_WHY])
{
	return spec_set_rate(&request->spec, json_integer_value(value), why);
}

static int set_quota(struct request *request, const json_t *value, char why[static SPEC_WHY])
{
	return spec_set_quota(&request->spec, json_string_value(value), why);
}

static int set_raw_punch(struct request *request, const json_t *value, char why[static SPEC_WHY])
{
	return spec_set_raw_punch(&request->spec, json_integer_value(value), why);
}

static int set_peers(struct request *request, const json_t *value, char why[static SPEC_WHY])
{
	return spec_set_peers(&request->spec, json_integer_value(value), why);
}

static int set_expire(struct request *request, const json_t *value, char why[static SPEC_WHY])
{
	json_int_t expire = json_integer_value(value);

	if (expire < 1 || expire > REQUEST_EXPIRE_MAX)
		return spec_refuse(why, "%lld is not a time; it is 1 to %d seconds",
			(long long)expire, REQUEST_EXPIRE_MAX);
	request->expire = expire;
	return 0;
}

static int set_port(struct request *request, const json_t *value, char why[static SPEC_WHY])
{
	json_int_t port = json_integer_value(value);

	if (port < 1 || port > UINT16_MAX)
		return spec_refuse(
			why, "%lld is not a port; ports are 1 to 65535", (long long)port);
	request->port = (uint16_t)port;
	return 0;
}

static int set_from(struct request *request, const json_t *value, char why[static SPEC_WHY])
{
	if (endpoint_parse(json_string_value(value), 0, &request->from) < 0)
		return spec_refuse(why, "\"%.64s\" is not ADDRESS:PORT", json_string_value(value));
	return 0;
}

static int set_keep_going(struct request *request, const json_t *value, char why[static SPEC_WHY])
{
	(void)why;
	request->keep_going = json_is_true(value);
	return 0;
}

static int set_trace(struct request *request, const json_t *value, char why[static SPEC_WHY])
{
	(void)why;
	request->trace = json_is_true(value);
	return 0;
}

static int set_again(struct request *request, const json_t *value, char why[static SPEC_WHY])
{
	(void)why;
	request->again = json_is_true(value);
	return 0;
}

static int set_brief(struct request *request, const json_t *value, char why[static SPEC_WHY])
{
	(void)why;
	request->brief = json_is_true(value);
	return 0;
}

static int set_on(struct request *request, const json_t *value, char why[static SPEC_WHY])
{
	(void)why;
	request->set = true;
	request->on = json_is_true(value);
	return 0;
}

static int set_limit(struct request *request, const json_t *value, char why[static SPEC_WHY])
{
	json_int_t limit = json_integer_value(value);

	if (limit < 1 || limit > UINT32_MAX)
		return spec_refuse(why, "%lld is not a number of streams", (long long)limit);
	request->limit = (uint32_t)limit;
	return 0;
}

static int set_items(struct request *request, const json_t *value, char why[static SPEC_WHY]);

/* Which requests may have a field, and which must. */
static const struct field {
	const char *name;
	json_type type;
	unsigned int may, must;
	int (*set)(struct request *request, const json_t *value, char why[static SPEC_WHY]);
} fields[] = {
	{"do", JSON_STRING, ~0u, 0, ignore},
	{"streams", JSON_ARRAY, BIT(REQUEST_ADD_MANY) | BIT(REQUEST_REMOVE_MANY),
		BIT(REQUEST_ADD_MANY) | BIT(REQUEST_REMOVE_MANY), set_items},
	{"keep_going", JSON_TRUE, BIT(REQUEST_ADD_MANY) | BIT(REQUEST_REMOVE_MANY), 0,
		set_keep_going},
	{"brief", JSON_TRUE, BIT(REQUEST_LIST), 0, set_brief},
	{"on", JSON_TRUE, BIT(REQUEST_DRAIN), 0, set_on},
	{"limit", JSON_INTEGER, BIT(REQUEST_LIST), 0, set_limit},
	{"name", JSON_STRING,
		BIT(REQUEST_ADD) | BIT(REQUEST_REMOVE) | BIT(REQUEST_SHOW) | BIT(REQUEST_FLUSH) |
			BIT(REQUEST_RULES) | BIT(REQUEST_EXPLAIN),
		BIT(REQUEST_ADD) | BIT(REQUEST_REMOVE) | BIT(REQUEST_SHOW) | BIT(REQUEST_EXPLAIN),
		ignore},
	{"listen", JSON_STRING, BIT(REQUEST_ADD), 0, set_listen},
	{"source", JSON_STRING, BIT(REQUEST_ADD), 0, set_source},
	{"clients", JSON_STRING, BIT(REQUEST_ADD), 0, set_clients},
	{"key", JSON_STRING, BIT(REQUEST_ADD), 0, set_key},
	{"rate", JSON_INTEGER, BIT(REQUEST_ADD), 0, set_rate},
	{"quota", JSON_STRING, BIT(REQUEST_ADD), 0, set_quota},
	{"raw_punch", JSON_INTEGER, BIT(REQUEST_ADD), 0, set_raw_punch},
	{"peers", JSON_INTEGER, BIT(REQUEST_ADD), 0, set_peers},
	{"expire", JSON_INTEGER, BIT(REQUEST_ADD), 0, set_expire},
	{"port", JSON_INTEGER, BIT(REQUEST_EXPLAIN), 0, set_port},
	{"from", JSON_STRING, BIT(REQUEST_EXPLAIN), 0, set_from},
	{"trace", JSON_TRUE, BIT(REQUEST_EXPLAIN), 0, set_trace},
	{"again", JSON_TRUE, BIT(REQUEST_EXPLAIN), 0, set_again},
};

static const char *const words[REQUEST_COUNT] = {
	[REQUEST_ADD] = "add",
	[REQUEST_ADD_MANY] = "add-many",
	[REQUEST_REMOVE] = "remove",
	[REQUEST_REMOVE_MANY] = "remove-many",
	[REQUEST_LIST] = "list",
	[REQUEST_SHOW] = "show",
	[REQUEST_FLUSH] = "flush",
	[REQUEST_RELOAD] = "reload",
	[REQUEST_DRAIN] = "drain",
	[REQUEST_RULES] = "rules",
	[REQUEST_METRICS] = "metrics",
	[REQUEST_EXPLAIN] = "explain",
	[REQUEST_HOST] = "host",
	[REQUEST_MONITOR] = "monitor",
};

static int parse_do(const json_t *object, enum request_do *what, char why[static SPEC_WHY])
{
	const json_t *value = json_object_get(object, "do");
	const char *word = json_string_value(value);

	if (!value)
		return spec_refuse(why, "\"do\" is missing");
	if (!word)
		return spec_refuse(why, "\"do\" must be a string");
	for (unsigned int i = 0; i < REQUEST_COUNT; i++) {
		if (strcmp(word, words[i]) == 0) {
			*what = (enum request_do)i;
			return 0;
		}
	}
	return spec_refuse(why, "\"do\": there is no request \"%.32s\"", word);
}

static const struct field *field_find(const char *name)
{
	for (size_t i = 0; i < COUNT(fields); i++) {
		if (strcmp(name, fields[i].name) == 0)
			return &fields[i];
	}
	return NULL;
}

static bool type_fits(const struct field *field, const json_t *value)
{
	if (field->type == JSON_TRUE)
		return json_is_boolean(value);
	return json_typeof(value) == field->type;
}

static const char *type_text(const struct field *field)
{
	if (field->type == JSON_STRING)
		return "a string";
	if (field->type == JSON_ARRAY)
		return "an array";
	return field->type == JSON_TRUE ? "true or false" : "a whole number";
}

/* Fields that are there must be known, allowed here, and of their type. */
static int check_fields(const json_t *object, enum request_do what, char why[static SPEC_WHY])
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)object, name, value)
	{
		const struct field *field = field_find(name);

		if (!field || !(field->may & BIT(what)))
			return spec_refuse(
				why, "\"%.32s\" is not a field of \"%s\"", name, words[what]);
		if (!type_fits(field, value))
			return spec_refuse(why, "\"%s\" must be %s", name, type_text(field));
	}
	for (size_t i = 0; i < COUNT(fields); i++) {
		if ((fields[i].must & BIT(what)) && !json_object_get(object, fields[i].name))
			return spec_refuse(
				why, "\"%s\" is missing in \"%s\"", fields[i].name, words[what]);
	}
	if (what == REQUEST_ADD && !json_object_get(object, "listen") &&
		!json_object_get(object, "peers"))
		return spec_refuse(why, "\"listen\" or \"peers\" is missing in \"add\"");
	return 0;
}

/* A reason that names the field in front. */
static int refuse_field(const char *name, const char *reason, char why[static SPEC_WHY])
{
	return spec_refuse(why, "\"%s\": %s", name, reason);
}

static int set_fields(const json_t *object, struct request *request, char why[static SPEC_WHY])
{
	const char *name = json_string_value(json_object_get(object, "name"));
	char reason[SPEC_WHY];

	if (name && spec_init(&request->spec, name, reason) < 0)
		return refuse_field("name", reason, why);
	for (size_t i = 0; i < COUNT(fields); i++) {
		const json_t *value = json_object_get(object, fields[i].name);

		if (value && fields[i].set(request, value, reason) < 0)
			return refuse_field(fields[i].name, reason, why);
	}
	return 0;
}

/* It repeats what came from outside, and has to stay one line of text. */
static void make_line(char *why)
{
	for (char *p = why; *p; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	}
}

/* An object with the fields of "add" or, to remove it, a name. */
static void set_item(struct spec_item *item, enum request_do what, const json_t *value)
{
	struct request one = {.what = REQUEST_ADD};
	char reason[SPEC_WHY];
	int err;

	if (what == REQUEST_REMOVE_MANY && !json_is_string(value))
		err = spec_refuse(item->why, "it must be a name, a string");
	else if (what == REQUEST_REMOVE_MANY)
		err = spec_init(&item->spec, json_string_value(value), item->why);
	else if (!json_is_object(value))
		err = spec_refuse(item->why, "it must be an object");
	else if (json_object_get(value, "do"))
		err = spec_refuse(item->why, "\"do\" is not a field of a stream");
	else if (check_fields(value, REQUEST_ADD, reason) || set_fields(value, &one, reason))
		err = spec_refuse(item->why, "%s", reason);
	else
		err = 0;
	if (what == REQUEST_ADD_MANY)
		item->spec = one.spec;
	item->expires = one.expire;
	make_line(item->why);
	if (!err)
		item->why[0] = '\0';
	mac_wipe(one.spec.key, sizeof(one.spec.key));
}

static int set_items(struct request *request, const json_t *value, char why[static SPEC_WHY])
{
	size_t count = json_array_size(value);

	if (!count || count > REQUEST_ITEMS_MAX)
		return spec_refuse(why, "there are %zu; write 1 to %d", count, REQUEST_ITEMS_MAX);
	request->items = calloc(count, sizeof(*request->items));
	if (!request->items)
		return spec_refuse(why, "memory is short");
	request->count = count;
	for (size_t i = 0; i < count; i++)
		set_item(&request->items[i], request->what, json_array_get(value, i));
	return 0;
}

int request_parse(const json_t *object, struct request *request, char why[static SPEC_WHY])
{
	memset(request, 0, sizeof(*request));
	if (parse_do(object, &request->what, why) == 0 &&
		check_fields(object, request->what, why) == 0 &&
		set_fields(object, request, why) == 0)
		return 0;
	make_line(why);
	request_fini(request);
	return -EINVAL;
}

void request_fini(struct request *request)
{
	mac_wipe(request->spec.key, sizeof(request->spec.key));
	if (request->items)
		mac_wipe(request->items, request->count * sizeof(*request->items));
	free(request->items);
	request->items = NULL;
	request->count = 0;
}
