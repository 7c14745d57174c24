/* SPDX-License-Identifier: Apache-2.0 */
/*
 * symbols.c - give the addresses of a profile names, files and lines.
 *
 * Answers: which file does this address belong to, and what do that file's
 * symbols (module.c) and DWARF (debuginfo.c) say of it?
 *
 * Cost: each location once, however many samples pass through it; files are
 * opened, and their units read, only when a wanted location needs them.
 */
#include "tools/symbols.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/debuginfo.h"
#include "tools/demangle.h"
#include "tools/idmap.h"
#include "tools/intern.h"
#include "tools/module.h"
#include "tools/print.h"

#define WARNINGS_MAX 10 /* mappings told of one by one; the rest as a number */

/* A file in use, for all mappings with this name and build ID. */
struct file {
	struct oh_module *module; /* NULL: cannot be used */
	struct oh_debuginfo *debug;
	struct oh_idmap paths;     /* address of a path in the DWARF -> number */
	struct oh_idmap functions; /* DWARF function << 32 | path number -> index below */
	uint32_t *function;        /* -> function of the profile */
	size_t function_cap;
};

struct oh_symbols {
	void (*progress)(size_t done, size_t of);
	struct oh_profile *p;
	struct oh_intern strings;
	struct oh_idmap file_ids; /* filename << 32 | build_id (canonical strings) -> file */
	struct file *files;
	size_t file_cap;
	bool quiet;
	uint8_t *warned; /* [mapping] */
	size_t warned_cap, warnings;
	struct oh_idmap symbol_ids; /* canonical string of a symbol -> index below */
	uint32_t *symbol_function;
	size_t symbol_cap;
};

/* Names that are no files: [vdso], //anon, /memfd:..., /dev/zero. */
static bool
is_file(const char *name)
{
	static const char *const not_files[] = { "[", "//anon", "/memfd:", "/dev/", "linux-vdso" };

	for (size_t i = 0; i < OH_ARRAY_LEN(not_files); i++)
		if (strncmp(name, not_files[i], strlen(not_files[i])) == 0)
			return false;
	return name[0] != '\0';
}

static void
warn(struct oh_symbols *s, uint32_t mapping, const char *path, const char *why)
{
	if (s->quiet || s->warned[mapping])
		return;
	s->warned[mapping] = 1;
	if (s->warnings++ >= WARNINGS_MAX)
		return;
	(void)fputs("otheap: warning: ", stderr);
	oh_print_clean(stderr, path);
	(void)fprintf(stderr, ": %s; shown without names\n", why);
}

static struct file *
file_of(struct oh_symbols *s, uint32_t mapping)
{
	struct oh_profile *p = s->p;
	uint32_t name = oh_intern_index(&s->strings, p->mappings[mapping].filename);
	uint32_t id = oh_intern_index(&s->strings, p->mappings[mapping].build_id);
	uint32_t known = s->file_ids.count;
	uint32_t i = oh_idmap_add(&s->file_ids, (uint64_t)name << 32 | id);
	const char *path = oh_profile_string(p, name);
	struct oh_error err = { "" };
	uint64_t bias, low, high;
	struct file *f;
	Dwarf *dw;

	if (i == known) {
		s->files = oh_xgrow(s->files, &s->file_cap, (size_t)i + 1, sizeof(*s->files));
		f = &s->files[i];
		memset(f, 0, sizeof(*f));
		f->module = oh_module_open(path, oh_profile_string(p, id), &err);
		if (f->module != NULL) {
			dw = oh_module_dwarf(f->module, &bias);
			oh_module_text(f->module, &low, &high);
			if (dw != NULL)
				f->debug = oh_debuginfo_create(dw, bias, low, high);
		}
	}
	f = &s->files[i];
	if (f->module == NULL)
		warn(s, mapping, path, err.text[0] ? err.text : "the file cannot be used");
	return f;
}

