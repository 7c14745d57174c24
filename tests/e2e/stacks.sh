#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# stacks.sh - call stacks as another unwinder sees them, on stacks of all kinds.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

one=OTHEAP_SAMPLE_INTERVAL=1
CC=${CC:-cc}

# chains NAME - every chain that the program told is that of the sample of that size.
# The profile's addresses lie within the call, one below the return address; that
# of a frame interrupted by a signal is the same.
chains() {
	equal "$1: status" "$rc" 0
	inside "$1"
	silent "$1"
	decode_last "$1" || return
	result=$(awk '
		function value(hex,    i, v) {
			v = 0
			for (i = 3; i <= length(hex); i++)
				v = v * 16 + index("0123456789abcdef", substr(hex, i, 1)) - 1
			return v
		}
		FNR == NR {
			if ($1 == "chain") {
				key = $2; rest = ""
				for (i = 3; i <= NF; i++) rest = rest " " $i
				want[key] = want[key] "|" rest
				total++
			}
			next
		}
		$1 == "sample" {
			split($6, b, "=")
			if (!(b[2] in want)) next
			split($0, part, " \\| ?")
			n = split(part[2], at, " ")
			# Several chains of one size: one of them must be it.
			m = split(want[b[2]], each, "|")
			found = 0
			for (k = 2; k <= m && !found; k++) {
				o = split(each[k], other, " ")
				good = o == n - 1
				for (i = 1; i <= o && good; i++) {
					d = value(other[i]) - value(at[i + 1])
					good = d == 0 || d == 1
				}
				found = good
			}
			if (found) matched += $2
			else print "size " b[2] ": profile" substr(part[2], index(part[2], " ")) " other" each[2]
		}
		END { if (matched != total || total == 0) print matched + 0 " of " total }' "$out" "$text")
	if [ -z "$result" ]; then ok "$1: chains"; else not_ok "$1: chains" "$result"; fi
	equal "$1: no stack broken" "$(dropped stack_broken)" 0
}

unwind=$(find_library unwind.so.8) || unwind=''

for flags in "-O0" "-O2 -fomit-frame-pointer" "-O2 -fno-omit-frame-pointer" "-O1 -mstackrealign" \
	"-O2 -no-pie -fcf-protection=none" "-O2 -fstack-protector-all -D_FORTIFY_SOURCE=2";  do
	# shellcheck disable=SC2086
	$CC -g -std=gnu11 -D_GNU_SOURCE -fno-builtin -fno-optimize-sibling-calls $flags \
		-o "$work/stacks" "$src/stacks.c" -pthread 2>"$work/cc" || {
		not_ok "compile $flags" "$(head -n 3 "$work/cc")"
		continue
	}
	run $one "$work/stacks" chains
	chains "$flags, backtrace"
	run $one "$work/stacks" altstack
	chains "$flags, alternate stack"
	if [ -n "$unwind" ]; then
		run $one TEST_UNWINDER="$unwind" "$work/stacks" chains
		chains "$flags, libunwind"
	fi
done
[ -n "$unwind" ] || skip "libunwind" "not installed"

for how in fibers fibers-malloc; do
	run $one "$prog/stacks" $how
	equal "$how: status" "$rc" 0
	inside $how
	silent $how
	if decode_last $how; then
		equal "$how: fiber" "$(sum fiber)" "40 80020 40 80020"
		equal "$how: its caller" "$(sum aligned)" "20 40020 20 40020"
	fi
done

run $one "$prog/stacks" deep 100
if decode_last "recursion of 100"; then
	compare "recursion of 100"
	equal "recursion of 100: whole" "$(dropped stack_truncated)" 0
fi
run $one "$prog/stacks" deep 1000
if decode_last "recursion of 1000"; then
	compare "recursion of 1000"
	equal "recursion of 1000: counted as cut" "$(dropped stack_truncated)" 10
	equal "recursion of 1000: 128 frames" \
		"$(grep 'bytes=1200 ' "$text" | awk '{ split($0, p, " \\| ?"); print split(p[2], a, " ") }')" 128
fi
run $one OTHEAP_MAX_FRAMES=5 "$prog/stacks" deep 10
if decode_last "OTHEAP_MAX_FRAMES"; then
	equal "OTHEAP_MAX_FRAMES=5" \
		"$(grep 'bytes=1200 ' "$text" | awk '{ split($0, p, " \\| ?"); print split(p[2], a, " ") }')" 5
fi

# What the kernel and libc need of a signal stack at least, and 8 KiB, which was
# SIGSTKSZ for decades.
least=$("$prog/stacks" least)
for bytes in 16384 8192; do
	if [ $bytes -lt $((least + 4096)) ]; then
		skip "signal stack of $bytes" "the kernel itself needs $least"
		continue
	fi
	run_plain "$prog/stacks" small-altstack $bytes
	equal "signal stack of $bytes: the program itself" "$rc" 0
	run $one "$prog/stacks" small-altstack $bytes
	equal "signal stack of $bytes: status" "$rc" 0
	if decode_last "signal stack of $bytes"; then compare "signal stack of $bytes"; fi
done
