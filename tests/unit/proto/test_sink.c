/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_sink.c - nothing that was appended is ever lost silently.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/sys.h"
#include "proto/sink.h"
#include "tests/unit/proto/readback.h"
#include "tests/unit/suite.h"

static struct oh_scratch scratch;
static struct oh_sink sink;

static void
teardown(void)
{
	oh_scratch_release(&scratch);
}

/* Bytes that do not compress, the same each time. */
static uint8_t
noise(size_t i)
{
	uint64_t x = (i + 1) * UINT64_C(0x9e3779b97f4a7c15);

	return (uint8_t)((x ^ x >> 31) * UINT64_C(0xbf58476d1ce4e5b9) >> 56);
}

static void
append_noise(size_t from, size_t len)
{
	uint8_t buf[70000];

	for (size_t i = 0; i < len; i++)
		buf[i] = noise(from + i);
	sink.base.append(&sink.base, len, buf);
}

static void
expect_noise(int fd, size_t len)
{
	size_t n;
	uint8_t *p = gunzip_fd(fd, &n);

	ck_assert_uint_eq(n, len);
	for (size_t i = 0; i < n; i++) {
		if (p[i] != noise(i))
			ck_abort_msg("byte %zu differs", i);
	}
	free(p);
}

START_TEST(empty_sink_is_a_valid_gzip_file)
{
	int fd = memory_file();

	ck_assert_int_eq(oh_sink_init(&sink, fd, &scratch), 0);
	ck_assert_int_eq(oh_sink_end(&sink), 0);
	expect_noise(fd, 0);
}
END_TEST

START_TEST(what_goes_in_comes_out_for_pieces_of_every_size)
{
	static const size_t sizes[] = { 1, 0, 7, 10, 16384, 16383, 16385, 1, 70000, 32768, 3 };
	size_t total = 0;
	int fd = memory_file();

	ck_assert_int_eq(oh_sink_init(&sink, fd, &scratch), 0);
	for (int round = 0; round < 5; round++) {
		for (size_t i = 0; i < OH_ARRAY_LEN(sizes); i++) {
			append_noise(total, sizes[i]);
			total += sizes[i];
		}
	}
	ck_assert_uint_eq(sink.appended_bytes, total);
	ck_assert_int_eq(oh_sink_end(&sink), 0);
	ck_assert_uint_eq(sink.written_bytes, (uint64_t)lseek(fd, 0, SEEK_END));
	expect_noise(fd, total);
}
END_TEST

/* Every third call is interrupted; the others take one to seven bytes. */
static long
stingy_write(int fd, const void *buf, size_t len)
{
	static unsigned calls;

	if (++calls % 3 == 0)
		return -EINTR;
	return oh_sys_write(fd, buf, len < calls % 7 + 1 ? len : calls % 7 + 1);
}

START_TEST(short_and_interrupted_writes_lose_nothing)
{
	int fd = memory_file();

	oh_sink_write = stingy_write;
	ck_assert_int_eq(oh_sink_init(&sink, fd, &scratch), 0);
	append_noise(0, 60000);
	ck_assert_int_eq(oh_sink_end(&sink), 0);
	expect_noise(fd, 60000);
}
END_TEST

static int failing_write_at;
static int calls_after_failure;

static long
failing_write(int fd, const void *buf, size_t len)
{
	if (failing_write_at == 0) {
		calls_after_failure++;
		return (long)len;
	}
	return --failing_write_at == 0 ? -ENOSPC : (long)len;
}

START_TEST(an_error_at_any_write_is_reported_and_ends_all_writing)
{
	/* 300000 incompressible bytes are 19 writes of 16 KiB, or a few more. */
	for (int at = 1; at <= 19; at++) {
		failing_write_at = at;
		calls_after_failure = 0;
		oh_sink_write = failing_write;
		ck_assert_int_eq(oh_sink_init(&sink, 1, &scratch), 0);
		for (size_t i = 0; i < 300000; i += 50000)
			append_noise(i, 50000);
		ck_assert_int_eq(oh_sink_end(&sink), -ENOSPC);
		ck_assert_int_eq(failing_write_at, 0);
		ck_assert_int_eq(calls_after_failure, 0);
		oh_scratch_release(&scratch);
	}
}
END_TEST

