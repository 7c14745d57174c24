/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exact.c - every entry point of the malloc family, each from a site of its own.
 *
 * Run at interval 1, where a profile must show exactly what is printed here.
 * `exact other` leaves out pvalloc, which not every allocator has: glibc's block
 * would then be given to the other's free, with or without us.
 */
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>

#include "prog.h"

#define N 100

static void *blocks[N];
static void *keep[64];
static int kept;
/* Not constants, or the compiler would see through it. */
static volatile size_t too_much[] = { (size_t)PTRDIFF_MAX + 1, SIZE_MAX };

static void
give_back(void)
{
	for (int i = 0; i < N; i++) {
		free(blocks[i]);
		blocks[i] = NULL;
	}
}

/* ---- malloc, calloc, free ------------------------------------------------------ */

SITE static void
site_malloc(void)
{
	for (int i = 0; i < N; i++)
		blocks[i] = malloc(64);
	for (int i = 0; i < N; i += 2) {
		free(blocks[i]);
		blocks[i] = NULL;
	}
}

SITE static void
site_malloc_sizes(void)
{
	static const size_t sizes[] = { 1, 7, 24, 25, 4095, 4096, 100000, 200000, 10000000 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		keep[kept++] = malloc(sizes[i]);
}

SITE static void
site_malloc_0(void)
{
	for (int i = 0; i < 5; i++)
		CHECK((keep[kept++] = malloc(0)) != NULL);
}

SITE static void
site_calloc(void)
{
	for (int i = 0; i < N; i++) {
		char *p = hide(calloc(7, 30));
		for (int k = 0; k < 210; k++)
			if (p[k] != 0) {
				CHECK(!"calloc is zero");
				break;
			}
		memset(p, 0x55, 210);
		blocks[i] = p;
	}
	give_back();
}

SITE static void
site_calloc_reused(void)
{
	/* Blocks that had other contents before. */
	for (int round = 0; round < 3; round++)
		site_calloc();
}

/* ---- realloc ------------------------------------------------------------------- */

static int
holds(const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != (unsigned char)(i * 7))
			return 0;
	return 1;
}

static void
fill(unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (unsigned char)(i * 7);
}

SITE static void
site_realloc_start(void)
{
	blocks[0] = malloc(100);
	blocks[1] = malloc(5000);
}

SITE static void
site_realloc_grow(void)
{
	fill(blocks[0], 100);
	blocks[0] = realloc(blocks[0], 100000);
	CHECK(holds(blocks[0], 100));
}

SITE static void
site_realloc_shrink(void)
{
	fill(blocks[1], 5000);
	blocks[1] = realloc(blocks[1], 50);
	CHECK(holds(blocks[1], 50));
}

SITE static void
site_realloc_same(void)
{
	/* The same address comes back, and the block is another all the same. */
	for (int i = 0; i < 10; i++)
		blocks[1] = realloc(blocks[1], 51);
}

SITE static void
site_realloc_null(void)
{
	blocks[2] = realloc(NULL, 77);
}

SITE static void
site_realloc_0(void)
{
	/* glibc: frees.  Others give an empty block. */
	void *p = malloc(33);
	p = realloc(p, 0);
	free(p);
}

SITE static void
site_realloc_fails(void)
{
	unsigned char *p = malloc(1000);

	fill(p, 1000);
	errno = 0;
	CHECK(realloc(p, too_much[0]) == NULL && errno == ENOMEM);
	errno = 0;
	CHECK(realloc(p, too_much[1]) == NULL && errno == ENOMEM);
	errno = 0;
	CHECK(realloc(p, (size_t)1 << 50) == NULL && errno == ENOMEM);
	CHECK(holds(p, 1000));
	keep[kept++] = p;
}

SITE static void
site_reallocarray(void)
{
	void *p = reallocarray(NULL, 10, 20);

	p = reallocarray(p, 20, 30);
	errno = 0;
	CHECK(reallocarray(p, too_much[1] / 2, 3) == NULL && errno == ENOMEM);
	errno = 0;
	CHECK(reallocarray(NULL, too_much[1], too_much[1]) == NULL && errno == ENOMEM);
	keep[kept++] = p;
}

/* ---- aligned ------------------------------------------------------------------- */

