/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_modules.c - which file is mapped at this address?
 */
#include "unit.h"

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <math.h>
#include <pthread.h>
#include <sys/stat.h>

static char folder[] = "/tmp/otheap-modules-XXXXXX";

static void
setup(void)
{
	unit_tables(4 * UNIT_MIB);
}

/* (Of libc, functions that no sanitizer replaces.) */
static const struct oh_module *
module_at(const void *pc, unsigned *ret_id)
{
	struct oh_module_at at = { 0 };

	ck_assert(oh_modules_find((uintptr_t)pc, &at));
	ck_assert_uint_gt(at.id, 0);
	ck_assert_uint_le(at.id, oh_modules_count());
	const struct oh_module *m = oh_modules_get(at.id);
	ck_assert_ptr_nonnull(m);
	ck_assert_uint_le(m->start, (uintptr_t)pc);
	ck_assert_uint_gt(m->limit, (uintptr_t)pc);
	ck_assert_uint_eq(m->start % 4096, 0);
	ck_assert_uint_eq(m->limit % 4096, 0);
	ck_assert_uint_eq(m->offset % 4096, 0);
	*ret_id = at.id;
	return m;
}

/* The build ID as `readelf -n` prints it; false where there is no readelf. */
static bool
build_id_by_readelf(const char *path, char *hex, size_t room)
{
	char cmd[PATH_MAX + 100], line[300];
	bool found = false;

	snprintf(cmd, sizeof(cmd), "readelf -n '%s' 2>/dev/null", path);
	FILE *f = popen(cmd, "r");
	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f) != NULL) {
		char *id = strstr(line, "Build ID: ");
		if (id == NULL)
			continue;
		id[strcspn(id, "\n")] = '\0';
		snprintf(hex, room, "%s", id + 10);
		found = true;
	}
	pclose(f);
	return found;
}

static void
check_build_id(const struct oh_module *m)
{
	char expect[200], got[2 * OH_BUILD_ID_MAX + 1] = "";

	for (unsigned i = 0; i < m->build_id_len; i++)
		snprintf(got + 2 * i, 3, "%02x", m->build_id[i]);
	if (build_id_by_readelf(m->path, expect, sizeof(expect)))
		ck_assert_str_eq(got, expect);
	else
		printf("SKIP: no build ID of %s by readelf\n", m->path);
}

/* Does /proc/self/maps have the module's start at the module's offset of its path? */
static bool
maps_agree(const struct oh_module *m)
{
	FILE *f = fopen("/proc/self/maps", "re");
	char line[PATH_MAX + 200], path[PATH_MAX + 1], real[PATH_MAX];
	bool found = false;

	/* The loader says /lib where the kernel says /usr/lib. */
	ck_assert_ptr_nonnull(realpath(m->path, real));
	while (fgets(line, sizeof(line), f) != NULL) {
		unsigned long start, end, offset;
		path[0] = '\0';
		if (sscanf(line, "%lx-%lx %*s %lx %*s %*s %4096s", &start, &end, &offset, path) < 3)
			continue;
		found |= start == m->start && end == m->limit && offset == m->offset &&
			 strcmp(path, real) == 0;
	}
	fclose(f);
	return found;
}

START_TEST(main_program_is_module_1_at_the_path_of_its_file)
{
	char exe[PATH_MAX] = "";
	unsigned id;

	ck_assert_uint_eq(oh_modules_count(), 1);
	const struct oh_module *m = module_at((void *)setup, &id);
	ck_assert_uint_eq(id, 1);
	ck_assert_int_gt(readlink("/proc/self/exe", exe, sizeof(exe) - 1), 0);
	ck_assert_str_eq(m->path, exe);
	check_build_id(m);
	ck_assert(maps_agree(m));
}
END_TEST

START_TEST(libc_is_found_with_its_build_id)
{
	unsigned id, again;
	const struct oh_module *m = module_at((void *)l64a, &id);

	ck_assert_ptr_nonnull(strstr(m->path, "libc.so.6"));
	ck_assert_uint_gt(m->build_id_len, 0);
	check_build_id(m);
	ck_assert(maps_agree(m));
	/* Another address of it, and the same again. */
	(void)module_at((void *)ecvt, &again);
	ck_assert_uint_eq(again, id);
	ck_assert_uint_eq(oh_modules_count(), 2);
}
END_TEST

START_TEST(vdso_is_found_without_a_file)
{
	uintptr_t base = getauxval(AT_SYSINFO_EHDR);
	unsigned id;

	if (base == 0) {
		printf("SKIP: no vdso here\n");
		return;
	}
	const ElfW(Ehdr) *eh = (const void *)base;
	const struct oh_module *m = module_at((void *)(base + eh->e_phoff), &id);
	ck_assert_str_eq(m->path, "[vdso]");
	ck_assert_uint_eq(m->start, base);
	/* Linux gives it one; the note is in memory only. */
	ck_assert_uint_gt(m->build_id_len, 0);
}
END_TEST

