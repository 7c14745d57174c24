/* SPDX-License-Identifier: Apache-2.0 */
/*
 * firefox.c - the JSON that profiler.firefox.com opens ("processed" profiles),
 * written.
 *
 * Each sample type is a thread whose samples have weights; a sample is where
 * values end in the call tree.  Samples have a time there; ours have none and
 * get one after the other.
 *
 * Sources  the version 64 of the format as fxprof-processed-profile of
 *	    mstange/samply writes it; newer readers upgrade it.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tools/convert.h"
#include "tools/escape.h"
#include "tools/idmap.h"
#include "tools/mem.h"
#include "tools/place.h"
#include "tools/tree.h"

#define VERSION 64

struct writer {
	FILE *to;
	struct oh_profile *p;
	struct oh_tree tree;
	struct oh_idmap files; /* string of a file -> its source; in that order */
	uint32_t *file_of;     /* [source]: string */
	size_t file_cap;
};

/* A column: the same text `n` times. */
static void
column(struct writer *w, const char *key, const char *value, size_t n)
{
	(void)fprintf(w->to, "\"%s\":[", key);
	for (size_t i = 0; i < n; i++) {
		(void)fputs(i > 0 ? "," : "", w->to);
		(void)fputs(value, w->to);
	}
	(void)fputs("],", w->to);
}

/* A column of 0, 1, 2 ... */
static void
count_column(struct writer *w, const char *key, size_t n)
{
	(void)fprintf(w->to, "\"%s\":[", key);
	for (size_t i = 0; i < n; i++)
		(void)fprintf(w->to, i > 0 ? ",%zu" : "%zu", i);
	(void)fputs("],", w->to);
}

/* Functions are the places of the tree, and one more for samples without a stack. */
static size_t
function_count(const struct writer *w)
{
	return w->tree.table.place_count + 1;
}

static size_t
function_of(const struct writer *w, size_t node)
{
	uint32_t place = w->tree.place[node];

	return place == OH_TREE_NO_PLACE ? w->tree.table.place_count : place;
}

static void
find_files(struct writer *w)
{
	for (size_t i = 0; i < w->tree.table.place_count; i++) {
		uint32_t file = w->tree.table.places[i].file, known = w->files.count, k;

		if (file == 0 || (k = oh_idmap_add(&w->files, file)) < known)
			continue;
		w->file_of = oh_xgrow(w->file_of, &w->file_cap, (size_t)k + 1, sizeof(*w->file_of));
		w->file_of[k] = file;
	}
}

/* Strings: the functions' names in their order, then the files'. */
static void
write_strings(struct writer *w)
{
	const struct oh_table *t = &w->tree.table;
	char name[OH_PLACE_NAME_MAX];

	(void)fputs("\"stringArray\":[", w->to);
	for (size_t i = 0; i < t->place_count; i++) {
		oh_put_json(w->to, oh_place_name(name, w->p, &t->places[i]));
		(void)fputs(",\n", w->to);
	}
	(void)fputs("\"(no stack)\"", w->to);
	for (uint32_t i = 0; i < w->files.count; i++) {
		(void)fputs(",\n", w->to);
		oh_put_json(w->to, oh_profile_string(w->p, w->file_of[i]));
	}
	(void)fputs("]", w->to);
}

static void
write_functions(struct writer *w)
{
	const struct oh_table *t = &w->tree.table;
	size_t n = function_count(w);

	(void)fputs("\"funcTable\":{", w->to);
	count_column(w, "name", n);
	column(w, "isJS", "false", n);
	column(w, "relevantForJS", "false", n);
	column(w, "resource", "-1", n);
	(void)fputs("\"source\":[", w->to);
	for (size_t i = 0; i < t->place_count; i++)
		if (t->places[i].file != 0)
			(void)fprintf(w->to, "%u,", oh_idmap_find(&w->files, t->places[i].file));
		else
			(void)fputs("null,", w->to);
	(void)fputs("null],\"lineNumber\":[", w->to);
	for (size_t i = 0; i < t->place_count; i++)
		if (t->places[i].line != 0)
			(void)fprintf(w->to, "%u,", t->places[i].line);
		else
			(void)fputs("null,", w->to);
	(void)fputs("null],", w->to);
	column(w, "columnNumber", "null", n);
	column(w, "originalLocation", "null", n);
	(void)fprintf(w->to, "\"length\":%zu},\n\"frameTable\":{", n);
	column(w, "address", "-1", n);
	column(w, "inlineDepth", "0", n);
	column(w, "category", "0", n);
	column(w, "subcategory", "0", n);
	count_column(w, "func", n);
	column(w, "nativeSymbol", "null", n);
	column(w, "innerWindowID", "0", n);
	column(w, "line", "null", n);
	column(w, "column", "null", n);
	column(w, "originalLocation", "null", n);
	(void)fprintf(w->to, "\"length\":%zu},\n", n);
}

/* Node i of the tree is stack i - 1: the root is none. */
static void
write_stacks(struct writer *w)
{
	const struct oh_tree *t = &w->tree;

	(void)fputs("\"stackTable\":{\"frame\":[", w->to);
	for (size_t i = 1; i < t->count; i++)
		(void)fprintf(w->to, i > 1 ? ",%zu" : "%zu", function_of(w, i));
	(void)fputs("],\"prefix\":[", w->to);
	for (size_t i = 1; i < t->count; i++) {
		(void)fputs(i > 1 ? "," : "", w->to);
		if (t->parent[i] == 0)
			(void)fputs("null", w->to);
		else
			(void)fprintf(w->to, "%u", t->parent[i] - 1);
	}
	(void)fprintf(w->to, "],\"length\":%zu},\n", t->count - 1);
}

