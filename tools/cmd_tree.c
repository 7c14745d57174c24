/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_tree.c - otheap tree and peek: who calls whom, and how much goes that way?
 *
 * tree prints the call tree from the root, peek one function with its callers
 * and callees.  An edge counts a sample once, however often the sample's stack
 * goes along it, as in pprof.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/args.h"
#include "tools/cmd.h"
#include "tools/estimate.h"
#include "tools/filter.h"
#include "tools/mem.h"
#include "tools/place.h"
#include "tools/tree.h"

#define OPTIONS_HELP \
	"  -s, --sample-type TYPE  what to add up (default: as otheap top)\n" \
	"      --focus REGEX       only stacks with a function or file that matches\n" \
	"      --ignore REGEX      no stacks with a function or file that matches\n" \
	"      --min PERCENT       leave out what is below this share of the total (default 1)\n" \
	"  -u, --unit UNIT         auto, bytes, KiB, MiB or GiB (default auto)\n" \
	"      --no-symbols        do not look for names in the programs\n" \
	"      --max-size SIZE     refuse a file with more than this when unpacked (default 1g)\n" \
	"  -h, --help              this text\n" \
	"\n" \
	"exit status: 0 fine, also if nothing matches; 2 wrong usage or bad file\n"

static const char tree_help[] =
    "usage: otheap tree [OPTION...] FILE\n"
    "\n"
    "Shows the call tree from the root, callees below their caller, largest first: what\n"
    "each call and all it calls hold, or have allocated.\n"
    "\n" OPTIONS_HELP;

static const char peek_help[] =
    "usage: otheap peek [OPTION...] REGEX FILE\n"
    "\n"
    "Shows each function whose name or file matches, its callers above it and what it\n"
    "calls below, with what goes that way.\n"
    "\n" OPTIONS_HELP;

static const struct option options[] = {
	{ "unit", required_argument, NULL, 'u' },
	{ "min", required_argument, NULL, OH_OPT_MIN },
	OH_ARGS_COMMON,
};

struct view {
	const struct oh_args *a;
	const char *file, *expression; /* NULL for the tree */
	struct oh_profile *p;
	struct oh_tree t;
	unsigned type;
};

/* ---- printing ------------------------------------------------------------------ */

static void
print_value(const struct view *v, int64_t value, double variance)
{
	const char *unit = oh_profile_string(v->p, v->p->types[v->type].unit);
	char text[OH_VALUE_MAX];

	(void)printf("%12s", oh_format_value(text, (long double)value, unit, v->a->unit));
	if (v->t.has_variance[0])
		(void)printf("  +- %10s",
		    oh_format_value(
			text, (long double)oh_estimate_half_width(variance), unit, v->a->unit));
	(void)printf("  %6s", oh_format_percent(text, (double)value, (double)v->t.table.total));
}

static void
print_name(const struct view *v, uint32_t place)
{
	if (place == OH_TREE_NO_PLACE)
		(void)fputs("(no stack)", stdout);
	else
		oh_print_place(stdout, v->p, &v->t.table.places[place]);
	(void)putchar('\n');
}

static bool
too_small(const struct view *v, int64_t value)
{
	return fabs((double)value) * 100 <
	       (double)v->a->min_percent * fabs((double)v->t.table.total);
}

static void
print_header(const struct view *v)
{
	(void)fputs("File       ", stdout);
	oh_print_clean(stdout, v->file);
	(void)fputs("\nShowing    ", stdout);
	oh_print_clean(stdout, oh_profile_string(v->p, v->p->types[v->type].type));
	(void)printf(", with all that is called; shares below %u %% are left out\nTotal   ",
	    (unsigned)v->a->min_percent);
	print_value(v, v->t.table.total, v->t.table.total_variance);
	(void)puts("\n");
}

/* ---- tree ------------------------------------------------------------------------ */

struct item {
	uint32_t node, depth;
};

static int
larger_first(const void *x, const void *y, void *arg)
{
	const struct oh_tree *t = arg;
	const struct item *a = x, *b = y;
	double va = fabs((double)t->cum[a->node]), vb = fabs((double)t->cum[b->node]);

	return va > vb ? -1 : va < vb ? 1 : a->node < b->node ? -1 : 1;
}

