/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compare.c - read profiles to compare, and say why they cannot be.
 */
#include "tools/compare.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const char *
oh_file_name(const char *name)
{
	return strcmp(name, "-") == 0 ? "(stdin)" : name;
}

struct pair {
	const char *first_name, *name;
	const struct oh_profile *first, *p;
	int first_type, type;
};

static bool
refuse(const struct pair *d, const char *what, const char *this, const char *first)
{
	(void)fprintf(stderr, "otheap: %s: %s ", oh_file_name(d->name), what);
	oh_print_clean(stderr, this);
	(void)fputs(", but ", stderr);
	oh_print_clean(stderr, first);
	(void)fprintf(stderr, " in %s; --force compares them\n", oh_file_name(d->first_name));
	return false;
}

/* The build ID of the main program, or its file's name where there is none. */
static const char *
program_of(const struct oh_profile *p, bool build_id)
{
	const struct oh_mapping *m;

	if (p->mapping_count == 0)
		return "";
	m = &p->mappings[p->main_mapping];
	return build_id ? oh_profile_string(p, m->build_id)
			: oh_base_name(oh_profile_string(p, m->filename));
}

static bool
same_program(const struct pair *d)
{
	const char *x = program_of(d->first, true), *y = program_of(d->p, true);
	const char *what = "is of a program with build ID";

	if (*x == '\0' || *y == '\0') {
		x = program_of(d->first, false);
		y = program_of(d->p, false);
		what = "is of the program";
	}
	return *x == '\0' || *y == '\0' || strcmp(x, y) == 0 || refuse(d, what, y, x);
}

static bool
same_interval(const struct pair *d)
{
	char x[OH_VALUE_MAX], y[OH_VALUE_MAX];

	if (d->first->period == d->p->period)
		return true;
	(void)snprintf(x, sizeof(x), "%" PRId64, d->first->period);
	(void)snprintf(y, sizeof(y), "%" PRId64, d->p->period);
	return refuse(d, "was sampled at interval", y, x);
}

/* Not even --force adds bytes to objects. */
static bool
same_unit(const struct pair *d)
{
	const char *x = oh_profile_string(d->first, d->first->types[d->first_type].unit);
	const char *y = oh_profile_string(d->p, d->p->types[d->type].unit);

	if (strcmp(x, y) == 0)
		return true;
	(void)fprintf(stderr, "otheap: %s: values in ", oh_file_name(d->name));
	oh_print_clean(stderr, y);
	(void)fputs(" cannot be compared with ", stderr);
	oh_print_clean(stderr, x);
	(void)fprintf(stderr, " in %s\n", oh_file_name(d->first_name));
	return false;
}

bool
oh_compare_fits(const struct oh_args *a, const char *first_name, const struct oh_profile *first,
    int first_type, const char *name, const struct oh_profile *p, int type)
{
	const struct pair d = {
		.first_name = first_name,
		.first = first,
		.first_type = first_type,
		.name = name,
		.p = p,
		.type = type,
	};

	return same_unit(&d) && (a->force || (same_program(&d) && same_interval(&d)));
}

bool
oh_compare_read(struct oh_compared *d, const struct oh_args *a, char **names, size_t count)
{
	struct oh_args by_name = *a;

	memset(d, 0, sizeof(*d));
	d->names = names;
	d->count = count;
	for (size_t i = 0; i < d->count; i++) {
		struct oh_profile *p = d->files[i] = oh_args_read(a, d->names[i]);

		if (p == NULL)
			return false;
		d->types[i] = oh_args_type(&by_name, d->names[i], p);
		if (d->types[i] == -1)
			(void)fprintf(stderr, "otheap: %s: no sample types, nothing to compare\n",
			    oh_file_name(d->names[i]));
		if (d->types[i] < 0)
			return false;
		/* The name that the first file gives it, wherever it is in the others. */
		if (i == 0)
			by_name.sample_type = oh_profile_string(p, p->types[d->types[0]].type);
		if (i > 0 && !oh_compare_fits(a, d->names[0], d->files[0], d->types[0], d->names[i],
				 p, d->types[i]))
			return false;
	}
	return true;
}

void
oh_compare_free(struct oh_compared *d)
{
	for (size_t i = 0; i < d->count; i++)
		oh_profile_free(d->files[i]);
	memset(d, 0, sizeof(*d));
}
