/* SPDX-License-Identifier: Apache-2.0 */
/*
 * maps.h - what memory has this process, and which of it was ever touched?
 *
 * For the scan that looks for pointers: a reservation of a terabyte of which
 * three pages are used must cost three pages.
 */
#ifndef OH_CORE_MAPS_H
#define OH_CORE_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One mapping, as /proc/PID/smaps (or maps) tells. */
struct oh_map {
	uintptr_t start, limit; /* [start, limit) */
	bool read, write, shared;
	bool main_stack; /* "[stack]" */
	bool file;       /* of a file */
	/* Only from smaps: */
	bool device;     /* reading may do something, or is not possible */
	bool wiped;      /* MADV_WIPEONFORK */
	bool huge;       /* hugetlbfs(7) and MAP_HUGETLB, not transparent ones */
	bool unreserved; /* MAP_NORESERVE */
	bool swapped;    /* some of it is in swap */
	bool nothing;    /* no page of it is in memory or swap, as this process sees it */
};

/*
 * Call `fn` for each mapping that the open file `fd` (maps or smaps) lists, in
 * ascending order, until it returns false.  `buf` is for lines; one that does
 * not fit loses its end.  Returns 0 or -E... of reading.
 */
int oh_maps_each(
    int fd, char *buf, size_t buf_bytes, bool (*fn)(const struct oh_map *m, void *arg), void *arg);

/* Which of `count` mappings in ascending order holds `at`?  `count` if none. */
static inline uint32_t
oh_maps_find(const struct oh_map *maps, uint32_t count, uintptr_t at)
{
	uint32_t low = 0, high = count;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		if (maps[mid].limit <= at)
			low = mid + 1;
		else
			high = mid;
	}
	return low < count && maps[low].start <= at ? low : count;
}

/*
 * Call `fn` for each run of pages of `m`, cut to [from, to), that can hold
 * what a program wrote: those of a private mapping that are its own (not the
 * file's, not the zero page), in memory or in swap; those of a shared one that
 * are in memory.  `pagemap` is /proc/PID/pagemap of the calling process, or -1
 * where it may not be read, as after setuid(2): then there are more runs, with
 * pages of files and zero pages among them, but none is missing.  Returns 0, or -E... when the
 * kernel does not say.
 */
int oh_maps_touched(int pagemap, const struct oh_map *m, uintptr_t from, uintptr_t to,
    void (*fn)(uintptr_t start, uintptr_t limit, void *arg), void *arg);

#endif
