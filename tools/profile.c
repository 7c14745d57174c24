/* SPDX-License-Identifier: Apache-2.0 */
/*
 * profile.c - look things up in a profile, add to it, release it.
 */
#include "tools/profile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/profile_reader.h"

void
oh_profile_free(struct oh_profile *p)
{
	if (p == NULL)
		return;
	free(p->text);
	free(p->string_at);
	free(p->types);
	free(p->frame_at);
	free(p->frames);
	oh_profile_source_free(p->source);
	free(p->values);
	free(p->label_set);
	free(p->label_at);
	free(p->labels);
	free(p->address);
	free(p->location_mapping);
	free(p->line_at);
	free(p->line_count);
	free(p->lines);
	free(p->functions);
	free(p->mappings);
	free(p->comments);
	free(p);
}

uint32_t
oh_profile_add_string(struct oh_profile *p, const char *s, size_t len)
{
	if (p->text_len + len >= UINT32_MAX)
		return 0;
	p->text = oh_xgrow(p->text, &p->text_cap, p->text_len + len + 1, 1);
	p->string_at =
	    oh_xgrow(p->string_at, &p->string_cap, p->string_count + 1, sizeof(*p->string_at));
	p->string_at[p->string_count] = (uint32_t)p->text_len;
	if (len != 0)
		memcpy(p->text + p->text_len, s, len);
	p->text[p->text_len + len] = '\0';
	p->text_len += len + 1;
	return (uint32_t)p->string_count++;
}

uint32_t
oh_profile_add_function(struct oh_profile *p, const struct oh_function *f)
{
	p->functions =
	    oh_xgrow(p->functions, &p->function_cap, p->function_count + 1, sizeof(*p->functions));
	p->functions[p->function_count] = *f;
	return (uint32_t)p->function_count++;
}

void
oh_profile_set_lines(
    struct oh_profile *p, uint32_t location, const struct oh_line *lines, uint32_t count)
{
	if (count == 0)
		return;
	p->lines = oh_xgrow(p->lines, &p->lines_cap, p->lines_len + count, sizeof(*p->lines));
	memcpy(p->lines + p->lines_len, lines, count * sizeof(*lines));
	p->line_at[location] = (uint32_t)p->lines_len;
	p->line_count[location] = count;
	p->lines_len += count;
}

int
oh_profile_find_type(const struct oh_profile *p, const char *want)
{
	char *end;
	unsigned long i;

	if (want == NULL) {
		const char *name = oh_profile_string(p, p->default_type);
		int found = *name ? oh_profile_find_type(p, name) : -1;

		return found >= 0 ? found : (int)p->type_count - 1;
	}
	for (size_t t = 0; t < p->type_count; t++)
		if (strcmp(oh_profile_string(p, p->types[t].type), want) == 0)
			return (int)t;
	errno = 0;
	i = strtoul(want, &end, 10);
	if (want[0] >= '0' && want[0] <= '9' && *end == '\0' && errno == 0 && i < p->type_count)
		return (int)i;
	return -1;
}

const char *
oh_profile_comment(const struct oh_profile *p, const char *key)
{
	size_t len = strlen(key);

	for (size_t i = 0; i < p->comment_count; i++) {
		const char *s = oh_profile_string(p, p->comments[i]);

		if (strncmp(s, key, len) == 0)
			return s + len;
	}
	return NULL;
}
