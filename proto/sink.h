/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sink.h - where encoded bytes go: gzip, then a file descriptor.
 *
 * A ProtobufCBuffer whose append cannot fail upwards (protobuf-c has no way
 * to ask), so the first error sticks: everything after it is discarded and
 * oh_sink_end() reports it.  A sink that ended with 0 holds every byte that
 * was appended; there is no silent truncation.
 *
 * One thread at a time.  Memory comes from the caller's scratch, about 300
 * KiB; never from malloc.  Raw system calls: no errno, no stdio, and nothing
 * in thread-local storage.
 */
#ifndef OH_PROTO_SINK_H
#define OH_PROTO_SINK_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base.h"
#include "core/scratch.h"

struct z_stream_s;

struct oh_sink {
	ProtobufCBuffer base;    /* first: append casts it back */
	int fd;                  /* not owned; -1 = discard */
	int error;               /* 0, or the first -E... */
	uint32_t pending_bytes;  /* in `in`, not yet compressed */
	uint64_t appended_bytes; /* accepted, before compression */
	uint64_t written_bytes;  /* on the descriptor, after compression */
	struct z_stream_s *z;
	uint8_t *in, *out;
};

/*
 * Begin a gzip member on `fd`.  `fd` stays the caller's; -1 compresses and
 * discards (for measuring).  Returns 0 or -ENOMEM; a sink that failed here may
 * still be appended to and ended, and says the same error again.
 */
int oh_sink_init(struct oh_sink *s, int fd, struct oh_scratch *scratch);

/* Make `error` (-E...) the sink's error, unless it already has one. */
void oh_sink_fail(struct oh_sink *s, int error);

/*
 * Compress and write what is left, and the trailer.  Returns 0, or the first
 * error of the sink's life: -ENOMEM, what write(2) said, -EIO if it wrote
 * nothing or if the bytes compressed are not the bytes appended.
 */
int oh_sink_end(struct oh_sink *s);

/* Seam: write(2), for tests of short and interrupted writes. */
extern long (*OH_SEAM oh_sink_write)(int fd, const void *buf, size_t len);

#endif
