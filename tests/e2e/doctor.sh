#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# doctor.sh - otheap doctor: its answers for programs and processes of each kind.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

asks doctor
hold=$prog/hold
unset TMPDIR DEBUGINFOD_URLS
CC=${CC:-cc}
command -v "$CC" >/dev/null || CC=''

# ask ARGUMENT... - otheap doctor in a folder of its own: $rc, $answer, $said.
mkdir "$work/here"
ask() {
	(cd "$work/here" && timeout -s KILL 60 env "${setting:-A=}" "$otheap" doctor "$@") >"$answer" 2>"$said" </dev/null
	rc=$?
}

# answers NAME STATUS 'MARK ABOUT TEXT' ARGUMENT... - this status, and a line that
# begins with mark and subject and has the text in it.
answers() {
	name=$1 status=$2 line=$3
	shift 3
	ask "$@"
	mark=${line%% *}
	rest=${line#* }
	if [ $rc = "$status" ] && [ ! -s "$said" ] &&
	    grep "^$mark *${rest%%:*}  " "$answer" | grep -qF -e "${rest#*:}"; then
		ok "$name"
	else
		not_ok "$name" "exit $rc, stderr '$(cat "$said")', answer '$(cat "$answer")'"
	fi
}

# ---- usage -----------------------------------------------------------------------------

ask --help
equal 'help: status' "$rc" 0
check 'help' grep -q '^usage: otheap doctor' "$answer"
refused 'two' 'more than one PROGRAM or PID given' a b
refused 'unknown option' "unknown option '--nosuch'" --nosuch
refused 'no value' "'--library' needs a value" --library

# ---- this machine ----------------------------------------------------------------------

answers 'trial' 0 'ok trial:wrote a profile'
equal 'every line has a mark' "$(grep -cvE '^(ok|no|note) ' "$answer")" 0
equal 'all are ok here' "$(grep -cv '^ok ' "$answer")" 0
equal 'nothing is left behind' "$(ls -A "$work/here")" ''
answers 'library' 0 "ok library:$lib"
answers 'no library' 1 'no library:No such file' --library ./nosuch.so
echo 'no library' >"$work/bad.so"
answers 'bad library' 1 'no library:not a library' --library "$work/bad.so"
setting=OTHEAP_SAMPLE_INTERVAL=0
answers 'interval 0' 1 'no settings:OTHEAP_SAMPLE_INTERVAL=0 records nothing'
setting=OTHEAP_SAMPEL=1
answers 'misspelt' 0 'note settings:OTHEAP_SAMPEL: no such setting'
setting=OTHEAP_MAX_FRAMES=500
answers 'a value without sense' 0 'note settings:expected 1 to 128; 128 is used'
setting=OTHEAP_MAX_FRAMES=50
answers 'a value with sense' 0 'ok settings:1 set'
setting=OTHEAP_SIGNAL=none
answers 'no signal' 0 'note signal:no profile on request'
setting=OTHEAP_SIGNAL=RTMIN+1
answers 'another signal' 0 'ok signal:SIGRTMIN+1'
setting=--ignore-signal=USR2
answers 'ignored signal' 0 'note signal:SIGUSR2 is ignored here'
setting=--block-signal=USR2
answers 'blocked signal' 0 'note signal:SIGUSR2 is blocked here'
setting=OTHEAP_DIR=$work/nosuch
answers 'no folder' 0 "note folder:$work/nosuch: No such file or directory; profiles go to /tmp"
setting=''

# ---- programs ----------------------------------------------------------------------------

answers 'a program' 0 'ok linkage:for x86-64' "$hold"
answers 'in PATH' 0 "ok program:$(command -v sleep)" sleep
answers 'debug information' 0 'ok names:debug information in the program' "$hold"
answers 'no such program' 1 'no program:no such program in PATH' nosuch
answers 'no such path' 1 'no program:no such program' ./nosuch
answers 'not executable' 1 'no program:Permission denied' "$PWD/README.md"
answers 'a folder' 1 'no program:Permission denied' "$work"
printf '#!/usr/bin/env sh\n' >"$work/script"
echo 'words' >"$work/text"
printf '#!%s/loop\n' "$work" >"$work/loop"
printf '\177ELF' >"$work/short"
head -c 200 "$hold" >"$work/cut"
chmod +x "$work/script" "$work/text" "$work/loop" "$work/short" "$work/cut"
answers 'a script' 0 "ok program:$work/script, a script that $(command -v sh) runs" "$work/script"
answers 'text' 1 'no program:neither a program nor a script' "$work/text"
answers 'a script of itself' 1 'no program:too often' "$work/loop"
answers 'a short program' 1 'no program:a damaged program' "$work/short"
ask "$work/cut"
equal 'a cut program' "$rc" 1
i=0
while [ $i -lt 40 ]; do
	# Anything for headers: an answer, not a crash.
	{
		head -c 16 "$hold"
		head -c 4000 /dev/urandom
	} >"$work/cut"
	ask "$work/cut"
	[ $rc -le 1 ] || break
	i=$((i + 1))
done
equal 'nonsense for a program' "$i" 40

if [ -n "$CC" ]; then
	echo 'int main(void) { return 0; }' >"$work/c.c"
	if $CC -static -o "$work/static" "$work/c.c" 2>/dev/null; then
		answers 'static' 1 'no linkage:it is statically linked' "$work/static"
	else
		skip 'static' 'no static C library here'
	fi
	$CC -s -Wl,--build-id=none -o "$work/stripped" "$work/c.c"
	answers 'stripped' 0 'note names:neither debug information nor symbols' "$work/stripped"
	answers 'no build ID' 0 'note build ID:link with -Wl,--build-id' "$work/stripped"
	$CC -Wl,--build-id=0x0102030405060708 -o "$work/symbols" "$work/c.c"
	answers 'symbols only' 0 'note names:functions, but no lines' "$work/symbols"
	answers 'build ID' 0 'ok build ID:0102030405060708' "$work/symbols"
	$CC -Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1 -o "$work/musl" "$work/c.c"
	answers 'another C library' 1 'no linkage:its loader is /lib/ld-musl' "$work/musl"
	cat >"$work/own.c" <<'END'
#include <stddef.h>
static char mem[1 << 20];
static size_t at;
void *malloc(size_t n) { at += (n + 15) / 16 * 16; return mem + at - (n + 15) / 16 * 16; }
void free(void *p) { (void)p; }
int main(void) { return malloc(1) == NULL; }
END
	$CC -fno-builtin -rdynamic -o "$work/own" "$work/own.c"
	answers 'its own malloc' 1 'no allocator:it defines malloc' "$work/own"
	$CC -fno-builtin -o "$work/own" "$work/own.c"
	answers 'its own malloc, for itself' 1 'no allocator:it defines malloc' "$work/own"
	if jemalloc=$(find_library jemalloc.so.2); then
		$CC -Wl,--no-as-needed -o "$work/je" "$work/c.c" "$jemalloc"
		answers 'jemalloc as a library' 0 'ok allocator:libjemalloc.so.2' "$work/je"
	else
		skip 'jemalloc as a library' 'not installed'
	fi
	if [ "$(id -u)" = 0 ]; then
		cp "$work/symbols" "$work/setuid"
		chown 1:1 "$work/setuid"
		chmod 4755 "$work/setuid"
		answers 'setuid' 1 'no rights:it runs with more rights than you have' "$work/setuid"
		chmod 0755 "$work/setuid"
		answers 'of another user, not setuid' 0 'ok rights:no more' "$work/setuid"
	else
		skip 'setuid' 'only root can make one'
	fi
else
	skip 'programs of all kinds' 'no C compiler'
fi

# ---- processes ----------------------------------------------------------------------------

start OTHEAP_SAMPLE_INTERVAL=4k "$hold"
wait_said ready
answers 'a process' 0 'ok process:, hold' $pid
answers 'its library' 0 "ok library:$lib" $pid
answers 'its signal' 0 "ok signal:SIGUSR2 asks for a profile: otheap dump $pid" $pid
answers 'its folder' 0 "ok folder:$dir" $pid
answers 'its settings' 0 'ok settings:2 set' $pid
answers 'its names' 0 'ok names:debug information' $pid
equal 'it was not asked for anything' "$(count_files)" 0
finish
answers 'ended' 1 "no process:pid $pid: no such process" $pid

start OTHEAP_SIGNAL=none "$hold"
wait_said ready
answers 'a process without a signal' 1 'no signal:OTHEAP_SIGNAL=none' $pid
finish

fresh
sleep 60 &
pid=$!
started="$started $pid"
until_true grep -q sleep /proc/$pid/comm
answers 'a process without the library' 1 'no library:start the program with: otheap run -- sleep' $pid
check 'and it would work' grep -q '^ok *linkage' "$answer"
check 'it lives' kill -0 $pid
kill -9 $pid
reap
