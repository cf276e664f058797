/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sync_read: reading the kernel's state back, for sync. */
#ifndef RELAYD_SYNC_READ_H
#define RELAYD_SYNC_READ_H

#include "relayd/sync.h"

/* -ENOMEM. */
int sync_reader_add(
	struct sync *sync, struct sync_readers *readers, sync_read_fn *done, void *data);
/* It is in no list any more; it is freed. */
void sync_reader_finish(
	struct sync_reader *reader, int error, const struct sync_snapshot *snapshot);
/* What was dirty when it asked has been sent. */
bool sync_reader_is_planned(const struct sync *sync, const struct sync_reader *reader);

/* Begins a reading if somebody waits for one and none is under way. */
void sync_reading_start(struct sync *sync);
/* RECORDS or END, of a reading or a sample. */
void sync_reading_message(
	struct sync *sync, const struct ipc *message, const struct ipc_record *records);
/* The reading under way is one for a comparison. */
bool sync_is_checking(const struct sync *sync);

#endif
