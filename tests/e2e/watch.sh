#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# watch.sh - otheap watch without a terminal: what it shows of programs that know
# their heap, that it does not disturb them, and every reason why not.
# (watch_page.sh has the page.)

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

asks watch
limit_s=120
grow=$prog/grow

# shows NAME ARGUMENT... - exit 0, something on stdout, nothing on stderr.
shows() {
	name=$1
	shift
	ask "$@"
	if [ $rc = 0 ] && [ -s "$answer" ] && [ ! -s "$said" ]; then
		ok "$name"
	else
		not_ok "$name" "exit $rc, stderr '$(cat "$said")', stdout '$(head -c 300 "$answer")'"
	fi
}

# tell LINE - have the program do it.
tell() {
	echo "$1" >&9
	wait_said "done $1"
}

# value EXPRESSION [FILE] - of the last line of JSON, as Python sees it in `d`.
value() {
	python3 -c '
import json, sys
lines = [json.loads(s) for s in open(sys.argv[2])]
d = lines[-1]
def row(name):
    for r in d["rows"]:
        if r["function"] == name:
            return r
    return {}
print(eval(sys.argv[1]))' "$1" "${2:-$answer}" 2>&1
}

lives() {
	check "$1: it lives" kill -0 $pid
}

# ---- usage -----------------------------------------------------------------------------

ask --help
equal 'help: status' "$rc" 0
check 'help' grep -q '^usage: otheap watch' "$answer"
refused 'nothing to watch' 'no PID or NAME given'
refused 'an empty name' 'no PID or NAME given' ''
refused 'two' 'more than one PID or NAME given' 1 2
refused 'unknown option' "unknown option '--nosuch'" --nosuch 1
refused 'no value' "'--interval' needs a value" --interval
for t in 0 0.05 x 3601 1e3 -1 ''; do refused "interval '$t'" 'expected seconds' --interval "$t" 1; done
for n in 0 x -1 ''; do refused "count '$n'" 'expected a number' --count "$n" 1; done
refused 'window' 'expected seconds, 1 to 86400' --window 0 1
refused 'sort' 'expected live, growth, rate or blocks' --sort size 1
refused 'rows' 'expected a number, 0 for all' --rows x 1
refused 'output' 'expected text or json' -o csv 1
refused 'unit' 'expected auto, bytes' -u parsec 1
refused 'filter' "--filter '(': " --filter '(' 1
sleep 0 &
gone=$!
wait $gone
refused 'no such process' "pid $gone: no such process" $gone
refused 'no such program' 'otheap-test-no-such: no program' otheap-test-no-such

# ---- values ------------------------------------------------------------------------------

start OTHEAP_SAMPLE_INTERVAL=1 "$grow"
wait_said ready
tell 'grow 100'
tell 'churn 30'
shows 'one look' -o json --count 1 $pid
equal 'program' "$(value 'd["program"], d["pid"] == '"$pid"', d["period"]')" "('grow', True, 1)"
equal 'live' "$(value 'row("site_grow")["live_bytes"], row("site_grow")["live_blocks"]')" '(100000, 100)'
equal 'exactly' "$(value 'row("site_grow")["live_bytes_stderr"]')" 0
equal 'no growth yet' "$(value 'row("site_grow")["growth_bytes_per_min"]')" None
equal 'no rate yet' "$(value 'd["total_alloc_bytes_per_s"]')" None
equal 'what is not live has no row yet' "$(value 'row("site_churn")')" '{}'
equal 'nothing dropped' "$(value 'd["dropped"], d["not_understood"], d["threads_unsure"]')" '({}, 0, 0)'
shows 'names' --count 1 $pid
check 'file and line' grep -q 'site_grow  .*grow\.c:[0-9]' "$answer"
shows 'no names' --no-symbols --count 1 $pid
check 'module and offset' grep -q ' grow+0x' "$answer"

# The same moment in a profile.
tell 'threads 5'
tell 'shrink 40'
tell 'grow 7'
shows 'and then' -o json --count 1 --rows 0 $pid
f=$("$otheap" dump $pid 2>&1)
if decode "$f"; then
	# shellcheck disable=SC2046 # numbers, to be split
	set -- $(sum site_grow)
	equal 'live, as in a profile' "$(value 'row("site_grow")["live_blocks"], row("site_grow")["live_bytes"]')" "($3, $4)"
	# shellcheck disable=SC2046 # numbers, to be split
	set -- $(sum_all)
	equal 'all that lives, as in a profile' "$(value 'd["all"]["live_blocks"], d["all"]["live_bytes"]')" "($3, $4)"
	# shellcheck disable=SC2046 # numbers, to be split
	set -- $(totals)
	equal 'exact totals, as in a profile' "$(value 'd["total_alloc_bytes"], d["total_alloc_calls"]')" "($1, $2)"
	equal 'threads' "$(value 'd["threads"]')" 6
