/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cxx.c - operator new and delete, counted once.
 *
 * libstdc++'s operators call malloc and free and are seen there; those of an
 * allocator (jemalloc, tcmalloc, mimalloc) do the work themselves and would
 * not be seen at all.  So all forms are defined here, and each jumps to one of
 *
 *	straight  the next definition behind us, which calls malloc (or nothing
 *		  is to be counted): as if we were not there;
 *	counted   the next definition, after counting as malloc does;
 *	plain	  malloc and free.  Where no C++ library is in the global scope:
 *		  a C program that loads a C++ plugin (Python does), whose
 *		  operators come to us because we are in the global scope and
 *		  its own library is not.
 *
 * Which of the first two is found out, for each form, by asking for one block
 * and looking whether an entry point of ours was called.  (jemalloc 5.3 serves
 * the aligned forms by its exported aligned_alloc, the others by itself.)
 */
#include "preload/cxx.h"

#include <dlfcn.h>
#include <link.h>
#include <malloc.h>
#include <stdlib.h>

#include "core/live.h"
#include "preload/hot.h"
#include "preload/next.h"

/* The tag argument is a reference to std::nothrow, which nobody reads. */
typedef const void *tag;

/*
 * X(number, symbol, parameters, arguments, slow half when counted, plain form)
 * Names: Itanium C++ ABI, mangling of operator new (nw, na) and delete (dl, da).
 */
#define NEW_LIST(X) \
	X(0, "_Znwm", (size_t n), (n), oh_slow_new(n, next_new[0]), plain_new(n)) \
	X(1, "_Znam", (size_t n), (n), oh_slow_new(n, next_new[1]), plain_new(n)) \
	X(2, "_ZnwmRKSt9nothrow_t", (size_t n, tag t), (n, t), \
	    oh_slow_new_nothrow(n, t, next_new[2]), malloc(n)) \
	X(3, "_ZnamRKSt9nothrow_t", (size_t n, tag t), (n, t), \
	    oh_slow_new_nothrow(n, t, next_new[3]), malloc(n)) \
	X(4, "_ZnwmSt11align_val_t", (size_t n, size_t a), (n, a), \
	    oh_slow_new_aligned(n, a, next_new[4]), plain_new_aligned(n, a)) \
	X(5, "_ZnamSt11align_val_t", (size_t n, size_t a), (n, a), \
	    oh_slow_new_aligned(n, a, next_new[5]), plain_new_aligned(n, a)) \
	X(6, "_ZnwmSt11align_val_tRKSt9nothrow_t", (size_t n, size_t a, tag t), (n, a, t), \
	    oh_slow_new_aligned_nothrow(n, a, t, next_new[6]), aligned(n, a)) \
	X(7, "_ZnamSt11align_val_tRKSt9nothrow_t", (size_t n, size_t a, tag t), (n, a, t), \
	    oh_slow_new_aligned_nothrow(n, a, t, next_new[7]), aligned(n, a))

#define DELETE_LIST(X) \
	X(0, "_ZdlPv", (void *p), (p)) \
	X(1, "_ZdaPv", (void *p), (p)) \
	X(2, "_ZdlPvm", (void *p, size_t n), (p, n)) \
	X(3, "_ZdaPvm", (void *p, size_t n), (p, n)) \
	X(4, "_ZdlPvRKSt9nothrow_t", (void *p, tag t), (p, t)) \
	X(5, "_ZdaPvRKSt9nothrow_t", (void *p, tag t), (p, t)) \
	X(6, "_ZdlPvSt11align_val_t", (void *p, size_t a), (p, a)) \
	X(7, "_ZdaPvSt11align_val_t", (void *p, size_t a), (p, a)) \
	X(8, "_ZdlPvmSt11align_val_t", (void *p, size_t n, size_t a), (p, n, a)) \
	X(9, "_ZdaPvmSt11align_val_t", (void *p, size_t n, size_t a), (p, n, a)) \
	X(10, "_ZdlPvSt11align_val_tRKSt9nothrow_t", (void *p, size_t a, tag t), (p, a, t)) \
	X(11, "_ZdaPvSt11align_val_tRKSt9nothrow_t", (void *p, size_t a, tag t), (p, a, t))

/* ---- plain ------------------------------------------------------------------- */

/* A function of the C++ library that the caller of ours was built with. */
static void *
cxx_function(const void *caller, const char *name)
{
	static const char *const libraries[] = { "libstdc++.so.6", "libc++abi.so.1",
		"libc++.so.1" };
	Dl_info info;
	struct link_map *map = NULL;
	void *p = NULL;

	if (dladdr1(caller, &info, (void **)&map, RTLD_DL_LINKMAP) != 0 && map != NULL) {
		void *handle = dlopen(map->l_name, RTLD_LAZY | RTLD_NOLOAD);
		if (handle != NULL) {
			p = dlsym(handle, name);
			(void)dlclose(handle);
		}
	}
	for (size_t i = 0; i < OH_ARRAY_LEN(libraries) && p == NULL; i++) {
		void *handle = dlopen(libraries[i], RTLD_LAZY | RTLD_NOLOAD);
		if (handle != NULL) {
			p = dlsym(handle, name);
			(void)dlclose(handle);
		}
	}
	return p;
}

/*
 * What operator new does when memory runs out (C++ standard,
 * [new.delete.single]): call the new handler and try again, or throw.
 */
