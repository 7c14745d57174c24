/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_tree.c - otheap tree and peek: who calls whom, and how much goes that way?
 *
 * tree prints the call tree from the root, peek one function with its callers
 * and callees.  An edge counts a sample once, however often the sample's stack
 * goes along it, as in pprof.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/args.h"
#include "tools/cmd.h"
#include "tools/data.h"
#include "tools/escape.h"
#include "tools/estimate.h"
#include "tools/filter.h"
#include "tools/mem.h"
#include "tools/place.h"
#include "tools/tree.h"

#define OPTIONS_HELP \
	"  -s, --sample-type TYPE  what to add up (default: as otheap top)\n" \
	"      --focus REGEX       only stacks with a function or file that matches\n" \
	"      --ignore REGEX      no stacks with a function or file that matches\n" \
	"      --hide REGEX        without the frames that match; their callers get the value\n" \
	"      --min PERCENT       leave out what is below this share of the total (default: 1\n" \
	"                          in text, else 0)\n" \
	"  -o, --output FORMAT     text, json, csv; of tree also folded: root;...;leaf value\n" \
	"  -u, --unit UNIT         auto, bytes, KiB, MiB or GiB (default auto)\n" \
	"      --short-names, --width COLUMNS\n" \
	"                          as otheap top\n" \
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
	OH_ARGS_TEXT,
	{ "output", required_argument, NULL, 'o' },
	{ "min", required_argument, NULL, OH_OPT_MIN },
	OH_ARGS_COMMON,
};

#define NOT_GIVEN UINT64_MAX /* of --min */

