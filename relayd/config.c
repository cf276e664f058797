/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libConfuse calls back for each value with the line it stands on, so everything is checked there
 * and then, and libConfuse itself keeps nothing. It has no place for a pointer of ours; an option
 * whose name no file can hold carries it.
 */
#include "relayd/config.h"

#include <confuse.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/mac.h"
#include "relayd/config_check.h"
#include "relayd/config_host.h"
#include "relayd/config_reader.h"

#define HIDDEN "\001"

static struct config_reader *reader_of(const cfg_t *cfg)
{
	return (struct config_reader *)(void *)cfg->opts[0].simple_value.ptr;
}

__attribute__((format(printf, 2, 0))) static void on_error(
	cfg_t *cfg, const char *format, va_list args)
{
	char what[128], right[CONFIG_READER_ADVICE];

	vsnprintf(what, sizeof(what), format, args);
	config_reader_error(reader_of(cfg), cfg->line, "%s; %s", what,
		config_reader_advice(cfg->title, what, right));
}

/* The name is checked where the brace opens, not at the first option behind it. */
static int stream_begin(struct config_reader *reader, const cfg_t *section)
{
	char why[SPEC_WHY];

	reader->section = section;
	memset(reader->spec_seen, 0, sizeof(reader->spec_seen));
	if (spec_init(&reader->spec, section->title, why) == 0)
		return 0;
	return config_reader_error(reader,
		config_text_line(&reader->text, reader->config->stream_count), "stream: %s", why);
}

/* One value of one option. */
static int on_value(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	struct config_reader *reader = reader_of(cfg);
	const struct config_option *options =
		cfg->title ? config_reader_stream_options : config_reader_options;
	int *seen = cfg->title ? reader->spec_seen : reader->seen, i = 0;
	char place[CONFIG_TEXT_PLACE];

	*(const char **)result = ""; /* for libConfuse to keep */
	if (!cfg->title)
		reader->section = NULL;
	else if (reader->section != cfg && stream_begin(reader, cfg) < 0)
		return -1;
	while (options[i].name && strcmp(options[i].name, opt->name) != 0)
		i++;
	/* "stream|listen" is the last stream's to libConfuse. */
	if (!options[i].name)
		return config_reader_error(reader, cfg->line,
			"%s: this belongs into a stream; write stream \"NAME\" { %s = ... }",
			opt->name, opt->name);
	/* The first value of a list, or the only one. */
	if (seen[i] && opt->nvalues == 1)
		return config_reader_error(reader, cfg->line,
			"%s stands here again, after %s; remove one", opt->name,
			config_text_place(&reader->text, seen[i], place));
	if (opt->nvalues == 1)
		seen[i] = cfg->line;
	reader->option = &options[i];
	reader->line = cfg->line;
	return config_reader_set(reader, value);
}

/* The stream before this one that wants the port at the same address: its index and one, or 0. */
static unsigned int port_owner(const struct config_reader *reader, unsigned int port)
{
	const struct config *config = reader->config;
	unsigned int owner = reader->owner[port];

	if (!owner || spec_overlap(&reader->spec, &config->streams[owner - 1]))
		return owner;
	for (size_t i = 0; i < config->stream_count; i++) {
		if (spec_overlap(&reader->spec, &config->streams[i]))
			return (unsigned int)i + 1;
	}
	return 0;
}

static int claim(struct config_reader *reader, unsigned int port, int line)
{
	const struct config *config = reader->config;
	unsigned int owner = port_owner(reader, port);
	char place[CONFIG_TEXT_PLACE];

	if (owner)
		return config_reader_error(reader, line,
			"stream \"%s\": port %u belongs to stream \"%s\" of %s; choose another",
			reader->spec.name, port, config->streams[owner - 1].name,
			config_text_place(
				&reader->text, config_text_line(&reader->text, owner - 1), place));
	reader->owner[port] = (uint16_t)(config->stream_count + 1);
	return 0;
}

static int stream_line(const struct config_reader *reader, const char *name, int otherwise)
{
	return config_reader_line(config_reader_stream_options, reader->spec_seen, name, otherwise);
}

