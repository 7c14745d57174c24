/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_dict.c - the dictionary of an OTLP request.
 *
 * Answers: under which index does the request know this stack, location,
 * mapping, function, string, attribute?
 *
 * Invariants
 *	I1  An entry is added only by what refers to it, so there are no orphans.
 *	I2  No table has two equal entries: they are found by their bytes, and
 *	    the same message always has the same bytes.
 *	I3  Strings are well-formed UTF-8; strict readers refuse a whole request
 *	    for one that is not.
 */
#include "tools/otlp_dict.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "proto/otlp/profiles.pb-c.h"
#include "tools/mem.h"
#include "tools/otlp_rows.h"

typedef Opentelemetry__Proto__Common__V1__AnyValue AnyValue;
typedef Opentelemetry__Proto__Common__V1__ArrayValue ArrayValue;
typedef Opentelemetry__Proto__Profiles__V1development__Function Function;
typedef Opentelemetry__Proto__Profiles__V1development__KeyValueAndUnit KeyValueAndUnit;
typedef Opentelemetry__Proto__Profiles__V1development__Line Line;
typedef Opentelemetry__Proto__Profiles__V1development__Location Location;
typedef Opentelemetry__Proto__Profiles__V1development__Mapping Mapping;
typedef Opentelemetry__Proto__Profiles__V1development__Stack Stack;

#define ANY_VALUE_INIT OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__INIT
#define ARRAY_VALUE_INIT OPENTELEMETRY__PROTO__COMMON__V1__ARRAY_VALUE__INIT
#define FUNCTION_INIT OPENTELEMETRY__PROTO__PROFILES__V1DEVELOPMENT__FUNCTION__INIT
#define KEY_VALUE_AND_UNIT_INIT \
	OPENTELEMETRY__PROTO__PROFILES__V1DEVELOPMENT__KEY_VALUE_AND_UNIT__INIT
#define LINE_INIT OPENTELEMETRY__PROTO__PROFILES__V1DEVELOPMENT__LINE__INIT
#define LOCATION_INIT OPENTELEMETRY__PROTO__PROFILES__V1DEVELOPMENT__LOCATION__INIT
#define MAPPING_INIT OPENTELEMETRY__PROTO__PROFILES__V1DEVELOPMENT__MAPPING__INIT
#define STACK_INIT OPENTELEMETRY__PROTO__PROFILES__V1DEVELOPMENT__STACK__INIT

#define STRING_VALUE OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_STRING_VALUE
#define INT_VALUE OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_INT_VALUE
#define ARRAY_VALUE OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_ARRAY_VALUE

#define ATTRIBUTES_MAX 3 /* of a mapping */

/* A mapping of the profile; what its file says is asked for when it is first needed. */
struct oh_dict_mapping {
	struct oh_load *loads;
	size_t load_count;
	char htlhash[33];
	bool known;
	bool has_index;
	uint64_t shift; /* that index is good for: file's address - process's */
	uint32_t index;
};

/* ---- the tables -------------------------------------------------------------- */

void
oh_dict_init(struct oh_dict *d)
{
	memset(d, 0, sizeof(*d));
	for (unsigned t = 1; t < OH_DICT_END; t++)
		oh_otlp_table_init(&d->tables[t], t);
}

void
oh_dict_release(struct oh_dict *d)
{
	for (unsigned t = 1; t < OH_DICT_END; t++)
		oh_otlp_table_release(&d->tables[t]);
	free(d->scratch.b);
}

size_t
oh_dict_bytes(const struct oh_dict *d)
{
	size_t bytes = 0;

	for (unsigned t = 1; t < OH_DICT_END; t++)
		bytes += d->tables[t].bytes.len;
	return bytes;
}

void
oh_dict_mark(const struct oh_dict *d, struct oh_dict_mark *ret)
{
	for (unsigned t = 1; t < OH_DICT_END; t++)
		ret->count[t] = d->tables[t].count;
}

void
oh_dict_cut(struct oh_dict *d, const struct oh_dict_mark *to)
{
	for (unsigned t = 1; t < OH_DICT_END; t++)
		oh_otlp_table_cut(&d->tables[t], to->count[t]);
}

static uint32_t
add_message(struct oh_dict *d, unsigned table, const ProtobufCMessage *m)
{
	size_t len = protobuf_c_message_get_packed_size(m);

	d->scratch.len = 0;
	oh_bytes_reserve(&d->scratch, len);
	(void)protobuf_c_message_pack(m, d->scratch.b);
	return oh_otlp_table_add(&d->tables[table], d->scratch.b, len);
}

uint32_t
oh_dict_text(struct oh_dict *d, const char *s)
{
	d->scratch.len = 0;
	oh_bytes_text(&d->scratch, s);
	return oh_otlp_table_add(&d->tables[OH_DICT_STRING], d->scratch.b, d->scratch.len);
}

