/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flame_html.c - the flame graph that can be asked: flame.html with the tree in it.
 *
 * The tree is a JSON object in a script element that is never run; oh_put_json()
 * leaves no '<' in it.
 */
#include "tools/flame.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tools/escape.h"
#include "tools/mem.h"
#include "tools/page.h"
#include "tools/place.h"

enum { NAME_ALL, NAME_SMALL, NAME_NO_STACK, NAMES_FIXED };

struct page {
	const struct oh_flame *f;
	FILE *to;
	uint8_t *kept;      /* [node] */
	uint32_t *name_of;  /* [place]: index into the page's names, 0 = none yet */
	uint32_t *place_of; /* [name - NAMES_FIXED]: a node that has it */
	uint32_t names;
	/* The nodes of the page: those kept, and one for what is small below each. */
	size_t count;
	uint32_t *parent, *name;
};

void
oh_flame_choose(struct oh_flame *f, const struct oh_profile *p, unsigned first)
{
	f->type_count = 0;
	for (unsigned k = 0; k < p->type_count; k++)
		if (k == first || f->type_count + (first > k) < OH_FLAME_TYPES_MAX) {
			if (k == first)
				f->start = f->type_count;
			f->types[f->type_count++] = k;
		}
}

/* ---- what fits ---------------------------------------------------------------- */

/* Mark the nodes with at least this share; returns roughly the bytes they take. */
static size_t
keep(const struct page *g, double least, uint8_t *seen_place)
{
	const struct oh_tree *t = g->f->t;
	char name[OH_PLACE_NAME_MAX];
	size_t bytes = 0;

	memset(seen_place, 0, t->table.place_count + 1);
	for (size_t i = 0; i < t->count; i++) {
		uint32_t place = t->place[i];

		g->kept[i] = i == 0 || (g->kept[t->parent[i]] && oh_tree_share(t, i) >= least);
		if (!g->kept[i])
			continue;
		bytes += 14 + 14 * t->type_count;
		if (place == OH_TREE_NO_PLACE || seen_place[place])
			continue;
		seen_place[place] = 1;
		bytes += 16 + strlen(oh_tree_name(name, t, g->f->p, i)) +
			 strlen(oh_profile_string(g->f->p, t->table.places[place].file));
	}
	return bytes;
}

/* Keep as many nodes as fit, the largest: all with a share of at least some limit. */
static void
choose(const struct page *g)
{
	uint8_t *seen = oh_xcalloc(g->f->t->table.place_count + 1, 1);
	double fits = 1e-7, too_small = 0;

	if (keep(g, 0, seen) > g->f->max_bytes) {
		for (; keep(g, fits, seen) > g->f->max_bytes && fits <= 1; fits *= 4)
			too_small = fits;
		for (int i = 0; i < 6 && too_small > 0; i++) {
			double middle = sqrt(fits * too_small);

			if (keep(g, middle, seen) > g->f->max_bytes)
				too_small = middle;
			else
				fits = middle;
		}
		(void)keep(g, fits, seen);
	}
	free(seen);
}

static uint32_t
name_of(struct page *g, size_t node)
{
	uint32_t place = g->f->t->place[node];

	if (node == 0)
		return NAME_ALL;
	if (place == OH_TREE_NO_PLACE)
		return NAME_NO_STACK;
	if (g->name_of[place] == 0) {
		g->place_of[g->names - NAMES_FIXED] = (uint32_t)node;
		g->name_of[place] = g->names++;
	}
	return g->name_of[place];
}

static uint32_t
add(struct page *g, uint32_t parent, uint32_t name)
{
	g->parent[g->count] = parent;
	g->name[g->count] = name;
	return (uint32_t)g->count++;
}

/* Number the nodes of the page; *ret_of: [node] -> the page's node that holds it. */
static void
number(struct page *g, uint32_t *ret_of)
{
	const struct oh_tree *t = g->f->t;
	uint32_t *small = oh_xcalloc(t->count, sizeof(*small)); /* [kept node] */

	for (size_t i = 0; i < t->count; i++) {
		uint32_t up = t->parent[i];

		if (g->kept[i]) {
			ret_of[i] = add(g, ret_of[up], name_of(g, i));
		} else if (!g->kept[up]) {
			ret_of[i] = ret_of[up];
		} else {
			if (small[up] == 0)
				small[up] = add(g, ret_of[up], NAME_SMALL);
			ret_of[i] = small[up];
		}
	}
	free(small);
}

/* ---- output --------------------------------------------------------------------- */

static void
put_array(const struct page *g, const char *key, const uint32_t *n)
{
	(void)fprintf(g->to, "\"%s\":[", key);
	for (size_t i = 0; i < g->count; i++)
		(void)fprintf(g->to, "%s%u", i ? "," : "", n[i]);
	(void)fputs("],\n", g->to);
}