/* "/a/./b/../c" -> "/a/c", in place: compilers write the same file in several ways. */
static void
clean_path(char *path)
{
	char *to = path;

	for (const char *from = path; *from != '\0';) {
		size_t len = strcspn(from, "/");
		char *cut = to;

		if (len == 0 || (len == 1 && from[0] == '.')) {
			if (len == 0 && from == path)
				*to++ = '/';
		} else if (len == 2 && from[0] == '.' && from[1] == '.' && to > path + 1 &&
			   (to - path < 3 || strncmp(to - 3, "../", 3) != 0 ||
			       (to - path > 3 && to[-4] != '/'))) {
			cut--; /* onto the '/' that ends the last part */
			while (cut > path && cut[-1] != '/')
				cut--;
			to = cut;
		} else {
			memmove(to, from, len);
			to += len;
			if (from[len] == '/')
				*to++ = '/';
		}
		from += len;
		if (*from == '/')
			from++;
	}
	*to = '\0';
}

static uint32_t
path_string(struct oh_symbols *s, const char *path)
{
	char *copy;
	uint32_t i;

	if (path == NULL)
		return 0;
	copy = strdup(path);
	if (copy == NULL)
		return 0;
	clean_path(copy);
	i = oh_intern_text(&s->strings, copy);
	free(copy);
	return i;
}

static uint32_t
add_function(struct oh_symbols *s, const char *symbol, const char *file, uint32_t start_line)
{
	char buf[OH_DEMANGLE_MAX];
	struct oh_function fn = {
		.name = oh_intern_text(&s->strings, oh_demangle(buf, symbol, false)),
		.system_name = oh_intern_text(&s->strings, symbol),
		.filename = path_string(s, file),
		.start_line = start_line,
	};

	return oh_profile_add_function(s->p, &fn);
}

/* The profile's function for a DWARF function seen in a source file. */
static uint32_t
debug_function(struct oh_symbols *s, struct file *f, const struct oh_debug_frame *frame)
{
	const struct oh_debug_function *df = oh_debuginfo_function(f->debug, frame->function);
	const char *file = frame->file ? frame->file : df->file;
	uint32_t path = oh_idmap_add(&f->paths, (uint64_t)(uintptr_t)file);
	uint32_t known = f->functions.count;
	uint32_t i = oh_idmap_add(&f->functions, (uint64_t)frame->function << 32 | path);
	bool at_home = file != NULL && df->file != NULL && strcmp(file, df->file) == 0;

	if (i == known) {
		f->function =
		    oh_xgrow(f->function, &f->function_cap, (size_t)i + 1, sizeof(*f->function));
		f->function[i] = add_function(s, df->name, file, at_home ? df->line : 0);
	}
	return f->function[i];
}

static uint32_t
symbol_function(struct oh_symbols *s, const char *symbol)
{
	uint32_t name = oh_intern_text(&s->strings, symbol);
	uint32_t known = s->symbol_ids.count;
	uint32_t i = oh_idmap_add(&s->symbol_ids, name);

	if (i == known) {
		s->symbol_function = oh_xgrow(
		    s->symbol_function, &s->symbol_cap, (size_t)i + 1, sizeof(*s->symbol_function));
		s->symbol_function[i] = add_function(s, symbol, NULL, 0);
	}
	return s->symbol_function[i];
}

static void
resolve_one(struct oh_symbols *s, uint32_t location)
{
	struct oh_profile *p = s->p;
	uint32_t mapping = p->location_mapping[location] - 1;
	const struct oh_mapping *m = &p->mappings[mapping];
	struct oh_debug_frame frames[OH_DEBUGINFO_DEPTH];
	struct oh_line lines[OH_DEBUGINFO_DEPTH];
	const char *symbol;
	struct file *f;
	uint64_t vaddr;
	size_t n = 0;

	if (!is_file(oh_profile_string(p, m->filename)))
		return;
	f = file_of(s, mapping);
	if (f->module == NULL ||
	    !oh_module_vaddr(f->module, p->address[location], m->start, m->offset, &vaddr))
		return;
	if (f->debug != NULL)
		n = oh_debuginfo_find(f->debug, vaddr, frames);
	for (size_t i = 0; i < n; i++) {
		lines[i].function = debug_function(s, f, &frames[i]);
		lines[i].line = frames[i].line;
	}
	if (n == 0) {
		symbol = oh_module_symbol(f->module, vaddr);
		if (symbol == NULL)
			return;
		lines[0].function = symbol_function(s, symbol);
		lines[0].line = 0;
		n = 1;
	}
	oh_profile_set_lines(p, location, lines, (uint32_t)n);
}

