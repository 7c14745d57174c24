#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# leaks.sh - otheap leaks: what is named and what is not, its formats, suppressions, the
# exit report, series, and bad input.  (stat/leaks.sh asks how often it is right.)

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

reads leaks

# profile NAME - from the text on standard input, to $work/NAME.
profile() {
	python3 tests/stat/pprof_write.py "$work/$1" || exit 1
}

# gives NAME STATUS TEXT ARGUMENT... - that exit status, nothing on stderr, TEXT on stdout.
gives() {
	name_=$1 status_=$2 text_=$3
	shift 3
	try "$@"
	if [ $rc = "$status_" ] && [ ! -s "$err" ] && grep -qF -e "$text_" "$out"; then
		ok "$name_"
	else
		not_ok "$name_" "exit $rc, stderr '$(cat "$err")', stdout '$(head -c 900 "$out")'"
	fi
}

# said_not NAME TEXT - of the last try.
said_not() {
	if grep -qF -e "$2" "$out" "$err"; then not_ok "$1" "$(grep -F -e "$2" "$out" "$err")"; else ok "$1"; fi
}

# field NAME SITE KEY - a value in JSON on $out, of the site whose innermost function is SITE.
field() {
	python3 -c '
import json, sys
d = json.load(open(sys.argv[1]))
s = [s for s in d["sites"] if s["frames"][0]["function"] == sys.argv[2]]
print(s[0][sys.argv[3]] if len(s) == 1 else "%d sites" % len(s))' "$out" "$1" "$2"
}

# ---- profiles ---------------------------------------------------------------------

# 2097.152 samples of 1000 B are a GiB; 20 samples of 1000 B at 512 KiB are 10496 blocks.
# grows: 20 blocks sampled after the baseline, evenly. churns: as many came as went.
# flight: all young. load: all in one go. turn: young traffic over a leak of 17 samples.
# young: of 20 that came and 5 that went only 7 and 5 are older than a quarter of the time.
profile base.pb.gz <<'X'
time 1700000000
duration 330
sample 30000 30000000 10496 10496000 bytes=1000 age=100 age=3000 age=9000 age=20000 age=29000 | churns@c.c:1 main@m.c:2
sample 30000 30000000 52480 52480000 bytes=1000 age=1 age=10 age=100 age=200 age=1000 | turn@t.c:1 main@m.c:7
sample 524 524000 524 524000 bytes=1000 age=29000 | old@o.c:5 main@m.c:9
sample 30000 30000000 2624 2624000 bytes=1000 age=200000 age=210000 age=220000 age=230000 age=240000 | young@y.c:1 main@m.c:9
X
profile middle.pb.gz <<'X'
time 1700000300
duration 630
sample 5773 5773000 5773 5773000 bytes=1000 age=10000 age=80000 age=150000 age=220000 age=290000 | grows@g.c:3 run(int)@m.c:4 main@m.c:5
sample 90000 90000000 10496 10496000 bytes=1000 age=100 age=3000 age=9000 age=20000 age=29000 | churns@c.c:1 main@m.c:2
X
profile now.pb.gz <<'X'
time 1700000600
duration 930
comment leak check: lost 4 interior 1 indirect 2 unsure 0 of 90 samples
sample 10496 10496000 10496 10496000 bytes=1000 age=10000 age=150000 age=300000 age=450000 age=590000 | grows@g.c:3 run(int)@m.c:4 main@m.c:5
sample 1049 2098000 1049 2098000 bytes=2000 age=200000 age=400000 age=450000 age=500000 | grows@g.c:3 run(int)@m.c:4 main@m.c:5
sample 90000 90000000 11545 11545000 bytes=1000 age=100 age=3000 age=9000 age=20000 age=29000 | churns@c.c:1 main@m.c:2
sample 90000 90000000 20992 20992000 bytes=1000 age=100 age=200 age=300 age=400 age=500 | flight@f.c:1 main@m.c:3
sample 90000 90000000 20992 20992000 bytes=1000 age=400000 age=400010 age=400020 age=400030 age=400040 | load@l.c:1 main@m.c:6
sample 900000 900000000 52480 52480000 bytes=1000 age=1 age=10 age=100 age=200 age=1000 | turn@t.c:1 main@m.c:7
sample 0 0 8921 8921000 bytes=1000 age=160000 age=250000 age=380000 age=450000 age=590000 | turn@t.c:1 main@m.c:7
sample 524 524000 524 524000 bytes=1000 age=629000 | old@o.c:5 main@m.c:9
sample 90000 90000000 10496 10496000 bytes=1000 age=1000 age=30000 age=100000 age=200000 age=590000 | young@y.c:1 main@m.c:9
X
profile lost.pb.gz <<'X'
time 1700000600
duration 630
comment leak check: lost 3 interior 2 indirect 1 unsure 0 of 90 samples
sample 2097 2097000 1048 1048000 bytes=1000 age=1000 age=2000 | forgets@f.c:3 main@m.c:5
sample 0 0 1049 1049000 bytes=1000 leak=lost age=600000 age=610000 | forgets@f.c:3 main@m.c:5
sample 524 524000 524 524000 bytes=1000 leak=indirect age=600000 | child@f.c:9 main@m.c:5
sample 1049 1049000 1049 1049000 bytes=1000 leak=interior age=1 age=2 | inside@i.c:9 main@m.c:8
sample 1049 1049000 1049 1049000 bytes=1000 age=1 age=2 | fine@i.c:10 main@m.c:8
X
profile fine.pb.gz <<'X'
time 1700000600
duration 630
sample 1049 1049000 1049 1049000 bytes=1000 leak=interior age=1 age=2 | inside@i.c:9 main@m.c:8
sample 1049 1049000 1049 1049000 bytes=1000 age=1 age=2 | fine@i.c:10 main@m.c:8
X

