/* SPDX-License-Identifier: GPL-2.0-or-later */
/* registry: the streams added at run time, and every stream's number, in SQLite. */
#ifndef RELAYD_REGISTRY_H
#define RELAYD_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "relayd/spec.h"

struct registry;

#define REGISTRY_ERROR 256

/* Opens or makes the file (mode 0600). Refuses a file of a later version. 0 or -errno and the
 * reason. */
int registry_open(const char *path, struct registry **out, char error[static REGISTRY_ERROR]);
void registry_close(struct registry *registry);

/*
 * The stream's number (1 to 0xffffff), which stays its own as long as its name is known here and
 * has the same key: the kernel's flows are marked with it. With another key it gets another one, so
 * that what was proven with the key of before is a stranger's, whenever who changed it died.
 * Numbers that are no one's any more are given out again last.
 */
int registry_number(struct registry *registry, const struct spec *spec, uint32_t *number,
	char error[static REGISTRY_ERROR]);
/* Forgets the numbers of names that are neither stored nor in the list. */
int registry_forget(struct registry *registry, const char *const *keep, size_t count);

/*
 * What is called between these two is one transaction, of which nothing is durable, and no one else
 * may write, before registry_end. keep false: all of it is undone, and the result is -ECANCELED.
 * A change that is refused in between leaves the others alone.
 */
int registry_begin(struct registry *registry, char error[static REGISTRY_ERROR]);
int registry_end(struct registry *registry, bool keep, char error[static REGISTRY_ERROR]);

/* Durable when it returns. expires: seconds of the wall clock, 0: never. -EEXIST: the name is
 * taken. */
int registry_add(struct registry *registry, const struct spec *spec, int64_t expires,
	char error[static REGISTRY_ERROR]);
/* -ENOENT: no such stream. */
int registry_remove(struct registry *registry, const char *name, char error[static REGISTRY_ERROR]);
/* Moves the time at which streams expire, of those that do. */
int registry_shift(struct registry *registry, int64_t seconds, char error[static REGISTRY_ERROR]);
/* Writes nothing new, to see whether the file can be written; does not wait for others. */
int registry_try(struct registry *registry);
/* How much of its quota a stream with a number has used, in bytes, and since when (seconds of the
 * wall clock): kept as long as its number. One that is added begins with nothing. */
int registry_use(struct registry *registry, const char *name, uint64_t used, int64_t since,
	char error[static REGISTRY_ERROR]);
int registry_used(struct registry *registry, const char *name, uint64_t *used, int64_t *since);
/* Calls back for each stored stream, in the order of names, until it returns non-zero, which is
 * returned. */
int registry_each(struct registry *registry,
	int (*each)(void *data, const struct spec *spec, int64_t expires), void *data);

#endif
