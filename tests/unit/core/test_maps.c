/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_maps.c - mappings as the kernel lists them, and the pages that are used.
 */
#include "unit.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "core/maps.h"

#define PAGE ((size_t)4096)

static struct oh_map found[64];
static size_t found_count, stop_after;

static bool
keep(const struct oh_map *m, void *arg)
{
	ck_assert_ptr_eq(arg, found);
	if (found_count < OH_ARRAY_LEN(found))
		found[found_count] = *m;
	found_count++;
	return stop_after == 0 || found_count < stop_after;
}

/* Read `text` with a buffer of that many bytes. */
static int
read_text(const char *text, size_t bytes)
{
	static char buf[64 * 1024];
	FILE *f = tmpfile();

	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fflush(f);
	rewind(f);
	found_count = 0;
	memset(found, 0, sizeof(found));
	int err = oh_maps_each(fileno(f), buf, bytes, keep, found);
	fclose(f);
	return err;
}

static const char smaps[] =
    "00400000-00452000 r-xp 00000000 08:02 173521 /usr/bin/dbus-daemon\n"
    "Size:                328 kB\n"
    "Rss:                 100 kB\n"
    "Anonymous:             0 kB\n"
    "Swap:                  0 kB\n"
    "VmFlags: rd ex mr mw me dw \n"
    "7f0000000000-7f0000010000 rw-s 00000000 00:05 99 /dev/card pf (deleted)\n"
    "Rss:                   0 kB\n"
    "Swap:                  0 kB\n"
    "VmFlags: rd wr sh mr mw me ms pf io de dd \n"
    "7f0000020000-7f0000030000 rw-p 00000000 00:00 0 \n"
    "Rss:                   0 kB\n"
    "Swap:                  4 kB\n"
    "VmFlags: rd wr mr mw me ac wf \n"
    "7f0000040000-7f0000050000 ---p 00000000 00:00 0 \n"
    "Rss:                   0 kB\n"
    "Swap:                  0 kB\n"
    "VmFlags: mr mw me ac \n"
    "7f0000060000-7f0000080000 rw-p 00000000 00:0e 5 /anon_hugepage (deleted)\n"
    "Rss:                   0 kB\n"
    "Swap:                  0 kB\n"
    "VmFlags: rd wr mr mw me nr de ht \n"
    "7ffd00000000-7ffd00021000 rw-p 00000000 00:00 0                   [stack]\n"
    "Rss:                  12 kB\n"
    "Swap:                  0 kB\n"
    "VmFlags: rd wr mr mw me gd ac \n"
    "7ffd00030000-7ffd00031000 rw-p 00010000 08:02 7 /usr/lib/libc.so.6\n"
    "Rss:                   4 kB\n"
    "Anonymous:             4 kB\n"
    "Swap:                  0 kB\n"
    "VmFlags: rd wr mr mw me ac \n"
    "7ffd00040000-7ffd00041000 rw-p 00010000 08:02 7 /usr/lib/libc.so.6\n"
    "Rss:                   0 kB\n"
    "Anonymous:             0 kB\n"
    "Swap:                  4 kB\n"
    "VmFlags: rd wr mr mw me ac \n";

static void
check_smaps(void)
{
	ck_assert_uint_eq(found_count, 8);
	ck_assert_uint_eq(found[0].start, 0x400000);
	ck_assert_uint_eq(found[0].limit, 0x452000);
	ck_assert(found[0].read && !found[0].write && !found[0].shared);
	ck_assert(found[0].file && found[0].nothing); /* the file's own pages */
	ck_assert(found[1].shared && found[1].device && found[1].write && found[1].nothing);
	ck_assert(found[2].wiped && !found[2].nothing && !found[2].device);
	ck_assert(found[2].swapped && !found[2].file && !found[2].huge);
	ck_assert(!found[3].read && found[3].nothing && !found[3].wiped);
	ck_assert(!found[4].nothing && found[4].huge); /* they are not in these counts */
	ck_assert(found[4].unreserved && !found[5].huge && !found[5].unreserved);
	ck_assert(found[5].main_stack && !found[4].main_stack && !found[5].file);
	ck_assert(found[6].file && !found[6].nothing && !found[6].swapped);
	ck_assert(found[7].swapped && !found[7].nothing);
}

START_TEST(every_field_is_understood)
{
	stop_after = 0;
	ck_assert_int_eq(read_text(smaps, 16384), 0);
	check_smaps();
}
END_TEST