else
	not_ok 'the same in a profile' "$f"
fi
tell truth
# shellcheck disable=SC2046 # numbers, to be split
set -- $(sed -n 's/^truth site_grow //p' "$out")
equal 'live, as the program knows' "$(value 'row("site_grow")["live_blocks"], row("site_grow")["live_bytes"]')" "($3, $4)"

# Two looks, between which it grows by 50 blocks and allocates 3000 that do not stay.
rm -f "$answer"
{
	timeout -s KILL 120 "$otheap" watch -o json --interval 2 $pid >"$answer" 2>"$said" </dev/null
} 9>&- &
watcher=$!
has_lines() {
	[ -e "$answer" ] && [ "$(wc -l <"$answer")" -ge "$1" ]
}
until_true has_lines 1
before=$(wc -l <"$answer")
echo 'grow 50' >&9
echo 'churn 3000' >&9
wait_said 'done churn 3000'
until_true has_lines $((before + 2))
kill $watcher
wait $watcher
head -n $((before + 2)) "$answer" >"$work/two"
equal 'growth' "$(value 'round(row("site_grow")["growth_bytes_per_min"] * d["growth_window_s"] / 60)' "$work/two")" 50000
equal 'rate' "$(value 'round(row("site_churn")["alloc_bytes_per_s"] * d["rate_window_s"])' "$work/two")" 600000
equal 'calls' "$(value 'round(row("site_churn")["alloc_blocks_per_s"] * d["rate_window_s"])' "$work/two")" 3000
equal 'exact rates' "$(value 'round(d["total_alloc_bytes_per_s"] * d["rate_window_s"]), round(d["total_alloc_calls_per_s"] * d["rate_window_s"])' "$work/two")" '(650000, 3050)'
equal 'what came and went' "$(value 'row("site_churn")["live_bytes"], row("site_churn")["growth_bytes_per_min"]' "$work/two")" '(0, 0)'

# ---- ways to look at it ---------------------------------------------------------------------

shows 'call stacks' --stacks -o json --count 1 $pid
equal 'frames' "$(value '[f["function"] for r in d["rows"] if r["frames"][0]["function"] == "site_grow" for f in r["frames"]][:2]')" "['site_grow', 'main']"
shows 'as text' --stacks --count 1 $pid
check 'a chain' grep -q 'site_grow < main < ' "$answer"
shows 'with what they call' --cum -o json --count 1 $pid
equal 'main' "$(value 'row("main")["live_bytes"] >= row("site_grow")["live_bytes"] > 0')" True
equal 'by itself' "$(value 'd["cum"]')" True
shows 'filter' --filter '^site_gr' -o json --count 1 $pid
equal 'one row' "$(value 'd["row_count"], d["rows"][0]["function"]')" "(1, 'site_grow')"
shows 'rows' --rows 1 --count 1 $pid
equal 'head, title and a row' "$(wc -l <"$answer")" 7
shows 'sorted' --sort blocks --count 3 --interval 0.1 --unit bytes $pid
equal 'three tables' "$(grep -c '^Showing .* by blocks' "$answer")" 3
check 'in bytes' grep -q "^ *$(($4 + 50000)) " "$answer"
shows 'by its name' --count 1 -o json grow
equal 'it is this one' "$(value 'd["pid"]')" "$pid"

# Another of the same name: a list, and no guess.
"$grow" <"$own/in" >"$work/other" 2>&1 9>&- &
plain=$!
started="$started $plain"
until_true grep -qs ready "$work/other"
shows 'the only one with the library' --count 1 -o json grow
equal 'it is still this one' "$(value 'd["pid"]')" "$pid"
kill -9 $plain
wait $plain 2>/dev/null
rm -f "$work/other"
env OTHEAP_DIR="$dir" LD_PRELOAD="$lib" "$grow" <"$own/in" >"$work/other" 2>&1 9>&- &
second=$!
started="$started $second"
until_true grep -qs ready "$work/other"
ask --count 1 grow
equal 'two of them: status' "$rc" 2
check 'two of them' grep -q '^otheap: watch: grow: 2 programs of this name are running; give a PID$' "$said"
for p in $pid $second; do check 'both are listed' grep -q "^ *$p  .*grow" "$said"; done
kill -9 $second
wait $second 2>/dev/null

# Recording is stopped, and goes on.
"$otheap" stop $pid >/dev/null
shows 'stopped' -o json --count 1 $pid
equal 'it says so' "$(value 'd["recording"], row("site_grow")["live_blocks"]')" "(False, $(($3 + 50)))"
tell 'grow 3'
shows 'still' --count 1 $pid
check 'in words, too' grep -q '^Sampling   stopped (otheap start ' "$answer"
"$otheap" start $pid >/dev/null
shows 'started' -o json --count 1 $pid
equal 'it goes on' "$(value 'd["recording"], row("site_grow")["live_blocks"]')" "(True, $(($3 + 50)))"