SITE static void
site_posix_memalign(void)
{
	void *p = &p;

	for (size_t align = sizeof(void *); align <= 65536; align *= 2) {
		CHECK(posix_memalign(&p, align, 333) == 0 && (uintptr_t)p % align == 0);
		free(p);
	}
	void *before = p = &p;
	errno = 5;
	CHECK(posix_memalign(&p, 3, 100) == EINVAL && p == before);
	CHECK(posix_memalign(&p, 2, 100) == EINVAL && p == before);
	CHECK(posix_memalign(&p, 0, 100) == EINVAL && p == before);
	CHECK(posix_memalign(&p, 64, (size_t)PTRDIFF_MAX + 1) == ENOMEM && p == before);
}

SITE static void
site_aligned_alloc(void)
{
	void *p = aligned_alloc(4096, 8192);

	CHECK((uintptr_t)p % 4096 == 0);
	keep[kept++] = p;
}

SITE static void
site_memalign(void)
{
	void *p = memalign(256, 1000);

	CHECK((uintptr_t)p % 256 == 0);
	keep[kept++] = p;
}

SITE static void
site_valloc(void)
{
	void *p = valloc(100);

	CHECK((uintptr_t)p % 4096 == 0);
	free(p);
}

SITE static void
site_pvalloc(void)
{
	void *p = pvalloc(100);

	CHECK((uintptr_t)p % 4096 == 0 && malloc_usable_size(p) >= 4096);
	free(p);
}

/* ---- frees by other names ------------------------------------------------------ */

SITE static void
site_other_frees(void)
{
	void (*free_1)(void *);
	void (*free_2)(void *, size_t);
	void (*free_3)(void *, size_t, size_t);

	*(void **)&free_1 = dlsym(RTLD_DEFAULT, "cfree");
	*(void **)&free_2 = dlsym(RTLD_DEFAULT, "free_sized");
	*(void **)&free_3 = dlsym(RTLD_DEFAULT, "free_aligned_sized");
	/*
	 * glibc's cfree, which is there for old programs only, does not fit to the
	 * malloc of another allocator.
	 */
	Dl_info a, b;
	if (free_1 == NULL || dladdr((void *)free_1, &a) == 0 ||
	    dladdr(dlsym(RTLD_DEFAULT, "malloc"), &b) == 0 ||
	    (strstr(a.dli_fname, "libc.so") != NULL && strstr(b.dli_fname, "libc.so") == NULL))
		free_1 = free;
	free_1(malloc(41));
	void *p = malloc(42);
	if (free_2 != NULL)
		free_2(p, 42);
	else
		free(p);
	p = aligned_alloc(64, 128);
	if (free_3 != NULL)
		free_3(p, 64, 128);
	else
		free(p);
	free(NULL);
	free_1(NULL);
	if (free_2 != NULL)
		free_2(NULL, 0);
}

SITE static void
site_usable(void)
{
	char *p = malloc(100);
	size_t n = malloc_usable_size(p);

	CHECK(n >= 100);
	CHECK(malloc_usable_size(NULL) == 0);
	memset(p, 1, n); /* all of it is the program's */
	keep[kept++] = p;
}

/* ---- from inside libc ---------------------------------------------------------- */

SITE static void
site_strdup(void)
{
	keep[kept++] = strdup("twelve bytes");
	keep[kept++] = strndup("twelve bytes", 6);
}

SITE static void
site_asprintf(void)
{
	char *s = NULL;

	CHECK(asprintf(&s, "%d and %s", 12345, "text") == 14);
	CHECK(strcmp(s, "12345 and text") == 0);
	keep[kept++] = s;
}

SITE static FILE *
site_fopen(void)
{
	return fopen("/dev/null", "r");
}

SITE static void
site_getline(void)
{
	char *line = NULL;
	size_t n = 0;
	FILE *f = fmemopen((void *)"one line\n", 9, "r");

	CHECK(f != NULL && getline(&line, &n, f) == 9 && strcmp(line, "one line\n") == 0);
	fclose(f);
	keep[kept++] = line;
}

/* ---- failures and errno ---------------------------------------------------------- */

SITE static void
site_too_much(void)
{
	static const size_t sizes[] = { SIZE_MAX, SIZE_MAX - 1, (size_t)PTRDIFF_MAX + 1,
		(size_t)PTRDIFF_MAX, (size_t)1 << 50 };

	for (int round = 0; round < 50; round++)
		for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
			errno = 0;
			CHECK(malloc(sizes[i]) == NULL && errno == ENOMEM);
			errno = 0;
			CHECK(calloc(1, sizes[i]) == NULL && errno == ENOMEM);
			errno = 0;
			CHECK(calloc(sizes[i], 2) == NULL && errno == ENOMEM);
			errno = 0;
			CHECK(memalign(64, sizes[i]) == NULL && errno == ENOMEM);
			CHECK(valloc(sizes[i]) == NULL);
			CHECK(pvalloc(sizes[i]) == NULL);
		}
}

