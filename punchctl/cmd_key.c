/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>

#include "common/mac.h"
#include "punchctl/args.h"
#include "punchctl/out.h"

static int run(const struct cmd_context *context, int argc, char **argv)
{
	char key[MAC_KEY_TEXT];
	int status = args_none(&cmd_key, argc, argv);

	if (status)
		return status;
	mac_key_make(key);
	if (context->json)
		printf("{\"key\":\"%s\"}\n", key);
	else
		puts(key);
	mac_wipe(key, sizeof key);
	return CMD_DONE;
}

const struct cmd cmd_key = {"key", "", "makes a key; needs no relayd", run, NULL};
