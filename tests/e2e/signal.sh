#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# signal.sh - profiles by signal, and signals that the program wants itself.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

hold=$prog/hold
one=OTHEAP_SAMPLE_INTERVAL=1
USR2=12

# A profile that shows what the program holds.
shows_hold() {
	if decode_last "$1"; then equal "$1" "$(sum site_hold)" "100 100000 100 100000"; fi
}

# ---- a profile on request -----------------------------------------------------------

start $one "$hold" alloc
wait_said ready
kill -USR2 $pid
check "USR2 writes a profile" wait_files 1
shows_hold "USR2: the profile is right"
equal "USR2: one signal, one file" "$(count_files)" 1
kill -USR2 $pid
check "a second one writes another" wait_files 2
kill -USR2 $pid
kill -USR2 $pid
check "two in a row write one more at least" wait_files 3
finish
equal "USR2: status" "$rc" 0
check "and one at exit" wait_files 4
shows_hold "the one at exit is right"
silent USR2

start $one "$hold" alloc busy
wait_said ready
i=0
while [ $i -lt 20 ]; do
	kill -USR2 $pid
	i=$((i + 1))
	until_true has_files $i
done
check "20 while another thread allocates" has_files 20
finish
equal "status after these" "$rc" 0
unreadable=0
for f in "$dir"/*; do decode "$f" || unreadable=$((unreadable + 1)); done
equal "all readable" $unreadable 0

start "$hold" alloc
wait_said ready
kill -USR2 $pid
check "also where nothing was sampled" wait_files 1
finish
if decode_last "nothing sampled"; then ok "a readable profile of nothing"; fi

# ---- other signals ---------------------------------------------------------------

start $one OTHEAP_SIGNAL=USR1 "$hold" alloc
wait_said ready
kill -USR1 $pid
check "OTHEAP_SIGNAL=USR1" wait_files 1
kill -USR2 $pid
reap
exec 9>&-
equal "USR2 is as deadly as ever" "$rc" $((128 + USR2))

start $one OTHEAP_SIGNAL=SIGUSR1 "$hold" alloc
wait_said ready
kill -USR1 $pid
check "OTHEAP_SIGNAL=SIGUSR1" wait_files 1
finish

start $one OTHEAP_SIGNAL=10 "$hold" alloc
wait_said ready
kill -USR1 $pid
check "OTHEAP_SIGNAL=10" wait_files 1
finish

start $one OTHEAP_SIGNAL=RTMIN+3 "$hold" alloc
wait_said ready
kill -37 $pid
check "OTHEAP_SIGNAL=RTMIN+3" wait_files 1
finish

start $one OTHEAP_SIGNAL=none "$hold" alloc query $USR2
wait_said ready
equal "OTHEAP_SIGNAL=none: not taken" "$(grep -c "^$USR2 default" "$out")" 2
kill -USR2 $pid
reap
exec 9>&-
equal "OTHEAP_SIGNAL=none: the default action happens" "$rc" $((128 + USR2))
equal "OTHEAP_SIGNAL=none: no file" "$(count_files)" 0

# ---- signals that the program uses itself --------------------------------------------

for how in own old; do
	start $one "$hold" alloc $how $USR2
	wait_said ready
	kill -USR2 $pid
	check "the program's handler wins ($how)" wait_said "handled $USR2"
	finish
	equal "it is not fought ($how)" "$(count_files)" 1
	equal "status ($how)" "$rc" 0
done

start $one "$hold" alloc query $USR2 query 15 query 2 old $USR2 query $USR2 default $USR2 query $USR2
wait_said ready
# The shell starts background programs with SIGINT ignored.
equal "to the program ours do not exist" "$(grep -v ready "$out" | tr '\n' ,)" \
	"12 default,12 default again,15 default,15 default again,2 ignore,2 ignore again,12 default,12 other,12 other,12 default,12 default again,"
kill -USR2 $pid
check "the default action of the program is ours" wait_files 1
finish

start $one env --ignore-signal=USR2 "$hold" alloc query $USR2
wait_said ready
kill -USR2 $pid
kill -USR2 $pid
equal "an inherited SIG_IGN stays" "$(grep -c "^$USR2 ignore" "$out")" 2
finish
equal "and no file comes of it" "$(find "$dir" -name '*hold*' | wc -l)" 1

start $one "$hold" alloc block $USR2
wait_said ready
kill -USR2 $pid
equal "blocked: nothing yet" "$(count_files)" 0
finish
equal "blocked: status" "$rc" 0
check "unblocked: the profile and the one at exit" wait_files 1

start $one env --block-signal=USR2 "$hold" alloc
wait_said ready
kill -USR2 $pid
finish
equal "blocked by the parent: status" "$rc" 0

# ---- the end by a signal ---------------------------------------------------------------

for sig in TERM INT; do
	n=15
	[ $sig = INT ] && n=2
	start $one env --default-signal=INT "$hold" alloc
	wait_said ready
	kill -$sig $pid
	reap
	exec 9>&-
	equal "$sig: still killed by it" "$rc" $((128 + n))
	shows_hold "$sig: the profile was written"

	start $one env --default-signal=INT "$hold" alloc busy
	wait_said ready
	kill -$sig $pid
	reap
	exec 9>&-
	equal "$sig: killed by it with threads" "$rc" $((128 + n))

	start $one env --default-signal=INT "$hold" alloc own $n
	wait_said ready
	kill -$sig $pid
	check "$sig: the program's handler is undisturbed" wait_said "handled $n"
	finish
	equal "$sig: and the program goes on" "$rc" 0
	shows_hold "$sig: and writes its profile at the end"
done

# OTHEAP_DUMP_AT_EXIT=0: nothing to do there, so nothing is taken over.
start $one OTHEAP_DUMP_AT_EXIT=0 "$hold" alloc
wait_said ready
kill -TERM $pid
reap
exec 9>&-
equal "no profile at exit: killed by TERM" "$rc" 143
equal "no profile at exit: none" "$(count_files)" 0

# A request while the program is on its way out.
i=0
bad=0
while [ $i -lt 10 ]; do
	i=$((i + 1))
	start $one "$hold" alloc exit 7
	wait_said ready
	exec 9>&-
	kill -USR2 $pid 2>/dev/null
	kill -USR2 $pid 2>/dev/null
	reap
	[ "$rc" = 7 ] || bad="status $rc"
	[ "$(count_files)" -ge 1 ] || bad="no file"
	for f in "$dir"/*; do decode "$f" || bad="unreadable $f"; done
done
equal "USR2 during exit, 10 times" "$bad" 0

if command -v python3 >/dev/null; then
	python=$(python3 -c 'import sys; print(sys.executable)')
	cat >"$work/wait.py" <<-'END'
		import sys
		try:
		    print("ready", flush=True)
		    sys.stdin.read()
		except KeyboardInterrupt:
		    print("interrupted", flush=True)
		    sys.exit(3)
	END
	start env --default-signal=INT "$python" "$work/wait.py"
	wait_said ready
	kill -INT $pid
	check "python3: KeyboardInterrupt" wait_said interrupted
	reap
	exec 9>&-
	equal "python3: its own status" "$rc" 3
else
	skip "python3: KeyboardInterrupt" "no python3"
fi
