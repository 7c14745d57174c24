/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_symbols.c - address arithmetic, and names of this very program.
 */
#include "tests/unit/tools/wirebuild.h"

#include <link.h>
#include <stdlib.h>
#include <unistd.h>

#include "tools/module.h"
#include "tools/symbols.h"

/* gcc's usual PIE, lld's with offset != vaddr, and a fixed-address program. */
static const struct oh_load pie[] = {
	{ .vaddr = 0, .offset = 0, .file_bytes = 0x800 },
	{ .vaddr = 0x1000, .offset = 0x1000, .file_bytes = 0x500, .executable = true },
	{ .vaddr = 0x3de0, .offset = 0x2de0, .file_bytes = 0x200 },
};
static const struct oh_load lld[] = {
	{ .vaddr = 0x200000, .offset = 0, .file_bytes = 0x640 },
	{ .vaddr = 0x201640, .offset = 0x640, .file_bytes = 0x1f0, .executable = true },
	{ .vaddr = 0x202830, .offset = 0x830, .file_bytes = 0x100 },
};
static const struct oh_load shared_page[] = {
	{ .vaddr = 0x400000, .offset = 0, .file_bytes = 0x1100 },
	{ .vaddr = 0x601000, .offset = 0x1000, .file_bytes = 0x500, .executable = true },
};

static void
assert_vaddr(const struct oh_load *loads, size_t n, uint64_t address, uint64_t start,
    uint64_t offset, uint64_t want)
{
	uint64_t got = 0;

	ck_assert(oh_load_vaddr(loads, n, address, start, offset, &got));
	ck_assert_uint_eq(got, want);
}

START_TEST(addresses_are_found_in_every_layout)
{
	uint64_t got;

	assert_vaddr(pie, 3, 0x555555555123, 0x555555555000, 0x1000, 0x1123);
	/* One mapping for the whole file, as a debugger or a single PT_LOAD has. */
	assert_vaddr(pie, 3, 0x555555555123, 0x555555554000, 0, 0x1123);
	/* lld: the text mapping starts at the page that holds offset 0x640. */
	assert_vaddr(lld, 3, 0x7f0000001700, 0x7f0000001000, 0, 0x201700);
	assert_vaddr(lld, 3, 0x201700, 0x201000, 0, 0x201700);
	/* tcmalloc's mappings start at the segment, not at its page. */
	assert_vaddr(lld, 3, 0x7f0000001700, 0x7f0000001640, 0x640, 0x201700);
	/* Two segments hold the offset: the executable one is meant. */
	assert_vaddr(shared_page, 2, 0x601050, 0x601000, 0x1000, 0x601050);
	/* No mapping known: addresses are the file's own. */
	assert_vaddr(shared_page, 2, 0x601050, 0, 0, 0x601050);
	ck_assert(!oh_load_vaddr(pie, 3, 0x555555559000, 0x555555555000, 0x1000, &got));
	ck_assert(!oh_load_vaddr(pie, 3, 0x10, 0x555555555000, 0x1000, &got));
	ck_assert(!oh_load_vaddr(NULL, 0, 0x10, 0, 0, &got));
}
END_TEST

__attribute__((noinline, noclone)) int oh_test_outer(int x);

static inline __attribute__((always_inline)) int
inlined_part(int x)
{
	__asm__ volatile("" : "+r"(x)); /* INLINED */
	return x * 3;
}

__attribute__((noinline, noclone)) int
oh_test_outer(int x)
{
	int y = inlined_part(x);

	__asm__ volatile("" : "+r"(y));
	return y;
}

static int
find_base(struct dl_phdr_info *info, size_t size, void *arg)
{
	*(uint64_t *)arg = info->dlpi_addr;
	return 1; /* the first is the program itself */
}

/* A profile of one sample: the first byte of oh_test_outer, in a mapping of this program. */
static struct oh_profile *
own_profile(const char *build_id, struct oh_error *err)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	uint64_t base = 0, address = (uint64_t)(uintptr_t)oh_test_outer;
	struct wb w;

	ck_assert_int_gt(n, 0);
	path[n] = '\0';
	(void)dl_iterate_phdr(find_base, &base);
	w.len = 0;
	WB_INTS(&w, 1, 0, 0);
	WB_INTS(&w, 1, 0, 0);
	for (uint64_t i = 0; i < 64; i++)
		WB_SAMPLE(&w, 1, 1, 1, i + 1);
	WB_INTS(&w, 3, 1, base, UINT64_MAX, 0, 1, 2);
	/* Every byte of the function's start, so that the inlined part is among them. */
	for (uint64_t i = 0; i < 64; i++)
		wb_location(&w, i + 1, 1, address + i, 0, 0, 0, 0);
	wb_string(&w, "");
	wb_string(&w, path);
	wb_string(&w, build_id);
	for (int i = 0; i < 3; i++)
		wb_string(&w, "bytes");
	return wb_read(&w, err);
}

