#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# failure.sh - every n-th request for memory of ours fails: the program never notices.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

# sweep NAME PROGRAM... - at interval 1, until a failure has no effect any more.
sweep() {
	name=$1
	shift
	run_plain "$@"
	plain_rc=$rc
	plain_out=$out
	n=0
	harmed=''
	last_effect=0
	lost=0
	# The number of requests is not known from outside: go on for as long as profiles
	# differ from what they are without failure, and then some.
	run OTHEAP_SAMPLE_INTERVAL=1 "$@"
	decode_last "$name: no failure" && sum_all >"$work/whole"
	while [ $n -lt $((last_effect + 8)) ] && [ $n -lt 200 ]; do
		n=$((n + 1))
		run OTHEAP_TEST_FAIL_AT=$n OTHEAP_SAMPLE_INTERVAL=1 "$@"
		[ "$rc" = "$plain_rc" ] || harmed="$harmed n=$n: status $rc;"
		cmp -s "$out" "$plain_out" || harmed="$harmed n=$n: $(diff "$plain_out" "$out" | head -n 3);"
		f=$(last_file) || f=''
		if [ -z "$f" ]; then
			lost=$((lost + 1))
			last_effect=$n
		elif ! decode "$f"; then
			harmed="$harmed n=$n: profile not readable;"
			last_effect=$n
		elif [ "$(sum_all)" != "$(cat "$work/whole")" ]; then
			last_effect=$n
			# What was lost is counted.
			if grep -q '^comment dropped: none' "$text"; then
				harmed="$harmed n=$n: loss not counted: $(sum_all);"
			fi
		fi
		[ -z "$(find "$dir" -name '*.tmp')" ] || harmed="$harmed n=$n: temporary file left;"
	done
	if [ -z "$harmed" ]; then
		ok "$name: $n failures, $lost of them without a profile"
	else
		not_ok "$name" "$harmed"
	fi
	if [ $last_effect -gt 0 ] && [ $n -lt 200 ]; then
		ok "$name: the sweep is complete"
	else
		not_ok "$name: the sweep is complete" "last effect at $last_effect of $n"
	fi
}

sweep "malloc family" "$prog/exact"
sweep "C++" "$prog/cxx"
sweep "threads" "$prog/mixed"
sweep "stacks" "$prog/stacks" deep 200
