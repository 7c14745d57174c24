// SPDX-License-Identifier: Apache-2.0
//
// apixx.cc - the header in C++; says whether the library is there.
#include "../../preload/otheap.h"

#include <cstdio>

int main()
{
	if (otheap_dump == nullptr) {
		std::puts("not there");
		return 0;
	}
	char path[4096];
	int err = otheap_dump(path, sizeof(path), 30000);
	std::printf("dump %d %s\n", err, path);
	return err;
}
