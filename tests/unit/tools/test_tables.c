/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_tables.c - the library's tables, read from outside: from memory that is made
 * here, whole, torn or hostile; and what is made of one look after the other.
 *
 * One file because the process that is made up serves all of it.
 */
#include <elf.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/tools/wirebuild.h"
#include "tools/tables.h"
#include "tools/watch.h"

#define LIBRARY UINT64_C(0x7f0000000000)
#define ROOT UINT64_C(0x7f0000100000)
#define DROPS UINT64_C(0x7f0000200000)
#define THREADS UINT64_C(0x7f0000300000)
#define ARENA UINT64_C(0x7f1000000000)
#define ARENA_BYTES ((size_t)1 << 20)
#define THREADS_MOST 8

/* A process, as far as a reader can see it. */
static struct {
	struct {
		Elf64_Ehdr eh;
		Elf64_Phdr ph[3];
		uint8_t notes[256];
	} library;
	struct oh_root root;
	uint64_t drops[OH_DROP_COUNT];
	struct oh_thread threads[THREADS_MOST];
	uint8_t *arena;
	ssize_t error;                               /* what every read gives, if not 0 */
	void (*between)(size_t piece, size_t count); /* called after each piece is copied */
} it;

static void *
at(uint32_t id)
{
	return it.arena + (size_t)id * OH_ARENA_UNIT;
}

static const void *
find(uint64_t addr, size_t bytes)
{
	static const struct {
		uint64_t at;
		void *mem;
		size_t bytes;
	} fixed[] = {
		{ LIBRARY, &it.library, sizeof(it.library) },
		{ ROOT, &it.root, sizeof(it.root) },
		{ DROPS, it.drops, sizeof(it.drops) },
		{ THREADS, it.threads, sizeof(it.threads) },
	};

	for (size_t i = 0; i < OH_ARRAY_LEN(fixed); i++)
		if (addr >= fixed[i].at && addr - fixed[i].at <= fixed[i].bytes &&
		    bytes <= fixed[i].bytes - (addr - fixed[i].at))
			return (const uint8_t *)fixed[i].mem + (addr - fixed[i].at);
	if (addr >= ARENA && addr - ARENA <= ARENA_BYTES && bytes <= ARENA_BYTES - (addr - ARENA))
		return it.arena + (addr - ARENA);
	return NULL;
}

static ssize_t
read_it(void *arg, const struct oh_piece *pieces, size_t count, void *to)
{
	char *out = to;

	(void)arg;
	ck_assert_uint_le(count, OH_TABLES_PIECES_MAX);
	if (it.error != 0)
		return it.error;
	for (size_t i = 0; i < count; i++) {
		const void *from = find(pieces[i].at, pieces[i].bytes);

		if (from == NULL)
			return out == to ? -EFAULT : out - (char *)to;
		memcpy(out, from, pieces[i].bytes);
		out += pieces[i].bytes;
		if (it.between != NULL)
			it.between(i, count);
	}
	return out - (char *)to;
}

static const struct oh_memory memory = { read_it, NULL };

/* ---- making a process ------------------------------------------------------------------ */

static uint32_t
alloc(size_t bytes, size_t align)
{
	uint64_t start = (it.root.arena_used + align - 1) & ~(uint64_t)(align - 1);

	it.root.arena_used = (start + bytes + 15) & ~UINT64_C(15);
	ck_assert_uint_le(it.root.arena_used, ARENA_BYTES);
	return (uint32_t)(start / OH_ARENA_UNIT);
}

static struct oh_live_table *
live(void)
{
	return at(it.root.live);
}

