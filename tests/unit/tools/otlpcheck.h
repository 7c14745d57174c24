/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlpcheck.h - is this request what OTLP asks of one?
 *
 * oh_otlp_check() unpacks it by protobuf-c and looks at everything that the
 * specification says MUST or SHOULD be so, and at what backends want besides.
 */
#ifndef OH_TESTS_OTLPCHECK_H
#define OH_TESTS_OTLPCHECK_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/otlp/profiles.pb-c.h"
#include "tests/unit/suite.h"
#include "tools/otlp.h"

typedef Opentelemetry__Proto__Common__V1__AnyValue AnyValue;
typedef Opentelemetry__Proto__Common__V1__KeyValue KeyValue;
typedef Opentelemetry__Proto__Profiles__V1development__ExportProfilesServiceRequest Request;
typedef Opentelemetry__Proto__Profiles__V1development__Function Function;
typedef Opentelemetry__Proto__Profiles__V1development__KeyValueAndUnit Attribute;
typedef Opentelemetry__Proto__Profiles__V1development__Line Line;
typedef Opentelemetry__Proto__Profiles__V1development__Location Location;
typedef Opentelemetry__Proto__Profiles__V1development__Mapping Mapping;
typedef Opentelemetry__Proto__Profiles__V1development__Profile Profile;
typedef Opentelemetry__Proto__Profiles__V1development__ProfilesDictionary Dictionary;
typedef Opentelemetry__Proto__Profiles__V1development__ResourceProfiles ResourceProfiles;
typedef Opentelemetry__Proto__Profiles__V1development__Sample Sample;
typedef Opentelemetry__Proto__Profiles__V1development__ScopeProfiles ScopeProfiles;
typedef Opentelemetry__Proto__Profiles__V1development__Stack Stack;

struct otlp_seen {
	uint8_t *mapping, *location, *function, *string, *attribute, *stack;
	const Dictionary *d;
};

/* Note that entry i of a table is used; it must be there. */
static inline void
otlp_use(uint8_t *used, int32_t i, size_t n)
{
	UNIT_CHECK(i >= 0);
	UNIT_CHECK((size_t)i < n);
	used[i] = 1;
}

static inline void
otlp_use_attributes(const struct otlp_seen *s, const int32_t *indices, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		UNIT_CHECK(indices[i] > 0);
		otlp_use(s->attribute, indices[i], s->d->n_attribute_table);
		for (size_t k = 0; k < i; k++)
			UNIT_CHECK(s->d->attribute_table[indices[i]]->key_strindex !=
				   s->d->attribute_table[indices[k]]->key_strindex);
	}
}

/* No two of these messages are equal; the first is empty. */
static inline void
otlp_distinct(ProtobufCMessage *const *m, size_t n)
{
	uint8_t **packed = calloc(n, sizeof(uint8_t *));
	size_t *len = calloc(n, sizeof(*len));

	UNIT_CHECK(n >= 1);
	for (size_t i = 0; i < n; i++) {
		len[i] = protobuf_c_message_get_packed_size(m[i]);
		packed[i] = malloc(len[i] + 1);
		(void)protobuf_c_message_pack(m[i], packed[i]);
		/* Above some size only neighbours are compared: this is quadratic. */
		for (size_t k = n > 3000 && i > 20 ? i - 20 : 0; k < i; k++)
			if (len[k] == len[i] && memcmp(packed[k], packed[i], len[i]) == 0)
				ck_abort_msg("entries %zu and %zu of %s are equal", k, i,
				    m[i]->descriptor->name);
	}
	UNIT_CHECK(len[0] == 0);
	for (size_t i = 0; i < n; i++)
		free(packed[i]);
	free(packed);
	free(len);
}

static inline void
otlp_all_used(const char *what, const uint8_t *used, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (!used[i])
			ck_abort_msg("entry %zu of the %ss is not referred to", i, what);
}