# A child has the tables of its parent, and goes on from there.
tell fork
child=$(sed -n 's/^child //p' "$out")
started="$started $child"
shows 'a forked child' -o json --count 1 "$child"
equal 'what it inherited' "$(value 'row("site_grow")["live_blocks"]')" "$(($3 + 50))"
kill -9 "$child"
# Its end is a signal to its parent; not while strace looks.
until_true grep -qs '^State:.Z' "/proc/$child/status"

# It is not disturbed: no signal, no stop; nobody waits for anything.
if command -v strace >/dev/null; then
	strace -f -e trace=none -o "$work/strace" -p $pid 2>"$work/strace.err" 9>&- &
	tracer=$!
	if until_true grep -qs attached "$work/strace.err"; then
		ask --count 3 --interval 0.1 $pid
		equal 'under strace: status' "$rc" 0
		kill $tracer
		wait $tracer 2>/dev/null
		equal 'no signal reaches it' "$(grep -c -e --- "$work/strace")" 0
	else
		kill $tracer 2>/dev/null
		skip 'no signal reaches it' "strace: $(head -n 1 "$work/strace.err")"
	fi
else
	skip 'no signal reaches it' 'no strace'
fi
switches() {
	sed -n 's/^voluntary_ctxt_switches:[[:space:]]*//p' "/proc/$pid/task/$pid/status"
}
until_true grep -q '^State:.S' /proc/$pid/status
a=$(switches)
ask --count 5 --interval 0.1 $pid
equal 'it sleeps through it' "$(switches)" "$a"
finish
equal 'it ends as before' "$rc" 0
refused 'ended' 'no such process' $pid

# ---- sampled ------------------------------------------------------------------------------

start OTHEAP_SAMPLE_INTERVAL=4k OTHEAP_SEED=1 "$grow"
wait_said ready
tell 'grow 20000'
shows 'sampled' -o json --count 1 $pid
# 20 MB, sampled once in 4 KiB: a standard error of 1.3 %; a false alarm is below 1e-9.
equal 'near enough' "$(value 'abs(row("site_grow")["live_bytes"] - 2e7) < 6.2 * row("site_grow")["live_bytes_stderr"] < 0.1 * 2e7')" True
equal 'the sum is exact' "$(value 'd["total_alloc_bytes"] >= 2e7')" True
f=$("$otheap" dump $pid 2>&1)
"$otheap" top -o json "$f" >"$work/top" 2>&1
equal 'the error, as in a profile' "$(python3 -c '
import json, sys
w = json.loads(open(sys.argv[1]).readlines()[-1]); t = json.load(open(sys.argv[2]))
a = [r for r in w["rows"] if r["function"] == "site_grow"][0]
b = [r for r in t["rows"] if r["function"] == "site_grow"][0]
print(abs(a["live_bytes"] - b["flat"]) <= 2, abs(a["live_bytes_stderr"] / b["flat_stderr"] - 1) < 1e-3)' "$answer" "$work/top" 2>&1)" 'True True'
shows 'text' --count 1 $pid
check 'error bars' grep -q '^Live .* +- .* in 20[0-9]* blocks\|^Live .* +- .* in 19[0-9]* blocks' "$answer"
finish

# The file of the library is gone, and so is that of the program: what is in memory counts.
cp "$lib" "$work/libotheap.so"
cp "$grow" "$work/gone"
fresh
mkfifo "$own/in"
env OTHEAP_DIR="$dir" OTHEAP_SAMPLE_INTERVAL=1 LD_PRELOAD="$work/libotheap.so" "$work/gone" >"$out" 2>"$err" <"$own/in" &
pid=$!
started="$started $pid"
exec 9>"$own/in"
wait_said ready
tell 'grow 9'
rm "$work/libotheap.so" "$work/gone"
shows 'files that are gone' -o json --count 1 gone
equal 'the values are there' "$(value 'd["pid"] == '"$pid"', d["all"]["live_bytes"]')" '(True, 9000)'
finish

# From outside of its PID and mount namespaces.
if [ "$(id -u)" = 0 ] && unshare -pfm true 2>/dev/null; then
	start OTHEAP_SAMPLE_INTERVAL=1 unshare -pfm --kill-child "$grow"
	wait_said ready
	tell 'grow 9'
	read -r inner <"/proc/$pid/task/$pid/children"
	shows 'other namespaces' -o json --count 1 "$inner"
	equal 'other namespaces: values and names' "$(value 'row("site_grow")["live_bytes"]')" 9000
	finish
