/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filter.c - keep the samples whose stacks hold, or do not hold, a function.
 */
#include "tools/filter.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/mem.h"
#include "tools/place.h"
#include "tools/prune.h"
#include "tools/symbols.h"

bool
oh_filter_check(const char *cmd, const char *option, const char *expression)
{
	char why[128];
	regex_t re;
	int rc;

	if (expression == NULL)
		return true;
	rc = regcomp(&re, expression, REG_EXTENDED | REG_NOSUB);
	if (rc == 0) {
		regfree(&re);
		return true;
	}
	(void)regerror(rc, &re, why, sizeof(why));
	(void)fprintf(stderr, "otheap: %s: %s '%s': %s\n", cmd, option, expression, why);
	return false;
}

static bool
matches(const regex_t *re, const struct oh_profile *p, uint32_t string)
{
	return string != 0 && regexec(re, oh_profile_string(p, string), 0, NULL, 0) == 0;
}

static uint8_t *
match_functions(const struct oh_profile *p, const regex_t *re)
{
	uint8_t *ret = oh_xcalloc(p->function_count, 1);

	for (size_t f = 0; f < p->function_count; f++)
		ret[f] = matches(re, p, p->functions[f].name) ||
			 matches(re, p, p->functions[f].filename);
	return ret;
}

static uint8_t *
match_locations(const struct oh_profile *p, const char *expression)
{
	uint8_t *functions, *ret;
	char name[OH_PLACE_NAME_MAX];
	regex_t re;

	if (expression == NULL || regcomp(&re, expression, REG_EXTENDED | REG_NOSUB) != 0)
		return NULL;
	functions = match_functions(p, &re);
	ret = oh_xcalloc(p->location_count, 1);
	for (size_t l = 0; l < p->location_count; l++) {
		const struct oh_line *lines = p->lines + p->line_at[l];

		for (uint32_t i = 0; i < p->line_count[l]; i++)
			ret[l] |= functions[lines[i].function];
		if (p->line_count[l] != 0)
			continue;
		oh_location_name(name, sizeof(name), p, p->location_mapping[l], p->address[l]);
		ret[l] = regexec(&re, name, 0, NULL, 0) == 0;
	}
	regfree(&re);
	free(functions);
	return ret;
}

uint8_t *
oh_filter_places(const struct oh_profile *p, const char *expression, const struct oh_table *t)
{
	uint8_t *ret = oh_xcalloc(t->place_count, 1);
	char name[OH_PLACE_NAME_MAX];
	regex_t re;

	if (regcomp(&re, expression, REG_EXTENDED | REG_NOSUB) != 0)
		return ret;
	for (size_t i = 0; i < t->place_count; i++)
		ret[i] = regexec(&re, oh_place_name(name, p, &t->places[i]), 0, NULL, 0) == 0 ||
			 matches(&re, p, t->places[i].file);
	regfree(&re);
	return ret;
}

/* Move sample `from` to place `to` <= from; its frames go down as well. */
static void
move_sample(struct oh_profile *p, size_t to, size_t from)
{
	uint32_t at = p->frame_at[from], len = p->frame_at[from + 1] - at;

	memmove(p->frames + p->frame_at[to], p->frames + at, len * sizeof(*p->frames));
	p->frame_at[to + 1] = p->frame_at[to] + len;
	memmove(p->values + to * p->type_count, p->values + from * p->type_count,
	    p->type_count * sizeof(*p->values));
	p->label_set[to] = p->label_set[from];
}

void
oh_filter_samples(struct oh_profile *p, const char *focus, const char *ignore, double *beside)
{
	uint8_t *want = match_locations(p, focus), *reject = match_locations(p, ignore);
	uint32_t end = 0;
	size_t kept = 0;

	for (size_t s = 0; s < p->sample_count && (want != NULL || reject != NULL); s++) {
		bool good = want == NULL;
		uint32_t at = end;

		end = p->frame_at[s + 1];
		for (uint32_t f = at; f < end; f++) {
			good = good || want[p->frames[f]];
			if (reject != NULL && reject[p->frames[f]]) {
				good = false;
				break;
			}
		}
		if (!good)
			continue;
		p->frame_at[s] = at; /* the last move may have written here */
		move_sample(p, kept, s);
		if (beside != NULL)
			beside[kept] = beside[s];
		kept++;
	}
	if (want != NULL || reject != NULL)
		p->sample_count = kept;
	free(want);
	free(reject);
}

/* Leave out the lines of hidden functions.  Returns whether nothing is left of the location. */
static bool
hide_lines(struct oh_profile *p, size_t location, const uint8_t *hidden)
{
	struct oh_line *lines = p->lines + p->line_at[location];
	uint32_t kept = 0, count = p->line_count[location];

	for (uint32_t i = 0; i < count; i++)
		if (!hidden[lines[i].function])
			lines[kept++] = lines[i];
	p->line_count[location] = kept;
	return count > 0 && kept == 0;
}

void
oh_filter_hide(struct oh_profile *p, const char *hide)
{
	char name[OH_PLACE_NAME_MAX];
	uint8_t *functions, *gone;
	uint32_t at = 0, to = 0;
	regex_t re;

	if (hide == NULL || regcomp(&re, hide, REG_EXTENDED | REG_NOSUB) != 0)
		return;
	oh_prune_apply(p);
	functions = match_functions(p, &re);
	gone = oh_xcalloc(p->location_count, 1);
	for (size_t l = 0; l < p->location_count; l++) {
		if (p->line_count[l] > 0) {
			gone[l] = hide_lines(p, l, functions);
			continue;
		}
		oh_location_name(name, sizeof(name), p, p->location_mapping[l], p->address[l]);
		gone[l] = regexec(&re, name, 0, NULL, 0) == 0;
	}
	for (size_t s = 0; s < p->sample_count; s++) {
		uint32_t end = p->frame_at[s + 1];

		for (; at < end; at++)
			if (!gone[p->frames[at]])
				p->frames[to++] = p->frames[at];
		p->frame_at[s + 1] = to;
	}
	regfree(&re);
	free(functions);
	free(gone);
}
