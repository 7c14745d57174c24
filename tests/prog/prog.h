/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prog.h - what the programs that know their own heap have in common.
 *
 * A site is a function of its own: its name is how a script finds it in a
 * profile.  Lines `truth FUNCTION ALLOC_OBJECTS ALLOC_BYTES LIVE_OBJECTS
 * LIVE_BYTES` say what a profile must show, `bad ...` what went wrong inside.
 * Nothing here allocates.
 */
#ifndef OTHEAP_TESTS_PROG_H
#define OTHEAP_TESTS_PROG_H

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SITE __attribute__((noinline, noclone, unused))

static __attribute__((unused)) int bad_count;

/* One line to standard output, whole, without stdio's buffer. */
static inline __attribute__((format(printf, 1, 2))) void
say(const char *format, ...)
{
	char line[512];
	va_list ap;

	va_start(ap, format);
	int n = vsnprintf(line, sizeof(line) - 1, format, ap);
	va_end(ap);
	if (n < 0 || n > (int)sizeof(line) - 2)
		n = (int)sizeof(line) - 2;
	line[n] = '\n';
	if (write(STDOUT_FILENO, line, (size_t)n + 1) < 0)
		_exit(99);
}

static inline void
truth(const char *function, long objects, long bytes, long live_objects, long live_bytes)
{
	say("truth %s %ld %ld %ld %ld", function, objects, bytes, live_objects, live_bytes);
}

#define CHECK(what) \
	do { \
		if (!(what)) { \
			bad_count++; \
			say("bad %s:%d: %s", __FILE__, __LINE__, #what); \
		} \
	} while (0)

/* Keep the compiler from knowing what becomes of a block. */
static inline void *
hide(void *p)
{
	__asm__ volatile("" : "+r"(p) : : "memory");
	return p;
}

/* Until somebody closes our standard input. */
static inline void
wait_for_eof(void)
{
	char c;

	while (read(STDIN_FILENO, &c, 1) != 0)
		;
}

#endif
