/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp.c - pprof profiles as OTLP.
 *
 * Shape	encodings of one message concatenate, so samples are written as
 *	they come, each sample type into bytes of its own, and what must stand
 *	around them when their length is known:
 *
 *	ExportProfilesServiceRequest
 *	    ResourceProfiles{resource, ScopeProfiles{scope,	group.head
 *		Profile{type, time, ..., samples}*		body[group]
 *	    }}							... for each group
 *	    ProfilesDictionary{					dict_head
 *		tables						dict, as it lies there
 *	    }
 *
 *	Besides the tables and the samples nothing of the request is in memory.
 *
 * Invariants
 *	I1  Between calls the dictionary holds only what samples or profiles in
 *	    `body` refer to: what was added for others was cut off again.
 *	I2  size_now() is never below the length of the request.
 */
#include "tools/otlp.h"

#include <stdlib.h>
#include <string.h>

#include "proto/otlp/profiles.pb-c.h"
#include "tools/mem.h"
#include "tools/otlp_dict.h"
#include "tools/otlp_rows.h"
#include "tools/sha.h"

typedef Opentelemetry__Proto__Common__V1__InstrumentationScope Scope;
typedef Opentelemetry__Proto__Profiles__V1development__Profile Profile;
typedef Opentelemetry__Proto__Profiles__V1development__ResourceProfiles ResourceProfiles;
typedef Opentelemetry__Proto__Profiles__V1development__Sample Sample;
typedef Opentelemetry__Proto__Profiles__V1development__ScopeProfiles ScopeProfiles;
typedef Opentelemetry__Proto__Profiles__V1development__ValueType ValueType;

#define SCOPE_INIT OPENTELEMETRY__PROTO__COMMON__V1__INSTRUMENTATION_SCOPE__INIT
#define PROFILE_INIT OPENTELEMETRY__PROTO__PROFILES__V1DEVELOPMENT__PROFILE__INIT
#define RESOURCE_PROFILES_INIT \
	OPENTELEMETRY__PROTO__PROFILES__V1DEVELOPMENT__RESOURCE_PROFILES__INIT
#define SAMPLE_INIT OPENTELEMETRY__PROTO__PROFILES__V1DEVELOPMENT__SAMPLE__INIT
#define SCOPE_PROFILES_INIT OPENTELEMETRY__PROTO__PROFILES__V1DEVELOPMENT__SCOPE_PROFILES__INIT
#define VALUE_TYPE_INIT OPENTELEMETRY__PROTO__PROFILES__V1DEVELOPMENT__VALUE_TYPE__INIT

/* Fields of the messages that are put together by hand. */
enum {
	REQUEST_RESOURCE_PROFILES = 1,
	REQUEST_DICTIONARY = 2,
	RESOURCE_PROFILES_RESOURCE = 1,
	RESOURCE_PROFILES_SCOPE_PROFILES = 2,
	SCOPE_PROFILES_PROFILES = 2,
	PROFILE_SAMPLES = 2,
};

#define SCHEMA_URL "https://opentelemetry.io/schemas/1.44.0"

#define ID_BYTES 16
#define ATTRIBUTES_MAX 8 /* of a profile */
#define HEAD_ROOM 160u   /* most bytes of a Profile without its samples, its tag and length too */
#define GROUP_ROOM 1024u /* most bytes around a group without its resource: a scope name of 512 */
#define STRINGS_ROOM \
	256u /* for what a profile's end adds: names of its sample type, 64 bytes each */

/* Profiles of one resource. */
struct group {
	struct oh_bytes resource; /* encoded */
	struct oh_bytes head;     /* what stands before the profiles; made at the end */
	size_t from, end;         /* of body */
};

struct oh_otlp {
	uint64_t max_bytes;
	char *period_type; /* NULL: the file's */
	char *scope_name;
	bool numeric;
	struct oh_binaries *files;

