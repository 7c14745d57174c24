/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arena.c - the one capped piece of memory that holds every table.
 *
 * Shape	[ handed out | usable | reserved, PROT_NONE ............ cap ]
 *	             used    committed, both in oh_root, where readers outside see them
 *
 * Invariants
 *	I1  used <= cap; bytes below used belong to exactly one caller.
 *	I2  A caller's bytes are made usable before they are handed to it.
 *	    Two callers may make overlapping ranges usable: mprotect to the
 *	    same rights twice is harmless, so no lock is needed.
 *
 * All counters are relaxed: the id travels to other threads through the
 * tagged operations of the table that stores it.
 *
 * Why reserve: an arena that never moves lets readers go without a lock.
 * PROT_NONE memory is not charged to the process, also under
 * vm.overcommit_memory=2.
 */
#include "core/arena.h"

#include <sys/mman.h>

#include "core/atomic.h"
#include "core/base.h"
#include "core/layout.h"
#include "core/sys.h"

#define COMMIT_BYTES ((size_t)256 * 1024)
#define MIN_CAP_BYTES ((size_t)1024 * 1024)

char *oh_arena_base;

int
oh_arena_init(size_t cap_bytes)
{
	size_t want = (cap_bytes + COMMIT_BYTES - 1) / COMMIT_BYTES * COMMIT_BYTES;
	/* ids are 32 bits wide */
	size_t most = ((size_t)UINT32_MAX / COMMIT_BYTES) * COMMIT_BYTES * OH_ARENA_UNIT;

	if (want < MIN_CAP_BYTES)
		want = MIN_CAP_BYTES;
	if (want > most)
		want = most;
	for (; want >= MIN_CAP_BYTES; want = want / 2 / COMMIT_BYTES * COMMIT_BYTES) {
		long p = oh_sys_map(want, PROT_NONE, MAP_NORESERVE);
		if (oh_sys_failed(p))
			continue;
		oh_arena_base = (char *)p;
		oh_root.arena_base = (uintptr_t)p;
		oh_root.arena_cap = want;
		oh_store_relaxed(&oh_root.arena_used, OH_ARENA_UNIT); /* id 0 means "none" */
		oh_store_relaxed(&oh_root.arena_committed, 0);
		return 0;
	}
	return -ENOMEM;
}

static bool
commit(size_t end)
{
	uint64_t have = oh_load_relaxed(&oh_root.arena_committed);

	if (OH_LIKELY(end <= have))
		return true;
	size_t to = (end + COMMIT_BYTES - 1) / COMMIT_BYTES * COMMIT_BYTES;
	if (oh_sys_failed(oh_sys_protect(oh_arena_base + have, to - have, PROT_READ | PROT_WRITE)))
		return false;
	while (have < to && !oh_cas_relaxed(&oh_root.arena_committed, &have, to))
		;
	return true;
}

uint32_t
oh_arena_alloc(size_t bytes, size_t align)
{
	uint64_t at, start, end, cap = oh_root.arena_cap;

	at = oh_load_relaxed(&oh_root.arena_used);
	do {
		start = (at + align - 1) & ~(align - 1);
		if (bytes > cap || start > cap - bytes)
			return 0;
		end = (start + bytes + OH_ARENA_UNIT - 1) & ~(size_t)(OH_ARENA_UNIT - 1);
		if (end > cap)
			return 0;
	} while (!oh_cas_relaxed(&oh_root.arena_used, &at, end));
	/* On refusal the range is lost; the next caller may have better luck. */
	return commit(end) ? (uint32_t)(start / OH_ARENA_UNIT) : 0;
}

size_t
oh_arena_mapped_bytes(void)
{
	return oh_load_relaxed(&oh_root.arena_committed);
}

void
oh_arena_range(uintptr_t *ret_start, uintptr_t *ret_limit)
{
	*ret_start = (uintptr_t)oh_arena_base;
	*ret_limit = (uintptr_t)oh_arena_base + oh_root.arena_cap;
}
