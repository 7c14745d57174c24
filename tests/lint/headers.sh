#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# headers.sh - each header compiles alone, is guarded, and says who may use it.

cd "$(dirname "$0")/../.." || exit 1
: "${CC:=cc}" "${B:=build}"
status=0
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

for what in "alone:compiles alone" "guard:has a guard of its name" "licence:has a licence line"; do
	case ${what%%:*} in
	alone) bad=$alone ;;
	guard) bad=$guard ;;
	licence) bad=$licence ;;
	esac
	if [ -z "$bad" ]; then
		echo "ok headers: each ${what#*:}"
	else
		echo "not ok headers: each ${what#*:}: not$bad"
		status=1
	fi
done
exit $status
