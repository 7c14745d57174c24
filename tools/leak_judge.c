/* SPDX-License-Identifier: Apache-2.0 */
/*
 * leak_judge.c - which call stacks leak?
 *
 * Definitely lost is what a leak check found; that is no question of chance.
 * Growth is tested, for each call stack by itself:
 *
 * 1. Is there more than chance would bring?
 *	The null hypothesis is a stack whose blocks come and go but do not become
 *	more: blocks come as a Poisson process and live for any times. Then the
 *	number of sampled blocks that came since the first profile and are still
 *	there and the number of those that were in it and are gone are independent
 *	Poisson variables with the same mean, the sampling included. Given their sum
 *	m, the first is binomial(m, 1/2): an exact test, however few there are
 *	(J. Przyborowski and H. Wilenski, Biometrika 31, 1940, pp. 313-323). Where
 *	the mass of the blocks is young, short-lived traffic would drown a leak:
 *	then only blocks older than a quarter of the time between the profiles are
 *	compared, in both. Which of the two is decided by the sums m alone, which
 *	under the null hypothesis say nothing of the outcome.
 *
 * 2. With many stacks, some look bad by chance.
 *	The p-values are adjusted by Benjamini and Hochberg's procedure (estimate.c)
 *	over the stacks where a finding is possible at all: with m blocks p cannot
 *	be below 2^-m (Tarone; Gilbert; see leak_stat.h). So naming stacks at the
 *	level of 5 % names any in at most 5 of 100 runs of a program without leaks.
 *
 * 3. Does it grow as a leak does?
 *	More than chance is also what a program built up once, or holds just now.
 *	Of blocks with ages is asked that they are not nearly all young (a request in
 *	flight; a cache with a turnover that was empty at the first profile), and
 *	that half of them were not born within a twentieth of the time, nor nearly all in
 *	its first half. In a series of three or more, Kendall's test of trend must agree,
 *	at a level that only asks that the profiles between do not contradict. What fails
 *	here is `unsteady`, not a suspect.
 *
 * 4. Or is it a cache that was not yet filled?
 *	Where the first profile shows less than two thirds of what there is now, growth
 *	says little: with lifetimes of mean L, a cache goes on to grow as
 *	1 - exp(-t / L). What tells it from a leak is that its blocks are freed, sooner
 *	or later. So of all sampled blocks since the first profile, those that were freed
 *	(D) are compared with the time E for which these blocks were in use, all
 *	together: if a block in use is freed with a chance of 1/L in a unit of time,
 *	whatever its age, D is Poisson of mean E / L (so the maximum of likelihood for
 *	1/L is D / E; J. F. Lawless, Statistical Models and Methods for Lifetime Data,
 *	1982, ch. 3). Let T be the time between the profiles. A stack is named if
 *
 *	    P(X <= D) <= 0.05 for X Poisson of mean E / T,    and D <= 0.2 E / T
 *
 *	that is, if L = T is excluded and L > 5 T is as probable as not. A leak of 16
 *	sampled blocks at a steady rate has D = 0 and E = 8 T on average, P = 0.0003; a
 *	cache with L = T of which 16 blocks are there has D = 9 and E = 9 T. What lives for
 *	longer than 5 T is still filling up, and is named.
 *	    Leaks hide among blocks of the same stack that are freed soon. So it is enough
 *	if it is so from some age g on, counting only deaths at that age or later and the
 *	time in use after it: g = 0, and those of 40 ms, 80 ms, 160 ms... that are a
 *	fiftieth to a quarter of T. Profiles tell the deaths by these ages (labels `lived`
 *	and `freed`); in those that do not, only g = 0 is asked, D by what was allocated
 *	and is gone, and, as a second chance, that the births of what is there are not
 *	fewer the longer ago.
 *
 * The rate of a series is Sen's slope. The profiles of one process share
 * samples, so the points do not scatter as much as they are wrong: the half
 * width of the interval is that of Sen and that of the sampling error of the
 * growth, added as squares.
 *
 * Where it is not known how a profile was sampled, a series is left to Kendall's
 * test alone, and two profiles name nothing.
 */
#include <math.h>
#include <stdlib.h>

#include "tools/estimate.h"
#include "tools/leak.h"
#include "tools/mem.h"

#define YOUNG_SHARE .4    /* with less of the blocks settled than this, only these are tested */
#define SETTLED_SHARE .33 /* of the growth, at least; 3/4 of a steady leak are */
#define OLDER_SHARE .25   /* of the blocks born in the first half; 1/2 of a steady leak are */
#define OLDER_LEVEL .005  /* and by chance less than that only so often */
#define SPREAD_SHARE .05  /* of the window, for half of the births; 1/2 in a steady leak */
#define COLD_SHARE .67    /* of what is there now; with less before, a site was not warm */
#define FREED_LEVEL .05   /* for fewer than one block freed for each that was in use all the time */
#define FREED_SHARE .2    /* and so many at most; 0 in a steady leak */
#define SETTLED_LEAST .02 /* of the window: the ages from which on that is asked ... */
#define SETTLED_MOST .25  /* ... */
#define STEADY_SHARE .45  /* of the births but the first and last, 1/2 in a steady leak */
#define FIRST_SHARE .2    /* and of all that is there now, 1/20 in a steady leak */
#define TREND_LEVEL .17   /* 1/6 is what three profiles can give */

