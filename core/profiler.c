/* SPDX-License-Identifier: Apache-2.0 */
/*
 * profiler.c - the life of one sample: drawn, recorded, forgotten.
 *
 * Each thread counts down the bytes it allocates.  The allocation that takes
 * the countdown below zero is sampled and a new countdown is drawn; as the
 * exponential distribution has no memory, what the allocation overshot by does
 * not matter.  A thread's first allocation draws first and then counts, or it
 * would always be sampled.
 *
 * At interval 1 the countdown stays at zero, so that every allocation comes
 * here; where nothing is recorded it is too large to be used up.
 *
 * Memory ordering
 *	[P1] oh_root.state: set to OH_ROOT_ON with release, after everything else
 *	     in oh_root; a reader outside of the process that copies the state
 *	     before the rest sees the rest.
 */
#include "core/profiler.h"

#include <errno.h>
#include <string.h>
#include <sys/auxv.h>
#include <time.h>

#include "core/arena.h"
#include "core/atomic.h"
#include "core/drops.h"
#include "core/layout.h"
#include "core/modules.h"
#include "core/rng.h"
#include "core/stackmem.h"
#include "core/stacks.h"
#include "core/sys.h"
#include "core/threadname.h"
#include "core/weight.h"

#define NEVER ((uint64_t)INT64_MAX)

enum state { NOT_YET, ON, OFF };

static struct {
	uint64_t interval_bytes;
	uint64_t seed;
	uint64_t threads; /* relaxed: a number for each thread's generator */
	int64_t start_ns; /* CLOCK_MONOTONIC */
	uint32_t state;   /* enum state; relaxed: changes once, before threads sample */
	uint32_t max_frames;
	bool label_threads;
	bool stopped; /* relaxed: record no new allocations */

	/* The worker's: see oh_profiler_set_recording(). */
	struct oh_unrecorded before;       /* in all pauses that ended */
	uint64_t pause_bytes, pause_calls; /* exact totals when this one began */
	int64_t pause_ns;                  /* CLOCK_MONOTONIC */
} self;