static void
put_names(const struct page *g)
{
	const struct oh_tree *t = g->f->t;
	char name[OH_PLACE_NAME_MAX];

	(void)fputs("\"names\":[\"all\",\"(small frames)\",\"(no stack)\"", g->to);
	for (uint32_t i = NAMES_FIXED; i < g->names; i++) {
		(void)putc(',', g->to);
		oh_put_json(g->to, oh_tree_name(name, t, g->f->p, g->place_of[i - NAMES_FIXED]));
	}
	(void)fputs("],\n\"files\":[\"\",\"\",\"\"", g->to);
	for (uint32_t i = NAMES_FIXED; i < g->names; i++) {
		const struct oh_place *pl =
		    &t->table.places[t->place[g->place_of[i - NAMES_FIXED]]];

		(void)putc(',', g->to);
		oh_put_json(g->to,
		    pl->file ? oh_profile_string(g->f->p, pl->file) : oh_place_module(g->f->p, pl));
	}
	(void)fputs("],\n", g->to);
}

static void
put_values(const struct page *g, const uint32_t *of)
{
	const struct oh_tree *t = g->f->t;
	int64_t *sum = oh_xcalloc(g->count * t->type_count, sizeof(*sum));
	double *variance = oh_xcalloc(g->count * t->type_count, sizeof(*variance));

	for (size_t i = 0; i < t->count; i++)
		for (size_t k = 0; k < t->type_count; k++) {
			size_t from = i * t->type_count + k, to = k * g->count + of[i];

			sum[to] = oh_add_saturated(sum[to], t->self[from]);
			variance[to] += t->self_variance[from];
		}
	for (int what = 0; what < 2; what++) {
		(void)fputs(what == 0 ? "\"self\":[" : "\"variance\":[", g->to);
		for (size_t k = 0; k < t->type_count; k++) {
			(void)fputs(k ? ",\n[" : "[", g->to);
			for (size_t i = 0; i < g->count; i++) {
				size_t at = k * g->count + i;

				(void)fputs(i ? "," : "", g->to);
				if (what == 0)
					(void)fprintf(g->to, "%" PRId64, sum[at]);
				else
					(void)fprintf(g->to, "%.4g",
					    isfinite(variance[at]) ? variance[at] : 0);
			}
			(void)putc(']', g->to);
		}
		(void)fputs(what == 0 ? "],\n" : "]\n", g->to);
	}
	free(sum);
	free(variance);
}

static void
put_types(const struct page *g)
{
	const struct oh_flame *f = g->f;

	(void)fputs("\"types\":[", g->to);
	for (size_t k = 0; k < f->t->type_count; k++) {
		const struct oh_value_type *vt = &f->p->types[f->types[k]];

		(void)fputs(k ? ",{\"name\":" : "{\"name\":", g->to);
		oh_put_json(
		    g->to, f->diff ? (k ? "before" : "after") : oh_profile_string(f->p, vt->type));
		(void)fputs(",\"unit\":", g->to);
		oh_put_json(g->to, oh_profile_string(f->p, vt->unit));
		(void)fprintf(g->to, ",\"errors\":%s}", f->t->has_variance[k] ? "true" : "false");
	}
	(void)fputs("],\n", g->to);
}

static void
put_data(struct page *g)
{
	uint32_t *of = oh_xcalloc(g->f->t->count, sizeof(*of));

	choose(g);
	number(g, of);
	(void)fprintf(
	    g->to, "{\"diff\":%s,\"start\":%zu,\n", g->f->diff ? "true" : "false", g->f->start);
	put_types(g);
	put_names(g);
	put_array(g, "parent", g->parent);
	put_array(g, "name", g->name);
	put_values(g, of);
	(void)putc('}', g->to);
	free(of);
}

void
oh_flame_data(FILE *to, const struct oh_flame *f)
{
	size_t n = f->t->count;
	struct page g = {
		.f = f,
		.to = to,
		.names = NAMES_FIXED,
		.kept = oh_xcalloc(n, 1),
		.name_of = oh_xcalloc(f->t->table.place_count, sizeof(*g.name_of)),
		.place_of = oh_xcalloc(f->t->table.place_count, sizeof(*g.place_of)),
		.parent = oh_xcalloc(2 * n, sizeof(*g.parent)),
		.name = oh_xcalloc(2 * n, sizeof(*g.name)),
	};

	put_data(&g);
	free(g.kept);
	free(g.name_of);
	free(g.place_of);
	free(g.parent);
	free(g.name);
}

/* ---- the page ------------------------------------------------------------------- */

static void
put_text(FILE *to, const void *text)
{
	oh_put_html(to, text, 1000);
}

static void
put_tree(FILE *to, const void *flame)
{
	oh_flame_data(to, flame);
}

void
oh_flame_html(FILE *to, const struct oh_flame *f)
{
	const struct oh_page_mark marks[] = {
		{ "@TITLE@", NULL, put_text, f->title },
		{ "@ABOUT@", NULL, put_text, f->about },
		{ "@BASE_CSS@", oh_page_base_css, NULL, NULL },
		{ "@FLAME_CSS@", oh_page_flame_css, NULL, NULL },
		{ "@FLAME_JS@", oh_page_flame_js, NULL, NULL },
		{ "@DATA@", NULL, put_tree, f },
	};

	oh_page_write(to, oh_page_head, marks, OH_ARRAY_LEN(marks));
	oh_page_write(to, oh_page_flame, marks, OH_ARRAY_LEN(marks));
}