struct view {
	const struct oh_args *a;
	const char *file, *expression; /* NULL for the tree */
	struct oh_profile *p;
	struct oh_tree t;
	unsigned type;
	enum oh_format format;
	size_t rows;  /* printed so far */
	size_t shown; /* functions of peek that were */
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

/* After print_value() and `more` columns. */
static void
print_name(const struct view *v, uint32_t place, size_t more)
{
	size_t used = (v->t.has_variance[0] ? 35 : 20) + more;

	if (place == OH_TREE_NO_PLACE)
		(void)fputs("(no stack)", stdout);
	else
		oh_print_place(stdout, v->p, &v->t.table.places[place], &v->a->names, used);
	(void)putchar('\n');
}

/* ---- for programs --------------------------------------------------------------- */

static void
data_error(const struct view *v, double variance)
{
	oh_data_error(
	    &v->t.table, v->t.has_variance[0], variance, v->format == OH_FORMAT_JSON ? "null" : "");
}

/* What a frame without a place is, too. */
static const struct oh_place *
place_of(const struct view *v, uint32_t place)
{
	static const struct oh_place none;

	return place == OH_TREE_NO_PLACE ? &none : &v->t.table.places[place];
}

static void
data_header(const struct view *v, const char *csv_titles)
{
	const struct oh_profile *p = v->p;

	if (v->format == OH_FORMAT_JSON) {
		(void)fputs("{\n \"file\": ", stdout);
		oh_put_json(stdout, v->file);
		oh_data_json_text("sample_type", oh_profile_string(p, p->types[v->type].type));
		oh_data_json_text("unit", oh_profile_string(p, p->types[v->type].unit));
		(void)printf(",\n \"total\": %" PRId64 ",\n \"total_stderr\": ", v->t.table.total);
		data_error(v, v->t.table.total_variance);
		(void)fputs(",\n \"rows\": [", stdout);
	} else if (v->format == OH_FORMAT_CSV) {
		(void)fputs("# file: ", stdout);
		oh_print_clean(stdout, v->file);
		(void)fputs("\n# sample_type: ", stdout);
		oh_print_clean(stdout, oh_profile_string(p, p->types[v->type].type));
		(void)fputs("\n# unit: ", stdout);
		oh_print_clean(stdout, oh_profile_string(p, p->types[v->type].unit));
		(void)printf("\n# total: %" PRId64 "\n%s," OH_DATA_CSV_PLACE "\n", v->t.table.total,
		    csv_titles);
	}
}

static void
data_end(const struct view *v)
{
	if (v->format == OH_FORMAT_JSON)
		(void)fputs("\n ]\n}\n", stdout);
}

/* A stack may be as long as a file is large: no recursion. */
static void
folded_path(const struct view *v, uint32_t node)
{
	char name[OH_PLACE_NAME_MAX];
	uint32_t *path = NULL;
	size_t len = 0, cap = 0;

	for (; node != 0; node = v->t.parent[node]) {
		path = oh_xgrow(path, &cap, len + 1, sizeof(*path));
		path[len++] = node;
	}
	while (len-- > 0) {
		oh_put_folded(stdout, oh_tree_name(name, &v->t, v->p, path[len]));
		if (len > 0)
			(void)putchar(';');
	}
	free(path);
}

/* One call of the tree. */
static void
data_node(struct view *v, uint32_t node, uint32_t depth)
{
	const struct oh_tree *t = &v->t;

	if (v->format == OH_FORMAT_FOLDED) {
		if (t->self[node] == 0)
			return;
		folded_path(v, node);
		(void)printf(" %" PRId64 "\n", t->self[node]);
		return;
	}
	if (v->format == OH_FORMAT_JSON)
		(void)printf("%s\n  {\"depth\": %u, \"cum\": %" PRId64 ", \"cum_stderr\": ",
		    v->rows ? "," : "", depth, t->cum[node]);
	else
		(void)printf("%u,%" PRId64 ",", depth, t->cum[node]);
	v->rows++;
	data_error(v, t->cum_variance[node]);
	if (v->format == OH_FORMAT_JSON)
		(void)printf(", \"flat\": %" PRId64 ", \"flat_stderr\": ", t->self[node]);
	else
		(void)printf(",%" PRId64 ",", t->self[node]);
	data_error(v, t->self_variance[node]);
	if (v->format == OH_FORMAT_JSON) {
		(void)fputs(", ", stdout);
		oh_data_json_place(v->p, place_of(v, t->place[node]));
		(void)putchar('}');
	} else {
		(void)putchar(',');
		oh_data_csv_place(v->p, place_of(v, t->place[node]));
		(void)putchar('\n');
	}
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

/* Beyond some depth indenting more only pushes names off the screen. */
static int
indent(uint32_t depth)
{
	return (int)(depth < 60 ? depth - 1 : 60);
}

static void
print_tree(struct view *v)
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

		if (at.node != 0 && v->format != OH_FORMAT_TEXT) {
			data_node(v, at.node, at.depth);
		} else if (at.node != 0) {
			print_value(v, t->cum[at.node], t->cum_variance[at.node]);
			(void)printf("  %*s", indent(at.depth), "");
			print_name(v, t->place[at.node], 2 + (size_t)indent(at.depth));
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

/* One row of peek: a caller or callee of a function, or itself. */
static void
peek_row(struct view *v, const char *what, uint32_t place, int64_t value, double variance)
{
	if (v->format == OH_FORMAT_TEXT) {
		bool self = what[0] == 's';

		print_value(v, value, variance);
		(void)fputs(self ? "  " : "      ", stdout);
		print_name(v, place, self ? 2 : 6);
		return;
	}
	if (v->format == OH_FORMAT_JSON)
		(void)printf("%s\n  {\"of\": %zu, \"is\": \"%s\", \"cum\": %" PRId64
			     ", \"cum_stderr\": ",
		    v->rows ? "," : "", v->shown, what, value);
	else
		(void)printf("%zu,%s,%" PRId64 ",", v->shown, what, value);
	v->rows++;
	data_error(v, variance);
	if (v->format == OH_FORMAT_JSON) {
		(void)fputs(", ", stdout);
		oh_data_json_place(v->p, place_of(v, place));
		(void)putchar('}');
	} else {
		(void)putchar(',');
		oh_data_csv_place(v->p, place_of(v, place));
		(void)putchar('\n');
	}
}

static void
print_edges(struct view *v, struct edge *e, size_t count, const char *what)
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
	for (size_t i = 0; i < n; i++)
		if (!too_small(v, e[i].value) && e[i].value != 0)
			peek_row(v, what, e[i].other, e[i].value, e[i].variance);
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
peek_at(struct view *v, uint32_t place, const struct links *l)
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
	v->shown++;
	print_edges(v, l->callers, n_callers, "caller");
	peek_row(v, "self", place, cum, variance);
	print_edges(v, l->callees, n_callees, "callee");
	if (v->format == OH_FORMAT_TEXT)
		(void)putchar('\n');
}

static void
print_peek(struct view *v)
{
	const struct oh_tree *t = &v->t;
	uint8_t *wanted = oh_filter_places(v->p, v->expression, &t->table);
	struct links links;

	links_init(&links, t);
	for (size_t i = 0; i < t->table.row_count; i++) { /* largest first */
		uint32_t place = t->table.rows[i].place;

		if (wanted[place] && !too_small(v, t->table.rows[i].cum))
			peek_at(v, place, &links);
	}
	if (v->shown == 0 && v->format == OH_FORMAT_TEXT)
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
		if (v->format == OH_FORMAT_TEXT)
			print_header(v);
		data_header(v, v->expression != NULL ? "of,is,cum,cum_stderr"
						     : "depth,cum,cum_stderr,flat,flat_stderr");
		if (v->expression != NULL)
			print_peek(v);
		else
			print_tree(v);
		data_end(v);
		oh_tree_free(&v->t);
	} else if (type == -1 && v->format == OH_FORMAT_JSON) {
		(void)puts("{\"rows\": []}");
	} else if (type == -1 && v->format == OH_FORMAT_TEXT) {
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
	a.min_percent = NOT_GIVEN;
	rc = oh_args_start(&a, help, argc, argv, ":s:o:u:h", options, peek ? 2 : 1, peek ? 2 : 1);
	if (rc != OH_ARGS_GO)
		return rc;
	if (!oh_parse_format(name, a.output, &v.format))
		return OH_EXIT_BAD;
	if (peek && v.format == OH_FORMAT_FOLDED) {
		(void)fputs(
		    "otheap: peek: --output 'folded': expected text, json or csv\n", stderr);
		return OH_EXIT_BAD;
	}
	if (a.min_percent == NOT_GIVEN)
		a.min_percent = v.format == OH_FORMAT_TEXT ? 1 : 0;
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
