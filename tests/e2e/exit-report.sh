#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# exit-report.sh - the leak report at exit: the command is started, with what, and
# as if it were not; and what the exit status becomes.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

one=OTHEAP_SAMPLE_INTERVAL=1
stand=$work/stand-in
said=$work/said
export LC_ALL=C

# In place of the command: it says what it was given and ends as $work/status says.
cat >"$stand" <<END
#!/bin/sh
{
	echo "arguments \$*"
	echo "preload \${LD_PRELOAD-none}"
	echo "interval \${OTHEAP_SAMPLE_INTERVAL-none}"
	echo "mine \${MINE-none}"
	echo "folder \$(pwd)"
	sed -n 's/^\(Sig\(Blk\|Ign\)\):[[:space:]]*\(.*\)/\1 \3/p' /proc/self/status
	echo "session \$(cut -d ' ' -f 6 /proc/\$\$/stat | sed "s/^\$\$\\\$/own/")"
	ls -l /proc/\$\$/fd
} >"$said"
echo "to stdout"
echo "to stderr" >&2
exit \$(cat "$work/status")
END
chmod 755 "$stand"

# leak STATUS [VAR=VALUE...] PROGRAM... - run it with the stand-in, which will end so.
leak() {
	echo "$1" >"$work/status"
	shift
	rm -f "$said"
	run $one OTHEAP_COMMAND="$stand" MINE=yes "$@"
}

value() {
	sed -n "s|^$1 ||p" "$said" 2>/dev/null
}

# phases LINES [VAR=VALUE...] - a program that does these and ends with 4.
phases() {
	fresh
	printf '%b\nexit 4\n' "$1" >"$own/lines"
	shift
	timeout -s KILL 60 env OTHEAP_DIR="$dir" LD_PRELOAD="$lib" $one "$@" "$prog/phases" \
		>"$out" 2>"$err" <"$own/lines"
	rc=$?
}

# keep, lose [VAR=VALUE...] - one that loses nothing, and one that loses 50 blocks of 777 bytes.
keep() {
	phases 'first 100 1000' "$@"
}
lose() {
	phases 'first 100 1000\nlose 50 777' "$@"
}

# ---- how it is started ------------------------------------------------------------------

leak 0 OTHEAP_LEAK_CHECK=1 "$prog/hold" alloc exit 7
equal "status: the program's" "$rc" 7
equal "arguments" "$(value arguments)" \
	"leaks --exit-report --report stderr $(last_file)"
check "the profile is there" test -s "$(last_file)"
equal "without the library" "$(value preload)" none
equal "and not profiled" "$(value interval)" 0
equal "with the program's environment" "$(value mine)" yes
equal "folder" "$(value folder)" /
equal "no signal blocked" "$(value SigBlk)" 0000000000000000
equal "no signal ignored" "$(value SigIgn)" 0000000000000000
equal "a session of its own" "$(value session)" own
equal "standard input is empty" "$(sed -n 's/.* 0 -> //p' "$said")" /dev/null
# From 10 on they are the shell's.
equal "no other descriptor" "$(grep -c ' [0-9] -> ' "$said")" 3
equal "both its outputs are the program's standard error" "$(cat "$err")" "to stdout
to stderr"
equal "nothing on standard output" "$(grep -c 'to std' "$out")" 0

leak 0 OTHEAP_LEAK_CHECK=1 env --ignore-signal=HUP --block-signal=USR1 "$prog/hold" alloc
equal "ignored signals are not passed on" "$(value SigIgn)" 0000000000000000
equal "nor blocked ones" "$(value SigBlk)" 0000000000000000

leak 0 OTHEAP_LEAK_REPORT="$work/%e.%n.%%.txt" OTHEAP_LEAK_SUPPRESSIONS="$work/s" \
	OTHEAP_LEAK_BASELINE=/some/base.pb.gz "$prog/hold" alloc
equal "all of its arguments" "$(value arguments)" \
	"leaks --exit-report --baseline /some/base.pb.gz --suppressions $work/s --report $work/hold.1.%.txt $(last_file)"
rm -f "$said"
start $one OTHEAP_COMMAND="$stand" OTHEAP_LEAK_BASELINE=start "$prog/hold" alloc
wait_said ready
wait_files 1
finish
equal "a baseline of this run" "$(value arguments | sed 's/[0-9]*\.\([12]\.pb\)/PID.\1/g')" \
	"leaks --exit-report --baseline $dir/otheap.hold.PID.1.pb.gz --report stderr $dir/otheap.hold.PID.2.pb.gz"

# ---- when it is -------------------------------------------------------------------------

