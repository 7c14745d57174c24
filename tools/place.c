/* SPDX-License-Identifier: Apache-2.0 */
/*
 * place.c - how a frame is called: function, file and line, or module.
 */
#include "tools/place.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "tools/mem.h"
#include "tools/print.h"
#include "tools/symbols.h"

#define LEAST_COLUMNS 24 /* of a name; less says nothing */
#define RUST_HASH_CHARS 16

const char *
oh_place_name(char *buf, const struct oh_profile *p, const struct oh_place *pl)
{
	if (pl->name != 0)
		return oh_profile_string(p, pl->name);
	oh_location_name(buf, OH_PLACE_NAME_MAX, p, pl->mapping, pl->address);
	return buf;
}

const char *
oh_place_module(const struct oh_profile *p, const struct oh_place *pl)
{
	if (pl->mapping == 0)
		return "";
	return oh_base_name(oh_profile_string(p, p->mappings[pl->mapping - 1].filename));
}

/* How many characters of `s` to the end of the bracket that it begins with. */
static size_t
bracket_len(const char *s)
{
	size_t depth = 0, i;

	for (i = 0; s[i] != '\0'; i++) {
		if (i > 0 && s[i] == '>' && s[i - 1] == '-') /* operator-> , -> of Rust */
			continue;
		if (s[i] == '<' || s[i] == '(')
			depth++;
		else if ((s[i] == '>' || s[i] == ')') && --depth == 0)
			return i + 1;
	}
	return i;
}

/* Is this '<' or '(' one that opens arguments, with `len` bytes of name before it? */
static bool
opens_arguments(const char *name, size_t len)
{
	static const char word[] = "operator";
	size_t n = sizeof(word) - 1;

	if (name[len] == '(')
		return strncmp(name + len, "(anonymous namespace)", 21) != 0;
	/* operator<, operator<<, operator<=>; and "<T as Trait>" of Rust */
	if ((len >= n && strncmp(name + len - n, word, n) == 0) ||
	    (len > n && name[len - 1] == '<' && strncmp(name + len - n - 1, word, n) == 0))
		return false;
	return len > 0 && (isalnum((unsigned char)name[len - 1]) || name[len - 1] == '_' ||
			      name[len - 1] == ':' || name[len - 1] == ')');
}

void
oh_place_short(char *buf, size_t room, const char *name)
{
	size_t end = strlen(name), n = 0;

	if (end > RUST_HASH_CHARS + 3 && strncmp(name + end - RUST_HASH_CHARS - 3, "::h", 3) == 0 &&
	    strspn(name + end - RUST_HASH_CHARS, "0123456789abcdef") == RUST_HASH_CHARS)
		end -= RUST_HASH_CHARS + 3;
	for (size_t i = 0; i < end && n + 3 < room;) {
		bool arguments = (name[i] == '<' || name[i] == '(') && opens_arguments(name, i);

		buf[n++] = name[i];
		if (!arguments) {
			i++;
			continue;
		}
		buf[n++] = name[i] == '<' ? '>' : ')';
		i += bracket_len(name + i);
	}
	buf[n] = '\0';
}

static size_t
columns_of(const char *s)
{
	size_t n = 0;

	for (; *s != '\0'; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

/* The byte at which character `n` begins. */
static size_t
byte_of(const char *s, size_t n)
{
	size_t i = 0;

	for (; s[i] != '\0'; i++)
		if (((unsigned char)s[i] & 0xc0) != 0x80 && n-- == 0)
			break;
	return i;
}

/* Print a name in at most `room` columns; its end says more than its middle. */
static void
print_elided(FILE *to, char *name, size_t room)
{
	size_t len = columns_of(name), head = (room - 3) / 2, tail = room - 3 - head, at;

	if (len <= room) {
		oh_print_clean(to, name);
		return;
	}
	at = byte_of(name, len - tail);
	name[byte_of(name, head)] = '\0';
	oh_print_clean(to, name);
	(void)fputs("...", to);
	oh_print_clean(to, name + at);
}

void
oh_print_place(FILE *to, const struct oh_profile *p, const struct oh_place *pl,
    const struct oh_names *names, size_t used)
{
	char buf[OH_PLACE_NAME_MAX], line[16] = "", *copy;
	const char *full = oh_place_name(buf, p, pl), *file = oh_profile_string(p, pl->file);
	const char *module = oh_place_module(p, pl);
	size_t room = 0, tail = 0;

	if (names->columns != 0)
		room = names->columns > used ? names->columns - used : 1;
	if (pl->name == 0)
		file = module = "";
	if (*file != '\0' && pl->line != 0)
		(void)snprintf(line, sizeof(line), ":%u", pl->line);
	if (*file != '\0')
		tail = 2 + columns_of(file) + strlen(line);
	else if (pl->name != 0 && pl->mapping != 0)
		tail = 4 + columns_of(module);
	copy = oh_xrealloc(NULL, strlen(full) + 4, 1); /* "<" becomes "<>" */
	(void)strcpy(copy, full);
	if (names->shorten || (room != 0 && columns_of(copy) + tail > room))
		oh_place_short(copy, strlen(full) + 4, full);
	if (room != 0 && columns_of(copy) + tail > room && *file != '\0') {
		tail -= columns_of(file);
		file = oh_base_name(file);
		tail += columns_of(file);
	}
	if (room != 0)
		print_elided(to, copy, room > tail + LEAST_COLUMNS ? room - tail : LEAST_COLUMNS);
	else
		oh_print_clean(to, copy);
	free(copy);
	if (*file != '\0') {
		(void)fputs("  ", to);
		oh_print_clean(to, file);
		(void)fputs(line, to);
	} else if (tail != 0) {
		(void)fputs("  [", to);
		oh_print_clean(to, *module ? module : "?");
		(void)putc(']', to);
	}
}
