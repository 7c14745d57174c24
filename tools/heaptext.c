/* SPDX-License-Identifier: Apache-2.0 */
/*
 * heaptext.c - heap profiles in text form, of gperftools, tcmalloc and jemalloc.
 *
 *	heap profile: N: BYTES [N: BYTES] @ heap_v2/INTERVAL	gperftools
 *	N: BYTES [N: BYTES] @ 0xADDRESS ...			one stack, leaf first
 *
 *	heap_v2/INTERVAL					jemalloc
 *	  t*: N: BYTES [N: BYTES]				all; then each thread
 *	@ 0xADDRESS ...						one stack, leaf first
 *	  t*: N: BYTES [N: BYTES]				its figures; then by thread
 *
 * both with "MAPPED_LIBRARIES:" and the text of /proc/PID/maps at the end.
 * Outside brackets is what is in use, inside what was ever allocated.
 *
 * Addresses are return addresses: one less lies in the call, as in pprof files.
 *
 * Sources  the formats that gperftools' and jemalloc's own readers accept; how
 *	    the kinds of sampling are named and scaled is as in pprof's reader.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tools/build.h"
#include "tools/convert.h"
#include "tools/print.h"

/* Functions that every stack begins with: allocators' own, as a Go expression. */
#define DROP_FRAMES \
	"operator new ?(\\[\\])?(\\(.*\\))?|(je_|tc_|__libc_)?(malloc|calloc|realloc|memalign|" \
	"aligned_alloc|posix_memalign|valloc|pvalloc|mallocx|rallocx|new|newarray)|" \
	"(je_)?prof_(alloc_prep|backtrace|tctx_create).*|tcmalloc::.*|MallocHook.*"

struct figures {
	int64_t count, bytes, ever_count, ever_bytes;
};

struct reader {
	struct oh_build b;
	struct oh_error *err;
	int64_t interval;
	bool ever; /* the figures in brackets mean something */
	size_t line;
	char *text; /* of the line at hand, with a NUL */
	size_t text_cap;
	uint32_t *stack;
	size_t stack_len, stack_cap;
	bool has_stack; /* of jemalloc: figures that come now are of `stack` */
};

/* ---- reading --------------------------------------------------------------------- */

static bool
bad(struct reader *r, const char *what)
{
	return oh_error_set(
	    r->err, "not a heap profile in text form, or damaged: %s in line %zu", what, r->line);
}

static const char *
skip_space(const char *s)
{
	return s + strspn(s, " \t");
}

/* A number and the character after it; NULL if that is not there. */
static const char *
number(const char *s, char after, int64_t *ret)
{
	char *end;

	s = skip_space(s);
	if (strspn(s, "-0123456789") == 0)
		return NULL;
	*ret = strtoll(s, &end, 10);
	s = skip_space(end);
	return *s == after ? s + 1 : NULL;
}

/* N: BYTES [N: BYTES] */
static const char *
parse_figures(const char *s, struct figures *f)
{
	memset(f, 0, sizeof(*f));
	if ((s = number(s, ':', &f->count)) == NULL || (s = number(s, '[', &f->bytes)) == NULL ||
	    (s = number(s, ':', &f->ever_count)) == NULL)
		return NULL;
	return number(s, ']', &f->ever_bytes);
}

static bool
parse_stack(struct reader *r, const char *s)
{
	r->stack_len = 0;
	for (s = skip_space(s); *s != '\0'; s = skip_space(s)) {
		char *end;
		uint64_t address = strtoull(s, &end, 16);

		if (end == s || s[0] == '-')
			return bad(r, "no address");
		s = end;
		r->stack = oh_xgrow(r->stack, &r->stack_cap, r->stack_len + 1, sizeof(*r->stack));
		r->stack[r->stack_len++] = oh_build_address(&r->b, address - 1);
	}
	return true;
}

static int64_t
scaled(int64_t value, double scale)
{
	double v = (double)value * scale;

	return v >= 0x1p63 ? INT64_MAX : v < -0x1p63 ? INT64_MIN : (int64_t)v;
}

/*
 * A block of `size` bytes is sampled with probability 1 - e^(-size/interval).
 * An interval of 1 or less: all blocks are there.
 */
static void
scale_site(const struct reader *r, int64_t count, int64_t bytes, int64_t *to)
{
	double size, scale = 1;

	to[0] = to[1] = 0;
	if (count == 0 || bytes == 0)
		return;
	size = (double)bytes / (double)count;
	if (r->interval > 1 && size > 0)
		scale = 1 / -expm1(-size / (double)r->interval);
	to[0] = scaled(count, scale);
	to[1] = scaled(bytes, scale);
}

