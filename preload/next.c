/* SPDX-License-Identifier: Apache-2.0 */
/*
 * next.c - the functions we stand before, and how they are found.
 *
 * Each pointer starts at a stub that finds them all and then calls through
 * the table, so that the entry points carry no "is it ready?" test.
 *
 * Order in the loader's global scope decides who serves whom.  Usually we come
 * first and the next definition is the allocator.  If an allocator comes
 * before us, the program's malloc never reaches us; a function that it lacks
 * (reallocarray) still does, and must then go to that allocator (oh_outer), not
 * to the one behind us: a block of one must never be given to the other.
 */
#include "preload/next.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdint.h>

#include "core/atomic.h"
#include "core/sys.h"
#include "preload/bootstrap.h"

static uint32_t state; /* 0 = not looked for, 1 = looking, 2 = found; relaxed */
static bool shadowed;

/* ---- before they are found -------------------------------------------------- */

static void *
boot_malloc(size_t n)
{
	return oh_next_resolve() ? oh_next.malloc(n) : oh_bootstrap_alloc(n, 16);
}

static void *
boot_calloc(size_t n, size_t m)
{
	size_t total;

	if (oh_next_resolve())
		return oh_next.calloc(n, m);
	if (__builtin_mul_overflow(n, m, &total)) {
		errno = ENOMEM;
		return NULL;
	}
	return oh_bootstrap_alloc(total, 16); /* zeroed */
}

static void *
boot_realloc(void *p, size_t n)
{
	/* Blocks of the bootstrap memory never come here: see slow.c. */
	return oh_next_resolve() ? oh_next.realloc(p, n) : oh_bootstrap_alloc(n, 16);
}

static void
boot_free(void *p)
{
	if (oh_next_resolve())
		oh_next.free(p);
}

static int
boot_posix_memalign(void **out, size_t align, size_t n)
{
	if (oh_next_resolve())
		return oh_next.posix_memalign(out, align, n);
	if (align < sizeof(void *) || (align & (align - 1)) != 0)
		return EINVAL;
	void *p = oh_bootstrap_alloc(n, align);
	if (p == NULL)
		return ENOMEM;
	*out = p;
	return 0;
}

static void *
boot_aligned_alloc(size_t align, size_t n)
{
	return oh_next_resolve() ? oh_next.aligned_alloc(align, n) : oh_bootstrap_alloc(n, align);
}

static void *
boot_memalign(size_t align, size_t n)
{
	return oh_next_resolve() ? oh_next.memalign(align, n) : oh_bootstrap_alloc(n, align);
}

static void *
boot_valloc(size_t n)
{
	return oh_next_resolve() ? oh_next.valloc(n) : oh_bootstrap_alloc(n, 4096);
}

static void *
boot_pvalloc(size_t n)
{
	if (oh_next_resolve())
		return oh_next.pvalloc(n);
	return oh_bootstrap_alloc((n + 4095) & ~(size_t)4095, 4096);
}

static size_t
boot_malloc_usable_size(void *p)
{
	return oh_next_resolve() ? oh_next.malloc_usable_size(p) : 0;
}

static int
boot_sigaction(int sig, const struct sigaction *act, struct sigaction *old)
{
	if (oh_next_resolve())
		return oh_next.sigaction(sig, act, old);
	errno = EAGAIN;
	return -1;
}

static int
boot_dlclose(void *handle)
{
	return oh_next_resolve() ? oh_next.dlclose(handle) : -1;
}

#define BOOT_SIGNAL(name) \
	static sighandler_t boot_##name(int sig, sighandler_t handler) \
	{ \
		if (oh_next_resolve()) \
			return oh_next.name(sig, handler); \
		errno = EAGAIN; \
		return SIG_ERR; \
	}
BOOT_SIGNAL(signal)
BOOT_SIGNAL(bsd_signal)
BOOT_SIGNAL(ssignal)
BOOT_SIGNAL(sysv_signal)
BOOT_SIGNAL(__sysv_signal)

static int
boot_prctl(int op, unsigned long a, unsigned long b, unsigned long c, unsigned long d)
{
	if (oh_next_resolve())
		return oh_next.prctl(op, a, b, c, d);
	errno = EAGAIN;
	return -1;
}

static long
boot_syscall(long n, long a, long b, long c, long d, long e, long f)
{
	if (oh_next_resolve())
		return oh_next.syscall(n, a, b, c, d, e, f);
	errno = EAGAIN;
	return -1;
}

static void
boot__exit(int status)
{
	(void)OH_SYS(exit_group, status, 0, 0, 0, 0, 0);
}

#define boot__Exit boot__exit
#define boot_exit boot__exit

static size_t
usable_size_of_both(void *p)
{
	return oh_bootstrap_owns(p) ? oh_bootstrap_size(p) : oh_next.malloc_usable_size(p);
}

size_t (*oh_usable_size)(void *) = usable_size_of_both;

struct oh_outer oh_outer = { .realloc = boot_realloc, .free = boot_free };

struct oh_next oh_next = {
#define X(type, name, params) .name = boot_##name,
	OH_NEXT_LIST(X)
#undef X
};

/* ---- where nothing is found ------------------------------------------------- */

static void *
none(void)
{
	errno = ENOSYS;
	return NULL;
}

/* ---- finding ------------------------------------------------------------------ */

/* Is `p` in the loaded file that this code is in? */
static bool
ours(const void *p)
{
	struct dl_find_object a, b;

	return _dl_find_object((void *)p, &a) == 0 && _dl_find_object((void *)&ours, &b) == 0 &&
	       a.dlfo_link_map == b.dlfo_link_map;
}

/*
 * A program that takes the address of malloc has a stub of its own under that
 * name, which leads to us.  Its symbol is undefined.
 */
static bool
is_stub(const void *p)
{
	Dl_info info;
	const ElfW(Sym) *sym = NULL;

	return dladdr1(p, &info, (void **)&sym, RTLD_DL_SYMENT) != 0 && sym != NULL &&
	       sym->st_shndx == SHN_UNDEF;
}

/* Who answers the program's calls of `name`, if that comes before us? */
static void *
before_us(const char *name)
{
	void *p = dlsym(RTLD_DEFAULT, name);

	return p == NULL || ours(p) || is_stub(p) ? NULL : p;
}

/*
 * Always behind us: who calls an entry point of ours that another one stands
 * before is a wrapper handing the call on, and calling it back would not end.
 */
void *
oh_next_find(const char *name)
{
	return dlsym(RTLD_NEXT, name);
}

bool
oh_next_resolve(void)
{
	uint32_t idle = 0;
	struct oh_next found;

	if (!oh_cas_relaxed(&state, &idle, 1))
		return idle == 2;
	shadowed = before_us("malloc") != NULL;
#define X(type, name, params) \
	*(void **)&found.name = oh_next_find(#name); \
	if (found.name == NULL) \
		*(void **)&found.name = (void *)none;
	OH_NEXT_LIST(X)
#undef X
	oh_outer = (struct oh_outer){ .realloc = found.realloc, .free = found.free };
	if (shadowed) {
		void *p = before_us("realloc"), *q = before_us("free");
		if (p != NULL && q != NULL) {
			*(void **)&oh_outer.realloc = p;
			*(void **)&oh_outer.free = q;
		}
	}
	oh_next = found;
	/* From here on the pool gives nothing out. */
	if (!oh_bootstrap_used())
		oh_usable_size = found.malloc_usable_size;
	oh_store_relaxed(&state, 2);
	return true;
}

bool
oh_next_shadowed(void)
{
	return shadowed;
}
