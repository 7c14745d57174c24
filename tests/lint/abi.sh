#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# abi.sh - what the library shows a program, and what it asks of one.

# shellcheck source=tests/lint/lib.sh
. "$(dirname "$0")/lib.sh"
lib=${B:-build}/libotheap.so
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# same NAME EXPECTED GOT - two files of lines.
same() {
	verdict "$1" "$(diff "$2" "$3" | sed -n 's/^</missing/p; s/^>/new/p')"
}

# holds NAME COMMAND...
holds() {
	name=$1
	shift
	verdict "$name" "$("$@" || echo 'it is not so')"
}

[ -f "$lib" ] || {
	echo "not ok abi: there is no $lib"
	exit 1
}

sed 's/#.*//' preload/otheap.map | sed -n '/global:/,/local:/p' | tr ';' '\n' |
	sed 's/[[:space:]]//g' | grep -E '^[A-Za-z_]' | grep -v ':$' | sort >"$work/map"
nm -D --defined-only "$lib" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort >"$work/exports"
same 'exports are those of preload/otheap.map' "$work/map" "$work/exports"

# Weak ones are hooks of the tool chain that no library need have.
grep -v '^#' tests/lint/imports.txt | sort >"$work/allowed"
nm -D --undefined-only "$lib" | awk '$1 == "U" { sub(/@.*/, "", $2); print $2 }' | sort >"$work/imports"
same 'imports are those of tests/lint/imports.txt' "$work/allowed" "$work/imports"

readelf -dW "$lib" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' |
	grep -v '^ld-linux' | sort >"$work/needed"
printf 'libc.so.6\nlibm.so.6\n' >"$work/libraries"
same 'needs the C library and its mathematics alone' "$work/libraries" "$work/needed"

segments=$(readelf -lW "$lib")
dynamic=$(readelf -dW "$lib")
# grep reads all of its input, so that no echo meets a closed pipe.
has() {
	echo "$1" | grep -E "$2" >/dev/null
}
has_not() {
	! has "$1" "$2"
}
holds 'no executable stack' has "$segments" 'GNU_STACK.* RW  '
holds 'no segment that is writable and executable' has_not "$segments" 'LOAD.* RWE '
holds 'relocations are read-only after start' has "$segments" 'GNU_RELRO'
holds 'bound at start' has "$dynamic" '\(FLAGS.*(BIND_NOW|NOW)'
holds 'never unloaded' has "$dynamic" 'NODELETE'
holds 'no text relocations' has_not "$dynamic" 'TEXTREL'
holds 'no path of its own to search' has_not "$dynamic" 'RPATH|RUNPATH'
holds 'named libotheap.so' has "$dynamic" 'SONAME.*\[libotheap\.so\]'
exit $status
