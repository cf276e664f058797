/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cmd_tunnel: what the commands serve and connect share. */
#ifndef PUNCHCTL_CMD_TUNNEL_H
#define PUNCHCTL_CMD_TUNNEL_H

#include "common/peer.h"
#include "punchctl/cmd.h"

/* What --help says of the options of both. */
#define CMD_TUNNEL_FIRST                                                                           \
	"  NAME                   without @RELAY the file NAME.conf: punchrelay.conf(5)\n"         \
	"  --key-file FILE        its first line is the stream's key\n"
#define CMD_TUNNEL_LAST                                                                            \
	"  --sessions N           so many sessions at once, 64 unless given\n"                     \
	"  --idle TIME            a session ends after so long without data, 120s\n"               \
	"  --relay-only           no direct paths\n"                                               \
	"  --no-gateway           do not ask the router to map a port\n"                           \
	"  --plain                lines only, also on a terminal\n"

/* `cmd` is the command that runs, for its usage. */
int cmd_tunnel_run(const struct cmd *cmd, enum peer_role role, const struct cmd_context *context,
	int argc, char **argv);

#endif
