/* SPDX-License-Identifier: GPL-2.0-or-later */
/* skeleton_rules: the rules of each chain. */
#ifndef RULES_SKELETON_RULES_H
#define RULES_SKELETON_RULES_H

#include "rules/skeleton.h"

#define CHAIN_STUN	 "stun"
#define CHAIN_RAW_IN	 "raw_in"
#define CHAIN_RAW_OUT	 "raw_out"
#define CHAIN_RATE4	 "keep_rate4"
#define CHAIN_RATE6	 "keep_rate6"
#define CHAIN_WITHIN4	 "from_prefix4"
#define CHAIN_WITHIN6	 "from_prefix6"
#define CHAIN_ERRORS4	 "errors4"
#define CHAIN_ERRORS6	 "errors6"
#define CHAIN_PEERS	 "peers"
#define CHAIN_TO_PEER4	 "to_peer4"
#define CHAIN_TO_PEER6	 "to_peer6"
#define CHAIN_TO_CLIENT	 "to_client"
#define CHAIN_FROM_RELAY "from_relay"
#define CHAIN_REFUSE	 "refuse"
#define CHAIN_EARLY	 "early"
#define CHAIN_REFUSE_IN	 "refuse_in"

/* Prefixes of the packets that the log group gets. */
#define LOG_OPEN    "open"
#define LOG_REFUSED "refused"
#define LOG_EARLY   "early"

/* The objects' names of conntrack timeouts. */
const char *timeout_name(uint8_t family);

void skeleton_add_rules(struct batch *batch, const struct kernel *kernel);
void skeleton_add_peer_rules(struct batch *batch);

#endif