# A baseline at the start. keeps: 24 sampled blocks, none was freed. among: the same, and 24000 of
# the stack were freed within a second. early: the same as keeps, but all in the first third.
# fills: of 48 that came, half were freed after 80 s and more.
profile start.pb.gz <<'X'
time 1700000000
duration 1
comment lifetimes of freed samples: from 40 ms
sample 524 524000 524 524000 bytes=1000 age=0 | other@o.c:5 main@m.c:9
X
profile end.pb.gz <<'X'
time 1700000600
duration 601
comment lifetimes of freed samples: from 40 ms
sample 524 524000 524 524000 bytes=1000 age=600000 | other@o.c:5 main@m.c:9
sample 12595 12595000 12595 12595000 bytes=1000 age=10000 age=150000 age=300000 age=450000 age=590000 | keeps@k.c:1 main@m.c:1
sample 12607595 12607595000 12595 12595000 bytes=1000 age=10000 age=150000 age=300000 age=450000 age=590000 lived=40 freed=20000 lived=640 freed=4000 | among@a.c:1 main@m.c:2
sample 12595 12595000 12595 12595000 bytes=1000 age=400000 age=450000 age=500000 age=550000 age=590000 | early@e.c:1 main@m.c:3
sample 25190 25190000 12595 12595000 bytes=1000 age=10000 age=150000 age=300000 age=450000 age=590000 lived=81920 freed=12 lived=163840 freed=12 | fills@f.c:1 main@m.c:4
X

# ---- growth --------------------------------------------------------------------------

gives 'help' 0 'usage: otheap leaks' --help
gives 'what grows is named' 3 'at grows  g.c:3' "$work/base.pb.gz" "$work/now.pb.gz"
for what in churns flight load old young; do
	said_not "not named: $what" "at $what "