static void
add_site(struct reader *r, const struct figures *f)
{
	int64_t values[4], size = 0;

	if (r->ever)
		scale_site(r, f->ever_count, f->ever_bytes, values);
	scale_site(r, f->count, f->bytes, values + (r->ever ? 2 : 0));
	if (f->count > 0 && f->bytes > 0)
		size = f->bytes / f->count;
	else if (f->ever_count > 0 && f->ever_bytes > 0)
		size = f->ever_bytes / f->ever_count;
	oh_build_sample(&r->b, r->stack, r->stack_len, values, size);
}

/* The sample types; what is in use comes last, as readers show the last one. */
static void
add_types(struct reader *r, const struct figures *f)
{
	r->ever = (f->ever_count != 0 && f->ever_count != f->count) ||
		  (f->ever_bytes != 0 && f->ever_bytes != f->bytes);
	if (r->ever) {
		oh_build_type(&r->b, "alloc_objects", "count");
		oh_build_type(&r->b, "alloc_space", "bytes");
	}
	oh_build_type(&r->b, "inuse_objects", "count");
	oh_build_type(&r->b, "inuse_space", "bytes");
}

/* What follows the '@': heap_v2/524288, heap/..., heapprofile, growthz ... */
static bool
parse_sampling(struct reader *r, const char *s)
{
	static const struct {
		const char *name;
		int64_t divide; /* the number after '/'; 0 = every block is there */
	} kinds[] = {
		{ "heap_v2", 1 },
		{ "heapz_v2", 1 },
		{ "heap", 2 },
		{ "heapprofile", 0 },
		{ "growth", 0 },
		{ "growthz", 0 },
		{ "fragmentation", 0 },
		{ "fragmentationz", 0 },
	};
	size_t len = strcspn(s = skip_space(s), "/ \t");

	for (size_t i = 0; i < OH_ARRAY_LEN(kinds); i++) {
		int64_t interval = 1;
		char *end;

		if (strlen(kinds[i].name) != len || strncmp(s, kinds[i].name, len) != 0)
			continue;
		if (kinds[i].divide > 0 && s[len] == '/') {
			interval = strtoll(s + len + 1, &end, 10) / kinds[i].divide;
			if (end == s + len + 1 || *skip_space(end) != '\0' || interval < 0)
				return bad(r, "a wrong interval");
		}
		r->interval = interval > 0 ? interval : 1;
		return true;
	}
	return bad(r, "an unknown kind of sampling");
}

/* A line of gperftools: the figures, '@' and the stack. */
static bool
gperftools_line(struct reader *r, const char *s)
{
	struct figures f;

	s = parse_figures(s, &f);
	if (s == NULL || *(s = skip_space(s)) != '@')
		return bad(r, "no figures of a stack");
	if (!parse_stack(r, s + 1))
		return false;
	add_site(r, &f);
	return true;
}

/* A line of jemalloc: a stack, or figures by thread, of which "t*" is the sum. */
static bool
jemalloc_line(struct reader *r, const char *s)
{
	struct figures f;
	bool all;

	if (*s == '@') {
		r->has_stack = true;
		return parse_stack(r, s + 1);
	}
	all = strncmp(s, "t*:", 3) == 0;
	if (*s != 't' || (s = strchr(s, ':')) == NULL || parse_figures(s + 1, &f) == NULL)
		return bad(r, "neither a stack nor figures");
	if (!all)
		return true;
	if (r->has_stack)
		add_site(r, &f);
	else
		add_types(r, &f); /* the first one is of all stacks */
	return true;
}

/* A line of /proc/PID/maps: START-END rwxp OFFSET DEV INODE PATH. */
static void
map_line(struct reader *r, const char *s)
{
	uint64_t start, limit, offset;
	char *end, *path;
	const char *perms;
	size_t len;

	start = strtoull(s, &end, 16);
	if (*end != '-')
		return;
	limit = strtoull(end + 1, &end, 16);
	perms = skip_space(end);
	if (strlen(perms) < 5 || perms[2] != 'x')
		return;
	offset = strtoull(perms + 4, &end, 16);
	for (int i = 0; i < 2; i++) { /* device, inode */
		end = (char *)(uintptr_t)skip_space(end);
		end += strcspn(end, " \t");
	}
	path = (char *)(uintptr_t)skip_space(end);
	len = strlen(path);
	if (len > 10 && strcmp(path + len - 10, " (deleted)") == 0)
		len -= 10;
	if (len == 0 || start >= limit)
		return;
	oh_build_mapping(&r->b, start, limit, offset, oh_build_string(&r->b, path, len), 0);
}

