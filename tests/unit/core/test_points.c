/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_points.c - what follows from where words point.
 */
#include "unit.h"

#include "core/points.h"
#include "core/sort.h"

#define BLOCKS 64
#define WORDS 32u /* of a block */

static uint64_t memory[BLOCKS][WORDS + 8] __attribute__((aligned(64)));
static struct oh_reach_block blocks[BLOCKS];
static uint8_t marks[BLOCKS], leak[BLOCKS];
static uint32_t todo[BLOCKS];
static uint64_t filter[OH_POINTS_FILTER_WORDS], room[2 * BLOCKS];
static struct oh_points p;
static unsigned looked[BLOCKS];

static void
look_inside(struct oh_points *q, uint32_t i, void *arg)
{
	looked[i]++;
	ck_assert_ptr_eq(arg, memory);
	oh_points_scan(q, memory[i], memory[i] + WORDS);
}

static uint64_t
at(uint32_t i)
{
	return (uintptr_t)memory[i];
}

/* `n` empty blocks of 256 bytes with a gap behind each. */
static void
make(uint32_t n)
{
	memset(memory, 0, sizeof(memory));
	memset(marks, 0, sizeof(marks));
	memset(filter, 0, sizeof(filter));
	memset(looked, 0, sizeof(looked));
	for (uint32_t i = 0; i < n; i++)
		blocks[i] = (struct oh_reach_block){
			.start = at(i), .end = at(i) + 8 * WORDS, .stack = 1 + i, .chance = 1
		};
	p = (struct oh_points){ .blocks = blocks,
		.count = n,
		.marks = marks,
		.leak = leak,
		.todo = todo,
		.filter = filter,
		.contents = look_inside,
		.arg = memory };
	oh_points_init(&p);
}

static void
root(uint64_t word)
{
	oh_points_scan(&p, &word, &word + 1);
}

START_TEST(nothing_points_anywhere)
{
	make(3);
	root(0);
	root(UINT64_MAX);
	root(at(0) - 1);
	root(at(1) - 8);
	root(at(2) + 8 * WORDS + 1);
	oh_points_settle(&p);
	for (uint32_t i = 0; i < 3; i++) {
		ck_assert_uint_eq(leak[i], OH_LEAK_LOST);
		ck_assert_uint_eq(looked[i], 2); /* for what it may lead, in two turns */
	}
}
END_TEST

START_TEST(no_blocks_at_all)
{
	make(0);
	root(at(0));
	root(0);
	oh_points_settle(&p);
	ck_assert_uint_eq(oh_points_doubt(&p, 5, room), 0);
}
END_TEST

START_TEST(start_tags_inside_and_behind)
{
	static const struct {
		uint64_t offset, tag;
		uint8_t leak;
	} t[] = {
		{ 0, 0, OH_LEAK_NONE },
		{ 7, 0, OH_LEAK_NONE },
		{ 0, 0x1ffff, OH_LEAK_NONE },
		{ 1, 0x7ff8 << 1, OH_LEAK_NONE },
		{ 3, 1, OH_LEAK_NONE },
		{ 8, 0, OH_LEAK_INTERIOR },
		{ 8 * WORDS - 1, 0, OH_LEAK_INTERIOR },
		{ 8 * WORDS, 0, OH_LEAK_INTERIOR },
		{ 8 * WORDS + 1, 0, OH_LEAK_LOST },
		{ 100, 1, OH_LEAK_INTERIOR },
	};

	for (size_t k = 0; k < OH_ARRAY_LEN(t); k++) {
		make(5);
		root((at(2) + t[k].offset) | t[k].tag << 47);
		oh_points_settle(&p);
		for (uint32_t i = 0; i < 5; i++)
			ck_assert_uint_eq(leak[i], i == 2 ? t[k].leak : OH_LEAK_LOST);
	}
	/* A pointer to the start is worth more, whichever came first. */
	make(1);
	root(at(0) + 50);
	root(at(0));
	root(at(0) + 60);
	oh_points_settle(&p);
	ck_assert_uint_eq(leak[0], OH_LEAK_NONE);
}
END_TEST

