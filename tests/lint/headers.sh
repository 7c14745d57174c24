#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# headers.sh - each header compiles alone, is guarded, and says who may use it.

# shellcheck source=tests/lint/lib.sh
. "$(dirname "$0")/lib.sh"
: "${CC:=cc}" "${B:=build}"
alone='' guard='' licence=''

for h in core/*.h proto/*.h preload/*.h tools/*.h; do
	echo "#include \"$h\"" |
		$CC -std=gnu11 -D_GNU_SOURCE -I. -I"$B/gen" -Wall -Wextra -Wno-unused -Werror \
			-fsyntax-only -x c - 2>/dev/null || alone="$alone $h"
	name=OH_$(echo "$h" | tr 'a-z/.' 'A-Z__')
	grep -qx "#ifndef $name" "$h" && grep -qx "#define $name" "$h" || guard="$guard $h"
done
for f in $(git ls-files '*.c' '*.h' '*.cc' '*.sh' '*.mk' Makefile tests/run); do
	head -n 3 "$f" | grep -q 'SPDX-License-Identifier: Apache-2.0' || licence="$licence $f"
done

verdict 'each compiles alone' "$alone"
verdict 'each has a guard of its name' "$guard"
verdict 'each has a licence line' "$licence"
exit $status
