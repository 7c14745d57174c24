#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# run.sh - otheap run: the program notices nothing but its environment; what is
# said at the end.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

otheap=$B/otheap
hold=$prog/hold
export LC_ALL=C
CC=${CC:-cc}
command -v "$CC" >/dev/null || CC=''

# try ARGUMENT... - otheap in a fresh folder: $rc, $out, $err.
try() {
	fresh
	(cd "$dir" && timeout -s KILL 60 "$otheap" "$@") >"$out" 2>"$err" </dev/null
	rc=$?
}

# gives NAME STATUS TEXT ARGUMENT... - this status, and TEXT in the only line on stderr.
gives() {
	name=$1 status=$2 text=$3
	shift 3
	try "$@"
	if [ $rc = "$status" ] && [ "$(wc -l <"$err")" = 1 ] &&
	    grep -q '^otheap: ' "$err" && grep -qF -e "$text" "$err"; then
		ok "$name"
	else
		not_ok "$name" "exit $rc, stderr '$(cat "$err")'"
	fi
}

# ---- run: usage ----------------------------------------------------------------------

try run --help
equal 'run --help: status' "$rc" 0
check 'run --help' grep -q '^usage: otheap run' "$out"
gives 'run: no program' 2 'no PROGRAM given' run
gives 'run: no program after --' 2 'no PROGRAM given' run --
gives 'run: unknown option' 2 "unknown option '--nosuch'" run --nosuch true
gives 'run: option without its value' 2 "'--dir' needs a value" run --dir
gives 'run: bad size' 2 "--sample-interval '12x': expected bytes" run --sample-interval 12x true
gives 'run: bad signal' 2 "--signal 'KILL': expected a signal" run --signal KILL true
gives 'run: bad switch' 2 "--quiet '2': expected 0 or 1" run --quiet=2 true
gives 'run: bad name' 2 "--file 'a/b': expected a file name" run --file a/b true
gives 'run: too many frames' 2 'expected 1 to 128' run --max-frames 129 true
gives 'run: no folder' 2 "--dir './nosuch': No such file or directory; make it first" run --dir ./nosuch true
gives 'run: no such library' 125 './nosuch.so: No such file' run --library ./nosuch.so true
gives 'run: no library' 125 'not a library for x86-64' run --library /dev/null true
cp "$lib" "$work/a b.so"
gives 'run: a path that LD_PRELOAD cannot take' 125 'no path with a space or colon' run --library "$work/a b.so" true
gives 'run: no such program' 127 'nosuch: no such program in PATH' run nosuch
gives 'run: no such path' 127 './nosuch: no such program' run ./nosuch
gives 'run: not executable' 126 'Permission denied' run -- "$PWD/README.md"
printf '#!/nosuch/sh\n' >"$work/script"
chmod +x "$work/script"
gives 'run: no interpreter' 126 'is not there' run "$work/script"

# ---- run: each setting has its option ---------------------------------------------------

sed -n '/^static const struct oh_setting settings\[\]/,/^};/s/^[[:space:]]*{ "\([A-Z_]*\)", .*/\1/p' core/config.c |
	grep -v '^TEST_' >"$work/settings"
check 'run: the settings are found' test -s "$work/settings"
mkdir "$work/elsewhere"
while read -r name; do
	option=$(echo "$name" | tr 'A-Z_' 'a-z-')
	case $name in
	SAMPLE_INTERVAL) set -- 3k 3072 ;;
	DIR) set -- "$work/elsewhere" "$work/elsewhere" ;;
	FILE) set -- 'x.%p.%n' 'x.%p.%n' ;;
	SIGNAL) set -- SIGRTMIN+2 36 ;;
	MAX_MEMORY | LEAK_MAX_MEMORY) set -- 5M 5242880 ;;
	LABEL_THREADS | QUIET | DEBUG | LEAK_CHECK) set -- 1 1 ;;
	DUMP_AT_EXIT | RECORD | OTLP) set -- 0 0 ;;
	LEAK_BASELINE) set -- 2m 120s ;;
	PROTOCOL) set -- pyroscope pyroscope ;;
	LEAK_REPORT | LEAK_SUPPRESSIONS | SPOOL | COMMAND) set -- "$work/x" "$work/x" ;;
	*) set -- 77 77 ;;
	esac
	try run --debug "--$option=$1" "$hold"
	check "run --$option is understood" grep -qxF "otheap: OTHEAP_$name=$2" "$err"
	try run --help
	check "run --help has --$option" grep -q -e "^ *--$option" "$out"
