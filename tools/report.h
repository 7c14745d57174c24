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

/* A call stack that holds more than at the beginning of its process. */
struct oh_report_growth {
	uint32_t row; /* of `grown` */
	double q;     /* adjusted p-value, see oh_estimate_adjust() */
};

/* What the last leak check found, by class; see otheap(7). */
struct oh_report_class {
	int64_t bytes;
	double variance; /* negative: not known */
};
enum { OH_REPORT_LOST, OH_REPORT_INTERIOR, OH_REPORT_INDIRECT, OH_REPORT_CLASSES };

struct oh_report {
	const struct oh_args *a;
	struct oh_report_dump *dumps; /* by time */
	size_t count, base;           /* the first dump of the last one's process */
	bool timed;                   /* the times are known and not all the same */

	struct oh_profile *last; /* named; that of the last dump */
	unsigned type;           /* of it: the one shown */
	char *type_name;
	const char *unit;
	bool exact; /* every allocation was counted */
	struct oh_table functions, stacks;

	bool has_growth; /* base is not the last; then: */
	struct oh_merge merge;
	struct oh_table grown, before; /* call stacks of the merged profile, by growth; at first */
	bool growth_known;             /* its error is, so that it can be tested */
	/* Stacks that grew: significantly where that is known; the most first. */
	struct oh_report_growth *growth;
	size_t growth_count;

	bool checked;            /* the last profile has verdicts of a leak check */
	const char *not_checked; /* why one that was asked for was not made; or NULL */
	struct oh_table lost;    /* call stacks with lost blocks, if any */
	struct oh_report_class classes[OH_REPORT_CLASSES];
};

/*
 * Read the files and work it out.  False after one line on stderr.  Call
 * oh_report_free in any case.
 */
bool oh_report_make(struct oh_report *r, const struct oh_args *a, char **files, size_t count);
void oh_report_free(struct oh_report *r);

/* Write the page. */
void oh_report_html(FILE *to, const struct oh_report *r);

/* Its timeline, a drawing with words beside it; nothing for a single dump. */
void oh_report_chart(FILE *to, const struct oh_report *r);

/* Its sections that name code; settings and what was lost. */
void oh_report_suspects(FILE *to, const struct oh_report *r);
void oh_report_sites(FILE *to, const struct oh_report *r);
void oh_report_settings(FILE *to, const struct oh_report *r);

/*
 * HTML of a value, "12.30 MiB"; of half of its 95 % interval, " ± 1.20 MiB",
 * nothing where the variance is not known (negative) or there is none; of both.
 */
void oh_report_value(FILE *to, const struct oh_report *r, double value);
void oh_report_error(FILE *to, const struct oh_report *r, double variance);
void oh_report_estimate(FILE *to, const struct oh_report *r, double value, double variance);
void oh_report_duration(FILE *to, double ns);
void oh_report_percent(FILE *to, double part, double whole);

/* HTML of a name from a profile, which cannot disturb what is around it. */
#define OH_REPORT_NAME_MOST 2000 /* characters */
void oh_report_name(FILE *to, const char *s);

/* "2026-11-21 12:34:56 +0000", or "" if not known; buf has 64 bytes.  Returns buf. */
const char *oh_report_time(char *buf, int64_t time_ns);

#endif
