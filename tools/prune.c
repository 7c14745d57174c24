/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prune.c - leave out the frames a profile says nobody wants to see.
 *
 * Writers mean Go's syntax (RE2).  What heap profilers really put there is
 * plain: alternatives of names with .* and escaped brackets.  That much, and
 * the usual abbreviations, is translated; whatever else is left alone, and
 * then nothing is dropped.  An expression comes from the file, so it may be
 * hostile: its length and nesting are limited, and counted repetition, which
 * regcomp() unrolls, is refused.
 *
 * Sources  Semantics of drop_frames: profile.proto of google/pprof, and what
 *	    `go tool pprof` does with stacks made for the purpose.
 */
#include "tools/prune.h"

#include <ctype.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#define EXPRESSION_MAX 16384 /* bytes; tcmalloc's, the longest known, has 1500 */
#define NESTING_MAX 100
#define NAME_MAX_BYTES 4096

struct out {
	char *text;
	size_t len, cap;
};

static void
put(struct out *o, const char *s)
{
	size_t n = strlen(s);

	o->text = oh_xgrow(o->text, &o->cap, o->len + n + 1, 1);
	memcpy(o->text + o->len, s, n + 1);
	o->len += n;
}

static void
put_char(struct out *o, char c)
{
	char s[2] = { c, '\0' };

	put(o, s);
}

/* What \d, \w, \s stand for inside brackets; NULL if it is no such letter. */
static const char *
class_of(char letter)
{
	switch (tolower((unsigned char)letter)) {
	case 'd':
		return "0-9";
	case 'w':
		return "0-9A-Za-z_";
	case 's':
		return " \t\n\f\r";
	default:
		return NULL;
	}
}

/* Translate the escape after a backslash.  False if it has no equal. */
static bool
put_escape(struct out *o, char c, bool in_brackets)
{
	const char *class = class_of(c);

	if (c == '\0')
		return false;
	if (in_brackets) {
		/* POSIX brackets know no backslash; these would need another order. */
		if (strchr("]^-[", c) != NULL || (class != NULL && isupper((unsigned char)c)))
			return false;
		if (class != NULL)
			put(o, class);
		else if (isalnum((unsigned char)c))
			return false;
		else
			put_char(o, c);
		return true;
	}
	if (class != NULL) {
		put(o, isupper((unsigned char)c) ? "[^" : "[");
		put(o, class);
		put(o, "]");
		return true;
	}
	if (isalnum((unsigned char)c))
		return false;
	put_char(o, '\\');
	put_char(o, c);
	return true;
}

/* Translate [...] from *at, which is '['; leaves *at on the closing ']'. */
static bool
put_brackets(struct out *o, const char **at)
{
	const char *s = *at + 1;

	put_char(o, '[');
	if (*s == '^')
		put_char(o, *s++);
	if (*s == ']')
		put_char(o, *s++);
	for (; *s != ']'; s++) {
		if (*s == '\0')
			return false;
		if (*s == '\\') {
			if (!put_escape(o, *++s, true))
				return false;
		} else if (*s == '[' && s[1] == ':') {
			const char *end = strstr(s, ":]");

			if (end == NULL)
				return false;
			for (; s <= end; s++)
				put_char(o, *s);
			put_char(o, *s);
		} else {
			put_char(o, *s);
		}
	}
	put_char(o, ']');
	*at = s;
	return true;
}

static bool
put_all(struct out *o, const char *s)
{
	unsigned nesting = 0;

	for (; *s != '\0'; s++) {
		switch (*s) {
		case '\\':
			if (!put_escape(o, *++s, false))
				return false;
			break;
		case '[':
			if (!put_brackets(o, &s))
				return false;
			break;
		case '(':
			if (++nesting > NESTING_MAX)
				return false;
			put_char(o, '(');
			if (s[1] == '?') {
				if (s[2] != ':')
					return false;
				s += 2;
			}
			break;
		case ')':
			if (nesting-- == 0)
				return false;
			put_char(o, ')');
			break;
		case '{':
			if (isdigit((unsigned char)s[1]))
				return false;
			put(o, "\\{");
			break;
		case '*':
		case '+':
		case '?':
			put_char(o, *s);
			if (s[1] == '?') /* "as few as possible": no matter for a whole match */
				s++;
			break;
		default:
			put_char(o, *s);
			break;
		}
	}
	return nesting == 0;
}

char *
oh_prune_translate(const char *go)
{
	struct out o = { 0 };

	put(&o, "^(");
	if (strlen(go) > EXPRESSION_MAX || !put_all(&o, go)) {
		free(o.text);
		return NULL;
	}
	put(&o, ")$");
	return o.text;
}