	struct oh_dict dict;
	struct oh_bytes body; /* encoded Profile messages, as fields of ScopeProfiles */
	struct group *groups;
	size_t group_count, group_cap;
	struct oh_bytes dict_head;
	struct iovec *parts;
	size_t part_cap;
	size_t profiles, samples;
};

/* ---- life --------------------------------------------------------------------- */

static char *
copy(const char *s)
{
	size_t len;

	if (s == NULL)
		return NULL;
	len = strnlen(s, 256); /* names; see GROUP_ROOM */
	return memcpy(oh_xcalloc(len + 1, 1), s, len);
}

struct oh_otlp *
oh_otlp_create(const struct oh_otlp_options *options, struct oh_binaries *files)
{
	static const struct oh_otlp_options defaults = { .max_bytes = 0 };
	struct oh_otlp *o = oh_xcalloc(1, sizeof(*o));

	if (options == NULL)
		options = &defaults;
	o->max_bytes = options->max_bytes == 0 ? OH_OTLP_MAX_DEFAULT : options->max_bytes;
	if (o->max_bytes > OH_OTLP_MAX_LIMIT)
		o->max_bytes = OH_OTLP_MAX_LIMIT;
	o->period_type = copy(options->period_type);
	o->scope_name = copy(options->scope_name != NULL ? options->scope_name : "otheap");
	o->numeric = options->numeric_labels;
	o->files = files;
	oh_dict_init(&o->dict);
	return o;
}

static void
drop_groups(struct oh_otlp *o, size_t keep)
{
	while (o->group_count > keep) {
		struct group *g = &o->groups[--o->group_count];

		free(g->resource.b);
		free(g->head.b);
	}
}

void
oh_otlp_reset(struct oh_otlp *o)
{
	struct oh_dict_mark empty;

	for (unsigned t = 1; t < OH_DICT_END; t++)
		empty.count[t] = 1;
	oh_dict_cut(&o->dict, &empty);
	drop_groups(o, 0);
	o->body.len = 0;
	o->profiles = o->samples = 0;
}

void
oh_otlp_free(struct oh_otlp *o)
{
	if (o == NULL)
		return;
	drop_groups(o, 0);
	oh_dict_release(&o->dict);
	free(o->groups);
	free(o->body.b);
	free(o->dict_head.b);
	free(o->parts);
	free(o->period_type);
	free(o->scope_name);
	free(o);
}

size_t
oh_otlp_profiles(const struct oh_otlp *o)
{
	return o->profiles;
}

size_t
oh_otlp_samples(const struct oh_otlp *o)
{
	return o->samples;
}

/* ---- adding a profile ---------------------------------------------------------- */

/* What is being added: one OTLP profile for each sample type of the file. */
struct adding {
	struct oh_otlp *o;
	const struct oh_profile *p;
	const struct oh_otlp_seen *seen; /* of this process, or NULL */
	bool ours;                       /* otheap wrote the file: alloc_* are since the start */
	const struct oh_rows *rows;
	struct oh_dict_source source;
	struct oh_bytes row;      /* one sample */
	struct oh_bytes *samples; /* [type]: fields of a Profile */
	size_t *sample_count;     /* [type] */
	int64_t *values;          /* [type]: of the row that is being written */
	int *seen_type;           /* [type]: see oh_seen_type(); -1 where nothing was sent before */
	struct oh_seen_bytes seen_bytes;
	int32_t attributes[ATTRIBUTES_MAX];
	size_t attribute_count;
	size_t first_row;
	size_t around; /* bytes of the request that no row changes */
};

static bool
starts_with(const char *s, const char *with)
{
	return strncmp(s, with, strlen(with)) == 0;
}

/* Upper bound of the request with what is being added. */
static size_t
size_now(const struct adding *a)
{
	const struct oh_otlp *o = a->o;
	size_t bytes = a->around + oh_dict_bytes(&o->dict);

	for (size_t t = 0; t < a->p->type_count; t++)
		if (a->samples[t].len != 0)
			bytes += a->samples[t].len + HEAD_ROOM + STRINGS_ROOM;
	return bytes;
}

