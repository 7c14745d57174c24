#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# top.sh - otheap top: usage, bad input, names from programs, and the same
# numbers as `go tool pprof` where that is installed.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

reads

# row FUNCTION - the line of $out for it.
row() {
	awk -v fn="$1" '{ for (i = 1; i <= NF; i++) if ($i == fn) { print; exit } }' "$out"
}

# ---- usage -------------------------------------------------------------------

prints help 'commands:' --help
prints version 'otheap 0.1.0' --version
prints 'help top' 'usage: otheap top' help top
prints 'top --help' 'usage: otheap top' top --help
refused 'no command' 'no command'
refused 'unknown command' "no command 'nosuch'" nosuch
refused 'unknown option' "unknown option '--nosuch'" top --nosuch x
refused 'option without value' 'needs a value' top -n
refused 'no file' 'no FILE' top
refused 'two files' 'more than one FILE' top a b
refused 'bad count' 'expected a number' top -n x a
refused 'bad unit' 'expected auto, bytes' top -u furlongs a
refused 'bad max-size' 'expected a size' top --max-size 9999g a
if [ "$("$otheap" top --help | wc -l)" -le 40 ]; then ok 'help fits a screen'; else not_ok 'help fits a screen' 'more than 40 lines'; fi

# ---- bad input ---------------------------------------------------------------

"$mk" --samples 2000 --locations 300 --depth 10 "$work/p.pb" || exit 1
gzip -c "$work/p.pb" >"$work/p.pb.gz"
: >"$work/empty"
head -c 3000 "$work/p.pb.gz" >"$work/cut.pb.gz"
head -c 3001 "$work/p.pb" >"$work/cut.pb"
printf '{"a":1}' >"$work/json"

refused 'no such file' 'No such file' top "$work/nosuch"
refused 'a folder' 'directory' top "$work"
refused 'an empty file' 'empty' top "$work/empty"
refused 'a truncated gzip file' 'ends early' top "$work/cut.pb.gz"
refused 'a truncated plain file' 'cut short' top "$work/cut.pb"
refused 'another format' 'JSON' top "$work/json"
refused 'a program' 'a program or library' top "$otheap"
refused 'more than --max-size' 'more than 0 MiB when unpacked' top --max-size 64k "$work/p.pb.gz"
refused 'no such sample type' 'alloc_objects, alloc_space' top -s nosuch "$work/p.pb"

head -c 67108864 /dev/zero | gzip -9 >"$work/bomb.gz"
refused 'a gzip bomb' 'otheap: ' top --max-size 16m "$work/bomb.gz"

# ---- output ------------------------------------------------------------------

prints 'gzip' 'functions' top "$work/p.pb.gz"
cp "$out" "$work/from_file"
fresh
"$otheap" top - <"$work/p.pb.gz" >"$out" 2>"$err"
sed 's/^File .*/File/' "$out" >"$work/a"
sed 's/^File .*/File/' "$work/from_file" >"$work/b"
if cmp -s "$work/a" "$work/b"; then ok 'standard input'; else not_ok 'standard input' 'differs from the file'; fi

prints 'time and length' 'Taken      2025-06-15 15:06:40 +0000, 12.50 s after' top "$work/p.pb"
prints 'interval' 'once in 512.00 KiB' top "$work/p.pb"
prints 'what was lost' 'Lost       nothing' top "$work/p.pb"
prints 'program and pid' 'mkprofile, pid 4711' top "$work/p.pb"
prints 'error bars' '(95 %)' top "$work/p.pb"
try top -n 3 "$work/p.pb"
equal 'as many rows as asked for' "$(sed '1,/^ *flat/d' "$out" | wc -l)" 3
try top --stacks -n 4 "$work/p.pb"
equal 'as many stacks as asked for' "$(grep -c ', sum ' "$out")" 4