static inline void
otlp_check_profile(struct otlp_seen *s, const Profile *p)
{
	const Dictionary *d = s->d;
	static const uint8_t zero[16];

	UNIT_CHECK(p->sample_type != NULL);
	UNIT_CHECK(p->sample_type->type_strindex > 0);
	otlp_use(s->string, p->sample_type->type_strindex, d->n_string_table);
	otlp_use(s->string, p->sample_type->unit_strindex, d->n_string_table);
	UNIT_CHECK(p->period_type != NULL);
	UNIT_CHECK(p->period_type->type_strindex > 0);
	UNIT_CHECK(p->period_type->unit_strindex > 0);
	otlp_use(s->string, p->period_type->type_strindex, d->n_string_table);
	otlp_use(s->string, p->period_type->unit_strindex, d->n_string_table);
	UNIT_CHECK(p->period > 0);
	UNIT_CHECK(p->profile_id.len == 16);
	UNIT_CHECK(memcmp(p->profile_id.data, zero, 16) != 0);
	UNIT_CHECK(p->original_payload.len == 0);
	otlp_use_attributes(s, p->attribute_indices, p->n_attribute_indices);
	UNIT_CHECK(p->n_samples > 0);
	for (size_t i = 0; i < p->n_samples; i++) {
		const Sample *x = p->samples[i];

		otlp_use(s->stack, x->stack_index, d->n_stack_table);
		UNIT_CHECK(x->link_index == 0);
		UNIT_CHECK(x->n_values == 1);
		UNIT_CHECK(x->values[0] != 0);
		UNIT_CHECK(x->n_timestamps_unix_nano == 0);
		otlp_use_attributes(s, x->attribute_indices, x->n_attribute_indices);
		if (i > 0) /* by position: equal ones would be neighbours or hash alike */
			UNIT_CHECK(
			    x->stack_index != p->samples[i - 1]->stack_index ||
			    x->n_attribute_indices != p->samples[i - 1]->n_attribute_indices ||
			    memcmp(x->attribute_indices, p->samples[i - 1]->attribute_indices,
				x->n_attribute_indices * sizeof(int32_t)) != 0);
	}
}

static inline void
otlp_check_tables(struct otlp_seen *s)
{
	const Dictionary *d = s->d;

	/* From what refers to what is referred to. */
	for (size_t i = 1; i < d->n_stack_table; i++)
		for (size_t k = 0; k < d->stack_table[i]->n_location_indices; k++)
			otlp_use(s->location, d->stack_table[i]->location_indices[k],
			    d->n_location_table);
	for (size_t i = 1; i < d->n_location_table; i++) {
		const Location *l = d->location_table[i];

		otlp_use(s->mapping, l->mapping_index, d->n_mapping_table);
		if (l->mapping_index != 0 && d->mapping_table[l->mapping_index]->memory_limit) {
			UNIT_CHECK(l->address >= d->mapping_table[l->mapping_index]->memory_start);
			UNIT_CHECK(l->address < d->mapping_table[l->mapping_index]->memory_limit);
		}
		for (size_t k = 0; k < l->n_lines; k++) {
			UNIT_CHECK(l->lines[k]->function_index > 0);
			otlp_use(s->function, l->lines[k]->function_index, d->n_function_table);
			UNIT_CHECK(l->lines[k]->line >= 0);
			UNIT_CHECK(l->lines[k]->column >= 0);
		}
		otlp_use_attributes(s, l->attribute_indices, l->n_attribute_indices);
	}
	for (size_t i = 1; i < d->n_mapping_table; i++) {
		const Mapping *m = d->mapping_table[i];

		UNIT_CHECK(m->memory_start < m->memory_limit ||
			   (m->memory_start == 0 && m->memory_limit == 0));
		otlp_use(s->string, m->filename_strindex, d->n_string_table);
		otlp_use_attributes(s, m->attribute_indices, m->n_attribute_indices);
	}
	for (size_t i = 1; i < d->n_function_table; i++) {
		const Function *f = d->function_table[i];

		UNIT_CHECK(f->name_strindex || f->system_name_strindex || f->filename_strindex);
		otlp_use(s->string, f->name_strindex, d->n_string_table);
		otlp_use(s->string, f->system_name_strindex, d->n_string_table);
		otlp_use(s->string, f->filename_strindex, d->n_string_table);
		UNIT_CHECK(f->start_line >= 0);
	}
	for (size_t i = 1; i < d->n_attribute_table; i++) {
		const Attribute *a = d->attribute_table[i];

		UNIT_CHECK(a->key_strindex > 0);
		otlp_use(s->string, a->key_strindex, d->n_string_table);
		otlp_use(s->string, a->unit_strindex, d->n_string_table);
		UNIT_CHECK(a->value != NULL);
		UNIT_CHECK(a->value->value_case !=
			   OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE__NOT_SET);
		UNIT_CHECK(
		    a->value->value_case !=
		    OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_STRING_VALUE_STRINDEX);
	}
}

