/* SPDX-License-Identifier: Apache-2.0 */
/*
 * thread.c - the list of all threads and their exact totals.
 *
 * Answers: "how many bytes and calls did the program allocate, exactly?"
 *
 * Shape	records in the arena, all on one list from the newest; a record
 *	whose thread is gone goes on a stack of free ones and is reused, so
 *	the list is as long as the most threads that ever lived together.
 *
 * Who may run with whom	everything with everything.  A record is written by
 *	its thread alone; the worker reads.
 *
 * Memory ordering
 *	[T1] list head: register links with release, totals() reads with
 *	     acquire: who sees a record sees its `next`.
 *	[T2] record.self and record.looks, sequentially consistent: the worker
 *	     makes looks odd and then reads self; a thread that ends clears self
 *	     and then reads looks.  One of them sees the other: either the worker
 *	     finds the thread gone, or the thread waits, for the few loads that
 *	     this look takes, before its thread-local memory goes away.
 *	[T3] free list head: id and a tag that grows with every pop (no ABA).
 *	[T4] oh_thread.totals_seq: odd while the words disagree.  The thread
 *	     makes it odd, stores the words with release and makes it even with
 *	     release; the worker loads it, then the words, with acquire and then
 *	     it again: who saw a new word sees that the number changed.
 *	[T5] record.moves: the same for the step in which the totals of a thread
 *	     that ends move to those who had the record before, past_bytes and
 *	     past_calls.  So no thread is missed or counted twice.
 *
 * The worker reads the words of other threads with atomic loads, but the
 * threads write them with plain instructions, as the fast path must; they are
 * whole words, which x86-64 writes at once, and [T4] tells when they belong
 * together.  ThreadSanitizer cannot know that of look(), which is exempt.
 */
#include "core/thread.h"

#include <pthread.h>

#include "core/arena.h"
#include "core/atomic.h"
#include "core/base.h"
#include "core/drops.h"
#include "core/layout.h"
#include "core/sys.h"

#define TRIES 10000u /* looks at a thread that is in the middle of something */

struct threads {
	struct oh_thread_table t;
	bool has_key;
	pthread_key_t key; /* its destructor is thread_ends() */
};

__thread struct oh_thread oh_self __attribute__((tls_model("initial-exec")));

static struct threads *all;

void
oh_thread_restart(struct oh_thread *t, uint64_t bytes_before, uint64_t drawn, uint64_t spent)
{
	oh_store_relaxed(&t->totals_seq, t->totals_seq + 1);
	oh_store_release(&t->bytes_base, bytes_before);      /* [T4] */
	oh_store_release(&t->drawn, drawn);                  /* [T4] */
	oh_store_release(&t->countdown, drawn - spent);      /* [T4] */
	oh_store_release(&t->totals_seq, t->totals_seq + 1); /* [T4] */
	if (t->record != 0) {
		struct oh_thread_record *r = oh_arena_at(t->record);
		oh_store_relaxed(&r->bytes, bytes_before + spent);
		oh_store_relaxed(&r->calls, t->calls);
	}
}

static uint32_t
pop_free(void)
{
	uint64_t head = oh_load_acquire(&all->t.free_head); /* [T3] */

	while ((uint32_t)head != 0) {
		struct oh_thread_record *r = oh_arena_at((uint32_t)head);
		uint64_t next = ((head >> 32) + 1) << 32 | oh_load_relaxed(&r->next_free);
		if (oh_cas_acq_rel(&all->t.free_head, &head, next)) /* [T3] */
			return (uint32_t)head;
	}
	return 0;
}

static void
push_free(uint32_t id)
{
	struct oh_thread_record *r = oh_arena_at(id);
	uint64_t head = oh_load_acquire(&all->t.free_head); /* [T3] */
	uint64_t next;

	do {
		oh_store_relaxed(&r->next_free, (uint32_t)head);
		next = ((head >> 32) + 1) << 32 | id;
	} while (!oh_cas_acq_rel(&all->t.free_head, &head, next)); /* [T3] */
}

static void
give_way(void)
{
	if (oh_sys_forbidden())
		__builtin_ia32_pause();
	else
		(void)OH_SYS(sched_yield, 0, 0, 0, 0, 0, 0);
}

/* The totals of a record's thread move to the past, and the thread leaves. */
static void
bury(struct oh_thread_record *r, uint64_t bytes, uint64_t calls)
{
	oh_store_relaxed(&r->moves, r->moves + 1);
	oh_store_release(&r->past_bytes, r->past_bytes + bytes); /* [T5] */
	oh_store_release(&r->past_calls, r->past_calls + calls); /* [T5] */
	oh_store_seq_cst(&r->self, NULL);                        /* [T2], [T5] */
	oh_store_release(&r->moves, r->moves + 1);               /* [T5] */
}

/* What cannot go to a record. */
static void
count_late(uint64_t bytes, uint64_t calls)
{
	(void)oh_add_relaxed(&all->t.late_bytes, bytes);
	(void)oh_add_relaxed(&all->t.late_calls, calls);
}

/*
 * Runs when the thread ends, up to four times (PTHREAD_DESTRUCTOR_ITERATIONS):
 * other hooks may allocate after it, which puts the thread on the list again.
 */
static void
thread_ends(void *arg)
{
	struct oh_thread *t = arg;

	t->exits++;
	t->registered = 0;
	if (t->record != 0) {
		struct oh_thread_record *r = oh_arena_at(t->record);
		bury(r, oh_thread_bytes(t), t->calls);
		uint32_t look = oh_load_seq_cst(&r->looks);                 /* [T2] */
		while (look % 2 != 0 && oh_load_seq_cst(&r->looks) == look) /* [T2] */
			give_way();
		push_free(t->record);
		t->record = 0;
	} else {
		count_late(oh_thread_bytes(t), t->calls);
	}
	t->bytes_base = 0;
	t->calls = 0;
	t->drawn = t->countdown = 0; /* the next allocation takes the slow path */
}