done
check 'a leak below young traffic is named' grep -qF 'at turn  t.c:1' "$out"
check '... by its old blocks' grep -qF 'of blocks older than 2.50 min' "$out"
check 'what is not steady is counted' grep -qF '2 call stacks grew by 27.53 MiB, but not as a leak does' "$out"
check 'different sizes are one site' grep -qF 'of 1000 B to 1.95 KiB' "$out"
check 'ages' grep -q 'age    oldest 9.83 min, median [5-7][.0-9]* min, newest 10.00 s' "$out"
gives '--all says why' 3 'not steady: half of it came in one go' --all "$work/base.pb.gz" "$work/now.pb.gz"
check '... and of what is young' grep -qF 'not steady: nearly all of it is young' "$out"
check '... and what is old' grep -qF 'at old  o.c:5' "$out"
gives 'nothing to say' 0 'Growing: none' "$work/base.pb.gz" "$work/base.pb.gz"
gives '--min-bytes' 3 'Growing: 12.01 MiB +- ' --min-bytes 10m "$work/base.pb.gz" "$work/now.pb.gz"
gives '--min-percent' 0 'Growing: none' --min-percent 90 "$work/base.pb.gz" "$work/now.pb.gz"
gives '--confidence' 3 'false alarms at most 0.1 %' --confidence 99.9 "$work/base.pb.gz" "$work/now.pb.gz"
gives '--focus' 3 'Growing: 12.01 MiB +- ' --focus grows "$work/base.pb.gz" "$work/now.pb.gz"
gives '--frames' 3 '... 2 more; --frames 0 shows all' --frames 1 "$work/base.pb.gz" "$work/now.pb.gz"
gives '--count' 3 '... 1 more; --count 0 shows all' -n 1 "$work/base.pb.gz" "$work/now.pb.gz"
gives '--baseline' 3 'at grows  g.c:3' --baseline "$work/base.pb.gz" "$work/now.pb.gz"

# A p-value that R gives: binom.test(24, 24, alternative = "greater") is 5.960464e-08.
try -o json "$work/base.pb.gz" "$work/now.pb.gz"
equal 'p, exactly' "$(field grows p)" 5.960464478e-08
equal 'growth' "$(field grows growth)" 12594000
# 10496 blocks of 1000 B: variance 10496e6 / (e^(1000/524288) - 1), and 1049 of 2000 B the same way.
equal 'its standard error' "$(field grows growth_stderr | cut -c 1-7)" "$(awk 'BEGIN {
	printf "%.0f", sqrt(10496e6 / (exp(1000 / 524288) - 1) + 1049 * 4e6 / (exp(2000 / 524288) - 1)) }')"
equal 'rate' "$(field grows bytes_per_min)" 1259400
equal 'JSON: the settings' "$(python3 -c '
import json, sys
d = json.load(open(sys.argv[1]))
print(d["program"], d["pid"], d["window_ms"], d["same_process"], d["false_discovery_rate"])' "$out")" \
	'app 4711 600000 True 0.05'
try -o csv --all "$work/base.pb.gz" "$work/now.pb.gz"
equal 'CSV: as many fields in each line' "$(python3 -c '
import csv, sys
rows = [r for r in csv.reader(l for l in open(sys.argv[1]) if not l.startswith("#"))]
print(len(rows), len({len(r) for r in rows}), sorted({r[0] for r in rows[1:]}))' "$out")" \
	"6 1 ['growing', 'old', 'unsteady']"

gives 'a baseline at the start: a leak is named' 3 'at keeps  k.c:1' --all "$work/start.pb.gz" "$work/end.pb.gz"
equal '... with two steady call stacks, and no other' \
	"$(sed -n '/^Growing/,/^Grew/s/^     at \([a-z]*\) .*/\1/p' "$out" | sort | tr '\n' ' ')" 'among keeps '
check '... why not what was allocated early' grep -qF 'not steady: most of it came early, and no more' "$out"
check '... why not what is freed later' grep -qF 'not steady: it frees what it takes, if later, and was not yet warm' "$out"

# ---- series -------------------------------------------------------------------------------

