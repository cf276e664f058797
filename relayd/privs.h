/* SPDX-License-Identifier: GPL-2.0-or-later */
/* privs: giving privileges up; a failure is fatal, for relayd never runs with more than it should.
 */
#ifndef RELAYD_PRIVS_H
#define RELAYD_PRIVS_H

#include <sys/types.h>

#include "relayd/config.h"

struct privs_user {
	uid_t uid;
	gid_t gid;
};

/* The user of the configuration; -ENOENT and a line in the log. */
int privs_find_user(const struct config *config, struct privs_user *user);
/* As whom relayd will run: root as that user, others as themselves. */
int privs_user(const struct config *config, struct privs_user *user);
/* Root takes the ids of the user, with which a reload reads, and takes his own again. */
int privs_borrow(const struct privs_user *user);
int privs_return(void);
/* The kernel side: the user's ids, CAP_NET_ADMIN alone, no new privileges. */
int privs_drop_to_net_admin(const struct config *config);
/* The net side: no capability at all, and only the system calls that it needs. */
int privs_drop_all(void);

#endif