done <"$work/settings"
try run --debug --leak-check=2 "$hold"
check 'run: a level' grep -qx 'otheap: OTHEAP_LEAK_CHECK=2' "$err"
try run --debug --leak-check "$hold"
check 'run: a level by its name' grep -qx 'otheap: OTHEAP_LEAK_CHECK=1' "$err"
try run --debug --label-threads "$hold"
check 'run: a switch by its name' grep -qx 'otheap: OTHEAP_LABEL_THREADS=1' "$err"
fresh
OTHEAP_MAX_FRAMES=5 OTHEAP_SEED=6 "$otheap" run --debug --seed 7 "$hold" >"$out" 2>"$err" </dev/null
check 'run: what is set stays' grep -qx 'otheap: OTHEAP_MAX_FRAMES=5' "$err"
check 'run: an option wins' grep -qx 'otheap: OTHEAP_SEED=7' "$err"

# ---- run: the library is found, and comes first -------------------------------------------

# shellcheck disable=SC2016
try run --quiet sh -c 'echo "$LD_PRELOAD"'
equal 'run: beside the command' "$(cat "$out")" "$lib"
for folder in lib lib64 lib/x86_64-linux-gnu; do
	mkdir -p "$work/prefix/bin" "$work/prefix/$folder"
	cp "$otheap" "$work/prefix/bin"
	cp "$lib" "$work/prefix/$folder"
	# shellcheck disable=SC2016
	equal "run: in ../$folder" "$("$work/prefix/bin/otheap" run --quiet sh -c 'echo "$LD_PRELOAD"')" \
		"$work/prefix/$folder/libotheap.so"
	rm "$work/prefix/$folder/libotheap.so"
done
fresh
"$work/prefix/bin/otheap" run true >"$out" 2>"$err"
equal 'run: nowhere: status' "$?" 125
check 'run: nowhere' grep -q -e 'with --library' "$err"
cp "$lib" "$work/other.so"
# shellcheck disable=SC2016
equal 'run: --library' "$("$otheap" run --quiet --library "$work/other.so" sh -c 'echo "$LD_PRELOAD"')" "$work/other.so"
# shellcheck disable=SC2016
equal 'run: what is preloaded stays behind it' \
	"$(LD_PRELOAD="$work/other.so" "$otheap" run --quiet sh -c 'echo "$LD_PRELOAD"')" "$lib:$work/other.so"
# shellcheck disable=SC2016
equal 'run: not twice' "$(LD_PRELOAD="$lib libc.so.6" "$otheap" run --quiet sh -c 'echo "$LD_PRELOAD"')" "$lib libc.so.6"

# ---- run: as if it were not there ---------------------------------------------------------

try run --quiet -- sh -c 'exit 37'
equal 'run: status' "$rc" 37
equal 'run --quiet' "$(cat "$err")" ''
# shellcheck disable=SC2016
try run --quiet sh -c 'echo "$1 $2"' sh --help -x
equal 'run: the arguments are the program'\''s' "$(cat "$out")" '--help -x'
equal 'run: standard input' "$(echo word | "$otheap" run --quiet cat)" word
grep -E '^Sig(Blk|Ign)' /proc/self/status >"$work/expected"
try run --quiet grep -E '^Sig(Blk|Ign)' /proc/self/status
equal 'run: signals as before' "$(cat "$out")" "$(cat "$work/expected")"
equal 'run: SIGPIPE and SIGCHLD that were ignored stay so' \
	"$(trap '' PIPE CHLD && "$otheap" run --quiet grep ^SigIgn /proc/self/status)" \
	"$(trap '' PIPE CHLD && grep ^SigIgn /proc/self/status)"
for n in 2 9 11 15; do
	# shellcheck disable=SC2016,SC3045
	(ulimit -c unlimited && cd "$work" && exec "$otheap" run --quiet sh -c 'ulimit -c 0; kill -$0 $$' $n) >/dev/null 2>&1
	equal "run: killed by signal $n" "$?" "$((128 + n))"
done
equal 'run: no core file of our own' "$(find "$work" -maxdepth 1 -name 'core*')" ''

# passes SIGNAL - one sent to otheap reaches the program, once.
passes() {
	fresh
	: >"$out"
	# shellcheck disable=SC2016,SC2094
	"$otheap" run --quiet --dump-at-exit=0 sh -c 'trap "echo got" "$0"; echo ready; i=0
		while [ $i -lt 100 ] && ! grep -q got "$1"; do sleep 0.05; i=$((i + 1)); done; exit 9' \
		"$1" "$out" >"$out" 2>"$err" </dev/null &
	pid=$!
	started="$started $pid"
	wait_said ready
	kill -s "$1" $pid
	reap
	equal "run: passes $1" "$rc $(grep -c got "$out")" '9 1'
}
for sig in HUP TERM USR1 USR2 WINCH ALRM; do passes $sig; done

