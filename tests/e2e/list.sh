#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# list.sh - otheap list: the right bytes beside the right lines, and source files that
# are elsewhere, gone, changed or something else.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

reads list
"$mk" --samples 2000 --locations 300 --depth 10 "$work/p.pb" || exit 1
"$mk" --samples 0 "$work/none.pb"
head -c 3001 "$work/p.pb" >"$work/cut.pb"

refused 'no file' 'another FILE' x
refused 'bad expression' "REGEX '('" '(' "$work/p.pb"
refused 'a truncated file' 'cut.pb: ' x "$work/cut.pb"
refused 'no folded stacks' 'expected text, json or csv' -o folded x "$work/p.pb"
prints 'nothing matches' 'no function with a value' nosuch "$work/p.pb"
prints 'without samples' 'no function with a value' . "$work/none.pb"
prints 'source is missing' 'Source     src/file_1.c is not found; --source-path' 'function_1$' "$work/p.pb"
try -n 2 . "$work/p.pb"
equal 'as many functions as asked for' "$(grep -c '^Function ' "$out")" 2

# ---- where the source is -----------------------------------------------------------

# src/file_1.c: function_1 begins at line 2, its values are at lines 2 to 4.
mkdir -p "$work/tree/src" "$work/flat"
seq 1 40 | sed 's/^/text of line /' >"$work/tree/src/file_1.c"
touch -d '2020-01-01' "$work/tree/src/file_1.c"
prints 'below --source-path' 'text of line 3' -u bytes --source-path "$work/nosuch:$work/tree" 'function_1$' "$work/p.pb"
if grep -q 'has changed' "$out"; then not_ok 'an old source' "$(cat "$out")"; else ok 'an old source'; fi
equal 'lines from the start on' "$(sed '1,/^ *flat/d' "$out" | awk '{ print $3 }' | tr '\n' ' ')" '2 3 4 5 6 7 8 9 '
cp -p "$work/tree/src/file_1.c" "$work/flat"
prints 'without its folders' "Source     $work/flat/file_1.c" --source-path "$work/flat" 'function_1$' "$work/p.pb"
mkdir "$work/deep"
cp -p "$work/tree/src/file_1.c" "$work/deep"
prints '--trim-path' "Source     $work/deep/file_1.c" --trim-path src --source-path "$work/deep" 'function_1$' "$work/p.pb"
touch "$work/flat/file_1.c"
prints 'a source that changed' 'has changed since' --source-path "$work/flat" 'function_1$' "$work/p.pb"
printf 'one\nt\001wo\n\tthree\r\nfour' >"$work/flat/file_1.c"
prints 'a source that is shorter' 't?wo' --source-path "$work/flat" 'function_1$' "$work/p.pb"
prints 'tabs and ends of lines' '     3          three' --source-path "$work/flat" 'function_1$' "$work/p.pb"
if grep -q "$(printf '\r')" "$out"; then not_ok 'no carriage return' "$(cat "$out")"; else ok 'no carriage return'; fi
printf 'one\0two\n' >"$work/flat/file_1.c"
prints 'not a text' 'is not a text file' --source-path "$work/flat" 'function_1$' "$work/p.pb"
rm "$work/flat/file_1.c"
mkfifo "$work/flat/file_1.c"
prints 'a pipe is not opened' 'is not found' --source-path "$work/flat" 'function_1$' "$work/p.pb"

# ---- a program, and go tool pprof ------------------------------------------------------

: "${CC:=cc}"
cat >"$work/app.c" <<'EOP'
int sink;

__attribute__((noinline)) int
inner(int x)
{
	sink += x;
	sink *= 3;
	return sink + x;
}

__attribute__((noinline)) int
outer(int x)
{
	int a = inner(x + 1);	/* the first call */

	return a + inner(x + 2);
}

int
main(int argc, char **argv)
{
	return outer(argc);
}
EOP
if ! $CC -g -O1 -o "$work/app" "$work/app.c" 2>/dev/null; then
	skip 'a program' "no C compiler ($CC)"
	exit 0
fi
"$mk" --elf "$work/app" --samples 300 --locations 40 "$work/app.pb"
prints 'a program' 'the first call */' 'outer$' "$work/app.pb"
"$otheap" top --no-symbols "$work/app.pb" >/dev/null || not_ok 'a program' 'no profile'
if ! command -v go >/dev/null; then
	skip 'as go tool pprof' 'it is not installed'
	exit 0
fi
# With our names in the file both list the same lines: FLAT CUM LINE.
"$otheap" top -o pprof "$work/app.pb" >"$work/named.pb.gz"
for f in inner outer main; do
	for type in inuse_space alloc_objects; do
		"$otheap" list -s $type -u bytes "^$f\$" "$work/app.pb" | sed '1,/^ *flat/d' |
			awk '$2 != "." && NF > 2 { print $1 == "." ? 0 : $1, $2, $3 }' >"$work/ours"
		go tool pprof -list "^$f\$" -unit=B -sample_index=$type "$work/named.pb.gz" 2>/dev/null |
			awk '/^ *[0-9.]+B? +[0-9.]+B? +[0-9]+:/ {
				sub(/B$/, "", $1); sub(/B$/, "", $2); sub(/:.*/, "", $3)
				if ($2 != ".") print $1 == "." ? 0 : $1, $2, $3 }' >"$work/theirs"
		same_lines "as pprof -list: $f by $type" "$work/ours" "$work/theirs"
	done
done
