/* SPDX-License-Identifier: Apache-2.0 */
/*
 * out.h - one line of text without stdio.
 *
 * Builds a line in the caller's buffer and writes it with one write(2), so
 * that lines of several processes do not mix.  What does not fit is cut.
 * Any thread, any signal context; no errno, no locale, no allocation.
 */
#ifndef OH_CORE_OUT_H
#define OH_CORE_OUT_H

#include <stddef.h>
#include <stdint.h>

struct oh_out {
	size_t len; /* without the final NUL, always < sizeof(text) */
	char text[600];
};

#define OH_OUT_DIGITS 21u

/* The decimal digits of `v` and a NUL, at the end of `room`.  Returns the first. */
char *oh_out_digits(char room[OH_OUT_DIGITS], uint64_t v);

void oh_out_reset(struct oh_out *o);
void oh_out_str(struct oh_out *o, const char *s);
void oh_out_u64(struct oh_out *o, uint64_t v);
void oh_out_i64(struct oh_out *o, int64_t v);

/* Append a newline and write the line to `fd`.  Errors are ignored. */
void oh_out_line(struct oh_out *o, int fd);

#endif