leak 0 "$prog/hold" alloc
check "not without a setting about leaks" test ! -e "$said"
leak 0 OTHEAP_LEAK_CHECK=0 "$prog/hold" alloc
check "not with OTHEAP_LEAK_CHECK=0 alone" test ! -e "$said"
leak 0 OTHEAP_LEAK_REPORT=none "$prog/hold" alloc
check "not for a report that nobody sees" test ! -e "$said"
leak 0 OTHEAP_LEAK_CHECK=1 "$prog/hold"
check "not where nothing was sampled" test ! -e "$said"
leak 0 OTHEAP_LEAK_CHECK=1 OTHEAP_DUMP_AT_EXIT=0 "$prog/hold" alloc
check "the report needs a profile, and gets it" test -s "$said"
for how in return exit quick_exit _exit _Exit exit-in-atexit thread; do
	leak 0 OTHEAP_LEAK_CHECK=1 "$prog/ends" $how 3
	check "at the end by $how" test -s "$said"
	equal "at the end by $how: status" "$rc" 3
done
echo 0 >"$work/status"
rm -f "$said"
start $one OTHEAP_COMMAND="$stand" OTHEAP_LEAK_EXITCODE=23 "$prog/hold" alloc
wait_said ready
echo 1 >"$work/status"
kill -TERM "$pid"
reap
exec 9>&-
equal "by SIGTERM: the status is its own" "$rc" 143
check "by SIGTERM: a report" test -s "$said"
leak 1 OTHEAP_LEAK_EXITCODE=23 "$prog/ends" abort 0
equal "by abort: its own" "$rc" 134
check "by abort: no report" test ! -e "$said"

# Children write one only if they sampled something themselves.
leak 0 OTHEAP_LEAK_CHECK=1 "$prog/forks" nothing
equal "forks: status" "$rc" 0
inside forks

# ---- the exit status -------------------------------------------------------------------

for how in return exit quick_exit exit-in-atexit thread last-thread; do
	leak 1 OTHEAP_LEAK_EXITCODE=23 "$prog/ends" $how 3
	equal "leaks, $how: status" "$rc" 23
done
for how in _exit _Exit; do
	leak 1 OTHEAP_LEAK_EXITCODE=23 "$prog/ends" $how 3
	equal "leaks, $how: the status is meant so" "$rc" 3
done
leak 0 OTHEAP_LEAK_EXITCODE=23 "$prog/ends" exit 3
equal "no leaks: the program's" "$rc" 3
leak 3 OTHEAP_LEAK_EXITCODE=23 "$prog/ends" exit 0
equal "growth alone: the program's" "$rc" 0
leak 1 OTHEAP_LEAK_CHECK=1 "$prog/ends" exit 5
equal "leaks, no OTHEAP_LEAK_EXITCODE: the program's" "$rc" 5
leak 1 OTHEAP_LEAK_EXITCODE=23 sh -c 'printf "no line end"'
equal "what is in stdio's buffers is written" "$(cat "$out")" "no line end"
cat >"$work/print.c" <<'END'
#include <stdio.h>
#include <stdlib.h>
int main(void)
{
	for (int i = 0; i < 100; i++)
		if (malloc(1000) == NULL)
			return 1;
	printf("still in the buffer");
	return 0;
}
END
if cc -o "$work/print" "$work/print.c" 2>"$work/cc.err"; then
	leak 1 OTHEAP_LEAK_EXITCODE=23 "$work/print"
	equal "buffered output: status" "$rc" 23
	equal "buffered output is written" "$(cat "$out")" "still in the buffer"
else
	skip "buffered output is written" "no compiler"
fi

# ---- where it cannot be started, or takes long -----------------------------------------------

keep OTHEAP_COMMAND=/no/such OTHEAP_LEAK_EXITCODE=23
equal "no command: status" "$rc" 4
equal "no command: one line" "$(wc -l <"$err")" 1
check "no command: how to get names later" grep -q "otheap leaks $(last_file)" "$err"
keep OTHEAP_COMMAND=/no/such OTHEAP_LEAK_CHECK=1 OTHEAP_QUIET=1
silent "no command, quiet"
cp "$lib" "$work/libotheap.so"
lib=$work/libotheap.so
keep OTHEAP_LEAK_CHECK=1
check "not beside the library" grep -q 'is not beside the library' "$err"
lib=$B/libotheap.so

lose OTHEAP_COMMAND=/no/such OTHEAP_LEAK_EXITCODE=23
equal "no command, leaks: status" "$rc" 23
check "no command, leaks: what is lost" \
	grep -qE '^==otheap== leak report: phases .*definitely lost: (3[5-9][0-9]{3}) bytes in (4[5-9]|50) blocks at 1 call stack$' "$err"
