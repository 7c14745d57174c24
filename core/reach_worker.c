/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reach_worker.c - which sampled live blocks does no word of memory point to?
 *
 *	the worker				its child, a copy of the memory
 *	----------				-------------------------------
 *	lists the mappings, clones
 *						copies the live table, sorts it
 *						finds mappings that are missing here
 *	reads what is missing	    <- LISTED	scans all others
 *				READ ->		follows the pointers, judges
 *	reaps the child		    <- DONE	ends
 *
 * Both share one mapping, `struct region` and the arrays behind it.  The child
 * runs our code alone, from the worker's stack; it is killed when the time is
 * up, when somebody waits for the end of the process, and by the kernel with
 * the worker.  It has no exit signal, so the program's waits do not see it.
 *
 * What would make a verdict wrong, and what is done about it
 *	- Registers of other threads, and pointers that move while the kernel
 *	  copies the page tables: with other threads a block is lost only if it
 *	  is so in two scans, SECOND_LOOK_MS apart, and if there are more of its
 *	  kind than registers would explain (oh_points_doubt).
 *	- Mappings the child has not (MADV_DONTFORK) or has empty
 *	  (MADV_WIPEONFORK), and shared huge pages, of which mincore(2) tells
 *	  only who has touched them: read by the worker, from the process itself.
 *	- Pointers that only the kernel has: those of epoll_ctl(2) and
 *	  timer_create(2) are read from /proc.  Others (io_uring, aio, signals
 *	  and messages on their way) are not seen.
 *	- Memory that cannot be read: then there is no verdict.
 *	- Memory of glibc's that was freed and is handed out while the kernel
 *	  copies it: what points from free memory to a lost block must have
 *	  been there in both scans.
 * Errors in the other direction, a pointer where there is none, are accepted:
 * old words on stacks, and in memory that another malloc has taken back.
 *
 * Memory ordering
 *	[P1] state: stored with release by who has completed that step, loaded
 *	     with acquire by the other, which then reads its arrays.
 */
#include "core/reach.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "core/out.h"
#include "core/reach_inside.h"

#define SECOND_LOOK_MS 50
#define POLL_MS 10

/* What the child has not, read from the process itself. */
static OH_NOINLINE void
read_missing_run(uintptr_t start, uintptr_t limit, void *arg)
{
	struct oh_reach_check *c = arg;
	struct oh_reach_region *r = c->region;

	while (start < limit && r->failed_worker == NULL) {
		size_t n = limit - start < OH_REACH_TEXT ? limit - start : OH_REACH_TEXT;
		struct iovec to = { r->text, n }, from = { (void *)start, n };
		long got = OH_SYS(process_vm_readv, c->worker, &to, 1, &from, 1, 0);
		if (got == -EFAULT) { /* gone, or nothing that can be read */
			start = (start + OH_REACH_PAGE) & ~(OH_REACH_PAGE - 1);
			continue;
		}
		if (got < (long)sizeof(uint64_t)) {
			r->failed_worker = "memory that a fork leaves out cannot be read";
			return;
		}
		oh_points_scan(&c->points, (const uint64_t *)(void *)r->text,
		    (const uint64_t *)(void *)(r->text + (got & ~7L)));
		r->scanned_worker += (uint64_t)got;
		start += (uintptr_t)got & ~(uintptr_t)7;
	}
}

static void
read_missing(struct oh_reach_check *c)
{
	struct oh_reach_region *r = c->region;
	long pagemap = -1;

	c->points = (struct oh_points){
		.blocks = c->blocks,
		.count = r->count,
		.marks = c->marks_worker,
		.filter = c->filter_worker,
	};
	/* The child has cut tangled blocks already: nothing is written to them here. */
	if (r->missing_count > 0) {
		oh_points_init(&c->points);
		pagemap =
		    oh_sys_openat(AT_FDCWD, "/proc/thread-self/pagemap", O_RDONLY | O_CLOEXEC, 0);
		/* Without it, far too much would have to be read. */
		if (pagemap < 0)
			r->failed_worker = "memory that a fork leaves out cannot be read";
	}
	for (uint32_t i = 0; i < r->missing_count && r->failed_worker == NULL; i++)
		if (oh_maps_touched(
			(int)pagemap, &r->missing[i], 0, UINTPTR_MAX, read_missing_run, c) != 0)
			r->failed_worker = "memory that a fork leaves out cannot be read";
	if (pagemap >= 0)
		(void)oh_sys_close((int)pagemap);
	oh_reach_set_state(r, OH_REACH_READ);
}

static bool
keep_mapped(const struct oh_map *m, void *arg)
{
	struct oh_reach_check *c = arg;

	if (!m->read)
		return true;
	if (c->mapped_count == c->map_room)
		return false;
	c->mapped[c->mapped_count++] = *m;
	return true;
}

static bool
count_map(const struct oh_map *m, void *arg)
{
	(void)m;
	++*(uint32_t *)arg;
	return true;
}