gives 'a series' 3 'at grows  g.c:3' "$work/base.pb.gz" "$work/middle.pb.gz" "$work/now.pb.gz"
check '... with a trend' grep -qF 'trend p = 0.1667' "$out"
cp "$out" "$work/in_order"
gives 'a series in any order' 3 'in the order of their times' "$work/now.pb.gz" "$work/middle.pb.gz" "$work/base.pb.gz"
equal '... says the same' "$(sed 2d "$out")" "$(sed 2d "$work/in_order")"
head -c 200 "$work/middle.pb.gz" >"$work/cut.pb.gz"
try "$work/base.pb.gz" "$work/cut.pb.gz" "$work/middle.pb.gz" "$work/now.pb.gz"
equal 'a damaged member is left out: status' "$rc" 3
equal '... and named, in one line' "$(grep -c 'cut.pb.gz: .*; left out$' "$err") $(wc -l <"$err")" '1 1'
equal '... and the rest says the same' "$(sed 2d "$out")" "$(sed 2d "$work/in_order")"
refused 'a damaged last file' 'cut.pb.gz: ' "$work/base.pb.gz" "$work/cut.pb.gz"
refused 'a damaged first file' 'cut.pb.gz: ' "$work/cut.pb.gz" "$work/now.pb.gz"

# Another run of the same program, an hour later.
profile later.pb.gz <<'X'
time 1700004200
duration 30
sample 524 524000 524 524000 bytes=1000 age=29000 | old@o.c:5 main@m.c:9
X
said_not 'a series of one process' ' processes'
try "$work/base.pb.gz" "$work/now.pb.gz" "$work/later.pb.gz"
check 'a series of several' grep -qF 'later.pb.gz; of 2 processes, taken as one' "$out"

# A fork of the process, 400 s after its start: what was before that is its own.
for after in 400000 200000; do
	profile child.pb.gz <<X
time 1700000600
duration 930
pid 5000
comment forked from: 12 after 3 ms, 4711 after $after ms
sample 10496 10496000 10496 10496000 bytes=1000 age=10000 age=150000 age=300000 age=450000 age=590000 | grows@g.c:3
X
	try -o json "$work/base.pb.gz" "$work/child.pb.gz"
	equal "a fork, $after ms after the start: one process" \
		"$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["same_process"])' "$out")" \
		"$([ $after = 400000 ] && echo True || echo False)"
done

# ---- without ages, without sampling, other writers -----------------------------------------------

for f in base middle now; do
	python3 tests/stat/pprof_write.py "$work/no_$f.pb.gz" <<X
time $((1700000000 + $(case $f in base) echo 0 ;; middle) echo 300 ;; now) echo 600 ;; esac)))
duration $((30 + $(case $f in base) echo 0 ;; middle) echo 300 ;; now) echo 600 ;; esac)))
sample $(case $f in base) echo 524 524000 524 524000 ;; middle) echo 5773 5773000 5773 5773000 ;; now) echo 12594 12594000 12594 12594000 ;; esac) bytes=1000 | grows@g.c:3
sample $(case $f in base) echo 5240 5240000 5240 5240000 ;; *) echo 90000 90000000 6288 6288000 ;; esac) bytes=1000 | churns@c.c:3
X
done
gives 'profiles without ages' 3 'at grows  g.c:3' "$work/no_base.pb.gz" "$work/no_now.pb.gz"
said_not '... what fluctuates is not named' 'at churns'
# Eight points that rise: 1 / 8! = .0000248 by Kendall; nothing else is known.
n=0
files=''
while [ $n -lt 8 ]; do
	python3 tests/stat/pprof_write.py "$work/s$n.pb.gz" <<X
time $((1700000000 + 60 * n))
duration $((60 + 60 * n))
period 0
sample 0 0 $((1000 + 400 * n)) $((1000000 + 400000 * n)) | grows@g.c:3
sample 0 0 1000 $((3000000 + 400000 * (n % 3))) | churns@c.c:3
X
	files="$files $work/s$n.pb.gz"
	n=$((n + 1))
done
# shellcheck disable=SC2086
gives 'a series that does not tell how it was sampled' 3 'p < .0001' $files
said_not '... what fluctuates is not named' 'at churns'
gives 'two such profiles' 0 'not tested: it is not known how' "$work/s0.pb.gz" "$work/s7.pb.gz"

