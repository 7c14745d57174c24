/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_profile.c - any bytes as a profile: read, from memory and from a file, add
 * up, make a tree, compare with itself, look for leaks, make an OTLP request.
 *
 *   with -fsanitize=fuzzer    a libFuzzer target
 *   with -DOH_FUZZ_REPLAY     see replay.h
 *
 * Names are never looked for, so no file that the bytes name is opened.
 */
#include "tests/fuzz/replay.h"

#include <sys/mman.h>
#include <unistd.h>

#include "proto/otlp/profiles.pb-c.h"
#include "tools/aggregate.h"
#include "tools/filter.h"
#include "tools/leak.h"
#include "tools/merge.h"
#include "tools/otlp.h"
#include "tools/otlp_rows.h"
#include "tools/symbols.h"
#include "tools/tree.h"

#define MAX_BYTES (UINT64_C(4) << 20) /* unpacked */

static void
look_at(struct oh_profile *p, unsigned type)
{
	static const enum oh_view views[] = { OH_VIEW_FUNCTIONS, OH_VIEW_LINES, OH_VIEW_STACKS };
	struct oh_profile *const both[] = { p, p };
	const int types[] = { (int)type, (int)type };
	struct oh_merge merge;
	struct oh_table table;
	struct oh_tree tree;

	for (size_t i = 0; i < OH_ARRAY_LEN(views); i++) {
		oh_aggregate(&table, p, type, views[i]);
		oh_table_sort(&table, p, i == 1);
		oh_table_free(&table);
	}
	oh_tree_build(&tree, p, &type, 1);
	oh_tree_free(&tree);
	oh_merge(&merge, both, types, 2);
	for (size_t s = 0; s < merge.p->sample_count; s++)
		if (oh_profile_value(merge.p, s, 0) != 0 &&
		    oh_profile_value(merge.p, s, 1) != INT64_MIN)
			abort(); /* nothing grows compared with itself */
	oh_aggregate_all(&table, merge.p, 0, OH_VIEW_STACKS, merge.variance);
	oh_table_free(&table);
	oh_merge_free(&merge);
}

/* In requests of at most 2,000 bytes where that is possible, and all in one. */
static void
send_it(const struct oh_profile *p)
{
	typedef Opentelemetry__Proto__Profiles__V1development__ExportProfilesServiceRequest Request;
	struct oh_binaries *files = oh_binaries_create();
	struct oh_resource *resource = oh_resource_create();
	struct oh_otlp_seen *seen = oh_otlp_seen_create();

	oh_resource_of_profile(resource, p);
	oh_resource_complete(resource);
	for (int turn = 0; turn < 2; turn++) {
		struct oh_otlp_options options = { .max_bytes = turn ? 0 : 2000,
			.numeric_labels = turn };
		struct oh_rows rows;
		struct oh_otlp_source from = { resource, seen, "/nowhere", &rows };
		struct oh_otlp *o = oh_otlp_create(&options, files);
		enum oh_otlp_added added;
		size_t row = 0, len;

		oh_rows_make(&rows, p, options.numeric_labels);
		do {
			uint8_t *bytes;
			Request *r;

			added = oh_otlp_add(o, p, &from, &row);
			bytes = oh_otlp_finish_flat(o, &len);
			if (bytes != NULL) {
				r = opentelemetry__proto__profiles__v1development__export_profiles_service_request__unpack(
				    NULL, len, bytes);
				if (r == NULL || r->dictionary->n_link_table != 1 ||
				    (turn == 1 && len > OH_OTLP_MAX_DEFAULT))
					abort();
				protobuf_c_message_free_unpacked(&r->base, NULL);
			} else if (added != OH_OTLP_ADDED) {
				abort(); /* it would go on for ever */
			}
			free(bytes);
			oh_otlp_reset(o);
		} while (added != OH_OTLP_ADDED);
		oh_otlp_seen_advance(seen, p, &rows);
		oh_rows_release(&rows);
		oh_otlp_free(o);
	}
	oh_otlp_seen_free(seen);
	oh_resource_free(resource);
	oh_binaries_free(files);
}

/* As two profiles of one process, half a second apart, and a third that is the same. */
static void
look_for_leaks(struct oh_profile *p)
{
	struct oh_profile *files[] = { p, p, p };
	int types[] = { 0, 0, 0 };
	struct oh_args a;
	struct oh_leaks l = {
		.a = &a,
		.level = .05,
		.count = 3,
		.files = files,
		.types = types,
		.object_types = types,
		.same_process = true,
		.window_ms = 500,
		.guard_ms = 125,
		.old_ms = 500,
	};

	oh_args_init(&a, "leaks");
	oh_leak_sites(&l, false);
	oh_leak_judge(&l);
	oh_leak_suppress(&l);
	for (size_t i = 0; i < l.site_count; i++)
		if (!(l.sites[i].p >= 0 && l.sites[i].p <= 1 && l.sites[i].q >= 0 &&
			l.sites[i].q <= 1))
			abort();
	oh_leak_sites_free(&l);
}

/* With its frames left in the file: the same stacks, or the same reason why there are none. */
static void
read_from_file(const struct oh_profile *kept, const char *why, const uint8_t *data, size_t size)
{
	struct oh_error err = { "" };
	int fd = memfd_create("profile", MFD_CLOEXEC);
	struct oh_profile *left;

	if (fd < 0 || write(fd, data, size) != (ssize_t)size || lseek(fd, 0, SEEK_SET) != 0)
		abort();
	left = oh_profile_open(fd, MAX_BYTES, 0, &err);
	if ((left == NULL) != (kept == NULL) || strcmp(err.text, why) != 0)
		abort();
	for (size_t s = 0; left != NULL && s < left->sample_count; s++) {
		const uint32_t *a, *b;
		uint32_t n = oh_profile_stack(kept, s, &a);

		if (oh_profile_stack(left, s, &b) != n ||
		    (n != 0 && memcmp(a, b, n * sizeof(*a)) != 0))
			abort();
	}
	if (left != NULL && oh_profile_trouble(left) != NULL)
		abort();
	oh_profile_free(left);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct oh_error err = { "" };
	struct oh_profile *p = oh_profile_read_mem(data, size, MAX_BYTES, &err);

	read_from_file(p, err.text, data, size);
	if (p == NULL) {
		if (err.text[0] == '\0' || strchr(err.text, '\n') != NULL)
			abort(); /* one line, always */
		return 0;
	}
	oh_symbols_demangle(p);
	send_it(p);
	if (p->type_count > 0)
		look_at(p, (unsigned)p->type_count - 1);
	oh_filter_samples(p, "function_1|a", "function_2", NULL);
	if (p->type_count > 0)
		look_at(p, 0);
	oh_profile_free(p);
	return 0;
}