/* Read our own maps; 0 or -E... */
static int
each_map(char *text, size_t bytes, bool (*fn)(const struct oh_map *, void *), void *arg)
{
	long fd = oh_sys_openat(AT_FDCWD, "/proc/thread-self/maps", O_RDONLY | O_CLOEXEC, 0);

	if (fd < 0)
		return (int)fd;
	int err = oh_maps_each((int)fd, text, bytes, fn, arg);
	(void)oh_sys_close((int)fd);
	return err;
}

/* One mapping for all that both write. */
static bool
map_region(struct oh_reach_check *c, uint32_t map_count)
{
	c->map_room = map_count + map_count / 4 + 1024;
	c->room = (uint32_t)(oh_live_count() + oh_live_count() / 4 + 4096);
	struct {
		void **to;
		size_t bytes;
	} parts[] = {
		{ (void **)&c->region, sizeof(*c->region) },
		{ (void **)&c->blocks, (size_t)c->room * sizeof(*c->blocks) },
		{ (void **)&c->order, (size_t)c->room * sizeof(*c->order) },
		{ (void **)&c->todo, (size_t)c->room * sizeof(*c->todo) },
		{ (void **)&c->marks, c->room },
		{ (void **)&c->marks_worker, c->room },
		{ (void **)&c->leak, c->room },
		{ (void **)&c->filter, OH_POINTS_FILTER_WORDS * sizeof(*c->filter) },
		{ (void **)&c->filter_worker, OH_POINTS_FILTER_WORDS * sizeof(*c->filter) },
		{ (void **)&c->maps, (size_t)c->map_room * sizeof(*c->maps) },
		{ (void **)&c->mapped, (size_t)c->map_room * sizeof(*c->mapped) },
	};
	size_t all = 0;

	for (size_t i = 0; i < OH_ARRAY_LEN(parts); i++)
		all += (parts[i].bytes + 63) & ~(size_t)63;
	all = (all + OH_REACH_PAGE - 1) & ~(OH_REACH_PAGE - 1);
	long at = OH_SYS(mmap, 0, all, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (oh_sys_failed(at))
		return false;
	for (size_t i = 0; i < OH_ARRAY_LEN(parts); i++) {
		*parts[i].to = (void *)at;
		at += (long)((parts[i].bytes + 63) & ~(size_t)63);
	}
	c->region_bytes = all;
	return true;
}

/*
 * Has the child ended?  A child that a __WALL wait of the program took from us
 * has, too.
 */
static bool
reaped(struct oh_reach_check *c, pid_t pid, int how)
{
	struct rusage used = { 0 };
	long got;

	do {
		got = OH_SYS(wait4, pid, 0, __WCLONE | how, &used, 0, 0);
	} while (got == -EINTR);
	if (got > 0)
		c->cpu_us += (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000 +
			     used.ru_utime.tv_usec + used.ru_stime.tv_usec;
	return got != 0;
}

/* Until the child has ended; NULL or why it had to. */
static const char *
attend(struct oh_reach_check *c, pid_t pid)
{
	struct oh_reach_region *r = c->region;
	const char *why = NULL;
	uint32_t state;

	while ((state = oh_load_acquire(&r->state)) != OH_REACH_DONE) { /* [P1] */
		if (state == OH_REACH_LISTED) {
			read_missing(c);
			continue;
		}
		if (reaped(c, pid, WNOHANG))
			return oh_load_acquire(&r->state) == OH_REACH_DONE
				   ? NULL /* [P1] */
				   : "the scanning child was ended";
		if (oh_sys_now_ms() >= c->until_ms)
			why = "it would have taken too long";
		else if (c->ask->stop != NULL && c->ask->stop())
			why = "the process ends";
		if (why != NULL) {
			(void)OH_SYS(kill, pid, SIGKILL, 0, 0, 0, 0);
			break;
		}
		oh_reach_wait_state(r, state, POLL_MS);
	}
	(void)reaped(c, pid, 0);
	return why;
}

/* One scan: NULL, or why there is none. */
static OH_NOINLINE const char *
look(struct oh_reach_check *c)
{
	uint32_t maps = 0;
	char text[1024];

	if (each_map(text, sizeof(text), count_map, &maps) != 0 || maps == 0)
		return oh_reach_no_proc;
	if (!map_region(c, maps))
		return "no memory";
	const char *why = oh_reach_why_no_fork(c->region, c->ask->max_memory_bytes);
	if (why != NULL)
		return why;
	if (each_map(c->region->text, OH_REACH_TEXT, keep_mapped, c) != 0)
		return oh_reach_no_proc;
	oh_reach_kept_words(c->region);
	if (c->region->failed_worker != NULL)
		return c->region->failed_worker;
	/* No exit signal, nothing shared: a fork that the program cannot see. */
	long pid = OH_SYS(clone, 0, 0, 0, 0, 0, 0);
	if (pid == 0)
		oh_reach_child(c);
	if (pid == -EAGAIN)
		return "the limit of processes is reached";
	if (pid < 0)
		return pid == -ENOMEM ? "no memory for a fork" : "a fork was refused";
	why = attend(c, (pid_t)pid);
	if (why == NULL)
		why = c->region->failed;
	return why != NULL ? why : c->region->failed_worker;
}

static void
drop_region(struct oh_reach_check *c)
{
	if (c->region != NULL)
		(void)oh_sys_unmap(c->region, c->region_bytes);
	c->region = NULL;
	c->mapped_count = 0;
}

/* Remember who was lost, for the second look.  Returns bytes mapped, or -E... */
static long
remember(struct oh_reach_check *c)
{
	uint32_t n = 0, k = 0;

	for (uint32_t i = 0; i < c->region->count; i++)
		n += c->leak[i] == OH_LEAK_LOST || c->leak[i] == OH_LEAK_INDIRECT;
	size_t bytes =
	    (sizeof(c->region->old) + n * sizeof(struct oh_sort_item) + OH_REACH_PAGE - 1) &
	    ~(OH_REACH_PAGE - 1);
	long at = oh_sys_map(bytes, PROT_READ | PROT_WRITE, 0);
	if (oh_sys_failed(at))
		return at;
	memcpy((void *)at, c->region->old, sizeof(c->region->old));
	struct oh_sort_item *to = (struct oh_sort_item *)(at + (long)sizeof(c->region->old));
	for (uint32_t i = 0; i < c->region->count; i++)
		if (c->leak[i] == OH_LEAK_LOST || c->leak[i] == OH_LEAK_INDIRECT)
			to[k++] =
			    (struct oh_sort_item){ ~c->blocks[i].start, c->blocks[i].birth_cs };
	c->before = to;
	c->before_old = (const uint64_t *)at;
	c->before_count = n;
	return (long)bytes;
}

static const char *
look_again(struct oh_reach_check *c, struct oh_reach_result *sum)
{
	const struct oh_reach_result *first = &c->region->result;
	struct timespec gap = { .tv_nsec = SECOND_LOOK_MS * 1000000L };

	sum->scanned_bytes = first->scanned_bytes + c->region->scanned_worker;
	sum->scans = 1;
	if (c->unseen == 0 || first->found[OH_LEAK_LOST] == 0)
		return NULL;
	long bytes = remember(c);
	if (oh_sys_failed(bytes))
		return "no memory";
	drop_region(c);
	(void)OH_SYS(nanosleep, &gap, 0, 0, 0, 0, 0);
	c->second = true;
	const char *why = look(c);
	(void)oh_sys_unmap((void *)c->before_old, (size_t)bytes);
	if (why != NULL)
		return why;
	sum->scanned_bytes += c->region->result.scanned_bytes + c->region->scanned_worker;
	sum->scans = 2;
	return NULL;
}

static const char *
make_check(struct oh_reach_check *c, struct oh_reach_result *ret)
{
	const struct oh_reach_ask *ask = c->ask;

	if (oh_sys_forbidden())
		return "the program has confined itself";
	uint32_t threads = oh_reach_threads();
	if (threads == 0)
		return oh_reach_no_proc;
	c->unseen = threads > ask->waiting + 1 ? threads - ask->waiting - 1 : 0;
	const char *why = look(c);
	if (why == NULL)
		why = look_again(c, ret);
	if (why != NULL)
		return why;
	const struct oh_reach_result *last = &c->region->result;
	ret->blocks = last->blocks;
	memcpy(ret->found, last->found, sizeof(ret->found));
	ret->unsure = last->unsure;
	return NULL;
}

void
oh_reach_check(struct oh_reach *ret, const struct oh_reach_ask *ask)
{
	int64_t start = oh_sys_now_ms();
	struct oh_reach_check c = { .ask = ask,
		.parent = oh_sys_getpid(),
		.worker = oh_sys_gettid(),
		.until_ms = start + ask->limit_ms };

	*ret = (struct oh_reach){ .result = { .asked = true } };
	ret->result.why_not = make_check(&c, &ret->result);
	ret->result.made = ret->result.why_not == NULL;
	ret->result.ms = (uint32_t)(oh_sys_now_ms() - start);
	ret->result.cpu_ms = (uint32_t)(c.cpu_us / 1000);
	if (!ret->result.made) {
		drop_region(&c);
		return;
	}
	ret->blocks = c.blocks;
	ret->leak = c.leak;
	ret->count = c.region->count;
	ret->region = c.region;
	ret->region_bytes = c.region_bytes;
}

enum oh_leak
oh_reach_verdict(const struct oh_reach *r, uintptr_t block, const struct oh_live_record *rec)
{
	uint64_t low = 0, high = r->count;

	while (low < high) {
		uint64_t mid = low + (high - low) / 2;
		if (r->blocks[mid].start < block)
			low = mid + 1;
		else
			high = mid;
	}
	/* Another block may be at that address by now. */
	if (low == r->count || r->blocks[low].start != block || r->blocks[low].site != rec->site ||
	    r->blocks[low].birth_cs != rec->birth_cs)
		return OH_LEAK_NONE;
	return (enum oh_leak)r->leak[low];
}

void
oh_reach_release(struct oh_reach *r)
{
	if (r->region != NULL)
		(void)oh_sys_unmap(r->region, r->region_bytes);
	r->region = NULL;
	r->blocks = NULL;
	r->leak = NULL;
	r->count = 0;
}
