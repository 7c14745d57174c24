/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unit.h - what the unit tests of core/ share.
 *
 * Tables of core/ are made once per process, but a second init simply starts
 * over in a new arena.  Each test does so (unit_tables, unit_profiler), which
 * keeps tests apart also where Check does not fork (CK_FORK=no).
 *
 * Statistics: every generator has a fixed seed, so a test that passes passes
 * always.  The false-alarm rates say how likely it is that another seed, or a
 * change of the code that is right, would fail.
 */
#ifndef OH_TESTS_UNIT_CORE_UNIT_H
#define OH_TESTS_UNIT_CORE_UNIT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/arena.h"
#include "core/atomic.h"
#include "core/config.h"
#include "core/drops.h"
#include "core/live.h"
#include "core/modules.h"
#include "core/profiler.h"
#include "core/rng.h"
#include "core/stacks.h"
#include "core/sys.h"
#include "core/thread.h"
#include "tests/unit/suite.h"

#define UNIT_MIB ((size_t)1 << 20)

/* What is process-wide and not in the arena, as at the start of a program. */
static inline void
unit_fresh(void)
{
	oh_sys_fail_at(0);
	memset(oh_live_filter, 0, sizeof(oh_live_filter));
	memset(oh_drops, 0, sizeof(oh_drops));
	memset(&oh_self, 0, sizeof(oh_self));
	/* Rules that the unwinder keeps name modules of an arena that is gone. */
	oh_modules_generation++;
}

/* All tables, empty, in an arena of that size. */
static inline void
unit_tables(size_t cap_bytes)
{
	unit_fresh();
	ck_assert_int_eq(oh_arena_init(cap_bytes), 0);
	ck_assert_int_eq(oh_threads_init(), 0);
	ck_assert_int_eq(oh_stacks_init(), 0);
	ck_assert_int_eq(oh_live_init(), 0);
	ck_assert_int_eq(oh_modules_init(), 0);
}

/* A profiler that has just started; the interval and seed are the caller's. */
static inline void
unit_profiler(uint64_t interval_bytes, uint64_t seed)
{
	static struct oh_config c;

	c.interval_bytes = interval_bytes;
	c.max_memory_bytes = 64 * UNIT_MIB;
	c.seed = seed;
	c.max_frames = OH_UNWIND_DEPTH_MAX;
	c.record = true;
	unit_fresh();
	/* The kernel puts these bytes above every frame of the first thread. */
	ck_assert_int_eq(oh_profiler_init(&c, (void *)getauxval(AT_RANDOM)), 0);
}

/* Can that byte be read?  Asked otherwise than core/ asks. */
static inline bool
unit_readable(const void *addr)
{
	char c;
	struct iovec to = { &c, 1 }, from = { (void *)addr, 1 };

	return process_vm_readv(getpid(), &to, 1, &from, 1, 0) == 1;
}

/* What an entry point does: the fast path, then the slow one if it must. */
static inline bool
unit_decide(struct oh_thread *t, size_t size_bytes)
{
	uint64_t n = size_bytes == 0 ? 1 : size_bytes;
	bool borrow = t->countdown < n;

	oh_store_relaxed(&t->countdown, t->countdown - n);
	if (borrow)
		return oh_profiler_decide(t, size_bytes);
	oh_store_relaxed(&t->calls, t->calls + 1);
	return false;
}

/* Registers of the caller of this function, as preload/slow.c takes them. */
#define unit_caller_regs() \
	((struct oh_regs){ .pc = (uintptr_t)__builtin_return_address(0), \
	    .sp = (uintptr_t)__builtin_frame_address(0) + 16, \
	    .fp = *(uintptr_t *)__builtin_frame_address(0) })

#endif
