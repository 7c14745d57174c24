/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_snapshot.c - what leaves core/ is whole and consistent.
 */
#include "unit.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "core/snapshot.h"

static struct oh_scratch scratch;
static struct oh_snapshot snap;

static void
setup(void)
{
	memset(&scratch, 0, sizeof(scratch));
}

static void
teardown(void)
{
	oh_scratch_release(&scratch);
}

static void *
block(uint64_t i)
{
	return (void *)(uintptr_t)(0x7000000000 + i * 64);
}

/* One stack for all callers of this function, whatever they allocate. */
static OH_NOINLINE void
record(struct oh_thread *t, uint64_t i, size_t n)
{
	struct oh_regs regs = unit_caller_regs();

	oh_profiler_record(t, block(i), n, &regs);
}

static OH_NOINLINE void
site_a(uint64_t i, size_t n)
{
	record(&oh_self, i, n);
	__asm__ volatile("");
}

static OH_NOINLINE void
site_b(uint64_t i, size_t n)
{
	record(&oh_self, i, n);
	__asm__ volatile("");
}

static const struct oh_snap_site *
site_of(void (*fn)(uint64_t, size_t), double bytes_each)
{
	uintptr_t start = (uintptr_t)fn, end = start + 64;
	uintptr_t other = fn == site_a ? (uintptr_t)site_b : (uintptr_t)site_a;

	if (other > start && other < end)
		end = other;
	for (uint32_t i = 0; i < snap.site_count; i++) {
		const struct oh_snap_site *s = &snap.sites[i];
		uintptr_t pc = (uintptr_t)oh_frame_pc(s->frames[0]);
		if (pc > start && pc < end && s->alloc_bytes == bytes_each * s->alloc_objects)
			return s;
	}
	return NULL;
}

START_TEST(an_empty_profile_is_a_snapshot)
{
	unit_profiler(1, 1);
	ck_assert_int_eq(oh_snapshot_take(&snap, &scratch, NULL), 0);
	ck_assert_uint_eq(snap.site_count, 0);
	ck_assert_uint_eq(snap.interval_bytes, 1);
	ck_assert_uint_eq(snap.total_alloc_bytes, 0);
	ck_assert_uint_eq(snap.samples_live, 0);
	ck_assert_uint_ge(snap.module_count, 1);
	ck_assert_str_eq(snap.program, "test_snapshot");
	ck_assert_int_eq(snap.pid, getpid());
	ck_assert_str_eq(snap.thread_names[0], "");
	ck_assert_uint_gt(snap.own_memory_bytes, 0);
	ck_assert_int_ge(snap.duration_ns, 0);
	ck_assert_int_lt(llabs(snap.time_ns / 1000000000 - time(NULL)), 10);
}
END_TEST

START_TEST(exact_counts_by_stack_and_size)
{
	unit_profiler(1, 1);
	for (uint64_t i = 0; i < 30; i++)
		site_a(i, 100);
	for (uint64_t i = 30; i < 40; i++)
		site_a(i, 8);
	for (uint64_t i = 40; i < 45; i++)
		site_b(i, 100);
	for (uint64_t i = 0; i < 20; i++)
		ck_assert(oh_live_remove(block(i), NULL));
	ck_assert_int_eq(oh_snapshot_take(&snap, &scratch, NULL), 0);
	ck_assert_uint_eq(snap.samples_live, 25);
	const struct oh_snap_site *a = site_of(site_a, 100), *a8 = site_of(site_a, 8),
				  *b = site_of(site_b, 100);
	ck_assert(a != NULL && a8 != NULL && b != NULL);
	ck_assert(a->alloc_objects == 30 && a->alloc_bytes == 3000);
	ck_assert(a->live_objects == 10 && a->live_bytes == 1000);
	ck_assert_uint_eq(a->samples, 30);
	ck_assert(a8->alloc_objects == 10 && a8->live_objects == 10 && a8->live_bytes == 80);
	ck_assert(b->alloc_objects == 5 && b->live_objects == 5);
	ck_assert_mem_eq(a->frames, a8->frames, sizeof(oh_frame));
}
END_TEST

