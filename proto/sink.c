/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sink.c - where encoded bytes go: gzip, then a file descriptor.
 *
 * Shape	append -> in (IN_BYTES) -> deflate -> out (OUT_BYTES) -> write(2)
 *	protobuf-c appends a varint at a time; `in` makes one call of deflate
 *	out of thousands of appends.
 *
 * Invariants
 *	I1  error != 0 implies nothing more is written, ever.
 *	I2  error == 0 after the end implies total_in == appended_bytes and
 *	    total_out == written_bytes.
 */
#include "proto/sink.h"

#include <errno.h>
#include <string.h>
#include <zlib.h>

#include "core/sys.h"

#define IN_BYTES (16u * 1024)
#define OUT_BYTES (16u * 1024)

/*
 * Bytes a sample, for the 100,000 sites of test_pprof.c: level 1 28.2, 3 27.2,
 * 5 26.5, 6 26.3, 9 25.9 (68 uncompressed).  Up to 5 time goes to the encoder
 * above; 6 costs a fifth more, 9 four times as much.
 */
#define LEVEL 5
#define GZIP_WINDOW (15 + 16) /* 32 KiB window; +16 asks for a gzip wrapper */
#define MEM_LEVEL 8           /* zlib's default; 256 KiB with this window */

static long
write_raw(int fd, const void *buf, size_t len)
{
	return oh_sys_write(fd, buf, len);
}

long (*OH_SEAM oh_sink_write)(int fd, const void *buf, size_t len) = write_raw;

static voidpf
z_alloc(voidpf opaque, uInt items, uInt size)
{
	return oh_scratch_array(opaque, items, size);
}

static void
z_free(voidpf opaque, voidpf address)
{
	/* The scratch goes as a whole. */
}

void
oh_sink_fail(struct oh_sink *s, int error)
{
	if (s->error == 0)
		s->error = error;
}

static void
write_all(struct oh_sink *s, const uint8_t *p, size_t len)
{
	if (s->fd < 0) {
		s->written_bytes += len;
		return;
	}
	while (len != 0) {
		long n = oh_sink_write(s->fd, p, len);
		if (n == -EINTR)
			continue;
		if (n <= 0) {
			oh_sink_fail(s, n == 0 ? -EIO : (int)n);
			return;
		}
		p += n;
		len -= (size_t)n;
		s->written_bytes += (uint64_t)n;
	}
}

static void
compress_pending(struct oh_sink *s, int flush)
{
	int r;

	if (s->error != 0)
		return;
	s->z->next_in = s->in;
	s->z->avail_in = s->pending_bytes;
	s->pending_bytes = 0;
	do {
		s->z->next_out = s->out;
		s->z->avail_out = OUT_BYTES;
		r = deflate(s->z, flush);
		if (r != Z_OK && r != Z_STREAM_END && r != Z_BUF_ERROR) {
			oh_sink_fail(s, -EIO);
			return;
		}
		write_all(s, s->out, OUT_BYTES - s->z->avail_out);
	} while (s->error == 0 && s->z->avail_out == 0);
	if (s->error == 0 && (s->z->avail_in != 0 || (flush == Z_FINISH && r != Z_STREAM_END)))
		oh_sink_fail(s, -EIO);
}

/* Called by protobuf-c.  Does nothing once an error stuck. */
static void
append(ProtobufCBuffer *base, size_t len, const uint8_t *data)
{
	struct oh_sink *s = (struct oh_sink *)base;

	if (s->error != 0)
		return;
	s->appended_bytes += len;
	while (len > IN_BYTES - s->pending_bytes) {
		size_t part = IN_BYTES - s->pending_bytes;
		memcpy(s->in + s->pending_bytes, data, part);
		s->pending_bytes = IN_BYTES;
		data += part;
		len -= part;
		compress_pending(s, Z_NO_FLUSH);
		if (s->error != 0)
			return;
	}
	if (len != 0)
		memcpy(s->in + s->pending_bytes, data, len);
	s->pending_bytes += (uint32_t)len;
}

int
oh_sink_init(struct oh_sink *s, int fd, struct oh_scratch *scratch)
{
	*s = (struct oh_sink){ .base.append = append, .fd = fd };
	s->z = oh_scratch_alloc(scratch, sizeof(*s->z));
	s->in = oh_scratch_alloc(scratch, IN_BYTES);
	s->out = oh_scratch_alloc(scratch, OUT_BYTES);
	if (s->z == NULL || s->in == NULL || s->out == NULL) {
		s->z = NULL;
		return s->error = -ENOMEM;
	}
	*s->z = (z_stream){ .zalloc = z_alloc, .zfree = z_free, .opaque = scratch };
	/* The parameters are constants that zlib accepts: only memory can fail. */
	if (deflateInit2(s->z, LEVEL, Z_DEFLATED, GZIP_WINDOW, MEM_LEVEL, Z_DEFAULT_STRATEGY) !=
	    Z_OK) {
		s->z = NULL;
		return s->error = -ENOMEM;
	}
	return 0;
}

int
oh_sink_end(struct oh_sink *s)
{
	compress_pending(s, Z_FINISH);
	if (s->error == 0 &&
	    (s->z->total_in != s->appended_bytes || s->z->total_out != s->written_bytes))
		oh_sink_fail(s, -EIO);
	if (s->z != NULL)
		(void)deflateEnd(s->z);
	s->z = NULL;
	return s->error;
}
