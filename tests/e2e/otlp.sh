#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# OTLP requests of whole profiles: memory, splitting, the same bytes every time.
# shellcheck source=SCRIPTDIR/lib.sh disable=SC2154
. "$(dirname "$0")/lib.sh"

encode=$B/otlp/encode

# ---- 100,000 stacks ----------------------------------------------------------------

"$prog/mkprofile" --samples 100000 --locations 20000 --depth 32 "$work/large.pb"
"$encode" -b 0.001 "$work/large.pb" >"$work/measured"
read -r samples stacks _ _ _ kib <"$work/measured"
equal 'all of 100,000 samples are read' "$samples" 100000
equal 'they are as many stacks' "$stacks" 100000
if [ "$kib" -le 65536 ]; then
	ok 'read, encoded and compressed within 64 MiB'
else
	not_ok 'read, encoded and compressed within 64 MiB' "$kib KiB"
fi

"$encode" -n "$work/whole" "$work/large.pb" >"$work/said"
whole=$(awk '{ sum += $4 } END { print sum }' "$work/said")
"$encode" -n -m 2000000 "$work/part" "$work/large.pb" >"$work/said"
equal 'in parts it has as many samples' "$(awk '{ sum += $4 } END { print sum }' "$work/said")" "$whole"
equal 'and none is larger than was asked for' "$(awk '$6 > 2000000' "$work/said")" ''
if [ "$(wc -l <"$work/said")" -gt 3 ]; then
	ok 'there are several parts'
else
	not_ok 'there are several parts' "$(wc -l <"$work/said")"
fi

# rules NAME FILE... - each of these requests is what the specification asks for.
rules() {
	name_=$1
	shift
	if "$B/otlp/check" "$@" >"$work/wrong" 2>&1; then ok "$name_"; else not_ok "$name_" "$(tail -n 3 "$work/wrong")"; fi
}

rules 'a large request keeps the rules' "$work/whole.0"
rules 'parts keep the rules' "$work"/part.*

# ---- exports of one process ------------------------------------------------------------

run OTHEAP_SAMPLE_INTERVAL=1 "$prog/exact"
f=$(last_file)
"$encode" "$work/once" "$f" >"$work/said"
"$encode" "$work/again" "$f" >"$work/said"
if cmp -s "$work/once.0" "$work/again.0"; then
	ok 'the same file gives the same bytes, ids and all'
else
	not_ok 'the same file gives the same bytes, ids and all' 'they differ'
fi
rules 'a request of a real program keeps the rules' "$work/once.0"
"$encode" -l -n "$work/numeric" "$f" >"$work/said"
rules 'so it does with numeric labels and without names' "$work/numeric.0"
# Of a file that was sent before, only the state is sent again: two types of four.
"$encode" "$work/twice" "$f" "$f" >"$work/said"
equal 'what was allocated before is not sent twice' "$(awk '{ print $2 }' "$work/said")" 6
rules 'two exports in one request keep the rules' "$work/twice.0"

# ---- damaged and foreign ----------------------------------------------------------------

head -c 100 "$work/large.pb" >"$work/cut.pb"
"$encode" "$work/bad" "$work/cut.pb" >"$work/said" 2>&1
equal 'half a profile is no profile' "$?" 2
"$prog/mkprofile" --samples 50 --locations 20 --depth 4 --name "$(printf 'bad\377name')" "$work/name.pb"
"$encode" "$work/name" "$work/name.pb" >"$work/said"
if grep -aq "$(printf 'bad\357\277\275name')" "$work/name.0" && ! grep -aq "$(printf 'bad\377')" "$work/name.0"; then
	ok 'names are well-formed UTF-8'
else
	not_ok 'names are well-formed UTF-8' "$(cat "$work/said")"
fi
