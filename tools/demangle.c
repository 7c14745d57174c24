/* SPDX-License-Identifier: Apache-2.0 */
/*
 * demangle.c - C++ and Rust symbol names as people write them.
 *
 * Why the callback form of libiberty and a jump out of it: a mangled name of
 * some hundred bytes can stand for one of many gigabytes (substitutions
 * double at each step), and cplus_demangle() would try to build it.  The
 * printing side of libiberty holds no memory that the jump could lose but, with
 * a punycode identifier of Rust, one small buffer.
 */
#include "tools/demangle.h"

#include <setjmp.h>
#include <stdint.h>
#include <string.h>

#include <libiberty/demangle.h>

struct out {
	char *buf;
	size_t len;
	jmp_buf too_long;
};

bool
oh_is_mangled(const char *s)
{
	/* Mach-O style names of cross tools carry one more '_'. */
	return s[0] == '_' && (s[1] == 'Z' || s[1] == 'R' || (s[1] == '_' && s[2] == 'Z'));
}

static void
append(const char *s, size_t len, void *arg)
{
	struct out *out = arg;

	if (len >= OH_DEMANGLE_MAX - out->len)
		longjmp(out->too_long, 1);
	memcpy(out->buf + out->len, s, len);
	out->len += len;
}

/*
 * "name(args) [clone .part.0]" of compiler-made copies: the clone is the same
 * function to a reader, so the short form ends before it.
 */
static void
cut_clone(char *name)
{
	char *clone = strstr(name, " [clone");

	if (clone != NULL)
		*clone = '\0';
}

static bool
demangle_into(struct out *out, const char *symbol, int options)
{
	if (setjmp(out->too_long) != 0)
		return false;
	if (rust_demangle_callback(symbol, options, append, out) && out->len > 0)
		return true;
	out->len = 0;
	return cplus_demangle_v3_callback(symbol, options | DMGL_GNU_V3, append, out) &&
	       out->len > 0;
}

const char *
oh_demangle(char *buf, const char *symbol, bool full)
{
	struct out out = { .buf = buf };

	if (!oh_is_mangled(symbol) ||
	    !demangle_into(&out, symbol, DMGL_ANSI | (full ? DMGL_PARAMS : DMGL_RET_DROP)))
		return symbol;
	buf[out.len] = '\0';
	if (!full)
		cut_clone(buf);
	return buf;
}
