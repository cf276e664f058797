/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/natprobe.h"
#include <errno.h>
#include <stdlib.h>
struct natprobe { struct natprobe_result result; };
int natprobe_open(const struct natprobe_config *config, int64_t now_ms, struct natprobe **out)
{ (void)config; (void)now_ms; *out = calloc(1, sizeof(**out)); return *out ? 0 : -ENOMEM; }
void natprobe_close(struct natprobe *probe) { free(probe); }
void natprobe_tick(struct natprobe *probe, int64_t now_ms) { (void)probe; (void)now_ms; }
int64_t natprobe_deadline(const struct natprobe *probe) { (void)probe; return INT64_MAX; }
bool natprobe_input(struct natprobe *probe, int socket, const struct endpoint *from,
	const uint8_t *data, size_t len, int64_t now_ms)
{ (void)probe; (void)socket; (void)from; (void)data; (void)len; (void)now_ms; return false; }
bool natprobe_is_done(const struct natprobe *probe) { (void)probe; return true; }
const struct natprobe_result *natprobe_result(const struct natprobe *probe) { return &probe->result; }
