/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_dict.h - the dictionary of an OTLP request, and how the parts of a
 * profile get into it.
 */
#ifndef OH_TOOLS_OTLP_DICT_H
#define OH_TOOLS_OTLP_DICT_H

#include <stddef.h>
#include <stdint.h>

#include "core/base.h"
#include "tools/otlp_binary.h"
#include "tools/otlp_table.h"
#include "tools/profile.h"

/* The tables, by their field numbers in ProfilesDictionary. */
enum {
	OH_DICT_MAPPING = 1,
	OH_DICT_LOCATION,
	OH_DICT_FUNCTION,
	OH_DICT_LINK,
	OH_DICT_STRING,
	OH_DICT_ATTRIBUTE,
	OH_DICT_STACK,
	OH_DICT_END,
};

struct oh_dict {
	struct oh_otlp_table tables[OH_DICT_END]; /* [0] is not used */
	struct oh_bytes scratch;
};

/* How many entries each table has. */
struct oh_dict_mark {
	size_t count[OH_DICT_END];
};

void oh_dict_init(struct oh_dict *d);
void oh_dict_release(struct oh_dict *d);
size_t oh_dict_bytes(const struct oh_dict *d); /* as the content of a ProfilesDictionary */
void oh_dict_mark(const struct oh_dict *d, struct oh_dict_mark *ret);
void oh_dict_cut(struct oh_dict *d, const struct oh_dict_mark *to);

/* Each of these returns the index of an entry, which is added if it is new. */
uint32_t oh_dict_text(struct oh_dict *d, const char *s);
uint32_t oh_dict_attribute(struct oh_dict *d, const char *key, const char *text);
/* Attributes with several values become an array. */
uint32_t oh_dict_attribute_texts(
    struct oh_dict *d, const char *key, const char *const *texts, size_t count);
uint32_t oh_dict_attribute_nums(
    struct oh_dict *d, const char *key, const int64_t *nums, size_t count, const char *unit);

/*
 * What of one profile is in the dictionary already.  It holds from
 * oh_dict_begin() to oh_dict_end(), unless the dictionary is cut.
 */
struct oh_dict_source {
	struct oh_dict *d;
	const struct oh_profile *p;
	struct oh_binaries *files;
	const char *root;
	bool native;            /* its code is native: otheap wrote the profile */
	int32_t frame_type;     /* the attribute that says so; 0 = not there yet */
	uint32_t *string_index; /* each: index, 0 = not there yet */
	uint32_t *function_index;
	uint32_t *location_index;
	struct oh_dict_mapping *mappings;
	struct oh_dict_labels {
		int32_t *indices; /* ascending */
		size_t count;
		bool known;
	} * labels;   /* by label set */
	bool numeric; /* numeric labels, too */
	int32_t *stack;
	size_t stack_cap;
};

void oh_dict_begin(struct oh_dict_source *s, struct oh_dict *d, const struct oh_profile *p,
    struct oh_binaries *files, const char *root, bool numeric);
void oh_dict_end(struct oh_dict_source *s);

/* The stack of a sample of the profile. */
uint32_t oh_dict_stack(struct oh_dict_source *s, uint32_t sample);

/* Its labels as attributes. */
const struct oh_dict_labels *oh_dict_labels(struct oh_dict_source *s, uint32_t sample);

#endif
