#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Signals that arrive while a program ends: each asks for a profile that there is
# no time for any more.  The program ends as without us, and nothing half-written
# stays behind.
# shellcheck source=SCRIPTDIR/lib.sh
. "$(dirname "$0")/lib.sh"
need perl

turn=0
half=0
wrong=''
while [ $turn -lt 20 ]; do
	turn=$((turn + 1))
	fresh
	# shellcheck disable=SC2016 # perl's own variables
	env LD_PRELOAD="$lib" OTHEAP_DIR="$dir" OTHEAP_SAMPLE_INTERVAL=1 \
	    perl -e 'my @a = map { "x$_" } 1 .. 60000; print scalar(@a), "\n"; exit 3' >"$out" 2>"$err" </dev/null &
	pid=$!
	started="$started $pid"
	until catches "$pid" || is_gone "$pid"; do :; done
	while kill -USR2 "$pid" 2>/dev/null && ! is_gone "$pid"; do :; done
	reap
	[ "$rc $(cat "$out") $(cat "$err")" = '3 60000 ' ] || wrong="$wrong $rc"
	for f in "$dir"/.[!.]*; do
		[ ! -e "$f" ] || half=$((half + 1))
	done
	for f in "$dir"/*.pb.gz; do
		gzip -t "$f" || wrong="$wrong $f"
	done
done
equal 'signals at the end: status and output' "$wrong" ''
equal "signals at the end: half-written files of $turn runs" $half 0
