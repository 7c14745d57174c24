/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report.h - what otheap report tells, and the page that tells it.
 */
#ifndef OH_TOOLS_REPORT_H
#define OH_TOOLS_REPORT_H

#include <stddef.h>
#include <stdio.h>

#include "core/base.h"
#include "tools/aggregate.h"
#include "tools/args.h"
#include "tools/estimate.h"
#include "tools/leak.h"
#include "tools/merge.h"
#include "tools/profile.h"

#define OH_REPORT_FILES_MAX 10000

/* One profile of the series. */
struct oh_report_dump {
	const char *file;
	size_t order;         /* as given */
	struct oh_profile *p; /* kept only for some */
	int64_t time_ns, duration_ns;
	int64_t total;   /* of the type shown */
	double variance; /* of it; negative: not known */
	int64_t objects; /* in use; negative: not known */
	/* Since the start, exactly; negative: not known. */
	int64_t allocated_bytes, allocations;
	char *trigger, *pid; /* "" = not known */
	bool follows;        /* is of the same process as the one before it */
};

struct oh_report {
	const struct oh_args *a;
	struct oh_report_dump *dumps; /* by time */
	size_t count, base;           /* the first dump of the last one's process */
	bool timed;                   /* the times are known and not all the same */

	struct oh_profile *last; /* named; that of the last dump */
	unsigned type;           /* of it: the one shown */
	char *type_name;
	const char *unit;
	bool exact;                        /* every allocation was counted */
	struct oh_table functions, stacks; /* of it, the largest by themselves first */

	/*
	 * What changed since dumps[base], if that is not the last: a merged profile
	 * and its types for the last and the first, see merge.h.
	 */
	bool has_growth;
	struct oh_profile *changed;
	unsigned changed_types[2];
	double growth_variance; /* of the whole; negative: not known */
	struct oh_merge merge;  /* what `changed` is, where it is not that of `leaks` */

	bool judged; /* these suspects are known */
	const char *not_judged;
	struct oh_leaks leaks;
	char **leak_names;
};

/*
 * Read the files and work it out.  False after one line on stderr.  Call
 * oh_report_free in any case.
 */
bool oh_report_make(struct oh_report *r, const struct oh_args *a, char **files, size_t count);
void oh_report_free(struct oh_report *r);

/* The sum of what nothing, or only what is lost, points to; with its variance. */
struct oh_leak_part oh_report_lost(const struct oh_report *r);

/* How many call stacks have this verdict? */
size_t oh_report_count(const struct oh_report *r, enum oh_leak_verdict v);

/* Write the page. */
void oh_report_html(FILE *to, const struct oh_report *r);

/* Its timeline, a drawing with words beside it; nothing for a single dump. */
void oh_report_chart(FILE *to, const struct oh_report *r);

/* Its sections that name code; settings and what was lost. */
void oh_report_suspects(FILE *to, const struct oh_report *r);
void oh_report_sites(FILE *to, const struct oh_report *r);
void oh_report_settings(FILE *to, const struct oh_report *r);

/*
 * A line with a call stack, to be opened.  Written after _begin: the amount;
 * after _names, which are those of the innermost functions: what stands at the
 * right; after _open: what stands above the frames.
 */
struct oh_report_stack {
	const struct oh_profile *p;
	const struct oh_table *t;
	const struct oh_row *row;
};
void oh_report_stack_begin(FILE *to);
void oh_report_stack_names(FILE *to, const struct oh_report_stack *s);
void oh_report_stack_open(FILE *to);
void oh_report_stack_end(FILE *to, const struct oh_report_stack *s);

/*
 * HTML of a value, "12.30 MiB"; of half of its 95 % interval, " ± 1.20 MiB",
 * nothing where the variance is not known (negative) or there is none; of both.
 */
void oh_report_value(FILE *to, const struct oh_report *r, double value);
void oh_report_error(FILE *to, const struct oh_report *r, double variance);
void oh_report_estimate(FILE *to, const struct oh_report *r, double value, double variance);
void oh_report_bytes(FILE *to, const struct oh_report *r, double bytes, double variance);
void oh_report_error_bytes(FILE *to, const struct oh_report *r, double variance);
void oh_report_duration(FILE *to, double ns);
void oh_report_percent(FILE *to, double part, double whole);

/* HTML of a name from a profile, which cannot disturb what is around it. */
#define OH_REPORT_NAME_MOST 2000 /* characters */
void oh_report_name(FILE *to, const char *s);

/* "2026-11-21 12:34:56 +0000", or "" if not known; buf has 64 bytes.  Returns buf. */
const char *oh_report_time(char *buf, int64_t time_ns);

#endif