/* Check it whole.  Returns it unpacked; protobuf_c_message_free_unpacked() it. */
static inline Request *
oh_otlp_check(const uint8_t *bytes, size_t len)
{
	Request *r =
	    opentelemetry__proto__profiles__v1development__export_profiles_service_request__unpack(
		NULL, len, bytes);
	struct otlp_seen s;
	const Dictionary *d;

	ck_assert_msg(r != NULL, "the bytes are no request");
	UNIT_CHECK(r->n_resource_profiles > 0);
	UNIT_CHECK(r->dictionary != NULL);
	s.d = d = r->dictionary;
	otlp_distinct((ProtobufCMessage *const *)d->mapping_table, d->n_mapping_table);
	otlp_distinct((ProtobufCMessage *const *)d->location_table, d->n_location_table);
	otlp_distinct((ProtobufCMessage *const *)d->function_table, d->n_function_table);
	otlp_distinct((ProtobufCMessage *const *)d->attribute_table, d->n_attribute_table);
	otlp_distinct((ProtobufCMessage *const *)d->stack_table, d->n_stack_table);
	UNIT_CHECK(d->n_link_table == 1);
	UNIT_CHECK(protobuf_c_message_get_packed_size(&d->link_table[0]->base) == 0);
	UNIT_CHECK(d->n_string_table >= 1);
	UNIT_CHECK(strcmp(d->string_table[0], "") == 0);
	for (size_t i = 0; i < d->n_string_table && i < 3000; i++)
		for (size_t k = 0; k < i; k++)
			UNIT_CHECK(strcmp(d->string_table[i], d->string_table[k]) != 0);

	s.mapping = calloc(d->n_mapping_table, 1);
	s.location = calloc(d->n_location_table, 1);
	s.function = calloc(d->n_function_table, 1);
	s.string = calloc(d->n_string_table, 1);
	s.attribute = calloc(d->n_attribute_table, 1);
	s.stack = calloc(d->n_stack_table, 1);
	for (size_t i = 0; i < r->n_resource_profiles; i++) {
		const ResourceProfiles *rp = r->resource_profiles[i];

		UNIT_CHECK(rp->resource != NULL);
		for (size_t k = 0; k < rp->resource->n_attributes; k++) {
			const KeyValue *a = rp->resource->attributes[k];

			UNIT_CHECK(strcmp(a->key, "") != 0);
			UNIT_CHECK(a->key_strindex == 0);
			UNIT_CHECK(a->value != NULL);
			for (size_t m = 0; m < k; m++)
				UNIT_CHECK(strcmp(a->key, rp->resource->attributes[m]->key) != 0);
		}
		UNIT_CHECK(rp->n_scope_profiles == 1);
		UNIT_CHECK(rp->scope_profiles[0]->scope != NULL);
		UNIT_CHECK(strcmp(rp->scope_profiles[0]->scope->name, "") != 0);
		UNIT_CHECK(rp->scope_profiles[0]->n_profiles > 0);
		for (size_t k = 0; k < rp->scope_profiles[0]->n_profiles; k++)
			otlp_check_profile(&s, rp->scope_profiles[0]->profiles[k]);
	}
	otlp_check_tables(&s);
	otlp_all_used("mapping", s.mapping, d->n_mapping_table);
	otlp_all_used("location", s.location, d->n_location_table);
	otlp_all_used("function", s.function, d->n_function_table);
	otlp_all_used("string", s.string, d->n_string_table);
	otlp_all_used("attribute", s.attribute, d->n_attribute_table);
	otlp_all_used("stack", s.stack, d->n_stack_table);
	free(s.mapping);
	free(s.location);
	free(s.function);
	free(s.string);
	free(s.attribute);
	free(s.stack);
	return r;
}

/* The OTLP profile of a sample type in the i-th resource, or NULL. */
static inline const Profile *
otlp_profile(const Request *r, size_t resource, const char *type)
{
	const ScopeProfiles *sp = r->resource_profiles[resource]->scope_profiles[0];

	for (size_t i = 0; i < sp->n_profiles; i++)
		if (strcmp(r->dictionary->string_table[sp->profiles[i]->sample_type->type_strindex],
			type) == 0)
			return sp->profiles[i];
	return NULL;
}

static inline int64_t
otlp_sum(const Profile *p)
{
	int64_t sum = 0;

	for (size_t i = 0; p != NULL && i < p->n_samples; i++)
		sum += p->samples[i]->values[0];
	return sum;
}

/* A text attribute in a list, or NULL. */
static inline const char *
otlp_attribute(const Dictionary *d, const int32_t *indices, size_t n, const char *key)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(d->string_table[d->attribute_table[indices[i]]->key_strindex], key) == 0)
			return d->attribute_table[indices[i]]->value->string_value;
	return NULL;
}

#endif
