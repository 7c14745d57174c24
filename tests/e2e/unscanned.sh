#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# unscanned.sh - where no leak check can be made, or something happens in the middle
# of one: the profile and the report say so, and the program goes on.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

# is_not_made NAME WHY - the last run ended well, and its last profile says this.
is_not_made() {
	equal "$1: status" "$rc" 0
	inside "$1"
	silent "$1"
	decode_last "$1" || return
	equal "$1: says why" "$(not_made)" "$2"
	equal "$1: says nothing else of it" "$(grep -c 'leak=' "$text")" 0
	check "$1: profiles all the same" test "$(sum_all | cut -d ' ' -f 1)" -gt 0
}

# reported WHY - the report at exit has this one line.
reported() {
	equal "$name: the report says why" "$(sed 's/ (pid [0-9]*)//' "$work/report")" \
	    "==otheap== no leak check of lost: $1"
	rm -f "$work/report"
}

lost="OTHEAP_LEAK_REPORT=$work/report $prog/lost plain"

# ---- refused ----------------------------------------------------------------------------

name='too large'
# shellcheck disable=SC2086 # words
leaks OTHEAP_LEAK_MAX_MEMORY=1m $lost
is_not_made "$name" 'the process is larger than OTHEAP_LEAK_MAX_MEMORY'
reported 'the process is larger than OTHEAP_LEAK_MAX_MEMORY'

name='no processes by a filter'
under="$prog/confined fork"
# shellcheck disable=SC2086
leaks $lost
under=''
if [ "$rc" = 77 ]; then
	skip "$name" 'seccomp is not allowed here'
else
	is_not_made "$name" 'the limit of processes is reached'
	reported 'the limit of processes is reached'
fi

# One for the program, one for our thread.
name='no processes by a limit'
if [ "$(id -u)" = 0 ] && setpriv --reuid=54321 --regid=54321 --clear-groups true 2>/dev/null; then
	cp "$lib" "$prog/lost" "$work"
	chmod 755 "$work/libotheap.so" "$work/lost"
	for n in 1 2; do
		fresh
		chown 54321 "$dir"
		env OTHEAP_DIR="$dir" OTHEAP_SAMPLE_INTERVAL=1 OTHEAP_LEAK_CHECK=1 OTHEAP_LEAK_REPORT=none \
		    prlimit --nproc=$n setpriv --reuid=54321 --regid=54321 --clear-groups \
		    env LD_PRELOAD="$work/libotheap.so" "$work/lost" plain >"$out" 2>"$err" </dev/null
		rc=$?
		equal "$name of $n: status" "$rc" 0
		equal "$name of $n: output" "$(grep -c '^class ' "$out")" "$("$prog/lost" plain | grep -c '^class ')"
		[ $n = 1 ] || is_not_made "$name of $n" 'the limit of processes is reached'
	done
else
	skip "$name" 'not root'
fi

# Nothing of /proc, in a root of its own.
name='no /proc'
if [ "$(id -u)" = 0 ] && chroot / true 2>/dev/null; then
	root=$work/root
	mkdir -p "$root/dir"
	for f in "$lib" "$prog/lost" $(ldd "$lib" "$prog/lost" | sed -n 's|.*[[:space:]]\(/[^ ]*\) (0x.*|\1|p' | sort -u); do
		mkdir -p "$root/$(dirname "$f")"
		cp -L "$f" "$root/$f"
	done
	fresh
	# shellcheck disable=SC2086
	timeout -s KILL 60 env OTHEAP_DIR=/dir OTHEAP_SAMPLE_INTERVAL=1 OTHEAP_LEAK_CHECK=1 \
	    OTHEAP_LEAK_REPORT=none LD_PRELOAD="$lib" chroot "$root" "$prog/lost" plain >"$out" 2>"$err" </dev/null
	rc=$?
	dir=$root/dir
	is_not_made "$name" '/proc/self cannot be read'
else
	skip "$name" 'not root'
fi

