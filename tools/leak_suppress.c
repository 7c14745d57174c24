/* SPDX-License-Identifier: Apache-2.0 */
/*
 * leak_suppress.c - suppressions in the file syntax of LeakSanitizer.
 */
#include "tools/leak_suppress.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/demangle.h"
#include "tools/leak.h"
#include "tools/mem.h"

#define FILE_MAX (16u << 20) /* bytes; nobody writes more by hand */

/* ---- patterns ------------------------------------------------------------------ */

/* The first place in [s, end) where `len` bytes of `what` stand, or NULL. */
static const char *
find(const char *s, const char *end, const char *what, size_t len)
{
	return len == 0 ? s : memmem(s, (size_t)(end - s), what, len);
}

bool
oh_suppression_matches(const char *pattern, const char *name)
{
	const char *at = name, *end = name + strlen(name);
	size_t len = strlen(pattern);
	bool start = len > 0 && pattern[0] == '^', stop;

	if (*name == '\0')
		return false;
	pattern += start;
	len -= start;
	stop = len > 0 && pattern[len - 1] == '$';
	len -= stop;
	/* Piece after piece between the stars, each as far left as it can be. */
	for (bool first = true;; first = false) {
		const char *star = memchr(pattern, '*', len);
		size_t piece = star != NULL ? (size_t)(star - pattern) : len;

		if (first && start) {
			if ((size_t)(end - at) < piece || memcmp(at, pattern, piece) != 0)
				return false;
		} else if (star == NULL && stop) {
			/* The last one, at the end of the name. */
			return (size_t)(end - at) >= piece &&
			       memcmp(end - piece, pattern, piece) == 0;
		} else {
			at = find(at, end, pattern, piece);
			if (at == NULL)
				return false;
		}
		at += piece;
		if (star == NULL)
			return !stop || at == end;
		pattern += piece + 1;
		len -= piece + 1;
	}
}

/* ---- files ---------------------------------------------------------------------- */

static char *
copy(const char *text, size_t len)
{
	char *ret = oh_xcalloc(len + 1, 1);

	memcpy(ret, text, len);
	return ret;
}

