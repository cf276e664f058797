/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/cmd_tunnel.h"

static int run(const struct cmd_context *context, int argc, char **argv)
{
	return cmd_tunnel_run(&cmd_serve, PEER_SERVICE, context, argc, argv);
}

const struct cmd cmd_serve = {
	.name = "serve",
	.usage = "NAME[@RELAY[:PORT]] [--key-file FILE] [--to ADDRESS:PORT] [--sessions N] "
		 "[--idle TIME] [--share-port] [--relay-only] [--no-gateway] [--plain]",
	.summary = "offer a UDP service to peers",
	.run = run,
	.options = CMD_TUNNEL_FIRST
	"  --to ADDRESS:PORT      where the service is\n"
	"  --share-port           punch from the service's own socket\n" CMD_TUNNEL_LAST,
};
