/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gateway_tool ADDRESS PORT LIFETIME: has the router map the port, says what came of it as JSON
 * lines, and keeps the mapping until SIGTERM.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "punchctl/gateway.h"

struct tool {
	uv_loop_t loop;
	uv_signal_t sigterm;
	struct gateway *gateway;
};

static void on_changed(void *arg, const struct gateway_status *status)
{
	char text[ENDPOINT_TEXT] = "";

	(void)arg;
	if (status->external.addr.family)
		endpoint_format(&status->external, text);
	printf("{\"external\": \"%s\", \"by\": \"%s\", \"lifetime\": %u}\n", text,
		gateway_protocol_text(status->by), status->lifetime_s);
	fflush(stdout);
}

static void on_closed(void *arg)
{
	(void)arg;
	puts("{\"closed\": true}");
}

static void on_signal(uv_signal_t *handle, int signum)
{
	struct tool *tool = handle->data;

	(void)signum;
	uv_close((uv_handle_t *)handle, NULL);
	gateway_close(tool->gateway, on_closed, NULL);
}

int main(int argc, char **argv)
{
	struct tool tool;
	struct gateway_config config = {.loop = &tool.loop, .changed = on_changed, .arg = &tool};

	if (argc != 4 || addr_parse(argv[1], &config.local) < 0)
		return EXIT_FAILURE;
	config.port = (uint16_t)atoi(argv[2]);
	config.lifetime_s = (uint32_t)atoi(argv[3]);
	uv_loop_init(&tool.loop);
	if (gateway_open(&config, &tool.gateway) < 0)
		return EXIT_FAILURE;
	uv_signal_init(&tool.loop, &tool.sigterm);
	tool.sigterm.data = &tool;
	uv_signal_start(&tool.sigterm, on_signal, SIGTERM);
	uv_run(&tool.loop, UV_RUN_DEFAULT);
	return uv_loop_close(&tool.loop) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
