/* SPDX-License-Identifier: GPL-2.0-or-later */
/* config_host: which addresses this host has. */
#ifndef RELAYD_CONFIG_HOST_H
#define RELAYD_CONFIG_HOST_H

#include <ifaddrs.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/addr.h"

/* These look through what getifaddrs(3) returned. */
bool config_host_has(const struct ifaddrs *host, const struct addr *addr);
/* The global addresses of interfaces that are up: their number, and the first max of them. */
size_t config_host_global(const struct ifaddrs *host, struct addr *out, size_t max);
/* The first of them as a text for a message, "none" without any. */
const char *config_host_format(const struct ifaddrs *host, char *out, size_t size);

#endif