static int claim_all(struct config_reader *reader)
{
	const struct spec *spec = &reader->spec;
	int listen = stream_line(reader, "listen", 0), raw = stream_line(reader, "raw-punch", 0);

	for (unsigned int i = 0; i < spec->listen.count; i++) {
		if (claim(reader, spec->listen.port[i], listen) < 0)
			return -EINVAL;
		if (spec->raw_punch && claim(reader, spec->raw_punch + i, raw) < 0)
			return -EINVAL;
	}
	return 0;
}

/* The closing brace of a stream. */
static int on_stream(cfg_t *cfg, cfg_opt_t *opt)
{
	struct config_reader *reader = reader_of(cfg);
	struct config *config = reader->config;
	const cfg_t *section = cfg_opt_getnsec(opt, cfg_opt_size(opt) - 1);
	const struct spec *spec = &reader->spec;
	char why[SPEC_WHY];
	int line;

	if (reader->section != section && stream_begin(reader, section) < 0)
		return -1;
	line = stream_line(reader, "key-file", 0);
	if (line && stream_line(reader, "key", 0))
		return config_reader_error(reader, line,
			"stream \"%s\": key-file and key; one of them is enough", spec->name);
	if (spec_check(spec, why) < 0) {
		line = config_text_line(&reader->text, config->stream_count);
		/* With ports and a key, it can only be the quota or the raw punch ports. */
		if (spec->key[0] && spec->quota && spec->peers)
			line = stream_line(reader, "quota", line);
		else if (spec->listen.count && spec->key[0])
			line = stream_line(reader, "raw-punch", line);
		return config_reader_error(reader, line, "stream \"%s\": %s", spec->name, why);
	}
	/* At most one for each port. */
	if (config->stream_count == UINT16_MAX || claim_all(reader) < 0)
		return -1;
	config->streams[config->stream_count++] = *spec;
	return 0;
}

static void opts_fill(struct config_reader *reader, const struct config_option *options,
	cfg_opt_t out[static CONFIG_READER_OPTIONS + 3])
{
	*out++ = (cfg_opt_t){.name = HIDDEN,
		.type = CFGT_PTR,
		.flags = CFGF_NODEFAULT,
		.simple_value.ptr = (void **)(void *)reader};
	for (; options->name; options++)
		*out++ = (cfg_opt_t){.name = options->name,
			.type = CFGT_STR,
			.flags = CFGF_NODEFAULT | (options->list ? CFGF_LIST : 0),
			.parsecb = on_value};
	*out++ = (cfg_opt_t)CFG_END();
}

/* The root's line stands still while libConfuse is in a section. */
static int last_line(cfg_t *cfg)
{
	unsigned int count = cfg_size(cfg, "stream");
	int line = count ? cfg_getnsec(cfg, "stream", count - 1)->line : 0;

	return line > cfg->line ? line : cfg->line;
}

/* There is no callback for the {} of a list. */
static int check_emptied(struct config_reader *reader, cfg_t *cfg)
{
	for (int i = 0; config_reader_options[i].name; i++) {
		const char *name = config_reader_options[i].name;

		if (reader->seen[i] && cfg_size(cfg, name) == 0)
			return config_reader_error(reader, reader->seen[i],
				"%s stands here and again, empty, below; remove one", name);
	}
	return 0;
}

static int parse(struct config_reader *reader)
{
	cfg_opt_t stream[CONFIG_READER_OPTIONS + 3], root[CONFIG_READER_OPTIONS + 3];
	cfg_opt_t *end = root;
	cfg_t *cfg;
	int ret;

	opts_fill(reader, config_reader_stream_options, stream);
	opts_fill(reader, config_reader_options, root);
	while (end->name)
		end++;
	*end++ =
		(cfg_opt_t)CFG_SEC("stream", stream, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES);
	*end = (cfg_opt_t)CFG_END();
	cfg = cfg_init(root, CFGF_NONE);
	if (!cfg)
		return -ENOMEM;
	cfg_set_error_function(cfg, on_error);
	cfg_set_validate_func(cfg, "stream", on_stream);
	ret = cfg_parse_buf(cfg, reader->text.data) == CFG_SUCCESS ? 0 : -EINVAL;
	/* It may fail without a word: "" = 1. */
	if (ret < 0)
		config_reader_error(reader, last_line(cfg),
			"this cannot be read; write NAME = VALUE or stream \"NAME\" { ... }");
	else
		ret = check_emptied(reader, cfg);
	cfg_free(cfg);
	return ret;
}

