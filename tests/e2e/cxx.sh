#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# cxx.sh - operator new and delete are counted once, over every allocator.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

one=OTHEAP_SAMPLE_INTERVAL=1

# right NAME - the last run's profile agrees with its truth.
right() {
	equal "$1: status" "$rc" "$plain_rc"
	# What an allocator does wrong it does without us as well.
	grep '^bad' "$plain_out" >"$work/plain_bad"
	sed '/^bad/d' "$out" >"$work/out"
	equal "$1: inside" "$(grep '^bad' "$out")" "$(cat "$work/plain_bad")"
	cp "$work/out" "$out"
	silent "$1"
	decode_last "$1" || return
	compare "$1"
	s=$(sum site_0)
	equal "$1: site_0" "${s%% *} $(echo "$s" | cut -d ' ' -f 3)" "1 0"
	equal "$1: nothing lost" \
		"$(dropped memory_full)/$(dropped free_missed)/$(dropped reentrant)" "0/0/0"
}

plain() { # ARGUMENT... - without us: $plain_rc, $plain_out
	run_plain "$@"
	plain_rc=$rc
	plain_out=$out
}

# Large requests are worse for some: $mode
choose() {
	mode=''
	plain "$@"
	if [ "$rc" != 0 ]; then
		mode=plain
		plain "$@" $mode
	fi
}

plain "$prog/cxx"
equal "the program itself is right" "$rc" 0

run $one "$prog/cxx"
right glibc
equal "glibc: the caller of new is on the stack" "$(sum site_new | cut -d ' ' -f 1)" 50

for name in jemalloc.so.2 tcmalloc.so.4 tcmalloc_minimal.so.4 mimalloc.so.2; do
	if ! so=$(find_library $name); then
		skip "$name preloaded" "not installed"
		continue
	fi
	choose LD_PRELOAD="$so" "$prog/cxx"
	run $one LD_PRELOAD="$lib:$so" "$prog/cxx" $mode
	# tcmalloc tells of very large requests.
	grep -v '^tcmalloc: large alloc' "$err" >"$work/err"
	cp "$work/err" "$err"
	right "otheap before $name"
	run LD_PRELOAD="$lib:$so" "$prog/cxx" $mode
	equal "otheap before $name, default interval: status" "$rc" "$plain_rc"
done

for name in jemalloc tcmalloc tcmalloc_minimal mimalloc; do
	so=$(find_library "$name.so") || so=$(find_library "$name.so.4") ||
		so=$(find_library "$name.so.2") || so=''
	if [ -z "$so" ]; then
		skip "$name linked" "not installed"
		continue
	fi
	if ! ${CXX:-c++} -O1 -g -fno-builtin -std=gnu++17 -o "$work/cxx-$name" "$src/cxx.cc" "$so" 2>"$work/ld"; then
		skip "$name linked" "$(head -n 1 "$work/ld")"
		continue
	fi
	choose "$work/cxx-$name"
	run $one "$work/cxx-$name" $mode
	grep -v '^tcmalloc: large alloc' "$err" >"$work/err"
	cp "$work/err" "$err"
	right "$name linked"
done

# A program in C, whose plugin is C++ and private: its operators come to us.
${CXX:-c++} -O1 -g -fno-builtin -std=gnu++17 -shared -fPIC -o "$work/plugin.so" "$src/so/plugin.cc"
for how in local deep global; do
	[ $how = local ] && how=''
	# shellcheck disable=SC2086
	run $one "$prog/host" $how "$work/plugin.so"
	equal "C++ plugin ${how:-local}: status" "$rc" 0
	silent "C++ plugin ${how:-local}"
	if [ "$how" = deep ]; then continue; fi # it may go past us
	if decode_last "C++ plugin"; then
		equal "C++ plugin ${how:-local}: counted" "$(sum site_plugin)" "11 3128 0 0"
	fi
done