# ---- lost blocks -------------------------------------------------------------------------------------

gives 'lost blocks' 1 'Definitely lost: 1.50 MiB +- ' "$work/base.pb.gz" "$work/lost.pb.gz"
check '... where' grep -qF 'at forgets  f.c:3' "$out"
check '... how old they are, not the others' grep -qF 'oldest 10.17 min, median 10.00 min, newest 10.00 min' "$out"
check '... and those they point to' grep -qF 'only lost blocks point to them' "$out"
check 'interior pointers are a class of their own' grep -qF 'Possibly lost: nothing points to their start: 1.00 MiB' "$out"
said_not 'what is pointed to is not named' 'at fine'
# A large block that is pointed to, and an old one, are none of the lost ones.
profile some.pb.gz <<'X'
time 1700000600
duration 630
period 1
comment leak check: lost 2 interior 1 indirect 0 unsure 0 of 4 samples
sample 1 40000 1 40000 bytes=40000 age=600000 | both@b.c:3 main@m.c:5
sample 2 6 2 6 bytes=3 leak=lost age=0 age=0 | both@b.c:3 main@m.c:5
sample 1 300 1 300 bytes=300 age=500000 | inner@i.c:3 main@m.c:5
sample 1 70 1 70 bytes=70 leak=interior age=20 | inner@i.c:3 main@m.c:5
X
try "$work/some.pb.gz"
check 'lost blocks: their sizes, not those of others' grep -qx ' 1. 6 B in 2 blocks of 3 B' "$out"
check '... and ages that are not nothing' grep -qx '   age    below 10 ms' "$out"
check '... and of those that may be lost' grep -qx '   age    20.00 ms' "$out"
gives 'one profile' 1 'growth     not known: no baseline' "$work/lost.pb.gz"
gives 'interior pointers alone are no finding' 0 'Possibly lost' "$work/fine.pb.gz"
gives '--min-bytes of lost blocks' 0 'Definitely lost: none' --min-bytes 4m "$work/lost.pb.gz"

# ---- suppressions ----------------------------------------------------------------------------------------

cat >"$work/supp" <<'X'
# comment

 leak:^forgets$
leak:chi*d
leak:never
X
gives 'suppressions' 0 '1.00 MiB in ~1049 blocks at 1 call stack by leak:^forgets$' --suppressions "$work/supp" "$work/lost.pb.gz"
check '... each with what it hid' grep -qF '511.72 KiB in ~524 blocks at 1 call stack by leak:chi*d' "$out"
said_not '... but for those that hid nothing' 'never'
echo 'leak:inner' >"$work/one"
gives '... as many as there are' 1 '70 B in 1 block at 1 call stack by leak:inner' --suppressions "$work/one" "$work/some.pb.gz"
for pattern in 'f.c$' '^f.c' '/opt/app' 'forget' 'forg*s' '*gets$'; do
	echo "leak:$pattern" >"$work/one"
	try --suppressions "$work/one" "$work/lost.pb.gz"
	said_not "suppressed by $pattern" 'at forgets'
done
for pattern in 'forgets$$' '^orgets' 'forget$' 'main2' '^main.forgets'; do
	echo "leak:$pattern" >"$work/one"
	try --suppressions "$work/one" "$work/lost.pb.gz"
	check "not suppressed by $pattern" grep -qF 'at forgets' "$out"
done
# As LeakSanitizer knows functions of C++: with the types of their parameters; or without, as shown here.
profile plus.pb.gz <<'X'
time 1700000600
duration 630
sample 524 524000 524 524000 bytes=1000 leak=lost age=1000 | _ZN4shop4fillEiPKc@f.cc:3 main@m.c:5
X
gives 'names of C++' 1 'at shop::fill  f.cc:3' "$work/plus.pb.gz"
for pattern in '^shop::fill(int, char const*)$' 'fill(int' '^shop::fill$' '_ZN4shop'; do
	echo "leak:$pattern" >"$work/one"
	gives "suppressed by $pattern" 0 "by leak:$pattern" --suppressions "$work/one" "$work/plus.pb.gz"