START_TEST(addresses_of_no_file_are_not_found)
{
	struct oh_module_at at;
	int on_stack;
	void *heap = malloc(10);

	ck_assert(!oh_modules_find((uintptr_t)&on_stack, &at));
	ck_assert(!oh_modules_find((uintptr_t)heap, &at));
	ck_assert(!oh_modules_find(0, &at));
	ck_assert(!oh_modules_find(1, &at));
	ck_assert(!oh_modules_find(4095, &at));
	ck_assert(!oh_modules_find(UINTPTR_MAX, &at));
	ck_assert(!oh_modules_find((uintptr_t)1 << 47, &at));
	ck_assert_uint_eq(oh_modules_count(), 1);
	ck_assert_ptr_null(oh_modules_get(0));
	ck_assert_ptr_null(oh_modules_get(2));
	ck_assert_ptr_null(oh_modules_get(OH_MODULES_MAX + 1));
	ck_assert_ptr_null(oh_modules_get(UINT32_MAX));
	free(heap);
}
END_TEST

START_TEST(every_loaded_file_has_unwind_rules)
{
	struct oh_module_at at;

	ck_assert(oh_modules_find((uintptr_t)l64a, &at));
	ck_assert_ptr_nonnull(at.eh_frame_hdr);
	ck_assert(oh_modules_find((uintptr_t)setup, &at));
	ck_assert_ptr_nonnull(at.eh_frame_hdr);
}
END_TEST

/* ---- files that come and go ---------------------------------------------------- */

/*
 * A copy of a small library of the system under another name, with or without
 * its build ID.
 */
