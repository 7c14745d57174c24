#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# dump.sh - otheap dump: a profile of a running program, and every reason why not.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

asks dump
hold=$prog/hold

# wrote NAME ARGUMENT... - exit 0, nothing on stderr, the path of a profile that is there.
wrote() {
	name=$1
	shift
	ask "$@"
	f=$(cat "$answer")
	if [ $rc = 0 ] && [ ! -s "$said" ] && [ -s "$f" ] && decode "$f"; then
		ok "$name"
	else
		not_ok "$name" "exit $rc, stderr '$(cat "$said")', stdout '$f'"
	fi
}

# lives NAME - the program was not harmed.
lives() {
	check "$1: it lives" kill -0 $pid
}

# ---- usage -----------------------------------------------------------------------------

ask --help
equal 'help: status' "$rc" 0
check 'help' grep -q '^usage: otheap dump' "$answer"
refused 'no pid' 'no PID given'
refused 'two' 'more than one PID given' 1 2
refused 'unknown option' "unknown option '--nosuch'; otheap dump --help lists them" --nosuch 1
refused 'no value' "'--timeout' needs a value" --timeout
for t in 0 x 86401 -1 ''; do refused "timeout '$t'" 'expected seconds' --timeout "$t" 1; done
for p in 0 x 1x 99999999999 ''; do refused "pid '$p'" 'expected a process ID' "$p"; done
sleep 0 &
gone=$!
wait $gone
refused 'no such process' "pid $gone: no such process" $gone

# ---- taken away at once ------------------------------------------------------------------

