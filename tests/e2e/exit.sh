#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# exit.sh - the profile at exit, however the program ends; its status unchanged.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

ends() { # HOW STATUS EXPECTED_STATUS ATEXIT DESTRUCTOR THREAD_LOCAL QUICK
	run OTHEAP_SAMPLE_INTERVAL=1 "$prog/ends" "$1" "$2"
	equal "$1: status" "$rc" "$3"
	[ $# = 3 ] || silent "$1"
	if [ $# = 3 ]; then
		equal "$1: no profile" "$(count_files)" 0
		return
	fi
	equal "$1: one profile" "$(count_files)" 1
	decode_last "$1" || return
	equal "$1: start of life" "$(sum site_start)" "10 1000 10 1000"
	equal "$1: exit handlers" "$(sum site_atexit | cut -c 1)" "$4"
	equal "$1: destructors" "$(sum site_destructor | cut -c 1)" "$5"
	equal "$1: thread-local destructors" "$(sum site_thread_local | cut -c 1)" "$6"
	equal "$1: quick_exit handlers" "$(sum site_quick | cut -c 1)" "$7"
}

ends return 0 0 1 1 1 0
ends return 42 42 1 1 1 0
ends exit 255 255 1 1 1 0
ends quick_exit 3 3 0 0 0 1
ends _exit 4 4 0 0 0 0
ends _Exit 5 5 0 0 0 0
ends exit-in-atexit 6 6 1 1 1 0
ends _exit-in-atexit 7 7 0 0 1 0
ends thread 8 8 1 1 0 0
# glibc runs no thread-local destructors of a first thread that others outlive.
ends last-thread 0 0 1 1 0 0
ends only-thread 0 0 1 1 1 0
# Not orderly: no profile, and no hang.
ends raw 9 9
ends abort 0 134
ends kill 0 137

# A child that ends in the middle of a dump, by signal and at exit at once: again
# and again, to meet more than one order of events.
i=0
bad=0
while [ $i -lt 20 ]; do
	i=$((i + 1))
	start OTHEAP_SAMPLE_INTERVAL=1 "$prog/hold" alloc exit 9 quiet-exit
	wait_said ready
	kill -USR2 "$pid"
	exec 9>&-
	reap
	[ "$rc" = 9 ] || bad="status $rc"
	for f in "$dir"/*; do decode "$f" || bad="unreadable $f"; done
done
equal "_exit while a profile is written, 20 times" "$bad" 0
