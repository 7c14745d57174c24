/* SPDX-License-Identifier: Apache-2.0 */
/*
 * freed.c - does this word lie in memory that glibc's malloc has taken back?
 *
 *	arena		a structure with the heads of the lists of free chunks.
 *			The main one lies in the C library's data; it is known
 *			by its 127 rings, of which each neighbour points back.
 *			The others hang on it, in a ring, too.
 *	heap		a run of chunks.  That of the main arena is the mapping
 *			with its last chunk, top.  The others begin at multiples
 *			of 64 MiB and name their arena and the heap before.
 *	chunk		begins with the size of the chunk before, if that is
 *			free, and its own with flags, 1 = the one before is used.
 *			What the program gets begins 16 bytes on and ends 8
 *			bytes behind the next chunk's begin.
 *
 * A heap counts only if its chunks, one by one, lead to its very end, and if
 * before each that says "the one before is free" there is one of that size.
 *
 * Free is
 *	- the last chunk of an arena,
 *	- a chunk of which the next one says so, in a ring of such,
 *	- what is on the arena's lists of small chunks (fast bins), and what is
 *	  in the caches of threads: these are marked as used.  A cache is a
 *	  chunk of a certain size with 64 lists, all as long as it says, all of
 *	  chunks of the right size that bear the same mark.  The mark alone
 *	  says nothing: it stays in what a thread that ended gave back, and so
 *	  in what is handed out again.
 *
 * A copy made in the middle of a call of malloc fails one of these tests, or
 * what it calls free is free: the lists and flags are changed before a block is
 * handed out, and when it is given back.  But pages are not copied all at once.
 * Another thread may be given a chunk of which the header was copied already,
 * and write to a page of it that was not: the scan must not rely on one answer.
 */
#include "core/freed.h"

#include <sys/mman.h>

#include "core/base.h"
#include "core/sys.h"

#define ALIGN 16u
#define BLOCK_AT 16u /* in a chunk */
#define SIZE_AT 8u
#define FLAGS 7u
#define BEFORE_IN_USE 1u
#define MAPPED 2u
#define SMALLEST 32u
#define PAGE ((uintptr_t)4096)

/* struct malloc_state */
#define FAST_AT 16u
#define FASTS 10u
#define TOP_AT 96u
#define BINS_AT 112u
#define BINS 127u
#define NEXT_AT 2160u
#define MEMORY_AT 2184u /* bytes of all its heaps */
#define ARENA_BYTES 2200u

/* heap_info */
#define HEAP_MAX ((uintptr_t)64 << 20)
#define HEAP_BEFORE_AT 8u
#define HEAP_SIZE_AT 16u
#define HEAP_HEAD_MAX 256u

/* tcache_perthread_struct: how many, of 2 bytes; then the lists */
#define CACHE_CHUNK 0x290u
#define CACHE_LISTS 64u
#define CACHE_LISTS_AT 128u

#define HEAPS_MAX 16384u
#define ARENAS_MAX 65536u
#define LIBRARY_MAPS 8u
#define MOST_CHUNKS ((uint64_t)1 << 30) /* in a list: then it is a ring */

/* The memory is the program's: no sanitizer has a say in it. */
static __attribute__((no_sanitize("address", "thread"))) uint64_t
get(uintptr_t at)
{
	return *(const volatile uint64_t *)at;
}

static __attribute__((no_sanitize("address", "thread"))) uint16_t
get_short(uintptr_t at)
{
	return *(const volatile uint16_t *)at;
}

static uint64_t
size_of(uintptr_t chunk)
{
	return get(chunk + SIZE_AT) & ~(uint64_t)FLAGS;
}

static bool
is_size(uint64_t size)
{
	return size >= SMALLEST && size % ALIGN == 0;
}

/* ---- what can be read ------------------------------------------------------------ */

static bool
is_readable(const struct oh_map *m)
{
	return m->read && m->write && !m->shared && !m->device && !m->wiped;
}

/* How far can be read from `at` on; `at` if nothing can. */
static uintptr_t
readable_to(const struct oh_freed *f, uintptr_t at)
{
	for (uint32_t i = oh_maps_find(f->maps, f->map_count, at); i < f->map_count; i++) {
		if (f->maps[i].start > at || !is_readable(&f->maps[i]))
			break;
		at = f->maps[i].limit;
	}
	return at;
}

static bool
can_read(const struct oh_freed *f, uintptr_t at, size_t bytes)
{
	return at % 8 == 0 && readable_to(f, at) - at >= bytes;
}

/* ---- chunks ------------------------------------------------------------------------ */

static void *
take(size_t bytes)
{
	long at =
	    oh_sys_map((bytes + PAGE - 1) & ~(PAGE - 1), PROT_READ | PROT_WRITE, MAP_NORESERVE);

	return oh_sys_failed(at) ? NULL : (void *)at;
}