void
oh_prune_simple_name(char *buf, size_t room, const char *name)
{
	/* Brackets that belong to a name; any other opens the parameters. */
	static const char *const kept[] = { "(anonymous namespace)", "operator()" };
	size_t len = 0;

	if (*name == '.') /* function descriptors of some machines */
		name++;
	while (name[len] != '\0') {
		size_t skip = 0;

		for (size_t i = 0; i < OH_ARRAY_LEN(kept); i++)
			if (strncmp(name + len, kept[i], strlen(kept[i])) == 0)
				skip = strlen(kept[i]);
		if (skip == 0 && name[len] == '(')
			break;
		len += skip ? skip : 1;
	}
	if (len >= room)
		len = room - 1;
	memcpy(buf, name, len);
	buf[len] = '\0';
}

static bool
compile(regex_t *re, const char *go)
{
	char *posix = oh_prune_translate(go);
	bool good = posix != NULL && regcomp(re, posix, REG_EXTENDED | REG_NOSUB) == 0;

	free(posix);
	return good;
}

/* [function]: does the expression drop it? */
static uint8_t *
match_functions(const struct oh_profile *p, const regex_t *drop, const regex_t *keep)
{
	uint8_t *dropped = oh_xcalloc(p->function_count, 1);
	char name[NAME_MAX_BYTES];

	for (size_t i = 0; i < p->function_count; i++) {
		oh_prune_simple_name(
		    name, sizeof(name), oh_profile_string(p, p->functions[i].name));
		dropped[i] = name[0] != '\0' && regexec(drop, name, 0, NULL, 0) == 0 &&
			     (keep == NULL || regexec(keep, name, 0, NULL, 0) != 0);
	}
	return dropped;
}

void
oh_prune_init(struct oh_prune *pr, const struct oh_profile *p)
{
	const char *drop_text = oh_profile_string(p, p->drop_frames);
	const char *keep_text = oh_profile_string(p, p->keep_frames);
	regex_t drop, keep;
	bool has_keep = false;
	uint8_t *dropped;

	memset(pr, 0, sizeof(*pr));
	if (*drop_text == '\0')
		return;
	if (!compile(&drop, drop_text)) {
		pr->ignored = true;
		return;
	}
	if (*keep_text != '\0' && !(has_keep = compile(&keep, keep_text))) {
		/* Without its exceptions the rule might hide what should stay. */
		pr->ignored = true;
		regfree(&drop);
		return;
	}
	dropped = match_functions(p, &drop, has_keep ? &keep : NULL);
	regfree(&drop);
	if (has_keep)
		regfree(&keep);

	pr->what = oh_xcalloc(p->location_count, sizeof(*pr->what));
	pr->first_line = oh_xcalloc(p->location_count, sizeof(*pr->first_line));
	for (size_t l = 0; l < p->location_count; l++) {
		uint32_t n = p->line_count[l];
		const struct oh_line *lines = p->lines + p->line_at[l];

		for (uint32_t i = n; i-- > 0;)
			if (dropped[lines[i].function]) {
				pr->what[l] = i + 1 == n ? OH_PRUNE_WHOLE : OH_PRUNE_PART;
				pr->first_line[l] = i + 1 == n ? 0 : i + 1;
				break;
			}
	}
	free(dropped);
}

void
oh_prune_free(struct oh_prune *pr)
{
	free(pr->what);
	free(pr->first_line);
	memset(pr, 0, sizeof(*pr));
}

void
oh_prune_sample(
    const struct oh_prune *pr, const struct oh_profile *p, uint32_t *first, uint32_t end)
{
	bool found_user = false;

	if (pr->what == NULL)
		return;
	for (uint32_t i = end; i-- > *first;) {
		uint8_t what = pr->what[p->frames[i]];

		if (what == OH_PRUNE_NOT) {
			found_user = true;
		} else if (found_user) {
			*first = what == OH_PRUNE_WHOLE ? i + 1 : i;
			return;
		}
	}
}

void
oh_prune_apply(struct oh_profile *p)
{
	struct oh_prune pr;
	uint32_t to = 0, at = 0;

	oh_prune_init(&pr, p);
	if (pr.what == NULL) {
		oh_prune_free(&pr);
		return;
	}
	for (size_t s = 0; s < p->sample_count; s++) {
		uint32_t first = at, end = p->frame_at[s + 1];

		oh_prune_sample(&pr, p, &first, end);
		memmove(p->frames + to, p->frames + first, (end - first) * sizeof(*p->frames));
		to += end - first;
		at = end;
		p->frame_at[s + 1] = to;
	}
	for (size_t l = 0; l < p->location_count; l++) {
		p->line_at[l] += pr.first_line[l];
		p->line_count[l] -= pr.first_line[l];
	}
	p->drop_frames = p->keep_frames = 0;
	oh_prune_free(&pr);
}
