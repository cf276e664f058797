/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/config_reader.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/key_file.h"
#include "common/mac.h"
#include "relayd/config_host.h"

__attribute__((format(printf, 3, 4))) int config_reader_error(
	struct config_reader *reader, int line, const char *format, ...)
{
	char place[CONFIG_TEXT_PLACE];
	va_list args;
	int len;

	if (reader->error[0])
		return -EINVAL;
	len = snprintf(reader->error, CONFIG_ERROR, "%.220s: ",
		line > 0 ? config_text_place(&reader->text, line, place) : reader->path);
	va_start(args, format);
	vsnprintf(reader->error + len, CONFIG_ERROR - (size_t)len, format, args);
	va_end(args);
	return -EINVAL;
}

/* A mistake in the value that is being set. */
__attribute__((format(printf, 2, 3))) static int refuse(
	struct config_reader *reader, const char *format, ...)
{
	char what[SPEC_WHY];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	if (reader->section)
		return config_reader_error(reader, reader->line, "stream \"%s\": %s: %s",
			reader->spec.name, reader->option->name, what);
	return config_reader_error(reader, reader->line, "%s: %s", reader->option->name, what);
}

/* strtoll() alone would take spaces and a plus. */
static int number_read(struct config_reader *reader, const char *text, long long *out)
{
	size_t sign = *text == '-', digits = strspn(text + sign, "0123456789");

	errno = 0;
	*out = strtoll(text, NULL, 10);
	if (digits == 0 || text[sign + digits] != '\0' || errno)
		return refuse(reader, "\"%.40s\" is not a number; write digits only", text);
	return 0;
}

static int range_read(
	struct config_reader *reader, const char *text, const int range[2], long long *out)
{
	if (number_read(reader, text, out) < 0)
		return -EINVAL;
	if (*out < range[0] || *out > range[1])
		return refuse(
			reader, "%lld is out of range; write %d to %d", *out, range[0], range[1]);
	return 0;
}

static int set_address(struct config_reader *reader, const char *text)
{
	struct config *config = reader->config;
	char own[SPEC_WHY / 2];
	struct addr addr;

	if (config->automatic || (config->address_count && strcmp(text, "auto") == 0))
		return refuse(reader, "\"auto\" stands alone; write it or addresses, not both");
	if (strcmp(text, "auto") == 0) {
		config->automatic = true;
		return 0;
	}
	if (addr_parse(text, &addr) < 0)
		return refuse(reader,
			"\"%.60s\" is not an address; write one like 192.0.2.1 or 2001:db8::1, or "
			"\"auto\"",
			text);
	if (config_is_local(config, &addr))
		return refuse(reader, "%s stands here twice; remove one", text);
	if (config->address_count == CONFIG_ADDRESSES)
		return refuse(reader, "more than %d addresses; remove some", CONFIG_ADDRESSES);
	if (!config_host_has(reader->host, &addr))
		return refuse(reader, "%s is not an address of this host; it has %s", text,
			config_host_format(reader->host, own, sizeof(own)));
	config->addresses[config->address_count++] = addr;
	return 0;
}

static int advertise_parse(const char *text, struct config_advertise *out)
{
	const char *equal = strchr(text, '=');
	char local[ADDR_TEXT];

	if (!equal || (size_t)(equal - text) >= sizeof(local))
		return -EINVAL;
	memcpy(local, text, (size_t)(equal - text));
	local[equal - text] = '\0';
	if (addr_parse(local, &out->local) < 0 || addr_parse(equal + 1, &out->public) < 0)
		return -EINVAL;
	return out->local.family == out->public.family ? 0 : -EINVAL;
}

/* That the first address is one of ours is checked at the end, when those are known. */
static int set_advertise(struct config_reader *reader, const char *text)
{
	struct config *config = reader->config;
	struct config_advertise entry;

	if (advertise_parse(text, &entry) < 0)
		return refuse(reader,
			"\"%.60s\" is not LOCAL=PUBLIC; write two addresses of one family, like "
			"\"10.0.0.4=203.0.113.7\"",
			text);
	if (!addr_is_routable(&entry.public))
		return refuse(reader,
			"\"%.90s\" cannot be reached; behind the = stands the public address",
			text);
	for (size_t i = 0; i < config->advertise_count; i++) {
		if (addr_equal(&config->advertise[i].local, &entry.local))
			return refuse(reader, "\"%.90s\" is the second for its address; remove one",
				text);
	}
	if (config->advertise_count == CONFIG_ADDRESSES)
		return refuse(reader, "more than %d entries; remove some", CONFIG_ADDRESSES);
	reader->advertise_line[config->advertise_count] = reader->line;
	config->advertise[config->advertise_count++] = entry;
	return 0;
}

