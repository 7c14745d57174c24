/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reach_child.c - the copy of the process that looks for pointers.
 *
 * Nothing but our own code runs here, and nothing is changed that the process
 * could see, but the shared region.  Signals are blocked, but for the two that
 * say that memory cannot be read.
 *
 * Memory ordering	[P1] see reach_worker.c.
 */
#include "core/reach_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "core/arena.h"
#include "core/chunks.h"
#include "core/live.h"
#include "core/stacks.h"

#define WHOLE_READ ((uintptr_t)64 * 1024) /* blocks up to this size are read without a question */

/* The child's alone; where a fault goes on. */
static void *resume[5];
static struct oh_reach_check *faulty;

/* ---- the child: blocks ----------------------------------------------------------- */

static _Noreturn void
leave(struct oh_reach_region *r, const char *why)
{
	r->failed = why;
	oh_reach_set_state(r, OH_REACH_DONE);
	for (;;)
		(void)OH_SYS(exit_group, 0, 0, 0, 0, 0, 0);
}

static void
collect(uintptr_t block, const struct oh_live_record *rec, void *arg)
{
	struct oh_reach_check *c = arg;
	uint32_t n = c->region->count;

	if (n == c->room)
		return;
	c->order[n] = (struct oh_sort_item){ block, n };
	const struct oh_site *site = oh_arena_at(rec->site);
	c->blocks[n] = (struct oh_reach_block){
		.start = block,
		.end = block + rec->size_bytes,
		.site = rec->site,
		.stack = site->stack,
		.birth_cs = rec->birth_cs,
		.chance = (float)(1 / rec->weight),
	};
	c->region->count = n + 1;
}

/* Put blocks[] in the order that `order` says, in place, ring by ring. */
static void
arrange(struct oh_reach_check *c)
{
	uint32_t n = c->region->count;

	for (uint32_t i = 0; i < n; i++)
		c->todo[i] = (uint32_t)c->order[i].value;
	for (uint32_t i = 0; i < n; i++) {
		struct oh_reach_block kept = c->blocks[i];
		uint32_t at = i;
		while (c->todo[at] != UINT32_MAX && c->todo[at] != i) {
			uint32_t from = c->todo[at];
			c->blocks[at] = c->blocks[from];
			c->todo[at] = UINT32_MAX;
			at = from;
		}
		if (c->todo[at] == i) {
			c->blocks[at] = kept;
			c->todo[at] = UINT32_MAX;
		}
	}
}

/*
 * In a second scan, what was found the first time is found.  (The addresses
 * are kept inverted: they must not point to anything.)
 */
static void
hold_what_was_found(struct oh_reach_check *c)
{
	uint32_t k = 0;

	for (uint32_t i = 0; i < c->region->count; i++) {
		const struct oh_reach_block *b = &c->blocks[i];
		while (k < c->before_count && ~c->before[k].key < b->start)
			k++;
		bool was_lost = k < c->before_count && ~c->before[k].key == b->start &&
				c->before[k].value == b->birth_cs;
		if (!was_lost)
			c->marks[i] |= OH_POINTS_HELD;
	}
}

/* ---- the child: memory ------------------------------------------------------------- */

static void
on_fault(int sig)
{
	(void)sig;
	faulty->fault = true;
	__builtin_longjmp(resume, 1);
}

static void
never(void)
{
}

/* Only in the child: its handlers are a copy. */
static void
catch_faults(struct oh_reach_check *c)
{
	/* The handler never returns, but without a restorer the kernel does not call it. */
	struct oh_sys_sigaction sa = {
		.handler = on_fault,
		.flags = SA_NODEFER | 0x04000000, /* SA_RESTORER */
		.restorer = never,
	};
	uint64_t both = UINT64_C(1) << (SIGSEGV - 1) | UINT64_C(1) << (SIGBUS - 1);

	faulty = c;
	(void)OH_SYS(rt_sigaction, SIGSEGV, &sa, 0, sizeof(sa.mask), 0, 0);
	(void)OH_SYS(rt_sigaction, SIGBUS, &sa, 0, sizeof(sa.mask), 0, 0);
	(void)OH_SYS(rt_sigprocmask, SIG_UNBLOCK, &both, 0, sizeof(both), 0, 0);
}

static OH_NOINLINE void
scan(struct oh_reach_check *c, uintptr_t start, uintptr_t limit)
{
	start = (start + 7) & ~(uintptr_t)7;
	limit &= ~(uintptr_t)7;
	if (start >= limit || __builtin_setjmp(resume) != 0)
		return;
	oh_points_scan(&c->points, (const uint64_t *)start, (const uint64_t *)limit);
}

