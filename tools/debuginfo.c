/* SPDX-License-Identifier: Apache-2.0 */
/*
 * debuginfo.c - which functions and source lines are at an address?
 *
 * Why not dwarf_getscopes(): it walks the unit's tree of entries again for
 * each address, a millisecond and more in a large C++ unit.  Here each tree is
 * walked once, and addresses are found by binary search.  Why not
 * dwarf_addrdie(): it needs .debug_aranges, which clang does not write.
 *
 * Shape
 *	units (spans of addresses) -> unit.functions (spans) -> instance
 *	instance.nodes: its inlined calls in depth-first order, each with the
 *	index of the first node after its own subtree
 *
 * Functions of a unit are listed when the first address in it is asked for,
 * the nodes of an instance when the first address in that is.
 *
 * Limits   OH_DEBUGINFO_DEPTH frames; entries nested deeper than TREE_DEPTH
 *	    are not looked at (no compiler makes them, a damaged file may).
 */
#include "tools/debuginfo.h"

#include <dwarf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/idmap.h"
#include "tools/mem.h"

#define TREE_DEPTH 256

/* Addresses [low, high) belong to `id`. */
struct span {
	uint64_t low, high;
	uint64_t max_high; /* of this and all spans before it */
	uint32_t id;
};

struct spans {
	struct span *list;
	size_t count, cap;
};

struct node {
	uint32_t function;
	uint32_t call_line;
	const char *call_file;
	uint32_t range_at, range_count; /* in debuginfo.ranges */
	uint32_t after;                 /* first node that is not inside this one */
	uint32_t depth;
};

struct instance {
	Dwarf_Die die;
	uint32_t function;
	bool expanded;
	struct node *nodes;
	size_t node_count, node_cap;
};

struct unit {
	Dwarf_Die die;      /* has the functions */
	Dwarf_Die skeleton; /* has the ranges and the line table; the same without split DWARF */
	bool expanded;
	struct spans functions; /* id = instance */
};

/* The entry that encloses the one at hand, up to the unit. */
struct scope {
	const char *name;
	const struct scope *up;
};

struct oh_debuginfo {
	uint64_t bias, low, high;
	struct spans spans; /* id = unit */
	struct unit *units;
	size_t unit_count, unit_cap;
	struct instance *instances;
	size_t instance_count, instance_cap;
	struct oh_debug_function *functions;
	size_t function_cap;
	struct oh_idmap function_ids; /* address of the entry -> function */
	struct oh_idmap scoped_ids;   /* address of an entry -> scoped_names */
	char **scoped_names;          /* "space::function", of entries without a linkage name */
	size_t scoped_cap;
	struct range {
		uint64_t low, high;
	} * ranges;
	size_t range_count, range_cap;
};

/* ---- spans ------------------------------------------------------------------ */

static void
span_add(struct spans *s, uint64_t low, uint64_t high, uint32_t id)
{
	s->list = oh_xgrow(s->list, &s->cap, s->count + 1, sizeof(*s->list));
	s->list[s->count++] = (struct span){ .low = low, .high = high, .id = id };
}

/* Inner spans after outer ones, so that the search below meets them first. */
static int
by_low(const void *a, const void *b)
{
	const struct span *x = a, *y = b;

	if (x->low != y->low)
		return x->low < y->low ? -1 : 1;
	if (x->high != y->high)
		return x->high > y->high ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

static void
spans_sort(struct spans *s)
{
	uint64_t high = 0;

	if (s->count == 0)
		return;
	qsort(s->list, s->count, sizeof(*s->list), by_low);
	for (size_t i = 0; i < s->count; i++) {
		if (s->list[i].high > high)
			high = s->list[i].high;
		s->list[i].max_high = high;
	}
}

static const struct span *
span_find(const struct spans *s, uint64_t at)
{
	size_t low = 0, high = s->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (s->list[mid].low <= at)
			low = mid + 1;
		else
			high = mid;
	}
	while (low-- > 0 && s->list[low].max_high > at)
		if (s->list[low].high > at)
			return &s->list[low];
	return NULL;
}

/* Where a walk over the address ranges of an entry is; zero at first. */
struct range_walk {
	ptrdiff_t at;
	Dwarf_Addr base; /* libdw's own, between two calls */
};

/* The next plausible range of `die`; false at the end. */
static bool
next_range(
    struct oh_debuginfo *d, Dwarf_Die *die, struct range_walk *walk, uint64_t *low, uint64_t *high)
{
	Dwarf_Addr from, to;

