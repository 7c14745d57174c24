#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# lost.sh - which blocks are lost: what a leak check at exit says of a program
# that knows, and what LeakSanitizer and memcheck say of it.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

# of_class FUNCTION CLASS - live blocks of that class with that function on top, in $text.
of_class() {
	awk -v fn="$1" -v class="$2" '
		$1 == "sample" {
			n = split($0, part, "|")
			split(part[4], f, " ")
			is = "reached"
			if (match(part[1], / leak=[a-z]+/)) is = substr(part[1], RSTART + 6, RLENGTH - 6)
			if (f[1] == fn && is == class) sum += $4
		}
		END { print sum + 0 }' "$text"
}

# leaks VAR=VALUE... MODE - run it with a leak check at exit, everything sampled.
leaks() {
	run OTHEAP_LEAK_CHECK=1 OTHEAP_LEAK_REPORT=none OTHEAP_SAMPLE_INTERVAL=1 "$@"
}

checked() {
	grep -q '^comment leak check: lost ' "$text"
}

for mode in plain memory odd register threads fiber; do
	leaks "$prog/lost" $mode
	equal "lost $mode: status" "$rc" 0
	inside "lost $mode"
	decode_last "lost $mode" || continue
	check "lost $mode: a check was made" checked
	grep '^class ' "$out" >"$work/classes"
	while read -r _ fn class n; do
		equal "lost $mode: $fn is $class" "$(of_class "$fn" "$class")" "$n"
	done <"$work/classes"
	# Nothing else of the program's is said to be lost.
	expected=$(awk '$3 == "lost" { n += $4 } END { print n + 0 }' "$work/classes")
	equal "lost $mode: as many are lost as were lost" \
	    "$(sed -n 's/^comment leak check: lost \([0-9]*\) .*/\1/p' "$text")" "$expected"
	case $mode in
	threads)
		equal "lost $mode: what may be in registers is counted" \
		    "$(sed -n 's/^comment leak check: .* unsure \([0-9]*\) .*/\1/p' "$text")" 3
		equal "lost $mode: looked twice" "$(grep -c '^comment leak scan: .* scans 2$' "$text")" 1
		;;
	*) equal "lost $mode: looked once" "$(grep -c '^comment leak scan: .* scans 1$' "$text")" 1 ;;
	esac
	# What is of no class and of some class adds up to what there is.
	cp "$text" "$work/with"
	run OTHEAP_SAMPLE_INTERVAL=1 "$prog/lost" $mode
	decode_last "lost $mode without" || continue
	equal "lost $mode: the sums are as without a check" "$(sum_all)" "$(text=$work/with && sum_all)"
	equal "lost $mode: nothing is said of a check that was not asked for" "$(grep -c 'leak' "$text")" 0
done