/* ---- attributes -------------------------------------------------------------- */

static uint32_t
add_attribute(struct oh_dict *d, const char *key, AnyValue *value, const char *unit)
{
	KeyValueAndUnit m = KEY_VALUE_AND_UNIT_INIT;

	m.key_strindex = (int32_t)oh_dict_text(d, key);
	m.unit_strindex = (int32_t)oh_dict_text(d, unit);
	m.value = value;
	return add_message(d, OH_DICT_ATTRIBUTE, &m.base);
}

static char *
clean_copy(const char *s)
{
	struct oh_bytes b = { .b = NULL };

	oh_bytes_text(&b, s);
	oh_bytes_add(&b, "", 1);
	return (char *)b.b;
}

uint32_t
oh_dict_attribute_texts(struct oh_dict *d, const char *key, const char *const *texts, size_t count)
{
	AnyValue whole = ANY_VALUE_INIT, *items = oh_xcalloc(count, sizeof(*items));
	AnyValue **list = oh_xcalloc(count, sizeof(AnyValue *));
	ArrayValue array = ARRAY_VALUE_INIT;
	uint32_t index;

	for (size_t i = 0; i < count; i++) {
		items[i] = (AnyValue)ANY_VALUE_INIT;
		items[i].value_case = STRING_VALUE;
		items[i].string_value = clean_copy(texts[i]);
		list[i] = &items[i];
	}
	array.n_values = count;
	array.values = list;
	whole.value_case = ARRAY_VALUE;
	whole.array_value = &array;
	index = add_attribute(d, key, count == 1 ? &items[0] : &whole, "");
	for (size_t i = 0; i < count; i++)
		free(items[i].string_value);
	free(items);
	free(list);
	return index;
}

uint32_t
oh_dict_attribute(struct oh_dict *d, const char *key, const char *text)
{
	return oh_dict_attribute_texts(d, key, &text, 1);
}

uint32_t
oh_dict_attribute_nums(
    struct oh_dict *d, const char *key, const int64_t *nums, size_t count, const char *unit)
{
	AnyValue whole = ANY_VALUE_INIT, *items = oh_xcalloc(count, sizeof(*items));
	AnyValue **list = oh_xcalloc(count, sizeof(AnyValue *));
	ArrayValue array = ARRAY_VALUE_INIT;
	uint32_t index;

	for (size_t i = 0; i < count; i++) {
		items[i] = (AnyValue)ANY_VALUE_INIT;
		items[i].value_case = INT_VALUE;
		items[i].int_value = nums[i];
		list[i] = &items[i];
	}
	array.n_values = count;
	array.values = list;
	whole.value_case = ARRAY_VALUE;
	whole.array_value = &array;
	index = add_attribute(d, key, count == 1 ? &items[0] : &whole, unit);
	free(items);
	free(list);
	return index;
}

/* ---- one profile ------------------------------------------------------------- */

void
oh_dict_begin(struct oh_dict_source *s, struct oh_dict *d, const struct oh_profile *p,
    struct oh_binaries *files, const char *root, bool numeric)
{
	*s = (struct oh_dict_source){
		.d = d,
		.p = p,
		.files = files,
		.root = root,
		.native = oh_profile_comment(p, "otheap ") != NULL,
		.string_index = oh_xcalloc(p->string_count, sizeof(*s->string_index)),
		.function_index = oh_xcalloc(p->function_count, sizeof(*s->function_index)),
		.location_index = oh_xcalloc(p->location_count, sizeof(*s->location_index)),
		.mappings = oh_xcalloc(p->mapping_count, sizeof(*s->mappings)),
		.labels = oh_xcalloc(p->label_set_count, sizeof(*s->labels)),
		.numeric = numeric,
	};
}

void
oh_dict_end(struct oh_dict_source *s)
{
	for (size_t i = 0; i < s->p->mapping_count; i++)
		free(s->mappings[i].loads);
	for (size_t i = 0; i < s->p->label_set_count; i++)
		free(s->labels[i].indices);
	free(s->string_index);
	free(s->function_index);
	free(s->location_index);
	free(s->mappings);
	free(s->labels);
	free(s->stack);
}

static uint32_t
string_of(struct oh_dict_source *s, uint32_t string)
{
	if (s->string_index[string] == 0)
		s->string_index[string] = oh_dict_text(s->d, oh_profile_string(s->p, string));
	return s->string_index[string];
}

