/* SPDX-License-Identifier: Apache-2.0 */
/*
 * print.h - numbers and strings as people read them.
 */
#ifndef OH_TOOLS_PRINT_H
#define OH_TOOLS_PRINT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/base.h"

/* How to show bytes: the largest unit that fits each value, or always the same one. */
enum oh_byte_unit {
	OH_BYTES_AUTO,
	OH_BYTES_EXACT, /* plain number of bytes */
	OH_BYTES_KIB,
	OH_BYTES_MIB,
	OH_BYTES_GIB,
};

#define OH_VALUE_MAX 40 /* room for any text that oh_format_value() makes */

/* The unit called auto, bytes (b), KiB, MiB, GiB (kb, k ... too).  False if there is none such. */
bool oh_parse_byte_unit(const char *s, enum oh_byte_unit *ret);

/*
 * A size: digits, then perhaps k, m or g (1024s; "kb", "KiB" too).  False for
 * anything else and for more than 64 bits.
 */
bool oh_parse_size(const char *s, uint64_t *ret);

/*
 * Write `value` of the pprof unit `unit` into buf[OH_VALUE_MAX]: bytes as
 * "12.34 MiB", nanoseconds and their like as "1.50 s", counts as they are.
 * A long double holds every int64_t exactly.
 * Returns buf.
 */
const char *oh_format_value(
    char *buf, long double value, const char *unit, enum oh_byte_unit byte_unit);

/* part / whole as "12.3%"; of nothing: "0.0%".  buf has OH_VALUE_MAX bytes.  Returns buf. */
const char *oh_format_percent(char *buf, double part, double whole);

/*
 * Length of the UTF-8 character that a text begins with, if it is well-formed
 * and may be printed; else 0.  A NUL ends the text, too.
 */
size_t oh_printable(const void *text, size_t len);

/*
 * Write a string from a profile so that it cannot do anything to a terminal:
 * control characters and broken UTF-8 become '?'.
 */
void oh_print_clean(FILE *to, const char *s);

/* The part of a path after its last '/'. */
const char *oh_base_name(const char *path);

#endif