static void
print_tree(const struct view *v)
{
	const struct oh_tree *t = &v->t;
	uint32_t *first = oh_xcalloc(t->count, sizeof(*first));
	uint32_t *next = oh_xcalloc(t->count, sizeof(*next));
	struct item *stack = oh_xcalloc(t->count, sizeof(*stack));
	struct item *kids = oh_xcalloc(t->count, sizeof(*kids));
	size_t depth = 0;

	for (uint32_t i = (uint32_t)t->count; i-- > 1;) {
		next[i] = first[t->parent[i]];
		first[t->parent[i]] = i;
	}
	stack[depth++] = (struct item){ 0, 0 };
	while (depth > 0) {
		struct item at = stack[--depth];
		size_t n = 0;

		if (at.node != 0) {
			print_value(v, t->cum[at.node], t->cum_variance[at.node]);
			/* Beyond some depth indenting more only pushes names off the screen. */
			(void)printf("  %*s", (int)(at.depth < 60 ? at.depth - 1 : 60), "");
			print_name(v, t->place[at.node]);
		}
		for (uint32_t k = first[at.node]; k != 0; k = next[k])
			if (!too_small(v, t->cum[k]) && t->cum[k] != 0)
				kids[n++] = (struct item){ k, at.depth + 1 };
		qsort_r(kids, n, sizeof(*kids), larger_first, (void *)(uintptr_t)t);
		while (n > 0)
			stack[depth++] = kids[--n];
	}
	free(first);
	free(next);
	free(stack);
	free(kids);
}

/* ---- peek ------------------------------------------------------------------------ */

struct edge {
	uint32_t other; /* place */
	int64_t value;
	double variance;
};

static int
by_place(const void *x, const void *y)
{
	const struct edge *a = x, *b = y;

	return a->other < b->other ? -1 : a->other > b->other;
}

static int
by_value(const void *x, const void *y)
{
	const struct edge *a = x, *b = y;
	double va = fabs((double)a->value), vb = fabs((double)b->value);

	return va > vb ? -1 : va < vb ? 1 : by_place(x, y);
}

/* Does the stack come here a second time: by the same edge, or at all? */
static bool
is_repeated(const struct oh_tree *t, uint32_t node, bool edge)
{
	uint32_t up = t->parent[node], caller = t->place[up];

	for (uint32_t i = up; i != 0; i = t->parent[i])
		if (t->place[i] == t->place[node] &&
		    (!edge || (t->place[t->parent[i]] == caller && t->parent[i] != 0)))
			return true;
	return false;
}

static void
print_edges(const struct view *v, struct edge *e, size_t count, const char *mark)
{
	size_t n = 0;

	qsort(e, count, sizeof(*e), by_place);
	for (size_t i = 0; i < count; i++) {
		if (n > 0 && e[n - 1].other == e[i].other) {
			e[n - 1].value = oh_add_saturated(e[n - 1].value, e[i].value);
			e[n - 1].variance += e[i].variance;
		} else {
			e[n++] = e[i];
		}
	}
	qsort(e, n, sizeof(*e), by_value);
	for (size_t i = 0; i < n; i++) {
		if (too_small(v, e[i].value) || e[i].value == 0)
			continue;
		print_value(v, e[i].value, e[i].variance);
		(void)fputs(mark, stdout);
		print_name(v, e[i].other);
	}
}

/* The nodes of each place and the children of each node, as linked lists; 0 ends one. */
struct links {
	uint32_t *of_place, *next_of_place;
	uint32_t *child, *sibling;
	struct edge *callers, *callees; /* room for all */
};

static void
links_init(struct links *l, const struct oh_tree *t)
{
	l->of_place = oh_xcalloc(t->table.place_count, sizeof(*l->of_place));
	l->next_of_place = oh_xcalloc(t->count, sizeof(*l->next_of_place));
	l->child = oh_xcalloc(t->count, sizeof(*l->child));
	l->sibling = oh_xcalloc(t->count, sizeof(*l->sibling));
	l->callers = oh_xcalloc(t->count, sizeof(*l->callers));
	l->callees = oh_xcalloc(t->count, sizeof(*l->callees));
	for (uint32_t i = (uint32_t)t->count; i-- > 1;) {
		l->sibling[i] = l->child[t->parent[i]];
		l->child[t->parent[i]] = i;
		if (t->place[i] == OH_TREE_NO_PLACE)
			continue;
		l->next_of_place[i] = l->of_place[t->place[i]];
		l->of_place[t->place[i]] = i;
	}
}

