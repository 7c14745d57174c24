/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pprof.c - a snapshot as a pprof profile.
 *
 * Shape	encodings of one message concatenate, and repeated fields of the
 *	parts add up.  So a profile is written as many small ones:
 *
 *	Profile{sample_type, period, ...}
 *	Profile{location}*  Profile{sample}	per site; a location goes out
 *						when a site first needs it
 *	Profile{mapping}*			those that a location names
 *	Profile{string_table}*			last: all are known by now
 *
 *	Only two tables live in memory: frame -> location id, and the strings.
 *
 * One file because all parts share the encoder and its tables.
 *
 * Packing a message inside another without malloc needs protobuf-c >= 1.4.0;
 * older ones build it in a growing buffer first.  A unit test counts.
 *
 * Invariants
 *	I1  Location ids are 1 .. n in order of appearance, one per distinct
 *	    frame (module and pc).
 *	I2  Mapping ids are 1 .. n, too, 1 being the main program; those that a
 *	    location names are written.  (Parca takes no others.)
 *	I3  What protobuf-c says it packed is what the sink was given (R32).
 */
#include "proto/pprof.h"

#include <errno.h>
#include <string.h>

#include "core/out.h"
#include "proto/hidden.h"
#include "proto/profile.pb-c.h"
#include "proto/strtab.h"

typedef Perftools__Profiles__Profile Profile;
typedef Perftools__Profiles__ValueType ValueType;
typedef Perftools__Profiles__Sample Sample;
typedef Perftools__Profiles__Label Label;
typedef Perftools__Profiles__Mapping Mapping;
typedef Perftools__Profiles__Location Location;
typedef Perftools__Profiles__Line Line;
typedef Perftools__Profiles__Function Function;

#define PROFILE_INIT PERFTOOLS__PROFILES__PROFILE__INIT
#define VALUE_TYPE_INIT PERFTOOLS__PROFILES__VALUE_TYPE__INIT
#define SAMPLE_INIT PERFTOOLS__PROFILES__SAMPLE__INIT
#define LABEL_INIT PERFTOOLS__PROFILES__LABEL__INIT
#define MAPPING_INIT PERFTOOLS__PROFILES__MAPPING__INIT
#define LOCATION_INIT PERFTOOLS__PROFILES__LOCATION__INIT
#define LINE_INIT PERFTOOLS__PROFILES__LINE__INIT
#define FUNCTION_INIT PERFTOOLS__PROFILES__FUNCTION__INIT

#define UNKNOWN_STACK "[unknown stack]"
#define FIRST_ROOM 1024u /* locations */

/* Sample types, in their order in the file. */
enum { ALLOC_OBJECTS, ALLOC_SPACE, INUSE_OBJECTS, INUSE_SPACE, TYPES };

/* Size, thread, verdict; ages; the times that freed blocks lived, and their numbers. */
#define LABELS_MAX (3 + OH_SNAP_AGES + 2 * OH_SNAP_LIVES)

struct slot {
	oh_frame frame;
	uint64_t id; /* 0 = empty slot */
};

struct encoder {
	const struct oh_snapshot *snap;
	struct oh_sink *sink;
	struct oh_scratch *scratch;
	struct oh_strtab strings;
	struct slot *slots;  /* open addressing, at most half full */
	size_t slot_count;   /* a power of two */
	uint64_t locations;  /* ids given out */
	uint64_t unknown_id; /* of UNKNOWN_STACK; 0 = not needed yet */
	uint32_t *mapping;   /* [module_count + 1]: id by module; 0 = not needed yet */
	uint32_t *mapped;    /* [module_count + 1]: module by id */
	uint32_t mappings;   /* ids given out */
	uint64_t *ids;       /* [deepest stack] */
	double carry[TYPES]; /* see whole() */
	uint32_t key_bytes, key_thread, key_age, unit_bytes, unit_age;
	uint32_t key_lived, key_freed, unit_freed;
	Label *label, **labels; /* [LABELS_MAX] of the sample that is being put */
};

/* ---- parts of a profile -------------------------------------------------- */

static void
put(struct encoder *e, const Profile *part)
{
	uint64_t before = e->sink->appended_bytes;
	size_t packed = protobuf_c_message_pack_to_buffer(&part->base, &e->sink->base);

	if (e->sink->error == 0 && e->sink->appended_bytes - before != packed)
		oh_sink_fail(e->sink, -EIO);
}