/* Where the words of a block end: its last one may be cut. */
static uintptr_t
words_end(const struct oh_reach_block *b)
{
	return (b->end + 7) & ~(uintptr_t)7;
}

/* [start, limit) as roots, but not the contents of blocks. */
static void
scan_between(struct oh_reach_check *c, uintptr_t start, uintptr_t limit)
{
	uint32_t low = 0, high = c->region->count;

	/* The first block that ends behind `start`. */
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		if (words_end(&c->blocks[mid]) <= start)
			low = mid + 1;
		else
			high = mid;
	}
	for (; low < c->region->count && c->blocks[low].start < limit; low++) {
		const struct oh_reach_block *b = &c->blocks[low];
		if (b->start > start)
			scan(c, start, b->start);
		if (words_end(b) > start)
			start = words_end(b);
	}
	if (start < limit)
		scan(c, start, limit);
}

struct cut {
	struct oh_reach_check *c;
	void (*fn)(struct oh_reach_check *c, uintptr_t start, uintptr_t limit);
};

/* A run of pages, without what is not the program's. */
static void
each_run(uintptr_t start, uintptr_t limit, void *arg)
{
	struct cut *cut = arg;
	struct oh_reach_check *c = cut->c;
	const struct oh_reach_ask *ask = c->ask;

	while (start < limit) {
		uintptr_t end = limit;
		bool own = false;
		for (uint32_t i = 0; i < ask->own_count; i++) {
			const struct oh_reach_range *o = &ask->own[i];
			if (start >= o->start && start < o->limit) {
				own = true;
				end = o->limit < limit ? o->limit : limit;
				break;
			}
			if (o->start > start && o->start < end)
				end = o->start;
		}
		if (!own) {
			c->region->result.scanned_bytes += end - start;
			cut->fn(c, start, end);
		}
		start = end;
	}
}

/* Wiped; or the kernel does not tell the child which of these pages there are. */
static bool
is_left_out(const struct oh_map *m)
{
	return m->wiped || (m->huge && m->shared);
}

/* Memory that the child's map says it has, to be read there. */
static bool
is_memory(const struct oh_map *m)
{
	return !m->device && !is_left_out(m);
}

static void
scan_map(struct oh_reach_check *c, const struct oh_map *m)
{
	uintptr_t from = m->start, main_sp = c->ask->main_sp;
	struct cut cut = { c, m->shared ? scan : scan_between };

	if (!is_memory(m) || (m->nothing && !m->shared))
		return;
	if (m->start == (uintptr_t)c->region)
		return;
	/* It may hold what it held when it could be read; in our copy it can be. */
	if (!m->read && OH_SYS(mprotect, m->start, m->limit - m->start, PROT_READ, 0, 0, 0) != 0) {
		c->fault = true;
		return;
	}
	if (m->main_stack && main_sp > m->start && main_sp < m->limit)
		from = main_sp & ~(uintptr_t)7;
	if (from > m->start) {
		/* oh_maps_touched() knows whole pages. */
		uintptr_t first = (from + OH_REACH_PAGE - 1) & ~(OH_REACH_PAGE - 1);
		each_run(from, first < m->limit ? first : m->limit, &cut);
		from = first;
	}
	if (from < m->limit && oh_maps_touched(c->pagemap, m, from, m->limit, each_run, &cut) != 0)
		leave(c->region, "the kernel does not say which pages are used");
}

static const struct oh_map *
map_of(struct oh_reach_check *c, uintptr_t at)
{
	uint32_t i = oh_maps_find(c->maps, c->region->map_count, at);

	return i < c->region->map_count ? &c->maps[i] : NULL;
}

struct contents {
	struct oh_reach_check *c;
	uintptr_t start, limit;
};

static void
scan_part(uintptr_t start, uintptr_t limit, void *arg)
{
	struct contents *k = arg;

	if (start < k->start)
		start = k->start;
	if (limit > k->limit)
		limit = k->limit;
	if (start < limit)
		scan(k->c, start, limit);
}