static const double *
series_of(const struct oh_leaks *l, const struct oh_leak_site *s, unsigned population)
{
	return &l->series[population][(size_t)s->row * l->count];
}

/* The variance of the growth: of the share of each profile's blocks that is not in both. */
static double
variance_of(const struct oh_leak_site *s, const struct oh_leak_count *c)
{
	double sum = 0;

	if (s->now.samples > 0)
		sum += s->now.variance * fmin(c->fresh / s->now.samples, 1);
	if (s->before.samples > 0)
		sum += s->before.variance * fmin(c->gone / s->before.samples, 1);
	return sum;
}

static void
set_rate(const struct oh_leaks *l, struct oh_leak_site *s)
{
	double minutes = l->window_ms / 60000, t[OH_SLOPE_POINTS_MAX], half, low, high;

	if (!l->same_process || minutes <= 0)
		return;
	s->rate.value = s->rate.low = s->rate.high = s->growth / minutes;
	if (l->count > 2) {
		for (size_t i = 0; i < l->count; i++)
			t[i] = ((double)l->files[i]->time_ns - (double)l->files[0]->time_ns) / 60e9;
		s->rate = oh_sen_slope(t, series_of(l, s, s->population), l->count);
	}
	half = oh_estimate_half_width(s->growth_variance) / minutes;
	low = s->rate.value - s->rate.low;
	high = s->rate.high - s->rate.value;
	s->rate.low = s->rate.value - sqrt(low * low + half * half);
	s->rate.high = s->rate.value + sqrt(high * high + half * half);
}

static void
measure(const struct oh_leaks *l, struct oh_leak_site *s)
{
	const struct oh_leak_count *c = s->count;
	double all = c[OH_LEAK_ALL].fresh + c[OH_LEAK_ALL].gone;
	double old = c[OH_LEAK_OLD].fresh + c[OH_LEAK_OLD].gone;

	s->p = s->q = s->trend_p = 1;
	if (l->count < 2)
		return;
	if (s->has_ages && l->guard_ms > 0 && old < YOUNG_SHARE * all)
		s->population = OH_LEAK_OLD;
	c = &s->count[s->population];
	s->growth = c->bytes_now - c->bytes_before;
	s->growth_variance = variance_of(s, c);
	s->trend_p = oh_kendall_p(series_of(l, s, s->population), l->count);
	set_rate(l, s);
	if (l->sampled)
		s->p = oh_binomial_half_tail(round(c->fresh), round(c->fresh + c->gone));
	else
		s->p = s->trend_p;
}

/* The least p that this site could have had. */
static double
least_p(const struct oh_leaks *l, const struct oh_leak_site *s)
{
	const struct oh_leak_count *c = &s->count[s->population];

	if (l->sampled)
		return exp2(-round(c->fresh + c->gone));
	return l->count < 3 ? 1 : exp(-lgamma((double)l->count + 1));
}

static void
adjust(struct oh_leaks *l)
{
	double *least = oh_xcalloc(l->site_count, sizeof(*least)), *q;
	size_t family, n = 0;

	for (size_t i = 0; i < l->site_count; i++)
		least[i] = least_p(l, &l->sites[i]);
	family = oh_tarone(least, l->site_count, l->level);
	q = oh_xcalloc(l->site_count, sizeof(*q));
	for (size_t i = 0; i < l->site_count; i++) {
		l->sites[i].tested = least[i] <= l->level / (double)family;
		if (l->sites[i].tested)
			q[n++] = l->sites[i].p;
	}
	oh_estimate_adjust(q, n);
	l->tested = n;
	n = 0;
	for (size_t i = 0; i < l->site_count; i++)
		if (l->sites[i].tested)
			l->sites[i].q = q[n++];
	free(least);
	free(q);
}

/* Are blocks that have reached some age kept, or only freed later? */
static bool
keeps(const struct oh_leaks *l, const struct oh_leak_site *s)
{
	unsigned most = l->lives ? OH_LEAK_SETTLED : 1;

	for (unsigned i = 0; i < most; i++) {
		double from = oh_leak_settled_ms(i), freed = round(s->settled[i].freed);
		double expected = s->settled[i].exposure_ms / l->window_ms;

		if (from > SETTLED_MOST * l->window_ms)
			break;
		if ((i == 0 || from >= SETTLED_LEAST * l->window_ms) &&
		    freed <= FREED_SHARE * expected &&
		    oh_poisson_tail(freed, expected) <= FREED_LEVEL)
			return true;
	}
	return false;
}

