/* SPDX-License-Identifier: GPL-2.0-or-later */
/* plain: OpenMetrics text as Prometheus' older text format (0.0.4), line by line. Pure. */
#ifndef EXPORTER_PLAIN_H
#define EXPORTER_PLAIN_H

#include <stdio.h>

/*
 * Counters and infos are called as their samples are, infos are gauges, and there are neither units
 * nor an end. A line that is none of OpenMetrics' stays as it is.
 */
void plain_write(FILE *out, const char *openmetrics);

#endif
