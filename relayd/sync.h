/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sync: makes the kernel what the stream table says, one transaction at a time.
 *
 * Once per turn of the loop the dirty slots become the operations of one transaction; what turns
 * dirty while it is under way waits for the next. Answers wait here for the verdict.
 */
#ifndef RELAYD_SYNC_H
#define RELAYD_SYNC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "relayd/config.h"
#include "relayd/ipc.h"
#include "relayd/stream.h"

#define SYNC_BATCH   8
#define SYNC_WAITERS 8192 /* answers that may wait for the kernel at once */

/* Called when the kernel has committed what the slot was when it began to wait (error 0), or
 * refused. */
typedef void sync_settled_fn(void *data, int error);

struct sync_waiter {
	struct slot *slot;
	bool sent; /* its slot is in the transaction under way */
	sync_settled_fn *settled;
	void *data;
	TAILQ_ENTRY(sync_waiter) link;
};
TAILQ_HEAD(sync_waiters, sync_waiter);

/* Everything the kernel held at one time; valid during the call. */
struct sync_snapshot {
	const struct ipc_record *records;
	size_t count;
	bool first; /* the part that has what is not of streams, or all that there is */
};
typedef void sync_read_fn(void *data, int error, const struct sync_snapshot *snapshot);
/*
 * A part of it, whole for itself: what the kernel has now of some slots, up to the transactions
 * whose verdict has come. First what is not of streams, last flows; a small table is one part.
 */
typedef void sync_part_fn(void *data, const struct sync_snapshot *part);

struct sync_reader {
	sync_part_fn *part; /* of one that checks, or NULL */
	sync_read_fn *done;
	void *data;
	uint64_t
		mark; /* what was dirty before it asked has been sent when so many plans are made */
	bool sent;    /* of one that settles: it has, and the verdict is still to come */
	TAILQ_ENTRY(sync_reader) link;
};
TAILQ_HEAD(sync_readers, sync_reader);

/* All of a sample has been seen by `sample`, or it failed. */
typedef void sync_sampled_fn(void *data, int error);

struct sync_batch;
TAILQ_HEAD(sync_batches, sync_batch);

struct sync {
	struct stream_table *table;
	const struct config *config;
	/* Sends a message to the kernel side; the message is whole or the process is at its end. */
	int (*send)(void *data, const uint8_t *message, size_t len);
	void *send_data;
	/* Sees every reading first, so that those who asked find the table up to date. */
	void (*sample)(void *data, const struct sync_snapshot *snapshot);
	void *sample_data;
	/* Something was refused, and the kernel may hold what it should not; may be NULL. Of
	 * send_data. */
	void (*doubt)(void *data);
	/* The kernel refused a change for the stream of this name, or ""; may be NULL. */
	void (*failed)(void *data, const char *name, const struct rules_error *error);
	void *failed_data;

	int64_t now_ms; /* of this turn of the loop; the owner sets it */
	bool busy;	/* a transaction is under way */
	/* Nothing is sent until what the kernel holds has been read. */
	bool held;
	struct sync_batches batches;
	size_t alone; /* so many batches go by themselves, to find out which is refused */
	uint32_t id;  /* of the last request */
	size_t slot_count, op_count;
	struct slot *slots[RULES_OPS_MAX];
	uint16_t op_slot[RULES_OPS_MAX]; /* the slot of each operation */
	struct rules_op ops[RULES_OPS_MAX];

	struct sync_waiters waiters;
	struct sync_waiters spare;
	struct sync_waiter *pool;

	struct sync_readers asking; /* for the read under way */
	struct sync_readers next;   /* came too late for it: state before their question */
	struct sync_readers settling;
	uint32_t read_id;   /* 0: no read under way */
	uint32_t sample_id; /* 0: no sample under way */
	sync_sampled_fn *sampled;
	void *sampled_data;
	struct ipc_record *records; /* collected */
	size_t record_count, record_room;
	bool part_first;  /* the next part is */
	int record_error; /* memory was short: the reading is worth nothing */

	uint64_t transactions, failures, dropped;
	uint8_t message[IPC_MAX];
};

int sync_init(struct sync *sync, struct stream_table *table, const struct config *config);
void sync_fini(struct sync *sync);

/* -EBUSY: too many wait already. */
int sync_wait(struct sync *sync, struct slot *slot, sync_settled_fn *settled, void *data);
/*
 * Operations (1 to SYNC_BATCH) that belong together and to no slot, and go before all slots:
 * committed as one, in the order of the calls, or not at all. settled may be NULL; it is called
 * when the kernel has committed (0) or refused (-errno) them, never from here. A refused batch
 * takes no other with it. -ENOMEM, -EINVAL.
 */
int sync_batch(struct sync *sync, const struct rules_op *ops, size_t count,
	sync_settled_fn *settled, void *data);
/*
 * Calls back, never from here, when the kernel has judged everything that is dirty now; without a
 * snapshot, and without any reading.
 */
int sync_settle(struct sync *sync, sync_read_fn *done, void *data);
/*
 * Reads the kernel's state, after everything that is dirty now has been sent; every reader that
 * asks before the read begins gets the same. */
int sync_read(struct sync *sync, sync_read_fn *done, void *data);
/*
 * Reads the counters of some spots (1 to RULES_OPS_MAX); they come to `sample` alone, and then this
 * is told. -EBUSY: one is under way.
 */
int sync_sample(struct sync *sync, const struct rules_spot *spots, size_t count,
	sync_sampled_fn *sampled, void *data);
/*
 * Reads it for a comparison: records of what is not whole are among them. `done` has no snapshot,
 * `part` is called before with all of it; what is refused meanwhile is sent again.
 */
int sync_check(struct sync *sync, sync_part_fn *part, sync_read_fn *done, void *data);
/* A reader that is gone: its callback will not be called. */
void sync_forget(struct sync *sync, void *data);

/* Sends what is dirty, unless a transaction is under way. */
void sync_turn(struct sync *sync);
/* An answer of the kernel side: DONE, RECORDS or END; records belong to the caller. */
void sync_message(struct sync *sync, const struct ipc *message, const struct ipc_record *records);

#endif