/* The row's values as they are sent.  False: they are all 0. */
static bool
take_values(struct adding *a, size_t row)
{
	const int64_t *from = a->rows->values + row * a->p->type_count;
	const struct oh_seen_item *before =
	    a->seen != NULL ? oh_seen_find(a->seen, a->rows->rows[row].key) : NULL;
	bool grew = before == NULL || oh_seen_grew(before, &a->seen_bytes, from), any = false;

	for (size_t t = 0; t < a->p->type_count; t++) {
		int64_t value = from[t];

		if (before != NULL && a->seen_type[t] >= 0) {
			int64_t sent = before->values[a->seen_type[t]];

			value = grew && value > sent ? value - sent : 0;
		}
		a->values[t] = value;
		any |= value != 0;
	}
	return any;
}

static void
put_row(struct adding *a, size_t row)
{
	uint32_t sample = a->rows->rows[row].sample;
	const struct oh_dict_labels *labels = oh_dict_labels(&a->source, sample);
	Sample m = SAMPLE_INIT;

	m.stack_index = (int32_t)oh_dict_stack(&a->source, sample);
	m.attribute_indices = labels->indices;
	m.n_attribute_indices = labels->count;
	m.n_values = 1;
	a->row.len = 0;
	oh_bytes_reserve(&a->row, 64 + 10 * labels->count); /* three numbers, four heads */
	for (size_t t = 0; t < a->p->type_count; t++) {
		size_t len;

		if (a->values[t] == 0)
			continue;
		m.values = &a->values[t];
		len = protobuf_c_message_pack(&m.base, a->row.b);
		oh_bytes_field(&a->samples[t], PROFILE_SAMPLES, len);
		oh_bytes_add(&a->samples[t], a->row.b, len);
		a->sample_count[t]++;
	}
}

/*
 * Write rows from a->first_row on, as many as there is room for; the first in
 * any case if `alone`.  Returns the first that was not written.
 */
static size_t
put_rows(struct adding *a, bool alone)
{
	size_t types = a->p->type_count, row = a->first_row, written = 0;
	size_t *len_before = oh_xcalloc(types, sizeof(*len_before));
	struct oh_dict_mark mark;

	for (; row < a->rows->count; row++) {
		if (!take_values(a, row))
			continue;
		oh_dict_mark(&a->o->dict, &mark);
		for (size_t t = 0; t < types; t++)
			len_before[t] = a->samples[t].len;
		put_row(a, row);
		if (size_now(a) > a->o->max_bytes && !(alone && written == 0)) {
			oh_dict_cut(&a->o->dict, &mark);
			for (size_t t = 0; t < types; t++) {
				a->sample_count[t] -= a->samples[t].len != len_before[t];
				a->samples[t].len = len_before[t];
			}
			break;
		}
		written++;
	}
	free(len_before);
	return row;
}

/* What pprof says of the whole profile, and OTLP has no field for. */
static void
take_attributes(struct adding *a)
{
	const struct oh_profile *p = a->p;
	const struct {
		const char *key;
		uint32_t text;
	} texts[] = {
		{ "pprof.profile.drop_frames", p->drop_frames },
		{ "pprof.profile.keep_frames", p->keep_frames },
		{ "pprof.profile.doc_url", p->doc_url },
	};
	const char **comments;
	size_t count = 0;

	for (size_t i = 0; i < OH_ARRAY_LEN(texts); i++) {
		const char *text = oh_profile_string(p, texts[i].text);

		if (*text != '\0')
			a->attributes[a->attribute_count++] =
			    (int32_t)oh_dict_attribute(&a->o->dict, texts[i].key, text);
	}
	if (p->comment_count == 0)
		return;
	comments = oh_xcalloc(p->comment_count, sizeof(char *));
	for (size_t i = 0; i < p->comment_count; i++) {
		comments[count] = oh_profile_string(p, p->comments[i]);
		/* Who it is says the resource. */
		count += strncmp(comments[count], "OTEL_", 5) != 0;
	}
	a->attributes[a->attribute_count++] =
	    (int32_t)oh_dict_attribute_texts(&a->o->dict, "pprof.profile.comment", comments, count);
	free(comments);
}

