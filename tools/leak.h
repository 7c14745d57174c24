/* SPDX-License-Identifier: Apache-2.0 */
/*
 * leak.h - what `otheap leaks` knows of a series of profiles, stage by stage.
 *
 *	oh_leak_read()      files -> profiles in order of time (leak_read.c)
 *	oh_leak_sites()     profiles -> call stacks with counts (leak_sites.c)
 *	oh_leak_judge()     counts -> verdicts (leak_judge.c)
 *	oh_leak_suppress()  hides what the user does not want to see (leak_suppress.c)
 *	oh_leak_print_*()   for people and for programs (leak_text.c, leak_data.c)
 */
#ifndef OH_TOOLS_LEAK_H
#define OH_TOOLS_LEAK_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/base.h"
#include "tools/aggregate.h"
#include "tools/args.h"
#include "tools/compare.h"
#include "tools/leak_stat.h"
#include "tools/leak_suppress.h"
#include "tools/merge.h"

/* Exit codes, beside those of mem.h. */
#define OH_EXIT_LOST 1    /* blocks that nothing points to */
#define OH_EXIT_GROWING 3 /* none of these, but stacks that grow */

/* The label `leak` of a sample: what a look through the program's memory found. */
enum oh_lost {
	OH_LOST_NOT,      /* something points to it; or nobody looked */
	OH_LOST_YES,      /* nothing does */
	OH_LOST_INDIRECT, /* lost blocks alone do */
	OH_LOST_INTERIOR, /* something points into it, not to its start */
	OH_LOST_CLASSES,
};

/* Blocks of one site in one profile. */
struct oh_leak_part {
	double bytes, blocks;         /* estimates */
	double variance;              /* of the bytes, by sampling */
	double samples;               /* how many were sampled; of interval 1: all */
	double size_least, size_most; /* of a block, bytes; 0 = not known */
};

enum oh_leak_verdict {
	OH_LEAK_NOTHING,
	OH_LEAK_IS_LOST,  /* definitely: lost or indirect */
	OH_LEAK_POSSIBLE, /* interior only */
	OH_LEAK_GROWS,
	OH_LEAK_UNSTEADY, /* more than by chance, but not as a leak grows: `why` */
};

/* Ages from which on is asked whether blocks are still freed: 0, then doubling from 40 ms. */
#define OH_LEAK_SETTLED (1 + 24)
#define OH_LEAK_LIFE_MS 40.0
static inline double
oh_leak_settled_ms(unsigned i)
{
	return i == 0 ? 0 : OH_LEAK_LIFE_MS * (double)(UINT64_C(1) << (i - 1));
}

/* The blocks whose growth is tested: all, or those older than `guard_ms`. */
enum { OH_LEAK_ALL, OH_LEAK_OLD, OH_LEAK_POPULATIONS };

struct oh_leak_site {
	uint32_t row;                              /* of the table of stacks */
	struct oh_leak_part part[OH_LOST_CLASSES]; /* in the last profile */
	struct oh_leak_part now, before;           /* in the last and the first, all classes */
	/* of the blocks in the last profile; ages were recorded for all of them */
	bool has_ages;
	struct oh_leak_ages {
		double newest_ms, median_ms, oldest_ms;
	} ages, lost_ages, interior_ages; /* of all; of those that are definitely, possibly lost */
	double old_bytes;                 /* of blocks older than `old_ms` */
	double allocated;                 /* since the first profile, as `samples`; 0 = not known */
	/*
	 * Sampled blocks since the first profile, once they were older than
	 * oh_leak_settled_ms(i): how many were freed, and how long they were in use, all
	 * together.  Of i > 0 only with oh_leaks.lives.
	 */
	struct oh_leak_hazard {
		double freed, exposure_ms;
	} settled[OH_LEAK_SETTLED];
	/* born in the window but for its first 1/20 and its last 1/4; of these, the older half */
	double middle, middle_older;
	double first; /* born in that first 1/20 or before */

	/* of each population: sampled blocks that came and went since the first profile */
	struct oh_leak_count {
		double fresh, gone;
		double before, now; /* those in the first profile, and in the last */
		double bytes_before, bytes_now;
		double older_half; /* of the fresh ones born in the window, in its first half */
		double born;       /* these */
		double spread_ms;  /* the shortest span of ages that half of these are in */
	} count[OH_LEAK_POPULATIONS];

