/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/batch.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "punchctl/args.h"
#include "punchctl/daemon.h"
#include "punchctl/out.h"

#define ITEMS_MAX 1024			/* of a request */
#define BYTES_MAX (CTL_LINE_MAX - 1024) /* that its items take */
#define PLACE	  320

/* One line of the file that names a stream. */
struct item {
	char *text; /* as JSON, owned */
	size_t line, len;
};

struct run {
	const struct cmd_context *context;
	const struct cmd *cmd;
	const struct batch *batch;
	const char *name; /* of the file, for people */
	struct daemon daemon;
	struct item *items;
	size_t count, room;
	size_t done;	 /* items that were asked for */
	size_t failed;	 /* of these, or of the lines */
	json_t *answers; /* about streams; printed at the end, for a mistake takes them back */
};

static void say(const struct run *run, size_t line, const char *text)
{
	char place[PLACE];

	snprintf(place, sizeof place, "%.256s:%zu", run->name, line);
	log_set_place(place);
	log_error("%s", text);
	log_set_place(NULL);
}

static int keep(struct run *run, const json_t *value, size_t line)
{
	struct item item = {.line = line};

	if (run->count == run->room) {
		size_t room = run->room ? run->room * 2 : 256;
		struct item *grown = reallocarray(run->items, room, sizeof *grown);

		if (!grown)
			return -ENOMEM;
		run->items = grown;
		run->room = room;
	}
	item.text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
	if (!item.text)
		return -ENOMEM;
	item.len = strlen(item.text);
	run->items[run->count++] = item;
	return 0;
}

/* Words are separated by blanks; from # on it is a remark. */
static int split(char *line, const char *first, char **words)
{
	static const char blanks[] = " \t\r\n";
	int count = 1;
	char *rest = NULL;

	line[strcspn(line, "#")] = '\0';
	words[0] = (char *)(uintptr_t)first;
	for (char *word = strtok_r(line, blanks, &rest); word;
		word = strtok_r(NULL, blanks, &rest)) {
		if (count == BATCH_WORDS)
			return -E2BIG;
		words[count++] = word;
	}
	words[count] = NULL;
	return count;
}

static int take_line(struct run *run, char *text, size_t line)
{
	char place[PLACE], *words[BATCH_WORDS + 1];
	int count = split(text, run->cmd->name, words), status;
	json_t *item = NULL;

	if (count == 1)
		return CMD_DONE;
	snprintf(place, sizeof place, "%.256s:%zu", run->name, line);
	log_set_place(place);
	if (count < 0) {
		log_error("more than %d words", BATCH_WORDS - 1);
		status = CMD_USAGE;
	} else {
		status = run->batch->parse(count, words, &item);
	}
	if (!status && (keep(run, item, line) || run->items[run->count - 1].len > BYTES_MAX)) {
		log_error("the line is too long, or memory is short");
		status = CMD_FAILED;
	}
	log_set_place(NULL);
	json_decref(item);
	run->failed += status != CMD_DONE;
	return run->batch->keep_going ? CMD_DONE : status;
}

static int read_file(struct run *run)
{
	bool input = !strcmp(run->batch->path, "-");
	FILE *file = input ? stdin : fopen(run->batch->path, "re");
	size_t size = 0, line = 0;
	int status = CMD_DONE;
	char *text = NULL;

	if (!file) {
		log_error("--batch %s: %s", run->batch->path, strerror(errno));
		return CMD_FAILED;
	}
	while (!status && getline(&text, &size, file) >= 0)
		status = take_line(run, text, ++line);
	if (!status && ferror(file)) {
		log_error("--batch %s: %s", run->name, strerror(errno));
		status = CMD_FAILED;
	}
	free(text);
	if (!input)
		fclose(file);
	return status;
}

/* As many items as a request takes, from the one at `first` on; an object, or NULL. */
static char *request_make(const struct run *run, size_t first, size_t *count, size_t *len)
{
	char *line = NULL;
	FILE *out = open_memstream(&line, len);
	size_t bytes = 0;

	if (!out)
		return NULL;
	fprintf(out, "{\"do\":\"%s\"%s,\"streams\":[", run->batch->what,
		run->batch->keep_going ? ",\"keep_going\":true" : "");
	for (*count = 0; first + *count < run->count && *count < ITEMS_MAX; ++*count) {
		const struct item *item = &run->items[first + *count];

		bytes += item->len + 1;
		if (bytes > BYTES_MAX)
			break;
		if (*count)
			fputc(',', out);
		fwrite(item->text, 1, item->len, out);
	}
	fputs("]}\n", out);
	if (fclose(out)) {
		free(line);
		return NULL;
	}
	return line;
}