static long
zero_write(int fd, const void *buf, size_t len)
{
	return 0;
}

START_TEST(a_write_of_nothing_is_an_error_not_a_loop)
{
	oh_sink_write = zero_write;
	ck_assert_int_eq(oh_sink_init(&sink, 1, &scratch), 0);
	append_noise(0, 10);
	ck_assert_int_eq(oh_sink_end(&sink), -EIO);
}
END_TEST

START_TEST(full_device_is_enospc)
{
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(oh_sink_init(&sink, fd, &scratch), 0);
	append_noise(0, 10);
	ck_assert_int_eq(oh_sink_end(&sink), -ENOSPC);
	close(fd);
}
END_TEST

START_TEST(closed_descriptor_is_ebadf)
{
	int fd = memory_file();

	ck_assert_int_eq(oh_sink_init(&sink, fd, &scratch), 0);
	append_noise(0, 60000);
	close(fd);
	append_noise(60000, 60000);
	ck_assert_int_eq(oh_sink_end(&sink), -EBADF);
}
END_TEST

START_TEST(first_error_sticks)
{
	int fd = memory_file();

	ck_assert_int_eq(oh_sink_init(&sink, fd, &scratch), 0);
	oh_sink_fail(&sink, -ENOMEM);
	oh_sink_fail(&sink, -EIO);
	append_noise(0, 60000);
	ck_assert_int_eq(oh_sink_end(&sink), -ENOMEM);
	ck_assert_int_eq(oh_sink_end(&sink), -ENOMEM);
	ck_assert_int_eq(lseek(fd, 0, SEEK_END), 0);
}
END_TEST

START_TEST(no_memory_at_any_request_is_enomem)
{
	int failed = 0;

	for (uint64_t n = 1;; n++) {
		int fd = memory_file();
		oh_sys_fail_at(n);
		int r = oh_sink_init(&sink, fd, &scratch);
		append_noise(0, 1000);
		int end = oh_sink_end(&sink);
		oh_sys_fail_at(0);
		ck_assert_int_eq(end, r);
		if (r == 0) {
			expect_noise(fd, 1000);
			close(fd);
			break;
		}
		ck_assert_int_eq(r, -ENOMEM);
		failed++;
		close(fd);
		oh_scratch_release(&scratch);
	}
	ck_assert_int_gt(failed, 0);
}
END_TEST

START_TEST(memory_is_bounded_whatever_goes_through)
{
	ck_assert_int_eq(oh_sink_init(&sink, -1, &scratch), 0);
	size_t at_start = scratch.total_bytes;
	for (size_t i = 0; i < 100; i++)
		append_noise(i * 70000, 70000);
	ck_assert_int_eq(oh_sink_end(&sink), 0);
	ck_assert_uint_eq(scratch.total_bytes, at_start);
	ck_assert_uint_le(at_start, 768 * 1024);
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_checked_fixture(tc, NULL, teardown);
	tcase_add_test(tc, empty_sink_is_a_valid_gzip_file);
	tcase_add_test(tc, what_goes_in_comes_out_for_pieces_of_every_size);
	tcase_add_test(tc, short_and_interrupted_writes_lose_nothing);
	tcase_add_test(tc, an_error_at_any_write_is_reported_and_ends_all_writing);
	tcase_add_test(tc, a_write_of_nothing_is_an_error_not_a_loop);
	tcase_add_test(tc, full_device_is_enospc);
	tcase_add_test(tc, closed_descriptor_is_ebadf);
	tcase_add_test(tc, first_error_sticks);
	tcase_add_test(tc, no_memory_at_any_request_is_enomem);
	tcase_add_test(tc, memory_is_bounded_whatever_goes_through);
}

int
main(void)
{
	return unit_run("sink", add);
}
