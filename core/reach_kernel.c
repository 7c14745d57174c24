/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reach_kernel.c - what does the kernel know of this process that a leak check
 * needs and its memory does not show?
 *
 * Pointers that only the kernel has: those of epoll_ctl(2) and timer_create(2).
 * And what speaks against a fork.
 *
 * The first thread may have ended before the others (pthread_exit in main).
 * Then /proc/self, which is about that thread, is empty in places:
 * /proc/thread-self is not.
 */
#include <fcntl.h>
#include <string.h>

#include "core/out.h"
#include "core/reach_inside.h"

struct dirent64 {
	uint64_t ino, off;
	uint16_t len;
	uint8_t type;
	char name[];
};

/* Call `fn` for each entry of a folder.  0 or -E... */
static OH_NOINLINE int
each_entry(const char *folder, void (*fn)(const char *name, void *arg), void *arg)
{
	char buf[1024] __attribute__((aligned(8)));
	long fd = oh_sys_openat(AT_FDCWD, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0), n;

	if (fd < 0)
		return (int)fd;
	while ((n = OH_SYS(getdents64, fd, buf, sizeof(buf), 0, 0, 0)) > 0) {
		for (long at = 0; at < n;) {
			const struct dirent64 *d = (const struct dirent64 *)(void *)(buf + at);
			if (d->name[0] != '.')
				fn(d->name, arg);
			at += d->len;
		}
	}
	(void)oh_sys_close((int)fd);
	return (int)n;
}

static const char *
number(const char *s, uint64_t *ret)
{
	uint64_t v = 0;

	for (; *s >= '0' && *s <= '9'; s++)
		v = v * 10 + (uint64_t)(*s - '0');
	*ret = v;
	return s;
}

/* The beginning of a file, as a string.  false if there is none. */
static bool
read_text(const char *path, char *text, size_t bytes)
{
	long fd = oh_sys_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);

	if (fd < 0)
		return false;
	long n = oh_sys_read((int)fd, text, bytes - 1);
	(void)oh_sys_close((int)fd);
	text[n < 0 ? 0 : n] = '\0';
	return n > 0;
}

static void
count_one(const char *name, void *arg)
{
	(void)name;
	++*(uint32_t *)arg;
}

/* Memory of a thread's process that is not swapped out; 0 = not known, or it has ended. */
static uint64_t
resident_bytes(const char *statm)
{
	char text[128];
	uint64_t pages = 0;

	/* The second number: proc_pid_statm(5). */
	if (read_text(statm, text, sizeof(text)) && strchr(text, ' ') != NULL)
		(void)number(strchr(text, ' ') + 1, &pages);
	return pages * OH_REACH_PAGE;
}

uint32_t
oh_reach_threads(void)
{
	uint32_t n = 0;

	if (each_entry("/proc/self/task", count_one, &n) != 0)
		return 0;
	/* The first thread is listed as long as there are others. */
	if (n > 1 && resident_bytes("/proc/self/statm") == 0)
		n--;
	return n;
}

/* ---- pointers that the kernel keeps --------------------------------------------------- */

static void
keep_word(struct oh_reach_region *r, uint64_t word)
{
	if (r->word_count == OH_REACH_WORDS_MAX)
		r->failed_worker = "the kernel keeps too many pointers for the program";
	else
		r->words[r->word_count++] = word;
}

/* Where these files have a pointer: `key`, on the same line `before`, hexadecimal digits. */
struct place {
	const char *key;
	char before;
};

static void
take_text(struct oh_reach_region *r, const char *text, const struct place *p)
{
	for (const char *s = text; (s = strstr(s, p->key)) != NULL;) {
		uint64_t word = 0;
		for (s += strlen(p->key); *s != p->before && *s != '\n' && *s != '\0'; s++)
			;
		for (; *s == p->before; s++)
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
take_file(struct oh_reach_region *r, const char *path, const struct place *p)
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
		take_text(r, r->text, p);
		memmove(r->text, end, rest);
		have = rest;
	}
	(void)oh_sys_close((int)fd);
}

struct descriptors {
	struct oh_reach_region *region;
	const char *thread;
	uint64_t self; /* has a table of its own */
	bool done;
};

static void
look_at_descriptor(const char *name, void *arg)
{
	static const char wanted[] = "anon_inode:[eventpoll]";
	/* `tfd: 5 events: 19 data: 55d0c0ffee pos:0 ...`: proc_pid_fdinfo(5) */
	static const struct place place = { "data:", ' ' };
	struct descriptors *d = arg;
	struct oh_out path;
	char to[sizeof(wanted) + 1];

	d->done = true;
	oh_out_reset(&path);
	oh_out_str(&path, "/proc/self/task/");
	oh_out_str(&path, d->thread);
	oh_out_str(&path, "/fd/");
	size_t n = path.len - 1;
	oh_out_str(&path, name);
	long k = oh_sys_readlink(path.text, to, sizeof(to));
	if (k != (long)sizeof(wanted) - 1 || memcmp(to, wanted, sizeof(wanted) - 1) != 0)
		return;
	path.len = n;
	oh_out_str(&path, "info/");
	oh_out_str(&path, name);
	take_file(d->region, path.text, &place);
}