	while ((walk->at = dwarf_ranges(die, walk->at, &walk->base, &from, &to)) > 0) {
		*low = from + d->bias;
		*high = to + d->bias;
		if (*low < *high && *low >= d->low && *high <= d->high)
			return true;
	}
	return false;
}

/* ---- what DWARF says of one entry ------------------------------------------- */

static const char *
string_attr(Dwarf_Die *die, unsigned name)
{
	Dwarf_Attribute attr;

	return dwarf_formstring(dwarf_attr_integrate(die, name, &attr));
}

/*
 * The file that attribute `name` of `die` gives the number of.  Not
 * dwarf_decl_file(): elfutils 0.188 ends the process where a unit's table of
 * files cannot be read, as in split DWARF 4.
 */
static const char *
file_attr(Dwarf_Die *die, unsigned name)
{
	Dwarf_Attribute attr;
	Dwarf_Die unit;
	Dwarf_Word index;
	Dwarf_Files *files;
	size_t count;

	if (dwarf_attr_integrate(die, name, &attr) == NULL || dwarf_formudata(&attr, &index) != 0)
		return NULL;
	/* The number counts in the unit that holds the attribute, perhaps not the entry's own. */
	if (dwarf_cu_die(attr.cu, &unit, NULL, NULL, NULL, NULL, NULL, NULL) == NULL ||
	    dwarf_getsrcfiles(&unit, &files, &count) != 0 || index >= count)
		return NULL;
	return dwarf_filesrc(files, index, NULL, NULL);
}

/* The entry that describes the function itself, not this copy of it. */
static Dwarf_Die
origin_of(Dwarf_Die die)
{
	static const unsigned links[] = { DW_AT_abstract_origin, DW_AT_specification };

	for (unsigned hops = 0; hops < 16; hops++) {
		Dwarf_Attribute attr;
		Dwarf_Die next;
		bool moved = false;

		for (size_t i = 0; i < OH_ARRAY_LEN(links) && !moved; i++)
			if (dwarf_attr(&die, links[i], &attr) != NULL &&
			    dwarf_formref_die(&attr, &next) != NULL) {
				die = next;
				moved = true;
			}
		if (!moved)
			break;
	}
	return die;
}

static uint32_t
function_of(struct oh_debuginfo *d, Dwarf_Die *die)
{
	Dwarf_Die origin = origin_of(*die);
	uint32_t before = d->function_ids.count;
	uint32_t i = oh_idmap_add(&d->function_ids, (uint64_t)(uintptr_t)origin.addr);
	struct oh_debug_function *f;
	uint32_t scoped;
	int line = 0;

	if (d->function_ids.count == before)
		return i;
	d->functions =
	    oh_xgrow(d->functions, &d->function_cap, (size_t)i + 1, sizeof(*d->functions));
	f = &d->functions[i];
	f->name = string_attr(die, DW_AT_linkage_name);
	if (f->name == NULL)
		f->name = string_attr(die, DW_AT_MIPS_linkage_name);
	scoped = oh_idmap_find(&d->scoped_ids, (uint64_t)(uintptr_t)origin.addr);
	if (f->name == NULL && scoped != OH_IDMAP_NONE)
		f->name = d->scoped_names[scoped];
	if (f->name == NULL)
		f->name = dwarf_diename(die);
	if (f->name == NULL)
		f->name = "(no name)";
	f->file = file_attr(die, DW_AT_decl_file);
	f->line = dwarf_decl_line(die, &line) == 0 && line > 0 ? (uint32_t)line : 0;
	return i;
}

static uint32_t
call_line(Dwarf_Die *die)
{
	Dwarf_Attribute attr;
	Dwarf_Word line;

	if (dwarf_attr(die, DW_AT_call_line, &attr) == NULL || dwarf_formudata(&attr, &line) != 0)
		return 0;
	return line > UINT32_MAX ? 0 : (uint32_t)line;
}

/* ---- inlined calls of one function ------------------------------------------ */

