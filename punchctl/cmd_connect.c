/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/cmd_tunnel.h"

static int run(const struct cmd_context *context, int argc, char **argv)
{
	return cmd_tunnel_run(&cmd_connect, PEER_CLIENT, context, argc, argv);
}

const struct cmd cmd_connect = {
	.name = "connect",
	.usage = "NAME[@RELAY[:PORT]] [--key-file FILE] [--listen ADDRESS:PORT] [--sessions N] "
		 "[--idle TIME] [--relay-only] [--no-gateway] [--plain] [-- PROGRAM ...]",
	.summary = "reach a UDP service that a peer offers",
	.run = run,
	.options = CMD_TUNNEL_FIRST
	"  --listen ADDRESS:PORT  where programs of this host reach the service\n" CMD_TUNNEL_LAST
	"  -- PROGRAM ...         is started when there is a path\n",
};