static uint8_t answer;

static uint8_t
look_closer(const struct oh_reach_block *b, uintptr_t to, const uint64_t *word, void *arg)
{
	ck_assert_ptr_eq(b, &blocks[1]);
	ck_assert_uint_eq(to, at(1) + 16);
	ck_assert_uint_eq(*word & ~(UINT64_C(0x1ffff) << 47), to);
	ck_assert_ptr_eq(arg, memory);
	return answer;
}

/* What a word means that points into a block is for the caller to say. */
START_TEST(inside_is_asked_about)
{
	static const uint8_t answers[] = { 0, OH_POINTS_INTERIOR, OH_POINTS_START };
	static const uint8_t want[] = { OH_LEAK_LOST, OH_LEAK_INTERIOR, OH_LEAK_NONE };

	for (size_t k = 0; k < OH_ARRAY_LEN(answers); k++) {
		make(3);
		p.inside = look_closer;
		answer = answers[k];
		root(at(2) + 7); /* a start: not asked */
		root((at(1) + 16) | UINT64_C(5) << 48);
		oh_points_settle(&p);
		ck_assert_uint_eq(leak[0], OH_LEAK_LOST);
		ck_assert_uint_eq(leak[1], want[k]);
		ck_assert_uint_eq(leak[2], OH_LEAK_NONE);
	}
}
END_TEST

/* Where an address needs the bits that are ignored, nothing can be told. */
START_TEST(above_47_bits_nothing_is_lost)
{
	for (uint32_t i = 0; i < 2; i++) {
		make(3);
		blocks[2].start = (UINT64_C(1) << 47) - 64 + 64 * i;
		blocks[2].end = blocks[2].start + 64 + i;
		oh_points_init(&p);
		oh_points_settle(&p);
		ck_assert_uint_eq(leak[0], OH_LEAK_LOST);
		ck_assert_uint_eq(leak[2], OH_LEAK_NONE);
	}
}
END_TEST

/* The start of one block may be right behind another. */
START_TEST(right_behind_one_is_the_start_of_the_next)
{
	make(2);
	blocks[0].end = blocks[1].start;
	root(at(1));
	oh_points_settle(&p);
	ck_assert_uint_eq(leak[0], OH_LEAK_LOST);
	ck_assert_uint_eq(leak[1], OH_LEAK_NONE);
}
END_TEST

START_TEST(what_is_reached_reaches)
{
	make(6);
	memory[0][3] = at(1);
	memory[1][31] = at(2);
	memory[2][0] = at(0);
	memory[2][5] = at(3) + 80;
	memory[4][1] = at(5);
	root(at(0));
	oh_points_settle(&p);
	static const uint8_t want[] = { OH_LEAK_NONE, OH_LEAK_NONE, OH_LEAK_NONE, OH_LEAK_INTERIOR,
		OH_LEAK_LOST, OH_LEAK_INDIRECT };
	ck_assert_mem_eq(leak, want, sizeof(want));
	for (uint32_t i = 0; i < 4; i++)
		ck_assert_uint_eq(looked[i], 1);
}
END_TEST

START_TEST(a_ring_has_one_leader)
{
	make(10);
	for (uint32_t i = 0; i < 4; i++)
		memory[i][2] = at((i + 1) % 4);
	/* Reached from a later block: that one leads, and the ring joins it. */
	for (uint32_t i = 4; i < 8; i++)
		memory[i][2] = at(4 + (i + 1) % 4);
	memory[9][0] = at(6);
	memory[8][0] = at(8); /* only itself */
	oh_points_settle(&p);
	static const uint8_t want[] = { OH_LEAK_LOST, OH_LEAK_INDIRECT, OH_LEAK_INDIRECT,
		OH_LEAK_INDIRECT, OH_LEAK_INDIRECT, OH_LEAK_INDIRECT, OH_LEAK_INDIRECT,
		OH_LEAK_INDIRECT, OH_LEAK_LOST, OH_LEAK_LOST };
	ck_assert_mem_eq(leak, want, sizeof(want));
}
END_TEST

