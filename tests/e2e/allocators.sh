#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# allocators.sh - other allocators: before us, behind us, inside the program.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

one=OTHEAP_SAMPLE_INTERVAL=1
CC=${CC:-cc}

# same NAME - did the program do what it does without us?  ($plain_rc, $plain_out)
same() {
	equal "$1: status" "$rc" "$plain_rc"
	grep '^tcmalloc: large alloc' "$err" >/dev/null && : >"$err"
	if cmp -s "$out" "$plain_out"; then
		ok "$1: output"
	else
		not_ok "$1: output" "$(diff "$plain_out" "$out" | head -n 5)"
	fi
	silent "$1"
}

plain() {
	run_plain "$@"
	plain_rc=$rc
	plain_out=$out
}

# No profile rather than one of nothing: we saw none of the program's heap.
no_nonsense() {
	equal "$1: no profile" "$(count_files)" 0
}

for name in jemalloc.so.2 tcmalloc.so.4 tcmalloc_minimal.so.4 mimalloc.so.2; do
	if ! so=$(find_library $name); then
		skip "$name" "not installed"
		continue
	fi
	plain LD_PRELOAD="$so" "$prog/exact" other

	run $one LD_PRELOAD="$lib:$so" "$prog/exact" other
	same "otheap before $name"
	if decode_last "otheap before $name"; then
		# What it does otherwise than glibc is its own affair.
		grep -v '^bad' "$out" >"$work/out"
		compare "otheap before $name" "$work/out"
		equal "otheap before $name: nothing lost" \
			"$(dropped memory_full)/$(dropped free_missed)/$(dropped reentrant)" "0/0/0"
	fi
	run LD_PRELOAD="$lib:$so" "$prog/exact" other
	same "otheap before $name, default interval"
	run $one LD_PRELOAD="$so:$lib" "$prog/exact" other
	same "$name before otheap"
	no_nonsense "$name before otheap"

	plain LD_PRELOAD="$so" "$prog/mixed"
	run $one LD_PRELOAD="$lib:$so" "$prog/mixed"
	same "otheap before $name, threads"
	run $one LD_PRELOAD="$so:$lib" "$prog/mixed"
	same "$name before otheap, threads"

	plain LD_PRELOAD="$so" "$prog/cxx" plain
	run $one LD_PRELOAD="$so:$lib" "$prog/cxx" plain
	same "$name before otheap, C++"
	no_nonsense "$name before otheap, C++"
done

# ---- inside the program ----------------------------------------------------------------

flags="-O1 -g -D_GNU_SOURCE -fno-builtin -w"
for how in "" -rdynamic -no-pie "-Wl,-z,now"; do
	# shellcheck disable=SC2086
	$CC $flags $how -o "$work/own" "$src/mixed.c" "$src/so/ownmalloc.c" -pthread
	plain "$work/own"
	equal "own malloc ($how): alone" "$plain_rc" 0
	run $one "$work/own"
	same "own malloc ($how)"
	no_nonsense "own malloc ($how)"
done

# shellcheck disable=SC2086
if $CC $flags -static -o "$work/static" "$src/mixed.c" -pthread 2>/dev/null; then
	plain "$work/static"
	run $one "$work/static"
	same "static program"
	no_nonsense "static program"
else
	skip "static program" "no static libc"
fi

# shellcheck disable=SC2086
# A program whose malloc comes with it as an archive.
if a=$(find_library jemalloc.a) &&
	$CC $flags -o "$work/jemalloc" "$src/mixed.c" "$a" -pthread -lm 2>/dev/null; then
	plain "$work/jemalloc"
	run $one "$work/jemalloc"
	same "jemalloc linked as an archive"
	no_nonsense "jemalloc linked as an archive"
else
	skip "jemalloc linked as an archive" "no libjemalloc.a"
fi

# As a shared library that the program is linked with: it comes behind us.
# shellcheck disable=SC2086
$CC $flags -shared -fPIC -o "$work/libown.so" "$src/so/ownmalloc.c"
# shellcheck disable=SC2086
$CC $flags -o "$work/linked" "$src/mixed.c" -L"$work" -lown -Wl,-rpath,"$work" -pthread
plain "$work/linked"
equal "own malloc in a library: alone" "$plain_rc" 0
run $one "$work/linked"
same "own malloc in a library"
if decode_last "own malloc in a library"; then
	s=$(sum site_mixed)
	equal "own malloc in a library: all freed" "$(echo "$s" | cut -d ' ' -f 3-)" "0 0"
fi
run $one LD_PRELOAD="$work/libown.so:$lib" "$prog/mixed"
same "own malloc preloaded before otheap"
no_nonsense "own malloc preloaded before otheap"
run $one LD_PRELOAD="$lib:$work/libown.so" "$prog/mixed"
same "own malloc preloaded behind otheap"

# A wrapper, as other tools preload it, before us calls us; we must not call it back.
# shellcheck disable=SC2086
$CC $flags -shared -fPIC -o "$work/wrapper.so" "$src/so/wrapper.c"
limit_s=10
plain LD_PRELOAD="$work/wrapper.so" "$prog/mixed"
for preload in "$work/wrapper.so:$lib" "$lib:$work/wrapper.so"; do
	name="a wrapper, $(echo "$preload" | sed 's|[^:]*/||g')"
	run $one LD_PRELOAD="$preload" "$prog/mixed"
	same "$name"
done