bool
oh_thread_may_register(const struct oh_thread *t)
{
	return t->exits < 3;
}

void
oh_thread_count_late(uint64_t bytes)
{
	count_late(bytes, 1);
}

int
oh_threads_init(void)
{
	uint32_t id = oh_arena_alloc(sizeof(struct threads), 64);

	if (id == 0)
		return -ENOMEM;
	all = oh_arena_at(id);
	oh_root.threads = id;
	all->has_key = pthread_key_create(&all->key, thread_ends) == 0;
	return 0;
}

void
oh_thread_register(struct oh_thread *t)
{
	/* Among the first 32 keys of a process, ours needs no memory for this. */
	bool told = all->has_key && pthread_setspecific(all->key, t) == 0;
	/* Nobody may look at a thread whose end would not be noticed. */
	uint32_t id = told ? pop_free() : 0;
	struct oh_thread_record *r;

	t->registered = 1;
	if (id == 0) {
		if (told)
			id = oh_arena_alloc(sizeof(struct oh_thread_record), OH_ARENA_UNIT);
		if (id == 0) {
			oh_drop(OH_DROP_THREADS_UNCOUNTED);
			return;
		}
		r = oh_arena_at(id);
		uint32_t head = oh_load_acquire(&all->t.head); /* [T1] */
		do
			r->next = head;
		while (!oh_cas_acq_rel(&all->t.head, &head, id)); /* [T1] */
	}
	r = oh_arena_at(id);
	oh_store_relaxed(&r->bytes, 0);
	oh_store_relaxed(&r->calls, 0);
	t->record = id;
	oh_store_seq_cst(&r->self, t); /* [T2] */
}

/* The totals of a thread that cannot go away; false if it does not hold still. */
static __attribute__((no_sanitize("thread"))) bool
look(const struct oh_thread *owner, uint64_t *ret_bytes, uint64_t *ret_calls)
{
	uint32_t seq = oh_load_acquire(&owner->totals_seq);      /* [T4] */
	uint64_t base = oh_load_acquire(&owner->bytes_base);     /* [T4] */
	uint64_t drawn = oh_load_acquire(&owner->drawn);         /* [T4] */
	uint64_t countdown = oh_load_acquire(&owner->countdown); /* [T4] */
	uint64_t calls = oh_load_relaxed(&owner->calls);

	if (seq % 2 != 0 || oh_load_relaxed(&owner->totals_seq) != seq)
		return false;
	*ret_bytes = base + (drawn - countdown);
	*ret_calls = calls;
	return true;
}

void
oh_threads_after_fork(struct oh_thread *t)
{
	if (all == NULL)
		return;
	for (uint32_t id = oh_load_acquire(&all->t.head); id != 0;) { /* [T1] */
		struct oh_thread_record *r = oh_arena_at(id);
		struct oh_thread *owner = oh_load_seq_cst(&r->self); /* [T2] */
		uint64_t b, c;
		/* Whoever looked or was moving is gone, too. */
		oh_store_relaxed(&r->looks, 0);
		oh_store_relaxed(&r->moves, 0);
		if (owner != NULL && owner != t) {
			/* Its memory is there still: glibc keeps the stacks it had mapped. */
			if (!look(owner, &b, &c)) {
				b = oh_load_relaxed(&r->bytes);
				c = oh_load_relaxed(&r->calls);
			}
			bury(r, b, c);
			push_free(id);
		}
		id = r->next;
	}
}

/* Add what one record knows, of its thread and those before; false if not all of it. */
static bool
add_record(struct oh_thread_record *r, uint64_t *bytes, uint64_t *calls)
{
	uint64_t past_bytes, past_calls, b, c;

	for (unsigned tries = 0;; tries++) {
		uint32_t moves = oh_load_acquire(&r->moves);         /* [T5] */
		struct oh_thread *owner = oh_load_seq_cst(&r->self); /* [T2], [T5] */
		past_bytes = oh_load_acquire(&r->past_bytes);        /* [T5] */
		past_calls = oh_load_acquire(&r->past_calls);        /* [T5] */
		b = c = 0;
		bool whole = owner == NULL || look(owner, &b, &c);
		if (whole && moves % 2 == 0 && oh_load_relaxed(&r->moves) == moves)
			break;
		if (tries == TRIES) {
			*bytes += past_bytes + oh_load_relaxed(&r->bytes);
			*calls += past_calls + oh_load_relaxed(&r->calls);
			return false;
		}
		/* A few instructions are all that is left to it, once it may run. */
		give_way();
	}
	*bytes += past_bytes + b;
	*calls += past_calls + c;
	return true;
}

void
oh_threads_totals(uint64_t *ret_bytes, uint64_t *ret_calls)
{
	uint64_t bytes = oh_load_relaxed(&all->t.late_bytes);
	uint64_t calls = oh_load_relaxed(&all->t.late_calls);

	for (uint32_t id = oh_load_acquire(&all->t.head); id != 0;) { /* [T1] */
		struct oh_thread_record *r = oh_arena_at(id);
		oh_store_seq_cst(&r->looks, r->looks + 1); /* [T2] */
		if (!add_record(r, &bytes, &calls))
			oh_drop(OH_DROP_THREADS_UNCOUNTED);
		oh_store_seq_cst(&r->looks, r->looks + 1); /* [T2] */
		id = r->next;
	}
	*ret_bytes = bytes;
	*ret_calls = calls;
}