done
for pattern in 'fill(long' 'fill(int)' '^fill'; do
	echo "leak:$pattern" >"$work/one"
	gives "not suppressed by $pattern" 1 'at shop::fill' --suppressions "$work/one" "$work/plus.pb.gz"
done
fresh
OTHEAP_LEAK_SUPPRESSIONS=$work/supp "$otheap" leaks "$work/lost.pb.gz" >"$out" 2>&1
check 'OTHEAP_LEAK_SUPPRESSIONS' grep -qF 'by leak:^forgets$' "$out"
printf 'leak:a\nrace:b\n' >"$work/bad"
refused 'a bad line' 'bad:2: expected' --suppressions "$work/bad" "$work/lost.pb.gz"
printf 'leak:\n' >"$work/bad"
refused 'an empty pattern' 'bad:1: no pattern' --suppressions "$work/bad" "$work/lost.pb.gz"
refused 'no such file of suppressions' 'nosuch: No such file' --suppressions "$work/nosuch" "$work/lost.pb.gz"

# ---- exit report ---------------------------------------------------------------------------------------------

try --exit-report --baseline "$work/base.pb.gz" "$work/fine.pb.gz"
equal 'exit report: nothing to say' "$rc $(wc -c <"$out") $(wc -c <"$err")" '0 0 0'
try --exit-report "$work/lost.pb.gz"
equal 'exit report: lost' "$rc $(wc -c <"$out") $(grep -vc '^==otheap== ' "$err")" '1 0 0'
try --exit-report --baseline "$work/base.pb.gz" "$work/now.pb.gz"
equal 'exit report: growth alone' "$rc $(wc -c <"$out") $(grep -vc '^==otheap== ' "$err")" '3 0 0'
check '... with the stack' grep -qF '==otheap==      at grows  g.c:3' "$err"
try --exit-report --report none "$work/lost.pb.gz"
equal 'exit report: none' "$rc $(wc -c <"$out") $(wc -c <"$err")" '1 0 0'
try --exit-report --report "$work/report" "$work/lost.pb.gz"
equal 'exit report: to a file' "$rc $(wc -c <"$err") $(grep -c 'at forgets' "$work/report")" '1 0 1'
for to in "$work/nosuch/x" "$work" /dev/full; do
	try --exit-report --report "$to" "$work/lost.pb.gz"
	equal "exit report: to $to, which cannot be written" \
		"$rc $(wc -c <"$out") $(grep -v '^==otheap== ' "$err" | sed 's/: [A-Z].*//') $(grep -c 'at forgets' "$err")" \
		"1 0 otheap: $to 1"
done
mkfifo "$work/pipe"
try --exit-report --report "$work/pipe" "$work/lost.pb.gz"
equal 'exit report: to a pipe that nobody reads' \
	"$rc $(grep -v '^==otheap== ' "$err") $(grep -c 'at forgets' "$err")" \
	"1 otheap: $work/pipe: nobody reads this pipe 1"
try --exit-report --suppressions "$work/supp" "$work/lost.pb.gz"
equal 'exit report: all suppressed' "$rc $(wc -c <"$out") $(wc -c <"$err")" '0 0 0'
refused 'exit report: no profile' 'No such file' --exit-report "$work/nosuch"
# What else it was given must not hide what was found.
profile stale.pb.gz <<'X'
time 1700000000
build 11
sample 1 1000 1 1000 bytes=1000 | f
X
for base in stale.pb.gz cut.pb.gz nosuch; do
	try --exit-report --baseline "$work/$base" "$work/lost.pb.gz"
	equal "exit report: baseline $base" "$rc $(wc -c <"$out") $(grep -vc '^==otheap== ' "$err")" '1 0 1'
	check '... is named' grep -q "^otheap: $work/$base: " "$err"
	check '... and what is lost, too' grep -qF '==otheap==      at forgets  f.c:3' "$err"
	check '... and that there is no growth' grep -qF 'growth     not known: the baseline was left out' "$err"
	try --exit-report --baseline "$work/$base" "$work/fine.pb.gz"
	equal "exit report: baseline $base, nothing to say" "$rc $(wc -l <"$err") $(grep -c "$base" "$err")" '0 1 1'