static void
add_nodes(struct oh_debuginfo *d, struct unit *u, struct instance *in, Dwarf_Die *parent,
    uint32_t depth, unsigned nesting)
{
	Dwarf_Die die;

	if (nesting > TREE_DEPTH || dwarf_child(parent, &die) != 0)
		return;
	do {
		unsigned tag = (unsigned)dwarf_tag(&die);
		uint64_t low, high;
		struct range_walk walk = { 0 };
		size_t self;

		if (tag == DW_TAG_lexical_block || tag == DW_TAG_try_block ||
		    tag == DW_TAG_catch_block)
			add_nodes(d, u, in, &die, depth, nesting + 1);
		if (tag != DW_TAG_inlined_subroutine)
			continue;
		self = in->node_count++;
		in->nodes = oh_xgrow(in->nodes, &in->node_cap, in->node_count, sizeof(*in->nodes));
		in->nodes[self] = (struct node){
			.function = function_of(d, &die),
			.call_line = call_line(&die),
			.call_file = file_attr(&die, DW_AT_call_file),
			.range_at = (uint32_t)d->range_count,
			.depth = depth,
		};
		while (next_range(d, &die, &walk, &low, &high)) {
			d->ranges = oh_xgrow(
			    d->ranges, &d->range_cap, d->range_count + 1, sizeof(*d->ranges));
			d->ranges[d->range_count++] = (struct range){ low, high };
			in->nodes[self].range_count++;
		}
		add_nodes(d, u, in, &die, depth + 1, nesting + 1);
		in->nodes[self].after = (uint32_t)in->node_count;
	} while (dwarf_siblingof(&die, &die) == 0);
}

static bool
node_contains(const struct oh_debuginfo *d, const struct node *n, uint64_t at)
{
	for (uint32_t i = 0; i < n->range_count; i++)
		if (at >= d->ranges[n->range_at + i].low && at < d->ranges[n->range_at + i].high)
			return true;
	return false;
}

/* ---- functions of one unit -------------------------------------------------- */

/*
 * Compilers leave out the linkage name of functions that cannot be linked to
 * (static, in anonymous namespaces, lambdas).  Those are named by where they
 * stand, as a demangler would have.
 */
static void
add_scoped_name(struct oh_debuginfo *d, Dwarf_Die *die, const struct scope *up)
{
	const char *name = dwarf_diename(die);
	char *full, *longer;
	uint32_t i;

	if (up == NULL || name == NULL || dwarf_hasattr(die, DW_AT_linkage_name) ||
	    dwarf_hasattr(die, DW_AT_specification) || dwarf_hasattr(die, DW_AT_abstract_origin))
		return;
	full = strdup(name);
	for (; up != NULL && full != NULL; up = up->up) {
		if (asprintf(&longer, "%s::%s", up->name, full) < 0)
			longer = NULL;
		free(full);
		full = longer;
	}
	if (full == NULL)
		return;
	i = oh_idmap_add(&d->scoped_ids, (uint64_t)(uintptr_t)die->addr);
	d->scoped_names =
	    oh_xgrow(d->scoped_names, &d->scoped_cap, (size_t)i + 1, sizeof(*d->scoped_names));
	d->scoped_names[i] = full;
}

/* List the copies of functions below `parent` that have code. */
static void
add_functions(struct oh_debuginfo *d, struct unit *u, Dwarf_Die *parent, const struct scope *up,
    unsigned nesting)
{
	Dwarf_Die die;

	if (nesting > TREE_DEPTH || dwarf_child(parent, &die) != 0)
		return;
	do {
		uint32_t id = (uint32_t)d->instance_count;
		struct scope self = { NULL, up };
		struct range_walk walk = { 0 };
		bool has_code = false;
		uint64_t low, high;

		switch (dwarf_tag(&die)) {
		case DW_TAG_subprogram:
			while (next_range(d, &die, &walk, &low, &high)) {
				span_add(&u->functions, low, high, id);
				has_code = true;
			}
			if (has_code) {
				d->instances = oh_xgrow(d->instances, &d->instance_cap,
				    d->instance_count + 1, sizeof(*d->instances));
				d->instances[id] = (struct instance){ .die = die };
				d->instance_count++;
			}
			add_scoped_name(d, &die, up);
			self.name = dwarf_diename(&die);
			break;
		case DW_TAG_namespace:
			self.name = dwarf_diename(&die);
			if (self.name == NULL)
				self.name = "(anonymous namespace)";
			break;
		case DW_TAG_class_type:
		case DW_TAG_structure_type:
		case DW_TAG_union_type:
			self.name = dwarf_diename(&die);
			break;
		case DW_TAG_enumeration_type:
		case DW_TAG_array_type:
		case DW_TAG_subroutine_type:
		case DW_TAG_inlined_subroutine:
			continue;
		default:
			break;
		}
		/* Namespaces, classes, blocks and functions may all hold functions. */
		if (dwarf_haschildren(&die) > 0)
			add_functions(d, u, &die, self.name ? &self : up, nesting + 1);
	} while (dwarf_siblingof(&die, &die) == 0);
}