check "no command, leaks: where" grep -qE '^==otheap== +(at|by) phases\+0x[0-9a-f]+$' "$err"
check "no command, leaks: names of the C library" grep -qE '^==otheap== +by __libc_start_main\+0x[0-9a-f]+  libc\.so\.6\+0x' "$err"
check "no command, leaks: how to get all names" grep -q "for names and growth: otheap leaks $(last_file)" "$err"
lose OTHEAP_COMMAND=/no/such OTHEAP_LEAK_REPORT="$work/own.txt"
equal "no command, to a file: status" "$rc" 4
silent "no command, to a file"
check "no command, to a file" grep -q 'definitely lost' "$work/own.txt"

# ---- where there is nothing to report from, or nobody looked ------------------------------------

# says NAME LINE - of the last run: its own status, and that line alone.
says() {
	equal "$1: status" "$rc" 4
	equal "$1" "$(sed 's/[(]pid [0-9]*[)]/(pid)/; s|/tmp/[^ ]*/|DIR/|g' "$err")" "$2"
}

none='otheap: no leak report, as no profile was written'
phases 'lose 50 777\nspace 1' OTHEAP_LEAK_EXITCODE=23
says 'no memory' "$none: no memory"
phases 'lose 50 777\nspace 1' OTHEAP_LEAK_REPORT=none
silent 'no memory, nobody to tell'
phases 'lose 50 777\nspace 1' OTHEAP_QUIET=1 OTHEAP_LEAK_CHECK=1
silent 'no memory, quiet'
phases 'lose 50 777\nspace 1'
silent 'no memory, and no report asked for'
phases 'lose 50 777\nfiles 3' OTHEAP_LEAK_EXITCODE=23
says 'no descriptors' "otheap: cannot write in DIR/dir (too many open files): no profile is written"
if unshare --pid true 2>/dev/null; then
	phases 'lose 50 777\nelsewhere' OTHEAP_LEAK_EXITCODE=23
	says 'no thread' "$none: no thread could be made for it"
else
	skip 'no thread' 'no PID namespace can be made here'
fi
keep OTHEAP_LEAK_CHECK=1 OTHEAP_LEAK_MAX_MEMORY=1m
says 'no check' '==otheap== no leak check of phases (pid): the process is larger than OTHEAP_LEAK_MAX_MEMORY'
keep OTHEAP_LEAK_REPORT="$work/unchecked" OTHEAP_LEAK_MAX_MEMORY=1m
silent 'no check, to a file'
check 'no check, to a file' grep -q 'no leak check of phases' "$work/unchecked"
keep OTHEAP_COMMAND=/no/such OTHEAP_LEAK_CHECK=1 OTHEAP_LEAK_MAX_MEMORY=1m
check 'no check and no command' grep -q 'no leak check: the process is larger than' "$err"

# ---- a daemon ----------------------------------------------------------------------------------

# Its baseline is of the process that was started; what it takes at its start is no leak.
phases 'wait 200\ndaemon\nfirst 1000 1000\nlose 50 777\nwait 1000' OTHEAP_LEAK_BASELINE=start \
	OTHEAP_LEAK_REPORT="$work/daemon.%p"
equal 'daemon: status of who started it' "$rc" 0
daemon_said() { grep -qs ' by main ' "$work"/daemon.*; }
check 'daemon: a report' until_true daemon_said
check 'daemon: it goes on with the baseline' grep -q 'up .*, baseline at [0-9]' "$work"/daemon.*
check 'daemon: what is lost' grep -q 'in 50 blocks of 777 B' "$work"/daemon.*
equal 'daemon: nothing grows' "$(cat "$work"/daemon.* | grep -c ' Growing: none$')" 1

# ---- a program that has something else at descriptor 2 --------------------------------------------

# data N [VAR=VALUE...] - what was written there, of the report and of other messages.
data() {
	rm -f "$work/data"
	kind=$1
	shift
	phases "lose 50 777\ndata $kind" DATA="$work/data" OTHEAP_LEAK_EXITCODE=23 "$@"
	equal "data $kind${1:+, $1}: status" "$rc" 23
}

for every in 0 100; do
	data 0 OTHEAP_DUMP_EVERY=$every
	equal "a file is left alone, timer $every" "$(cat "$work/data")" ''
	data 1 OTHEAP_DUMP_EVERY=$every
	check "what is appended to is a log, timer $every" grep -q '^==otheap== .*lose' "$work/data"
	data 2 OTHEAP_DUMP_EVERY=$every
	equal "a connection is left alone, timer $every" "$(cat "$work/data")" ''