done
printf 'leak:forgets\nrace:b\n' >"$work/bad"
for supp in bad nosuch; do
	try --exit-report --suppressions "$work/$supp" "$work/lost.pb.gz"
	equal "exit report: suppressions $supp" "$rc $(grep -v '^==otheap== ' "$err" | sed 's/:.*;/;/') $(grep -c 'at forgets' "$err")" \
		'1 otheap; nothing is suppressed 1'
done
profile unchecked.pb.gz <<'X'
time 1700000600
duration 630
comment leak check: not made: a fork was refused
sample 1049 1049000 1049 1049000 bytes=1000 age=1 age=2 | fine@i.c:10 main@m.c:8
X
try --exit-report "$work/unchecked.pb.gz"
equal 'exit report: no check, so nothing found' "$rc $(wc -c <"$out") $(cat "$err")" \
	'0 0 ==otheap== no leak check of app (pid 4711): a fork was refused'
try --exit-report --report none "$work/unchecked.pb.gz"
equal 'exit report: no check, and nobody to tell' "$rc $(wc -c <"$out") $(wc -c <"$err")" '0 0 0'

# ---- usage and bad input -----------------------------------------------------------------------------------------

profile other.pb.gz <<'X'
time 1700000600
build 11
sample 1 1000 1 1000 bytes=1000 | f
X
profile finer.pb.gz <<'X'
time 1700000600
period 65536
sample 1 1000 1 1000 bytes=1000 | f
X
refused 'no file' 'no FILE'
refused 'no such file' 'No such file' "$work/base.pb.gz" "$work/nosuch"
refused 'another build' 'other.pb.gz: is of a program with build ID 11, but 00' "$work/base.pb.gz" "$work/other.pb.gz"
refused 'another interval' 'finer.pb.gz: was sampled at interval 65536, but 524288' "$work/base.pb.gz" "$work/finer.pb.gz"
refused 'another build in between' 'other.pb.gz: is of a program' "$work/base.pb.gz" "$work/other.pb.gz" "$work/now.pb.gz"
try --force "$work/base.pb.gz" "$work/other.pb.gz"
equal 'another build, with --force' "$rc" 0
echo text >"$work/text"
refused 'no profile' 'text: ' "$work/base.pb.gz" "$work/text"
mkfifo "$work/fifo"
refused 'a pipe without a writer' 'fifo: nobody writes to this pipe' "$work/base.pb.gz" "$work/fifo"
{
	sleep 1
	cat "$work/now.pb.gz"
} >"$work/fifo" &
gives 'a pipe whose writer comes late' 3 'at grows  g.c:3' "$work/base.pb.gz" "$work/fifo"
wait $!
refused 'a bad percentage' "--confidence '5'" --confidence 5 "$work/base.pb.gz" "$work/now.pb.gz"
refused 'a bad size' "--min-bytes 'much'" --min-bytes much "$work/base.pb.gz" "$work/now.pb.gz"
refused 'a bad format' "--output" -o folded "$work/base.pb.gz" "$work/now.pb.gz"
refused '--report alone' '--report goes with' --report x "$work/now.pb.gz"
refused 'an unknown option' "unknown option '--nosuch'" --nosuch "$work/now.pb.gz"
printf '\012\004\010\001\020\002' >"$work/typeless"
refused 'a profile that does not say what is in use' 'typeless' "$work/typeless"
# Names that would do things to a terminal, and numbers out of reason.
python3 tests/stat/pprof_write.py "$work/odd.pb.gz" <<X
time 1700000600
sample 9223372036854775807 9223372036854775807 9223372036854775807 9223372036854775807 bytes=9223372036854775807 leak=lost age=9223372036854775807 | $(printf 'a\033[31m"<b>'),x
sample -5 -5 -9223372036854775808 -9223372036854775808 bytes=1 leak=lost age=-1 age=0 | negative
sample 5 5 5 5 bytes=0 leak=lost age=0 age=1 age=2 age=3 age=4 age=5 age=6 age=7 age=8 age=9 age=10 age=11 age=12 age=13 age=14 age=15 age=16 age=17 | many
X
try "$work/base.pb.gz" "$work/odd.pb.gz"
equal 'odd numbers and names: status' "$rc" 1
said_not '... no control character' "$(printf '\033')"
try -o json --all "$work/base.pb.gz" "$work/odd.pb.gz"
check '... JSON is valid' python3 -m json.tool "$out" /dev/null
n=0
: >"$work/crashed"
gzip -dc "$work/now.pb.gz" >"$work/plain"
python3 -c '
import random, sys
plain = open(sys.argv[1], "rb").read()
for n in range(1, 61):
    r = random.Random(n)
    b = bytearray(plain)
    for _ in range(r.randrange(1, 6)):
        b[r.randrange(len(b))] = r.randrange(256)
    open(sys.argv[2] + str(n), "wb").write(b)' "$work/plain" "$work/flipped"