static void
setup(void)
{
	static const uint32_t sizes[OH_ROOT_SIZES] = OH_ROOT_SIZES_INIT;

	free(it.arena);
	memset(&it, 0, sizeof(it));
	it.arena = calloc(1, ARENA_BYTES);
	ck_assert_ptr_nonnull(it.arena);
	memcpy(it.root.magic, OH_LAYOUT_MAGIC, sizeof(it.root.magic));
	it.root.version = OH_LAYOUT_VERSION;
	it.root.bytes = sizeof(it.root);
	memcpy(it.root.sizes, sizes, sizeof(sizes));
	it.root.drop_count = OH_DROP_COUNT;
	it.root.state = OH_ROOT_ON;
	it.root.interval_bytes = 1;
	it.root.drops_at = DROPS;
	it.root.arena_base = ARENA;
	it.root.arena_cap = it.root.arena_committed = ARENA_BYTES;
	it.root.arena_used = OH_ARENA_UNIT;
	it.root.threads = alloc(sizeof(struct oh_thread_table), 64);
	it.root.stacks = alloc(sizeof(struct oh_stack_table), 64);
	it.root.live = alloc(sizeof(struct oh_live_table), 64);
	it.root.modules = alloc(OH_MODULES_MAX * sizeof(uint32_t), 64);
	live()->level[0] = alloc(sizeof(struct oh_live_bucket) << OH_LIVE_LG_FIRST, 4096);
	live()->level_count = 1;
}

static void
teardown(void)
{
	free(it.arena);
	it.arena = NULL;
}

static uint32_t
add_stack(unsigned bucket, unsigned depth, uint64_t pc)
{
	struct oh_stack_table *t = at(it.root.stacks);
	uint32_t id = alloc(sizeof(struct oh_stack) + depth * sizeof(oh_frame), 16);
	struct oh_stack *s = at(id);

	s->next = t->bucket[bucket];
	s->depth = depth;
	for (unsigned i = 0; i < depth; i++)
		s->frames[i] = oh_frame_make(pc + i, 1);
	t->bucket[bucket] = id;
	return id;
}

static void
set_sums(uint32_t site, double objects, double bytes)
{
	struct oh_site *s = at(site);

	s->samples = (uint64_t)objects;
	memcpy(&s->objects, &objects, sizeof(objects));
	memcpy(&s->bytes, &bytes, sizeof(bytes));
}

static uint32_t
add_site(uint32_t stack, uint64_t size, double objects)
{
	struct oh_stack *st = at(stack);
	uint32_t id = alloc(sizeof(struct oh_site), 16);
	struct oh_site *s = at(id);

	s->next = st->sites;
	s->stack = stack;
	s->size_key = size;
	st->sites = id;
	set_sums(id, objects, objects * (double)size);
	return id;
}

static struct oh_live_bucket *
bucket(unsigned i)
{
	return (struct oh_live_bucket *)at(live()->level[0]) + i;
}

static void
put_block(struct oh_live_bucket *b, unsigned slot, uint32_t site, uint64_t size, double weight)
{
	b->key[slot] = 0x5000 + 16 * slot;
	b->slot[slot].size_bytes = size;
	b->slot[slot].site = site;
	memcpy(&b->slot[slot].weight_bits, &weight, sizeof(weight));
}

static void
add_thread(unsigned i, uint64_t bytes, uint64_t calls)
{
	struct oh_thread_table *t = at(it.root.threads);
	uint32_t id = alloc(sizeof(struct oh_thread_record), 16);
	struct oh_thread_record *r = at(id);

	r->next = t->head;
	r->self = (struct oh_thread *)(uintptr_t)(THREADS + i * sizeof(struct oh_thread));
	r->past_bytes = 1000;
	r->past_calls = 10;
	r->bytes = 1;
	r->calls = 1;
	it.threads[i].bytes_base = bytes - 50;
	it.threads[i].drawn = 200;
	it.threads[i].countdown = 150;
	it.threads[i].calls = calls;
	t->head = id;
}

static void
add_module(unsigned i, const char *path)
{
	uint32_t id = alloc(sizeof(struct oh_module) + strlen(path) + 1, 16);
	struct oh_module *m = at(id);

	((uint32_t *)at(it.root.modules))[i] = id;
	m->start = 0x400000;
	m->limit = 0x500000;
	m->build_id_len = 2;
	m->build_id[0] = 0xab;
	m->build_id[1] = 0x01;
	memcpy(m->path, path, strlen(path) + 1);
}