cat >"$work/taker" <<END
#!/bin/sh
rm -f "$work/spool"/*.pb.gz
END
chmod 755 "$work/taker"
start OTHEAP_SAMPLE_INTERVAL=1 OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1 \
	OTHEAP_COMMAND="$work/taker" OTHEAP_SPOOL="$work/spool" "$hold" alloc
wait_said ready
until_true test -d "$work/spool"
for n in 1 2 3 4 5; do
	ask --timeout 5 $pid
	f=$work/spool/otheap.hold.$pid.$n.pb.gz
	equal "taken away, $n" "$rc $(cat "$answer")" "0 $f"
	[ ! -s "$said" ] || equal "taken away, $n: said" "$(cat "$said")" "otheap: dump: $f was taken away to be sent"
	until_true [ ! -e "$f" ]
done
finish

# ---- profiles ----------------------------------------------------------------------------

start OTHEAP_SAMPLE_INTERVAL=1 "$hold" alloc
wait_said ready
wrote 'a profile' $pid
equal 'its path' "$f" "$dir/otheap.hold.$pid.1.pb.gz"
equal 'and what is in it' "$(sum site_hold)" '100 100000 100 100000'
wrote 'another' $pid
equal 'the next number' "$f" "$dir/otheap.hold.$pid.2.pb.gz"
thread=$(find /proc/$pid/task -mindepth 1 -maxdepth 1 -printf '%f\n' | tail -n 1)
wrote 'by the number of a thread' "$thread"
kill -STOP $pid
until_true grep -q '^State:.T' /proc/$pid/status
refused 'stopped' 'it is stopped; continue it with: kill -CONT' $pid
kill -CONT $pid
until_true grep -q '^State:.[SR]' /proc/$pid/status
wrote 'continued' $pid
refused 'looked for elsewhere' "no profile within 1 s in $work" --timeout 1 --dir "$work" $pid
finish
equal 'the program ends as before' "$rc" 0
refused 'ended' 'no such process' $pid

start OTHEAP_SIGNAL=RTMIN+3 OTHEAP_FILE=one.pb.gz "$hold"
wait_said ready
wrote 'another signal, and a name without a number' $pid
equal 'its name' "$f" "$dir/one.pb.gz"
wrote 'the same name again' $pid
finish

# Folders: below where it started, by default and by a relative name.
for sub in . sub; do
	fresh
	mkfifo "$own/in"
	mkdir "$dir/sub"
	(cd "$dir" && PWD=$dir && export PWD && exec env OTHEAP_DIR=$sub LD_PRELOAD="$lib" "$hold") \
		<"$own/in" >"$out" 2>"$err" &
	pid=$!
	started="$started $pid"
	exec 9>"$own/in"
	wait_said ready
	wrote "OTHEAP_DIR=$sub" $pid
	finish
done
if [ "$(id -u)" != 0 ]; then
	start OTHEAP_DIR=/proc TMPDIR="$work" "$hold"
	wait_said ready
	wrote 'TMPDIR in place of it' $pid
	finish
fi

# ---- and why not ---------------------------------------------------------------------------

fresh
sleep 60 &
pid=$!
started="$started $pid"
until_true grep -qx sleep /proc/$pid/comm
refused 'no library, of which program' "dump: sleep, pid $pid: " $pid
refused 'no library' 'libotheap.so is not loaded in it; start the program with: otheap run -- ' $pid
lives 'no library'
kill -9 $pid
reap

start OTHEAP_SIGNAL=none "$hold"
wait_said ready
refused 'no signal' 'OTHEAP_SIGNAL=none' $pid
lives 'no signal'
finish

# With the library off nobody catches the signal, and it would be the end.
start OTHEAP_SAMPLE_INTERVAL=0 "$hold"
wait_said ready
if grep -q '^SigCgt:.*[89abcdef]..$' /proc/$pid/status; then
	wrote 'interval 0' $pid
else
	refused 'interval 0' 'no handler for SIGUSR2, which would end it' $pid
fi
lives 'interval 0'
finish

# The program's handler would get it: to nginx it means to start a new binary.
for how in 'own 12' 'old 12' 'own 12 title' 'default 12 own 12'; do
	# shellcheck disable=SC2086 # words
	start OTHEAP_SAMPLE_INTERVAL=1 "$hold" alloc $how
	wait_said ready
	refused "$how" 'SIGUSR2 is not for a profile there' $pid
	lives "$how"
	finish
	equal "$how: it was not asked" "$(grep -c 'handled 12' "$out")" 0
done
start OTHEAP_SAMPLE_INTERVAL=1 "$hold" alloc own 12 default 12
wait_said ready
wrote 'a handler, and none again' $pid
finish

# The environment shows neither signal nor folder any more.
start OTHEAP_SAMPLE_INTERVAL=1 OTHEAP_SIGNAL=URG "$hold" alloc title
wait_said ready
wrote 'written over' --dir "$dir" $pid
finish

start OTHEAP_DIR=. env --ignore-signal=USR2 "$hold"
wait_said ready
refused 'ignored' 'it ignores SIGUSR2' $pid
lives 'ignored'
finish

start env --block-signal=USR2 "$hold"
wait_said ready
refused 'blocked' 'all its threads block SIGUSR2' $pid
lives 'blocked'
finish

if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
	start "$hold"
	wait_said ready
	chmod 711 "$work"
	cp "$otheap" "$work/otheap"
	setpriv --reuid 65534 --regid 65534 --clear-groups "$work/otheap" dump $pid >"$answer" 2>"$said"
	equal "another user's: status" "$?" 2
	check "another user's" grep -qF "pid $pid: it belongs to root, and you may not signal it" "$said"
	lives "another user's"
	finish
else
	skip "another user's" 'only root can be another'
fi

# Seen from outside of its PID namespace: the file has the number from inside.
if [ "$(id -u)" = 0 ] && unshare -pf true 2>/dev/null; then
	start OTHEAP_SAMPLE_INTERVAL=1 unshare -pf --kill-child "$hold" alloc
	wait_said ready
	read -r inner <"/proc/$pid/task/$pid/children"
	wrote 'another PID namespace' "$inner"
	equal 'another PID namespace: its number there' "$(basename "$f")" 'otheap.hold.1.1.pb.gz'
	finish
else
	skip 'another PID namespace' 'cannot be made here'
fi
