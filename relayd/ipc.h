/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ipc: the messages between the net side and the kernel side, over a SOCK_SEQPACKET pair.
 *
 *   net to kernel   APPLY id, operations    -> DONE id, error
 *                   READ id                 -> RECORDS id .. , END id, error
 *                   CHECK id                -> the same, with what is not whole
 *                   HINT endpoints          where the next READ will find streams
 *                   SAMPLE id, endpoints    -> RECORDS id .. , END id, error
 *                   ASK id, question        -> FACTS id .. , END id, error
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

#include "rules/foreign.h"
#include "rules/path.h"
#include "rules/rules.h"
#include "rules/trace.h"

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
	IPC_HINT,
	IPC_SAMPLE,
	IPC_CHECK,
	IPC_ASK,
	IPC_FACTS,
};

enum ipc_record_kind {
	IPC_LISTENING = 1,
	IPC_PUNCH,
	IPC_INGRESS,
	IPC_CLIENT,
	IPC_FLOW,
	IPC_PEER,
	IPC_TORN, /* only of a CHECK */
	IPC_HEALTH,
	IPC_AGAIN, /* what came since the last PART, or in this reading, is void */
	IPC_PART,  /* what came since the last one is whole for itself, and is what there is now */
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
		struct rules_health health; /* the last of a reading */
	};
};

/* What the net side may ask about besides our own table; answered by reading alone. */
enum ipc_ask_kind {
	IPC_ASK_HOST = 1, /* one fact IPC_HOST */
	IPC_ASK_ROUTE,	  /* source, dest: one IPC_ROUTE */
	IPC_ASK_FLOW,	  /* source, dest: an IPC_ENTRY, or none */
	IPC_ASK_WALK,	  /* packet: an IPC_CHAIN for each base chain, in order */
	IPC_ASK_TRACE,	  /* source, dest: IPC_TRACE of a packet, or of a probe if none comes */
};

struct ipc_ask {
	enum ipc_ask_kind kind;
	struct endpoint source, dest; /* ROUTE, FLOW, TRACE */
	bool resolve;		      /* ROUTE: an unknown next hop is asked for */
	uint32_t mark;		      /* ROUTE: of the packet */
	bool any;		      /* TRACE: anybody's packet will do */
	struct foreign_packet packet; /* WALK */
};

enum ipc_fact_kind { IPC_HOST = 1, IPC_ROUTE, IPC_ENTRY, IPC_CHAIN, IPC_TRACE };

struct ipc_fact {
	enum ipc_fact_kind kind;
	union {
		struct path_host host;
		struct path_route route;
		struct path_flow entry;
		struct foreign_chain chain;
		struct trace_event trace;
	};
};

/* A decoded message; ops, records and facts belong to the caller of ipc_decode. */
struct ipc {
	enum ipc_kind kind;
	uint32_t id;
	struct rules_error error;   /* DONE, END */
	struct rules_event event;   /* EVENT */
	struct rules_change change; /* CHANGED, */
	int64_t since_ms;	    /* when it was noticed, monotonic */
	struct ipc_ask ask;	    /* ASK */
	size_t count;		    /* operations of APPLY, records of RECORDS, endpoints
				 of HINT and SAMPLE, facts of FACTS */
};

/* Where ipc_decode puts the variable part; ops and records have room for `room` entries. */
struct ipc_room {
	struct rules_op *ops;
	struct ipc_record *records;
	struct rules_spot *spots;
	size_t room;
	struct ipc_fact *facts;
	size_t fact_room;
};

/* Records in one message at the most. */
#define IPC_RECORDS_MAX 512
/* And facts, which are larger. */
#define IPC_FACTS_MAX 64

/* Each returns the length of the message in out (IPC_MAX bytes). */
size_t ipc_encode_apply(uint8_t *out, uint32_t id, const struct rules_op *ops, size_t count);
size_t ipc_encode_read(uint8_t *out, uint32_t id);
size_t ipc_encode_check(uint8_t *out, uint32_t id);
/* kind is IPC_DONE or IPC_END. */
size_t ipc_encode_result(
	uint8_t *out, enum ipc_kind kind, uint32_t id, const struct rules_error *error);
size_t ipc_encode_records(
	uint8_t *out, uint32_t id, const struct ipc_record *records, size_t count);
/* kind is IPC_HINT or IPC_SAMPLE; HINTs without spots forget those before. */
size_t ipc_encode_spots(uint8_t *out, enum ipc_kind kind, uint32_t id,
	const struct rules_spot *spots, size_t count);
size_t ipc_encode_event(uint8_t *out, const struct rules_event *event);
size_t ipc_encode_changed(uint8_t *out, const struct rules_change *change, int64_t since_ms);
size_t ipc_encode_ask(uint8_t *out, uint32_t id, const struct ipc_ask *ask);
size_t ipc_encode_facts(uint8_t *out, uint32_t id, const struct ipc_fact *facts, size_t count);

/* -EPROTO unless every byte is as one of the encoders would have written it. */
int ipc_decode(const uint8_t *data, size_t len, const struct ipc_room *room, struct ipc *out);

#endif