static struct oh_tables seen;

static enum oh_tables_result
look(void)
{
	struct oh_error err = { "" };

	return oh_tables_read(&seen, &memory, ROOT, &err);
}

static const struct oh_seen_site *
site(uint32_t id)
{
	for (size_t i = 0; i < seen.site_count; i++)
		if (seen.sites[i].id == id)
			return &seen.sites[i];
	return NULL;
}

/* ---- the root ------------------------------------------------------------------------------ */

static void
make_library(void)
{
	const Elf64_Nhdr other = { 4, 3, 3 }, ours = { sizeof(OH_NOTE_NAME), 8, OH_NOTE_ROOT };
	uint8_t *n = it.library.notes;
	uint64_t word;

	memcpy(it.library.eh.e_ident, ELFMAG, SELFMAG);
	it.library.eh.e_ident[EI_CLASS] = ELFCLASS64;
	it.library.eh.e_phoff = sizeof(Elf64_Ehdr);
	it.library.eh.e_phentsize = sizeof(Elf64_Phdr);
	it.library.eh.e_phnum = 3;
	/* As a library that was linked at 0x10000. */
	it.library.ph[0] = (Elf64_Phdr){ .p_type = PT_LOAD, .p_vaddr = 0x10000 };
	it.library.ph[1] = (Elf64_Phdr){ .p_type = PT_DYNAMIC };
	it.library.ph[2] = (Elf64_Phdr){ .p_type = PT_NOTE,
		.p_vaddr = 0x10000 + (uint64_t)(n - (uint8_t *)&it.library),
		.p_memsz = 20 + 12 + 8 + 8 };
	memcpy(n, &other, sizeof(other));
	memcpy(n + 12, "GNU\0abc", 8);
	memcpy(n + 20, &ours, sizeof(ours));
	memcpy(n + 32, OH_NOTE_NAME, sizeof(OH_NOTE_NAME));
	word = ROOT - (LIBRARY + (uint64_t)(n + 40 - (uint8_t *)&it.library));
	memcpy(n + 40, &word, sizeof(word));
}

static enum oh_tables_result
find_root(uint64_t *ret)
{
	struct oh_error err = { "" };

	return oh_tables_find(&memory, LIBRARY, ret, &err);
}

START_TEST(a_note_leads_to_the_root)
{
	uint64_t root = 0;

	make_library();
	ck_assert_int_eq(find_root(&root), OH_TABLES_OK);
	ck_assert_uint_eq(root, ROOT);
}
END_TEST

START_TEST(without_the_note_there_are_no_tables)
{
	uint64_t root = 0;

	make_library();
	it.library.notes[32] = 'x';
	ck_assert_int_eq(find_root(&root), OH_TABLES_BAD);
	make_library();
	it.library.ph[2].p_memsz = 47;
	ck_assert_int_eq(find_root(&root), OH_TABLES_BAD);
	make_library();
	memset(it.library.notes, 0xff, 12); /* sizes near 2^32 */
	ck_assert_int_eq(find_root(&root), OH_TABLES_BAD);
	make_library();
	it.library.eh.e_phnum = 0xffff;
	ck_assert_int_eq(find_root(&root), OH_TABLES_BAD);
	make_library();
	it.library.eh.e_ident[EI_CLASS] = ELFCLASS32;
	ck_assert_int_eq(find_root(&root), OH_TABLES_BAD);
	make_library();
	it.library.eh.e_phoff = UINT64_MAX - 100;
	ck_assert_int_eq(find_root(&root), OH_TABLES_MOVED);
}
END_TEST

