/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watch.h - the call sites of a running program and how they change.
 *
 *	tables.c -> watch_data.c    one look after the other: what lives, what
 *				    grew, how fast is it allocated
 *	            watch_names.c   which function or call stack a site is
 *	            watch_text.c    a look as lines of text; watch_json.c as JSON
 *	            screen.c        a terminal
 *	            cmd_watch.c     brings them together
 */
#ifndef OH_TOOLS_WATCH_H
#define OH_TOOLS_WATCH_H

#include <regex.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/base.h"
#include "tools/idmap.h"
#include "tools/intern.h"
#include "tools/print.h"
#include "tools/profile.h"
#include "tools/prune.h"
#include "tools/symbols.h"
#include "tools/tables.h"

/* What a row shows.  All are estimates; variances are 0 at interval 1. */
struct oh_watch_values {
	double live_bytes, live_variance;
	double blocks;                      /* live */
	double grown_bytes, grown_variance; /* since the start of the growth window */
	double alloc_bytes, alloc_variance; /* since the start of the rate window */
	double alloc_blocks;                /* the same */
};

struct oh_watch_row {
	uint32_t name;   /* string of the profile: function or module+offset */
	uint32_t file;   /* string; 0 = not known */
	uint32_t line;   /* of the function's start; 0 = not known */
	uint32_t module; /* string; the file's name where `file` is not known */
	uint32_t stack;  /* of a row of a whole stack: its index; else a stack that has it */
	uint32_t last;   /* stack + 1 that was added last (recursion) */
	struct oh_watch_values self, cum;
};

enum oh_watch_view { OH_WATCH_FUNCTIONS, OH_WATCH_STACKS, OH_WATCH_VIEWS };

struct oh_watch_stack {
	uint32_t frame_at, frame_count; /* locations in profile.frames, leaf first, pruned */
	uint32_t first_line; /* of the first location: inlined frames before it are pruned */
	/* The functions on it, each once, the leaf first: stack_rows[rows_at ..]. */
	size_t rows_at;
	uint32_t row_count;
	struct oh_watch_values values;
};

struct oh_watch_site {
	uint32_t stack;
	double now[4]; /* enum below */
};
enum { OH_WATCH_LIVE_BYTES, OH_WATCH_LIVE, OH_WATCH_ALLOC_BYTES, OH_WATCH_ALLOC };

/* What was seen at one moment, for differences. */
struct oh_watch_past {
	int64_t time_ns;
	uint64_t total_bytes, total_calls;
	size_t count;
	double (*values)[4]; /* [site] */
};

#define OH_WATCH_PASTS_MAX 32u

struct oh_watch {
	/* Set by the user. */
	int64_t growth_window_ns;
	bool no_symbols;
	const char *root; /* before paths of the program, see struct oh_process */

	/* watch_names.c: a profile without samples, for places and their names. */
	struct oh_profile *p;
	struct oh_symbols *symbols;
	struct oh_intern strings;
	struct oh_prune prune;
	struct oh_idmap frame_ids; /* frame -> location */
	struct oh_idmap stack_ids; /* id of the library -> index in stacks */
	struct oh_idmap place_ids; /* name << 32 | file -> row of OH_WATCH_FUNCTIONS */
	struct oh_watch_stack *stacks;
	size_t stack_count, stack_cap;
	uint32_t *stack_rows; /* of OH_WATCH_FUNCTIONS */
	size_t stack_row_count, stack_row_cap;
	size_t frame_count, frame_cap, location_cap, mapping_cap;
	unsigned module_count; /* that are mappings already; their mapping is the same number */

	/* watch_data.c */
	struct oh_watch_row *rows[OH_WATCH_VIEWS];
	size_t row_count[OH_WATCH_VIEWS], row_cap[OH_WATCH_VIEWS];
	struct oh_idmap site_ids;
	struct oh_watch_site *sites;
	size_t site_count, site_cap;
	struct oh_watch_past past[OH_WATCH_PASTS_MAX]; /* oldest first */
	size_t past_count;
	struct oh_watch_values sum;