static const char *
name_of(const struct oh_profile *p, uint32_t location, uint32_t line)
{
	const struct oh_line *l = &p->lines[p->line_at[location] + line];

	return oh_profile_string(p, p->functions[l->function].name);
}

START_TEST(this_program_finds_its_own_functions_and_inlined_calls)
{
	struct oh_error err = { "" };
	struct oh_profile *p = own_profile("", &err);
	bool inlined = false;

	ck_assert_msg(p != NULL, "%s", err.text);
	oh_symbols_resolve(p, NULL);
	ck_assert_uint_gt(p->line_count[0], 0);
	ck_assert_str_eq(name_of(p, 0, p->line_count[0] - 1), "oh_test_outer");
	for (uint32_t l = 0; l < p->location_count; l++) {
		if (p->line_count[l] != 2 || strcmp(name_of(p, l, 0), "inlined_part") != 0)
			continue;
		inlined = true;
		ck_assert_str_eq(name_of(p, l, 1), "oh_test_outer");
		ck_assert_uint_gt(p->lines[p->line_at[l]].line, 0);
		ck_assert_uint_gt(p->lines[p->line_at[l] + 1].line, p->lines[p->line_at[l]].line);
	}
	ck_assert(inlined);
	oh_profile_free(p);
}
END_TEST

START_TEST(only_wanted_locations_are_resolved)
{
	struct oh_error err = { "" };
	struct oh_profile *p = own_profile("", &err);
	uint8_t *wanted = oh_symbols_wanted(p, 0);

	wanted[0] = 0;
	oh_symbols_resolve(p, wanted);
	ck_assert_uint_eq(p->line_count[0], 0);
	ck_assert_uint_gt(p->line_count[1], 0);
	free(wanted);
	oh_profile_free(p);
}
END_TEST

START_TEST(another_build_id_leaves_addresses)
{
	struct oh_error err = { "" };
	struct oh_profile *p = own_profile("0123456789abcdef0123456789abcdef01234567", &err);
	struct oh_module *m;
	char name[256];

	(void)freopen("/dev/null", "w", stderr); /* the warning */
	oh_symbols_resolve(p, NULL);
	ck_assert_uint_eq(p->line_count[0], 0);
	oh_location_name(name, sizeof(name), p, p->location_mapping[0], p->address[0]);
	ck_assert_msg(strncmp(name, "test_symbols+0x", 15) == 0, "%s", name);
	oh_profile_free(p);

	m = oh_module_open("/proc/self/exe", "01", &err);
	ck_assert_ptr_null(m);
	ck_assert_ptr_nonnull(strstr(err.text, "build ID"));
}
END_TEST

START_TEST(things_that_are_no_files_are_not_opened)
{
	static const char *const bad[] = { "/", "/dev/null", "/nowhere/at/all", "" };

	for (size_t i = 0; i < OH_ARRAY_LEN(bad); i++) {
		struct oh_error err = { "" };

		ck_assert_ptr_null(oh_module_open(bad[i], "", &err));
		ck_assert_str_ne(err.text, "");
	}
}
END_TEST

START_TEST(symbols_cover_their_size_and_no_more)
{
	struct oh_error err = { "" };
	struct oh_module *m = oh_module_open("/proc/self/exe", "", &err);
	uint64_t base = 0, low, high;
	const char *name;

	ck_assert_msg(m != NULL, "%s", err.text);
	(void)dl_iterate_phdr(find_base, &base);
	name = oh_module_symbol(m, (uint64_t)(uintptr_t)oh_test_outer - base);
	ck_assert_ptr_nonnull(name);
	ck_assert_str_eq(name, "oh_test_outer");
	oh_module_text(m, &low, &high);
	ck_assert_uint_lt(low, high);
	ck_assert_ptr_null(oh_module_symbol(m, high + 4096));
	ck_assert_ptr_null(oh_module_symbol(m, 0));
	oh_module_free(m);
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_test(tc, addresses_are_found_in_every_layout);
	tcase_add_test(tc, this_program_finds_its_own_functions_and_inlined_calls);
	tcase_add_test(tc, only_wanted_locations_are_resolved);
	tcase_add_test(tc, another_build_id_leaves_addresses);
	tcase_add_test(tc, things_that_are_no_files_are_not_opened);
	tcase_add_test(tc, symbols_cover_their_size_and_no_more);
}

int
main(void)
{
	return unit_run("symbols", add);
}
