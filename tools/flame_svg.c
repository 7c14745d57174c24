/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flame_svg.c - the flame graph as a picture: no script, texts as tooltips.
 */
#include "tools/flame.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tools/escape.h"
#include "tools/estimate.h"
#include "tools/mem.h"
#include "tools/print.h"

#include "tools/place.h"

#define WIDTH 1200.0
#define ROW 17
#define TOP 40
#define LEAST 0.3  /* narrower frames are not drawn */
#define LETTER 6.6 /* about the width of one */
#define ROWS_MAX 1500

struct picture {
	const struct oh_flame *f;
	FILE *to;
	uint32_t *first, *next; /* children of a node, largest first; 0 = no more */
	double *x, *width;
	uint32_t *depth;
};

static double
cum(const struct oh_flame *f, size_t node, size_t type)
{
	return (double)f->t->cum[node * f->t->type_count + type];
}

static int
smallest_first(const void *x, const void *y, void *arg)
{
	const struct oh_flame *f = arg;
	uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;
	double va = fabs(cum(f, a, f->start)), vb = fabs(cum(f, b, f->start));

	return va < vb ? -1 : va > vb ? 1 : a > b ? -1 : 1;
}

/* Place every frame; returns the number of rows. */
static uint32_t
place(struct picture *g)
{
	const struct oh_tree *t = g->f->t;
	uint32_t *order = oh_xcalloc(t->count, sizeof(*order)), rows = 1;

	for (uint32_t i = 0; i < t->count; i++)
		order[i] = i;
	qsort_r(order, t->count, sizeof(*order), smallest_first, (void *)(uintptr_t)g->f);
	for (size_t i = 0; i < t->count; i++) /* put in front: so the largest is first */
		if (order[i] != 0) {
			g->next[order[i]] = g->first[t->parent[order[i]]];
			g->first[t->parent[order[i]]] = order[i];
		}
	free(order);
	g->width[0] = WIDTH;
	for (uint32_t i = 0; i < t->count; i++) {
		double sum = 0, whole = fabs(cum(g->f, i, g->f->start)), x = g->x[i];

		for (uint32_t k = g->first[i]; k != 0; k = g->next[k])
			sum += fabs(cum(g->f, k, g->f->start));
		whole = fmax(whole, sum);
		for (uint32_t k = g->first[i]; k != 0 && whole > 0; k = g->next[k]) {
			g->x[k] = x;
			g->width[k] = g->width[i] * fabs(cum(g->f, k, g->f->start)) / whole;
			g->depth[k] = g->depth[i] + 1;
			x += g->width[k];
			if (g->width[k] >= LEAST && g->depth[k] + 1 > rows)
				rows = g->depth[k] + 1;
		}
	}
	return rows < ROWS_MAX ? rows : ROWS_MAX;
}

static void
put_colour(const struct picture *g, uint32_t node, const char *name)
{
	uint32_t h = UINT32_C(2166136261); /* FNV-1a */
	double a, b, most;

	if (!g->f->diff) {
		for (; *name != '\0'; name++)
			h = (h ^ (uint8_t)*name) * UINT32_C(16777619);
		(void)fprintf(g->to, "hsl(%u,%u%%,68%%)", 10 + h % 45, 60 + (h >> 8) % 25);
		return;
	}
	b = cum(g->f, node, 0);
	a = cum(g->f, node, 1);
	most = fmax(fabs(a), fabs(b));
	(void)fprintf(
	    g->to, "hsl(%d,%.0f%%,72%%)", b >= a ? 8 : 215, most > 0 ? 85 * fabs(b - a) / most : 0);
}

/* As much of the name as there is room for, never part of a character. */
static void
put_clipped(FILE *to, const char *name, double width)
{
	size_t room = (size_t)((width - 4) / LETTER), len = 0;
	char text[256];

	while (name[len] != '\0' && room > 0 && len + 5 < sizeof(text)) {
		size_t n = 1;

		while (((unsigned char)name[len + n] & 0xc0) == 0x80 && n < 4)
			n++;
		memcpy(text + len, name + len, n);
		len += n;
		room--;
	}
	text[len] = '\0';
	oh_put_xml(to, text);
}

static void
put_frame(const struct picture *g, uint32_t node)
{
	const struct oh_flame *f = g->f;
	size_t at = node * f->t->type_count + f->start;
	const char *unit = oh_profile_string(f->p, f->p->types[f->types[f->start]].unit);
	char buf[OH_PLACE_NAME_MAX], value[OH_VALUE_MAX];
	const char *name = oh_tree_name(buf, f->t, f->p, node);
	double y = TOP + (double)g->depth[node] * ROW;

	(void)fputs("<g><title>", g->to);
	oh_put_xml(g->to, name);
	(void)fprintf(
	    g->to, "\n%s", oh_format_value(value, (long double)f->t->cum[at], unit, OH_BYTES_AUTO));
	if (f->t->has_variance[f->start])
		(void)fprintf(g->to, " +- %s",
		    oh_format_value(value,
			(long double)oh_estimate_half_width(f->t->cum_variance[at]), unit,
			OH_BYTES_AUTO));
	(void)fprintf(
	    g->to, ", %s", oh_format_percent(value, cum(f, node, f->start), cum(f, 0, f->start)));
	if (f->diff)
		(void)fprintf(g->to, "\nbefore %s",
		    oh_format_value(value, (long double)cum(f, node, 1), unit, OH_BYTES_AUTO));
	(void)fprintf(g->to,
	    "</title><rect x=\"%.1f\" y=\"%.0f\" width=\"%.1f\" height=\"%d\" fill=\"", g->x[node],
	    y, fmax(g->width[node] - 0.3, 0.2), ROW - 1);
	put_colour(g, node, name);
	(void)fputs("\"/>", g->to);
	if (g->width[node] > 3 * LETTER) {
		(void)fprintf(g->to, "<text x=\"%.1f\" y=\"%.0f\">", g->x[node] + 2, y + 12);
		put_clipped(g->to, name, g->width[node]);
		(void)fputs("</text>", g->to);
	}
	(void)fputs("</g>\n", g->to);
}

void
oh_flame_svg(FILE *to, const struct oh_flame *f)
{
	size_t n = f->t->count;
	struct picture g = {
		.f = f,
		.to = to,
		.first = oh_xcalloc(n, sizeof(*g.first)),
		.next = oh_xcalloc(n, sizeof(*g.next)),
		.x = oh_xcalloc(n, sizeof(*g.x)),
		.width = oh_xcalloc(n, sizeof(*g.width)),
		.depth = oh_xcalloc(n, sizeof(*g.depth)),
	};
	uint32_t height = TOP + place(&g) * ROW + 8;

	(void)fprintf(to,
	    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
	    "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %u\" width=\"100%%\">\n"
	    "<style>svg{background:#fff}text{font:11px monospace;fill:#111}.t{font:14px "
	    "sans-serif}@media(prefers-color-scheme:dark){svg{background:#17191c}.t{fill:#ddd}}"
	    "</style>\n<text class=\"t\" x=\"4\" y=\"16\">",
	    WIDTH, height);
	oh_put_xml(to, f->title);
	(void)fputs("</text>\n<text class=\"t\" x=\"4\" y=\"33\">", to);
	oh_put_xml(to, f->about);
	(void)fputs("</text>\n", to);
	for (uint32_t i = 0; i < n; i++)
		if (g.width[i] >= LEAST && g.depth[i] < ROWS_MAX)
			put_frame(&g, i);
	(void)fputs("</svg>\n", to);
	free(g.first);
	free(g.next);
	free(g.x);
	free(g.width);
	free(g.depth);
}