done
data 0 OTHEAP_COMMAND=/no/such OTHEAP_DEBUG=1
equal 'a file is left alone: messages of the library' "$(cat "$work/data")" ''
data 0 OTHEAP_LEAK_REPORT="$work/beside"
check 'the report may go elsewhere' grep -q '^==otheap== .*lose' "$work/beside"
fresh
printf 'lose 50 777\ndata 1\nexit 4\n' >"$own/lines"
rm -f "$work/data"
timeout -s KILL 60 env OTHEAP_DIR="$dir" LD_PRELOAD="$lib" $one OTHEAP_LEAK_EXITCODE=23 DATA="$work/data" \
	"$prog/phases" >"$out" 2>&- <"$own/lines"
equal 'closed at start: status' $? 23
equal 'closed at start: what is there now is none of ours' "$(cat "$work/data")" ''

# ---- the command itself ----------------------------------------------------------------------

lose OTHEAP_LEAK_EXITCODE=23
equal "the command: status" "$rc" 23
check "the command: what is lost" grep -q 'in .* blocks of 777 B' "$err"
check "the command: and where, by its line" grep -q 'site_lose .*phases\.c:' "$err"
echo 'leak:site_lose' >"$work/suppressions"
lose OTHEAP_LEAK_EXITCODE=23 OTHEAP_LEAK_SUPPRESSIONS="$work/suppressions"
equal "the command: suppressed" "$rc" 4
keep OTHEAP_LEAK_EXITCODE=23
equal "the command: no leak, no report" "$rc $(cat "$err")" "4 "

cat >"$work/slow" <<END
#!/bin/sh
echo \$\$ >"$work/slow.pid"
sleep 60
END
chmod 755 "$work/slow"
keep OTHEAP_COMMAND="$work/slow" OTHEAP_LEAK_EXITCODE=23 OTHEAP_EXIT_TIMEOUT=1
equal "a slow command does not keep the program: status" "$rc" 4
read -r slow <"$work/slow.pid"
check "and is not ended with it" kill -0 "$slow"
started="$started $slow"
kill "$slow" 2>/dev/null

# What the check found decides, where the command does not say in time or at all.
rm -f "$work/slow.pid"
lose OTHEAP_COMMAND="$work/slow" OTHEAP_LEAK_EXITCODE=23 OTHEAP_EXIT_TIMEOUT=1
equal 'a slow command: status' "$rc" 23
until_true test -s "$work/slow.pid"
read -r slow <"$work/slow.pid"
started="$started $slow"
kill "$slow" 2>/dev/null
echo 2 >"$work/status"
lose OTHEAP_COMMAND="$stand" OTHEAP_LEAK_EXITCODE=23
equal 'a command that fails: status' "$rc" 23
lose OTHEAP_COMMAND="$stand" OTHEAP_LEAK_EXITCODE=23 OTHEAP_LEAK_SUPPRESSIONS=/some/file
equal 'a command that fails, suppressions: status' "$rc" 4
check 'a command that fails: it has said why' test "$(cat "$err")" = 'to stdout
to stderr'
# 127: the dynamic loader finds no library, as LD_LIBRARY_PATH is meant for the program.
echo 127 >"$work/status"
lose OTHEAP_COMMAND="$stand" OTHEAP_LEAK_EXITCODE=23
equal 'a command that does not come to run: status' "$rc" 23
check 'a command that does not come to run: what is lost' grep -q '^==otheap== .*definitely lost: ' "$err"
check 'a command that does not come to run: why' grep -q '^otheap: the command otheap failed with status 127; ' "$err"
echo 2 >"$work/status"
keep OTHEAP_COMMAND="$stand" OTHEAP_LEAK_EXITCODE=23
equal 'a command that fails, no leaks: status' "$rc" 4
echo 0 >"$work/status"
lose OTHEAP_COMMAND="$stand" OTHEAP_LEAK_EXITCODE=23
equal 'a command that finds nothing: status' "$rc" 4

# The program is killed while it waits: the command goes on, nothing else is left.
rm -f "$work/slow.pid"
start $one OTHEAP_COMMAND="$work/slow" OTHEAP_LEAK_CHECK=1 OTHEAP_EXIT_TIMEOUT=60 "$prog/hold" alloc
wait_said ready
exec 9>&-
until_true test -s "$work/slow.pid"
read -r slow <"$work/slow.pid"
started="$started $slow"
between=$(cut -d ' ' -f 4 "/proc/$slow/stat")
check "the command is a child of a go-between" test "$between" != "$pid"
kill -9 "$pid"
reap
equal "killed while it waits: status" "$rc" 137
gone() { ! kill -0 "$between" 2>/dev/null || grep -q '^State:.Z' "/proc/$between/status"; }
check "killed while it waits: no go-between is left" until_true gone
check "killed while it waits: the command goes on" kill -0 "$slow"
kill "$slow" 2>/dev/null