else
	skip 'other namespaces' 'cannot be made here'
fi

# A thread that allocates as fast as it can.  A record that changes while it is copied
# may make no sense, but not in every look.
start OTHEAP_SAMPLE_INTERVAL=64 "$prog/hold" alloc busy
wait_said ready
shows 'a program at full speed' -o json --count 20 --interval 0.1 $pid
equal 'its totals grow' "$(python3 -c '
import json, sys
a = [json.loads(s) for s in open(sys.argv[1])]
b = [d["total_alloc_bytes"] for d in a]
print(len(a), b == sorted(b), sum(d["not_understood"] for d in a) < len(a))' "$answer")" '20 True True'
finish

# ---- it ends, or becomes another ---------------------------------------------------------------

# watching TEXT - otheap watch $pid in the background, which shows the text by now: $watcher.
watching() {
	rm -f "$answer"
	{
		ask --interval 0.1 "$pid"
		echo $rc >"$work/status"
	} 9>&- &
	watcher=$!
	until_true grep -qs "$1" "$answer"
}

start OTHEAP_SAMPLE_INTERVAL=1 "$grow"
wait_said ready
watching '^Showing'
kill -9 $pid
wait $watcher
reap
equal 'killed: status' "$(cat "$work/status")" 0
equal 'killed' "$(cat "$said")" "otheap: watch: pid $pid: it has ended"

start OTHEAP_SAMPLE_INTERVAL=1 "$grow"
wait_said ready
tell 'grow 5'
watching 'site_grow'
echo "exec $prog/hold" >&9
until_true grep -q 'counting from here' "$answer"
until_true grep -q '^hold, pid' "$answer"
exec 9>&-
wait $watcher
reap
equal 'another program: status' "$(cat "$work/status")" 0
equal 'nothing of the old one' "$(sed -n '/counting from here/,$p' "$answer" | grep -c site_grow)" 0

start OTHEAP_SAMPLE_INTERVAL=1 "$grow"
wait_said ready
watching '^Showing'
cat >"$work/script" <<END
#!/bin/sh
unset LD_PRELOAD
exec sleep 60
END
chmod +x "$work/script"
echo "exec $work/script" >&9
wait $watcher
equal 'a program without the library: status' "$(cat "$work/status")" 2
case $(cat "$said") in
*"pid $pid: it executed another program: "*'not loaded'*) ok 'a program without the library' ;;
*) not_ok 'a program without the library' "$(cat "$said")" ;;
esac
kill -9 $pid
reap

# ---- why not -------------------------------------------------------------------------------------

fresh
sleep 60 &
pid=$!
started="$started $pid"
refused 'no library' 'libotheap.so is not loaded in it; start the program with: otheap run -- ' $pid
lives 'no library'
kill -9 $pid
reap

start OTHEAP_SAMPLE_INTERVAL=0 "$grow"
wait_said ready
refused 'interval 0' 'OTHEAP_DEBUG=1 shows why' $pid
lives 'interval 0'
finish

if printf 'int main(void){char c;return read(0,&c,1)<0;}\n' >"$work/static.c" &&
    ${CC:-cc} -w -static -o "$work/static" "$work/static.c" 2>/dev/null; then
	start "$work/static"
	until_true grep -q static /proc/$pid/comm
	refused 'static' 'is statically linked' $pid
	finish
else
	skip 'static' 'cannot be linked here'
fi

# Another library: one that has no tables, and one that has others.
cp "$lib" "$work/libotheap.so"
python3 - "$work/libotheap.so" <<'END'
import sys
b = bytearray(open(sys.argv[1], "rb").read())
i = b.find(b"otheap\r\n")
b[i + 8] = 99
open(sys.argv[1], "wb").write(b)
END
fresh
mkfifo "$own/in"
env OTHEAP_DIR="$dir" LD_PRELOAD="$work/libotheap.so" "$grow" >"$out" 2>"$err" <"$own/in" &
pid=$!
started="$started $pid"
exec 9>"$own/in"
wait_said ready
refused 'another version' 'tables of version 99' $pid
finish

if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
	start "$grow"
	wait_said ready
	chmod 711 "$work"
	cp "$otheap" "$work/otheap"
	setpriv --reuid 65534 --regid 65534 --clear-groups "$work/otheap" watch --count 1 $pid >"$answer" 2>"$said"
	equal "another user's: status" "$?" 2
	check "another user's" grep -qF "pid $pid: it belongs to root" "$said"
	setpriv --reuid 65534 --regid 65534 --clear-groups "$work/otheap" watch --count 1 grow >"$answer" 2>"$said"
	equal "another user's, by name: status" "$?" 2
	check "another user's, by name" grep -q 'grow: no program of yours' "$said"
	finish
else
	skip "another user's" 'only root can be another'
fi