# Without a shell between them, and the program dies of it.
fresh
"$otheap" run --quiet sleep 60 >"$out" 2>"$err" </dev/null &
pid=$!
started="$started $pid"
until_true pgrep -P $pid -x sleep >/dev/null
kill -TERM $pid
reap
equal 'run: dies as the program did' "$rc" 143

# Stopped and continued with the program, as a shell does with a job.
fresh
"$otheap" run --quiet sleep 60 >"$out" 2>"$err" </dev/null &
pid=$!
started="$started $pid"
until_true pgrep -P $pid -x sleep >/dev/null
child=$(pgrep -P $pid -x sleep)
in_state() {
	grep -q "^State:.$2" "/proc/$1/status"
}
kill -TSTP $pid
check 'run: SIGTSTP stops the program' until_true in_state "$child" T
check 'run: and then us' until_true in_state $pid T
kill -CONT $pid
check 'run: SIGCONT continues us' until_true in_state $pid S
check 'run: and the program' until_true in_state "$child" S
kill -TERM $pid
reap
equal 'run: ends after that' "$rc" 143

# A terminal: Ctrl-C goes to the program, which alone decides; and it can read.
# exec, as script(1) asks $SHELL, and not every shell gives its place to the command:
# one that stays has no trap and dies of the Ctrl-C.
if command -v script >/dev/null; then
	fresh
	: >"$out"
	cat >"$own/prog" <<'END'
trap "echo interrupted" INT
echo ready
while [ -z "${word-}" ]; do read -r word; done
echo "read $word"
exit 5
END
	# shellcheck disable=SC2094
	{
		until_true grep -q ready "$out"
		printf '\003'
		until_true grep -q interrupted "$out"
		printf '\nword\n'
		sleep 1
	} | timeout 60 script -qefc "exec '$otheap' run --quiet sh '$own/prog'" /dev/null >"$out" 2>"$err"
	equal 'run: terminal: status' "$?" 5
	equal 'run: terminal: one Ctrl-C, one SIGINT' "$(grep -c '^.*interrupted' "$out")" 1
	check 'run: terminal: input' grep -q 'read word' "$out"
else
	skip 'run: terminal' 'no script(1) here'
fi

# ---- run: what it says at the end ---------------------------------------------------------

# ends NAME TEXT ARGUMENT... - the first line at the end has TEXT.
ends() {
	name=$1 text=$2
	shift 2
	try run "$@"
	if head -n 1 "$err" | grep -q '^otheap: ' && head -n 1 "$err" | grep -qF -e "$text"; then
		ok "$name"
	else
		not_ok "$name" "exit $rc, stderr '$(cat "$err")'"
	fi
}

ends 'run: one profile' 'wrote 1 profile; next:' --sample-interval 1 "$hold" alloc
check 'run: the command to type works' sh -c "cd '$dir' && $(tail -n 1 "$err") | grep -q site_hold"
ends 'run: of children' 'wrote 1 profile, and 1 of other processes' --sample-interval 1 \
	sh -c "'$hold' alloc; exit 0"
: >"$work/elsewhere/otheap.hold.1.1.pb.gz"
touch -d '1 hour ago' "$work/elsewhere/otheap.hold.1.1.pb.gz"
ends 'run: in a folder' 'wrote 1 profile; next:' --sample-interval 1 --dir "$work/elsewhere" "$hold" alloc
check 'run: its path' grep -qF "top $work/elsewhere/otheap.hold." "$err"
ends 'run: a name with a space' 'wrote 1 profile; next:' --sample-interval 1 --file 'a b.%n' "$hold" alloc
check 'run: is quoted' grep -qF "top 'a b.1'" "$err"
ends 'run: nothing sampled' 'a --sample-interval below 512k shows more' "$hold"
ends 'run: interval 0' 'sample interval is 0' --sample-interval 0 "$hold" alloc
ends 'run: none at exit' 'none at exit was wanted' --dump-at-exit=0 --sample-interval 1 "$hold" alloc
# shellcheck disable=SC2016
ends 'run: killed' 'SIGKILL ended it' sh -c 'kill -KILL $$'
if [ -n "$CC" ] && echo 'int main(void) { return 3; }' >"$work/static.c" &&
    $CC -static -o "$work/static" "$work/static.c" 2>/dev/null; then
	gives 'run: a static program' 3 'no profile of static: it is statically linked' run "$work/static"
else
	skip 'run: a static program' 'cannot be built here'
fi
if [ "$(id -u)" = 0 ] && cp "$hold" "$work/setuid" && chown 1:1 "$work/setuid" && chmod 4755 "$work/setuid"; then
	gives 'run: a setuid program' 0 'more rights than you have' run "$work/setuid"
else
	skip 'run: a setuid program' 'only root can make one'
fi
