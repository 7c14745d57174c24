/* SPDX-License-Identifier: Apache-2.0 */
/*
 * escape.c - strings of a profile in files that programs read.
 *
 * Sources  RFC 8259 (JSON), RFC 4180 (CSV), RFC 3629 (UTF-8), XML 1.0 s. 2.2.
 */
#include "tools/escape.h"

#include <stdint.h>
#include <string.h>

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/*
 * The code point at *s, moving past it; UINT32_MAX for a byte that begins no
 * well-formed one (too long forms and surrogates are not), 0 at the end.
 */
static uint32_t
next(const char **s)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *at = (const unsigned char *)*s;
	unsigned n = at[0] < 0x80             ? 1
		     : (at[0] & 0xe0) == 0xc0 ? 2
		     : (at[0] & 0xf0) == 0xe0 ? 3
		     : (at[0] & 0xf8) == 0xf0 ? 4
					      : 0;
	uint32_t c;

	if (n == 1) {
		*s += at[0] != '\0';
		return at[0];
	}
	*s += 1;
	if (n == 0)
		return UINT32_MAX;
	c = at[0] & (0x7fu >> n);
	for (unsigned i = 1; i < n; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return UINT32_MAX;
		c = c << 6 | (at[i] & 0x3fu);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return UINT32_MAX;
	*s += n - 1;
	return c;
}

/* Write a string; `special` writes a code point in its own way, or returns false. */
static void
put(FILE *to, const char *s, bool (*special)(FILE *to, uint32_t c))
{
	for (const char *from = s; *s != '\0'; from = s) {
		uint32_t c = next(&s);

		if (c == UINT32_MAX)
			(void)fputs(REPLACEMENT, to);
		else if (!special(to, c))
			(void)fwrite(from, 1, (size_t)(s - from), to);
	}
}

static bool
special_json(FILE *to, uint32_t c)
{
	if (c == '"' || c == '\\') {
		(void)fprintf(to, "\\%c", (int)c);
		return true;
	}
	if (c >= 0x20 && c != '<' && c != '>' && c != '&' && c != 0x7f && c != 0x2028 &&
	    c != 0x2029)
		return false;
	(void)fprintf(to, "\\u%04x", (unsigned)c);
	return true;
}

void
oh_put_json(FILE *to, const char *s)
{
	(void)putc('"', to);
	put(to, s, special_json);
	(void)putc('"', to);
}

static bool
is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0);
}

static bool
special_csv(FILE *to, uint32_t c)
{
	if (c == '"')
		(void)fputs("\"\"", to);
	else if (is_control(c))
		(void)putc(' ', to);
	else
		return false;
	return true;
}

void
oh_put_csv(FILE *to, const char *s)
{
	(void)putc('"', to);
	put(to, s, special_csv);
	(void)putc('"', to);
}

static bool
special_folded(FILE *to, uint32_t c)
{
	if (c != ';' && !is_control(c))
		return false;
	(void)putc(c == ';' ? ':' : ' ', to);
	return true;
}

void
oh_put_folded(FILE *to, const char *s)
{
	put(to, s, special_folded);
}

static bool
special_csv_frame(FILE *to, uint32_t c)
{
	return special_folded(to, c) || special_csv(to, c);
}

void
oh_put_csv_frame(FILE *to, const char *s)
{
	put(to, s, special_csv_frame);
}

static bool
special_xml(FILE *to, uint32_t c)
{
	if (c == '<')
		(void)fputs("&lt;", to);
	else if (c == '>')
		(void)fputs("&gt;", to);
	else if (c == '&')
		(void)fputs("&amp;", to);
	else if (c == '"')
		(void)fputs("&quot;", to);
	else if (c == '\'')
		(void)fputs("&#39;", to);
	else if (is_control(c) || c == 0xfffe || c == 0xffff)
		(void)fputs(REPLACEMENT, to);
	else
		return false;
	return true;
}

void
oh_put_xml(FILE *to, const char *s)
{
	put(to, s, special_xml);
}

/* Format characters (Unicode 15 s. 23.2): no width, or another direction. */
static bool
is_hidden(uint32_t c)
{
	return c == 0x61c || (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
	       (c >= 0x2060 && c <= 0x2069) || c == 0xfeff;
}

void
oh_put_html(FILE *to, const char *s, size_t most)
{
	for (const char *from = s; *s != '\0'; from = s) {
		uint32_t c = next(&s);

		if (most-- == 0) {
			(void)fputs("\xe2\x80\xa6", to);
			return;
		}
		if (c == UINT32_MAX || is_hidden(c))
			(void)fputs(REPLACEMENT, to);
		else if (!special_xml(to, c))
			(void)fwrite(from, 1, (size_t)(s - from), to);
	}
}