START_TEST(another_version_is_refused)
{
	struct oh_error err = { "" };

	it.root.version++;
	ck_assert_int_eq(oh_tables_read(&seen, &memory, ROOT, &err), OH_TABLES_BAD);
	ck_assert_ptr_nonnull(strstr(err.text, "do not go together"));
	setup();
	it.root.sizes[OH_ROOT_SIZE_SITE] += 8;
	ck_assert_int_eq(look(), OH_TABLES_BAD);
	setup();
	it.root.drop_count++;
	ck_assert_int_eq(look(), OH_TABLES_BAD);
	setup();
	it.root.state = OH_ROOT_OFF;
	ck_assert_int_eq(look(), OH_TABLES_BAD);
	setup();
	it.root.arena_used = OH_TABLES_MAX_BYTES + 1;
	it.root.arena_cap = UINT64_MAX;
	ck_assert_int_eq(look(), OH_TABLES_BAD);
	setup();
	it.root.magic[0] = 'x';
	ck_assert_int_eq(look(), OH_TABLES_MOVED);
}
END_TEST

START_TEST(what_the_kernel_says_is_told)
{
	it.error = -ESRCH;
	ck_assert_int_eq(look(), OH_TABLES_ENDED);
	it.error = -EPERM;
	ck_assert_int_eq(look(), OH_TABLES_DENIED);
	it.error = -ENOSYS;
	ck_assert_int_eq(look(), OH_TABLES_DENIED);
	it.error = -EFAULT;
	ck_assert_int_eq(look(), OH_TABLES_MOVED);
	it.error = 0;
	it.root.arena_base = 0x1000;
	ck_assert_int_eq(look(), OH_TABLES_MOVED);
}
END_TEST

/* ---- tables -------------------------------------------------------------------------------- */

START_TEST(everything_is_there)
{
	uint32_t a = add_stack(3, 2, 0x400100), b = add_stack(3, 1, 0x400200);
	uint32_t x = add_site(a, 100, 5), y = add_site(a, 16, 2), z = add_site(b, 1000, 1);
	uint32_t more = alloc(sizeof(struct oh_live_bucket), 64);
	struct oh_seen_module m;

	add_module(0, "/bin/app");
	add_thread(0, 5000, 7);
	add_thread(1, 600, 3);
	((struct oh_thread_table *)at(it.root.threads))->late_bytes = 11;
	it.drops[OH_DROP_REENTRANT] = 4;
	put_block(bucket(0), 0, x, 100, 1);
	put_block(bucket(0), 6, x, 100, 1);
	put_block(bucket(511), 3, y, 16, 1);
	bucket(511)->overflow = more;
	put_block(at(more), 0, z, 1000, 1);
	live()->count = 4;
	ck_assert_int_eq(look(), OH_TABLES_OK);
	ck_assert_uint_eq(seen.stack_count, 2);
	ck_assert_uint_eq(seen.site_count, 3);
	ck_assert_uint_eq(seen.skipped, 0);
	ck_assert(site(x)->live_objects == 2 && site(x)->live_bytes == 200);
	ck_assert(site(x)->alloc_objects == 5 && site(x)->alloc_bytes == 500);
	ck_assert(site(y)->live_bytes == 16 && site(z)->live_bytes == 1000);
	ck_assert_uint_eq(seen.stacks[site(x)->stack].id, a);
	ck_assert_uint_eq(seen.stacks[site(z)->stack].depth, 1);
	ck_assert_uint_eq(
	    seen.frames[seen.stacks[site(x)->stack].frame_at + 1], oh_frame_make(0x400101, 1));
	ck_assert_uint_eq(seen.total_bytes, 5000 + 600 + 2 * 1000 + 11);
	ck_assert_uint_eq(seen.total_calls, 7 + 3 + 2 * 10);
	ck_assert_uint_eq(seen.threads, 2);
	ck_assert_uint_eq(seen.threads_unsure, 0);
	ck_assert_uint_eq(seen.drops[OH_DROP_REENTRANT], 4);
	ck_assert_uint_eq(seen.module_count, 1);
	oh_tables_module(&seen, 0, &m);
	ck_assert_str_eq(m.path, "/bin/app");
	ck_assert_str_eq(m.build_id, "ab01");
}
END_TEST