static void
make_id(const struct adding *a, size_t type, uint8_t ret[32])
{
	const struct oh_profile *p = a->p;
	const char *texts[] = {
		oh_profile_string(p, p->types[type].type),
		oh_profile_string(p, p->types[type].unit),
		oh_profile_comment(p, "program: "),
		oh_profile_comment(p, "pid: "),
	};
	uint64_t numbers[] = { (uint64_t)p->time_ns, (uint64_t)p->duration_ns, (uint64_t)p->period,
		a->rows->digest[0], a->rows->digest[1], a->first_row };
	struct oh_sha sha;

	oh_sha256_init(&sha);
	for (size_t i = 0; i < OH_ARRAY_LEN(texts); i++)
		if (texts[i] != NULL)
			oh_sha_add(&sha, texts[i], strlen(texts[i]) + 1);
	oh_sha_add(&sha, numbers, sizeof(numbers));
	oh_sha_end(&sha, ret);
	ret[0] |= 1; /* never all 0 */
}

static void
take_times(const struct adding *a, size_t type, Profile *m)
{
	const struct oh_profile *p = a->p;
	const char *name = oh_profile_string(p, p->types[type].type);
	int64_t window = p->duration_ns;

	m->time_unix_nano = p->time_ns > 0 ? (uint64_t)p->time_ns : 0;
	if (starts_with(name, "inuse_"))
		return; /* a state */
	if (starts_with(name, "alloc_") && a->ours) {
		/* The file's time is the end of the window. */
		if (a->seen != NULL)
			window -= a->seen->duration_ns;
		if (window < 1)
			window = 1;
		if (window < p->time_ns)
			m->time_unix_nano -= (uint64_t)window;
	}
	m->duration_nano = window > 0 ? (uint64_t)window : 0;
}

/* Move the samples of one type into the body, with what stands around them. */
static void
put_profile(struct adding *a, size_t type)
{
	struct oh_otlp *o = a->o;
	const struct oh_profile *p = a->p;
	ValueType sample_type = VALUE_TYPE_INIT, period_type = VALUE_TYPE_INIT;
	Profile m = PROFILE_INIT;
	const char *period = oh_profile_string(p, p->period_type.type);
	const char *unit = oh_profile_string(p, p->period_type.unit);
	uint8_t head[HEAD_ROOM], id[32];
	size_t len;

	if (o->period_type != NULL)
		period = o->period_type;
	/* Some backends refuse a profile without, whatever it may be of. */
	if (*period == '\0')
		period = "space";
	if (*unit == '\0')
		unit = "bytes";
	sample_type.type_strindex =
	    (int32_t)oh_dict_text(&o->dict, oh_profile_string(p, p->types[type].type));
	sample_type.unit_strindex =
	    (int32_t)oh_dict_text(&o->dict, oh_profile_string(p, p->types[type].unit));
	period_type.type_strindex = (int32_t)oh_dict_text(&o->dict, period);
	period_type.unit_strindex = (int32_t)oh_dict_text(&o->dict, unit);
	m.sample_type = &sample_type;
	m.period_type = &period_type;
	m.period = p->period > 0 ? p->period : 1;
	take_times(a, type, &m);
	make_id(a, type, id);
	m.profile_id.data = id;
	m.profile_id.len = ID_BYTES;
	m.attribute_indices = a->attributes;
	m.n_attribute_indices = a->attribute_count;

	len = protobuf_c_message_pack(&m.base, head);
	oh_bytes_field(&o->body, SCOPE_PROFILES_PROFILES, len + a->samples[type].len);
	oh_bytes_add(&o->body, head, len);
	oh_bytes_add(&o->body, a->samples[type].b, a->samples[type].len);
	free(a->samples[type].b);
	a->samples[type] = (struct oh_bytes){ .b = NULL };
	o->profiles++;
	o->samples += a->sample_count[type];
}

