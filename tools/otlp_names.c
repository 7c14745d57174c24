/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_names.c - symbolise many profiles of few programs.
 *
 * Shape	what is kept is a profile without samples: its functions, lines and
 *	strings are those that were found, location i is the i-th key.
 */
#include "tools/otlp_names.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/intern.h"
#include "tools/mem.h"
#include "tools/otlp_table.h"
#include "tools/symbols.h"

#define DEFAULT_MAX 200000u
#define FIRST_SLOTS 1024u

struct names_item {
	uint64_t key[2];
	uint32_t line_at, line_count; /* 0 lines: nothing was found */
};

struct oh_names {
	size_t max;
	struct names_item *items;
	size_t count, cap;
	uint32_t *slots; /* item + 1, 0 = empty; at most half full */
	size_t slot_count;
	struct oh_profile *kept; /* strings, functions, lines */
	size_t line_cap;
	struct oh_intern strings; /* of kept */
	size_t looked_up;
};

static void
start(struct oh_names *n)
{
	n->kept = oh_xcalloc(1, sizeof(*n->kept));
	(void)oh_profile_add_string(n->kept, "", 0);
	oh_intern_init(&n->strings, n->kept);
	n->slot_count = FIRST_SLOTS;
	n->slots = oh_xcalloc(n->slot_count, sizeof(*n->slots));
}

static void
forget(struct oh_names *n)
{
	oh_intern_free(&n->strings);
	oh_profile_free(n->kept);
	free(n->items);
	free(n->slots);
	n->items = NULL;
	n->count = n->cap = n->line_cap = 0;
}

struct oh_names *
oh_names_create(size_t max_locations)
{
	struct oh_names *n = oh_xcalloc(1, sizeof(*n));

	n->max = max_locations ? max_locations : DEFAULT_MAX;
	start(n);
	return n;
}

void
oh_names_free(struct oh_names *n)
{
	if (n == NULL)
		return;
	forget(n);
	free(n);
}

size_t
oh_names_kept(const struct oh_names *n)
{
	return n->count;
}

size_t
oh_names_looked_up(const struct oh_names *n)
{
	return n->looked_up;
}

/* ---- keys -------------------------------------------------------------------- */

/* Of a location that has a mapping. */
static void
key_of(const struct oh_profile *p, uint32_t location, uint64_t ret[2])
{
	const struct oh_mapping *m = &p->mappings[p->location_mapping[location] - 1];
	uint64_t at = p->address[location] - m->start + m->offset;

	for (uint64_t i = 0; i < 2; i++) {
		const char *file = oh_profile_string(p, m->build_id);

		if (*file == '\0')
			file = oh_profile_string(p, m->filename);
		ret[i] = oh_mix(oh_hash_bytes(file, strlen(file), i) + at * (2 * i + 1));
	}
}

static size_t
slot_of(const struct oh_names *n, const uint64_t key[2])
{
	size_t i = key[0] & (n->slot_count - 1);

	for (uint32_t e; (e = n->slots[i]) != 0; i = (i + 1) & (n->slot_count - 1))
		if (n->items[e - 1].key[0] == key[0] && n->items[e - 1].key[1] == key[1])
			break;
	return i;
}

static void
add_item(struct oh_names *n, const struct names_item *item)
{
	size_t i = slot_of(n, item->key);

	if (n->slots[i] != 0)
		return; /* two locations of one profile at one place */
	n->items = oh_xgrow(n->items, &n->cap, n->count + 1, sizeof(*n->items));
	n->items[n->count++] = *item;
	n->slots[i] = (uint32_t)n->count;
	if (2 * (n->count + 1) <= n->slot_count)
		return;
	free(n->slots);
	n->slot_count *= 2;
	n->slots = oh_xcalloc(n->slot_count, sizeof(*n->slots));
	for (size_t k = 0; k < n->count; k++)
		n->slots[slot_of(n, n->items[k].key)] = (uint32_t)k + 1;
}

/* ---- between a profile and what is kept ----------------------------------------- */

static uint32_t
move_string(struct oh_intern *to, const struct oh_profile *from, uint32_t string)
{
	return oh_intern_text(to, oh_profile_string(from, string));
}

