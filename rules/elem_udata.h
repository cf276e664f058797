/* SPDX-License-Identifier: GPL-2.0-or-later */
/* elem_udata: what an element's user data holds, and what its writer lends to its reader. */
#ifndef RULES_ELEM_UDATA_H
#define RULES_ELEM_UDATA_H

#include "rules/elem.h"

/* The comment as nft knows it, and a note of ours, which nft skips (libnftnl, udata.h). */
#define UDATA_COMMENT 0
#define UDATA_NOTE    0x50
#define NOTE_SIZE     22 /* bits, family, 16 bytes of address, number */

/* Table, set and key, to ask for an element. */
void elem_put_key(struct nlmsghdr *nlh, const struct elem *elem);

#endif