START_TEST(every_frame_names_a_module_that_holds_it)
{
	unit_profiler(1, 1);
	site_a(1, 1);
	site_b(2, 1);
	ck_assert_int_eq(oh_snapshot_take(&snap, &scratch, NULL), 0);
	for (uint32_t i = 0; i < snap.site_count; i++) {
		ck_assert_uint_ge(snap.sites[i].depth, 4);
		for (uint32_t k = 0; k < snap.sites[i].depth; k++) {
			unsigned id = oh_frame_module(snap.sites[i].frames[k]);
			uint64_t pc = oh_frame_pc(snap.sites[i].frames[k]);
			ck_assert_uint_ge(id, 1);
			ck_assert_uint_le(id, snap.module_count);
			ck_assert_uint_gt(pc, snap.modules[id - 1].start);
			ck_assert_uint_le(pc, snap.modules[id - 1].limit);
			ck_assert_ptr_nonnull(snap.modules[id - 1].path);
			ck_assert_int_eq(snap.modules[id - 1].path[0], '/');
		}
	}
	ck_assert_ptr_nonnull(strstr(snap.modules[0].path, "test_snapshot"));
}
END_TEST

/* An index that was reserved by the loser of a race stays without a site. */
START_TEST(gaps_between_sites_are_closed)
{
	oh_frame f = oh_frame_make(0x1000, 0);

	unit_profiler(1, 1);
	site_a(1, 1);
	/* Sites that nothing was added to. */
	uint32_t st = oh_stacks_intern(&f, 1);
	for (uint64_t n = 0; n < 10; n++)
		ck_assert_uint_ne(oh_sites_get(st, n, 0), 0);
	site_b(2, 2);
	ck_assert_uint_eq(oh_sites_count(), 12);
	ck_assert_int_eq(oh_snapshot_take(&snap, &scratch, NULL), 0);
	ck_assert_uint_eq(snap.site_count, 2);
	for (uint32_t i = 0; i < 2; i++)
		ck_assert(snap.sites[i].samples == 1 && snap.sites[i].live_objects == 1);
}
END_TEST

/*
 * In a site for many sizes the weights differ, and the live ones are added up
 * in another order than the allocated ones were.
 */
START_TEST(live_never_exceeds_allocated_not_even_by_rounding)
{
	uint64_t rng = 1;

	unit_profiler(524288, 1);
	for (uint64_t i = 0; i < 30000; i++)
		site_a(i, 1 + oh_rng_next(&rng) % 5000);
	ck_assert_int_eq(oh_snapshot_take(&snap, &scratch, NULL), 0);
	ck_assert_uint_eq(snap.samples_live, 30000);
	ck_assert_uint_gt(snap.site_count, OH_SITE_SIZES);
	for (uint32_t i = 0; i < snap.site_count; i++) {
		const struct oh_snap_site *s = &snap.sites[i];
		UNIT_CHECK(s->live_objects <= s->alloc_objects);
		UNIT_CHECK(s->live_bytes <= s->alloc_bytes);
		UNIT_CHECK(s->live_bytes > s->alloc_bytes * (1 - 1e-9));
	}
}
END_TEST

