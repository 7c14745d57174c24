#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# diff.sh - otheap diff: the growth that pprof computes, errors that hold, modules that
# lie elsewhere in each process, and files that cannot be compared.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

reads diff

"$mk" --samples 800 --locations 120 --seed 1 "$work/a.pb" || exit 1
"$mk" --samples 800 --locations 120 --seed 2 "$work/b.pb"
"$mk" --samples 800 --locations 120 --seed 2 --pid 4712 "$work/other.pb"
"$mk" --samples 800 --locations 120 --seed 2 --interval 65536 "$work/finer.pb"
"$mk" --samples 800 --locations 120 --seed 1 --interval 1 "$work/exact_a.pb"
"$mk" --samples 800 --locations 120 --seed 2 --interval 1 "$work/exact_b.pb"
"$mk" --samples 0 "$work/none.pb"
head -c 3001 "$work/a.pb" >"$work/cut.pb"

# ---- usage and bad input ---------------------------------------------------------

prints 'help' 'usage: otheap diff' --help
refused 'no file' 'no FILE'
refused 'one file' 'another FILE' "$work/a.pb"
refused 'unknown option' "unknown option '--nosuch'" --nosuch a b
refused 'no such file' 'No such file' "$work/a.pb" "$work/nosuch"
refused 'a truncated file' 'cut.pb: ' "$work/cut.pb" "$work/b.pb"
refused 'no such sample type' 'alloc_objects, alloc_space' -s nosuch "$work/a.pb" "$work/b.pb"
refused 'another interval' 'finer.pb: was sampled at interval 65536, but 524288' "$work/a.pb" "$work/finer.pb"
prints 'another interval, with --force' 'the errors of both' --force "$work/a.pb" "$work/finer.pb"

# ---- output -----------------------------------------------------------------------

prints 'the same file' 'growth 0 B +- 0 B' "$work/a.pb" "$work/a.pb"
prints 'nothing changed' 'Changed    0 functions' "$work/a.pb" "$work/a.pb"
prints 'from nothing' 'Total      0 B -> ' "$work/none.pb" "$work/a.pb"
prints 'one process' 'the same; blocks that must be in both' "$work/a.pb" "$work/b.pb"
prints 'two processes' 'not known to be the same' "$work/a.pb" "$work/other.pb"
prints 'a series' 'over1' "$work/a.pb" "$work/none.pb" "$work/b.pb"
prints 'exact' '(exact)' "$work/exact_a.pb" "$work/exact_b.pb"
try -n 3 "$work/a.pb" "$work/b.pb"
equal 'as many rows as asked for' "$(sed '1,/^ *growth/d' "$out" | wc -l)" 3
# A shrinks as B grows.
"$otheap" diff -n 0 -u bytes "$work/a.pb" "$work/b.pb" | sed '1,/^ *growth/d' | awk '{ print -$1, $NF }' | sort >"$work/there"
"$otheap" diff -n 0 -u bytes "$work/b.pb" "$work/a.pb" | sed '1,/^ *growth/d' | awk '{ print $1 + 0, $NF }' | sort >"$work/back"
same_lines 'there and back' "$work/there" "$work/back"
# Errors of two processes: the root of the sum of the squares; of one, not above that.
half() {
	awk '/^Total/ { for (i = 1; i <= NF; i++) if ($i == "+-") print $(i + 1) }'
}
alone_a=$("$otheap" top -u bytes "$work/a.pb" | half)
alone_b=$("$otheap" top -u bytes "$work/other.pb" | half)
apart=$("$otheap" diff -u bytes "$work/a.pb" "$work/other.pb" | half)
if awk -v a="$alone_a" -v b="$alone_b" -v e="$apart" 'BEGIN { t = sqrt(a * a + b * b)
	exit !(t > 0 && e > t * 0.9999 && e < t * 1.0001) }'; then
	ok 'two processes: errors add up'
else
	not_ok 'two processes: errors add up' "$alone_a and $alone_b, together $apart"
fi

# ---- one process, by the library ----------------------------------------------------

# The blocks of the first profile still live in the second are no error of the growth.
start OTHEAP_SAMPLE_INTERVAL=4k "$prog/hold" alloc
wait_said ready
kill -USR2 "$pid"
wait_files 1
kill -USR2 "$pid"
wait_files 2
finish
set -- "$dir"/*.pb.gz
if [ $# -ge 2 ]; then
	prints 'live blocks seen twice' 'Process    the same' "$1" "$2"
	one=$("$otheap" top -u bytes "$1" | half)
	both=$("$otheap" diff -u bytes "$1" "$2" | half)
	if [ "${one:-0}" -gt 0 ] && [ "${both:-x}" -lt "$one" ]; then
		ok 'live blocks seen twice add no error'
	else
		not_ok 'live blocks seen twice add no error' "top '$one', diff '$both'"
	fi
else
	not_ok 'live blocks seen twice' "no two profiles: $*"
fi

# ---- programs that lie elsewhere ------------------------------------------------------

: "${CC:=cc}"
printf 'int f(int x) { return x; }\nint g(int x) { return f(x) + 1; }\nint main(void) { return g(-1); }\n' >"$work/app.c"
if $CC -g -O0 -o "$work/app" "$work/app.c" 2>/dev/null &&
    $CC -g -O0 -Wl,--build-id=0x0102030405060708 -o "$work/rebuilt" "$work/app.c"; then
	"$mk" --elf "$work/app" --symbol f+4 --symbol g+4 "$work/low.pb"
	"$mk" --elf "$work/app" --base 0x7f1234560000 --pid 99 --symbol f+4 --symbol g+4 "$work/high.pb"
	"$mk" --elf "$work/rebuilt" --symbol f+4 --symbol g+4 "$work/rebuilt.pb"
	for how in '' --no-symbols --stacks; do
		prints "at another address $how" 'Changed    0' ${how:+"$how"} "$work/low.pb" "$work/high.pb"
	done
	prints 'names after matching' ' g  ' -c "$work/none.pb" "$work/high.pb"
	refused 'another program' 'rebuilt.pb: is of a program with build ID 0102030405060708' "$work/low.pb" "$work/rebuilt.pb"
	try --force -c "$work/low.pb" "$work/rebuilt.pb"
	equal 'another program, with --force' "$rc" 0
else
	skip 'programs that lie elsewhere' "no C compiler ($CC)"
fi

# ---- against go tool pprof ---------------------------------------------------------------

if ! command -v go >/dev/null; then
	skip 'same growth as go tool pprof' 'it is not installed'
	exit 0
fi
for type in alloc_objects alloc_space inuse_objects inuse_space; do
	# growth +- from to q sign. name place
	"$otheap" diff -n 0 -u bytes -s $type "$work/a.pb" "$work/b.pb" | sed '1,/^ *growth/d' |
		awk '{ print $1 + 0, $7 }' | sort >"$work/ours"
	go_top -sample_index=$type -base "$work/a.pb" "$work/b.pb" |
		awk '$1 != 0 { print $1 + 0, $6 }' | sort >"$work/theirs"
	same_lines "as pprof -base: $type" "$work/ours" "$work/theirs"
done
