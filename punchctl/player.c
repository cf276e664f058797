/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/player.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A copy of the word with the path for each "{}"; *found says that there was one. */
static char *word_fill(const char *word, const char *path, bool *found)
{
	size_t path_len = strlen(path), size = strlen(word) + 1;
	char *out, *to;

	for (const char *p = strstr(word, "{}"); p; p = strstr(p + 2, "{}"))
		size += path_len;
	out = to = malloc(size);
	if (!out)
		return NULL;
	for (const char *p = strstr(word, "{}"); p; p = strstr(word, "{}")) {
		*found = true;
		to = mempcpy(to, word, (size_t)(p - word));
		to = mempcpy(to, path, path_len);
		word = p + 2;
	}
	memcpy(to, word, strlen(word) + 1);
	return out;
}

char **player_words(const struct player_config *config)
{
	bool found = false;
	size_t count = 0;
	char **out;

	while (config->words[count])
		count++;
	out = calloc(count + 2, sizeof(*out));
	for (size_t i = 0; out && i < count; i++) {
		out[i] = config->path ? word_fill(config->words[i], config->path, &found)
				      : strdup(config->words[i]);
		if (!out[i])
			goto fail;
	}
	if (!out || !config->path || found)
		return out;
	out[count] = strdup(config->path);
	if (out[count])
		return out;
fail:
	player_words_free(out);
	return NULL;
}

void player_words_free(char **words)
{
	if (!words)
		return;
	for (size_t i = 0; words[i]; i++)
		free(words[i]);
	free(words);
}

static void player_exited(uv_process_t *process, int64_t status, int signal)
{
	struct player *player = process->data;

	player->running = false;
	uv_close((uv_handle_t *)&player->process, NULL);
	uv_close((uv_handle_t *)&player->patience, NULL);
	player->ended(player, status, signal);
}

static void player_patience(uv_timer_t *timer)
{
	struct player *player = timer->data;

	uv_process_kill(&player->process, SIGKILL);
}

int player_start(struct player *player, uv_loop_t *loop, const struct player_config *config)
{
	uv_stdio_container_t stdio[] = {
		{.flags = UV_INHERIT_FD, .data.fd = STDIN_FILENO},
		{.flags = UV_INHERIT_FD, .data.fd = config->quiet ? STDERR_FILENO : STDOUT_FILENO},
		{.flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO},
	};
	uv_process_options_t options = {.exit_cb = player_exited, .stdio_count = 3, .stdio = stdio};
	char **words = player_words(config);
	int ret;

	if (!words)
		return -ENOMEM;
	options.file = words[0];
	options.args = words;
	player->process.data = player->patience.data = player;
	uv_timer_init(loop, &player->patience);
	ret = uv_spawn(loop, &player->process, &options);
	player->process.data = player;
	player_words_free(words);
	player->running = ret == 0;
	if (ret < 0) {
		/* uv_spawn() has made the handle even so. */
		uv_close((uv_handle_t *)&player->process, NULL);
		uv_close((uv_handle_t *)&player->patience, NULL);
	}
	return ret;
}

void player_stop(struct player *player)
{
	if (!player->running || player->stopped)
		return;
	player->stopped = true;
	uv_process_kill(&player->process, SIGTERM);
	uv_timer_start(&player->patience, player_patience, PLAYER_PATIENCE_MS, 0);
}