START_TEST(blocks_that_overlap_are_not_lost)
{
	make(4);
	blocks[1].end = blocks[2].start + 8;
	oh_points_init(&p);
	oh_points_settle(&p);
	static const uint8_t want[] = { OH_LEAK_LOST, OH_LEAK_NONE, OH_LEAK_NONE, OH_LEAK_LOST };
	ck_assert_mem_eq(leak, want, sizeof(want));
}
END_TEST

START_TEST(what_is_looked_at_elsewhere_is_not_looked_into)
{
	make(3);
	marks[0] = OH_POINTS_ELSEWHERE;
	memory[0][0] = at(1);
	root(at(0));
	oh_points_settle(&p);
	ck_assert_uint_eq(looked[0], 0);
	ck_assert_uint_eq(leak[1], OH_LEAK_LOST);
}
END_TEST

/* A block larger than all that the filter can tell apart. */
START_TEST(huge_blocks)
{
	make(2);
	blocks[0].start = (uintptr_t)1 << 40;
	blocks[0].end = (uintptr_t)1 << 41;
	memset(filter, 0, sizeof(filter));
	oh_points_init(&p);
	root(((uintptr_t)1 << 40) + ((uintptr_t)1 << 39) + 12345);
	ck_assert_uint_eq(marks[0], OH_POINTS_INTERIOR);
	ck_assert_uint_eq(marks[1], 0);
}
END_TEST

START_TEST(as_many_as_registers_explain_are_doubted)
{
	static const struct {
		uint32_t threads, lost;
		float chance;
		bool doubted;
	} t[] = {
		{ 1, 1, 1, true },
		{ 1, 2, 1, false },
		{ 5, 5, 1, true },
		{ 5, 6, 1, false },
		{ 5, 1, 0.0001f, false }, /* 5 * 0.0001 = 0.0005 */
		{ 20, 1, 0.0001f, true }, /* 0.002 */
		{ 20, 2, 0.0001f, false },
		{ 4, 2, 0.02f, true },  /* 6 * 0.0004 = 0.0024 */
		{ 4, 3, 0.02f, false }, /* 4 * 0.000008 */
		{ 1000, 30, 0.5f, true },
	};

	for (size_t k = 0; k < OH_ARRAY_LEN(t); k++) {
		make(40);
		for (uint32_t i = 0; i < 40; i++) {
			blocks[i].chance = t[k].chance;
			blocks[i].stack = i < t[k].lost ? 7 : 8;
			if (i >= t[k].lost)
				marks[i] = OH_POINTS_START;
		}
		oh_points_settle(&p);
		ck_assert_uint_eq(
		    oh_points_doubt(&p, t[k].threads, room), t[k].doubted ? t[k].lost : 0);
		for (uint32_t i = 0; i < t[k].lost; i++)
			ck_assert_uint_eq(leak[i], t[k].doubted ? OH_LEAK_NONE : OH_LEAK_LOST);
	}
}
END_TEST

/* Whoever is held by a register holds what it points to. */
START_TEST(doubt_goes_on_to_what_hangs_on_it)
{
	make(5);
	memory[0][1] = at(1);
	memory[1][1] = at(2);
	blocks[3].stack = blocks[4].stack = 99;
	oh_points_settle(&p);
	ck_assert_uint_eq(leak[2], OH_LEAK_INDIRECT);
	ck_assert_uint_eq(oh_points_doubt(&p, 1, room), 1);
	static const uint8_t want[] = { OH_LEAK_NONE, OH_LEAK_NONE, OH_LEAK_NONE, OH_LEAK_LOST,
		OH_LEAK_LOST };
	ck_assert_mem_eq(leak, want, sizeof(want));
}
END_TEST