struct oh_debuginfo *
oh_debuginfo_create(Dwarf *dw, uint64_t bias, uint64_t low, uint64_t high)
{
	struct oh_debuginfo *d = oh_xcalloc(1, sizeof(*d));
	Dwarf_CU *cu = NULL;
	Dwarf_Die die, split;
	uint8_t type;

	d->bias = bias;
	d->low = low;
	d->high = high;
	while (dwarf_get_units(dw, cu, &cu, NULL, &type, &die, &split) == 0) {
		uint64_t from, to;
		struct range_walk walk = { 0 };

		if (type != DW_UT_compile && type != DW_UT_skeleton)
			continue;
		while (next_range(d, &die, &walk, &from, &to))
			span_add(&d->spans, from, to, (uint32_t)d->unit_count);
		d->units = oh_xgrow(d->units, &d->unit_cap, d->unit_count + 1, sizeof(*d->units));
		/* With split DWARF the skeleton has the ranges, its other half the functions. */
		d->units[d->unit_count++] = (struct unit){
			.die = type == DW_UT_skeleton && split.addr != NULL ? split : die,
			.skeleton = die,
		};
	}
	spans_sort(&d->spans);
	return d;
}

void
oh_debuginfo_free(struct oh_debuginfo *d)
{
	if (d == NULL)
		return;
	for (size_t i = 0; i < d->unit_count; i++)
		free(d->units[i].functions.list);
	for (size_t i = 0; i < d->instance_count; i++)
		free(d->instances[i].nodes);
	free(d->spans.list);
	free(d->units);
	free(d->instances);
	free(d->functions);
	free(d->ranges);
	for (uint32_t i = 0; i < d->scoped_ids.count; i++)
		free(d->scoped_names[i]);
	free(d->scoped_names);
	oh_idmap_free(&d->scoped_ids);
	oh_idmap_free(&d->function_ids);
	free(d);
}

size_t
oh_debuginfo_find(
    struct oh_debuginfo *d, uint64_t vaddr, struct oh_debug_frame ret[OH_DEBUGINFO_DEPTH])
{
	const struct node *path[OH_DEBUGINFO_DEPTH];
	const struct span *span = span_find(&d->spans, vaddr);
	struct instance *in;
	struct unit *u;
	Dwarf_Line *row;
	size_t depth = 0, n = 0;
	const char *file = NULL;
	int line = 0;

	if (span == NULL)
		return 0;
	u = &d->units[span->id];
	if (!u->expanded) {
		u->expanded = true;
		add_functions(d, u, &u->die, NULL, 0);
		spans_sort(&u->functions);
	}
	span = span_find(&u->functions, vaddr);
	if (span == NULL)
		return 0;
	in = &d->instances[span->id];
	if (!in->expanded) {
		in->expanded = true;
		in->function = function_of(d, &in->die);
		add_nodes(d, u, in, &in->die, 0, 0);
	}

	/* path[k] is the inlined call at depth k that holds vaddr. */
	for (size_t i = 0; i < in->node_count && depth < OH_DEBUGINFO_DEPTH - 1;) {
		const struct node *node = &in->nodes[i];

		if (node->depth == depth && node_contains(d, node, vaddr)) {
			path[depth++] = node;
			i++;
		} else {
			i = node->after;
		}
	}

	row = dwarf_getsrc_die(&u->skeleton, vaddr - d->bias);
	if (row != NULL && dwarf_lineno(row, &line) == 0)
		file = dwarf_linesrc(row, NULL, NULL);
	for (size_t k = depth; k > 0; k--) {
		const struct node *node = path[k - 1];

		ret[n++] = (struct oh_debug_frame){
			.function = node->function,
			.line = line > 0 ? (uint32_t)line : 0,
			.file = file,
		};
		file = node->call_file;
		line = node->call_line <= INT32_MAX ? (int)node->call_line : 0;
	}
	ret[n++] = (struct oh_debug_frame){
		.function = in->function,
		.line = line > 0 ? (uint32_t)line : 0,
		.file = file,
	};
	return n;
}

const struct oh_debug_function *
oh_debuginfo_function(const struct oh_debuginfo *d, uint32_t i)
{
	return &d->functions[i];
}
