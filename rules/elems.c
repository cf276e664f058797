/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>

#include "rules/elem.h"

int elem_key_compare(const void *a, const void *b)
{
	return elem_endpoint_compare(
		&((const struct elem *)a)->key, &((const struct elem *)b)->key);
}

int elem_data_compare(const void *a, const void *b)
{
	return elem_endpoint_compare(
		&((const struct elem *)a)->data, &((const struct elem *)b)->data);
}

void elems_sort(struct elems *elems, int (*compare)(const void *, const void *))
{
	if (elems->count)
		qsort(elems->list, elems->count, sizeof(struct elem), compare);
}

const struct elem *elems_find(const struct elems *elems, const struct elem *key,
	int (*compare)(const void *, const void *))
{
	const struct elem *found =
		elems->count ? bsearch(key, elems->list, elems->count, sizeof(struct elem), compare)
			     : NULL;

	while (found && found > elems->list && !compare(key, found - 1))
		found--;
	return found;
}
