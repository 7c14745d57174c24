// SPDX-License-Identifier: Apache-2.0
//
// plugin.cc - a C++ plugin for a program in C: `plugin_run` returns 0 if all is well.

#include <cstdint>
#include <new>
#include <string>

#include "../prog.h"

extern "C" {
SITE void
site_plugin(void)
{
	for (int i = 0; i < 10; i++) {
		char *c = static_cast<char *>(hide(new char[300]));
		delete[] c;
	}
	struct alignas(128) wide {
		char bytes[128];
	};
	delete static_cast<wide *>(hide(new wide));
}

int
plugin_run(void)
{
	volatile size_t most = PTRDIFF_MAX;
	int caught = 0;

	site_plugin();
	for (int i = 0; i < 10; i++) {
		try {
			hide(operator new(most));
		} catch (const std::bad_alloc &) {
			caught++;
		}
		if (operator new(most, std::nothrow) != nullptr)
			return 1;
		try {
			throw std::string(100, 'z');
		} catch (const std::string &s) {
			caught += s.size() == 100;
		}
	}
	return caught == 20 ? 0 : 2;
}
}
