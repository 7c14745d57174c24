/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_freed.c - does this word lie in memory that was freed?
 *
 * Asked about this very process, whose malloc is glibc's.
 */
#include "unit.h"

#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>

#include "core/freed.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1 /* they have a malloc of their own */
#else
#define SANITIZED 0
#endif

enum { MAPS = 4096, BLOCKS = 4000 };

static struct oh_map maps[MAPS];
static uint32_t map_count;
static struct oh_freed freed;
static char *blocks[BLOCKS];
static size_t usable[BLOCKS];
static bool gone[BLOCKS];

static bool
keep(const struct oh_map *m, void *arg)
{
	(void)arg;
	ck_assert_uint_lt(map_count, MAPS);
	maps[map_count++] = *m;
	return true;
}

static void
look(uintptr_t allocator)
{
	static char text[16 * 1024];
	int fd = open("/proc/self/smaps", O_RDONLY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	map_count = 0;
	ck_assert_int_eq(oh_maps_each(fd, text, sizeof(text), keep, NULL), 0);
	close(fd);
	oh_freed_find(&freed, allocator, maps, map_count);
}

/* Of block i, words that oh_freed_has() is said to have; all = -1. */
static int
words(int i)
{
	size_t n = usable[i] / 8, has = 0;

	for (size_t k = 0; k < n; k++)
		has += oh_freed_has(&freed, (uintptr_t)blocks[i] + 8 * k);
	return has == n ? -1 : (int)has;
}

/* Sizes of every kind; every block that is freed has live ones around. */
static void
fill(void)
{
	uint64_t r = 1;

	for (int i = 0; i < BLOCKS; i++) {
		r = r * 6364136223846793005u + 1442695040888963407u;
		size_t size = i % 3 == 0 ? r >> 57 : i % 3 == 1 ? r >> 54 : r >> 51;
		blocks[i] = i % 7 == 0 ? memalign(64, size) : malloc(size);
		ck_assert_ptr_nonnull(blocks[i]);
		usable[i] = malloc_usable_size(blocks[i]);
		memset(blocks[i], 0xff, usable[i]);
	}
}

static void
free_some(void)
{
	for (int i = 0; i < BLOCKS; i++) {
		gone[i] = i % 5 < 2;
		if (gone[i])
			free(blocks[i]);
	}
}

static void
free_rest(void)
{
	for (int i = 0; i < BLOCKS; i++)
		if (!gone[i])
			free(blocks[i]);
}

static void
judge(void)
{
	for (int i = 0; i < BLOCKS; i++)
		ck_assert_msg(words(i) == (gone[i] ? -1 : 0), "block %d of %zu bytes, %s: %d", i,
		    usable[i], gone[i] ? "freed" : "live", words(i));
}

START_TEST(freed_and_not)
{
	if (SANITIZED)
		return;
	fill();
	look((uintptr_t)malloc);
	for (int i = 0; i < BLOCKS; i++)
		ck_assert_int_eq(words(i), 0);
	free_some();
	look((uintptr_t)malloc);
	ck_assert_uint_ge(freed.count, 1);
	judge();
	/* In any order. */
	for (int i = BLOCKS - 1; i >= 0; i -= 3)
		ck_assert_int_eq(words(i), gone[i] ? -1 : 0);
	free_rest();
}
END_TEST

static void *
in_thread(void *arg)
{
	(void)arg;
	fill();
	free_some();
	/* A heap of its own: not the process's first. */
	ck_assert_uint_ne((uintptr_t)blocks[0] >> 26, (uintptr_t)maps >> 26);
	look((uintptr_t)malloc);
	ck_assert_uint_ge(freed.count, 2);
	judge();
	free_rest();
	return NULL;
}

START_TEST(in_an_arena_of_a_thread)
{
	pthread_t t;

	if (SANITIZED)
		return;
	ck_assert_int_eq(pthread_create(&t, NULL, in_thread, NULL), 0);
	ck_assert_int_eq(pthread_join(t, NULL), 0);
}
END_TEST

static void *
uses_its_cache(void *arg)
{
	void *p[7];

	(void)arg;
	for (int i = 0; i < 7; i++)
		p[i] = malloc(100);
	for (int i = 0; i < 7; i++)
		free(p[i]);
	return NULL;
}

/* What was in the cache of a thread that ended bears its mark when it is used again. */
START_TEST(an_old_mark_says_nothing)
{
	pthread_t t;

	if (SANITIZED)
		return;
	mallopt(M_ARENA_MAX, 1);
	for (int turn = 0; turn < 10; turn++) {
		ck_assert_int_eq(pthread_create(&t, NULL, uses_its_cache, NULL), 0);
		ck_assert_int_eq(pthread_join(t, NULL), 0);
		for (int i = 0; i < 20; i++) {
			blocks[i] = malloc(100);
			usable[i] = malloc_usable_size(blocks[i]);
		}
		look((uintptr_t)malloc);
		ck_assert_uint_ge(freed.count, 1);
		for (int i = 0; i < 20; i++)
			ck_assert_int_eq(words(i), 0);
	}
}
END_TEST

/* Nothing is free where one thing is not as it must be. */
START_TEST(nothing_if_in_doubt)
{
	static const uint64_t wrong[] = { 0, 1, 17, 0x28, 1u << 20 | 1, 3u << 20 | 3,
		~UINT64_C(0) };

	if (SANITIZED)
		return;
	fill();
	free_some();
	look((uintptr_t)malloc);
	uint32_t heaps = freed.count;
	ck_assert_uint_ge(heaps, 1);
	/* The size of a live block, and the flag of the one behind it. */
	uint64_t *head = (uint64_t *)(void *)(blocks[3] - 8), before = *head;
	for (size_t i = 0; i < OH_ARRAY_LEN(wrong); i++) {
		*head = wrong[i];
		look((uintptr_t)malloc);
		*head = before;
		ck_assert_msg(freed.count == heaps - 1, "%zu: %u heaps", i, freed.count);
		for (int k = 0; k < BLOCKS; k++)
			ck_assert_int_eq(words(k), 0);
	}
	/* Nor by the heaps of an allocator that is not this one. */
	static void (*const other)(void) = unit_fresh;
	look((uintptr_t)other);
	ck_assert_uint_eq(freed.count, 0);
	look(0);
	ck_assert_uint_eq(freed.count, 0);
	look((uintptr_t)malloc);
	ck_assert_uint_eq(freed.count, heaps);
	free_rest();
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_test(tc, freed_and_not);
	tcase_add_test(tc, in_an_arena_of_a_thread);
	tcase_add_test(tc, an_old_mark_says_nothing);
	tcase_add_test(tc, nothing_if_in_doubt);
}

int
main(void)
{
	return unit_run("freed", add);
}