static int find_addresses(struct config_reader *reader)
{
	struct config *config = reader->config;

	config->automatic = config->address_count == 0;
	if (!config->automatic)
		return 0;
	config->address_count =
		config_host_global(reader->host, config->addresses, CONFIG_ADDRESSES);
	if (config->address_count == 0)
		return config_reader_error(reader,
			config_reader_line(config_reader_options, reader->seen, "address", 1),
			"address: this host has no global address for \"auto\"; name one of its "
			"own, or bring its interface up");
	if (config->address_count > CONFIG_ADDRESSES)
		return config_reader_error(reader,
			config_reader_line(config_reader_options, reader->seen, "address", 1),
			"address: this host has %zu addresses and \"auto\" takes at most %d; name "
			"those to use",
			config->address_count, CONFIG_ADDRESSES);
	return 0;
}

/* Everything but the text, which has been read, and the owner of reader and its error. */
static int reader_run(struct config_reader *reader)
{
	struct config *config = reader->config;
	size_t room = reader->text.sections;
	int ret;

	*config = (struct config){
		.punch = 3478,
		.alternate = CONFIG_ALTERNATE,
		.realm = "relayd",
		.consent = 45,
		.database = "/var/lib/relayd/streams.db",
		.socket = "/run/relayd/relayd.sock",
		.user = "relayd",
	};
	if (room > UINT16_MAX)
		room = UINT16_MAX;
	config->streams = calloc(room + 1, sizeof(*config->streams));
	if (!config->streams)
		return -ENOMEM;
	if (getifaddrs(&reader->host) < 0)
		return -errno;
	ret = parse(reader);
	if (ret == 0)
		ret = find_addresses(reader);
	if (ret == 0)
		ret = config_check(reader);
	freeifaddrs(reader->host);
	mac_wipe(&reader->spec, sizeof(reader->spec));
	return ret;
}

static void warn_of_readers(const struct config_text *text)
{
	for (size_t i = 0; i < text->file_count; i++) {
		const struct config_file *file = &text->files[i];

		if (file->keys && file_is_public(&file->st))
			log_warning("%s: everybody on this host may read its keys; chmod o-r %s",
				file->path, file->path);
	}
}

/* Whoever may write a file decides where streams go, whether there are keys in it or not. */
static int check_writers(struct config_reader *reader)
{
	for (size_t i = 0; i < reader->text.file_count; i++) {
		const struct config_file *file = &reader->text.files[i];
		char why[FILE_WHY];

		if (!config_reader_distrusts(reader, &file->st, file->path, why))
			continue;
		reader->path = file->path;
		return config_reader_error(reader, 0, "%s", why);
	}
	return 0;
}

/* The mistake is in the file that was read last. */
static void refuse_text(struct config_reader *reader, int line, const char *why)
{
	const struct config_text *text = &reader->text;
	const struct config_file *last =
		text->file_count ? &text->files[text->file_count - 1] : NULL;

	if (last && !line)
		reader->path = last->path;
	config_reader_error(reader, last && line ? last->first + line - 1 : 0, "%s", why);
}

static int reader_open(struct config_reader *reader)
{
	char why[CONFIG_TEXT_WHY];
	int line, ret;

	ret = config_text_read(reader->path, &reader->text, &line, why);
	if (ret < 0) {
		refuse_text(reader, line, why);
		return ret;
	}
	ret = check_writers(reader);
	if (ret == 0)
		ret = reader_run(reader);
	if (ret < 0)
		config_reader_error(reader, 0, "%s; try again later", strerror(-ret));
	if (ret == 0 && !reader->peek)
		warn_of_readers(&reader->text);
	return ret;
}

