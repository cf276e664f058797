/* SPDX-License-Identifier: GPL-2.0-or-later */
/* compare_bed: one stream whose client has punched, and a kernel that holds just that. */
#ifndef TESTS_COMPARE_BED_H
#define TESTS_COMPARE_BED_H

#include <check.h>

#include "relayd/net.h"

#define CONSENT 45000

extern struct net net;
extern struct slot *slot; /* the stream's only one */
/* What the kernel holds: the first RECORDS are as they should be. */
extern struct ipc_record records[16];
extern struct sync_snapshot snapshot;
/* What was sent to it last. */
extern struct rules_op ops[RULES_OPS_MAX];
extern struct ipc message;

enum { LISTENING, INGRESS, CLIENT, PUNCH, RECORDS };

void set_up(void);
void tear_down(void);
struct stream *stream(const char *name, const char *listen);
struct ipc_record listening_record(struct endpoint at, const char *name);
struct ipc_record client_record(struct endpoint client, const char *name, uint32_t consent_ms);
/* What is dirty is sent, and the kernel side agrees. */
void settle(void);

#endif