static const char *
copy_of_library(const char *name, bool build_id)
{
	static char path[2][PATH_MAX];
	static unsigned turn;
	char *to = path[turn++ % 2], from[PATH_MAX];
	static char content[1 << 20];
	void *h = dlopen("libutil.so.1", RTLD_NOW | RTLD_LOCAL);
	struct link_map *map;

	ck_assert_ptr_nonnull(h);
	ck_assert_int_eq(dlinfo(h, RTLD_DI_LINKMAP, &map), 0);
	snprintf(from, sizeof(from), "%s", map->l_name);
	dlclose(h);
	if (access(folder, F_OK) != 0)
		ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(to, PATH_MAX, "%s/%s", folder, name);
	int in = open(from, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(in, content, sizeof(content));
	close(in);
	ck_assert_int_gt(n, 1000);
	ck_assert_int_lt(n, sizeof(content));
	if (!build_id) {
		/* NT_GNU_BUILD_ID of 20 bytes becomes a note of no known type. */
		static const char note[] = "\4\0\0\0\24\0\0\0\3\0\0\0GNU";
		char *p = memmem(content, (size_t)n, note, sizeof(note));
		ck_assert_ptr_nonnull(p);
		p[8] = 0x77;
	}
	int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
	ck_assert_int_eq(write(out, content, (size_t)n), n);
	close(out);
	return to;
}

static void
clean_up(void)
{
	char cmd[200];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", folder);
	ck_assert_int_eq(system(cmd), 0);
	strcpy(folder + strlen(folder) - 6, "XXXXXX");
}

/* Some address of the library's code. */
static const void *
code_of(void *h)
{
	struct link_map *map;
	const void *entry = NULL;

	ck_assert_int_eq(dlinfo(h, RTLD_DI_LINKMAP, &map), 0);
	/* The function that DT_INIT names is in the executable segment. */
	for (const ElfW(Dyn) *d = map->l_ld; d->d_tag != DT_NULL; d++)
		if (d->d_tag == DT_INIT)
			entry = (const void *)(map->l_addr + d->d_un.d_ptr);
	ck_assert_ptr_nonnull(entry);
	return entry;
}

START_TEST(a_file_that_was_unloaded_stays_known)
{
	void *h = dlopen(copy_of_library("gone.so", true), RTLD_NOW | RTLD_LOCAL);
	struct oh_module_at at;
	unsigned id;

	const void *pc = code_of(h);
	const struct oh_module *m = module_at(pc, &id);
	check_build_id(m);
	dlclose(h);
	oh_modules_generation++;
	ck_assert(!oh_modules_find((uintptr_t)pc, &at));
	ck_assert_ptr_eq(oh_modules_get(id), m);
	ck_assert_ptr_nonnull(strstr(m->path, "/gone.so"));
	clean_up();
}
END_TEST

START_TEST(the_same_file_loaded_again_at_the_same_place_is_the_same_module)
{
	const char *path = copy_of_library("again.so", true);
	unsigned id, again;

	void *h = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	const void *pc = code_of(h);
	(void)module_at(pc, &id);
	for (int i = 0; i < 20; i++) {
		dlclose(h);
		oh_modules_generation++;
		h = dlopen(path, RTLD_NOW | RTLD_LOCAL);
		if (code_of(h) != pc)
			continue; /* the loader put it elsewhere */
		(void)module_at(pc, &again);
		struct link_map *map;
		ck_assert_int_eq(dlinfo(h, RTLD_DI_LINKMAP, &map), 0);
		if (oh_modules_get(id)->link_map == map)
			ck_assert_uint_eq(again, id);
	}
	dlclose(h);
	clean_up();
}
END_TEST

/* One after the other at one address, told apart by nothing but their names. */
static void
two_in_turn(bool build_id)
{
	char a[PATH_MAX], b[PATH_MAX];
	unsigned id_a, id_b;

	snprintf(a, sizeof(a), "%s", copy_of_library("a.so", build_id));
	snprintf(b, sizeof(b), "%s", copy_of_library("b.so", build_id));
	void *h = dlopen(a, RTLD_NOW | RTLD_LOCAL);
	const void *pc = code_of(h);
	ck_assert_str_eq(module_at(pc, &id_a)->path, a);
	dlclose(h);
	oh_modules_generation++;
	h = dlopen(b, RTLD_NOW | RTLD_LOCAL);
	if (code_of(h) != pc)
		printf("SKIP: the loader put it elsewhere\n");
	const struct oh_module *m = module_at(code_of(h), &id_b);
	ck_assert_str_eq(m->path, b);
	ck_assert_uint_ne(id_a, id_b);
	if (!build_id)
		ck_assert_uint_eq(m->build_id_len, 0);
	dlclose(h);
	clean_up();
}

START_TEST(another_file_at_the_same_place_is_another_module)
{
	two_in_turn(true);
}
END_TEST

START_TEST(so_it_is_without_build_ids)
{
	two_in_turn(false);
}
END_TEST

START_TEST(a_relative_name_is_made_absolute_once)
{
	char cwd[PATH_MAX], expect[PATH_MAX];
	unsigned id, again;

	(void)copy_of_library("rel.so", true);
	ck_assert_ptr_nonnull(getcwd(cwd, sizeof(cwd)));
	ck_assert_int_eq(chdir(folder), 0);
	void *h = dlopen("./rel.so", RTLD_NOW | RTLD_LOCAL);
	const struct oh_module *m = module_at(code_of(h), &id);
	snprintf(expect, sizeof(expect), "%s/./rel.so", folder);
	ck_assert_str_eq(m->path, expect);
	/* An unload of something else: it is looked at again, and is the same. */
	oh_modules_generation++;
	ck_assert_int_eq(chdir(cwd), 0);
	(void)module_at(code_of(h), &again);
	ck_assert_uint_eq(again, id);
	dlclose(h);
	clean_up();
}
END_TEST

START_TEST(a_full_arena_leaves_an_address_without_module_but_with_rules)
{
	struct oh_module_at at = { .id = 77 };

	while (oh_arena_alloc(16, 16) != 0)
		;
	ck_assert(oh_modules_find((uintptr_t)l64a, &at));
	ck_assert_uint_eq(at.id, 0);
	ck_assert_ptr_nonnull(at.eh_frame_hdr);
	ck_assert(oh_modules_find((uintptr_t)setup, &at));
	ck_assert_uint_eq(at.id, 1);
}
END_TEST

#define THREADS 8

static pthread_barrier_t together;

static void *
find_all(void *arg)
{
	static const void *const pcs[] = { (void *)l64a, (void *)lgamma, (void *)setup };
	struct oh_module_at at;
	unsigned *ids = arg;

	pthread_barrier_wait(&together);
	for (unsigned i = 0; i < OH_ARRAY_LEN(pcs); i++)
		ids[i] = oh_modules_find((uintptr_t)pcs[i], &at) ? at.id : 0;
	return NULL;
}

START_TEST(threads_that_meet_a_module_together_note_it_once)
{
	for (int round = 0; round < 100; round++) {
		unsigned ids[THREADS][3] = { { 0 } };
		pthread_t t[THREADS];

		setup();
		pthread_barrier_init(&together, NULL, THREADS);
		for (int i = 0; i < THREADS; i++)
			pthread_create(&t[i], NULL, find_all, ids[i]);
		for (int i = 0; i < THREADS; i++)
			pthread_join(t[i], NULL);
		pthread_barrier_destroy(&together);
		for (int i = 0; i < THREADS; i++)
			ck_assert_mem_eq(ids[i], ids[0], sizeof(ids[0]));
		ck_assert_uint_eq(oh_modules_count(), 3);
	}
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, main_program_is_module_1_at_the_path_of_its_file);
	tcase_add_test(tc, libc_is_found_with_its_build_id);
	tcase_add_test(tc, vdso_is_found_without_a_file);
	tcase_add_test(tc, addresses_of_no_file_are_not_found);
	tcase_add_test(tc, every_loaded_file_has_unwind_rules);
	tcase_add_test(tc, a_file_that_was_unloaded_stays_known);
	tcase_add_test(tc, the_same_file_loaded_again_at_the_same_place_is_the_same_module);
	tcase_add_test(tc, another_file_at_the_same_place_is_another_module);
	tcase_add_test(tc, so_it_is_without_build_ids);
	tcase_add_test(tc, a_relative_name_is_made_absolute_once);
	tcase_add_test(tc, a_full_arena_leaves_an_address_without_module_but_with_rules);
	tcase_add_test(tc, threads_that_meet_a_module_together_note_it_once);
}

int
main(void)
{
	return unit_run("modules", add);
}
