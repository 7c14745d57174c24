/* SPDX-License-Identifier: Apache-2.0 */
/*
 * readback.h - what a sink wrote into a memory file, uncompressed again.
 */
#ifndef OH_TESTS_UNIT_PROTO_READBACK_H
#define OH_TESTS_UNIT_PROTO_READBACK_H

#include <check.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

static inline int
memory_file(void)
{
	int fd = memfd_create("sink", MFD_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	return fd;
}

/* All of `fd`, which must be exactly one complete gzip member; caller frees. */
static inline uint8_t *
gunzip_fd(int fd, size_t *ret_len)
{
	off_t size = lseek(fd, 0, SEEK_END);
	ck_assert_int_gt(size, 0);
	uint8_t *in = mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, fd, 0);
	ck_assert_ptr_ne(in, MAP_FAILED);
	size_t room = 64 * 1024, len = 0;
	uint8_t *out = malloc(room);
	z_stream z = { .next_in = in, .avail_in = (uInt)size };
	ck_assert_int_eq(inflateInit2(&z, 15 + 16), Z_OK);
	int r;
	do {
		if (len == room)
			out = realloc(out, room *= 2);
		z.next_out = out + len;
		z.avail_out = (uInt)(room - len);
		r = inflate(&z, Z_NO_FLUSH);
		ck_assert_msg(r == Z_OK || r == Z_STREAM_END, "inflate: %d", r);
		len = z.total_out;
	} while (r != Z_STREAM_END);
	ck_assert_uint_eq(z.avail_in, 0);
	inflateEnd(&z);
	munmap(in, (size_t)size);
	*ret_len = len;
	return out;
}

#endif