/* The kernel gives as much as fits; a line may end anywhere. */
START_TEST(any_buffer_will_do)
{
	stop_after = 0;
	for (size_t bytes = 90; bytes < 300; bytes++) {
		ck_assert_int_eq(read_text(smaps, bytes), 0);
		check_smaps();
	}
	/* A path of any length costs only its end. */
	char text[3000] = "1000-2000 rw-p 00000000 00:00 0 /";
	memset(text + strlen(text), 'x', 2500);
	strcat(text, "\n3000-4000 r--s 00000000 00:00 0 /y\n");
	ck_assert_int_eq(read_text(text, 100), 0);
	ck_assert_uint_eq(found_count, 2);
	ck_assert_uint_eq(found[0].limit, 0x2000);
	ck_assert(found[0].write && found[1].shared && found[1].start == 0x3000);
}
END_TEST

START_TEST(what_is_no_mapping_is_passed_over)
{
	stop_after = 0;
	ck_assert_int_eq(read_text("", 4096), 0);
	ck_assert_uint_eq(found_count, 0);
	ck_assert_int_eq(read_text("what\n1000\n2000-1000 rw-p\n1000-2000\n\n", 4096), 0);
	ck_assert_uint_eq(found_count, 0);
	char buf[100];
	ck_assert_int_eq(oh_maps_each(-1, buf, sizeof(buf), keep, found), -EBADF);
}
END_TEST

START_TEST(it_stops_when_told)
{
	stop_after = 2;
	ck_assert_int_eq(read_text(smaps, 16384), 0);
	ck_assert_uint_eq(found_count, 2);
}
END_TEST

/* ---- pages ------------------------------------------------------------------- */

static uintptr_t runs[64][2];
static size_t run_count;

static void
keep_run(uintptr_t start, uintptr_t limit, void *arg)
{
	ck_assert_ptr_eq(arg, runs);
	ck_assert_uint_lt(start, limit);
	ck_assert_uint_lt(run_count, OH_ARRAY_LEN(runs));
	runs[run_count][0] = start;
	runs[run_count++][1] = limit;
}

static void
touched(const void *at, size_t bytes, bool shared)
{
	struct oh_map m = { .start = (uintptr_t)at,
		.limit = (uintptr_t)at + bytes,
		.read = true,
		.shared = shared };
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	run_count = 0;
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(oh_maps_touched(fd, &m, 0, UINTPTR_MAX, keep_run, runs), 0);
	close(fd);
}

static char *
map(size_t bytes, int flags, int fd)
{
	char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags | MAP_NORESERVE, fd, 0);

	ck_assert_ptr_ne(p, MAP_FAILED);
	/* One page is one page. */
	ck_assert(madvise(p, bytes, MADV_NOHUGEPAGE) == 0 || errno == EINVAL);
	return p;
}

static void
is_run(size_t i, const char *from, size_t first, size_t last)
{
	ck_assert_uint_lt(i, run_count);
	ck_assert_uint_eq(runs[i][0], (uintptr_t)from + first * PAGE);
	ck_assert_uint_eq(runs[i][1], (uintptr_t)from + (last + 1) * PAGE);
}

