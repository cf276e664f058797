/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sdp_file: a session description on this host: read, given free local ports, and written for a
 * player. */
#ifndef PUNCHCTL_SDP_FILE_H
#define PUNCHCTL_SDP_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "punchctl/sdp.h"

#define SDP_FILE_PATH 256
#define SDP_FILE_WHY  512

struct sdp_file {
	char text[SDP_SIZE_MAX + 1];
	struct sdp sdp;
	uint16_t local[SDP_MEDIA_MAX];
	unsigned int held;
	int hold[2 * PORTS_MAX];  /* sockets that keep the local ports free for the player */
	char path[SDP_FILE_PATH]; /* of what was written; empty: nothing */
};

/*
 * Reads and parses `path` ("-": standard input), chooses free pairs of ports on 127.0.0.1, and
 * writes the description for the player to a new file of mode 0600. -errno, and one line in `why`.
 */
int sdp_file_open(const char *path, struct sdp_file **out, char why[static SDP_FILE_WHY]);
/* Lets go of the local ports, so that the player can have them. */
void sdp_file_release(struct sdp_file *file);
/* Removes the written file. */
void sdp_file_close(struct sdp_file *file);

#endif