SITE static void
site_errno(void)
{
	for (int i = 0; i < N; i++) {
		errno = 1234;
		blocks[i] = malloc(48);
		CHECK(errno == 1234);
		blocks[i] = realloc(blocks[i], 64);
		CHECK(errno == 1234);
		free(blocks[i]);
		blocks[i] = calloc(1, 5);
		CHECK(errno == 1234);
		free(blocks[i]);
		CHECK(errno == 1234);
		CHECK(posix_memalign(&blocks[i], 64, 64) == 0 && errno == 1234);
		free(blocks[i]);
		CHECK(errno == 1234);
		blocks[i] = NULL;
	}
}

/* ---- across sites ---------------------------------------------------------------- */

SITE static void
site_a(void)
{
	for (int i = 0; i < N; i++)
		blocks[i] = malloc(16 + (size_t)i);
}

SITE static void
site_b(void)
{
	/* Takes over the addresses that site_a had. */
	for (int i = 0; i < N; i++)
		blocks[i] = malloc(16 + (size_t)i);
}

/* A stack with more sizes than a table of sizes would like. */
SITE static void
site_many_sizes(void)
{
	for (size_t n = 1; n <= 2000; n++)
		free(malloc(n));
}

int
main(int argc, char **argv)
{
	site_malloc();
	truth("site_malloc", N, N * 64, N / 2, N / 2 * 64);
	memset(blocks, 0, sizeof(blocks)); /* they stay */
	site_malloc_sizes();
	truth("site_malloc_sizes", 9, 10308248, 9, 10308248);
	site_malloc_0();
	truth("site_malloc_0", 5, 0, 5, 0);
	site_calloc_reused();
	truth("site_calloc", 3 * N, 3 * N * 210, 0, 0);
	truth("site_calloc_reused", 3 * N, 3 * N * 210, 0, 0);

	site_realloc_start();
	site_realloc_grow();
	site_realloc_shrink();
	site_realloc_same();
	site_realloc_null();
	truth("site_realloc_start", 2, 5100, 0, 0);
	truth("site_realloc_grow", 1, 100000, 1, 100000);
	truth("site_realloc_shrink", 1, 50, 0, 0);
	truth("site_realloc_same", 10, 510, 1, 51);
	truth("site_realloc_null", 1, 77, 1, 77);
	memset(blocks, 0, sizeof(blocks)); /* they stay */
	site_realloc_0();
	site_realloc_fails();
	truth("site_realloc_fails", 1, 1000, 1, 1000);
	site_reallocarray();
	truth("site_reallocarray", 2, 800, 1, 600);

	site_posix_memalign();
	truth("site_posix_memalign", 14, 14 * 333, 0, 0);
	site_aligned_alloc();
	truth("site_aligned_alloc", 1, 8192, 1, 8192);
	site_memalign();
	truth("site_memalign", 1, 1000, 1, 1000);
	site_valloc();
	truth("site_valloc", 1, 100, 0, 0);
	if (argc == 1 || strcmp(argv[1], "other") != 0) {
		site_pvalloc();
		truth("site_pvalloc", 1, 100, 0, 0);
	}

	site_other_frees();
	truth("site_other_frees", 3, 41 + 42 + 128, 0, 0);
	site_usable();
	truth("site_usable", 1, 100, 1, 100);

	site_strdup();
	truth("site_strdup", 2, 13 + 7, 2, 13 + 7);
	site_too_much();
	truth("site_too_much", 0, 0, 0, 0);
	site_errno();
	truth("site_errno", 4 * N, N * (48 + 64 + 5 + 64), 0, 0);

	site_a();
	give_back();
	site_b();
	truth("site_a", N, N * 16 + N * (N - 1) / 2, 0, 0);
	truth("site_b", N, N * 16 + N * (N - 1) / 2, N, N * 16 + N * (N - 1) / 2);
	memset(blocks, 0, sizeof(blocks));
	site_many_sizes();
	truth("site_many_sizes", 2000, 2000 * 2001 / 2, 0, 0);

	/* What libc asks for is its own affair; that it is seen is ours. */
	site_asprintf();
	site_getline();
	FILE *f = site_fopen();
	char c;
	CHECK(f != NULL && fread(&c, 1, 1, f) == 0);
	say("seen site_asprintf 1");
	say("seen site_getline 1");
	say("seen site_fopen 1");
	return bad_count != 0;
}