START_TEST(only_pages_that_were_written)
{
	char *p = map(1000 * PAGE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	volatile char c;

	touched(p, 1000 * PAGE, false);
	ck_assert_uint_eq(run_count, 0);
	p[5 * PAGE] = 1;
	p[6 * PAGE + 4095] = 1;
	p[999 * PAGE] = 1;
	touched(p, 1000 * PAGE, false);
	ck_assert_uint_eq(run_count, 2);
	is_run(0, p, 5, 6);
	is_run(1, p, 999, 999);
	c = p[100 * PAGE]; /* the zero page, which old kernels do not tell apart */
	(void)c;
	touched(p, 1000 * PAGE, false);
	ck_assert_uint_ge(run_count, 2);
	ck_assert_uint_le(run_count, 3);
	is_run(0, p, 5, 6);
	munmap(p, 1000 * PAGE);
}
END_TEST

START_TEST(a_terabyte_of_nothing_is_nothing)
{
	size_t bytes = (size_t)1 << 40;
	char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct oh_map m = { .start = (uintptr_t)p, .limit = (uintptr_t)p + PAGE, .read = true };

	if (p == MAP_FAILED) /* ulimit -v, or a sanitizer that has it already */
		return;
	p[bytes / 2] = 1;
	/* Only where the kernel skips what is not there is all of it asked for. */
	m.start += bytes / 2 - 100 * PAGE;
	m.limit = m.start + 200 * PAGE;
	touched((void *)m.start, 200 * PAGE, false);
	ck_assert_uint_eq(run_count, 1);
	ck_assert(runs[0][0] <= (uintptr_t)p + bytes / 2 && runs[0][1] > (uintptr_t)p + bytes / 2);
	munmap(p, bytes);
}
END_TEST

START_TEST(of_a_private_file_only_what_is_changed)
{
	FILE *f = tmpfile();

	ck_assert_int_eq(ftruncate(fileno(f), 50 * PAGE), 0);
	char *p = map(50 * PAGE, MAP_PRIVATE, fileno(f));
	volatile char c = 0;
	for (int i = 0; i < 50; i++)
		c += p[i * (long)PAGE];
	p[7 * PAGE] = 1;
	touched(p, 50 * PAGE, false);
	ck_assert_uint_eq(run_count, 1);
	is_run(0, p, 7, 7);
	munmap(p, 50 * PAGE);
	fclose(f);
}
END_TEST

/* Also where this process has not looked at them itself, as a forked one. */
START_TEST(of_shared_memory_what_is_there)
{
	char *p = map(50 * PAGE, MAP_SHARED | MAP_ANONYMOUS, -1);

	p[9 * PAGE] = 1;
	p[10 * PAGE] = 1;
	touched(p, 50 * PAGE, true);
	ck_assert_uint_eq(run_count, 1);
	is_run(0, p, 9, 10);
	ck_assert_int_eq(madvise(p, 50 * PAGE, MADV_DONTNEED), 0);
	touched(p, 50 * PAGE, true);
	ck_assert_uint_eq(run_count, 1);
	is_run(0, p, 9, 10);
	munmap(p, 50 * PAGE);
}
END_TEST

START_TEST(a_part_is_cut_at_pages)
{
	char *p = map(20 * PAGE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	struct oh_map m = {
		.start = (uintptr_t)p, .limit = (uintptr_t)p + 20 * PAGE, .read = true
	};
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	memset(p, 1, 20 * PAGE);
	run_count = 0;
	ck_assert_int_eq(
	    oh_maps_touched(fd, &m, m.start + 3 * PAGE + 5, m.start + 6 * PAGE + 1, keep_run, runs),
	    0);
	ck_assert_uint_eq(run_count, 1);
	is_run(0, p, 3, 6);
	close(fd);
	munmap(p, 20 * PAGE);
}
END_TEST

/* Nothing is missing where pagemap may not be read. */
START_TEST(without_pagemap)
{
	char *p = map(50 * PAGE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	struct oh_map m = {
		.start = (uintptr_t)p, .limit = (uintptr_t)p + 50 * PAGE, .read = true
	};

	p[9 * PAGE] = 1;
	p[10 * PAGE] = 1;
	run_count = 0;
	ck_assert_int_eq(oh_maps_touched(-1, &m, 0, UINTPTR_MAX, keep_run, runs), 0);
	ck_assert_uint_eq(run_count, 1);
	is_run(0, p, 9, 10);
	m.huge = m.file = true; /* known as anonymous memory is */
	run_count = 0;
	ck_assert_int_eq(oh_maps_touched(-1, &m, 0, UINTPTR_MAX, keep_run, runs), 0);
	ck_assert_uint_eq(run_count, 1);
	is_run(0, p, 9, 10);
	m.huge = false;
	run_count = 0;
	ck_assert_int_eq(oh_maps_touched(-1, &m, m.start + PAGE, UINTPTR_MAX, keep_run, runs), 0);
	ck_assert_uint_eq(run_count, 1);
	is_run(0, p, 1, 49);
	m.file = false;
	m.swapped = true;
	run_count = 0;
	ck_assert_int_eq(oh_maps_touched(-1, &m, 0, UINTPTR_MAX, keep_run, runs), 0);
	ck_assert_uint_eq(run_count, 1);
	is_run(0, p, 0, 49);
	munmap(p, 50 * PAGE);
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_test(tc, every_field_is_understood);
	tcase_add_test(tc, any_buffer_will_do);
	tcase_add_test(tc, what_is_no_mapping_is_passed_over);
	tcase_add_test(tc, it_stops_when_told);
	tcase_add_test(tc, only_pages_that_were_written);
	tcase_add_test(tc, a_terabyte_of_nothing_is_nothing);
	tcase_add_test(tc, of_a_private_file_only_what_is_changed);
	tcase_add_test(tc, of_shared_memory_what_is_there);
	tcase_add_test(tc, a_part_is_cut_at_pages);
	tcase_add_test(tc, without_pagemap);
}

int
main(void)
{
	return unit_run("maps", add);
}
