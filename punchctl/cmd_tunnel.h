/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cmd_tunnel: what the commands serve and connect share. */
#ifndef PUNCHCTL_CMD_TUNNEL_H
#define PUNCHCTL_CMD_TUNNEL_H

#include "common/peer.h"
#include "punchctl/cmd.h"

/* `cmd` is the command that runs, for its usage. */
int cmd_tunnel_run(const struct cmd *cmd, enum peer_role role, const struct cmd_context *context,
	int argc, char **argv);

#endif