/* Was it not warm at the baseline, and is it a cache for all we know? */
static bool
fills(const struct oh_leaks *l, const struct oh_leak_site *s)
{
	const struct oh_leak_count *c = &s->count[s->population];

	if (c->before >= COLD_SHARE * c->now || s->allocated <= 0 || keeps(l, s))
		return false;
	/* Without lifetimes, what ages say: blocks of a cache become fewer with age. */
	return l->lives || s->middle_older < STEADY_SHARE * s->middle ||
	       s->first > FIRST_SHARE * s->now.samples;
}

/* Why what grew does not grow as a leak does; NULL if it does. */
static const char *
unsteady(const struct oh_leaks *l, const struct oh_leak_site *s)
{
	const struct oh_leak_count *all = &s->count[OH_LEAK_ALL], *old = &s->count[OH_LEAK_OLD];
	const struct oh_leak_count *c = &s->count[s->population];

	if (s->has_ages && l->guard_ms > 0 &&
	    (old->fresh - old->gone < SETTLED_SHARE * (all->fresh - all->gone) &&
		s->population == OH_LEAK_ALL))
		return "nearly all of it is young";
	if (s->has_ages && l->same_process && l->window_ms > 0) {
		if (c->older_half < OLDER_SHARE * c->born &&
		    oh_binomial_half_tail(round(c->born) - round(c->older_half), round(c->born)) <
			OLDER_LEVEL)
			return "most of it does not grow old";
		if (c->spread_ms < SPREAD_SHARE * l->window_ms)
			return "half of it came in one go";
		if (c->older_half > (1 - OLDER_SHARE) * c->born &&
		    oh_binomial_half_tail(round(c->older_half), round(c->born)) < OLDER_LEVEL)
			return "most of it came early, and no more";
		if (fills(l, s))
			return "it frees what it takes, if later, and was not yet warm";
	}
	if (l->count > 2 && s->trend_p > TREND_LEVEL)
		return "the profiles between show no trend";
	return NULL;
}

static void
judge(const struct oh_leaks *l, struct oh_leak_site *s, double least_growth)
{
	struct oh_leak_part lost = s->part[OH_LOST_YES], possible = s->part[OH_LOST_INTERIOR];
	double least_lost = l->min_given ? (double)l->min_bytes : 0;

	lost.bytes += s->part[OH_LOST_INDIRECT].bytes;
	if (lost.bytes > 0 && lost.bytes >= least_lost)
		s->verdict = OH_LEAK_IS_LOST;
	else if (s->tested && s->q < l->level && s->growth > 0 && s->growth >= least_growth) {
		s->why = unsteady(l, s);
		s->verdict = s->why == NULL ? OH_LEAK_GROWS : OH_LEAK_UNSTEADY;
	}
	if (s->verdict != OH_LEAK_IS_LOST && s->verdict != OH_LEAK_GROWS && possible.bytes > 0 &&
	    possible.bytes >= least_lost)
		s->verdict = OH_LEAK_POSSIBLE;
}

struct oh_leak_part
oh_leak_lost_part(const struct oh_leak_site *s)
{
	struct oh_leak_part part = s->part[OH_LOST_YES];

	if (s->verdict == OH_LEAK_POSSIBLE)
		return s->part[OH_LOST_INTERIOR];
	if (s->verdict != OH_LEAK_IS_LOST)
		return (struct oh_leak_part){
			.bytes = s->growth,
			.variance = s->growth_variance,
			.blocks = s->now.bytes > 0 ? s->growth * s->now.blocks / s->now.bytes : 0,
		};
	oh_leak_add_part(&part, &s->part[OH_LOST_INDIRECT]);
	return part;
}

/* Lost before possible before growing before the rest, the larger first. */
static int
compare_sites(const void *x, const void *y)
{
	const struct oh_leak_site *a = x, *b = y;
	double m, n;

	if (a->verdict != b->verdict)
		return (a->verdict == OH_LEAK_NOTHING) != (b->verdict == OH_LEAK_NOTHING)
			   ? (a->verdict == OH_LEAK_NOTHING ? 1 : -1)
			   : (int)a->verdict - (int)b->verdict;
	m = a->verdict == OH_LEAK_NOTHING ? a->old_bytes : oh_leak_lost_part(a).bytes;
	n = b->verdict == OH_LEAK_NOTHING ? b->old_bytes : oh_leak_lost_part(b).bytes;
	if (m != n)
		return m > n ? -1 : 1;
	return a->row < b->row ? -1 : a->row > b->row;
}

void
oh_leak_judge(struct oh_leaks *l)
{
	double live = 0, least;

	for (size_t i = 0; i < l->site_count; i++) {
		live += l->sites[i].now.bytes;
		measure(l, &l->sites[i]);
	}
	adjust(l);
	least = fmax((double)l->min_bytes, l->min_percent / 100 * live);
	for (size_t i = 0; i < l->site_count; i++)
		judge(l, &l->sites[i], least);
	if (l->site_count > 0)
		qsort(l->sites, l->site_count, sizeof(*l->sites), compare_sites);
}