"$mk" --samples 2000 --locations 300 --interval 1 "$work/exact.pb"
prints 'exact at interval 1' '(exact)' top "$work/exact.pb"
try top "$work/exact.pb"
if grep -q -e '+-' "$out"; then not_ok 'no error bars at interval 1' "$(head -n 20 "$out")"; else ok 'no error bars at interval 1'; fi

"$mk" --samples 0 "$work/none.pb"
prints 'a profile without samples' 'no samples' top "$work/none.pb"

# ---- formats, and which samples ---------------------------------------------------

refused 'unknown format' 'expected text, json' top -o yaml "$work/p.pb"
refused 'bad --focus' "--focus '('" top --focus '(' "$work/p.pb"
hostile=$(printf '</script><b>"x\\y;z\n\001\377\300\200\355\240\200 \342\200\250')
"$mk" --samples 500 --locations 60 --name "$hostile" "$work/h.pb"
if command -v python3 >/dev/null; then
	cat >"$work/check.py" <<'EOF'
import csv, json, math, sys
text = open(sys.argv[1], encoding="utf-8").read()
d = json.loads(text)
rows = d["rows"]
assert "<" not in text
assert sum(r["flat"] for r in rows) == d["total"]
assert abs(math.sqrt(sum(r["flat_stderr"] ** 2 for r in rows)) / d["total_stderr"] - 1) < 1e-4
assert d["sample_type"] == "inuse_space" and d["unit"] == "bytes" and d["period"] == 524288
table = list(csv.DictReader([l for l in open(sys.argv[2], encoding="utf-8") if not l.startswith("# ")]))
assert [int(r["flat"]) for r in table] == [r["flat"] for r in rows]
assert all(abs(float(t["flat_stderr"]) - r["flat_stderr"]) <= 1e-5 * r["flat_stderr"] + 1e-9
           for t, r in zip(table, rows))
if d["view"] == "stacks":
    assert all(r["frames"] for r in rows)
else:
    bad = [r for r in rows if r["function"].startswith('</script><b>"x\\y;z\n\x01\ufffd')]
    assert bad, [r["function"] for r in rows]
    assert [(int(r["cum"]), int(r["line"])) for r in table] == [(r["cum"], r["line"]) for r in rows]
EOF
	for view in '' -l --stacks; do
		"$otheap" top -o json ${view:+"$view"} "$work/h.pb" >"$work/h.json"
		"$otheap" top -o csv ${view:+"$view"} "$work/h.pb" >"$work/h.csv"
		check "json and csv $view" python3 "$work/check.py" "$work/h.json" "$work/h.csv"
	done
	"$otheap" top -o json "$work/none.pb" >"$work/none.json"
	check 'json without samples' python3 -m json.tool "$work/none.json" "$work/none.out"
else
	skip 'json' 'no python3'
fi
try top -o folded "$work/h.pb"
"$otheap" top --stacks -n 0 -u bytes "$work/h.pb" | awk '/, sum / { print $1 }' >"$work/a"
awk '{ print $NF }' "$out" >"$work/b"
same_lines 'folded: one line per stack, in order' "$work/a" "$work/b"
"$mk" --samples 1 --locations 8 --depth 4 "$work/one.pb"
try top -s alloc_space -o folded "$work/one.pb"
equal 'folded' "$(cat "$out")" 'function_1;function_2;function_2 320'

# Whatever a focus keeps, its --ignore leaves out.
total() {
	"$otheap" top -o csv "$@" "$work/p.pb" | sed -n 's/^# total: //p'
}
with=$(total --focus '^function_1[0-9]$')
without=$(total --ignore '^function_1[0-9]$')
equal 'focus and ignore are the whole' "$((with + without))" "$(total)"
if [ "$with" -gt 0 ] && [ "$without" -gt 0 ]; then
	ok 'focus takes a part'
else
	not_ok 'focus takes a part' "$with and $without"
fi

if [ -w /dev/full ]; then
	"$otheap" top "$work/p.pb" >/dev/full 2>"$work/full"
	rc=$?
	equal 'full disk: exit' $rc 2
	equal 'full disk: said' "$(cat "$work/full")" 'otheap: standard output: No space left on device'
