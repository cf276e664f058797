/* SPDX-License-Identifier: GPL-2.0-or-later */
/* foreign_host: elements of sets and routes, one at a time, from the kernel. */
#ifndef RULES_FOREIGN_HOST_H
#define RULES_FOREIGN_HOST_H

#include "rules/foreign_eval.h"
#include "rules/nl.h"

struct foreign_kernel {
	struct nl nl, route;
};

/* Close it also after an error. Fills host, which then asks the kernel. */
int foreign_kernel_open(struct foreign_kernel *kernel, struct foreign_host *host);
void foreign_kernel_close(struct foreign_kernel *kernel);

#endif
