/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_profile.c - any bytes as a profile: read, add up, make a tree, compare with itself.
 *
 *   with -fsanitize=fuzzer    a libFuzzer target
 *   with -DOH_FUZZ_REPLAY     see replay.h
 *
 * Names are never looked for, so no file that the bytes name is opened.
 */
#include "tests/fuzz/replay.h"

#include "tools/aggregate.h"
#include "tools/filter.h"
#include "tools/merge.h"
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

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct oh_error err = { "" };
	struct oh_profile *p = oh_profile_read_mem(data, size, MAX_BYTES, &err);

	if (p == NULL) {
		if (err.text[0] == '\0' || strchr(err.text, '\n') != NULL)
			abort(); /* one line, always */
		return 0;
	}
	oh_symbols_demangle(p);
	if (p->type_count > 0)
		look_at(p, (unsigned)p->type_count - 1);
	oh_filter_samples(p, "function_1|a", "function_2", NULL);
	if (p->type_count > 0)
		look_at(p, 0);
	oh_profile_free(p);
	return 0;
}