/* 0 if it has no name at all, which the format does not allow. */
static uint32_t
function_of(struct oh_dict_source *s, uint32_t function)
{
	const struct oh_function *f = &s->p->functions[function];
	Function m = FUNCTION_INIT;

	if (s->function_index[function] != 0)
		return s->function_index[function];
	m.name_strindex = (int32_t)string_of(s, f->name);
	m.system_name_strindex = (int32_t)string_of(s, f->system_name);
	m.filename_strindex = (int32_t)string_of(s, f->filename);
	m.start_line = f->start_line;
	if (m.name_strindex == 0 && m.system_name_strindex == 0 && m.filename_strindex == 0)
		return 0;
	s->function_index[function] = add_message(s->d, OH_DICT_FUNCTION, &m.base);
	return s->function_index[function];
}

/* ---- mappings: from the process's addresses to the file's --------------------- */

static void
ask_file(struct oh_dict_source *s, const struct oh_mapping *from, struct oh_dict_mapping *m)
{
	const struct oh_binary *binary = oh_binaries_get(s->files, s->root,
	    oh_profile_string(s->p, from->filename), oh_profile_string(s->p, from->build_id));

	m->known = true;
	if (binary == NULL)
		return;
	memcpy(m->htlhash, binary->htlhash, sizeof(m->htlhash));
	m->load_count = binary->load_count;
	m->loads = oh_xcalloc(m->load_count, sizeof(*m->loads));
	if (m->load_count != 0)
		memcpy(m->loads, binary->loads, m->load_count * sizeof(*m->loads));
}

/*
 * What to add to an address of the process to get the file's own; 0 where that
 * is not known, and then the mapping stays as it was in the process, too.
 */
static uint64_t
shift_of(struct oh_dict_source *s, const struct oh_mapping *from, struct oh_dict_mapping *m,
    uint64_t address)
{
	uint64_t vaddr, shift;

	if (!m->known)
		ask_file(s, from, m);
	/* The kernel's library is no file, and linked to begin at 0. */
	if (strcmp(oh_profile_string(s->p, from->filename), "[vdso]") == 0)
		vaddr = address - from->start + from->offset;
	else if (!oh_load_vaddr(
		     m->loads, m->load_count, address, from->start, from->offset, &vaddr))
		return 0;
	shift = vaddr - address;
	/* Not around the ends of the address space. */
	return from->start + shift < from->limit + shift ? shift : 0;
}

static uint32_t
mapping_of(struct oh_dict_source *s, uint32_t mapping, uint64_t address, uint64_t *ret_shift)
{
	const struct oh_mapping *from = &s->p->mappings[mapping];
	struct oh_dict_mapping *known = &s->mappings[mapping];
	const char *build_id = oh_profile_string(s->p, from->build_id);
	int32_t attributes[ATTRIBUTES_MAX];
	Mapping m = MAPPING_INIT;
	uint64_t shift = from->start < from->limit ? shift_of(s, from, known, address) : 0;

	*ret_shift = shift;
	if (known->has_index && known->shift == shift)
		return known->index;
	if (from->start < from->limit) { /* if not, the writer did not know */
		m.memory_start = from->start + shift;
		m.memory_limit = from->limit + shift;
	}
	m.file_offset = from->offset;
	m.filename_strindex = (int32_t)string_of(s, from->filename);
	m.attribute_indices = attributes;
	if (*build_id != '\0')
		attributes[m.n_attribute_indices++] =
		    (int32_t)oh_dict_attribute(s->d, "process.executable.build_id.gnu", build_id);
	if (known->htlhash[0] != '\0')
		attributes[m.n_attribute_indices++] = (int32_t)oh_dict_attribute(
		    s->d, "process.executable.build_id.htlhash", known->htlhash);
	known->has_index = true;
	known->shift = shift;
	known->index = add_message(s->d, OH_DICT_MAPPING, &m.base);
	return known->index;
}

/* ---- locations and stacks ----------------------------------------------------- */

static uint32_t
location_of(struct oh_dict_source *s, uint32_t location)
{
	const struct oh_profile *p = s->p;
	uint32_t mapping = p->location_mapping[location], count = p->line_count[location];
	Line few[8], *few_at[8], *lines = few, **line_at = few_at;
	Location m = LOCATION_INIT;
	uint64_t shift = 0;

	if (s->location_index[location] != 0)
		return s->location_index[location];
	if (count > OH_ARRAY_LEN(few)) {
		lines = oh_xcalloc(count, sizeof(*lines));
		line_at = oh_xcalloc(count, sizeof(Line *));
	}
	for (uint32_t i = 0; i < count; i++) {
		const struct oh_line *from = &p->lines[p->line_at[location] + i];
		Line *line = &lines[m.n_lines];

		*line = (Line)LINE_INIT;
		line->function_index = (int32_t)function_of(s, from->function);
		line->line = from->line;
		if (line->function_index != 0)
			line_at[m.n_lines++] = line;
	}
	m.lines = line_at;
	if (mapping != 0)
		m.mapping_index = (int32_t)mapping_of(s, mapping - 1, p->address[location], &shift);
	m.address = p->address[location] + shift;
	if (s->native && mapping != 0) {
		if (s->frame_type == 0)
			s->frame_type =
			    (int32_t)oh_dict_attribute(s->d, "profile.frame.type", "native");
		m.attribute_indices = &s->frame_type;
		m.n_attribute_indices = 1;
	}
	s->location_index[location] = add_message(s->d, OH_DICT_LOCATION, &m.base);
	if (lines != few) {
		free(lines);
		free(line_at);
	}
	return s->location_index[location];
}