/* All types that have samples: the file's default first, viewers show that. */
static void
put_profiles(struct adding *a)
{
	int first = oh_profile_find_type(a->p, NULL);

	if (first >= 0 && a->sample_count[first] != 0)
		put_profile(a, (size_t)first);
	for (size_t t = 0; t < a->p->type_count; t++)
		if ((int)t != first && a->sample_count[t] != 0)
			put_profile(a, t);
}

static void
open_group(struct oh_otlp *o, const struct oh_resource *resource)
{
	struct group *g = o->group_count == 0 ? NULL : &o->groups[o->group_count - 1];
	size_t len;
	uint8_t *bytes = oh_resource_encode(resource, &len);

	if (g == NULL || g->resource.len != len ||
	    (len != 0 && memcmp(g->resource.b, bytes, len) != 0)) {
		o->groups =
		    oh_xgrow(o->groups, &o->group_cap, o->group_count + 1, sizeof(*o->groups));
		g = &o->groups[o->group_count++];
		*g = (struct group){ .from = o->body.len, .end = o->body.len };
		oh_bytes_add(&g->resource, bytes, len);
	}
	free(bytes);
}

enum oh_otlp_added
oh_otlp_add(
    struct oh_otlp *o, const struct oh_profile *p, const struct oh_otlp_source *from, size_t *row)
{
	struct adding a = { .o = o, .p = p, .first_row = *row };
	size_t types = p->type_count, groups = o->group_count, next, end = o->body.len;
	bool alone = o->profiles == 0, all, any;
	const char *trouble;
	struct oh_dict_mark mark;
	struct oh_rows own = { .rows = NULL };

	a.rows = from->rows != NULL ? from->rows : &own;
	a.ours = oh_profile_comment(p, "otheap ") != NULL;
	a.seen = oh_seen_fits(from->seen, p) ? from->seen : NULL;
	a.samples = oh_xcalloc(types, sizeof(*a.samples));
	a.sample_count = oh_xcalloc(types, sizeof(*a.sample_count));
	a.values = oh_xcalloc(types, sizeof(*a.values));
	a.seen_type = oh_xcalloc(types, sizeof(*a.seen_type));
	for (size_t t = 0; t < types; t++)
		a.seen_type[t] = oh_seen_type(p, t);
	oh_seen_bytes_of(&a.seen_bytes, p);
	if (from->rows == NULL)
		oh_rows_make(&own, p, o->numeric);
	oh_dict_begin(&a.source, &o->dict, p, o->files, from->root ? from->root : "", o->numeric);

	oh_dict_mark(&o->dict, &mark);
	open_group(o, from->resource);
	a.around = o->body.len + GROUP_ROOM;
	for (size_t i = 0; i < o->group_count; i++)
		a.around += o->groups[i].resource.len + GROUP_ROOM;
	take_attributes(&a);
	next = put_rows(&a, alone);
	trouble = oh_profile_trouble(p);
	all = next >= a.rows->count;
	any = false;
	for (size_t t = 0; t < types; t++)
		any |= a.sample_count[t] != 0;
	if (any && (all || alone) && trouble == NULL) {
		put_profiles(&a);
		o->groups[o->group_count - 1].end = o->body.len;
		*row = next;
	} else {
		oh_dict_cut(&o->dict, &mark);
		drop_groups(o, groups);
		o->body.len = end;
	}

	oh_dict_end(&a.source);
	oh_rows_release(&own);
	for (size_t t = 0; t < types; t++)
		free(a.samples[t].b);
	free(a.samples);
	free(a.sample_count);
	free(a.values);
	free(a.seen_type);
	free(a.row.b);
	if (trouble != NULL)
		return OH_OTLP_BAD;
	return all ? OH_OTLP_ADDED : alone ? OH_OTLP_PART : OH_OTLP_FULL;
}

