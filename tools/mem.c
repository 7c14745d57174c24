/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mem.c - memory and error words of the command.
 */
#include "tools/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

bool
oh_error_set(struct oh_error *err, const char *fmt, ...)
{
	va_list ap;

	if (err->text[0] != '\0')
		return false;
	va_start(ap, fmt);
	(void)vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	return false;
}

static void
out_of_memory(void)
{
	(void)fputs("otheap: out of memory\n", stderr);
	exit(OH_EXIT_BAD);
}

void *
oh_xcalloc(size_t count, size_t size)
{
	void *p = calloc(count ? count : 1, size);

	if (p == NULL)
		out_of_memory();
	return p;
}

void *
oh_xrealloc(void *old, size_t count, size_t size)
{
	void *p = reallocarray(old, count ? count : 1, size);

	if (p == NULL)
		out_of_memory();
	return p;
}

void *
oh_xgrow_slow(void *array, size_t *cap, size_t need, size_t size)
{
	size_t want = *cap ? *cap : 16;

	while (want < need)
		want *= 2;
	array = oh_xrealloc(array, want, size);
	*cap = want;
	return array;
}