/* Live blocks by class, with sums and ages of their own. */
START_TEST(classes_and_ages)
{
	struct oh_live_record rec;
	struct oh_reach_block blocks[12];
	uint8_t leak[12] = { OH_LEAK_LOST, OH_LEAK_LOST, OH_LEAK_INDIRECT, OH_LEAK_NONE };
	struct oh_reach reach = { .blocks = blocks, .leak = leak, .count = 12 };

	unit_profiler(1, 1);
	for (uint64_t i = 0; i < 12; i++) {
		site_a(i, 100);
		ck_assert(oh_live_remove(block(i), &rec));
		rec.birth_cs -= (uint32_t)(100 * (i + 1)); /* seconds ago */
		oh_profiler_restore(block(i), &rec);
		blocks[i] = (struct oh_reach_block){
			.start = (uintptr_t)block(i), .site = rec.site, .birth_cs = rec.birth_cs
		};
	}
	/* Another block came to the address of this one. */
	leak[11] = OH_LEAK_LOST;
	blocks[11].birth_cs++;
	reach.result.asked = reach.result.made = true;
	ck_assert_int_eq(oh_snapshot_take(&snap, &scratch, &reach), 0);
	ck_assert(snap.leaks.made);
	ck_assert_uint_eq(snap.site_count, 1);
	const struct oh_snap_site *s = &snap.sites[0];
	ck_assert(s->live_objects == 12 && s->live_bytes == 1200);
	ck_assert_uint_eq(s->live_count, 3);
	static const struct {
		enum oh_leak leak;
		double objects;
		unsigned ages, second[OH_SNAP_AGES];
	} want[] = {
		{ OH_LEAK_NONE, 9, 5, { 4, 6, 8, 10, 12 } },
		{ OH_LEAK_LOST, 2, 2, { 1, 2 } },
		{ OH_LEAK_INDIRECT, 1, 1, { 3 } },
	};
	for (size_t k = 0; k < OH_ARRAY_LEN(want); k++) {
		const struct oh_snap_live *l = &s->live[k];
		ck_assert_uint_eq(l->leak, want[k].leak);
		ck_assert(l->objects == want[k].objects && l->bytes == 100 * want[k].objects);
		ck_assert_uint_eq(l->ages, want[k].ages);
		for (unsigned i = 0; i < l->ages; i++) {
			ck_assert_uint_ge(l->age_ms[i], 1000 * want[k].second[i]);
			/* The test itself may be slow. */
			ck_assert_uint_lt(l->age_ms[i], 1000 * want[k].second[i] + 60000);
			ck_assert(i == 0 || l->age_ms[i] >= l->age_ms[i - 1] + 1000);
		}
	}
	oh_scratch_release(&scratch);
	/* Without a check all is of one class. */
	ck_assert_int_eq(oh_snapshot_take(&snap, &scratch, NULL), 0);
	ck_assert(!snap.leaks.asked);
	ck_assert_uint_eq(snap.sites[0].live_count, 1);
	ck_assert_uint_eq(snap.sites[0].live[0].leak, OH_LEAK_NONE);
	ck_assert(snap.sites[0].live[0].objects == 12);
}
END_TEST

START_TEST(how_long_freed_blocks_lived)
{
	/* Seconds; the bins begin at 40 ms and double: 1 s is in that of 640 ms. */
	static const struct {
		uint32_t s;
		unsigned bin;
	} want[] = { { 1, 4 }, { 3, 6 }, { 3000, 16 } };
	struct oh_live_record rec;

	unit_profiler(1, 1);
	for (uint64_t i = 0; i < 5; i++)
		site_a(i, 100);
	for (uint64_t i = 0; i < 3; i++) {
		ck_assert(oh_live_remove(block(i), &rec));
		/* The test may be slow: far from the end of the bin. */
		rec.birth_cs -= 100 * want[i].s;
		errno = 4711;
		oh_profiler_freed(&rec);
		ck_assert_int_eq(errno, 4711);
	}
	/* Born by a clock that is ahead. */
	ck_assert(oh_live_remove(block(3), &rec));
	rec.birth_cs += 500;
	oh_profiler_freed(&rec);
	ck_assert_int_eq(oh_snapshot_take(&snap, &scratch, NULL), 0);
	ck_assert_uint_eq(snap.site_count, 1);
	for (unsigned bin = 0; bin < OH_SNAP_LIVES; bin++) {
		uint32_t n = 0;
		for (size_t i = 0; i < OH_ARRAY_LEN(want); i++)
			n += want[i].bin == bin;
		ck_assert_uint_eq(oh_snap_freed(&snap.sites[0], bin), n);
	}
	ck_assert_uint_eq(oh_drops[OH_DROP_MEMORY_FULL], 0);
}
END_TEST

/* A block born after the clock was read is not four years old. */
START_TEST(no_age_is_negative)
{
	struct oh_live_record rec;

	unit_profiler(1, 1);
	site_a(1, 100);
	ck_assert(oh_live_remove(block(1), &rec));
	rec.birth_cs += 500;
	oh_profiler_restore(block(1), &rec);
	ck_assert_int_eq(oh_snapshot_take(&snap, &scratch, NULL), 0);
	ck_assert_uint_eq(snap.sites[0].live[0].ages, 1);
	ck_assert_uint_eq(snap.sites[0].live[0].age_ms[0], 0);
}
END_TEST

