/* SPDX-License-Identifier: Apache-2.0 */
/*
 * leak_read.c - the profiles of a series: read, in order of time, and fit to be compared.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/leak.h"
#include "tools/mem.h"

#define GUARD_SHARE 0.25 /* of the window */

/* What is in use, by the names that writers give it. */
static int
find_type(const struct oh_profile *p, const char *const *names, const char *unit)
{
	for (; *names != NULL; names++) {
		int type = oh_profile_find_type(p, *names);

		if (type >= 0 && strcmp(oh_profile_string(p, p->types[type].unit), unit) == 0)
			return type;
	}
	return -1;
}

static bool
find_types(struct oh_leaks *l, size_t i)
{
	static const char *const space[] = { "inuse_space", "inuse-space", "space", NULL };
	static const char *const objects[] = { "inuse_objects", "inuse-objects", "objects", NULL };

	l->types[i] = find_type(l->files[i], space, "bytes");
	l->object_types[i] = find_type(l->files[i], objects, "count");
	if (l->types[i] >= 0)
		return true;
	(void)fprintf(stderr,
	    "otheap: %s: no sample type inuse_space: it does not say what is in use\n",
	    oh_file_name(l->names[i]));
	return false;
}

/* A NULL is left for a file that is left out. */
static bool
read_one(struct oh_leaks *l, size_t i, bool needed)
{
	struct oh_error err = { "" };

	l->files[i] = oh_profile_read(l->names[i], l->a->max_bytes, &err);
	if (l->files[i] != NULL)
		return true;
	(void)fprintf(stderr, "otheap: %s: %s%s\n", oh_file_name(l->names[i]), err.text,
	    needed ? "" : "; left out");
	l->skipped++;
	return !needed;
}

struct dated {
	struct oh_profile *p;
	char *name;
	size_t at;
};

static int
compare_dates(const void *x, const void *y)
{
	const struct dated *a = x, *b = y;

	if (a->p->time_ns != b->p->time_ns)
		return a->p->time_ns < b->p->time_ns ? -1 : 1;
	return a->at < b->at ? -1 : a->at > b->at;
}

/* By time, if all have one; what --baseline names stays first. */
static void
order(struct oh_leaks *l)
{
	size_t from = l->baseline != NULL ? 1 : 0;
	struct dated *d = oh_xcalloc(l->count, sizeof(*d));
	bool dated = true;

	for (size_t i = from; i < l->count; i++) {
		d[i] = (struct dated){ l->files[i], l->names[i], i };
		dated = dated && l->files[i]->time_ns > 0;
	}
	if (dated && l->count > from)
		qsort(d + from, l->count - from, sizeof(*d), compare_dates);
	for (size_t i = from; dated && i < l->count; i++) {
		l->reordered = l->reordered || d[i].at != i;
		l->files[i] = d[i].p;
		l->names[i] = d[i].name;
	}
	free(d);
}

/* Of how many processes; 0 where a profile does not say of which it is. */
static size_t
count_processes(const struct oh_leaks *l)
{
	size_t count = 0;

	for (size_t i = 0; i < l->count; i++) {
		size_t k = 0;

		if (oh_profile_comment(l->files[i], "pid: ") == NULL)
			return 0;
		while (k < i && !oh_merge_same_process(l->files[k], l->files[i]))
			k++;
		count += k == i;
	}
	return count;
}

/* What the times say of the blocks' ages. */
static void
set_times(struct oh_leaks *l)
{
	const struct oh_profile *a = l->files[0], *b = l->files[l->count - 1];
	double span = ((double)b->time_ns - (double)a->time_ns) / 1e6;

	l->same_process = l->count > 1 && oh_merge_same_process(a, b);
	if (l->count > 1 && a->time_ns > 0 && span > 0)
		l->window_ms = span;
	if (l->same_process) {
		l->guard_ms = GUARD_SHARE * l->window_ms;
		l->old_ms = l->window_ms;
	} else {
		/* Two runs: what is as old as a quarter of the shorter one is settled in both. */
		l->guard_ms = GUARD_SHARE * (double)b->duration_ns / 1e6;
		if (l->count > 1)
			l->guard_ms = fmin(l->guard_ms, GUARD_SHARE * (double)a->duration_ns / 1e6);
		l->guard_ms = fmax(l->guard_ms, 0);
		l->old_ms = fmax((double)b->duration_ns / 2e6, 0);
	}
}

double
oh_leak_guard_ms(const struct oh_leaks *l, size_t file)
{
	double uptime = (double)l->files[file]->duration_ns / 1e6;

	return uptime > 0 ? fmin(l->guard_ms, GUARD_SHARE * uptime) : l->guard_ms;
}

/* Has each what is in use, and are all of one program? */
static bool
all_fit(struct oh_leaks *l)
{
	/* With whom they must agree; who does not is at fault. */
	size_t judge = l->baseline_optional ? l->count - 1 : 0;

	for (size_t i = 0; i < l->count; i++)
		if (!find_types(l, i))
			return false;
	for (size_t i = 0; i < l->count; i++)
		if (i != judge && !oh_compare_fits(l->a, l->names[judge], l->files[judge],
				      l->types[judge], l->names[i], l->files[i], l->types[i]))
			return false;
	return true;
}

/* Close up over the files that are not there. */
static void
close_up(struct oh_leaks *l)
{
	size_t kept = 0;

	if (l->files[0] == NULL)
		l->baseline = NULL;
	for (size_t i = 0; i < l->count; i++)
		if (l->files[i] != NULL) {
			l->files[kept] = l->files[i];
			l->names[kept++] = l->names[i];
		}
	for (size_t i = kept; i < l->count; i++)
		l->files[i] = NULL;
	l->count = kept;
}

bool
oh_leak_read(struct oh_leaks *l, char **names, size_t count)
{
	l->names = names;
	l->files = oh_xcalloc(count, sizeof(*l->files));
	l->types = oh_xcalloc(count, sizeof(*l->types));
	l->object_types = oh_xcalloc(count, sizeof(*l->object_types));
	l->count = count;
	for (size_t i = 0; i < count; i++)
		if (!read_one(l, i, i + 1 == count || (i == 0 && !l->baseline_optional)))
			return false;
	close_up(l);
	order(l);
	if (!all_fit(l)) {
		if (!l->baseline_optional || l->count < 2)
			return false;
		oh_profile_free(l->files[0]);
		l->files[0] = NULL;
		l->skipped++;
		close_up(l);
		if (!all_fit(l))
			return false;
	}
	set_times(l);
	l->processes = count_processes(l);
	return true;
}

void
oh_leaks_free(struct oh_leaks *l)
{
	oh_leak_sites_free(l);
	for (size_t i = 0; i < l->count; i++)
		oh_profile_free(l->files[i]);
	free(l->files);
	free(l->types);
	free(l->object_types);
	oh_suppressions_free(&l->suppressions);
}
