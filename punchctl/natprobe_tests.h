/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * natprobe_tests: the tests of a probe, one file each. A test is started once; its step is called
 * whenever something has happened to its questions, until the stage is PROBE_DONE.
 */
#ifndef PUNCHCTL_NATPROBE_TESTS_H
#define PUNCHCTL_NATPROBE_TESTS_H

#include "punchctl/natprobe_ask.h"

#define PORTS_SOCKETS	16
#define PORTS_QUICK	8 /* enough for RFC 4787's classes, and for a block of ports */
#define LAYERS_TTL_MIN	2 /* the first router drops what comes with 1 */
#define LAYERS_ASKS	7 /* one TTL each */
#define LAYERS_HOPS	4 /* the same, to learn how far the relay is */
#define LIFETIME_POINTS 8

enum probe_stage { PROBE_WAITING, PROBE_RUNNING, PROBE_DONE };

enum { MAPPING_ALTERNATE, MAPPING_ADDRESS, MAPPING_BOTH, MAPPING_ASKS };
enum { FILTERING_BOTH, FILTERING_PORT, FILTERING_ASKS };

struct probe_basic {
	enum probe_stage stage;
	struct ask ask;
};

struct probe_mapping {
	enum probe_stage stage;
	struct ask asks[MAPPING_ASKS];
};

struct probe_filtering {
	enum probe_stage stage;
	struct ask asks[FILTERING_ASKS];
};

/* Each socket asks twice: the relay's port, and its alternate one. */
struct probe_ports {
	enum probe_stage stage;
	bool again;		 /* too many were lost the first time */
	unsigned int want, sent; /* questions */
	int64_t next_ms;
	int sockets[PORTS_SOCKETS];
	struct ask asks[2 * PORTS_SOCKETS];
};

struct probe_layers {
	enum probe_stage stage;
	bool hops; /* the asks have the TTLs, and no openers */
	uint8_t asked;
	struct ask asks[LAYERS_ASKS];
};

struct probe_hairpin {
	enum probe_stage stage;
	struct ask asks[2];
	uint8_t tid[STUN_TID]; /* of what the two sockets send each other */
	uint8_t tries;
	int64_t last_ms;
};

/* A mapping that is left alone for a while; then the relay is asked to send something to it. */
struct lifetime_point {
	uint32_t idle_ms;
	bool warm, alive, dead;
	int64_t due_ms; /* when the next thing happens to it */
	struct ask open, poke;
};

struct probe_lifetime {
	enum probe_stage stage;
	unsigned int round;
	uint32_t low_ms, high_ms; /* it lives at least, and less than */
	int asker;		  /* socket */
	unsigned int count;
	struct lifetime_point points[LIFETIME_POINTS];
};

struct natprobe {
	struct natprobe_config config;
	struct natprobe_result result;
	struct ask_socket sockets[NATPROBE_SOCKETS];
	uint32_t rto_ms;
	struct probe_basic basic;
	struct probe_mapping mapping;
	struct probe_filtering filtering;
	struct probe_ports ports;
	struct probe_layers layers;
	struct probe_hairpin hairpin;
	struct probe_lifetime lifetime;
};

/* Starts and steps of each test; a step looks at what is known, and ends its stage. */
void mapping_start(struct natprobe *probe, int64_t now_ms);
void mapping_step(struct natprobe *probe, int64_t now_ms);
void filtering_start(struct natprobe *probe, int64_t now_ms);
void filtering_step(struct natprobe *probe, int64_t now_ms);
void ports_start(struct natprobe *probe, int64_t now_ms);
void ports_step(struct natprobe *probe, int64_t now_ms);
void layers_start(struct natprobe *probe, int64_t now_ms);
void layers_step(struct natprobe *probe, int64_t now_ms);
void hairpin_start(struct natprobe *probe, int64_t now_ms);
void hairpin_step(struct natprobe *probe, int64_t now_ms);
int64_t hairpin_deadline(const struct natprobe *probe);
/* True: it is what one socket sent to the other. */
bool hairpin_input(struct natprobe *probe, int socket, const struct stun *stun);
void lifetime_start(struct natprobe *probe, int64_t now_ms);
void lifetime_step(struct natprobe *probe, int64_t now_ms);
int64_t lifetime_deadline(const struct natprobe *probe);

/* Every question that there is; fn returns true to stop. */
bool probe_each_ask(struct natprobe *probe,
	bool (*fn)(struct natprobe *probe, struct ask *ask, void *arg), void *arg);

#endif