static void
add(struct oh_suppressions *s, const char *pattern, size_t len)
{
	s->rules = oh_xgrow(s->rules, &s->cap, s->count + 1, sizeof(*s->rules));
	memset(&s->rules[s->count], 0, sizeof(*s->rules));
	s->rules[s->count++].pattern = copy(pattern, len);
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

bool
oh_suppressions_parse(
    struct oh_suppressions *s, const char *name, const char *text, size_t len, struct oh_error *err)
{
	const char *end = text + len;
	unsigned long number = 0;

	while (text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		const char *stop = newline != NULL ? newline : end, *from = text;

		number++;
		text = newline != NULL ? newline + 1 : end;
		while (from < stop && is_blank(*from))
			from++;
		while (from < stop && is_blank(stop[-1]))
			stop--;
		if (from == stop || *from == '#')
			continue;
		if (memchr(from, '\0', (size_t)(stop - from)) != NULL)
			return oh_error_set(err, "%s:%lu: a NUL byte, so no text", name, number);
		if (stop - from < 5 || memcmp(from, "leak:", 5) != 0)
			return oh_error_set(
			    err, "%s:%lu: expected 'leak:pattern' or '# comment'", name, number);
		if (stop - from == 5)
			return oh_error_set(err, "%s:%lu: no pattern after 'leak:'", name, number);
		add(s, from + 5, (size_t)(stop - from) - 5);
	}
	return true;
}

bool
oh_suppressions_read(struct oh_suppressions *s, const char *path, struct oh_error *err)
{
	FILE *f = fopen(path, "re");
	char *text = NULL;
	size_t len = 0, cap = 0, n = 0;
	bool good;

	if (f == NULL)
		return oh_error_set(err, "%s: %s", path, strerror(errno));
	errno = 0;
	do {
		text = oh_xgrow(text, &cap, len + 65536, 1);
		n = fread(text + len, 1, 65536, f);
		len += n;
	} while (n > 0 && len <= FILE_MAX);
	if (ferror(f))
		good = oh_error_set(err, "%s: %s", path, strerror(errno ? errno : EIO));
	else if (len > FILE_MAX)
		good = oh_error_set(err, "%s: larger than 16 MiB", path);
	else
		good = oh_suppressions_parse(s, path, text, len, err);
	(void)fclose(f);
	free(text);
	return good;
}

void
oh_suppressions_free(struct oh_suppressions *s)
{
	for (size_t i = 0; i < s->count; i++)
		free(s->rules[i].pattern);
	free(s->rules);
	memset(s, 0, sizeof(*s));
}

/* ---- sites ---------------------------------------------------------------------- */

static bool
matches(const char *pattern, const struct oh_profile *p, uint32_t string)
{
	return oh_suppression_matches(pattern, oh_profile_string(p, string));
}

/* [function]: its name with the types of its parameters, as LeakSanitizer knows it; or NULL. */
static char **
full_names(const struct oh_profile *p)
{
	char **ret = oh_xcalloc(p->function_count, sizeof(*ret)), buf[OH_DEMANGLE_MAX];

	for (size_t i = 0; i < p->function_count; i++)
		if (oh_demangle(buf, oh_profile_string(p, p->functions[i].system_name), true) ==
		    buf)
			ret[i] = copy(buf, strlen(buf));
	return ret;
}

/* [location]: does the pattern match a name there? */
static uint8_t *
match_locations(const char *pattern, const struct oh_profile *p, char *const *full)
{
	uint8_t *functions = oh_xcalloc(p->function_count, 1);
	uint8_t *mappings = oh_xcalloc(p->mapping_count, 1);
	uint8_t *ret = oh_xcalloc(p->location_count, 1);

	for (size_t i = 0; i < p->function_count; i++) {
		const struct oh_function *f = &p->functions[i];

		functions[i] = matches(pattern, p, f->name) ||
			       matches(pattern, p, f->system_name) ||
			       matches(pattern, p, f->filename) ||
			       (full[i] != NULL && oh_suppression_matches(pattern, full[i]));
	}
	for (size_t i = 0; i < p->mapping_count; i++)
		mappings[i] = matches(pattern, p, p->mappings[i].filename);
	for (size_t l = 0; l < p->location_count; l++) {
		uint32_t mapping = p->location_mapping[l];

		ret[l] = mapping != 0 && mappings[mapping - 1];
		for (uint32_t i = 0; i < p->line_count[l]; i++)
			ret[l] |= functions[p->lines[p->line_at[l] + i].function];
	}
	free(functions);
	free(mappings);
	return ret;
}

static bool
on_stack(const struct oh_leaks *l, const struct oh_leak_site *s, const uint8_t *matched)
{
	const struct oh_row *row = &l->table.rows[s->row];

	for (uint32_t i = 0; i < row->stack_len; i++)
		if (matched[l->merge.p->frames[row->stack_at + i]])
			return true;
	return false;
}

void
oh_leak_suppress(struct oh_leaks *l)
{
	char **full;

	if (l->suppressions.count == 0)
		return;
	full = full_names(l->merge.p);
	for (size_t r = 0; r < l->suppressions.count; r++) {
		struct oh_suppression *rule = &l->suppressions.rules[r];
		uint8_t *matched = match_locations(rule->pattern, l->merge.p, full);

		for (size_t i = 0; i < l->site_count; i++) {
			struct oh_leak_site *s = &l->sites[i];
			struct oh_leak_part lost = oh_leak_lost_part(s);

			if (s->verdict == OH_LEAK_NOTHING || s->verdict == OH_LEAK_UNSTEADY ||
			    s->suppressed != 0 || !on_stack(l, s, matched))
				continue;
			s->suppressed = (uint32_t)r + 1;
			rule->sites++;
			rule->bytes += lost.bytes;
			rule->blocks += lost.blocks;
		}
		free(matched);
	}
	for (size_t i = 0; i < l->merge.p->function_count; i++)
		free(full[i]);
	free(full);
}
