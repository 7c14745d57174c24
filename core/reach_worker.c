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
 *	  (MADV_WIPEONFORK): read by the worker, from the process itself.
 *	- Pointers that only the kernel has: those of epoll_ctl(2) are read from
 *	  /proc/self/fdinfo.  Others (io_uring, timers, aio) are not seen.
 *	- Memory that cannot be read: then there is no verdict.
 * Errors in the other direction, a pointer where there is none, are accepted:
 * old words on stacks and in memory that was freed.
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

static int64_t
now_ms(void)
{
	struct timespec ts = { 0 };

	(void)OH_SYS(clock_gettime, CLOCK_MONOTONIC, &ts, 0, 0, 0, 0);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* What the child has not, read from the process itself. */
static OH_NOINLINE void
read_missing_run(uintptr_t start, uintptr_t limit, void *arg)
{
	struct oh_reach_check *c = arg;
	struct oh_reach_region *r = c->region;

	while (start < limit && r->failed_worker == NULL) {
		size_t n = limit - start < OH_REACH_TEXT ? limit - start : OH_REACH_TEXT;
		struct iovec to = { r->text, n }, from = { (void *)start, n };
		long got = OH_SYS(process_vm_readv, c->parent, &to, 1, &from, 1, 0);
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

/* Read our maps; 0 or -E... */
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

struct dirent64 {
	uint64_t ino, off;
	uint16_t len;
	uint8_t type;
	char name[];
};

/* Call `fn` for each entry whose name is a number.  0 or -E... */
static OH_NOINLINE int
each_number(const char *folder, void (*fn)(const char *name, void *arg), void *arg)
{
	char buf[1024] __attribute__((aligned(8)));
	long fd = oh_sys_openat(AT_FDCWD, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0), n;

	if (fd < 0)
		return (int)fd;
	while ((n = OH_SYS(getdents64, fd, buf, sizeof(buf), 0, 0, 0)) > 0) {
		for (long at = 0; at < n;) {
			const struct dirent64 *d = (const struct dirent64 *)(void *)(buf + at);
			if (d->name[0] >= '0' && d->name[0] <= '9')
				fn(d->name, arg);
			at += d->len;
		}
	}
	(void)oh_sys_close((int)fd);
	return (int)n;
}

static void
count_one(const char *name, void *arg)
{
	(void)name;
	++*(uint32_t *)arg;
}

static void
keep_word(struct oh_reach_region *r, uint64_t word)
{
	if (r->word_count == OH_REACH_WORDS_MAX)
		r->failed_worker = "an epoll set is too large";
	else
		r->words[r->word_count++] = word;
}

/* Lines `tfd: 5 events: 19 data: 55d0c0ffee pos:0 ...` of an epoll set: proc_pid_fdinfo(5). */
static void
take_epoll_text(struct oh_reach_region *r, char *text)
{
	static const char key[] = "data:";

	for (char *s = text; (s = strstr(s, key)) != NULL;) {
		uint64_t word = 0;
		for (s += sizeof(key) - 1; *s == ' '; s++)
			;
		for (;; s++) {
			if (*s >= '0' && *s <= '9')
				word = word << 4 | (uint64_t)(*s - '0');
			else if (*s >= 'a' && *s <= 'f')
				word = word << 4 | (uint64_t)(*s - 'a' + 10);
			else
				break;
		}
		keep_word(r, word);
	}
}

static void
read_epoll(struct oh_reach_region *r, const char *path)
{
	long fd = oh_sys_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0), n;
	size_t have = 0;

	if (fd < 0)
		return;
	while ((n = oh_sys_read((int)fd, r->text + have, OH_REACH_TEXT - 1 - have)) > 0) {
		/* Whole lines; the rest waits for more. */
		have += (size_t)n;
		char *end = memrchr(r->text, '\n', have);
		if (end == NULL)
			break;
		*end++ = '\0';
		size_t rest = have - (size_t)(end - r->text);
		take_epoll_text(r, r->text);
		memmove(r->text, end, rest);
		have = rest;
	}
	(void)oh_sys_close((int)fd);
}

/* The descriptors of one thread. */
struct table {
	struct oh_reach_region *region;
	const char *thread;
	uint32_t seen;
};

static void
put_path(struct oh_out *path, const char *thread, const char *what, const char *name)
{
	oh_out_reset(path);
	oh_out_str(path, "/proc/self/task/");
	oh_out_str(path, thread);
	oh_out_str(path, what);
	oh_out_str(path, name);
}

static void
look_at_descriptor(const char *name, void *arg)
{
	static const char wanted[] = "anon_inode:[eventpoll]";
	struct table *t = arg;
	struct oh_out path;
	char to[sizeof(wanted) + 1];

	t->seen++;
	put_path(&path, t->thread, "/fd/", name);
	long n = oh_sys_readlink(path.text, to, sizeof(to));
	if (n != (long)sizeof(wanted) - 1 || memcmp(to, wanted, sizeof(wanted) - 1) != 0)
		return;
	put_path(&path, t->thread, "/fdinfo/", name);
	read_epoll(t->region, path.text);
}

/*
 * The threads of the program share one table, which ours is not.  Of a thread
 * that has ended, as the first one may, it is empty.
 */
static void
look_at_thread(const char *name, void *arg)
{
	struct table *t = arg;
	struct oh_out path;
	char own[OH_OUT_DIGITS];

	if (t->seen > 0 ||
	    strcmp(name, oh_out_digits(own, (uint64_t)OH_SYS(gettid, 0, 0, 0, 0, 0, 0))) == 0)
		return;
	t->thread = name;
	put_path(&path, name, "/fd", "");
	(void)each_number(path.text, look_at_descriptor, t);
}

/* Would our child be the first process of another PID namespace?  That one must be the program's.
 */
static bool
child_would_be_elsewhere(void)
{
	char here[64], there[64];
	long n = oh_sys_readlink("/proc/thread-self/ns/pid", here, sizeof(here));
	long k = oh_sys_readlink("/proc/thread-self/ns/pid_for_children", there, sizeof(there));

	return n <= 0 || n != k || memcmp(here, there, (size_t)n) != 0;
}

/* Memory of a thread's process that is not swapped out; 0 = not known, or it has ended. */
static uint64_t
resident_bytes(const char *statm)
{
	char text[128];
	long fd = oh_sys_openat(AT_FDCWD, statm, O_RDONLY | O_CLOEXEC, 0);
	uint64_t pages = 0;

	if (fd < 0)
		return 0;
	long n = oh_sys_read((int)fd, text, sizeof(text) - 1);
	(void)oh_sys_close((int)fd);
	text[n < 0 ? 0 : n] = '\0';
	const char *s = strchr(text, ' '); /* the second number: proc_pid_statm(5) */
	for (s = s == NULL ? "" : s + 1; *s >= '0' && *s <= '9'; s++)
		pages = pages * 10 + (uint64_t)(*s - '0');
	return pages * OH_REACH_PAGE;
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
		if (now_ms() >= c->until_ms)
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
		return "/proc/self cannot be read";
	if (!map_region(c, maps))
		return "no memory";
	if (each_map(c->region->text, OH_REACH_TEXT, keep_mapped, c) != 0)
		return "/proc/self cannot be read";
	struct table table = { .region = c->region };
	(void)each_number("/proc/self/task", look_at_thread, &table);
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
	const char *why = attend(c, (pid_t)pid);
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
	    ((n + 1) * sizeof(struct oh_sort_item) + OH_REACH_PAGE - 1) & ~(OH_REACH_PAGE - 1);
	long at = oh_sys_map(bytes, PROT_READ | PROT_WRITE, 0);
	if (oh_sys_failed(at))
		return at;
	struct oh_sort_item *to = (struct oh_sort_item *)at;
	for (uint32_t i = 0; i < c->region->count; i++)
		if (c->leak[i] == OH_LEAK_LOST || c->leak[i] == OH_LEAK_INDIRECT)
			to[k++] =
			    (struct oh_sort_item){ ~c->blocks[i].start, c->blocks[i].birth_cs };
	c->before = to;
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
	(void)oh_sys_unmap((void *)c->before, (size_t)bytes);
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
	uint32_t threads = 0;

	if (oh_sys_forbidden())
		return "the program has confined itself";
	uint64_t bytes = resident_bytes("/proc/thread-self/statm");
	if (ask->max_memory_bytes > 0 && bytes > ask->max_memory_bytes)
		return "the process is larger than OTHEAP_LEAK_MAX_MEMORY";
	if (child_would_be_elsewhere())
		return "children go to another PID namespace, or /proc/self cannot be read";
	if (each_number("/proc/self/task", count_one, &threads) != 0)
		return "/proc/self cannot be read";
	/* The first thread is listed as long as there are others. */
	if (bytes > 0 && resident_bytes("/proc/self/statm") == 0)
		threads--;
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
	int64_t start = now_ms();
	struct oh_reach_check c = {
		.ask = ask, .parent = oh_sys_getpid(), .until_ms = start + ask->limit_ms
	};

	*ret = (struct oh_reach){ .result = { .asked = true } };
	ret->result.why_not = make_check(&c, &ret->result);
	ret->result.made = ret->result.why_not == NULL;
	ret->result.ms = (uint32_t)(now_ms() - start);
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
