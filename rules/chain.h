/* SPDX-License-Identifier: GPL-2.0-or-later */
/* chain: messages of a transaction that make a chain of our table, empty it or delete it. */
#ifndef RULES_CHAIN_H
#define RULES_CHAIN_H

#include <libnftnl/udata.h>

#include "rules/batch.h"

struct chain_spec {
	const char *name;
	const char *comment;
	const char *type; /* NULL: not at a hook */
	uint32_t hook;
	int32_t priority;
};

void chain_add(struct batch *batch, const struct chain_spec *spec);
/* Deletes its rules; NULL: those of all chains. */
void chain_clear(struct batch *batch, const char *chain);
/* Who goes to it is deleted before. */
void chain_delete(struct batch *batch, const char *chain);

/* A comment as nft writes it, of this type; the caller frees it. NULL: no memory. */
struct nftnl_udata_buf *udata_comment(uint8_t type, const char *comment);

#endif
