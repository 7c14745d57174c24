/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scratch.h - memory for one dump: grab, use, release all at once.
 *
 * A bump allocator over private mappings.  Never the host's heap.  One thread
 * at a time.
 */
#ifndef OH_CORE_SCRATCH_H
#define OH_CORE_SCRATCH_H

#include <stddef.h>

struct oh_scratch {
	void *chunks;       /* newest chunk, each linked to the one before */
	size_t used_bytes;  /* in the newest chunk */
	size_t size_bytes;  /* of the newest chunk */
	size_t total_bytes; /* mapped by all chunks */
};

#define OH_SCRATCH_INIT \
	{ \
		0 \
	}

/*
 * `bytes` of zeroed memory aligned to 16; NULL when the kernel has none (what
 * was handed out before stays valid).  bytes 0 gives a valid pointer.
 */
void *oh_scratch_alloc(struct oh_scratch *s, size_t bytes);

/* `count * bytes` with the multiplication checked. */
void *oh_scratch_array(struct oh_scratch *s, size_t count, size_t bytes);

/* Give everything back; `s` is as after OH_SCRATCH_INIT. */
void oh_scratch_release(struct oh_scratch *s);

#endif