static bool
next_line(struct reader *r, struct oh_input *in)
{
	const char *line;
	size_t len;

	if (!oh_input_line(in, &line, &len, r->err))
		return false;
	r->line++;
	r->text = oh_xgrow(r->text, &r->text_cap, len + 1, 1);
	memcpy(r->text, line, len);
	r->text[len] = '\0';
	while (len > 0 && strchr(" \t\r", r->text[len - 1]) != NULL)
		r->text[--len] = '\0';
	return true;
}

static bool
is_maps(const char *s)
{
	return strcmp(s, "MAPPED_LIBRARIES:") == 0 || strcmp(s, "--- Memory map: ---") == 0;
}

static bool
read_sites(struct reader *r, struct oh_input *in, bool jemalloc)
{
	bool maps = false;

	while (next_line(r, in)) {
		const char *s = skip_space(r->text);

		if (*s == '\0' || *s == '#')
			continue;
		if (is_maps(s)) {
			maps = true;
		} else if (maps) {
			map_line(r, s);
		} else if (jemalloc ? !jemalloc_line(r, s) : !gperftools_line(r, s)) {
			return false;
		} else if (jemalloc && r->b.p->type_count == 0) {
			return bad(r, "no sums before the first stack");
		}
	}
	return r->err->text[0] == '\0';
}

static bool
read_header(struct reader *r, struct oh_input *in, bool *ret_jemalloc)
{
	static const char start[] = "heap profile:";
	struct figures f;
	const char *s;

	do
		if (!next_line(r, in))
			return oh_error_set(r->err, "not a heap profile in text form: it is empty");
	while (*(s = skip_space(r->text)) == '\0' || *s == '#');
	*ret_jemalloc = strncmp(s, start, sizeof(start) - 1) != 0;
	if (*ret_jemalloc)
		return parse_sampling(r, s);
	s = parse_figures(s + sizeof(start) - 1, &f);
	if (s == NULL || *(s = skip_space(s)) != '@')
		return bad(r, "no sums");
	add_types(r, &f);
	return parse_sampling(r, s + 1);
}

struct oh_profile *
oh_heap_read(struct oh_input *in, struct oh_error *err)
{
	struct reader r = { .err = err, .interval = 1 };
	bool jemalloc = false, good;

	oh_build_init(&r.b);
	good = read_header(&r, in, &jemalloc) && read_sites(&r, in, jemalloc);
	if (good) {
		if (r.b.p->type_count == 0)
			add_types(&r, &(struct figures){ 0 });
		r.b.p->period = r.interval;
		r.b.p->period_type.type = oh_build_string(&r.b, "space", 5);
		r.b.p->period_type.unit = oh_build_string(&r.b, "bytes", 5);
		r.b.p->drop_frames = oh_build_string(&r.b, DROP_FRAMES, sizeof(DROP_FRAMES) - 1);
	}
	free(r.text);
	free(r.stack);
	return oh_build_finish(&r.b, good);
}

/* ---- writing -------------------------------------------------------------------- */

struct columns {
	int objects, space, ever_objects, ever_space; /* types; -1 = not there */
};

/*
 * Scale back what stands for `objects` blocks of `space` bytes.  Their label is
 * the size unless it is that of other blocks: the mean goes astray where a small
 * number of blocks was cut to a whole one.
 */
static void
unscale(const struct oh_profile *p, size_t s, int objects, int space, int64_t label, bool sampled,
    int64_t *ret_count, int64_t *ret_bytes)
{
	double n = objects >= 0 ? (double)oh_profile_value(p, s, (unsigned)objects) : 0;
	double bytes = space >= 0 ? (double)oh_profile_value(p, s, (unsigned)space) : 0;
	double size = (double)label, share = 1;

	if (label <= 0 || fabs(bytes - size * n) > size)
		size = n != 0 ? fabs(bytes / n) : 0;
	if (sampled && size > 0)
		share = -expm1(-size / (double)p->period);
	*ret_count = objects >= 0 ? oh_profile_value(p, s, (unsigned)objects) : 0;
	*ret_bytes = space >= 0 ? oh_profile_value(p, s, (unsigned)space) : 0;
	if (share < 1) {
		*ret_count = (int64_t)llround(n * share);
		*ret_bytes = (int64_t)llround(bytes * share);
	}
}

