/* SPDX-License-Identifier: GPL-2.0-or-later */
/* metrics: relayd's metrics as it told them, and behind them the exporter's own. Pure. */
#ifndef EXPORTER_METRICS_H
#define EXPORTER_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the exporter counts of itself. */
struct metrics {
	bool up;	       /* relayd answers */
	uint64_t losses;       /* times that it ceased to */
	uint64_t served;       /* requests */
	uint64_t unauthorized; /* refused for want of the token */
	uint64_t busy;	       /* refused because too many waited for relayd */
	uint64_t connections;  /* now */
	uint64_t streams;      /* that have a history */
};

/*
 * relay is relayd's OpenMetrics text, NULL when there is none. As OpenMetrics, or as the older text
 * format. For free(), NULL when memory is short.
 */
char *metrics_view(const char *relay, const struct metrics *metrics, bool openmetrics);

#endif
