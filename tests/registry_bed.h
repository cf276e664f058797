/* SPDX-License-Identifier: GPL-2.0-or-later */
/* registry_bed: a registry in a folder of its own. */
#ifndef TESTS_REGISTRY_BED_H
#define TESTS_REGISTRY_BED_H

#include <check.h>

#include "relayd/registry.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define KEY	     "MDEyMzQ1Njc4OWFiY2RlZg=="
#define OTHER_KEY    "ZmVkY2JhOTg3NjU0MzIxMA=="
#define LAST	     0xffffff /* the highest number */

/* What registry_each has brought. */
struct list {
	size_t count;
	struct spec specs[8];
	int64_t expires[8];
};

extern char dir[];
extern char path[64]; /* of the file */

void set_up(void);
void tear_down(void);

struct registry *open_good(void);
/* One sentence: the path, what is wrong, and what would help. */
void assert_sentence(const char *error, const char *part);
void open_bad(int expected, const char *part);

struct spec make(const char *name);
void add_good(struct registry *registry, const char *name);
uint32_t number_of(struct registry *registry, const char *name);
uint32_t number_with_key(struct registry *registry, const char *name, const char *key);
struct list list_all(struct registry *registry);

/* Behind the registry's back. */
void execute(const char *sql);

#endif
