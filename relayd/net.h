/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * net: the net side, which has no privileges: punches, the stream table, the control socket and
 * the registry, around one loop.
 */
#ifndef RELAYD_NET_H
#define RELAYD_NET_H

#include <stdint.h>
#include <sys/types.h>

#include <uv.h>

#include "relayd/ask.h"
#include "relayd/broker.h"
#include "relayd/config.h"
#include "relayd/control.h"
#include "relayd/discover.h"
#include "relayd/fetch.h"
#include "relayd/host_watch.h"
#include "relayd/ipc.h"
#include "relayd/punch.h"
#include "relayd/registry.h"
#include "relayd/restore.h"
#include "relayd/stream.h"
#include "relayd/sync.h"
#include "relayd/tally.h"
#include "relayd/trouble.h"
#include "relayd/udp.h"
#include "relayd/watchdog.h"

/* Room for all the addresses that a restart would take and leave. */
#define NET_ADDRESSES_TEXT (2 * CONFIG_ADDRESSES * (ADDR_TEXT + 1) + 20)

/* What the parent opened before it gave up its privileges; the net side takes the descriptors over.
 */
struct net_setup {
	const char *config_path;
	struct config *config;
	uint64_t watchdog_ms; /* silence that systemd bears; 0: any */
	bool again;	      /* this net side replaces one that died */
	bool made;	      /* the table is new: there is nothing to adopt */
	int kernel_fd;	      /* SOCK_SEQPACKET to the kernel side */
	int control_fd;	      /* listening */
	size_t punch_count;
	/* Each of config_ports() at each address of the configuration. */
	struct endpoint punch_at[CONFIG_ADDRESSES * CONFIG_PORTS];
	int punch_fds[CONFIG_ADDRESSES * CONFIG_PORTS];
};

struct net {
	uv_loop_t loop;
	const struct net_setup *setup;
	struct config *config;
	struct registry *registry;
	struct stream_table table;
	struct punch punch;
	struct sync sync;
	struct restore restore;
	struct asker asker;
	struct udp udp;
	struct control *control;
	struct broker *broker;
	uv_timer_t broker_timer;
	int64_t started_ms;
	uv_poll_t kernel;
	uv_prepare_t turn;
	uv_timer_t second;
	uv_signal_t hangup, terminate;
	struct tally tally;			 /* events of this second */
	char addresses_told[NET_ADDRESSES_TEXT]; /* that differ, by reloads */
	struct watchdog watchdog;
	bool quiet;	    /* many are added or removed: one line of the log for all */
	bool partner_alive; /* as was last said */
	bool sampling;	    /* the counters are being read; */
	int64_t sample_ms;  /* since, or not before */
	size_t sample_lane; /* of the broker, behind the streams */
	struct discover discover;
	struct fetch fetch; /* a question to the metadata service */
	struct host_watch host_watch;
	struct troubles troubles;
	bool clock_known; /* how far the wall clock is ahead of that since the boot: */
	int64_t clock_ahead_ms;
	int64_t clock_owed;	/* seconds by which what expires in the database is to be moved */
	uint64_t events_lost;	/* by the kernel side, as was last said */
	uint64_t cut, cut_seen; /* packets beyond max-rate; the kernel's counter as it was last */
	struct ipc_record records[IPC_RECORDS_MAX];
	struct ipc_fact facts[IPC_FACTS_MAX];
	uint8_t message[IPC_MAX];
};

/* Runs until SIGTERM or the kernel side is gone; returns the exit status. */
int net_run(const struct net_setup *setup);

/* Monotonic milliseconds of this turn of the loop. */
int64_t net_now(const struct net *net);

/*
 * What the control socket may ask for. 0 or -errno and one line in why.
 * add: the key is made when spec->key is empty; expires: wall clock seconds, 0: never.
 */
int net_add(struct net *net, struct spec *spec, int64_t expires, char why[static SPEC_WHY]);
int net_remove(struct net *net, const char *name, char why[static SPEC_WHY]);
/*
 * Adds many in one transaction of the registry; each item's why says "" or what is wrong with it.
 * Unless the others are wanted all the same (some), one that is wrong leaves nothing changed. How
 * many were added, or -errno and why not in `why`.
 */
int net_add_many(struct net *net, struct spec_item *items, size_t count, bool some,
	char why[static SPEC_WHY]);
/* The same for their names. How many were removed, or -errno. */
int net_remove_many(struct net *net, struct spec_item *items, size_t count, bool some,
	char why[static SPEC_WHY]);
/* Closes the holes of one stream, or of all when name is NULL; *count says how many. */
int net_flush(struct net *net, const char *name, unsigned int *count, char why[static SPEC_WHY]);

/* Reads the file again before anything is made of it: it was reloaded since relayd started. */
void net_read_again(struct net *net);
/* At a start: the streams of the file and of the registry. */
int net_load(struct net *net, char why[static CONFIG_ERROR]);

struct net_changes {
	unsigned int added, changed, removed;
};
/* Reads the file again; on an error nothing is changed and why (CONFIG_ERROR bytes) says what is
 * wrong. */
int net_reload(struct net *net, struct net_changes *changes, char why[static CONFIG_ERROR]);

#endif