	/* The last look. */
	uint64_t looks;
	int64_t time_ns, start_ns;
	double growth_s, rate_s; /* length of the windows; 0 = there is nothing to compare with */
	uint64_t interval_bytes, total_bytes, total_calls, samples, samples_live, own_bytes;
	double total_bytes_rate, total_calls_rate; /* exact, per second */
	uint64_t drops[OH_DROP_COUNT];
	size_t threads, threads_unsure, skipped;
	bool stopped; /* new allocations are not recorded at present */
};

void oh_watch_init(struct oh_watch *w);
void oh_watch_free(struct oh_watch *w);

/*
 * Take in a look at the program.  Names of what is new are looked up, which can
 * take seconds for a large program the first time.  False: the looks contradict
 * each other, err says so.
 */
bool oh_watch_add(struct oh_watch *w, const struct oh_tables *t, struct oh_error *err);

/* Forget everything: it is another program now. */
void oh_watch_reset(struct oh_watch *w);

/* watch_names.c: make all stacks of the look known; index of stack i of it: stack_of[i]. */
void oh_watch_names_init(struct oh_watch *w);
void oh_watch_names_free(struct oh_watch *w);
bool oh_watch_names_add(struct oh_watch *w, const struct oh_tables *t, uint32_t *ret_stack_of);

/*
 * Line `i` of a location, innermost first, as a place; false: there is no such.
 * module+offset where no name is known.
 */
struct oh_watch_place {
	const char *name, *file, *module;
	uint32_t line;
	char buf[512];
};
bool oh_watch_place(
    const struct oh_watch *w, uint32_t location, uint32_t i, struct oh_watch_place *ret);

/* ---- showing ------------------------------------------------------------------------- */

enum oh_watch_sort {
	OH_WATCH_BY_LIVE,
	OH_WATCH_BY_GROWTH,
	OH_WATCH_BY_RATE,
	OH_WATCH_BY_BLOCKS,
	OH_WATCH_SORTS
};
extern const char *const oh_watch_sort_names[OH_WATCH_SORTS];

/* How to look at it. */
struct oh_watch_look {
	const char *program;
	int pid;
	enum oh_watch_view view;
	enum oh_watch_sort sort;
	bool cum;
	enum oh_byte_unit unit;
	double every_s;
	char filter[128]; /* "" = none */
	regex_t re;       /* of filter, if that is not empty */

	/* Rows that match, sorted: oh_watch_order(). */
	uint32_t *order;
	size_t count, cap;
	size_t all; /* rows with anything to show, also those that do not match */
};

/* Set the filter.  False: it is no regular expression; then nothing changes. */
bool oh_watch_filter(struct oh_watch_look *l, const char *expression, struct oh_error *err);

/* Choose and sort the rows. */
void oh_watch_order(struct oh_watch_look *l, const struct oh_watch *w);
void oh_watch_look_free(struct oh_watch_look *l);

static inline const struct oh_watch_values *
oh_watch_row_values(const struct oh_watch_look *l, const struct oh_watch_row *row)
{
	return l->cum && l->view == OH_WATCH_FUNCTIONS ? &row->cum : &row->self;
}

/*
 * watch_text.c: lines that end with a newline, fit for a terminal, but not cut
 * to its width.
 *
 *   columns  of the terminal, which decides what fits; 0 = no terminal
 */
#define OH_WATCH_HEAD_LINES 5u
void oh_watch_put_head(FILE *to, const struct oh_watch_look *l, const struct oh_watch *w);
/* A title line and rows [first, first + count) of the order; on a terminal `selected` has a mark.
 */
void oh_watch_put_rows(FILE *to, const struct oh_watch_look *l, const struct oh_watch *w,
    size_t first, size_t count, size_t selected, unsigned columns);
/* The call stacks behind row `row` of the view, largest first. */
void oh_watch_put_detail(
    FILE *to, const struct oh_watch_look *l, const struct oh_watch *w, uint32_t row);

/* Grew by more than chance, as far as is known? */
bool oh_watch_grows(const struct oh_watch *w, const struct oh_watch_values *v);

/* watch_json.c: one line. */
void oh_watch_put_json(
    FILE *to, const struct oh_watch_look *l, const struct oh_watch *w, size_t rows);

#endif