/* The first thread with descriptors: those of all others are the same. */
static void
look_at_thread(const char *name, void *arg)
{
	struct descriptors *d = arg;
	struct oh_out path;
	uint64_t tid;

	(void)number(name, &tid);
	if (d->done || tid == d->self)
		return;
	d->thread = name;
	oh_out_reset(&path);
	oh_out_str(&path, "/proc/self/task/");
	oh_out_str(&path, name);
	oh_out_str(&path, "/fd");
	(void)each_entry(path.text, look_at_descriptor, d);
}

void
oh_reach_kept_words(struct oh_reach_region *r)
{
	/* `signal: 10/000055d0c0ffee`: proc_pid_timers(5) */
	static const struct place timers = { "signal:", '/' };
	struct descriptors d = { .region = r, .self = (uint64_t)oh_sys_gettid() };

	(void)each_entry("/proc/self/task", look_at_thread, &d);
	take_file(r, "/proc/self/timers", &timers);
}

/* ---- what speaks against a fork ----------------------------------------------------------- */

struct huge {
	uint64_t bytes; /* of private mappings */
	bool unreserved, scarce;
};

static bool
add_huge(const struct oh_map *m, void *arg)
{
	struct huge *h = arg;

	if (m->huge && !m->shared) {
		h->bytes += m->limit - m->start;
		h->unreserved |= m->unreserved;
	}
	return true;
}

static uint64_t
pool_number(const char *pool, const char *file)
{
	struct oh_out path;
	char text[32];
	uint64_t v = 0;

	oh_out_reset(&path);
	oh_out_str(&path, "/sys/kernel/mm/hugepages/");
	oh_out_str(&path, pool);
	oh_out_str(&path, file);
	if (read_text(path.text, text, sizeof(text)))
		(void)number(text, &v);
	return v;
}

/* `hugepages-2048kB` */
static void
look_at_pool(const char *name, void *arg)
{
	struct huge *h = arg;
	uint64_t kib = 0, free = pool_number(name, "/free_hugepages");
	uint64_t reserved = pool_number(name, "/resv_hugepages");

	if (strchr(name, '-') != NULL)
		(void)number(strchr(name, '-') + 1, &kib);
	if (pool_number(name, "/nr_hugepages") > 0 && (free - reserved) * kib * 1024 < h->bytes)
		h->scarce = true;
}

/*
 * A page that a fork shares is copied when the program writes to it.  Where no
 * huge page is left for that the kernel ends the program, if it has no
 * reservation, or takes the page from the child.
 */
static const char *
huge_pages(struct oh_reach_region *r)
{
	static const char key[] = "\nHugetlbPages:";
	struct huge h = { 0 };

	if (!read_text("/proc/thread-self/status", r->text, OH_REACH_TEXT))
		return NULL;
	const char *s = strstr(r->text, key);
	for (s = s == NULL ? "0" : s + sizeof(key) - 1; *s == ' ' || *s == '\t'; s++)
		;
	if (*s == '0')
		return NULL;
	long fd = oh_sys_openat(AT_FDCWD, "/proc/thread-self/smaps", O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return oh_reach_no_proc;
	int err = oh_maps_each((int)fd, r->text, OH_REACH_TEXT, add_huge, &h);
	(void)oh_sys_close((int)fd);
	if (err != 0)
		return oh_reach_no_proc;
	if (h.unreserved)
		return "huge pages of the program are not reserved";
	if (h.bytes > 0 && each_entry("/sys/kernel/mm/hugepages", look_at_pool, &h) != 0)
		h.scarce = true;
	return h.scarce ? "too few huge pages are free" : NULL;
}

const char *
oh_reach_why_no_fork(struct oh_reach_region *r, uint64_t max_memory_bytes)
{
	char here[64], there[64];

	if (max_memory_bytes > 0 && resident_bytes("/proc/thread-self/statm") > max_memory_bytes)
		return "the process is larger than OTHEAP_LEAK_MAX_MEMORY";
	/* The first process of another PID namespace must be the program's. */
	long n = oh_sys_readlink("/proc/thread-self/ns/pid", here, sizeof(here));
	long k = oh_sys_readlink("/proc/thread-self/ns/pid_for_children", there, sizeof(there));
	if (n <= 0)
		return oh_reach_no_proc;
	if (n != k || memcmp(here, there, (size_t)n) != 0)
		return "children go to another PID namespace";
	return huge_pages(r);
}
