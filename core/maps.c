/* SPDX-License-Identifier: Apache-2.0 */
/*
 * maps.c - what memory has this process, and which of it was ever touched?
 *
 * Lines of maps begin with a digit (the address, in hexadecimal), those that
 * smaps adds with a capital: proc_pid_smaps(5).
 *
 * Which pages: the PAGEMAP_SCAN request (Linux 6.7) skips what was never
 * touched without looking at each page; before it, eight bytes for each page
 * are read from pagemap.  After a fork a shared page is not in the page table
 * of the child until it is read, so for shared mappings mincore is asked,
 * which knows of the file's pages.  Reading a hole of a shared mapping would
 * fill it.
 *
 * A process that has given up rights may read neither.  Then mincore is asked
 * for private mappings as well.  It does not know what is in swap, and of a file
 * it may say anything; such mappings are taken whole.
 */
#include "core/maps.h"

#include <errno.h>
#include <string.h>

#include "core/base.h"
#include "core/sys.h"

#define PAGE ((uintptr_t)4096)

/* ---- mappings ---------------------------------------------------------------- */

static const char *
hex(const char *s, uintptr_t *ret)
{
	uintptr_t v = 0;

	for (;; s++) {
		if (*s >= '0' && *s <= '9')
			v = v << 4 | (uintptr_t)(*s - '0');
		else if (*s >= 'a' && *s <= 'f')
			v = v << 4 | (uintptr_t)(*s - 'a' + 10);
		else
			break;
	}
	*ret = v;
	return s;
}

static bool
parse_head(const char *line, struct oh_map *m)
{
	const char *s = hex(line, &m->start);

	if (*s != '-')
		return false;
	s = hex(s + 1, &m->limit);
	if (*s != ' ' || strlen(s) < 5 || m->limit < m->start)
		return false;
	m->read = s[1] == 'r';
	m->write = s[2] == 'w';
	m->shared = s[4] == 's';
	size_t n = strlen(s);
	m->main_stack = n > 7 && strcmp(s + n - 7, "[stack]") == 0;
	for (int i = 0; i < 3 && s != NULL; i++) /* mode, offset, device: then the inode */
		s = strchr(s + 1, ' ');
	m->file = s != NULL && s[1] >= '1' && s[1] <= '9';
	return true;
}

/* Is `flag`, two letters, on the line of flags? */
static bool
has_flag(const char *line, const char *flag)
{
	for (const char *s = line; (s = strchr(s, ' ')) != NULL;) {
		s++;
		if (s[0] == flag[0] && s[1] == flag[1])
			return true;
	}
	return false;
}

/* Is the number after the name of the field 0? */
static bool
is_zero(const char *line)
{
	const char *s = strchr(line, ':');

	for (s = s == NULL ? "" : s + 1; *s == ' '; s++)
		;
	return s[0] == '0' && s[1] == ' ';
}

static void
parse_field(const char *line, struct oh_map *m)
{
	if (strncmp(line, "Rss:", 4) == 0) {
		m->nothing = is_zero(line);
	} else if (strncmp(line, "Anonymous:", 10) == 0) {
		/* Of a file nothing was changed: it holds no pointers. */
		m->nothing = m->nothing || (is_zero(line) && m->file && !m->shared);
	} else if (strncmp(line, "Swap:", 5) == 0) {
		m->swapped = !is_zero(line);
		m->nothing = m->nothing && !m->swapped;
	} else if (strncmp(line, "VmFlags:", 8) == 0) {
		m->device = has_flag(line, "io") || has_flag(line, "pf");
		m->wiped = has_flag(line, "wf");
		m->unreserved = has_flag(line, "nr");
		m->huge = has_flag(line, "ht");
		/* They are counted elsewhere. */
		m->nothing = m->nothing && !m->huge;
	}
}

struct lines {
	struct oh_map map;
	bool any;
	bool (*fn)(const struct oh_map *, void *);
	void *arg;
};

static bool
take_line(struct lines *l, const char *line)
{
	struct oh_map m = { 0 };

	if (*line >= 'A' && *line <= 'Z') {
		parse_field(line, &l->map);
		return true;
	}
	if (!parse_head(line, &m))
		return true;
	bool go_on = !l->any || l->fn(&l->map, l->arg);
	l->map = m;
	l->any = true;
	return go_on;
}

int
oh_maps_each(
    int fd, char *buf, size_t buf_bytes, bool (*fn)(const struct oh_map *m, void *arg), void *arg)
{
	struct lines l = { .fn = fn, .arg = arg };
	size_t have = 0;
	bool cut = false; /* the line was longer than the buffer: drop the rest of it */

	for (;;) {
		long n = oh_sys_read(fd, buf + have, buf_bytes - have);
		if (n == -EINTR)
			continue;
		if (n < 0)
			return (int)n;
		if (n == 0)
			break;
		have += (size_t)n;
		char *from = buf, *end;
		while ((end = memchr(from, '\n', have - (size_t)(from - buf))) != NULL) {
			*end = '\0';
			if (!cut && !take_line(&l, from))
				return 0;
			cut = false;
			from = end + 1;
		}
		have -= (size_t)(from - buf);
		memmove(buf, from, have);
		if (have == buf_bytes) {
			buf[buf_bytes - 1] = '\0';
			if (!cut && !take_line(&l, buf))
				return 0;
			cut = true;
			have = 0;
		}
	}
	if (l.any)
		(void)fn(&l.map, arg);
	return 0;
}