/* A profile with nothing but this in that repeated field. */
#define PUT(e, field, value) \
	do { \
		__typeof__(*((Profile *)0)->field) put_one = (value); \
		Profile put_part = PROFILE_INIT; \
		put_part.n_##field = 1; \
		put_part.field = &put_one; \
		put(e, &put_part); \
	} while (0)

static void
put_comment(struct encoder *e, const struct oh_out *line)
{
	PUT(e, comment, oh_strtab_add(&e->strings, line->text, line->len));
}

/* ---- locations and mappings ---------------------------------------------- */

static size_t
hash_of(oh_frame f)
{
	f ^= f >> 33;
	f *= UINT64_C(0xff51afd7ed558ccd); /* fmix64 of MurmurHash3 (public domain) */
	f ^= f >> 33;
	return (size_t)f;
}

static struct slot *
find(struct encoder *e, oh_frame f)
{
	size_t i = hash_of(f) & (e->slot_count - 1);

	while (e->slots[i].id != 0 && e->slots[i].frame != f)
		i = (i + 1) & (e->slot_count - 1);
	return &e->slots[i];
}

/* Make room for one more location.  The old table stays in the scratch. */
static bool
reserve(struct encoder *e)
{
	struct slot *old = e->slots;
	size_t old_count = e->slot_count;

	if (2 * (e->locations + 1) <= old_count)
		return true;
	size_t count = old_count == 0 ? 2 * FIRST_ROOM : 2 * old_count;
	struct slot *slots = oh_scratch_array(e->scratch, count, sizeof(*slots));
	if (slots == NULL)
		return false;
	e->slots = slots;
	e->slot_count = count;
	for (size_t i = 0; i < old_count; i++) {
		if (old[i].id != 0)
			*find(e, old[i].frame) = old[i];
	}
	return true;
}

/* The id of the module's mapping. */
static uint32_t
mapping_of(struct encoder *e, uint32_t module)
{
	if (module == 0 || module > e->snap->module_count)
		return 0;
	if (e->mapping[module] == 0) {
		e->mapping[module] = ++e->mappings;
		e->mapped[e->mappings] = module;
	}
	return e->mapping[module];
}

/* The id of the frame's location, which is written if it is new; 0 without memory. */
static uint64_t
location_of(struct encoder *e, oh_frame f)
{
	Location m = LOCATION_INIT;
	uint64_t pc = oh_frame_pc(f);

	if (!reserve(e))
		return 0;
	struct slot *slot = find(e, f);
	if (slot->id != 0)
		return slot->id;
	slot->frame = f;
	slot->id = ++e->locations;
	m.id = slot->id;
	m.mapping_id = mapping_of(e, oh_frame_module(f));
	m.address = pc == 0 ? 0 : pc - 1;
	PUT(e, location, &m);
	return slot->id;
}

/* pprof drops a sample without locations; its bytes must show. */
static uint64_t
unknown_location(struct encoder *e)
{
	Function function = FUNCTION_INIT;
	Line line = LINE_INIT, *lines = &line;
	Location m = LOCATION_INIT;

	if (e->unknown_id != 0)
		return e->unknown_id;
	function.id = 1;
	function.name = function.system_name = oh_strtab_add_str(&e->strings, UNKNOWN_STACK);
	line.function_id = function.id;
	m.id = e->unknown_id = ++e->locations;
	m.n_line = 1;
	m.line = &lines;
	PUT(e, function, &function);
	PUT(e, location, &m);
	return e->unknown_id;
}