static void
scan_contents(struct oh_points *p, uint32_t i, void *arg)
{
	struct oh_reach_check *c = arg;
	const struct oh_reach_block *b = &p->blocks[i];
	struct contents k = { c, b->start, words_end(b) };

	c->region->result.scanned_bytes += k.limit - k.start;
	if (k.limit - k.start <= WHOLE_READ) {
		scan(c, k.start, k.limit);
		return;
	}
	for (uintptr_t at = k.start; at < k.limit;) {
		const struct oh_map *m = map_of(c, at);
		if (m == NULL)
			break;
		/* What is in shared mappings was scanned with the roots. */
		if (!m->shared && is_memory(m) &&
		    oh_maps_touched(c->pagemap, m, at, k.limit, scan_part, &k) != 0)
			leave(c->region, "the kernel does not say which pages are used");
		at = m->limit;
	}
}

/*
 * Does a thread keep its vector of thread-local storage by this word?  It
 * points to the second entry, of 16 bytes; it stands between two words that
 * point to where they are, the thread control block (psABI; glibc's tcbhead_t).
 */
static __attribute__((no_sanitize("address", "thread"))) bool
is_thread_vector(const struct oh_reach_block *b, uintptr_t at, const uint64_t *word)
{
	uintptr_t block = (uintptr_t)(word - 1);

	/* Thread control blocks are aligned so: the words beside it are of its page. */
	return at - b->start == 16 && block % 64 == 0 && word[-1] == block && word[1] == block;
}

static uint8_t
inside(const struct oh_reach_block *b, uintptr_t at, const uint64_t *word, void *arg)
{
	const struct oh_map *m = map_of(arg, b->start);

	if (is_thread_vector(b, at, word))
		return OH_POINTS_START;
	if (m != NULL && m->read && !m->device && !m->wiped && !m->shared &&
	    oh_chunks_is_link(b->start, b->end, at, (uintptr_t)word, m->start, m->limit))
		return 0;
	return OH_POINTS_INTERIOR;
}

static bool
is_old(const uint64_t *word, void *arg)
{
	struct oh_reach_check *c = arg;
	uint64_t bit =
	    ((uintptr_t)word / 8 * UINT64_C(0x9e3779b97f4a7c15)) >> (64 - OH_REACH_LG_OLD);

	/*
	 * A pointer that moves while we are copied may come to memory that is free in
	 * a part of the copy.  What is old was there the first time, too.
	 */
	if (c->second && (c->before_old[bit / 64] >> (bit % 64) & 1) == 0)
		return false;
	if (!oh_freed_has(&c->freed, (uintptr_t)word))
		return false;
	c->region->old[bit / 64] |= (uint64_t)1 << (bit % 64);
	return true;
}

/* Where that would need memory that cannot be read, none is known to be free. */
static OH_NOINLINE void
find_freed(struct oh_reach_check *c)
{
	if (__builtin_setjmp(resume) == 0) {
		oh_freed_find(&c->freed, c->ask->allocator, c->maps, c->region->map_count);
	} else {
		c->freed = (struct oh_freed){ 0 };
		c->fault = false;
	}
}

/* ---- the child: mappings -------------------------------------------------------------- */

static bool
keep_map(const struct oh_map *m, void *arg)
{
	struct oh_reach_check *c = arg;

	if (c->region->map_count == c->map_room)
		leave(c->region, "there are too many mappings");
	c->maps[c->region->map_count++] = *m;
	return true;
}

static void
add_missing(struct oh_reach_check *c, uintptr_t start, uintptr_t limit, bool shared)
{
	struct oh_reach_region *r = c->region;

	if (r->missing_count == OH_REACH_MISSING_MAX)
		leave(r, "there are too many mappings that a fork leaves out");
	r->missing[r->missing_count++] =
	    (struct oh_map){ .start = start, .limit = limit, .read = true, .shared = shared };
	for (uint32_t i = 0; i < r->count; i++)
		if (c->blocks[i].start < limit && c->blocks[i].end > start)
			c->marks[i] |= OH_POINTS_ELSEWHERE;
}

/* What the worker has and we have not, or have empty. */
static void
find_missing(struct oh_reach_check *c)
{
	uint32_t k = 0;

	for (uint32_t i = 0; i < c->mapped_count; i++) {
		uintptr_t at = c->mapped[i].start;
		while (k < c->region->map_count && c->maps[k].limit <= at)
			k++;
		for (uint32_t j = k; at < c->mapped[i].limit; j++) {
			uintptr_t next = j < c->region->map_count ? c->maps[j].start : UINTPTR_MAX;
			if (next > c->mapped[i].limit)
				next = c->mapped[i].limit;
			if (next > at)
				add_missing(c, at, next, c->mapped[i].shared);
			at = j < c->region->map_count && c->maps[j].limit > next ? c->maps[j].limit
										 : next;
		}
	}
	for (uint32_t i = 0; i < c->region->map_count; i++)
		if (is_left_out(&c->maps[i]))
			add_missing(c, c->maps[i].start, c->maps[i].limit, c->maps[i].shared);
}

