// SPDX-License-Identifier: Apache-2.0
//
// cxx.cc - operator new and delete in all their forms, counted once each.
// `cxx plain` leaves out what takes a lot of memory to fail.

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "prog.h"

struct alignas(256) wide {
	char bytes[512];
};

static const int N = 50;
static char *kept[N];
static void *p;

template <class T>
static T *
seen(T *block)
{
	return static_cast<T *>(hide(block));
}

extern "C" {
SITE void
site_new(void)
{
	for (int i = 0; i < N; i++)
		kept[i] = static_cast<char *>(operator new(40));
	for (int i = 0; i < N; i += 2)
		operator delete(kept[i]);
}

SITE void
site_array(void)
{
	char *c = seen(new char[1000]);
	delete[] c;
	c = seen(new char[1001]);
	operator delete[](c, size_t(1001));
}

SITE void
site_sized(void)
{
	p = operator new(123);
	operator delete(hide(p), size_t(123));
}

SITE void
site_nothrow(void)
{
	p = operator new(70, std::nothrow);
	operator delete(hide(p), std::nothrow);
	p = operator new[](71, std::nothrow);
	operator delete[](hide(p), std::nothrow);
}

SITE void
site_aligned(void)
{
	wide *w = seen(new wide);
	CHECK(reinterpret_cast<uintptr_t>(w) % 256 == 0);
	delete w;
	w = seen(new wide[3]);
	CHECK(reinterpret_cast<uintptr_t>(w) % 256 == 0);
	delete[] w;
	p = operator new(128, std::align_val_t(64));
	CHECK(reinterpret_cast<uintptr_t>(p) % 64 == 0);
	operator delete(hide(p), size_t(128), std::align_val_t(64));
	p = operator new[](128, std::align_val_t(64));
	operator delete[](hide(p), size_t(128), std::align_val_t(64));
}

SITE void
site_aligned_nothrow(void)
{
	p = operator new(128, std::align_val_t(128), std::nothrow);
	CHECK(p != nullptr && reinterpret_cast<uintptr_t>(p) % 128 == 0);
	operator delete(hide(p), std::align_val_t(128), std::nothrow);
	p = operator new[](256, std::align_val_t(128), std::nothrow);
	operator delete[](hide(p), std::align_val_t(128), std::nothrow);
}

SITE void
site_0(void)
{
	p = operator new(0);
	CHECK(p != nullptr);
	operator delete(hide(p));
}

SITE void
site_fails(void)
{
	volatile size_t most = PTRDIFF_MAX, over = size_t(PTRDIFF_MAX) + 1;

	for (int i = 0; i < 20; i++) {
		for (size_t n : { size_t(most), size_t(over), SIZE_MAX - 8192 }) {
			bool caught = false;
			try {
				hide(operator new(n));
			} catch (const std::bad_alloc &) {
				caught = true;
			}
			CHECK(caught);
			caught = false;
			try {
				hide(operator new(n, std::align_val_t(64)));
			} catch (const std::bad_alloc &) {
				caught = true;
			}
			CHECK(caught);
			CHECK(hide(operator new(n, std::nothrow)) == nullptr);
			CHECK(hide(operator new[](n, std::nothrow)) == nullptr);
		}
	}
}

SITE void
site_mixed(void)
{
	// Memory of malloc in hands of C++, and the other way round by name.
	std::unique_ptr<char, void (*)(void *)> m(static_cast<char *>(malloc(90)), free);
	hide(m.get());
}

SITE void
site_string(void)
{
	std::string s(1000, 'x');
	hide(&s[0]);
}

SITE void
site_vector(void)
{
	std::vector<int> v;
	v.reserve(100);
	v.reserve(1000);
	hide(v.data());
}

SITE void
site_throw(void)
{
	// Exceptions find their way through frames that allocate.
	for (int i = 0; i < N; i++) {
		try {
			std::string s(static_cast<size_t>(i) + 100, 'y');
			throw s;
		} catch (const std::string &s) {
			CHECK(s.size() == static_cast<size_t>(i) + 100);
		}
	}
}
}

static int handled;

static void
new_handler()
{
	if (++handled == 3)
		std::set_new_handler(nullptr);
}

int
main(int argc, char **)
{
	site_new();
	truth("site_new", N, N * 40, N / 2, N / 2 * 40);
	site_array();
	truth("site_array", 2, 2001, 0, 0);
	site_sized();
	truth("site_sized", 1, 123, 0, 0);
	site_nothrow();
	truth("site_nothrow", 2, 141, 0, 0);
	site_aligned();
	truth("site_aligned", 4, 512 + 3 * 512 + 256, 0, 0);
	site_aligned_nothrow();
	truth("site_aligned_nothrow", 2, 384, 0, 0);
	site_mixed();
	truth("site_mixed", 1, 90, 0, 0);
	site_string();
	truth("site_string", 1, 1001, 0, 0);
	site_vector();
	truth("site_vector", 2, 4400, 0, 0);
	site_0();
	// libstdc++ asks malloc for one byte.
	say("seen site_0 0");
	if (argc == 1) {
		site_fails();
		std::set_new_handler(new_handler);
		volatile size_t most = PTRDIFF_MAX;
		try {
			hide(operator new(most));
			CHECK(!"no bad_alloc");
		} catch (const std::bad_alloc &) {
			CHECK(handled == 3);
		}
	}
	site_throw();
	return bad_count != 0;
}