static OH_COLD bool
ask_new_handler(const void *caller)
{
	void (*(*get)(void))(void);
	void (*throw_bad_alloc)(void);

	*(void **)&get = cxx_function(caller, "_ZSt15get_new_handlerv");
	void (*handler)(void) = get != NULL ? get() : NULL;
	if (handler != NULL) {
		handler();
		return true;
	}
	*(void **)&throw_bad_alloc = cxx_function(caller, "_ZSt17__throw_bad_allocv");
	if (throw_bad_alloc != NULL)
		throw_bad_alloc();
	return false;
}

static inline __attribute__((always_inline)) void *
plain_new(size_t n)
{
	void *p;

	while (OH_UNLIKELY((p = malloc(n)) == NULL) && ask_new_handler(__builtin_return_address(0)))
		;
	return p;
}

static inline __attribute__((always_inline)) void *
aligned(size_t n, size_t align)
{
	return memalign(align, n);
}

static inline __attribute__((always_inline)) void *
plain_new_aligned(size_t n, size_t align)
{
	void *p;

	while (OH_UNLIKELY((p = aligned(n, align)) == NULL) &&
	       ask_new_handler(__builtin_return_address(0)))
		;
	return p;
}

/* ---- the three ways of each operator --------------------------------------------- */

static void *next_new[8], *next_delete[12];

#define X(i, name, params, args, slow, plain) \
	static void *plain_new_##i params \
	{ \
		return plain; \
	} \
	static void *counted_new_##i params \
	{ \
		if (oh_hot_spent(n)) \
			return slow; \
		oh_self.calls++; \
		return ((void *(*)params)next_new[i])args; \
	}
NEW_LIST(X)
#undef X

#define X(i, name, params, args) \
	static void plain_delete_##i params \
	{ \
		free(p); \
	} \
	static void counted_delete_##i params \
	{ \
		if (OH_UNLIKELY(oh_live_maybe(p))) \
			oh_slow_forget(p); \
		((void(*) params)next_delete[i]) args; \
	}
DELETE_LIST(X)
#undef X

static struct {
#define X(i, name, params, args, slow, plain) void *(*new_##i)params;
	NEW_LIST(X)
#undef X
#define X(i, name, params, args) void(*delete_##i) params;
	DELETE_LIST(X)
#undef X
} serve = {
#define X(i, name, params, args, slow, plain) .new_##i = plain_new_##i,
	NEW_LIST(X)
#undef X
#define X(i, name, params, args) .delete_##i = plain_delete_##i,
	    DELETE_LIST(X)
#undef X
};

#define X(i, name, params, args, slow, plain) \
	OH_EXPORT void *oh_new_##i params __asm__(name); \
	OH_EXPORT void *oh_new_##i params \
	{ \
		return serve.new_##i args; \
	}
NEW_LIST(X)
#undef X

#define X(i, name, params, args) \
	OH_EXPORT void oh_delete_##i params __asm__(name); \
	OH_EXPORT void oh_delete_##i params \
	{ \
		serve.delete_##i args; \
	}
DELETE_LIST(X)
#undef X

/* Was one of our entry points called since? */
static bool
came_to_us(const struct oh_thread *before)
{
	bool came = oh_self.calls != before->calls;

	oh_self = *before;
	return came;
}

static struct oh_thread
begin_probe(void)
{
	struct oh_thread before = oh_self;

	oh_self.drawn = oh_self.countdown = INT64_MAX; /* the fast path: it counts calls */
	return before;
}

/* Ask for one block by each form of new; the tag and the alignment do for those that take them. */
static uint32_t
probe_straight(void)
{
	static const char nothrow;
	uint32_t straight = 0;

#define TAKES_ALIGN(i) ((i) >= 4)
#define X(i, name, params, args, slow, plain) \
	do { \
		struct oh_thread before = begin_probe(); \
		size_t n = 64, a = 64; \
		tag t = &nothrow; \
		(void)a, (void)t; \
		void *p = ((void *(*)params)next_new[i])args; \
		if (came_to_us(&before)) \
			straight |= 1u << (i); \
		before = begin_probe(); \
		if (TAKES_ALIGN(i)) \
			((void (*)(void *, size_t))next_delete[6])(p, a); \
		else \
			((void (*)(void *))next_delete[0])(p); \
		(void)came_to_us(&before); \
	} while (0);
	NEW_LIST(X)
#undef X
	return straight;
}

void
oh_cxx_init(void)
{
	bool all = true;

#define X(i, name, params, args, slow, plain) all &= (next_new[i] = oh_next_find(name)) != NULL;
	NEW_LIST(X)
#undef X
#define X(i, name, params, args) all &= (next_delete[i] = oh_next_find(name)) != NULL;
	DELETE_LIST(X)
#undef X
	/* Forms of one library must not be mixed with those of another. */
	if (!all)
		return;
	uint32_t straight = oh_next_shadowed() ? UINT32_MAX : probe_straight();
#define X(i, name, params, args, slow, plain) \
	serve.new_##i = (straight >> (i)&1) != 0 ? (void *(*)params)next_new[i] : counted_new_##i;
	NEW_LIST(X)
#undef X
	/* One counted form of new is enough: looking twice for a block does no harm. */
	bool all_straight = (straight & 0xff) == 0xff;
#define X(i, name, params, args) \
	serve.delete_##i = all_straight ? (void(*) params)next_delete[i] : counted_delete_##i;
	DELETE_LIST(X)
#undef X
}