	/* the verdict; growth is that of the population tested */
	unsigned population;
	double growth, growth_variance; /* bytes */
	double p, q;                    /* that it is chance; q adjusted for all the tests */
	bool tested;                    /* could have been a finding */
	double trend_p;                 /* of a series, else 1 */
	struct oh_slope rate;           /* bytes a minute; all 0 if not known */
	enum oh_leak_verdict verdict;
	const char *why;     /* of OH_LEAK_UNSTEADY */
	uint32_t suppressed; /* by rule number, + 1 */
};

struct oh_leaks {
	const struct oh_args *a;

	/* options */
	const char *baseline;   /* a file that is not among the others; NULL = none */
	bool baseline_optional; /* one that cannot be used is left out */
	uint64_t min_bytes;     /* least growth */
	bool min_given;         /* of lost blocks as well */
	double min_percent;     /* least growth, of all that is in use in the last profile */
	double level;           /* rate of false discoveries; 0.05 */
	bool all;               /* print also what is not a suspect */
	size_t frames_max;      /* to print of a stack; 0 = all */
	const char *prefix;     /* of each line of text; "" */

	/* oh_leak_read(): in order of time */
	size_t count;
	char **names;
	struct oh_profile **files;
	int *types, *object_types; /* of each file */
	size_t skipped;
	bool reordered;    /* the times are not in the order of the arguments */
	bool same_process; /* the first and the last are of one */
	size_t processes;  /* of which there are profiles; 0 = not known */
	double window_ms;  /* from the first to the last; 0 = not known */
	double guard_ms;   /* blocks older than this are settled; see oh_leak_guard_ms() */
	double old_ms;     /* blocks older than this are old */

	/* oh_leak_sites() */
	struct oh_merge merge;
	struct oh_table table;
	struct oh_leak_site *sites;
	size_t site_count;
	double *series[OH_LEAK_POPULATIONS]; /* [site * count + file]: bytes in use */
	bool sampled;                        /* the sampling is known, so errors are */
	bool exact;                          /* interval 1 */
	bool checked;                        /* the last profile has a leak check */
	bool lives;                          /* it says how long freed blocks had lived */

	/* oh_leak_judge() */
	size_t tested;

	struct oh_suppressions suppressions;
};

/*
 * Read profiles of one program and put them in order of time; one that is
 * damaged and not the first or last named is left out.  With baseline_optional
 * so is a baseline that is damaged or of another program.  False after one line
 * on stderr for what is wrong.  oh_leaks_free in any case.
 *
 *   names   [count], may be reordered
 */
bool oh_leak_read(struct oh_leaks *l, char **names, size_t count);
void oh_leaks_free(struct oh_leaks *l);

/*
 * The same for one file: at most a quarter of the time that its process had run.
 * Nothing is old in a young process, and that would look like growth later.
 */
double oh_leak_guard_ms(const struct oh_leaks *l, size_t file);

/* Blocks of two kinds together. */
void oh_leak_add_part(struct oh_leak_part *to, const struct oh_leak_part *from);

/* Find the call stacks and count their blocks.  With names if `symbols`. */
void oh_leak_sites(struct oh_leaks *l, bool symbols);
void oh_leak_sites_free(struct oh_leaks *l);

/* Test each site; see leak_judge.c for how.  Sorts the sites, the worst first. */
void oh_leak_judge(struct oh_leaks *l);

/* Is a site a suspect (and not suppressed)? */
static inline bool
oh_leak_is(const struct oh_leak_site *s, enum oh_leak_verdict v)
{
	return s->verdict == v && s->suppressed == 0;
}

/* Hide the sites that the rules name.  Symbols first. */
void oh_leak_suppress(struct oh_leaks *l);

/* The sum of the parts that make a site a definite leak; of a growing one its growth. */
struct oh_leak_part oh_leak_lost_part(const struct oh_leak_site *s);

/* The ages of the same blocks; of a growing one of all. */
static inline const struct oh_leak_ages *
oh_leak_lost_ages(const struct oh_leak_site *s)
{
	return s->verdict == OH_LEAK_IS_LOST    ? &s->lost_ages
	       : s->verdict == OH_LEAK_POSSIBLE ? &s->interior_ages
						: &s->ages;
}

/* Print. */
void oh_leak_print_text(const struct oh_leaks *l, FILE *to);
void oh_leak_print_json(const struct oh_leaks *l);
void oh_leak_print_csv(const struct oh_leaks *l);

#endif
