/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the net side reads of the table, part by part. */
#include <string.h>
#include <sys/socket.h>

#include "relayd/kernel_inner.h"

/* Those that are heard between two parts of a reading. */
#define PAUSE_MESSAGES 4

static void send_records(struct kernel *kernel)
{
	if (kernel->record_count)
		kernel_send(kernel, ipc_encode_records(kernel->out, kernel->read_id,
					    kernel->records, kernel->record_count));
	kernel->record_count = 0;
}

static struct ipc_record *next_record(struct kernel *kernel, enum ipc_record_kind kind)
{
	struct ipc_record *record;

	if (kernel->record_count == IPC_RECORDS_MAX)
		send_records(kernel);
	record = &kernel->records[kernel->record_count++];
	memset(record, 0, sizeof *record);
	record->kind = kind;
	return record;
}

static void read_listening(void *data, const struct rules_listening *listening)
{
	next_record(data, IPC_LISTENING)->listening = *listening;
}

static void read_punch(void *data, const struct endpoint *at, bool raw)
{
	struct ipc_record *record = next_record(data, IPC_PUNCH);

	record->punch.at = *at;
	record->punch.raw = raw;
}

static void read_ingress(void *data, const struct rules_ingress *ingress)
{
	next_record(data, IPC_INGRESS)->ingress = *ingress;
}

static void read_client(void *data, const struct rules_client *client)
{
	next_record(data, IPC_CLIENT)->client = *client;
}

static void read_flow(void *data, const struct rules_flow *flow)
{
	next_record(data, IPC_FLOW)->flow = *flow;
}

static void read_peer(void *data, const struct rules_peer *peer)
{
	next_record(data, IPC_PEER)->peer = *peer;
}

static void read_torn(void *data, const struct rules_torn *torn)
{
	next_record(data, IPC_TORN)->torn = *torn;
}

static void read_again(void *data)
{
	next_record(data, IPC_AGAIN);
}

static void read_health(struct kernel *kernel)
{
	struct rules_health health;

	if (!rules_health(kernel->rules, &health))
		next_record(kernel, IPC_HEALTH)->health = health;
}

void kernel_sample(struct kernel *kernel, const struct ipc *message)
{
	const struct rules_reader reader = {
		.listening = read_listening, .client = read_client, .data = kernel};
	struct rules_error error = {.op = -1};

	kernel->read_id = message->id;
	kernel->record_count = 0;
	error.code = rules_sample(kernel->rules, kernel->spots, message->count, &reader);
	if (!error.code)
		read_health(kernel);
	send_records(kernel);
	kernel_send(kernel, ipc_encode_result(kernel->out, IPC_END, message->id, &error));
}

/* A message that needs no whole reading, while one is under way; 0: there is none. */
static ssize_t quick_receive(struct kernel *kernel)
{
	const ssize_t len =
		recv(kernel->peer, kernel->in, sizeof kernel->in, MSG_DONTWAIT | MSG_PEEK);

	if (len <= 0 || (*kernel->in != IPC_APPLY && *kernel->in != IPC_SAMPLE))
		return 0;
	return recv(kernel->peer, kernel->in, sizeof kernel->in, MSG_DONTWAIT);
}

/* Who punches does not wait until all of a large table has been read. */
static void read_pause(void *data)
{
	struct kernel *kernel = data;
	const struct ipc_room room = {
		.ops = kernel->ops, .spots = kernel->spots, .room = RULES_OPS_MAX};
	uint32_t id = kernel->read_id;
	struct ipc message;
	ssize_t len;

	next_record(kernel, IPC_PART);
	send_records(kernel);
	for (int i = 0; i < PAUSE_MESSAGES && (len = quick_receive(kernel)) > 0; i++) {
		if (ipc_decode(kernel->in, (size_t)len, &room, &message)) {
			kernel_child_senseless(kernel);
			return;
		}
		if (message.kind == IPC_APPLY)
			kernel_ops_apply(kernel, &message);
		else
			kernel_sample(kernel, &message);
		kernel->read_id = id;
	}
}

void kernel_read(struct kernel *kernel, uint32_t id, bool check)
{
	const struct rules_reader reader = {read_listening, read_punch, read_ingress, read_client,
		read_flow, read_peer, kernel, read_again, read_pause};
	struct rules_error error = {.op = -1};

	kernel->read_id = id;
	kernel->record_count = 0;
	if (check)
		error.code = rules_check(kernel->rules, &reader, read_torn);
	else
		error.code = rules_read(kernel->rules, &reader);
	if (!error.code)
		read_health(kernel);
	send_records(kernel);
	kernel_send(kernel, ipc_encode_result(kernel->out, IPC_END, id, &error));
}