static uint16_t *
first_of_page(const struct oh_freed_heap *h, uintptr_t at)
{
	return &h->first[at / PAGE - h->start / PAGE];
}

static bool
is_listed(const struct oh_freed_heap *h, uintptr_t chunk)
{
	uintptr_t bit = (chunk - h->start) / ALIGN;

	return (h->listed[bit / 64] >> (bit % 64) & 1) != 0;
}

/* Do both neighbours in the ring of free chunks point back? */
static bool
is_in_ring(const struct oh_freed *f, uintptr_t chunk)
{
	uintptr_t next_in = get(chunk + BLOCK_AT), before_in = get(chunk + BLOCK_AT + 8);

	return can_read(f, next_in, 32) && can_read(f, before_in, 32) &&
	       get(next_in + BLOCK_AT + 8) == chunk && get(before_in + BLOCK_AT) == chunk;
}

static bool
is_free(const struct oh_freed *f, const struct oh_freed_heap *h, uintptr_t chunk, uintptr_t next)
{
	if (chunk == h->top || is_listed(h, chunk))
		return true;
	return next + BLOCK_AT <= h->limit && (get(next + SIZE_AT) & BEFORE_IN_USE) == 0 &&
	       is_in_ring(f, chunk);
}

/* May a thread's cache begin here? */
static bool
is_like_cache(uintptr_t at)
{
	bool any = false;

	for (uint32_t i = 0; i < CACHE_LISTS; i++) {
		bool some = get_short(at + 2 * i) != 0;
		if (some != (get(at + CACHE_LISTS_AT + 8 * i) != 0))
			return false;
		any = any || some;
	}
	return any;
}

/* Do the chunks lead from h->start to h->limit?  Notes where pages' first ones are. */
static bool
walk(struct oh_freed *f, struct oh_freed_heap *h)
{
	uintptr_t before = 0;

	for (uintptr_t at = h->start;;) {
		if (h->limit - at < BLOCK_AT)
			return false;
		uint64_t head = get(at + SIZE_AT), size = head & ~(uint64_t)FLAGS;
		bool before_free = (head & BEFORE_IN_USE) == 0;
		if (before_free && (before == 0 || get(at) != at - before))
			return false;
		uint16_t *first = first_of_page(h, at);
		if (*first == 0)
			*first = (uint16_t)(at % PAGE / ALIGN + 1);
		if (at == h->top)
			return size == h->limit - at;
		/* What ends a heap that is full. */
		if (h->top == 0 && (size == 0 || size == ALIGN) && h->limit - at <= 48) {
			h->limit = at + BLOCK_AT;
			return true;
		}
		if (!is_size(size) || size >= h->limit - at || (head & MAPPED) != 0)
			return false;
		if (size == CACHE_CHUNK && f->cache_count < OH_FREED_CACHES_MAX &&
		    is_like_cache(at + BLOCK_AT))
			f->caches[f->cache_count++] = at + BLOCK_AT;
		before = at;
		at += size;
	}
}

static void
add_heap(struct oh_freed *f, uintptr_t start, uintptr_t limit, uintptr_t top)
{
	struct oh_freed_heap *h = &f->heaps[f->count];
	uint32_t caches = f->cache_count;

	if (f->count == HEAPS_MAX || start % ALIGN != 0 || start >= limit)
		return;
	if (readable_to(f, start) < limit)
		return;
	*h = (struct oh_freed_heap){ .start = start, .limit = limit, .top = top };
	h->first = take((limit / PAGE - start / PAGE + 1) * sizeof(*h->first));
	h->listed = take((limit - start) / ALIGN / 8 + 8);
	if (h->first != NULL && h->listed != NULL && walk(f, h))
		f->count++;
	else
		f->cache_count = caches;
}

/* The heap with `at`, or NULL. */
static const struct oh_freed_heap *
heap_with(struct oh_freed *f, uintptr_t at)
{
	uint32_t low = 0, high = f->count;

	if (f->at_heap < f->count && at >= f->heaps[f->at_heap].start &&
	    at < f->heaps[f->at_heap].limit)
		return &f->heaps[f->at_heap];
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		if (f->heaps[mid].limit <= at)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == f->count || f->heaps[low].start > at)
		return NULL;
	f->at_heap = low;
	return &f->heaps[low];
}

