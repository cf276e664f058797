/* SPDX-License-Identifier: GPL-2.0-or-later */
/* exporter: the program: its options, its listening socket, and the loop. */
#ifndef EXPORTER_EXPORTER_H
#define EXPORTER_EXPORTER_H

int exporter_main(int argc, char **argv);

#endif