uint32_t
oh_dict_stack(struct oh_dict_source *s, uint32_t sample)
{
	const uint32_t *frames;
	uint32_t n = oh_profile_stack(s->p, sample, &frames);
	Stack m = STACK_INIT;

	s->stack = oh_xgrow(s->stack, &s->stack_cap, n, sizeof(*s->stack));
	for (uint32_t i = 0; i < n; i++)
		s->stack[i] = (int32_t)location_of(s, frames[i]);
	m.n_location_indices = n;
	m.location_indices = s->stack;
	/* Room for the most it can be, instead of counting first: this is most of the work. */
	oh_bytes_reserve(&s->d->scratch, 16 + 10 * (size_t)n);
	return oh_otlp_table_add(&s->d->tables[OH_DICT_STACK], s->d->scratch.b,
	    protobuf_c_message_pack(&m.base, s->d->scratch.b));
}

/* ---- labels ------------------------------------------------------------------ */

/* What otheap's labels are called in OpenTelemetry's words; others keep their names. */
static const char *
attribute_key(const struct oh_dict_source *s, const char *key)
{
	if (s->native && strcmp(key, "thread") == 0)
		return "thread.name";
	if (s->native && strcmp(key, "leak") == 0)
		return "otheap.leak";
	return key;
}

/* pprof's words for units as UCUM has them. */
static const char *
attribute_unit(const char *unit)
{
	static const char *const units[][2] = {
		{ "bytes", "By" },
		{ "nanoseconds", "ns" },
		{ "microseconds", "us" },
		{ "milliseconds", "ms" },
		{ "seconds", "s" },
		{ "count", "1" },
	};

	for (size_t i = 0; i < OH_ARRAY_LEN(units); i++)
		if (strcmp(unit, units[i][0]) == 0)
			return units[i][1];
	return unit;
}

/* Labels [from, end) of which the first has a key that none before it has. */
static uint32_t
label_attribute(struct oh_dict_source *s, uint32_t from, uint32_t end)
{
	const struct oh_profile *p = s->p;
	const struct oh_label *first = &p->labels[from];
	const char *key = oh_profile_string(p, first->key);
	const char **texts = oh_xcalloc(end - from, sizeof(char *));
	int64_t *nums = oh_xcalloc(end - from, sizeof(*nums));
	size_t n = 0;
	uint32_t index;

	for (uint32_t i = from; i < end; i++) {
		const struct oh_label *l = &p->labels[i];

		if (strcmp(oh_profile_string(p, l->key), key) != 0 ||
		    (l->str != 0) != (first->str != 0))
			continue;
		texts[n] = oh_profile_string(p, l->str);
		nums[n++] = l->num;
	}
	key = attribute_key(s, key);
	index = first->str != 0 ? oh_dict_attribute_texts(s->d, key, texts, n)
				: oh_dict_attribute_nums(s->d, key, nums, n,
				      attribute_unit(oh_profile_string(p, first->unit)));
	free(texts);
	free(nums);
	return index;
}

static int
ascending(const void *a, const void *b)
{
	const int32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

const struct oh_dict_labels *
oh_dict_labels(struct oh_dict_source *s, uint32_t sample)
{
	const struct oh_profile *p = s->p;
	uint32_t set = p->label_set[sample];
	struct oh_dict_labels *l = &s->labels[set];
	size_t cap = 0;

	if (l->known)
		return l;
	l->known = true;
	for (uint32_t i = p->label_at[set]; i < p->label_at[set + 1]; i++) {
		const char *key = oh_profile_string(p, p->labels[i].key);
		bool first = key[0] != '\0' && oh_label_is_sent(&p->labels[i], s->numeric);

		for (uint32_t k = p->label_at[set]; first && k < i; k++)
			first = !oh_label_is_sent(&p->labels[k], s->numeric) ||
				strcmp(oh_profile_string(p, p->labels[k].key), key) != 0;
		if (!first)
			continue;
		l->indices = oh_xgrow(l->indices, &cap, l->count + 1, sizeof(*l->indices));
		l->indices[l->count++] = (int32_t)label_attribute(s, i, p->label_at[set + 1]);
	}
	/* Equal sets of attributes are equal lists. */
	if (l->count > 1)
		qsort(l->indices, l->count, sizeof(*l->indices), ascending);
	return l;
}