/* The chunk with `at`, from f->from to f->to; false = none. */
static bool
seek(struct oh_freed *f, uintptr_t at)
{
	if (at >= f->from && at < f->to)
		return true;
	const struct oh_freed_heap *h = heap_with(f, at);
	if (h == NULL)
		return false;
	uintptr_t chunk = f->from;
	if (chunk < h->start || chunk > at || at - chunk > PAGE) {
		uintptr_t page = at & ~(PAGE - 1);
		for (;; page -= PAGE) {
			uint16_t first = *first_of_page(h, page);
			chunk = page + (uintptr_t)(first - 1) * ALIGN;
			if (first != 0 && chunk <= at)
				break;
		}
	}
	for (;;) {
		uint64_t size = size_of(chunk);
		if (!is_size(size)) /* the end of a full heap */
			return false;
		if (at - chunk < size) {
			f->from = chunk;
			f->to = chunk + size;
			f->is_free = is_free(f, h, f->from, f->to);
			return true;
		}
		chunk += size;
	}
}

bool
oh_freed_has(struct oh_freed *f, uintptr_t word)
{
	/* A chunk's last 8 bytes are the next one's first. */
	return f->count > 0 && seek(f, word - 8) && f->is_free;
}

/* ---- lists --------------------------------------------------------------------------- */

/*
 * Does it say in a heap that it is a chunk of this size, marked as used?  Where
 * no chunk begins, nobody will ask for what is listed.
 */
static bool
is_chunk(struct oh_freed *f, uintptr_t chunk, uint64_t size)
{
	const struct oh_freed_heap *h = heap_with(f, chunk);

	return h != NULL && chunk % ALIGN == 0 && chunk != h->top &&
	       h->limit - chunk >= size + BLOCK_AT && size_of(chunk) == size &&
	       (get(chunk + size + SIZE_AT) & BEFORE_IN_USE) != 0;
}

/* True if it was not before. */
static bool
list(struct oh_freed *f, uintptr_t chunk)
{
	const struct oh_freed_heap *h = heap_with(f, chunk);

	if (h == NULL || is_listed(h, chunk))
		return false;
	uintptr_t bit = (chunk - h->start) / ALIGN;
	h->listed[bit / 64] |= (uint64_t)1 << (bit % 64);
	return true;
}

/* Pointers in lists are kept in a disguise that depends on where they stand. */
static uintptr_t
follow(uintptr_t at)
{
	return get(at) ^ at >> 12;
}

static void
list_fast(struct oh_freed *f, uintptr_t arena)
{
	for (uint32_t i = 0; i < FASTS; i++) {
		uintptr_t first = get(arena + FAST_AT + 8 * i), chunk = first;
		uint64_t size = SMALLEST + (uint64_t)ALIGN * i, left = MOST_CHUNKS;
		/* What was handed out meanwhile most often leads astray. */
		while (chunk != 0 && left-- > 0 && is_chunk(f, chunk, size))
			chunk = follow(chunk + BLOCK_AT);
		if (chunk != 0)
			continue;
		for (chunk = first; chunk != 0 && list(f, chunk);)
			chunk = follow(chunk + BLOCK_AT);
	}
}

static bool
is_cache(struct oh_freed *f, uintptr_t cache)
{
	uint64_t mark = 0;

	for (uint32_t i = 0; i < CACHE_LISTS; i++) {
		uint32_t left = get_short(cache + 2 * i);
		uintptr_t block = get(cache + CACHE_LISTS_AT + 8 * i);
		for (; block != 0; block = follow(block)) {
			if (left-- == 0 ||
			    !is_chunk(f, block - BLOCK_AT, SMALLEST + (uint64_t)ALIGN * i))
				return false;
			if (mark == 0)
				mark = get(block + 8);
			if (mark == 0 || get(block + 8) != mark)
				return false;
		}
		if (left != 0)
			return false;
	}
	return true;
}

static void
list_cache(struct oh_freed *f, uintptr_t cache)
{
	if (!is_cache(f, cache))
		return;
	for (uint32_t i = 0; i < CACHE_LISTS; i++) {
		uintptr_t block = get(cache + CACHE_LISTS_AT + 8 * i);
		while (block != 0 && list(f, block - BLOCK_AT))
			block = follow(block);
	}
}

/* ---- arenas ------------------------------------------------------------------------- */

/* Of memory that can be read. */
static bool
is_arena(const struct oh_freed *f, uintptr_t at)
{
	uintptr_t top = get(at + TOP_AT), next = get(at + NEXT_AT);

	if (top == 0 || top % ALIGN != 0 || next == 0 || next % 8 != 0)
		return false;
	for (uint32_t i = 0; i < BINS; i++) {
		/* The head of a ring is a chunk of which only the links are there. */
		uintptr_t links = at + BINS_AT + (uintptr_t)i * 16, ring = links - BLOCK_AT;
		uintptr_t next_in = get(links), before_in = get(links + 8);
		if (next_in == ring && before_in == ring)
			continue;
		if (!can_read(f, next_in, 32) || !can_read(f, before_in, 32) ||
		    get(next_in + BLOCK_AT + 8) != ring || get(before_in + BLOCK_AT) != ring)
			return false;
	}
	return true;
}