START_TEST(no_more_lives_than_was_allocated)
{
	uint32_t x = add_site(add_stack(0, 1, 1), 100, 1);

	put_block(bucket(0), 0, x, 100, 1);
	put_block(bucket(1), 0, x, 100, 1);
	ck_assert_int_eq(look(), OH_TABLES_OK);
	ck_assert(site(x)->live_objects == 1 && site(x)->live_bytes == 100);
}
END_TEST

START_TEST(what_is_not_committed_is_not_read)
{
	uint32_t x = add_site(add_stack(0, 1, 1), 100, 1);

	put_block(bucket(0), 0, x, 100, 1);
	it.root.arena_committed = (uint64_t)live()->level[0] * 16;
	ck_assert_int_eq(look(), OH_TABLES_OK);
	ck_assert_uint_eq(seen.block_count, 0);
	ck_assert_uint_eq(seen.site_count, 0);
	it.root.arena_committed = 0;
	ck_assert_int_eq(look(), OH_TABLES_OK);
}
END_TEST

/* ---- torn --------------------------------------------------------------------------------------
 */

static uint32_t torn_site;

/* Between the two copies of a page the block makes way for another. */
static void
replace_block(size_t piece, size_t count)
{
	if (piece == 0 && count > 5)
		put_block(bucket(0), 0, torn_site, 77, 1);
}

static void
free_block(size_t piece, size_t count)
{
	if (piece == 0 && count > 5)
		bucket(0)->key[0] = OH_LIVE_KEY_BUSY;
}

START_TEST(a_record_that_changes_is_not_taken)
{
	uint32_t x = add_site(add_stack(0, 1, 1), 100, 9);

	torn_site = x;
	put_block(bucket(0), 0, x, 100, 1);
	put_block(bucket(0), 1, x, 100, 1);
	it.between = replace_block;
	ck_assert_int_eq(look(), OH_TABLES_OK);
	ck_assert(site(x)->live_objects == 1 && site(x)->live_bytes == 100);
	put_block(bucket(0), 0, x, 100, 1);
	it.between = free_block;
	ck_assert_int_eq(look(), OH_TABLES_OK);
	ck_assert(site(x)->live_objects == 1);
	it.between = NULL;
	bucket(0)->key[1] = OH_LIVE_KEY_FREE;
	ck_assert_int_eq(look(), OH_TABLES_OK);
	ck_assert(site(x)->live_objects == 0);
}
END_TEST

START_TEST(weights_that_cannot_be_are_not_taken)
{
	uint32_t x = add_site(add_stack(0, 1, 1), 100, 9);

	put_block(bucket(0), 0, x, 100, NAN);
	put_block(bucket(0), 1, x, 100, INFINITY);
	put_block(bucket(0), 2, x, 100, -1);
	put_block(bucket(0), 3, x, 100, 2);
	ck_assert_int_eq(look(), OH_TABLES_OK);
	ck_assert(site(x)->live_objects == 2);
	ck_assert_uint_eq(seen.skipped, 3);
	set_sums(x, NAN, -INFINITY);
	ck_assert_int_eq(look(), OH_TABLES_OK);
	ck_assert(site(x)->alloc_objects == 0 && site(x)->alloc_bytes == 0);
}
END_TEST

static unsigned countdown;

/* The thread is in the middle of something, for a while. */
static void
settle(size_t piece, size_t count)
{
	(void)piece;
	(void)count;
	if (countdown > 0 && --countdown == 0)
		it.threads[0].totals_seq = 2;
}