static void take_answer(struct run *run, size_t first, const json_t *reply)
{
	json_t *stream;
	size_t i;

	json_array_foreach(json_object_get(reply, "streams"), i, stream) {
		const char *error = json_string_value(json_object_get(stream, "error"));

		if (error && first + i < run->count) {
			say(run, run->items[first + i].line, error);
			run->failed++;
		}
		if (!error || run->context->json)
			json_array_append(run->answers, stream);
	}
}

static void take_refusal(const struct run *run, size_t first, const json_t *reply)
{
	const json_t *index = json_object_get(reply, "index");
	size_t at = first + (size_t)json_integer_value(index);
	const char *error = json_string_value(json_object_get(reply, "error"));

	if (!error)
		error = "relayd refused and did not say why";
	if (json_is_integer(index) && at < run->count)
		say(run, run->items[at].line, error);
	else
		log_error("%s", error);
}

static int ask_once(struct run *run, size_t first, size_t *count)
{
	json_t *reply = NULL;
	size_t len = 0;
	char *line = request_make(run, first, count, &len);
	int status = daemon_send_line(&run->daemon, line, len);

	if (!status)
		status = daemon_answer(&run->daemon, &reply);
	if (status)
		return status;
	if (json_is_true(json_object_get(reply, "ok"))) {
		take_answer(run, first, reply);
	} else {
		take_refusal(run, first, reply);
		status = CMD_FAILED;
	}
	json_decref(reply);
	return status;
}

/* The name in the text of an item that was asked for. */
static json_t *item_name(const struct item *item)
{
	json_t *value = json_loads(item->text, JSON_DECODE_ANY, NULL), *name;

	if (!json_is_object(value))
		return value;
	name = json_incref(json_object_get(value, "name"));
	json_decref(value);
	return name;
}

/* What was done before the mistake. */
static void undo(struct run *run)
{
	const struct batch *batch = run->batch;
	json_t *reply, *names;
	size_t at = 0;

	while (at < run->done) {
		names = json_array();
		for (size_t i = 0; i < ITEMS_MAX / 2 && at < run->done; i++)
			json_array_append_new(names, item_name(&run->items[at++]));
		if (daemon_request(&run->daemon,
			    json_pack("{s:s, s:b, s:o}", "do", batch->undo, "keep_going", 1,
				    "streams", names),
			    &reply)) {
			log_error("some of the lines above stay as they were asked for");
			return;
		}
		json_decref(reply);
	}
}

static int ask(struct run *run)
{
	int status = daemon_open(&run->daemon, run->context);
	size_t count = 0;

	if (status)
		return status;
	while (!status && run->done < run->count) {
		status = ask_once(run, run->done, &count);
		if (!status)
			run->done += count;
	}
	if (status && run->done && !run->batch->keep_going && run->batch->undo)
		undo(run);
	if (status && !run->batch->keep_going && (run->batch->undo || !run->done))
		log_error("nothing was changed");
	daemon_close(&run->daemon);
	return status;
}

static void print(const struct run *run)
{
	const json_t *stream;
	size_t i;

	if (run->context->json) {
		out_json(run->answers);
		return;
	}
	json_array_foreach(run->answers, i, stream)
		run->batch->print(stream);
}

int batch_run(const struct cmd_context *context, const struct cmd *cmd, const struct batch *batch)
{
	struct run run = {.context = context, .cmd = cmd, .batch = batch};
	int status;

	run.name = strcmp(batch->path, "-") ? batch->path : "standard input";
	status = read_file(&run);
	if (status)
		log_error("nothing was changed");
	run.answers = json_array();
	if (!status)
		status = ask(&run);
	if (!status || batch->keep_going)
		print(&run);
	json_decref(run.answers);
	for (size_t i = 0; i < run.count; i++) {
		explicit_bzero(run.items[i].text, run.items[i].len); /* it may hold a key */
		free(run.items[i].text);
	}
	free(run.items);
	return status ? status : run.failed ? CMD_FAILED : CMD_DONE;
}

bool batch_wanted(const struct cmd *cmd, int argc, char **argv, struct batch *batch, int *status)
{
	const char *other = NULL;
	bool wanted = false;

	*status = CMD_DONE;
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--keep-going")) {
			batch->keep_going = true;
		} else if (!strncmp(argv[i], "--batch=", 8)) {
			wanted = true;
			batch->path = argv[i] + 8;
		} else if (!strcmp(argv[i], "--batch")) {
			wanted = true;
			batch->path = i + 1 < argc ? argv[++i] : NULL;
		} else {
			other = argv[i];
		}
	}
	if (!wanted && !batch->keep_going)
		return false;
	if (!wanted)
		*status = args_usage(cmd, "--keep-going goes with --batch FILE");
	else if (!batch->path || !*batch->path)
		*status = args_usage(cmd, "--batch lacks its value");
	else if (other)
		*status = args_usage(cmd, "\"%s\" belongs into the lines of the file", other);
	return true;
}