static uint32_t
add_hex(struct encoder *e, const uint8_t *bytes, uint32_t len)
{
	char hex[2 * 64]; /* build-ids have 16 or 20 bytes, 32 at most in use */

	if (bytes == NULL)
		return 0;
	if (len > sizeof(hex) / 2)
		len = sizeof(hex) / 2;
	for (uint32_t i = 0; i < len; i++) {
		hex[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
		hex[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
	}
	return oh_strtab_add(&e->strings, hex, 2 * (size_t)len);
}

static void
put_mappings(struct encoder *e)
{
	for (uint32_t id = 1; id <= e->mappings; id++) {
		const struct oh_snap_module *module = &e->snap->modules[e->mapped[id] - 1];
		Mapping m = MAPPING_INIT;

		m.id = id;
		m.memory_start = module->start;
		m.memory_limit = module->limit;
		m.file_offset = module->offset;
		m.filename = oh_strtab_add_str(&e->strings, module->path);
		m.build_id = add_hex(e, module->build_id, module->build_id_len);
		PUT(e, mapping, &m);
	}
}

/* ---- sites --------------------------------------------------------------- */

/* Nearest int64, halves up, never negative; NaN is 0.  Without libm. */
static int64_t
rounded(double v)
{
	if (!(v >= 0.5))
		return 0;
	if (v >= 9223372036854775808.0)
		return INT64_MAX;
	/* From 2^52 on every double is whole, and adding 0.5 could change it. */
	return (int64_t)(v >= 4503599627370496.0 ? v : v + 0.5);
}

static int64_t
mean_size(const struct oh_snap_site *site)
{
	if (site->alloc_objects > 0)
		return rounded(site->alloc_bytes / site->alloc_objects);
	return site->live_objects > 0 ? rounded(site->live_bytes / site->live_objects) : 0;
}

/*
 * The whole number to write for `v`.  What is cut off goes on to the next row:
 * rows are often a single sample each, and 1.4 objects written as 1 in every
 * one of them would be a sum that is a third too small.  So the sum over any
 * run of rows, the rows of one stack for one, is off by less than two.
 */
static int64_t
whole(double v, double *carry)
{
	/* From 2^52 on every double is whole. */
	if (!(v > 0) || v >= 4503599627370496.0)
		return rounded(v);
	double want = v + *carry;
	int64_t got = want > 0 ? (int64_t)want : 0;
	*carry = want - (double)got;
	return got;
}

/*
 * What lives was allocated, also after rounding: rather one more allocated here
 * and one less in the next rows.
 */
static void
keep_above(int64_t *allocated, int64_t live, double *carry)
{
	if (*allocated < live) {
		*carry -= (double)(live - *allocated);
		*allocated = live;
	}
}

/* The text of the label of each class; NULL = no label. */
static const char *const leak_names[OH_LEAK_CLASSES] = {
	[OH_LEAK_LOST] = "lost",
	[OH_LEAK_INTERIOR] = "interior",
	[OH_LEAK_INDIRECT] = "indirect",
};

/* The locations of the site's stack, in e->ids; how many. */
static uint32_t
put_stack(struct encoder *e, const struct oh_snap_site *site)
{
	for (uint32_t i = 0; i < site->depth; i++) {
		e->ids[i] = location_of(e, site->frames[i]);
		if (e->ids[i] == 0) {
			oh_sink_fail(e->sink, -ENOMEM);
			return 0;
		}
	}
	if (site->depth == 0)
		e->ids[0] = unknown_location(e);
	return site->depth == 0 ? 1 : site->depth;
}

static void
label_number(struct encoder *e, Sample *m, uint32_t key, uint64_t value, uint32_t unit)
{
	Label *label = &e->label[m->n_label++];

	*label = (Label)LABEL_INIT;
	label->key = key;
	label->num = (int64_t)value;
	label->num_unit = unit;
}

static void
label_text(struct encoder *e, Sample *m, uint32_t key, int64_t text)
{
	Label *label = &e->label[m->n_label++];

	*label = (Label)LABEL_INIT;
	label->key = key;
	label->str = text;
}

/* Pairs of a time and how many freed samples lived as long or longer, less than the next. */
static void
label_lives(struct encoder *e, Sample *m, const struct oh_snap_site *site)
{
	for (unsigned i = 0; i < OH_SNAP_LIVES; i++) {
		uint32_t count = oh_snap_freed(site, i);
		if (count == 0)
			continue;
		label_number(e, m, e->key_lived, OH_SNAP_LIFE_MS(i), e->unit_age);
		label_number(e, m, e->key_freed, count, e->unit_freed);
	}
}

/*
 * One sample of the site, whose stack is in e->ids; `live` is NULL where nothing is known
 * of it.  The `first` of a site tells of what was freed, too.
 */
static void
put_row(struct encoder *e, const struct oh_snap_site *site, uint32_t depth, int64_t *values,
    const struct oh_snap_live *live, bool first)
{
	Sample m = SAMPLE_INIT;

	if ((values[0] | values[1] | values[2] | values[3]) == 0)
		return;
	m.n_location_id = depth;
	m.location_id = e->ids;
	m.n_value = TYPES;
	m.value = values;
	m.label = e->labels;
	/*
	 * The unit is written although pprof guesses it from this key: what
	 * converts profiles to other formats does not guess.
	 */
	int64_t size = mean_size(site);
	if (size != 0)
		label_number(e, &m, e->key_bytes, (uint64_t)size, e->unit_bytes);
	if (site->thread_name != 0 && site->thread_name < e->snap->thread_name_count) {
		int64_t name =
		    oh_strtab_add_str(&e->strings, e->snap->thread_names[site->thread_name]);
		if (name != 0)
			label_text(e, &m, e->key_thread, name);
	}
	if (live != NULL && leak_names[live->leak] != NULL)
		label_text(e, &m, oh_strtab_add_str(&e->strings, "leak"),
		    oh_strtab_add_str(&e->strings, leak_names[live->leak]));
	for (uint32_t i = 0; live != NULL && i < live->ages; i++)
		label_number(e, &m, e->key_age, live->age_ms[i], e->unit_age);
	if (first)
		label_lives(e, &m, site);
	PUT(e, sample, &m);
}

/*
 * What lives is one sample for each class of a leak check; the first, of those
 * that are in none, is also what was allocated.
 */
static void
put_site(struct encoder *e, const struct oh_snap_site *site)
{
	int64_t first[TYPES] = { 0 }, live[OH_LEAK_CLASSES][TYPES] = { 0 }, sum[2] = { 0 };
	const struct oh_snap_live *known[OH_LEAK_CLASSES] = { 0 };
	double objects = site->live_objects, bytes = site->live_bytes;

	for (uint32_t i = 0; i < site->live_count; i++) {
		const struct oh_snap_live *l = &site->live[i];
		known[l->leak] = l;
		if (l->leak == OH_LEAK_NONE)
			continue;
		objects -= l->objects;
		bytes -= l->bytes;
		live[l->leak][INUSE_OBJECTS] = whole(l->objects, &e->carry[INUSE_OBJECTS]);
		live[l->leak][INUSE_SPACE] = whole(l->bytes, &e->carry[INUSE_SPACE]);
		sum[0] += live[l->leak][INUSE_OBJECTS];
		sum[1] += live[l->leak][INUSE_SPACE];
	}
	first[ALLOC_OBJECTS] = whole(site->alloc_objects, &e->carry[ALLOC_OBJECTS]);
	first[ALLOC_SPACE] = whole(site->alloc_bytes, &e->carry[ALLOC_SPACE]);
	/* Nothing is left, but for what adding in another order leaves. */
	if (known[OH_LEAK_NONE] != NULL || site->live_count == 0) {
		first[INUSE_OBJECTS] = whole(objects, &e->carry[INUSE_OBJECTS]);
		first[INUSE_SPACE] = whole(bytes, &e->carry[INUSE_SPACE]);
	}
	sum[0] += first[INUSE_OBJECTS];
	sum[1] += first[INUSE_SPACE];
	if (site->live_objects <= site->alloc_objects)
		keep_above(&first[ALLOC_OBJECTS], sum[0], &e->carry[ALLOC_OBJECTS]);
	if (site->live_bytes <= site->alloc_bytes)
		keep_above(&first[ALLOC_SPACE], sum[1], &e->carry[ALLOC_SPACE]);

	if ((first[ALLOC_OBJECTS] | first[ALLOC_SPACE] | sum[0] | sum[1]) == 0)
		return;
	uint32_t depth = put_stack(e, site);
	if (depth == 0)
		return;
	put_row(e, site, depth, first, known[OH_LEAK_NONE], true);
	for (int leak = OH_LEAK_NONE + 1; leak < OH_LEAK_CLASSES; leak++)
		put_row(e, site, depth, live[leak], known[leak], false);
}

/* ---- the rest ------------------------------------------------------------ */

static void
put_head(struct encoder *e)
{
	Profile part = PROFILE_INIT;
	ValueType types[TYPES], *type_at[TYPES], period = VALUE_TYPE_INIT;
	static const char *const names[TYPES][2] = {
		[ALLOC_OBJECTS] = { "alloc_objects", "count" },
		[ALLOC_SPACE] = { "alloc_space", "bytes" },
		[INUSE_OBJECTS] = { "inuse_objects", "count" },
		[INUSE_SPACE] = { "inuse_space", "bytes" },
	};

	for (int i = 0; i < TYPES; i++) {
		types[i] = (ValueType)VALUE_TYPE_INIT;
		types[i].type = oh_strtab_add_str(&e->strings, names[i][0]);
		types[i].unit = oh_strtab_add_str(&e->strings, names[i][1]);
		type_at[i] = &types[i];
	}
	period.type = oh_strtab_add_str(&e->strings, "space");
	period.unit = oh_strtab_add_str(&e->strings, "bytes");
	part.n_sample_type = TYPES;
	part.sample_type = type_at;
	part.default_sample_type = types[INUSE_SPACE].type;
	part.period_type = &period;
	part.period =
	    e->snap->interval_bytes > INT64_MAX ? INT64_MAX : (int64_t)e->snap->interval_bytes;
	part.time_nanos = e->snap->time_ns;
	part.duration_nanos = e->snap->duration_ns;
	part.drop_frames = oh_strtab_add_str(&e->strings, OH_HIDDEN_FRAMES);
	put(e, &part);
}

/* One comment made of `before`, a number and `after`. */
static void
put_number(struct encoder *e, const char *before, uint64_t v, const char *after)
{
	struct oh_out line;

	oh_out_reset(&line);
	oh_out_str(&line, before);
	oh_out_u64(&line, v);
	oh_out_str(&line, after);
	put_comment(e, &line);
}

static void
put_leak_check(struct encoder *e)
{
	const struct oh_reach_result *r = &e->snap->leaks;
	struct oh_out line;

	if (!r->asked)
		return;
	oh_out_reset(&line);
	if (!r->made) {
		oh_out_str(&line, "leak check: not made: ");
		oh_out_str(&line, r->why_not == NULL ? "" : r->why_not);
		put_comment(e, &line);
		return;
	}
	oh_out_str(&line, "leak check: lost ");
	oh_out_u64(&line, r->found[OH_LEAK_LOST]);
	oh_out_str(&line, " interior ");
	oh_out_u64(&line, r->found[OH_LEAK_INTERIOR]);
	oh_out_str(&line, " indirect ");
	oh_out_u64(&line, r->found[OH_LEAK_INDIRECT]);
	oh_out_str(&line, " unsure ");
	oh_out_u64(&line, r->unsure);
	oh_out_str(&line, " of ");
	oh_out_u64(&line, r->blocks);
	oh_out_str(&line, " samples");
	put_comment(e, &line);
	oh_out_reset(&line);
	oh_out_str(&line, "leak scan: ");
	oh_out_u64(&line, r->scanned_bytes);
	oh_out_str(&line, " bytes in ");
	oh_out_u64(&line, r->ms);
	oh_out_str(&line, " ms, scans ");
	oh_out_u64(&line, r->scans);
	oh_out_str(&line, ", cpu ");
	oh_out_u64(&line, r->cpu_ms);
	oh_out_str(&line, " ms");
	put_comment(e, &line);
}

static void
put_comments(struct encoder *e)
{
	const struct oh_snapshot *snap = e->snap;
	struct oh_out line;
	bool dropped = false;

	oh_out_reset(&line);
	oh_out_str(&line, "otheap " OH_VERSION);
	put_comment(e, &line);
	oh_out_reset(&line);
	oh_out_str(&line, "program: ");
	oh_out_str(&line, snap->program == NULL ? "" : snap->program);
	put_comment(e, &line);
	put_number(e, "pid: ", (uint64_t)(uint32_t)snap->pid, "");
	put_number(e, "interval: ", snap->interval_bytes, " bytes");
	oh_out_reset(&line);
	oh_out_str(&line, "exact totals: ");
	oh_out_u64(&line, snap->total_alloc_bytes);
	oh_out_str(&line, " bytes in ");
	oh_out_u64(&line, snap->total_alloc_calls);
	oh_out_str(&line, " allocations");
	put_comment(e, &line);
	if (snap->trigger != NULL) {
		oh_out_reset(&line);
		oh_out_str(&line, "trigger: ");
		oh_out_str(&line, snap->trigger);
		put_comment(e, &line);
	}
	if (snap->stopped || snap->unrecorded_ns > 0) {
		oh_out_reset(&line);
		oh_out_str(&line, "not recorded: ");
		oh_out_u64(&line, snap->unrecorded_bytes);
		oh_out_str(&line, " bytes in ");
		oh_out_u64(&line, snap->unrecorded_calls);
		oh_out_str(&line, " allocations in ");
		oh_out_u64(&line, (uint64_t)snap->unrecorded_ns / 1000000);
		oh_out_str(&line, snap->stopped ? " ms, and it goes on" : " ms");
		put_comment(e, &line);
	}
	put_number(e, "samples: live ", snap->samples_live, "");
	put_number(e, "lifetimes of freed samples: from ", OH_SNAP_LIFE_MS(0), " ms");
	put_number(e, "own memory: ", snap->own_memory_bytes, " bytes");
	for (size_t i = 0; snap->said != NULL && snap->said[i] != NULL; i++)
		PUT(e, comment, oh_strtab_add_str(&e->strings, snap->said[i]));
	put_leak_check(e);
	for (int i = 0; i < OH_DROP_COUNT; i++) {
		if (snap->drops[i] == 0)
			continue;
		dropped = true;
		oh_out_reset(&line);
		oh_out_str(&line, "dropped: ");
		oh_out_str(&line, oh_drop_names[i]);
		oh_out_str(&line, " ");
		oh_out_u64(&line, snap->drops[i]);
		put_comment(e, &line);
	}
	if (!dropped) {
		oh_out_reset(&line);
		oh_out_str(&line, "dropped: none");
		put_comment(e, &line);
	}
}

int
oh_pprof_encode(const struct oh_snapshot *snap, struct oh_sink *sink, struct oh_scratch *scratch)
{
	/* Half of one to begin with: the first row is rounded to the nearest. */
	struct encoder e = {
		.snap = snap, .sink = sink, .scratch = scratch, .carry = { .5, .5, .5, .5 }
	};
	uint32_t depth_max = 1;

	for (uint32_t i = 0; i < snap->site_count; i++) {
		if (snap->sites[i].depth > depth_max)
			depth_max = snap->sites[i].depth;
	}
	(void)oh_strtab_init(&e.strings, scratch);
	e.mapping = oh_scratch_array(scratch, (size_t)snap->module_count + 1, sizeof(*e.mapping));
	e.mapped = oh_scratch_array(scratch, (size_t)snap->module_count + 1, sizeof(*e.mapped));
	e.ids = oh_scratch_array(scratch, depth_max, sizeof(*e.ids));
	e.label = oh_scratch_array(scratch, LABELS_MAX, sizeof(*e.label));
	e.labels = oh_scratch_array(scratch, LABELS_MAX, sizeof(*e.labels));
	if (e.strings.error != 0 || e.mapping == NULL || e.mapped == NULL || e.ids == NULL ||
	    e.label == NULL || e.labels == NULL) {
		oh_sink_fail(sink, -ENOMEM);
		return sink->error;
	}
	for (size_t i = 0; i < LABELS_MAX; i++)
		e.labels[i] = &e.label[i];
	(void)mapping_of(&e, 1); /* readers take the first one for the main program */
	put_head(&e);
	e.key_bytes = e.unit_bytes = oh_strtab_add_str(&e.strings, "bytes");
	e.key_thread = oh_strtab_add_str(&e.strings, "thread");
	e.key_age = oh_strtab_add_str(&e.strings, "age");
	e.unit_age = oh_strtab_add_str(&e.strings, "milliseconds");
	e.key_lived = oh_strtab_add_str(&e.strings, "lived");
	e.key_freed = oh_strtab_add_str(&e.strings, "freed");
	e.unit_freed = oh_strtab_add_str(&e.strings, "count");
	put_comments(&e);
	for (uint32_t i = 0; i < snap->site_count && sink->error == 0; i++)
		put_site(&e, &snap->sites[i]);
	put_mappings(&e);
	for (uint32_t i = 0; i < e.strings.count; i++)
		PUT(&e, string_table, (char *)e.strings.strings[i]);
	if (e.strings.error != 0)
		oh_sink_fail(sink, e.strings.error);
	return sink->error;
}
