/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tree.c - the call tree of a profile: stacks from the root, common parts once.
 */
#include "tools/tree.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tools/estimate.h"
#include "tools/mem.h"
#include "tools/place.h"
#include "tools/prune.h"

struct work {
	struct oh_tree *t;
	size_t parent_cap, place_cap, self_cap, variance_cap;
	uint32_t *slots; /* node + 1, by parent and place */
	size_t slot_cap;
};

static size_t
slot_of(const struct work *w, uint32_t parent, uint32_t place)
{
	uint64_t h = ((uint64_t)parent << 32 | place) * UINT64_C(0x9e3779b97f4a7c15);
	size_t i;

	for (i = (size_t)(h ^ h >> 29) & (w->slot_cap - 1); w->slots[i] != 0;
	     i = (i + 1) & (w->slot_cap - 1)) {
		uint32_t node = w->slots[i] - 1;

		if (w->t->parent[node] == parent && w->t->place[node] == place)
			break;
	}
	return i;
}

static uint32_t
add_node(struct work *w, uint32_t parent, uint32_t place)
{
	struct oh_tree *t = w->t;
	size_t n = t->count, k = t->type_count;

	t->parent = oh_xgrow(t->parent, &w->parent_cap, n + 1, sizeof(*t->parent));
	t->place = oh_xgrow(t->place, &w->place_cap, n + 1, sizeof(*t->place));
	t->self = oh_xgrow(t->self, &w->self_cap, (n + 1) * k, sizeof(*t->self));
	t->self_variance =
	    oh_xgrow(t->self_variance, &w->variance_cap, (n + 1) * k, sizeof(*t->self_variance));
	t->parent[n] = parent;
	t->place[n] = place;
	memset(t->self + n * k, 0, k * sizeof(*t->self));
	memset(t->self_variance + n * k, 0, k * sizeof(*t->self_variance));
	return (uint32_t)t->count++;
}

static uint32_t
child_of(struct work *w, uint32_t parent, uint32_t place)
{
	struct oh_tree *t = w->t;
	size_t slot;

	if (2 * (t->count + 1) > w->slot_cap) {
		free(w->slots);
		w->slot_cap = w->slot_cap ? 2 * w->slot_cap : 1024;
		w->slots = oh_xcalloc(w->slot_cap, sizeof(*w->slots));
		for (uint32_t i = 1; i < t->count; i++)
			w->slots[slot_of(w, t->parent[i], t->place[i])] = i + 1;
	}
	slot = slot_of(w, parent, place);
	if (w->slots[slot] == 0)
		w->slots[slot] = add_node(w, parent, place) + 1;
	return w->slots[slot] - 1;
}

static uint32_t
node_of(struct work *w, const struct oh_profile *p, uint32_t first, uint32_t end)
{
	const struct oh_table *table = &w->t->table;
	uint32_t node = 0;

	for (uint32_t f = end; f-- > first;) {
		uint32_t l = p->frames[f];

		for (uint32_t i = table->place_at[l + 1]; i-- > table->place_at[l];)
			node = child_of(w, node, table->place_ids[i]);
	}
	return node != 0 ? node : child_of(w, 0, OH_TREE_NO_PLACE);
}

static void
add_samples(struct work *w, struct oh_profile *p, const unsigned *types)
{
	struct oh_tree *t = w->t;
	struct oh_estimator *est = oh_xcalloc(t->type_count, sizeof(*est));
	struct oh_prune pr;

	oh_prune_init(&pr, p);
	for (size_t k = 0; k < t->type_count; k++) {
		oh_estimator_init(&est[k], p, types[k]);
		t->has_variance[k] =
		    est[k].kind == OH_ESTIMATE_BYTES || est[k].kind == OH_ESTIMATE_OBJECTS;
	}
	for (size_t s = 0; s < p->sample_count; s++) {
		uint32_t first = p->frame_at[s], end = p->frame_at[s + 1];
		bool any = false;
		size_t at;

		for (size_t k = 0; k < t->type_count; k++)
			any = any || oh_profile_value(p, s, types[k]) != 0;
		if (!any)
			continue;
		oh_prune_sample(&pr, p, &first, end);
		at = node_of(w, p, first, end) * t->type_count;
		for (size_t k = 0; k < t->type_count; k++) {
			int64_t value = oh_profile_value(p, s, types[k]);
			double v = oh_estimator_variance(&est[k], p->label_set[s], value);

			t->self[at + k] = oh_add_saturated(t->self[at + k], value);
			if (v < 0)
				t->has_variance[k] = false;
			else
				t->self_variance[at + k] += v;
		}
	}
	for (size_t k = 0; k < t->type_count; k++)
		oh_estimator_free(&est[k]);
	free(est);
	oh_prune_free(&pr);
}

void
oh_tree_build(struct oh_tree *ret, struct oh_profile *p, const unsigned *types, size_t type_count)
{
	struct work w = { .t = ret };
	size_t k = type_count;

	memset(ret, 0, sizeof(*ret));
	ret->type_count = k;
	ret->has_variance = oh_xcalloc(k, sizeof(*ret->has_variance));
	oh_aggregate(&ret->table, p, types[0], OH_VIEW_FUNCTIONS);
	(void)add_node(&w, 0, OH_TREE_NO_PLACE);
	add_samples(&w, p, types);
	ret->cum = oh_xcalloc(ret->count * k, sizeof(*ret->cum));
	ret->cum_variance = oh_xcalloc(ret->count * k, sizeof(*ret->cum_variance));
	memcpy(ret->cum, ret->self, ret->count * k * sizeof(*ret->cum));
	memcpy(ret->cum_variance, ret->self_variance, ret->count * k * sizeof(*ret->cum_variance));
	for (size_t i = ret->count; i-- > 1;)
		for (size_t j = 0; j < k; j++) {
			size_t from = i * k + j, to = ret->parent[i] * k + j;

			ret->cum[to] = oh_add_saturated(ret->cum[to], ret->cum[from]);
			ret->cum_variance[to] += ret->cum_variance[from];
		}
	free(w.slots);
}

void
oh_tree_free(struct oh_tree *t)
{
	oh_table_free(&t->table);
	free(t->has_variance);
	free(t->parent);
	free(t->place);
	free(t->self);
	free(t->cum);
	free(t->self_variance);
	free(t->cum_variance);
	memset(t, 0, sizeof(*t));
}

const char *
oh_tree_name(char *buf, const struct oh_tree *t, const struct oh_profile *p, size_t node)
{
	if (node == 0)
		return "all";
	if (t->place[node] == OH_TREE_NO_PLACE)
		return "(no stack)";
	return oh_place_name(buf, p, &t->table.places[t->place[node]]);
}

double
oh_tree_share(const struct oh_tree *t, size_t node)
{
	double most = 0;

	for (size_t k = 0; k < t->type_count; k++) {
		double whole = fabs((double)t->cum[k]);

		if (whole > 0)
			most = fmax(most, fabs((double)t->cum[node * t->type_count + k]) / whole);
	}
	return fmin(most, 1);
}
