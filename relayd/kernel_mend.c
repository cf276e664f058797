/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What others do to the table, and what is done about it. */
#include <string.h>

#include "common/log.h"
#include "relayd/kernel_inner.h"

/* Somebody else has changed the table, or may have. */
static void table_changed(struct kernel *kernel, const struct rules_change *change, int64_t now)
{
	if (kernel->change.cause == RULES_CAUSE_NONE) {
		kernel->change_ms = now;
		kernel->mend_ms = calm_due(&kernel->calm, now);
	}
	rules_change_add(&kernel->change, change);
}

static void table_is_contested(const struct kernel *kernel)
{
	log_warning("table inet " RULES_TABLE " is changed again and again%s%s; from now on it is "
		    "restored every %d seconds",
		*kernel->change.process ? ", last by " : "", kernel->change.process,
		CALM_MOST_MS / 1000);
}

/* Here what does not depend on streams; the net side knows the rest and restores it. */
static void mend(struct kernel *kernel, int64_t now)
{
	struct rules_error error = {.op = -1};
	struct rules_mended mended;
	bool contested = calm_done(&kernel->calm, now);

	if (rules_mend(kernel->rules, &mended, &error)) {
		if (!kernel->mend_failed)
			log_error("the table cannot be restored: %s", error.text);
		kernel->mend_failed = true;
		kernel->mend_ms = calm_due(&kernel->calm, now);
		return;
	}
	kernel->mend_failed = false;
	kernel->change.removed += mended.removed;
	if (contested)
		table_is_contested(kernel);
	if (kernel->peer >= 0)
		kernel_send(kernel,
			ipc_encode_changed(kernel->out, &kernel->change, kernel->change_ms));
	kernel->change = (struct rules_change){.cause = RULES_CAUSE_NONE};
}

void kernel_mend_due(struct kernel *kernel, int64_t now)
{
	if (kernel->change.cause != RULES_CAUSE_NONE && now >= kernel->mend_ms)
		mend(kernel, now);
}

void kernel_changes(struct kernel *kernel, int64_t now)
{
	struct rules_change change;
	int err = rules_changes(kernel->rules, &change);

	if (err)
		log_debug("nf_tables' events: %s", strerror(-err));
	if (!err && change.cause != RULES_CAUSE_NONE)
		table_changed(kernel, &change, now);
}

void kernel_contradicted(struct kernel *kernel)
{
	static const struct rules_change refused = {.cause = RULES_CAUSE_REFUSED};
	int64_t now = kernel_clock();

	if (rules_changes_fd(kernel->rules) >= 0)
		kernel_changes(kernel, now);
	table_changed(kernel, &refused, now);
	kernel_mend_due(kernel, now);
}