else
	skip 'full disk' 'no /dev/full'
fi
{ "$otheap" top -n 0 --stacks "$work/p.pb" 2>"$work/pipe"; echo $? >"$work/rc"; } | head -n 1 >/dev/null
equal 'closed pipe: exit' "$(cat "$work/rc")" 2
equal 'closed pipe: quiet' "$(cat "$work/pipe")" ''

# ---- names from a program ------------------------------------------------------

cat >"$work/app.c" <<'EOF'
int sink;
static inline __attribute__((always_inline)) int
innermost(int x)
{
	sink += x;                          /* line 5 */
	return sink;
}
static inline __attribute__((always_inline)) int
middle(int x)
{
	return innermost(x) + 1;            /* line 11 */
}
__attribute__((noinline)) int
outer(int x)
{
	return middle(x) * 2;               /* line 16 */
}
__attribute__((noinline)) int
caller(int x)
{
	return outer(x) + 3;                /* line 21 */
}
int
main(int argc, char **argv)
{
	return caller(argc) == 12345;
}
EOF
: "${CC:=cc}"

# names NAME FILE [BASE] - do addresses in that program get their names?
names() {
	"$mk" --elf "$2" ${3:+--base "$3"} --symbol outer+4 --symbol caller+4 "$work/n.pb" || return
	try top --unit bytes "$work/n.pb"
	case $(row caller) in
	*100.0%*caller*app.c:19*) ok "$1: function and file" ;;
	*) not_ok "$1: function and file" "$(cat "$out" "$err")" ;;
	esac
	silent "$1"
}

if $CC -g -O1 -o "$work/pie" "$work/app.c" 2>/dev/null; then
	names 'position-independent' "$work/pie"
	# Every byte of outer(): the inlined frames are at some of them.
	set --
	n=0
	while [ $n -lt 16 ]; do
		"$mk" --elf "$work/pie" --symbol outer+$n --symbol caller+4 "$work/i.pb"
		"$otheap" top --stacks -n 1 "$work/i.pb" 2>&1
		n=$((n + 1))
	done >"$work/inlined"
	if awk '/ innermost .*app.c:5$/ { a = NR } / middle .*app.c:11$/ && a == NR - 1 { b = NR }
		/ outer .*app.c:16$/ && b && b == NR - 1 { good = 1 } END { exit !good }' "$work/inlined"; then
		ok 'inlined frames, innermost first'
	else
		not_ok 'inlined frames, innermost first' "$(head -n 40 "$work/inlined")"
	fi
	if $CC -g -O1 -no-pie -o "$work/fixed" "$work/app.c" 2>/dev/null; then
		names 'fixed address' "$work/fixed" 0x401000
	else
		skip 'fixed address' 'the compiler cannot make one'
	fi

	"$mk" --elf "$work/pie" --symbol outer+4 --symbol caller+4 "$work/n.pb"
	try top --no-symbols "$work/n.pb"
	if grep -qE ' pie\+0x[0-9a-f]+$' "$out"; then ok 'without names'; else not_ok 'without names' "$(cat "$out")"; fi

	if command -v objcopy >/dev/null && command -v strip >/dev/null; then
		mkdir "$work/s" "$work/s/.debug"
		cp "$work/pie" "$work/s/app"
		objcopy --only-keep-debug "$work/s/app" "$work/s/.debug/app.debug"
		"$mk" --elf "$work/s/app" --symbol outer+4 --symbol caller+4 "$work/s.pb"
		strip "$work/s/app"
		objcopy --add-gnu-debuglink="$work/s/.debug/app.debug" "$work/s/app"
		try top "$work/s.pb"
		case $(row caller) in
		*app.c:19*) ok 'separate debug file' ;;
		*) not_ok 'separate debug file' "$(cat "$out" "$err")" ;;
		esac
		rm -r "$work/s/.debug"
		try top "$work/s.pb"
		if grep -q ' app+0x' "$out"; then ok 'stripped: module and offset'; else not_ok 'stripped: module and offset' "$(cat "$out" "$err")"; fi
		cp "$work/pie" "$work/s/app"
		strip -g "$work/s/app"
		try top "$work/s.pb"
		case $(row caller) in
		*'caller  [app]'*) ok 'only a symbol table' ;;
		*) not_ok 'only a symbol table' "$(cat "$out" "$err")" ;;
		esac
		# A program built anew since: other build ID, other addresses.
		$CC -g -O0 -DOTHER -Wl,--build-id=0x0102030405060708 -o "$work/s/app" "$work/app.c"
		try top "$work/s.pb"
		if [ $rc = 0 ] && grep -q ' app+0x' "$out" && [ "$(grep -c 'build ID differs' "$err")" = 1 ]; then
			ok 'another build ID'
		else
			not_ok 'another build ID' "exit $rc: $(cat "$out" "$err")"
		fi
		rm "$work/s/app"
		try top "$work/s.pb"
		if [ $rc = 0 ] && grep -q ' app+0x' "$out" && [ "$(wc -l <"$err")" = 1 ]; then
			ok 'program gone'
		else
			not_ok 'program gone' "exit $rc: $(cat "$out" "$err")"
		fi
	else
		skip 'separate debug file' 'no objcopy'
	fi
