#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# exact.sh - every entry point of the malloc family is counted once, exactly.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

run_plain "$prog/exact"
equal "exact: the program itself is right" "$rc" 0

run OTHEAP_SAMPLE_INTERVAL=1 "$prog/exact"
equal "exact: status" "$rc" 0
silent exact
if decode_last exact; then
	compare exact
	grep '^seen ' "$out" >"$work/seen"
	while read -r _ fn live; do
		s=$(sum "$fn")
		if [ "${s%% *}" -ge 1 ] && [ "$(echo "$s" | cut -d ' ' -f 3)" = "$live" ]; then
			ok "exact: $fn is seen"
		else
			not_ok "exact: $fn is seen" "got '$s', expected $live live"
		fi
	done <"$work/seen"
	# realloc(p, 0) is a free to glibc and an allocation to nobody.
	equal "exact: site_realloc_0 leaves nothing" "$(sum site_realloc_0 | cut -d ' ' -f 3-)" "0 0"
	equal "exact: site_realloc_0 counts no more than what was asked for" \
		"$(sum site_realloc_0 | cut -d ' ' -f 2)" 33
	# Leaves are the functions that called, never one of ours.
	equal "exact: the caller is on top" "$(sum site_malloc leaf)" "$(sum site_malloc)"
	if grep '^sample' "$text" | grep -q 'libotheap\.so+'; then
		not_ok "exact: no frame of ours" "$(grep -c 'libotheap\.so+' "$text") samples have one"
	else
		ok "exact: no frame of ours"
	fi
	equal "exact: samples add up to the exact totals" \
		"$(sum_all | awk '{ print $2, $1 }')" "$(totals)"
	equal "exact: nothing dropped" "$(grep '^comment dropped' "$text")" "comment dropped: none"
	equal "exact: sample types" "$(grep '^type' "$text" | tr '\n' ' ')" \
		"type alloc_objects count type alloc_space bytes type inuse_objects count type inuse_space bytes "
	equal "exact: default sample type" "$(grep '^default' "$text")" "default inuse_space"
	equal "exact: label bytes" \
		"$(grep ' site_malloc ' "$text" | cut -d ' ' -f 6 | sort -u)" "bytes=64"
	f=$(last_file)
	if command -v go >/dev/null; then
		go_reads() {
			HOME=$work GOCACHE=$work/gocache go tool pprof -symbolize=none "$@" >"$work/go" 2>"$work/goerr" || return 1
			# What it says of itself: where it reads from and writes to.
			! grep -v -e '^Fetching' -e '^Saved' -e '^Main binary' -e '^Generating' \
				"$work/goerr" | sed 's/^/# /' | grep .
		}
		for type in alloc_objects alloc_space inuse_objects inuse_space; do
			check "exact: go tool pprof -sample_index=$type" \
				go_reads -top -sample_index=$type "$f"
		done
		for how in -raw -tags -traces "-base $f -top" "-proto -output=$work/again.pb.gz"; do
			# shellcheck disable=SC2086 # options
			check "exact: go tool pprof ${how%% *}" go_reads $how "$f"
		done
		mv "$text" "$work/text1"
		decode "$work/again.pb.gz"
		equal "exact: the same after go tool pprof wrote it" \
			"$(sum_all)" "$(text=$work/text1 && sum_all)"
	else
		skip "exact: go tool pprof" "no go"
	fi
fi

# At an interval so large that nothing but the program's behaviour is left.
run OTHEAP_SAMPLE_INTERVAL=1g OTHEAP_SEED=1 "$prog/exact"
equal "exact: status at 1g" "$rc" 0
equal "exact: no complaint at 1g" "$(grep -c '^bad' "$out")" 0
equal "exact: nothing sampled, no file" "$(ls -A "$dir")" ""
run OTHEAP_SAMPLE_INTERVAL=0 "$prog/exact"
equal "exact: status at 0" "$rc" 0
equal "exact: no complaint at 0" "$(grep -c '^bad' "$out")" 0
for interval in 2 100 512k; do
	run OTHEAP_SAMPLE_INTERVAL=$interval OTHEAP_SEED=1 "$prog/exact"
	equal "exact: status at $interval" "$rc" 0
done