/* Frees the reader, which may be NULL for want of memory. */
static int reader_finish(struct config_reader *reader, const char *path, struct config **out,
	char error[static CONFIG_ERROR])
{
	struct config *config = calloc(1, sizeof(*config));
	int ret = -ENOMEM;

	error[0] = '\0';
	if (!reader || !config) {
		snprintf(error, CONFIG_ERROR, "%s: %s", path, strerror(ENOMEM));
		goto out;
	}
	reader->path = path;
	reader->error = error;
	reader->config = config;
	ret = reader_open(reader);
	if (ret == 0) {
		*out = config;
		config = NULL;
	}
out:
	config_free(config);
	if (reader)
		config_text_free(&reader->text);
	free(reader);
	return ret;
}

int config_peek(const char *path, struct config **out, char error[static CONFIG_ERROR])
{
	struct config_reader *reader = calloc(1, sizeof(*reader));

	if (reader)
		reader->peek = true;
	return reader_finish(reader, path, out, error);
}

int config_read_for(const char *path, uid_t uid, gid_t gid, struct config **out,
	char error[static CONFIG_ERROR])
{
	struct config_reader *reader = calloc(1, sizeof(*reader));

	if (reader) {
		reader->uid = uid;
		reader->gid = gid;
	}
	return reader_finish(reader, path, out, error);
}

int config_read(const char *path, struct config **out, char error[static CONFIG_ERROR])
{
	return config_read_for(path, geteuid(), getegid(), out, error);
}

void config_free(struct config *config)
{
	if (!config)
		return;
	if (config->streams)
		mac_wipe(config->streams, config->stream_count * sizeof(*config->streams));
	mac_wipe(config->partner_key, sizeof(config->partner_key));
	free(config->streams);
	free(config);
}

const struct addr *config_advertised(const struct config *config, const struct addr *local)
{
	for (size_t i = 0; i < config->advertise_count; i++) {
		if (addr_equal(&config->advertise[i].local, local))
			return &config->advertise[i].public;
	}
	return NULL;
}

struct addr config_public(const struct config *config, const struct addr *local)
{
	const struct addr *advertised = config_advertised(config, local);

	if (advertised)
		return *advertised;
	for (size_t i = 0; i < config->address_count; i++) {
		if (config->seen[i].family && addr_equal(&config->addresses[i], local))
			return config->seen[i];
	}
	return *local;
}

int config_place(const struct config *config, struct spec *spec, char why[static SPEC_WHY])
{
	char text[ADDR_TEXT], list[SPEC_WHY] = "";
	size_t at = 0;

	if (!spec->at.family || config_is_local(config, &spec->at))
		return 0;
	for (size_t i = 0; i < config->address_count; i++) {
		struct addr public = config_public(config, &config->addresses[i]);

		if (addr_equal(&public, &spec->at)) {
			spec->at = config->addresses[i];
			return 0;
		}
	}
	for (size_t i = 0; i < config->address_count && at < sizeof(list) / 2; i++) {
		struct addr public = config_public(config, &config->addresses[i]);

		at += (size_t)snprintf(list + at, sizeof(list) - at, "%s%s", i ? " or " : "",
			addr_format(&public, text));
	}
	snprintf(why, SPEC_WHY, "%s is none of the relay's addresses; write %s, or only the ports",
		addr_format(&spec->at, text), list);
	return -EADDRNOTAVAIL;
}

bool config_is_local(const struct config *config, const struct addr *addr)
{
	for (size_t i = 0; i < config->address_count; i++) {
		if (addr_equal(&config->addresses[i], addr))
			return true;
	}
	return false;
}

bool config_is_own(const struct config *config, const struct addr *addr)
{
	for (size_t i = 0; i < config->address_count; i++) {
		struct addr public = config_public(config, &config->addresses[i]);

		if (addr_equal(&public, addr))
			return true;
	}
	return config_is_local(config, addr);
}