static struct figures
figures_of(
    const struct oh_profile *p, size_t s, const struct columns *c, int64_t label, bool sampled)
{
	struct figures f;

	unscale(p, s, c->objects, c->space, label, sampled, &f.count, &f.bytes);
	unscale(p, s, c->ever_objects, c->ever_space, label, sampled, &f.ever_count, &f.ever_bytes);
	return f;
}

/* The block size of each label set; -1 = not known. */
static int64_t *
sizes_of(const struct oh_profile *p)
{
	int64_t *size = oh_xcalloc(p->label_set_count, sizeof(*size));

	for (size_t set = 0; set < p->label_set_count; set++) {
		size[set] = -1;
		for (uint32_t i = p->label_at[set]; i < p->label_at[set + 1]; i++)
			if (p->labels[i].str == 0 &&
			    strcmp(oh_profile_string(p, p->labels[i].key), "bytes") == 0)
				size[set] = p->labels[i].num;
	}
	return size;
}

static bool
check(const struct oh_profile *p, const struct columns *c, struct oh_error *err)
{
	if (c->objects < 0 || c->space < 0)
		return oh_error_set(err, "heap text is of blocks in use: the profile has no "
					 "inuse_objects and inuse_space");
	for (uint32_t f = 0; f < p->frame_at[p->sample_count]; f++)
		if (p->address[p->frames[f]] == 0)
			return oh_error_set(err, "heap text holds addresses, and this profile has "
						 "frames with a name alone");
	return true;
}

static int
find_type(const struct oh_profile *p, const char *name, const char *other)
{
	int type = oh_profile_find_type(p, name);

	return type >= 0 || other == NULL ? type : oh_profile_find_type(p, other);
}

bool
oh_heap_write(FILE *to, const struct oh_profile *p, struct oh_error *err)
{
	const struct columns c = {
		.objects = find_type(p, "inuse_objects", "objects"),
		.space = find_type(p, "inuse_space", "space"),
		.ever_objects = find_type(p, "alloc_objects", NULL),
		.ever_space = find_type(p, "alloc_space", NULL),
	};
	bool sampled =
	    p->period > 1 && strcmp(oh_profile_string(p, p->period_type.unit), "bytes") == 0;
	int64_t *size = sizes_of(p);
	struct figures f, sum = { 0 };

	if (!check(p, &c, err)) {
		free(size);
		return false;
	}
	for (size_t s = 0; s < p->sample_count; s++) {
		f = figures_of(p, s, &c, size[p->label_set[s]], sampled);
		sum.count = oh_add_saturated(sum.count, f.count);
		sum.bytes = oh_add_saturated(sum.bytes, f.bytes);
		sum.ever_count = oh_add_saturated(sum.ever_count, f.ever_count);
		sum.ever_bytes = oh_add_saturated(sum.ever_bytes, f.ever_bytes);
	}
	(void)fprintf(to, "heap profile: %" PRId64 ": %" PRId64 " [%" PRId64 ": %" PRId64 "] @ ",
	    sum.count, sum.bytes, sum.ever_count, sum.ever_bytes);
	(void)fprintf(to, "heap_v2/%" PRId64 "\n", sampled ? p->period : 1);
	for (size_t s = 0; s < p->sample_count; s++) {
		f = figures_of(p, s, &c, size[p->label_set[s]], sampled);
		(void)fprintf(to, "%" PRId64 ": %" PRId64 " [%" PRId64 ": %" PRId64 "] @", f.count,
		    f.bytes, f.ever_count, f.ever_bytes);
		for (uint32_t i = p->frame_at[s]; i < p->frame_at[s + 1]; i++)
			(void)fprintf(to, " 0x%" PRIx64, p->address[p->frames[i]] + 1);
		(void)putc('\n', to);
	}
	(void)fputs("\nMAPPED_LIBRARIES:\n", to);
	for (size_t k = 0; k < p->mapping_count; k++) {
		/* The main program comes first. */
		size_t i = k == 0 ? p->main_mapping : k <= p->main_mapping ? k - 1 : k;
		const struct oh_mapping *m = &p->mappings[i];

		(void)fprintf(to, "%08" PRIx64 "-%08" PRIx64 " r-xp %08" PRIx64 " 00:00 0 ",
		    m->start, m->limit, m->offset);
		oh_print_clean(to, oh_profile_string(p, m->filename));
		(void)putc('\n', to);
	}
	free(size);
	return true;
}