static int
open_own(struct oh_reach_check *c, const char *path)
{
	long fd = oh_sys_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);

	if (fd < 0)
		leave(c->region, oh_reach_no_proc);
	return (int)fd;
}

/* ---- the child: all of it -------------------------------------------------------------- */

/*
 * Go where the worker went.  The kernel sees to it, but not if the worker was
 * gone before it was asked to; after an exec our parent is the same process.
 */
static void
live_with_worker(struct oh_reach_check *c)
{
	if (OH_SYS(getppid, 0, 0, 0, 0, 0, 0) != c->parent ||
	    OH_SYS(tgkill, c->parent, c->worker, 0, 0, 0, 0) == -ESRCH)
		leave(c->region, "the worker ended");
}

static void
settle_in(struct oh_reach_check *c)
{
	static const char first[] = "1000";
	struct rlimit no_core = { 1, 1 }; /* 0 would still feed a pipe: core(5) */

	(void)OH_SYS(prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0, 0);
	live_with_worker(c);
	(void)OH_SYS(prctl, PR_SET_NAME, "otheap-scan", 0, 0, 0, 0);
	(void)OH_SYS(prlimit64, 0, RLIMIT_CORE, &no_core, 0, 0, 0);
	/* Where memory runs out, rather we than anybody else. */
	long fd = oh_sys_openat(AT_FDCWD, "/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC, 0);
	if (fd >= 0) {
		(void)oh_sys_write((int)fd, first, sizeof(first) - 1);
		(void)oh_sys_close((int)fd);
	}
	catch_faults(c);
}

static void
count_up(struct oh_reach_check *c)
{
	struct oh_reach_result *ret = &c->region->result;

	ret->blocks = c->region->count;
	for (uint32_t i = 0; i < c->region->count; i++)
		ret->found[c->leak[i]]++;
}

_Noreturn OH_NOINLINE void
oh_reach_child(struct oh_reach_check *c)
{
	struct oh_reach_region *r = c->region;
	uint32_t seen;

	settle_in(c);
	int smaps = open_own(c, "/proc/self/smaps");
	/* After setuid(2) only who has more rights may read it: then it is done without. */
	c->pagemap = (int)oh_sys_openat(AT_FDCWD, "/proc/self/pagemap", O_RDONLY | O_CLOEXEC, 0);
	if (c->pagemap < 0 && c->pagemap != -EACCES)
		leave(r, "/proc/self cannot be read");
	oh_live_each(collect, c);
	if (r->count == c->room)
		leave(r, "too many blocks were sampled meanwhile");
	oh_sort(c->order, r->count);
	arrange(c);
	if (oh_maps_each(smaps, r->text, OH_REACH_TEXT, keep_map, c) != 0 || r->map_count == 0)
		leave(r, "/proc/self/smaps cannot be read");
	find_missing(c);
	if (c->second)
		hold_what_was_found(c);
	c->points = (struct oh_points){
		.blocks = c->blocks,
		.count = r->count,
		.marks = c->marks,
		.leak = c->leak,
		.todo = c->todo,
		.filter = c->filter,
		.contents = scan_contents,
		.inside = inside,
		.arg = c,
	};
	oh_points_init(&c->points);
	oh_reach_set_state(r, OH_REACH_LISTED);

	oh_points_scan(&c->points, r->words, r->words + r->word_count);
	find_freed(c);
	/* Memory from here on; in what blocks hold, nothing is free. */
	c->points.is_old = is_old;
	for (uint32_t i = 0; i < r->map_count; i++)
		scan_map(c, &c->maps[i]);
	c->points.is_old = NULL;
	while ((seen = oh_load_acquire(&r->state)) == OH_REACH_LISTED) { /* [P1] */
		oh_reach_wait_state(r, seen, 1000);
		live_with_worker(c);
	}
	for (uint32_t i = 0; i < r->count; i++)
		c->marks[i] |= c->marks_worker[i];
	oh_points_settle(&c->points);
	if (c->second)
		r->result.unsure = oh_points_doubt(&c->points, c->unseen, (uint64_t *)c->order);
	if (c->fault)
		leave(r, "memory that cannot be read");
	count_up(c);
	leave(r, NULL);
}
