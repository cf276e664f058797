/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * natprobe: what NATs are between here and a relay (RFC 5780, RFC 4787): mapping, filtering, port
 * allocation, layers, the smallest TTL that opens them, hairpinning and, if asked, lifetime. A
 * state machine: datagrams and the time in, datagrams out. Times are monotonic milliseconds.
 */
#ifndef PUNCHCTL_NATPROBE_H
#define PUNCHCTL_NATPROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/nat.h"

#define NATPROBE_SOCKETS 24 /* at most, at once */

struct natprobe_config {
	struct endpoint relay;
	struct addr local; /* the address that leads there; family 0: unknown */
	bool thorough; /* with hairpinning and more samples, for people; else what a search needs */
	bool lifetime; /* takes minutes */
	uint32_t lifetime_max_ms;
	/* A fresh socket with a port of its own; its number and port, or -errno. */
	int (*open)(void *arg, uint16_t *port);
	void (*close)(void *arg, int socket);
	/* ttl 0: the system's. 0 or -errno. */
	int (*send)(void *arg, int socket, const struct endpoint *to, uint8_t ttl, const void *data,
		size_t len);
	void *arg;
};

enum natprobe_answer { NATPROBE_UNKNOWN, NATPROBE_NO, NATPROBE_YES };

struct natprobe_result {
	struct nat_report report;
	struct endpoint mapped;	   /* as the relay sees us; family 0: no answer came */
	struct endpoint local;	   /* the socket that it is of */
	struct endpoint other;	   /* the relay's other address; family 0: it has none */
	struct endpoint alternate; /* the relay's address with its other port; family 0: none */
	bool alternate_silent;	   /* which has not answered */
	bool opener_guessed; /* the opener's TTL falls short of the relay; it was not measured */
	enum natprobe_answer hairpin;
	uint32_t lifetime_ms; /* the longest idle time that a mapping survived; 0: not measured */
	bool lifetime_is_minimum; /* it may live longer */
	uint32_t rtt_ms;
	unsigned int sample_count;
	struct nat_sample samples[NAT_SAMPLES];
};

struct natprobe;

int natprobe_open(const struct natprobe_config *config, int64_t now_ms, struct natprobe **out);
void natprobe_close(struct natprobe *probe);
void natprobe_tick(struct natprobe *probe, int64_t now_ms);
int64_t natprobe_deadline(const struct natprobe *probe);
/* True: it was an answer that is waited for. */
bool natprobe_input(struct natprobe *probe, int socket, const struct endpoint *from,
	const uint8_t *data, size_t len, int64_t now_ms);
bool natprobe_is_done(const struct natprobe *probe);
/* Complete when done; before, what is known so far. */
const struct natprobe_result *natprobe_result(const struct natprobe *probe);

#endif