/* ---- pages ------------------------------------------------------------------- */

/* Linux, include/uapi/linux/fs.h. */
struct page_region {
	uint64_t start, end, categories;
};

struct scan_request {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t inverted, mask, any_of, return_mask;
};
_Static_assert(sizeof(struct scan_request) == 96, "as the number of the request says");

#define REQUEST_SCAN 0xc0606610ul /* _IOWR('f', 16, 96 bytes) */
#define IS_FILE (UINT64_C(1) << 2)
#define IS_PRESENT (UINT64_C(1) << 3)
#define IS_SWAPPED (UINT64_C(1) << 4)
#define IS_ZERO (UINT64_C(1) << 5)

/* Linux, Documentation/admin-guide/mm/pagemap.rst. */
#define ENTRY_PRESENT (UINT64_C(1) << 63)
#define ENTRY_SWAPPED (UINT64_C(1) << 62)
#define ENTRY_FILE (UINT64_C(1) << 61)

struct run {
	uintptr_t start, limit;
	void (*fn)(uintptr_t, uintptr_t, void *);
	void *arg;
};

static void
flush(struct run *r)
{
	if (r->limit > r->start)
		r->fn(r->start, r->limit, r->arg);
	r->start = r->limit = 0;
}

static void
extend(struct run *r, uintptr_t start, uintptr_t limit)
{
	if (r->limit != start) {
		flush(r);
		r->start = start;
	}
	r->limit = limit;
}

static int
private_by_scan(int pagemap, uintptr_t from, uintptr_t to, struct run *r)
{
	struct page_region found[32];

	while (from < to) {
		struct scan_request q = {
			.size = sizeof(q),
			.start = from,
			.end = to,
			.vec = (uintptr_t)found,
			.vec_len = OH_ARRAY_LEN(found),
			.inverted = IS_FILE | IS_ZERO,
			.mask = IS_FILE | IS_ZERO,
			.any_of = IS_PRESENT | IS_SWAPPED,
			.return_mask = IS_PRESENT,
		};
		long n = OH_SYS(ioctl, pagemap, REQUEST_SCAN, &q, 0, 0, 0);
		if (n < 0)
			return (int)n;
		for (long i = 0; i < n; i++)
			extend(r, found[i].start, found[i].end);
		if (q.walk_end <= from)
			return -EIO;
		from = q.walk_end;
	}
	return 0;
}

/* A reservation of a terabyte has 2 GiB of entries: not by the kilobyte. */
static uint64_t entry[2048];

static int
private_by_entry(int pagemap, uintptr_t from, uintptr_t to, struct run *r)
{
	while (from < to) {
		size_t want = (to - from) / PAGE;
		if (want > OH_ARRAY_LEN(entry))
			want = OH_ARRAY_LEN(entry);
		long n = OH_SYS(pread64, pagemap, entry, want * sizeof(*entry),
		    from / PAGE * sizeof(*entry), 0, 0);
		if (n < (long)sizeof(*entry))
			return n < 0 ? (int)n : -EIO;
		for (size_t i = 0; i < (size_t)n / sizeof(*entry); i++, from += PAGE)
			if ((entry[i] & (ENTRY_PRESENT | ENTRY_SWAPPED)) != 0 &&
			    (entry[i] & ENTRY_FILE) == 0)
				extend(r, from, from + PAGE);
	}
	return 0;
}

static int
resident(uintptr_t from, uintptr_t to, struct run *r)
{
	unsigned char in[1024];

	while (from < to) {
		uintptr_t end = to - from > sizeof(in) * PAGE ? from + sizeof(in) * PAGE : to;
		long err = OH_SYS(mincore, from, end - from, in, 0, 0, 0);
		if (err == -ENOMEM) /* not mapped any more */
			return 0;
		if (err < 0)
			return (int)err;
		for (size_t i = 0; from < end; i++, from += PAGE)
			if ((in[i] & 1) != 0)
				extend(r, from, from + PAGE);
	}
	return 0;
}

int
oh_maps_touched(int pagemap, const struct oh_map *m, uintptr_t from, uintptr_t to,
    void (*fn)(uintptr_t start, uintptr_t limit, void *arg), void *arg)
{
	struct run r = { .fn = fn, .arg = arg };
	int err = 0;

	from = (from < m->start ? m->start : from) & ~(PAGE - 1);
	to = ((to > m->limit ? m->limit : to) + PAGE - 1) & ~(PAGE - 1);
	if (m->shared) {
		err = resident(from, to, &r);
	} else if (pagemap < 0 && (m->swapped || (m->file && !m->huge))) {
		extend(&r, from, to);
	} else if (pagemap < 0) {
		err = resident(from, to, &r);
	} else {
		err = private_by_scan(pagemap, from, to, &r);
		/* An older kernel does not know the request: it found nothing yet. */
		if (err == -ENOTTY || err == -EINVAL)
			err = private_by_entry(pagemap, from, to, &r);
	}
	flush(&r);
	return err;
}
