/* SPDX-License-Identifier: Apache-2.0 */
/*
 * out.c - one line of text without stdio.
 */
#include "core/out.h"

#include "core/sys.h"

void
oh_out_reset(struct oh_out *o)
{
	o->len = 0;
	o->text[0] = '\0';
}

void
oh_out_str(struct oh_out *o, const char *s)
{
	/* Room is kept for the newline of oh_out_line() and the NUL. */
	while (*s != '\0' && o->len < sizeof(o->text) - 2)
		o->text[o->len++] = *s++;
	o->text[o->len] = '\0';
}

char *
oh_out_digits(char room[OH_OUT_DIGITS], uint64_t v)
{
	char *p = room + OH_OUT_DIGITS - 1;

	*p = '\0';
	do {
		*--p = (char)('0' + v % 10);
		v /= 10;
	} while (v != 0);
	return p;
}

void
oh_out_u64(struct oh_out *o, uint64_t v)
{
	char digits[OH_OUT_DIGITS];

	oh_out_str(o, oh_out_digits(digits, v));
}

void
oh_out_i64(struct oh_out *o, int64_t v)
{
	if (v < 0)
		oh_out_str(o, "-");
	oh_out_u64(o, v < 0 ? -(uint64_t)v : (uint64_t)v);
}

void
oh_out_line(struct oh_out *o, int fd)
{
	o->text[o->len++] = '\n';
	(void)oh_sys_write(fd, o->text, o->len);
	oh_out_reset(o);
}