else
	skip 'names from a program' "no C compiler ($CC)"
fi

# ---- against go tool pprof -------------------------------------------------------

# Each prints `FLAT CUM NAME FILE`, sorted.
ours() {
	# With error bars: flat +- flat% sum% cum +- cum% name place.
	"$otheap" top -n 0 -u bytes "$@" | sed '1,/^ *flat/d' |
	    awk '{ place = $9; if (!lines) sub(/:[0-9]*$/, "", place); print $1, $5, $8, place }' \
		lines="$lines" | sort
}

theirs() {
	go_top "$@" | awk '{ print $1, $4, $6, $7 }' | sort
}

if ! command -v go >/dev/null || ! theirs -filefunctions "$work/p.pb" | grep -q .; then
	skip 'same numbers as go tool pprof' 'it is not installed'
	exit 0
fi
for type in alloc_objects alloc_space inuse_objects inuse_space; do
	lines=''
	ours -s $type "$work/p.pb" >"$work/ours"
	theirs -filefunctions -sample_index=$type "$work/p.pb" >"$work/theirs"
	same_lines "as pprof: functions by $type" "$work/ours" "$work/theirs"
	lines=1
	ours -s $type --lines "$work/p.pb.gz" >"$work/ours"
	theirs -lines -sample_index=$type "$work/p.pb.gz" >"$work/theirs"
	same_lines "as pprof: lines by $type" "$work/ours" "$work/theirs"
done
lines=''
for drop in 'function_1' 'function_1.*|function_[2-4]' 'function_(?:7|8\d)' '.*'; do
	"$mk" --samples 2000 --locations 300 --seed 7 --drop "$drop" "$work/d.pb"
	ours "$work/d.pb" >"$work/ours"
	theirs -filefunctions "$work/d.pb" >"$work/theirs"
	same_lines "as pprof: drop_frames $drop" "$work/ours" "$work/theirs"
done
if [ -x "$work/pie" ]; then
	# go tool pprof sees no inlined frames, and not each function without DWARF: what
	# it lists must have the same cum here.
	"$mk" --elf "$work/pie" --samples 1000 --locations 60 "$work/e.pb"
	ours "$work/e.pb" | awk '{ print $3, $2 }' | sort >"$work/all"
	theirs "$work/e.pb" | awk '{ print $3, $2 }' | grep -v '^[[<]' | sort >"$work/theirs"
	cut -d ' ' -f 1 "$work/theirs" | sort >"$work/listed"
	join "$work/listed" "$work/all" >"$work/ours"
	same_lines 'as pprof: functions of a program' "$work/ours" "$work/theirs"
else
	skip 'as pprof: functions of a program' "no C compiler ($CC)"
fi