START_TEST(a_thread_in_the_middle_is_asked_again)
{
	add_thread(0, 5000, 7);
	it.threads[0].totals_seq = 1;
	it.between = settle;
	countdown = 12;
	ck_assert_int_eq(look(), OH_TABLES_OK);
	/* Found settled, or told by what it published. */
	ck_assert_uint_eq(seen.total_bytes, 1000 + 5000);
	ck_assert_uint_eq(seen.threads_unsure, 0);
	it.threads[0].totals_seq = 1;
	it.between = NULL;
	ck_assert_int_eq(look(), OH_TABLES_OK);
	ck_assert_uint_eq(seen.total_bytes, 1000 + 1);
	ck_assert_uint_eq(seen.threads_unsure, 1);
}
END_TEST

START_TEST(a_thread_that_is_nowhere_is_told)
{
	struct oh_thread_table *t = at(it.root.threads);

	add_thread(0, 5000, 7);
	((struct oh_thread_record *)at(t->head))->self = (struct oh_thread *)(uintptr_t)0x666;
	ck_assert_int_eq(look(), OH_TABLES_OK);
	ck_assert_uint_eq(seen.threads_unsure, 1);
	ck_assert_uint_eq(seen.total_bytes, 1000 + 1);
}
END_TEST

/* ---- hostile ------------------------------------------------------------------------------------
 */

START_TEST(cycles_end)
{
	uint32_t a = add_stack(0, 1, 1), x = add_site(a, 100, 9);
	struct oh_thread_table *t = at(it.root.threads);

	((struct oh_stack *)at(a))->next = a;
	((struct oh_site *)at(x))->next = x;
	((struct oh_stack_table *)at(it.root.stacks))->bucket[5] = a;
	add_thread(0, 5000, 7);
	((struct oh_thread_record *)at(t->head))->next = t->head;
	bucket(0)->overflow = live()->level[0];
	bucket(1)->overflow = live()->level[0] + 32; /* bucket 2 */
	bucket(2)->overflow = live()->level[0] + 16; /* bucket 1 */
	put_block(bucket(9), 0, x, 100, 1);
	ck_assert_int_eq(look(), OH_TABLES_OK);
	ck_assert_uint_eq(seen.stack_count, 1);
	ck_assert_uint_eq(seen.site_count, 1);
	ck_assert_uint_eq(seen.threads, 1);
	ck_assert_uint_gt(seen.skipped, 0);
	ck_assert(site(x)->live_objects == 1);
}
END_TEST

START_TEST(ids_that_point_nowhere_are_not_followed)
{
	uint32_t a = add_stack(0, 1, 1), b = add_stack(1, 1, 2), x = add_site(a, 100, 9);

	((struct oh_stack *)at(b))->depth = UINT32_MAX;
	((struct oh_stack *)at(a))->next = UINT32_MAX;
	((struct oh_site *)at(x))->next = (uint32_t)(ARENA_BYTES / 16) - 1;
	((struct oh_thread_table *)at(it.root.threads))->head = UINT32_MAX;
	bucket(0)->overflow = UINT32_MAX;
	live()->level_count = UINT32_MAX;
	live()->level[1] = UINT32_MAX;
	((uint32_t *)at(it.root.modules))[0] = UINT32_MAX;
	put_block(bucket(1), 0, UINT32_MAX, 100, 1);
	ck_assert_int_eq(look(), OH_TABLES_OK);
	ck_assert_uint_eq(seen.stack_count, 1);
	struct oh_seen_module m;
	oh_tables_module(&seen, 0, &m);
	ck_assert_str_eq(m.path, "");
	it.root.live = it.root.stacks = it.root.modules = it.root.threads = UINT32_MAX;
	ck_assert_int_eq(look(), OH_TABLES_OK);
	ck_assert_uint_eq(seen.stack_count, 0);
}
END_TEST

static uint64_t random_state;

static uint32_t
random_word(void)
{
	random_state = random_state * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (uint32_t)(random_state >> 33);
}