/* One server of each family is enough, and a second opinion would need a third. */
static int set_discover(struct config_reader *reader, const char *text)
{
	struct config *config = reader->config;
	struct endpoint server, *place;

	if (strcmp(text, "cloud") == 0) {
		config->discover_cloud = true;
		return 0;
	}
	if (endpoint_parse(text, 0, &server) < 0 || !server.port || !addr_is_routable(&server.addr))
		return refuse(reader,
			"\"%.60s\" tells nothing; write \"cloud\", or ADDRESS:PORT of a STUN "
			"server, "
			"like 198.51.100.2:3478",
			text);
	place = &config->discover[server.addr.family == AF_INET6];
	if (place->addr.family)
		return refuse(
			reader, "\"%.60s\" is the second server of its family; remove one", text);
	*place = server;
	return 0;
}

int config_reader_line(
	const struct config_option *options, const int *seen, const char *name, int otherwise)
{
	for (; options->name; options++, seen++) {
		if (strcmp(options->name, name) == 0 && *seen)
			return *seen;
	}
	return otherwise;
}

static int set_punch(struct config_reader *reader, const char *text)
{
	long long port;

	if (range_read(reader, text, (const int[]){1, UINT16_MAX}, &port) < 0)
		return -EINVAL;
	reader->config->punch = (uint16_t)port;
	return 0;
}

static int set_alternate(struct config_reader *reader, const char *text)
{
	long long port;

	if (range_read(reader, text, (const int[]){0, UINT16_MAX}, &port) < 0)
		return -EINVAL;
	reader->config->alternate = (uint16_t)port;
	return 0;
}

/* The port behind it is taken as well. */
static int set_rfc3489(struct config_reader *reader, const char *text)
{
	long long port;

	if (range_read(reader, text, (const int[]){0, UINT16_MAX - 1}, &port) < 0)
		return -EINVAL;
	reader->config->rfc3489 = (uint16_t)port;
	return 0;
}

static int set_partner(struct config_reader *reader, const char *text)
{
	struct endpoint *partner = &reader->config->partner;

	if (endpoint_parse(text, 0, partner) < 0 || !partner->port)
		return refuse(reader,
			"\"%.60s\" is not ADDRESS:PORT; write the other relay's punch port, like "
			"198.51.100.2:3478",
			text);
	if (!addr_is_routable(&partner->addr))
		return refuse(reader,
			"\"%.60s\" cannot be reached; write the other relay's public address",
			text);
	return 0;
}

static int set_partner_key(struct config_reader *reader, const char *text)
{
	if (!mac_key_valid(text))
		return refuse(reader,
			"this is not base64 of 16 bytes or more; `punchctl key` makes "
			"one, the same for both relays");
	memcpy(reader->config->partner_key, text, strlen(text) + 1);
	return 0;
}

bool config_reader_distrusts(const struct config_reader *reader, const struct stat *st,
	const char *path, char why[static FILE_WHY])
{
	return !reader->peek && file_is_foreign(st, path, reader->uid, reader->gid, why);
}

/* A key that stands by itself is somebody's secret, so unlike a whole file it has no readers. */
static int key_file(struct config_reader *reader, const char *path, char key[static KEY_FILE_KEY])
{
	char why[KEY_FILE_WHY];
	struct stat st;

	if (path[0] != '/')
		return refuse(
			reader, "\"%.60s\" is not a path; write one that begins with /", path);
	if (key_file_read(path, false, key, &st, why) < 0)
		return refuse(reader, "%s", why);
	if (file_is_public(&st))
		snprintf(why, sizeof(why), "everybody on this host may read it; chmod o-r %.100s",
			path);
	else if (!config_reader_distrusts(reader, &st, path, why))
		return 0;
	mac_wipe(key, KEY_FILE_KEY);
	return refuse(reader, "%s", why);
}

static int set_partner_key_file(struct config_reader *reader, const char *path)
{
	return key_file(reader, path, reader->config->partner_key);
}

static int set_key_file(struct config_reader *reader, const char *path)
{
	return key_file(reader, path, reader->spec.key);
}

/* Ports in a row: a word has room for the first and the last. */
static int set_share(struct config_reader *reader, const char *text)
{
	unsigned long low, high;
	char *end;

	low = high = strtoul(text, &end, 10);
	if (end != text && *end == '-')
		high = strtoul(end + 1, &end, 10);
	if (*text == '\0') {
		low = high = 0;
	} else if (!isdigit((unsigned char)*text) || *end || low == 0 || high < low ||
		   high > UINT16_MAX || high - low >= CONFIG_SHARE) {
		return refuse(reader,
			"\"%.40s\" is not a range of ports; write one like 3490-3521, of at most "
			"%d, or \"\"",
			text, CONFIG_SHARE);
	}
	reader->config->share_low = (uint16_t)low;
	reader->config->share_high = (uint16_t)high;
	return 0;
}

static int set_consent(struct config_reader *reader, const char *text)
{
	long long seconds;

	if (range_read(reader, text, (const int[]){10, 3600}, &seconds) < 0)
		return -EINVAL;
	reader->config->consent = (uint32_t)seconds;
	return 0;
}

