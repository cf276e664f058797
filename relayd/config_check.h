/* SPDX-License-Identifier: GPL-2.0-or-later */
/* config_check: what concerns several options of relayd.conf, once all of it has been read. */
#ifndef RELAYD_CONFIG_CHECK_H
#define RELAYD_CONFIG_CHECK_H

#include "relayd/config_reader.h"

#define CONFIG_ALTERNATE 3479 /* unless something else of the file has it */

/* 0, or -EINVAL and the mistake is noted. */
int config_check(struct config_reader *reader);

#endif