static void
links_free(struct links *l)
{
	free(l->of_place);
	free(l->next_of_place);
	free(l->child);
	free(l->sibling);
	free(l->callers);
	free(l->callees);
}

static struct edge
edge_of(const struct oh_tree *t, uint32_t node, uint32_t other)
{
	return (struct edge){ t->place[other], t->cum[node], t->cum_variance[node] };
}

static void
peek_at(const struct view *v, uint32_t place, const struct links *l)
{
	const struct oh_tree *t = &v->t;
	size_t n_callers = 0, n_callees = 0;
	double variance = 0;
	int64_t cum = 0;

	for (uint32_t i = l->of_place[place]; i != 0; i = l->next_of_place[i]) {
		if (!is_repeated(t, i, false)) {
			cum = oh_add_saturated(cum, t->cum[i]);
			variance += t->cum_variance[i];
		}
		if (t->parent[i] != 0 && !is_repeated(t, i, true))
			l->callers[n_callers++] = edge_of(t, i, t->parent[i]);
		for (uint32_t k = l->child[i]; k != 0; k = l->sibling[k])
			if (!is_repeated(t, k, true))
				l->callees[n_callees++] = edge_of(t, k, k);
	}
	if (cum == 0)
		return;
	print_edges(v, l->callers, n_callers, "      ");
	print_value(v, cum, variance);
	(void)fputs("  ", stdout);
	print_name(v, place);
	print_edges(v, l->callees, n_callees, "      ");
	(void)putchar('\n');
}

static void
print_peek(const struct view *v)
{
	const struct oh_tree *t = &v->t;
	uint8_t *wanted = oh_filter_places(v->p, v->expression, &t->table);
	struct links links;
	size_t found = 0;

	links_init(&links, t);
	for (size_t i = 0; i < t->table.row_count; i++) { /* largest first */
		uint32_t place = t->table.rows[i].place;

		if (wanted[place] && !too_small(v, t->table.rows[i].cum)) {
			peek_at(v, place, &links);
			found++;
		}
	}
	if (found == 0)
		(void)puts("no function with a large enough share matches");
	free(wanted);
	links_free(&links);
}

/* ---- commands --------------------------------------------------------------------- */

static bool
show(struct view *v)
{
	int type;

	v->p = oh_args_read(v->a, v->file);
	if (v->p == NULL)
		return false;
	type = oh_args_type(v->a, v->file, v->p);
	if (type >= 0) {
		v->type = (unsigned)type;
		oh_args_names(v->a, v->p, type, NULL);
		oh_tree_build(&v->t, v->p, &v->type, 1);
		oh_table_sort(&v->t.table, v->p, true);
		print_header(v);
		if (v->expression != NULL)
			print_peek(v);
		else
			print_tree(v);
		oh_tree_free(&v->t);
	} else if (type == -1) {
		(void)puts("Empty      this profile has no sample types");
	}
	oh_profile_free(v->p);
	return type != -2;
}

static int
run(const char *name, const char *help, bool peek, int argc, char **argv)
{
	struct oh_args a;
	struct view v = { .a = &a };
	int rc;

	oh_args_init(&a, name);
	a.min_percent = 1;
	rc = oh_args_start(&a, help, argc, argv, ":s:u:h", options, peek ? 2 : 1, peek ? 2 : 1);
	if (rc != OH_ARGS_GO)
		return rc;
	if (peek) {
		v.expression = argv[optind++];
		if (!oh_filter_check(name, "REGEX", v.expression))
			return OH_EXIT_BAD;
	}
	v.file = argv[optind];
	return show(&v) ? OH_EXIT_OK : OH_EXIT_BAD;
}

static int
tree(int argc, char **argv)
{
	return run("tree", tree_help, false, argc, argv);
}

static int
peek(int argc, char **argv)
{
	return run("peek", peek_help, true, argc, argv);
}

const struct oh_command oh_cmd_tree = {
	.name = "tree",
	.run = tree,
	.summary = "the call tree from the root, with what each call holds",
	.help = tree_help,
};

const struct oh_command oh_cmd_peek = {
	.name = "peek",
	.run = peek,
	.summary = "functions by regular expression, with their callers and callees",
	.help = peek_help,
};
