/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otheap.h - what a program can ask of the heap profiler that is preloaded into it.
 *
 * Optional.  A program that uses this needs no library to be linked or run: the
 * functions are weak, and NULL where libotheap.so is not preloaded.
 *
 *	if (otheap_dump != NULL)
 *		(void)otheap_dump(NULL, 0, 1000);
 *
 * Compile position-independent code, as compilers do by default.  C89 and C++.
 * See otheap(3).
 */
#ifndef OH_PRELOAD_OTHEAP_H
#define OH_PRELOAD_OTHEAP_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Grows with new functions; what is here stays as it is. */
#define OTHEAP_API 1

#define OTHEAP_WEAK __attribute__((weak))

/*
 * Each returns 0 or an errno number, and leaves errno alone:
 *
 *	ETIMEDOUT  it was not done within timeout_ms; it may be done later
 *	EPERM      the program has put a seccomp filter on itself
 *	ENODEV     the library is off (interval 0, another allocator before it), or
 *	           the process is ending, or a child of vfork(2)
 *	EAGAIN     no thread could be made for it
 *	ENOTSUP    otheap_leak_check: no verdict; the profile says why
 *
 * or what kept a profile from being written, such as ENOSPC or EACCES.
 *
 * They wait for a thread of the library's own.  Any thread, without locks of
 * the allocator; not in signal handlers.
 *
 * `path`, if not NULL, gets the path of the profile that was written, cut and
 * ended with a NUL within `path_size` bytes.
 */

/* Write a profile of this moment. */
OTHEAP_WEAK int otheap_dump(char *path, size_t path_size, unsigned timeout_ms);

/* Write a profile from which growth is counted: the report at exit compares with it. */
OTHEAP_WEAK int otheap_baseline(char *path, size_t path_size, unsigned timeout_ms);

/* Record new allocations, or do not; a profile of this moment is written, too. */
OTHEAP_WEAK int otheap_start(unsigned timeout_ms);
OTHEAP_WEAK int otheap_stop(unsigned timeout_ms);

/*
 * What a leak check found.  Estimates over all live blocks, from the sampled
 * ones; `_error` is one standard error.  At interval 1 they are exact.
 */
struct otheap_leaks {
	double lost_blocks, lost_blocks_error; /* nothing points to them or into them */
	double lost_bytes, lost_bytes_error;
	double indirect_blocks, indirect_bytes; /* only lost blocks point to them */
	double interior_blocks, interior_bytes; /* pointers into them, none to their start */
	unsigned long samples;                  /* sampled blocks that were looked at */
};

/*
 * Look for blocks that nothing points to any more, and write a profile in
 * which they are marked.  `size` is sizeof(struct otheap_leaks): later
 * versions may add fields at the end.  *ret is untouched unless 0 is returned.
 */
OTHEAP_WEAK int otheap_leak_check(
    struct otheap_leaks *ret, size_t size, char *path, size_t path_size, unsigned timeout_ms);

#ifdef __cplusplus
}
#endif

#endif
