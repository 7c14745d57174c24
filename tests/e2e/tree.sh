#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# tree.sh - otheap tree and peek: shares of the tree, and edges as pprof counts them.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

reads

"$mk" --samples 800 --locations 100 --interval 1 "$work/a.pb" || exit 1
"$mk" --samples 0 "$work/none.pb"
"$mk" --samples 1 --locations 8 --depth 4 --interval 1 "$work/one.pb"
head -c 3001 "$work/a.pb" >"$work/cut.pb"

refused 'tree: no file' 'no FILE' tree
refused 'tree: a truncated file' 'cut.pb: ' tree "$work/cut.pb"
refused 'tree: bad --min' 'a percentage' tree --min 101 "$work/a.pb"
refused 'tree: no such sample type' 'alloc_objects, alloc_space' tree -s nosuch "$work/a.pb"
refused 'peek: no file' 'another FILE' peek x
refused 'peek: bad expression' "REGEX '('" peek '(' "$work/a.pb"
quiet() {
	"$otheap" "$@" >/dev/null
}
for command in 'tree' 'peek x'; do
	# shellcheck disable=SC2086
	check "$command: without samples" quiet $command "$work/none.pb"
done

equal 'tree: golden' "$("$otheap" tree -s alloc_space "$work/one.pb" | sed '1,/^$/d')" \
	'       320 B  100.0%  function_1  src/file_1.c:2
       320 B  100.0%   function_2  src/file_2.c:3
       320 B  100.0%    function_2  src/file_2.c:3'
equal 'peek: golden' "$("$otheap" peek -s alloc_space 'function_2$' "$work/one.pb" | sed '1,/^$/d')" \
	'       320 B  100.0%      function_2  src/file_2.c:3
       320 B  100.0%      function_1  src/file_1.c:2
       320 B  100.0%  function_2  src/file_2.c:3
       320 B  100.0%      function_2  src/file_2.c:3'

# The first calls add up to the total, and none is above its caller.
"$otheap" tree --min 0 -u bytes "$work/a.pb" >"$work/tree"
if awk '$1 == "Total" { total = $2 } seen && NF {
		match($0, /%  */); depth = index(substr($0, index($0, "%") + 1), "f") - 2
		if (depth == 1) sum += $1
		if (depth > 1 && $1 > value[depth - 1]) { print; bad = 1 }
		value[depth] = $1
	}
	!NF { seen = 1 }
	END { exit bad || !total || sum != total }' "$work/tree" >"$work/bad"; then
	ok 'tree: callees are part of their callers'
else
	not_ok 'tree: callees are part of their callers' "$(head -n 3 "$work/bad" "$work/tree")"
fi

if ! command -v go >/dev/null; then
	skip 'peek: edges as go tool pprof' 'it is not installed'
	exit 0
fi
for f in 1 8 20; do
	# VALUE NAME, the function itself and its edges, without those to itself.
	"$otheap" peek --min 0 -u bytes "function_$f\$" "$work/a.pb" | sed '1,/^$/d' |
		awk -v f="function_$f" 'NF && !($3 == f && /%      /) { print $1, $3 }' | sort >"$work/ours"
	go tool pprof -peek "function_$f\$" -unit=B "$work/a.pb" 2>/dev/null | sed '1,/calls%/d' |
		awk '/ \| / { n = $NF; if (n ~ /inline/) n = $(NF - 1); i = $3 == "|" ? 1 : 4
			sub(/B$/, "", $i); if ($i != 0) print $i, n }' | sort >"$work/theirs"
	same_lines "peek: edges as go tool pprof: function_$f" "$work/ours" "$work/theirs"
done