static void
write_shared(struct writer *w)
{
	(void)fputs("\"shared\":{\n", w->to);
	write_functions(w);
	write_stacks(w);
	(void)fputs(
	    "\"nativeSymbols\":{\"libIndex\":[],\"address\":[],\"name\":[],"
	    "\"functionSize\":[],\"length\":0},\n"
	    "\"resourceTable\":{\"lib\":[],\"name\":[],\"host\":[],\"type\":[],\"length\":0},\n"
	    "\"sourceLocationTable\":{\"source\":[],\"line\":[],\"column\":[],\"length\":0},\n"
	    "\"sources\":{",
	    w->to);
	column(w, "id", "null", w->files.count);
	(void)fputs("\"filename\":[", w->to);
	for (uint32_t i = 0; i < w->files.count; i++)
		(void)fprintf(w->to, i > 0 ? ",%zu" : "%zu", function_count(w) + i);
	(void)fputs("],", w->to);
	column(w, "startLine", "1", w->files.count);
	column(w, "startColumn", "1", w->files.count);
	column(w, "sourceMapURL", "null", w->files.count);
	column(w, "content", "null", w->files.count);
	(void)fprintf(w->to, "\"length\":%u},\n", w->files.count);
	write_strings(w);
	(void)fputs("},\n", w->to);
}

static void
write_thread(struct writer *w, unsigned type, const char *program, const char *pid)
{
	const struct oh_tree *t = &w->tree;
	size_t k = t->type_count, n = 0;
	bool bytes = strcmp(oh_profile_string(w->p, w->p->types[type].unit), "bytes") == 0;

	(void)fputs(type > 0 ? ",\n{\"name\":" : "\n{\"name\":", w->to);
	oh_put_json(w->to, oh_profile_string(w->p, w->p->types[type].type));
	(void)fputs(",\"processName\":", w->to);
	oh_put_json(w->to, program);
	(void)fputs(",\"pid\":", w->to);
	oh_put_json(w->to, pid);
	(void)fprintf(w->to,
	    ",\"tid\":\"%u\",\"isMainThread\":%s,\"processType\":\"default\","
	    "\"processStartupTime\":0,\"processShutdownTime\":null,\"registerTime\":0,"
	    "\"unregisterTime\":null,\"showMarkersInTimeline\":false,\"pausedRanges\":[],"
	    "\"markers\":{\"data\":[],\"name\":[],\"startTime\":[],\"endTime\":[],\"phase\":[],"
	    "\"category\":[],\"length\":0},\n\"samples\":{\"stack\":[",
	    type, type == 0 ? "true" : "false");
	for (size_t i = 1; i < t->count; i++)
		if (t->self[i * k + type] != 0)
			(void)fprintf(w->to, n++ > 0 ? ",%zu" : "%zu", i - 1);
	(void)fputs("],\"weight\":[", w->to);
	n = 0;
	for (size_t i = 1; i < t->count; i++)
		if (t->self[i * k + type] != 0)
			(void)fprintf(
			    w->to, n++ > 0 ? ",%" PRId64 : "%" PRId64, t->self[i * k + type]);
	(void)fputs("],", w->to);
	column(w, "timeDeltas", "1", n);
	(void)fprintf(
	    w->to, "\"weightType\":\"%s\",\"length\":%zu}}", bytes ? "bytes" : "samples", n);
}

void
oh_firefox_write(FILE *to, struct oh_profile *p, const char *name)
{
	const char *pid = oh_profile_comment(p, "pid: ");
	unsigned *types = oh_xcalloc(p->type_count, sizeof(*types));
	struct writer w = { .to = to, .p = p };

	for (unsigned i = 0; i < p->type_count; i++)
		types[i] = i;
	oh_tree_build(&w.tree, p, types, p->type_count);
	free(types);
	find_files(&w);
	(void)fprintf(to,
	    "{\"meta\":{\"version\":24,\"preprocessedProfileVersion\":%d,\"interval\":1,"
	    "\"startTime\":%" PRId64 ",\"processType\":0,\"debug\":false,\"symbolicated\":true,"
	    "\"usesOnlyOneStackType\":true,\"sourceCodeIsNotOnSearchfox\":true,\"pausedRanges\":[],"
	    "\"categories\":[{\"name\":\"Other\",\"color\":\"grey\",\"subcategories\":[\"Other\"]}]"
	    ","
	    "\"extensions\":{\"id\":[],\"name\":[],\"baseURL\":[],\"length\":0},\"markerSchema\":[]"
	    ","
	    "\"sampleUnits\":{\"time\":\"ms\",\"eventDelay\":\"ms\",\"threadCPUDelta\":\"ns\"},"
	    "\"importedFrom\":\"otheap\",\"product\":",
	    VERSION, p->time_ns / 1000000);
	oh_put_json(to, name);
	(void)fputs("},\n\"libs\":[],\"pages\":[],\"counters\":[],\"profilerOverhead\":[],\n", to);
	write_shared(&w);
	(void)fputs("\"threads\":[", to);
	for (unsigned i = 0; i < p->type_count; i++)
		write_thread(&w, i, name, pid != NULL ? pid : "0");
	(void)fputs("]}\n", to);
	oh_tree_free(&w.tree);
	oh_idmap_free(&w.files);
	free(w.file_of);
}