/* Any words anywhere: it ends, and what it gathers fits in the arena.  (ASan sees the rest.) */
START_TEST(any_memory_ends)
{
	static const uint32_t nasty[] = { 0, 1, 2, 15, 0x7fffffff, 0x80000000, UINT32_MAX };
	struct oh_error err = { "" };
	struct oh_watch w;

	random_state = (uint64_t)_i + 1;
	for (unsigned i = 0; i < 40; i++)
		for (unsigned k = 0; k < 3; k++) {
			uint32_t x =
			    add_site(add_stack(i % 7, 1 + k, 0x400000 + i), 16 * k + 8, 50);
			put_block(bucket(i), k, x, 16 * k + 8, 1);
		}
	add_module(0, "/nowhere/app");
	add_thread(0, 5000, 7);
	const size_t used = (size_t)it.root.arena_used;
	oh_watch_init(&w);
	w.no_symbols = true;
	for (unsigned round = 0; round < 30; round++) {
		for (unsigned n = random_word() % 20; n > 0; n--) {
			size_t words = used / 4;
			uint32_t *word = (uint32_t *)it.arena + random_word() % words;
			switch (random_word() % 3) {
			case 0:
				*word = nasty[random_word() % OH_ARRAY_LEN(nasty)];
				break;
			case 1:
				*word = random_word() % (uint32_t)(used / 16);
				break;
			default:
				*word = random_word();
			}
		}
		if (round % 10 == 9)
			((uint32_t *)&it.root)[random_word() % (sizeof(it.root) / 4)] =
			    random_word();
		if (look() != OH_TABLES_OK)
			continue;
		ck_assert_uint_le(seen.stack_count, ARENA_BYTES / sizeof(struct oh_stack));
		ck_assert_uint_le(seen.site_count, ARENA_BYTES / sizeof(struct oh_site));
		ck_assert_uint_le(seen.frame_count, ARENA_BYTES / sizeof(oh_frame));
		if (!oh_watch_add(&w, &seen, &err))
			oh_watch_reset(&w);
	}
	oh_watch_free(&w);
}
END_TEST

/* ---- one look after the other ------------------------------------------------------------------
 */

static void
look_at(struct oh_watch *w, double seconds)
{
	struct oh_error err = { "" };

	ck_assert_int_eq(look(), OH_TABLES_OK);
	seen.time_ns = (int64_t)(seconds * 1e9);
	ck_assert(oh_watch_add(w, &seen, &err));
}

START_TEST(growth_and_rate_are_over_their_windows)
{
	uint32_t a = add_stack(0, 2, 0x400100), x = add_site(a, 100, 10);
	struct oh_watch w;

	add_module(0, "/nowhere/app");
	add_thread(0, 5000, 7);
	oh_watch_init(&w);
	w.no_symbols = true;
	put_block(bucket(0), 0, x, 100, 10);
	look_at(&w, 100);
	ck_assert(w.growth_s == 0 && w.rate_s == 0);
	ck_assert(w.sum.live_bytes == 1000 && w.sum.blocks == 10);

	/* 30 s later: 5 more, of which 2 stay. */
	set_sums(x, 15, 1500);
	put_block(bucket(0), 0, x, 100, 12);
	it.threads[0].bytes_base += 3000;
	look_at(&w, 130);
	ck_assert(w.growth_s == 30 && w.rate_s == 30);
	ck_assert(w.sum.grown_bytes == 200 && w.sum.alloc_bytes == 500 && w.sum.alloc_blocks == 5);
	ck_assert(w.total_bytes_rate == 100);
	ck_assert(w.row_count[OH_WATCH_STACKS] == 1 && w.row_count[OH_WATCH_FUNCTIONS] == 2);
	ck_assert(w.rows[OH_WATCH_FUNCTIONS][0].self.grown_bytes == 200);
	ck_assert(w.rows[OH_WATCH_FUNCTIONS][1].self.live_bytes == 0);
	ck_assert(w.rows[OH_WATCH_FUNCTIONS][1].cum.live_bytes == 1200);
	ck_assert_str_eq(oh_profile_string(w.p, w.rows[OH_WATCH_FUNCTIONS][0].name), "app+0xff");

	/* Long after that nothing has happened: the windows have moved on. */
	for (int s = 140; s <= 300; s += 10)
		look_at(&w, s);
	ck_assert(w.growth_s == 60 && w.rate_s == 10);
	ck_assert(w.sum.grown_bytes == 0 && w.sum.alloc_bytes == 0 && w.sum.live_bytes == 1200);
	oh_watch_free(&w);
}
END_TEST