struct oh_symbols *
oh_symbols_create(struct oh_profile *p, bool quiet)
{
	struct oh_symbols *s = oh_xcalloc(1, sizeof(*s));

	s->p = p;
	s->quiet = quiet;
	oh_intern_init(&s->strings, p);
	return s;
}

void
oh_symbols_run(struct oh_symbols *s, const uint8_t *wanted)
{
	struct oh_profile *p = s->p;
	size_t had = s->warned_cap;

	s->warned = oh_xgrow(s->warned, &s->warned_cap, p->mapping_count + 1, 1);
	memset(s->warned + had, 0, s->warned_cap - had);
	for (uint32_t i = 0; i < p->location_count; i++) {
		if (p->line_count[i] == 0 && p->location_mapping[i] != 0 && (!wanted || wanted[i]))
			resolve_one(s, i);
		if (s->progress != NULL)
			s->progress((size_t)i + 1, p->location_count);
	}
}

void
oh_symbols_progress(struct oh_symbols *s, void (*progress)(size_t done, size_t of))
{
	s->progress = progress;
}

void
oh_symbols_free(struct oh_symbols *s)
{
	if (s == NULL)
		return;
	for (uint32_t i = 0; i < s->file_ids.count; i++) {
		oh_debuginfo_free(s->files[i].debug);
		oh_module_free(s->files[i].module);
		oh_idmap_free(&s->files[i].paths);
		oh_idmap_free(&s->files[i].functions);
		free(s->files[i].function);
	}
	free(s->files);
	free(s->warned);
	free(s->symbol_function);
	oh_idmap_free(&s->file_ids);
	oh_idmap_free(&s->symbol_ids);
	oh_intern_free(&s->strings);
	free(s);
}

void
oh_symbols_resolve(struct oh_profile *p, const uint8_t *wanted)
{
	struct oh_symbols *s = oh_symbols_create(p, false);

	oh_symbols_run(s, wanted);
	if (s->warnings > WARNINGS_MAX)
		(void)fprintf(
		    stderr, "otheap: warning: and %zu more files\n", s->warnings - WARNINGS_MAX);
	oh_symbols_free(s);
}

void
oh_symbols_demangle(struct oh_profile *p)
{
	char buf[OH_DEMANGLE_MAX];

	for (size_t i = 0; i < p->function_count; i++) {
		struct oh_function *f = &p->functions[i];
		const char *name = oh_profile_string(p, f->name);
		const char *system_name = oh_profile_string(p, f->system_name);
		const char *plain;

		if (!oh_is_mangled(name) || (*system_name && strcmp(name, system_name) != 0))
			continue;
		plain = oh_demangle(buf, name, false);
		if (plain == name)
			continue;
		f->system_name = f->name;
		f->name = oh_profile_add_string(p, plain, strlen(plain));
	}
}

uint8_t *
oh_symbols_wanted(const struct oh_profile *p, unsigned type)
{
	uint8_t *wanted = oh_xcalloc(p->location_count, 1);

	for (size_t s = 0; s < p->sample_count; s++)
		if (oh_profile_value(p, s, type) != 0)
			for (uint32_t f = p->frame_at[s]; f < p->frame_at[s + 1]; f++)
				wanted[p->frames[f]] = 1;
	return wanted;
}

void
oh_location_name(
    char *buf, size_t room, const struct oh_profile *p, uint32_t mapping_plus1, uint64_t address)
{
	const struct oh_mapping *m;
	const char *file;

	if (mapping_plus1 == 0) {
		(void)snprintf(buf, room, "0x%llx", (unsigned long long)address);
		return;
	}
	m = &p->mappings[mapping_plus1 - 1];
	file = oh_profile_string(p, m->filename);
	(void)snprintf(buf, room, "%s+0x%llx", *file ? oh_base_name(file) : "?",
	    (unsigned long long)(address - m->start + m->offset));
}