/* A function of `from` in `to`; moved[] has those that are there already, plus 1. */
static uint32_t
move_function(struct oh_profile *to, struct oh_intern *strings, const struct oh_profile *from,
    uint32_t function, uint32_t *moved)
{
	const struct oh_function *f = &from->functions[function];
	struct oh_function copy;

	if (moved[function] == 0) {
		copy = (struct oh_function){
			.name = move_string(strings, from, f->name),
			.system_name = move_string(strings, from, f->system_name),
			.filename = move_string(strings, from, f->filename),
			.start_line = f->start_line,
		};
		moved[function] = oh_profile_add_function(to, &copy) + 1;
	}
	return moved[function] - 1;
}

static void
take_known(struct oh_names *n, struct oh_profile *p, uint8_t *wanted)
{
	uint32_t *moved = oh_xcalloc(n->kept->function_count, sizeof(*moved));
	struct oh_line *lines = NULL;
	struct oh_intern strings;
	size_t cap = 0;

	oh_intern_init(&strings, p);
	for (uint32_t i = 0; i < p->location_count; i++) {
		const struct names_item *item;
		uint64_t key[2];
		uint32_t e;

		if (!wanted[i])
			continue;
		key_of(p, i, key);
		e = n->slots[slot_of(n, key)];
		if (e == 0)
			continue;
		item = &n->items[e - 1];
		lines = oh_xgrow(lines, &cap, item->line_count, sizeof(*lines));
		for (uint32_t k = 0; k < item->line_count; k++) {
			lines[k] = n->kept->lines[item->line_at + k];
			lines[k].function =
			    move_function(p, &strings, n->kept, lines[k].function, moved);
		}
		oh_profile_set_lines(p, i, lines, item->line_count);
		wanted[i] = 0;
	}
	oh_intern_free(&strings);
	free(lines);
	free(moved);
}

static void
keep_found(struct oh_names *n, const struct oh_profile *p, const uint8_t *wanted)
{
	uint32_t *moved = oh_xcalloc(p->function_count, sizeof(*moved));
	struct oh_profile *kept = n->kept;

	for (uint32_t i = 0; i < p->location_count; i++) {
		struct names_item item;

		if (!wanted[i])
			continue;
		key_of(p, i, item.key);
		item.line_at = (uint32_t)kept->lines_len;
		item.line_count = p->line_count[i];
		kept->lines = oh_xgrow(kept->lines, &kept->lines_cap,
		    kept->lines_len + item.line_count, sizeof(*kept->lines));
		for (uint32_t k = 0; k < item.line_count; k++) {
			struct oh_line line = p->lines[p->line_at[i] + k];

			line.function = move_function(kept, &n->strings, p, line.function, moved);
			kept->lines[kept->lines_len++] = line;
		}
		add_item(n, &item);
		n->looked_up++;
	}
	free(moved);
}

/* Where the file of a mapping is for us; its own name where it is not below root. */
static void
set_roots(struct oh_profile *p, const char *root, uint32_t *names)
{
	char path[PATH_MAX];

	for (size_t i = 0; i < p->mapping_count; i++) {
		const char *name = oh_profile_string(p, p->mappings[i].filename);
		int len = snprintf(path, sizeof(path), "%s%s", root, name);

		names[i] = p->mappings[i].filename;
		if (name[0] == '/' && len > 0 && (size_t)len < sizeof(path) &&
		    access(path, R_OK) == 0)
			p->mappings[i].filename = oh_profile_add_string(p, path, (size_t)len);
	}
}

void
oh_names_resolve(struct oh_names *n, struct oh_profile *p, const char *root)
{
	uint8_t *wanted = oh_xcalloc(p->location_count, 1);
	uint32_t *names = oh_xcalloc(p->mapping_count, sizeof(*names));
	struct oh_symbols *symbols;
	bool rooted = root != NULL && *root != '\0';
	size_t count = 0;

	if (n->count > n->max) {
		forget(n);
		start(n);
	}
	for (uint32_t i = 0; i < p->location_count; i++)
		wanted[i] = p->line_count[i] == 0 && p->location_mapping[i] != 0;
	take_known(n, p, wanted);
	for (uint32_t i = 0; i < p->location_count; i++)
		count += wanted[i];
	if (count != 0) {
		if (rooted)
			set_roots(p, root, names);
		symbols = oh_symbols_create(p, true);
		oh_symbols_run(symbols, wanted);
		oh_symbols_free(symbols);
		for (size_t i = 0; rooted && i < p->mapping_count; i++)
			p->mappings[i].filename = names[i];
		keep_found(n, p, wanted);
	}
	free(wanted);
	free(names);
}
