/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ipc: the messages between the net side and the kernel side, over a SOCK_SEQPACKET pair.
 *
 *   net to kernel   APPLY id, operations    -> DONE id, error
 *                   READ id                 -> RECORDS id .. , END id, error
 *                   CHECK id                -> the same, with what is not whole
 *   kernel to net   EVENT                   a packet wants to open a flow
 *                   CHANGED                 the kernel may hold something else than it was told
 *
 * The kernel side believes nothing: every message is decoded in full before anything is done.
 */
#ifndef RELAYD_IPC_H
#define RELAYD_IPC_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "rules/rules.h"

#define IPC_MAX	 (128 * 1024) /* bytes of a message; RULES_OPS_MAX operations fit */
#define IPC_TEXT 128

enum ipc_kind {
	IPC_APPLY = 1,
	IPC_READ,
	IPC_DONE,
	IPC_RECORDS,
	IPC_END,
	IPC_EVENT,
	IPC_CHANGED,
	IPC_CHECK,
};

enum ipc_record_kind {
	IPC_LISTENING = 1,
	IPC_PUNCH,
	IPC_INGRESS,
	IPC_CLIENT,
	IPC_FLOW,
	IPC_PEER,
	IPC_TORN, /* only of a CHECK */
};

/* One thing that the kernel holds. */
struct ipc_record {
	enum ipc_record_kind kind;
	union {
		struct rules_listening listening;
		struct {
			struct endpoint at;
			bool raw;
		} punch;
		struct rules_ingress ingress;
		struct rules_client client;
		struct rules_flow flow;
		struct rules_peer peer;
		struct rules_torn torn;
	};
};

/* A decoded message; ops and records belong to the caller of ipc_decode. */
struct ipc {
	enum ipc_kind kind;
	uint32_t id;
	struct rules_error error;   /* DONE, END */
	struct rules_event event;   /* EVENT */
	struct rules_change change; /* CHANGED, */
	int64_t since_ms;	    /* when it was noticed, monotonic */
	size_t count;		    /* operations of APPLY, records of RECORDS */
};

/* Where ipc_decode puts the variable part; each has room for `room` entries. */
struct ipc_room {
	struct rules_op *ops;
	struct ipc_record *records;
	size_t room;
};

/* Records in one message at the most. */
#define IPC_RECORDS_MAX 512

/* Each returns the length of the message in out (IPC_MAX bytes). */
size_t ipc_encode_apply(uint8_t *out, uint32_t id, const struct rules_op *ops, size_t count);
size_t ipc_encode_read(uint8_t *out, uint32_t id);
size_t ipc_encode_check(uint8_t *out, uint32_t id);
/* kind is IPC_DONE or IPC_END. */
size_t ipc_encode_result(
	uint8_t *out, enum ipc_kind kind, uint32_t id, const struct rules_error *error);
size_t ipc_encode_records(
	uint8_t *out, uint32_t id, const struct ipc_record *records, size_t count);
size_t ipc_encode_event(uint8_t *out, const struct rules_event *event);
size_t ipc_encode_changed(uint8_t *out, const struct rules_change *change, int64_t since_ms);

/* -EPROTO unless every byte is as one of the encoders would have written it. */
int ipc_decode(const uint8_t *data, size_t len, const struct ipc_room *room, struct ipc *out);

#endif