START_TEST(without_memory_it_is_enomem_and_nothing_is_touched)
{
	unit_profiler(1, 1);
	site_a(1, 1);
	memset(&snap, 0x55, sizeof(snap));
	struct oh_snapshot before = snap;
	for (uint64_t n = 1; n < 10; n++) {
		oh_sys_fail_at(n);
		int err = oh_snapshot_take(&snap, &scratch, NULL);
		oh_sys_fail_at(0);
		oh_scratch_release(&scratch);
		if (err == 0) {
			ck_assert_uint_gt(n, 1);
			return;
		}
		ck_assert_int_eq(err, -ENOMEM);
		ck_assert_mem_eq(&snap, &before, sizeof(snap));
	}
	ck_abort_msg("never enough memory");
}
END_TEST

START_TEST(drops_and_totals_travel_along)
{
	unit_profiler(1, 1);
	(void)unit_decide(&oh_self, 1234);
	oh_drop(OH_DROP_DUMP_FAILED);
	oh_drop(OH_DROP_DUMP_FAILED);
	ck_assert_int_eq(oh_snapshot_take(&snap, &scratch, NULL), 0);
	ck_assert_uint_eq(snap.drops[OH_DROP_DUMP_FAILED], 2);
	ck_assert_uint_eq(snap.total_alloc_bytes, 1234);
	ck_assert_uint_eq(snap.total_alloc_calls, 1);
	for (unsigned i = 0; i < OH_DROP_COUNT; i++)
		ck_assert_uint_gt(strlen(oh_drop_names[i]), 3);
}
END_TEST

/* ---- threads that allocate and free while snapshots are taken --------------------- */

#define THREADS 3

static uint32_t stop; /* relaxed */

static void *
come_and_go(void *arg)
{
	uint64_t first = (uintptr_t)arg * 100000, rng = first + 1;
	bool in[500] = { false };

	while (!oh_load_relaxed(&stop)) {
		uint64_t i = oh_rng_next(&rng) % OH_ARRAY_LEN(in);
		if (in[i])
			(void)oh_live_remove(block(first + i), NULL);
		else if (unit_decide(&oh_self, 1 + i % 40))
			record(&oh_self, first + i, 1 + i % 40);
		in[i] = !in[i];
	}
	return NULL;
}

START_TEST(no_snapshot_shows_more_live_than_allocated)
{
	pthread_t t[THREADS];
	uint64_t last = 0, bad = 0;

	unit_profiler(1, 1);
	oh_store_relaxed(&stop, 0);
	for (uintptr_t i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, come_and_go, (void *)i), 0);
	/* At least 100, and until the threads have got somewhere. */
	for (int k = 0; k < 100 || last < 1000; k++) {
		ck_assert_int_eq(oh_snapshot_take(&snap, &scratch, NULL), 0);
		uint64_t allocated = 0;
		for (uint32_t i = 0; i < snap.site_count; i++) {
			const struct oh_snap_site *s = &snap.sites[i];
			bad += s->live_objects > s->alloc_objects || s->live_bytes > s->alloc_bytes;
			bad += s->live_objects < 0 || s->depth == 0 || s->samples == 0;
			allocated += s->samples;
		}
		bad += allocated < last || snap.total_alloc_calls < allocated;
		last = allocated;
		oh_scratch_release(&scratch);
	}
	oh_store_relaxed(&stop, 1);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	ck_assert_uint_eq(bad, 0);
	/* At rest all agree. */
	ck_assert_int_eq(oh_snapshot_take(&snap, &scratch, NULL), 0);
	double live = 0, samples = 0;
	for (uint32_t i = 0; i < snap.site_count; i++) {
		live += snap.sites[i].live_objects;
		samples += (double)snap.sites[i].samples;
	}
	ck_assert(live == (double)snap.samples_live);
	ck_assert(samples == (double)snap.total_alloc_calls);
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, an_empty_profile_is_a_snapshot);
	tcase_add_test(tc, exact_counts_by_stack_and_size);
	tcase_add_test(tc, every_frame_names_a_module_that_holds_it);
	tcase_add_test(tc, gaps_between_sites_are_closed);
	tcase_add_test(tc, live_never_exceeds_allocated_not_even_by_rounding);
	tcase_add_test(tc, classes_and_ages);
	tcase_add_test(tc, how_long_freed_blocks_lived);
	tcase_add_test(tc, no_age_is_negative);
	tcase_add_test(tc, without_memory_it_is_enomem_and_nothing_is_touched);
	tcase_add_test(tc, drops_and_totals_travel_along);
	tcase_add_test(tc, no_snapshot_shows_more_live_than_allocated);
}

int
main(void)
{
	return unit_run("snapshot", add);
}