static int set_max_clients(struct config_reader *reader, const char *text)
{
	long long clients;

	if (range_read(reader, text, (const int[]){0, INT_MAX}, &clients) < 0)
		return -EINVAL;
	reader->config->max_clients = (uint32_t)clients;
	return 0;
}

static int set_max_rate(struct config_reader *reader, const char *text)
{
	struct spec all = {0};
	char why[SPEC_WHY];
	long long rate;

	if (number_read(reader, text, &rate) < 0)
		return -EINVAL;
	if (spec_set_rate(&all, rate, why))
		return refuse(reader, "%s", why);
	reader->config->max_rate = all.rate;
	return 0;
}

static int text_copy(struct config_reader *reader, const char *text, char *out, size_t size)
{
	size_t len = strlen(text);

	if (len == 0 || len >= size)
		return refuse(reader, "%zu characters; write 1 to %zu", len, size - 1);
	memcpy(out, text, len + 1);
	return 0;
}

/* It is quoted in STUN messages and in the file's own syntax. */
static int set_realm(struct config_reader *reader, const char *text)
{
	for (const char *p = text; *p; p++) {
		if (*p < ' ' || *p > '~' || *p == '"')
			return refuse(reader, "a character that is not ASCII, or a quote; write "
					      "letters, digits and signs");
	}
	return text_copy(reader, text, reader->config->realm, sizeof(reader->config->realm));
}

static int path_read(struct config_reader *reader, const char *text, char *out, size_t size)
{
	size_t len = strlen(text);

	if (text[0] != '/' || text[len - 1] == '/')
		return refuse(reader,
			"\"%.60s\" is not the path of a file; write one that begins "
			"with /",
			text);
	return text_copy(reader, text, out, size);
}

static int set_database(struct config_reader *reader, const char *text)
{
	return path_read(reader, text, reader->config->database, sizeof(reader->config->database));
}

static int set_socket(struct config_reader *reader, const char *text)
{
	return path_read(reader, text, reader->config->socket, sizeof(reader->config->socket));
}

static int set_user(struct config_reader *reader, const char *text)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789._-";

	if (text[0] == '-' || text[strspn(text, allowed)] != '\0')
		return refuse(
			reader, "\"%.40s\" is not the name of a user; write one like relayd", text);
	return text_copy(reader, text, reader->config->user, sizeof(reader->config->user));
}

const struct config_option config_reader_options[] = {
	{.name = "address", .list = true, .set = set_address},
	{.name = "advertise", .list = true, .set = set_advertise},
	{.name = "discover", .list = true, .set = set_discover},
	{.name = "punch", .set = set_punch},
	{.name = "alternate", .set = set_alternate},
	{.name = "rfc3489", .set = set_rfc3489},
	{.name = "share", .set = set_share},
	{.name = "partner", .set = set_partner},
	{.name = "partner-key", .secret = true, .set = set_partner_key},
	{.name = "partner-key-file", .set = set_partner_key_file},
	{.name = "realm", .set = set_realm},
	{.name = "consent", .set = set_consent},
	{.name = "max-clients", .set = set_max_clients},
	{.name = "max-rate", .set = set_max_rate},
	{.name = "database", .set = set_database},
	{.name = "socket", .set = set_socket},
	{.name = "user", .set = set_user},
	{0},
};

const struct config_option config_reader_stream_options[] = {
	{.name = "listen", .set_text = spec_set_listen},
	{.name = "source", .set_text = spec_set_source},
	{.name = "key", .secret = true, .set_text = spec_set_key},
	{.name = "key-file", .set = set_key_file},
	{.name = "clients", .set_text = spec_set_clients},
	{.name = "rate", .set_number = spec_set_rate},
	{.name = "quota", .set_text = spec_set_quota},
	{.name = "raw-punch", .set_number = spec_set_raw_punch},
	{.name = "peers", .set_number = spec_set_peers},
	{0},
};

/* With the empty one behind them. */
#define FITS(options) (sizeof(options) / sizeof((options)[0]) <= CONFIG_READER_OPTIONS + 1)
_Static_assert(FITS(config_reader_options) && FITS(config_reader_stream_options),
	"CONFIG_READER_OPTIONS is too small");

int config_reader_set(struct config_reader *reader, const char *text)
{
	const struct config_option *option = reader->option;
	char why[SPEC_WHY];
	long long value;
	int ret;

	if (option->secret)
		config_text_file(&reader->text, reader->line)->keys = true;
	if (option->set)
		return option->set(reader, text);
	if (option->set_text) {
		ret = option->set_text(&reader->spec, text, why);
	} else {
		if (number_read(reader, text, &value) < 0)
			return -EINVAL;
		ret = option->set_number(&reader->spec, value, why);
	}
	return ret < 0 ? refuse(reader, "%s", why) : 0;
}