# Less and less address space: a profile where there is one without a leak check, and never anything else.
seen=''
for kib in 200 400 500 600 700 800 900 1000 1200 1500 2000 4000 8000 20000; do
	run OTHEAP_SAMPLE_INTERVAL=1 OTHEAP_QUIET=1 "$prog/scanned" room $kib
	want=$(count_files)
	leaks OTHEAP_QUIET=1 "$prog/scanned" room $kib
	equal "$kib KiB of room: status" "$rc" 0
	inside "$kib KiB of room"
	silent "$kib KiB of room"
	equal "$kib KiB of room: as many profiles as without a check" "$(count_files)" "$want"
	[ "$want" = 1 ] || continue
	decode_last "$kib KiB of room"
	if checked; then
		seen="$seen made"
		equal "$kib KiB of room: what is lost" "$(counted lost)" 10
	else
		seen="$seen $(not_made)"
	fi
done
equal "less and less room: without memory, then with" "$(echo "$seen" | sed 's/ no memory/+/g; s/ made/-/g; s/++*--*/right/')" right

leaks OTHEAP_EXIT_TIMEOUT=0 "$prog/lost" plain
equal "no time: status" "$rc" 0
silent "no time"

# ---- in the middle ----------------------------------------------------------------------

# Has it ended?  Not every first process takes those of others away at once.
gone() {
	case $(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null) in
	'' | Z | X) return 0 ;;
	esac
	return 1
}

# event WHAT - let it happen; the child, $scanner, must go away.
event() {
	run OTHEAP_SAMPLE_INTERVAL=1 "$prog/scanned" "$1"
	scanner=$(sed -n 's/^scanner //p' "$out")
	case $rc in
	3 | 77)
		skip "$1 in the middle" "no check was seen (the kernel lists no children), or no seccomp here"
		return 1
		;;
	esac
	inside "$1 in the middle"
	[ "$1" = kill ] || silent "$1 in the middle"
	check "$1 in the middle: the child is gone" until_true gone "$scanner"
}

# first_profile - decode it.
first_profile() {
	decode "$(find "$dir" -name '*.1.pb.gz')"
}

if event kill; then
	equal "kill in the middle: status" "$rc" 137
	equal "kill in the middle: nothing is left" "$(ls -A "$dir")" ""
fi
for how in exec exec-on; do
	# Where the kernel does not see to it, the child does.
	[ $how = exec ] || under="$prog/confined death"
	event $how || continue
	under=''
	equal "$how in the middle: status" "$rc" 0
	check "$how in the middle: the other program saw no child" said 'done'
	equal "$how in the middle: the profile of the other" "$(count_files)" 1
done
under="$prog/confined death"
run OTHEAP_SAMPLE_INTERVAL=1 "$prog/scanned" kill
under=''
scanner=$(sed -n 's/^scanner //p' "$out")
if [ -n "$scanner" ]; then
	kill -CONT "$scanner"
	check "kill in the middle, no signal to the child: it ends all the same" until_true gone "$scanner"
else
	skip "kill in the middle, no signal to the child" "status $rc: no seccomp here, or no list of children"
fi
if event leave; then
	equal "the first thread ends: status" "$rc" 0
	check "the first thread ends: the others do not" said 'done'
	for n in 1 2; do
		decode "$(find "$dir" -name "*.$n.pb.gz")"
		equal "the first thread ends: check $n" "$(counted lost)" 10
	done
fi
for how in wait wall; do
	event $how || continue
	equal "$how in the middle: status" "$rc" 0
	first_profile
	equal "$how in the middle: a check was made" "$(counted lost)" 10
done
if event ended; then
	equal "the child is ended: status" "$rc" 0
	first_profile
	equal "the child is ended: says so" "$(not_made)" "the scanning child was ended"
fi
if event exit; then
	equal "exit in the middle: status" "$rc" 0
	first_profile
	equal "exit in the middle: says so" "$(not_made)" "the process ends"
	equal "exit in the middle: and a profile at exit" "$(count_files)" 2
fi