START_TEST(errors_are_those_of_what_changed)
{
	/* size = interval: n blocks have the variance n * 0.5820 * size^2, see core/DESIGN.md. */
	const double unit = 0.5819767 * 100 * 100;
	uint32_t x = add_site(add_stack(0, 1, 1), 100, 20);
	struct oh_watch w;

	it.root.interval_bytes = 100;
	oh_watch_init(&w);
	w.no_symbols = true;
	put_block(bucket(0), 0, x, 100, 10);
	look_at(&w, 1);
	ck_assert_double_eq_tol(w.sum.live_variance, 10 * unit, 1e-3 * unit);
	/* 6 more allocated, 4 of them live: 2 died. */
	set_sums(x, 26, 2600);
	put_block(bucket(0), 0, x, 100, 14);
	look_at(&w, 2);
	ck_assert_double_eq_tol(w.sum.alloc_variance, 6 * unit, 1e-3 * unit);
	ck_assert_double_eq_tol(w.sum.grown_variance, (6 + 2) * unit, 1e-3 * unit);
	/* Many came and went: no more than all that was seen. */
	set_sums(x, 1026, 102600);
	look_at(&w, 3);
	ck_assert_double_eq_tol(w.sum.grown_variance, (14 + 10) * unit, 1e-3 * unit);
	oh_watch_free(&w);
}
END_TEST

START_TEST(a_program_that_makes_up_stacks_is_refused)
{
	struct oh_error err = { "" };
	struct oh_watch w;
	bool good = true;

	oh_watch_init(&w);
	w.no_symbols = true;
	/* Each look other stacks in the same memory. */
	for (unsigned i = 0; good && i < 200; i++) {
		struct oh_stack_table *t = at(it.root.stacks);
		uint32_t id = (uint32_t)(it.root.arena_used / 16) - 4096 + 2 * i;
		struct oh_stack *s = at(id);

		memset(t->bucket, 0, sizeof(t->bucket));
		memset(s, 0, sizeof(*s));
		s->depth = 900;
		t->bucket[0] = id;
		ck_assert_int_eq(look(), OH_TABLES_OK);
		good = oh_watch_add(&w, &seen, &err);
	}
	ck_assert(!good);
	oh_watch_free(&w);
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_note_leads_to_the_root);
	tcase_add_test(tc, without_the_note_there_are_no_tables);
	tcase_add_test(tc, another_version_is_refused);
	tcase_add_test(tc, what_the_kernel_says_is_told);
	tcase_add_test(tc, everything_is_there);
	tcase_add_test(tc, no_more_lives_than_was_allocated);
	tcase_add_test(tc, what_is_not_committed_is_not_read);
	tcase_add_test(tc, a_record_that_changes_is_not_taken);
	tcase_add_test(tc, weights_that_cannot_be_are_not_taken);
	tcase_add_test(tc, a_thread_in_the_middle_is_asked_again);
	tcase_add_test(tc, a_thread_that_is_nowhere_is_told);
	tcase_add_test(tc, cycles_end);
	tcase_add_test(tc, ids_that_point_nowhere_are_not_followed);
	tcase_add_loop_test(tc, any_memory_ends, 0, 20);
	tcase_add_test(tc, growth_and_rate_are_over_their_windows);
	tcase_add_test(tc, errors_are_those_of_what_changed);
	tcase_add_test(tc, a_program_that_makes_up_stacks_is_refused);
}

int
main(void)
{
	return unit_run("tables", add);
}