/* In the data that is mapped behind the code of the allocator. */
static uintptr_t
find_main_arena(const struct oh_freed *f, uintptr_t allocator)
{
	uint32_t first = oh_maps_find(f->maps, f->map_count, allocator);

	for (uint32_t i = first; i < f->map_count && i - first < LIBRARY_MAPS; i++) {
		const struct oh_map *m = &f->maps[i];
		if (i > first && m->start != m[-1].limit)
			break;
		if (!is_readable(m))
			continue;
		for (uintptr_t at = m->start; at + ARENA_BYTES <= m->limit; at += 8)
			if (is_arena(f, at))
				return at;
	}
	return 0;
}

static void
add_main_heap(struct oh_freed *f)
{
	uintptr_t top = get(f->main_arena + TOP_AT);
	uint32_t i = oh_maps_find(f->maps, f->map_count, top);

	if (i == f->map_count)
		return;
	/* Parts of one heap may be mapped differently, for the kernel. */
	while (i > 0 && is_readable(&f->maps[i - 1]) && !f->maps[i - 1].file &&
	       f->maps[i - 1].limit == f->maps[i].start)
		i--;
	if (!can_read(f, top, BLOCK_AT))
		return;
	/* Before the heap may be the program's data, if addresses are not random. */
	uintptr_t limit = top + size_of(top);
	for (; f->count == 0 && f->maps[i].start < top; i++)
		if (limit - f->maps[i].start == get(f->main_arena + MEMORY_AT))
			add_heap(f, f->maps[i].start, limit, top);
}

static void
add_heaps(struct oh_freed *f, uintptr_t arena)
{
	uintptr_t head = arena % HEAP_MAX, top = get(arena + TOP_AT);
	uintptr_t heap = top & ~(HEAP_MAX - 1), last = heap;

	for (uint32_t n = 0; n < HEAPS_MAX; n++) {
		if (head > HEAP_HEAD_MAX || !can_read(f, heap, HEAP_HEAD_MAX) || get(heap) != arena)
			return;
		bool is_first = heap == arena - head;
		uintptr_t start = is_first ? arena + ARENA_BYTES : heap + head;
		uint64_t size = get(heap + HEAP_SIZE_AT);
		if (size > HEAP_MAX)
			return;
		start = (start + ALIGN - 1) & ~(uintptr_t)(ALIGN - 1);
		add_heap(f, start, heap + size, heap == last ? top : 0);
		if (is_first)
			return;
		heap = get(heap + HEAP_BEFORE_AT);
		if (heap % HEAP_MAX != 0)
			return;
	}
}

static void
sort_heaps(struct oh_freed *f)
{
	/* Few, and by the thousand only where memory is by the gigabyte. */
	for (uint32_t i = 1; i < f->count; i++) {
		struct oh_freed_heap h = f->heaps[i];
		uint32_t k = i;
		for (; k > 0 && f->heaps[k - 1].start > h.start; k--)
			f->heaps[k] = f->heaps[k - 1];
		f->heaps[k] = h;
	}
}

/* Call `fn` for each arena but the main one; false = they are no ring. */
static bool
each_arena(struct oh_freed *f, void (*fn)(struct oh_freed *f, uintptr_t arena))
{
	uintptr_t arena = f->main_arena;

	for (uint32_t n = 0; n < ARENAS_MAX; n++) {
		arena = get(arena + NEXT_AT);
		if (arena == f->main_arena)
			return true;
		if (!can_read(f, arena, ARENA_BYTES) || !is_arena(f, arena))
			return false;
		fn(f, arena);
	}
	return false;
}

void
oh_freed_find(
    struct oh_freed *f, uintptr_t allocator, const struct oh_map *maps, uint32_t map_count)
{
	*f = (struct oh_freed){ .maps = maps, .map_count = map_count };
	f->main_arena = find_main_arena(f, allocator);
	f->heaps = take(HEAPS_MAX * sizeof(*f->heaps));
	f->caches = take(OH_FREED_CACHES_MAX * sizeof(*f->caches));
	if (f->main_arena == 0 || f->heaps == NULL || f->caches == NULL)
		return;
	add_main_heap(f);
	/* Those before one that is changing are as good as any. */
	(void)each_arena(f, add_heaps);
	sort_heaps(f);
	list_fast(f, f->main_arena);
	(void)each_arena(f, list_fast);
	for (uint32_t i = 0; i < f->cache_count; i++)
		list_cache(f, f->caches[i]);
	/* What is listed since is free. */
	f->from = f->to = 0;
}