while [ $n -lt 60 ]; do
	n=$((n + 1))
	try -o json --all --force "$work/base.pb.gz" "$work/flipped$n"
	case $rc in
	0 | 1 | 3) python3 -m json.tool "$out" >/dev/null 2>&1 || echo "$n: no JSON" >>"$work/crashed" ;;
	2) [ -s "$err" ] || echo "$n: 2 and no word" >>"$work/crashed" ;;
	*) echo "$n: $rc" >>"$work/crashed" ;;
	esac
done
equal 'profiles with bytes changed' "$(cat "$work/crashed")" ''

# ---- a real program ---------------------------------------------------------------------------------------------------

# leaky KIND - a leak of 4 MB over 1.2 s, at an interval of 16 KiB: some 256 samples; three profiles.
leaky() {
	start OTHEAP_SAMPLE_INTERVAL=16k OTHEAP_SEED=7 OTHEAP_LEAK_CHECK=1 OTHEAP_LEAK_REPORT=none "$prog/leaky" "$1" 4000000 2
	wait_said ready || not_ok "leaky $1" 'not ready'
	for n in 1 2 3; do
		kill -USR2 "$pid"
		wait_files $n || not_ok "leaky $1" "no profile $n"
		[ $n = 3 ] && break
		echo 600 >&9
		wait_said "done $n" || not_ok "leaky $1" "not done with $n"
	done
	finish
	work_dir=$dir
	work_last=$(last_file)
}
for kind in lost kept; do
	leaky $kind
	gives "a program that leaks ($kind): two profiles" 3 'at leak_here' "$work_dir"/*.1.pb.gz "$work_dir"/*.3.pb.gz
	equal "... and nothing else ($kind)" "$(grep -c '^ *[0-9]*\. ' "$out")" 1
	check "... with its line ($kind)" grep -q 'leak_here .*leaky.c:[0-9]' "$out"
	gives "a program that leaks ($kind): three" 3 'at leak_here' "$work_dir"/*.[123].pb.gz
	try "$work_last"
	case $kind in
	lost)
		equal 'lost blocks are told from kept ones: status' "$rc" 1
		check '... lost' grep -qF 'at leak_here' "$out"
		# 4000 blocks at an interval of 16 KiB: 250 samples, 6 %; 5 standard errors.
		equal '... as many as there are' "$(sed -n 's/^Definitely lost: \([0-9.]*\) MiB .*/\1/p' "$out" |
			awk '{ print ($1 > 2.6 && $1 < 5) }')" 1
		;;
	kept) equal 'lost blocks are told from kept ones: kept' "$rc $(grep -c 'leak_here' "$out")" '0 0' ;;
	esac
done
leaky none
gives 'a program that does not leak' 0 'Growing: none' "$work_dir"/*.[123].pb.gz
