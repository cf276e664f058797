/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tun: a TUN device in a network namespace. */
#ifndef TESTS_NATBOX_TUN_H
#define TESTS_NATBOX_TUN_H

/*
 * Opens "DEVICE" here or "DEVICE@NAMESPACE" in a namespace of ip netns, and sets it up. The device
 * goes when the descriptor is closed. A descriptor that does not block, or -errno.
 */
int tun_open(const char *name);

#endif