static int64_t
now_ns(clockid_t clock)
{
	struct timespec ts = { 0 };

	(void)clock_gettime(clock, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* The time that blocks are born and die at, modulo 2^32: what differences are taken of. */
static uint32_t
now_cs(void)
{
	return (uint32_t)((now_ns(CLOCK_MONOTONIC_COARSE) - self.start_ns) / 10000000);
}

static uint64_t
fresh_seed(void)
{
	uint64_t seed = 0;
	const void *random = (const void *)getauxval(AT_RANDOM);

	if (random != NULL)
		memcpy(&seed, random, sizeof(seed)); /* aligned to nothing */
	return seed ^ oh_mix64((uint64_t)now_ns(CLOCK_MONOTONIC) + (uint64_t)oh_sys_getpid());
}

static int
set_up_tables(const struct oh_config *c)
{
	int err;

	if (c->interval_bytes == 0)
		return -ECANCELED;
	if ((err = oh_arena_init(c->max_memory_bytes)) != 0 || (err = oh_threads_init()) != 0 ||
	    (err = oh_stacks_init()) != 0 || (err = oh_live_init()) != 0 ||
	    (err = oh_modules_init()) != 0)
		return err;
	return 0;
}

int
oh_profiler_init(const struct oh_config *c, const void *stack_top)
{
	int err = set_up_tables(c);

	if (err != 0) {
		oh_store_relaxed(&self.state, OFF);
		oh_store_relaxed(&oh_root.state, OH_ROOT_OFF);
		return err;
	}
	oh_stackmem_main(&oh_self, (uintptr_t)stack_top);
	self.interval_bytes = c->interval_bytes;
	self.seed = c->seed != 0 ? c->seed : fresh_seed();
	self.max_frames = c->max_frames;
	self.label_threads = c->label_threads;
	self.start_ns = now_ns(CLOCK_MONOTONIC);
	oh_root.interval_bytes = c->interval_bytes;
	oh_root.start_ns = self.start_ns;
	oh_root.drops_at = (uintptr_t)oh_drops;
	oh_profiler_set_recording(c->record);
	oh_store_relaxed(&self.state, ON);
	oh_store_release(&oh_root.state, OH_ROOT_ON); /* [P1] */
	/* Whatever came before the start is not counted; begin with a draw. */
	oh_self.calls = 0;
	oh_self.drawn = oh_self.countdown = 0;
	return 0;
}

bool
oh_profiler_on(void)
{
	return oh_load_relaxed(&self.state) == ON;
}

static uint64_t
draw(struct oh_thread *t)
{
	if (self.interval_bytes == 1)
		return 0;
	return (uint64_t)oh_draw(oh_rng_next(&t->rng), self.interval_bytes);
}

static OH_COLD void
meet(struct oh_thread *t)
{
	uint64_t number = oh_add_relaxed(&self.threads, 1);

	t->rng = oh_mix64(self.seed + oh_mix64(number + 1));
	oh_thread_register(t);
}

/* Bytes by which a request moves the countdown. */
static uint64_t
counted(size_t size_bytes)
{
	return size_bytes == 0 ? 1 : size_bytes;
}

void
oh_profiler_give_back(struct oh_thread *t, size_t size_bytes)
{
	t->countdown += counted(size_bytes);
}

/* Not to be counted: give the bytes back, or set a countdown that lasts. */
static OH_COLD bool
pass(struct oh_thread *t, size_t size_bytes)
{
	if (oh_profiler_on() && !t->own) {
		oh_profiler_give_back(t, size_bytes);
		if (t->busy)
			oh_drop(OH_DROP_REENTRANT);
	} else {
		/* Before the start: come again.  If it failed: never again. */
		bool never = t->own || oh_load_relaxed(&self.state) == OFF;
		t->drawn = t->countdown = never ? NEVER : 0;
	}
	return false;
}

/*
 * A thread so late in its end that nobody would notice it leave again.  As the
 * distribution has no memory, a fresh draw for each allocation is as good.
 */
static OH_COLD bool
decide_late(struct oh_thread *t, size_t size_bytes)
{
	t->drawn = t->countdown = 0;
	oh_thread_count_late(counted(size_bytes));
	return !oh_load_relaxed(&self.stopped) &&
	       (self.interval_bytes == 1 || draw(t) < counted(size_bytes));
}

bool
oh_profiler_decide(struct oh_thread *t, size_t size_bytes)
{
	/* No allocator has more to give than PTRDIFF_MAX. */
	if (OH_UNLIKELY(!oh_profiler_on() || t->own || t->busy || size_bytes > PTRDIFF_MAX))
		return pass(t, size_bytes);
	uint64_t before = oh_thread_bytes(t) - counted(size_bytes);
	if (OH_UNLIKELY(!t->registered)) {
		if (!oh_thread_may_register(t))
			return decide_late(t, size_bytes);
		t->busy++;
		meet(t);
		t->busy--;
		uint64_t drawn = draw(t);
		if (self.interval_bytes > 1 && drawn >= counted(size_bytes)) {
			t->calls++;
			oh_thread_restart(t, before, drawn, counted(size_bytes));
			return false;
		}
	}
	t->calls++;
	/* In exact mode an empty request is known to be one. */
	uint64_t bytes = self.interval_bytes == 1 ? size_bytes : counted(size_bytes);
	oh_thread_restart(t, before + bytes, draw(t), 0);
	return !oh_load_relaxed(&self.stopped);
}

void
oh_profiler_take_back(struct oh_thread *t, size_t size_bytes)
{
	t->bytes_base -= self.interval_bytes == 1 ? size_bytes : counted(size_bytes);
	t->calls--;
}

void
oh_profiler_record(
    struct oh_thread *t, const void *block, size_t size_bytes, const struct oh_regs *regs)
{
	oh_frame frames[OH_UNWIND_DEPTH_MAX];
	int saved_errno = errno;
	uint32_t site = 0;

	t->busy++;
	__asm__ volatile("" ::: "memory"); /* a signal handler must see busy from here on */
	/* Asked each time: programs name their threads after they start. */
	if (self.label_threads)
		t->name = oh_thread_name_current();
	unsigned depth = oh_unwind(t, regs, frames, self.max_frames);
	uint32_t stack = oh_stacks_intern(frames, depth);
	if (stack != OH_STACK_NONE)
		site = oh_sites_get(stack, size_bytes, t->name);
	if (site == 0) {
		oh_drop(OH_DROP_MEMORY_FULL);
	} else {
		struct oh_live_record r = {
			.size_bytes = size_bytes,
			.weight = oh_weight(size_bytes, self.interval_bytes),
			.site = site,
			.birth_cs = now_cs(),
		};
		/* First what was allocated, then what lives: live <= allocated. */
		oh_site_add(site, r.weight, size_bytes);
		if (!oh_live_insert(block, &r))
			oh_drop(OH_DROP_MEMORY_FULL);
		(void)oh_add_relaxed(&oh_root.samples, 1);
	}
	__asm__ volatile("" ::: "memory");
	t->busy--;
	errno = saved_errno;
}

void
oh_profiler_freed(const struct oh_live_record *r)
{
	int32_t life_cs = (int32_t)(now_cs() - r->birth_cs);

	/* The clocks of two processors may differ a little. */
	if (life_cs > 0 && !oh_site_freed(r->site, (uint64_t)life_cs * 10))
		oh_drop(OH_DROP_MEMORY_FULL);
}

void
oh_profiler_restore(const void *block, const struct oh_live_record *r)
{
	if (!oh_live_insert(block, r))
		oh_drop(OH_DROP_MEMORY_FULL);
}

void
oh_profiler_unrecorded(struct oh_unrecorded *ret)
{
	uint64_t bytes, calls;

	*ret = self.before;
	ret->now = oh_load_relaxed(&self.stopped);
	if (!ret->now)
		return;
	oh_threads_totals(&bytes, &calls);
	ret->bytes += bytes - self.pause_bytes;
	ret->calls += calls - self.pause_calls;
	ret->ns += now_ns(CLOCK_MONOTONIC) - self.pause_ns;
}

void
oh_profiler_set_recording(bool on)
{
	if (on != oh_load_relaxed(&self.stopped))
		return;
	if (on) {
		oh_profiler_unrecorded(&self.before);
	} else {
		oh_threads_totals(&self.pause_bytes, &self.pause_calls);
		self.pause_ns = now_ns(CLOCK_MONOTONIC);
	}
	oh_store_relaxed(&self.stopped, !on);
	oh_store_relaxed(&oh_root.stopped, !on);
}

uint64_t
oh_profiler_samples(void)
{
	return oh_load_relaxed(&oh_root.samples);
}

void
oh_profiler_describe(uint64_t *ret_interval_bytes, int64_t *ret_time_ns, int64_t *ret_duration_ns)
{
	*ret_interval_bytes = self.interval_bytes;
	*ret_time_ns = now_ns(CLOCK_REALTIME);
	*ret_duration_ns = now_ns(CLOCK_MONOTONIC) - self.start_ns;
}

void
oh_profiler_after_fork(struct oh_thread *t)
{
	oh_store_relaxed(&oh_root.samples, 0);
	oh_threads_after_fork(t);
	oh_live_after_fork();
	/* Parent and child must not draw the same numbers, unless asked to. */
	t->rng = oh_mix64(t->rng ^ (uint64_t)oh_sys_getpid());
}