/* ---- the request ---------------------------------------------------------------- */

/* Everything of a group that stands before its profiles. */
static void
make_head(struct oh_otlp *o, struct group *g)
{
	static char schema_url[] = SCHEMA_URL, version[] = OH_VERSION;
	size_t profiles = g->end - g->from, scope_len, resource_len, whole;
	ScopeProfiles scope_profiles = SCOPE_PROFILES_INIT;
	ResourceProfiles resource_profiles = RESOURCE_PROFILES_INIT;
	Scope scope = SCOPE_INIT;
	struct oh_bytes *to = &g->head;

	scope.name = o->scope_name;
	scope.version = version;
	scope_profiles.scope = &scope;
	scope_profiles.schema_url = schema_url;
	resource_profiles.schema_url = schema_url;
	scope_len = protobuf_c_message_get_packed_size(&scope_profiles.base);
	resource_len = protobuf_c_message_get_packed_size(&resource_profiles.base);

	whole = oh_field_head(RESOURCE_PROFILES_RESOURCE, g->resource.len) + g->resource.len +
		resource_len +
		oh_field_head(RESOURCE_PROFILES_SCOPE_PROFILES, scope_len + profiles) + scope_len +
		profiles;
	to->len = 0;
	oh_bytes_field(to, REQUEST_RESOURCE_PROFILES, whole);
	oh_bytes_field(to, RESOURCE_PROFILES_RESOURCE, g->resource.len);
	oh_bytes_add(to, g->resource.b, g->resource.len);
	oh_bytes_reserve(to, resource_len);
	to->len += protobuf_c_message_pack(&resource_profiles.base, to->b + to->len);
	oh_bytes_field(to, RESOURCE_PROFILES_SCOPE_PROFILES, scope_len + profiles);
	oh_bytes_reserve(to, scope_len);
	to->len += protobuf_c_message_pack(&scope_profiles.base, to->b + to->len);
}

const struct iovec *
oh_otlp_finish(struct oh_otlp *o, size_t *ret_count, size_t *ret_bytes)
{
	size_t n = 0, bytes = 0;

	*ret_count = *ret_bytes = 0;
	if (o->profiles == 0)
		return NULL;
	o->parts =
	    oh_xgrow(o->parts, &o->part_cap, 2 * o->group_count + OH_DICT_END, sizeof(*o->parts));
	for (size_t i = 0; i < o->group_count; i++) {
		struct group *g = &o->groups[i];

		make_head(o, g);
		o->parts[n++] = (struct iovec){ g->head.b, g->head.len };
		o->parts[n++] = (struct iovec){ o->body.b + g->from, g->end - g->from };
	}
	o->dict_head.len = 0;
	oh_bytes_field(&o->dict_head, REQUEST_DICTIONARY, oh_dict_bytes(&o->dict));
	o->parts[n++] = (struct iovec){ o->dict_head.b, o->dict_head.len };
	for (unsigned t = 1; t < OH_DICT_END; t++) {
		struct oh_bytes *table = &o->dict.tables[t].bytes;

		o->parts[n++] = (struct iovec){ table->b, table->len };
	}
	for (size_t i = 0; i < n; i++)
		bytes += o->parts[i].iov_len;
	*ret_count = n;
	*ret_bytes = bytes;
	return o->parts;
}

uint8_t *
oh_otlp_finish_flat(struct oh_otlp *o, size_t *ret_bytes)
{
	size_t count, at = 0;
	const struct iovec *parts = oh_otlp_finish(o, &count, ret_bytes);
	uint8_t *flat;

	if (parts == NULL)
		return NULL;
	flat = oh_xcalloc(*ret_bytes, 1);
	for (size_t i = 0; i < count; at += parts[i++].iov_len)
		memcpy(flat + at, parts[i].iov_base, parts[i].iov_len);
	return flat;
}
