/* SPDX-License-Identifier: Apache-2.0 */
/*
 * input.h - the bytes of a profile, from a file, stdin or memory, unpacked.
 *
 * Gzip (any number of members) and plain bytes are told apart by their first
 * two bytes.  Only a window is kept: what the reader has consumed is gone.
 */
#ifndef OH_TOOLS_INPUT_H
#define OH_TOOLS_INPUT_H

#include <stddef.h>
#include <stdint.h>

#include "core/base.h"
#include "tools/mem.h"

struct oh_input;

/*
 * Open the file `path`, or stdin for "-", or what a descriptor still has, which
 * stays the caller's, or `len` bytes at `mem`.
 *
 *   max_bytes  most bytes that may come out, unpacked; more is an error.  The
 *              input's own memory stays below twice that.
 * Returns NULL with the reason in *err.  oh_input_free takes NULL.
 */
struct oh_input *oh_input_open(const char *path, uint64_t max_bytes, struct oh_error *err);
struct oh_input *oh_input_open_fd(int fd, uint64_t max_bytes, struct oh_error *err);
struct oh_input *oh_input_open_mem(
    const void *mem, size_t len, uint64_t max_bytes, struct oh_error *err);
void oh_input_free(struct oh_input *in);

/*
 * Have at least `want` bytes in one piece, fewer only at the end of the input.
 *
 * Returns how many there are, from *ret on; they stay until the next call.
 * 0 is the end.  Trouble (damage, size limit, read error) also ends the input:
 * check err->text[0] where that matters.
 */
size_t oh_input_peek(struct oh_input *in, size_t want, const uint8_t **ret, struct oh_error *err);

/* Forget the first `len` bytes of what was peeked. */
void oh_input_skip(struct oh_input *in, size_t len);

/*
 * The next line of a text, without its end ("\n" or "\r\n"); it stays until
 * the next call.  False at the end, and on trouble: check err->text[0].  A NUL
 * is trouble, too.
 */
bool oh_input_line(struct oh_input *in, const char **ret, size_t *ret_len, struct oh_error *err);

#endif