/* Against what is obvious, at random: reachability in a small graph. */
START_TEST(any_graph)
{
	uint64_t rng = 1;

	for (int round = 0; round < 200; round++) {
		bool edge[BLOCKS][BLOCKS] = { { 0 } }, reached[BLOCKS] = { 0 };
		make(BLOCKS);
		for (int k = 0; k < 60; k++) {
			uint32_t from = (uint32_t)(oh_rng_next(&rng) % BLOCKS),
				 to = (uint32_t)(oh_rng_next(&rng) % BLOCKS);
			edge[from][to] = true;
			memory[from][k % (int)WORDS] = at(to);
			/* What was there is not any more. */
			for (uint32_t i = 0; i < BLOCKS; i++) {
				edge[from][i] = false;
				for (uint32_t w = 0; w < WORDS; w++)
					edge[from][i] |= memory[from][w] == at(i);
			}
		}
		for (int k = 0; k < 5; k++) {
			uint32_t i = (uint32_t)(oh_rng_next(&rng) % BLOCKS);
			root(at(i));
			reached[i] = true;
		}
		for (uint32_t n = 0; n < BLOCKS; n++)
			for (uint32_t i = 0; i < BLOCKS; i++)
				for (uint32_t j = 0; j < BLOCKS; j++)
					reached[j] |= reached[i] && edge[i][j];
		static bool path[BLOCKS][BLOCKS];
		memcpy(path, edge, sizeof(path));
		for (uint32_t k = 0; k < BLOCKS; k++)
			for (uint32_t i = 0; i < BLOCKS; i++)
				for (uint32_t j = 0; j < BLOCKS; j++)
					path[i][j] |= path[i][k] && path[k][j];
		oh_points_settle(&p);
		for (uint32_t i = 0; i < BLOCKS; i++) {
			bool pointed = false;
			for (uint32_t j = 0; j < BLOCKS; j++)
				pointed |= j != i && edge[j][i];
			UNIT_CHECK((leak[i] == OH_LEAK_NONE) == reached[i]);
			/* No leader reaches another one. */
			for (uint32_t j = 0; leak[i] == OH_LEAK_LOST && j < BLOCKS; j++)
				UNIT_CHECK(j == i || !path[j][i] || leak[j] != OH_LEAK_LOST);
			/* Whom nobody points to leads; whom nobody leads, somebody points to. */
			if (!reached[i] && !pointed)
				UNIT_CHECK(leak[i] == OH_LEAK_LOST);
			if (leak[i] == OH_LEAK_INDIRECT)
				UNIT_CHECK(pointed);
		}
	}
}
END_TEST

START_TEST(sorting)
{
	static struct oh_sort_item a[3000];
	uint64_t rng = 7;

	for (size_t n = 0; n < OH_ARRAY_LEN(a); n += 1 + n / 3) {
		uint64_t sum = 0;
		for (size_t i = 0; i < n; i++) {
			a[i].key = oh_rng_next(&rng) % (n / 2 + 1);
			a[i].value = a[i].key * 3 + 1;
			sum += a[i].key;
		}
		oh_sort(a, n);
		for (size_t i = 0; i < n; i++) {
			UNIT_CHECK(i == 0 || a[i - 1].key <= a[i].key);
			UNIT_CHECK(a[i].value == a[i].key * 3 + 1);
			sum -= a[i].key;
		}
		ck_assert_uint_eq(sum, 0);
	}
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_test(tc, nothing_points_anywhere);
	tcase_add_test(tc, no_blocks_at_all);
	tcase_add_test(tc, start_tags_inside_and_behind);
	tcase_add_test(tc, inside_is_asked_about);
	tcase_add_test(tc, above_47_bits_nothing_is_lost);
	tcase_add_test(tc, right_behind_one_is_the_start_of_the_next);
	tcase_add_test(tc, what_is_reached_reaches);
	tcase_add_test(tc, a_ring_has_one_leader);
	tcase_add_test(tc, blocks_that_overlap_are_not_lost);
	tcase_add_test(tc, what_is_looked_at_elsewhere_is_not_looked_into);
	tcase_add_test(tc, huge_blocks);
	tcase_add_test(tc, as_many_as_registers_explain_are_doubted);
	tcase_add_test(tc, doubt_goes_on_to_what_hangs_on_it);
	tcase_add_test(tc, any_graph);
	tcase_add_test(tc, sorting);
}

int
main(void)
{
	return unit_run("points", add);
}
