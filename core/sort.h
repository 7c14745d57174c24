/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sort.h - put records in order, in place, without a stack of calls.
 *
 * Heapsort (Williams, "Algorithm 232", CACM 7, 1964): no memory of its own and
 * n log n whatever comes, which neither quicksort nor a merge promises both.
 */
#ifndef OH_CORE_SORT_H
#define OH_CORE_SORT_H

#include <stddef.h>
#include <stdint.h>

struct oh_sort_item {
	uint64_t key, value;
};

static inline void
oh_sort_sift(struct oh_sort_item *a, size_t at, size_t n)
{
	struct oh_sort_item moved = a[at];

	for (size_t child; (child = 2 * at + 1) < n; at = child) {
		if (child + 1 < n && a[child + 1].key > a[child].key)
			child++;
		if (a[child].key <= moved.key)
			break;
		a[at] = a[child];
	}
	a[at] = moved;
}

/* By key, ascending; items of equal keys in any order. */
static inline void
oh_sort(struct oh_sort_item *a, size_t n)
{
	for (size_t i = n / 2; i-- > 0;)
		oh_sort_sift(a, i, n);
	while (n > 1) {
		struct oh_sort_item last = a[--n];
		a[n] = a[0];
		a[0] = last;
		oh_sort_sift(a, 0, n);
	}
}

#endif
