#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# config.sh - what the settings do, and what is said of those that make no sense.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

hold=$prog/hold

# told NAME LINES PATTERN... - stderr has so many lines, and each pattern is in it.
told() {
	name=$1
	equal "$name: lines" "$(wc -l <"$err" | tr -d ' ')" "$2"
	shift 2
	for pattern; do
		if grep -q -e "$pattern" "$err"; then
			ok "$name: $pattern"
		else
			not_ok "$name: $pattern" "not in '$(cat "$err")'"
		fi
	done
}

bad() { # VARIABLE VALUE EXPECTED DEFAULT
	run "OTHEAP_$1=$2" "$hold" alloc exit 3
	equal "$1=$2: the program runs on" "$rc" 3
	told "$1=$2" 1 "OTHEAP_$1" "expected" "$3" "using $4"
	run "OTHEAP_$1=$2" OTHEAP_QUIET=1 "$hold" alloc
	told "$1=$2, quiet" 0
}

bad SAMPLE_INTERVAL lots 512k 512k
bad SAMPLE_INTERVAL -1 512k 512k
bad SAMPLE_INTERVAL 1.5m 512k 512k
bad SAMPLE_INTERVAL 99999999999999999999 512k 512k
bad SAMPLE_INTERVAL 512kb 512k 512k
bad FILE a/b slash 'otheap\.%e\.%p\.%n\.pb\.gz'
bad FILE %x %e 'otheap\.%e\.%p\.%n\.pb\.gz'
bad SIGNAL USR7 USR2 USR2
bad SIGNAL KILL USR2 USR2
bad SIGNAL SEGV USR2 USR2
bad SIGNAL 32 12 USR2
bad SIGNAL 65 12 USR2
bad DUMP_EVERY often seconds 0
bad DUMP_AT_EXIT yes '0 or 1' 1
bad MAX_FILES -5 number 1000
bad MAX_MEMORY 10 1m 64m
bad MAX_FRAMES 0 '1 to 128' 128
bad MAX_FRAMES 1000 '1 to 128' 128
bad DEBUG 2 '0 or 1' 0
bad QUIET on '0 or 1' 0 2>/dev/null

run OTHEAP_SAMPLE_INTERVALL=1 "$hold" alloc
told "misspelt" 1 OTHEAP_SAMPLE_INTERVALL 'did you mean OTHEAP_SAMPLE_INTERVAL?'
run OTHEAP_FOOBARBAZ=1 "$hold" alloc
told "unknown" 1 OTHEAP_FOOBARBAZ 'no such setting'
run OTHEAP_SAMPLE_INTERVALL=1 OTHEAP_SIGNAL=x OTHEAP_DEBUG=7 "$hold" alloc
told "several" 3
run OTHEAP_SAMPLE_INTERVAL= OTHEAP_SIGNAL= OTHEAP_FILE= "$hold" alloc
told "empty means not set" 0

for interval in 1k 1K 1m 1M 1g 4096 0; do
	run OTHEAP_SAMPLE_INTERVAL=$interval "$hold" alloc
	told "interval $interval" 0
done
run OTHEAP_SAMPLE_INTERVAL=2k "$prog/threads" churn 1 1
if decode_last "period"; then equal "period" "$(grep '^period' "$text")" "period 2048"; fi

# Interval 0: as if we were not there.
start OTHEAP_SAMPLE_INTERVAL=0 "$hold" alloc query 12 query 15
wait_said ready
caught=$(sed -n 's/^SigCgt:[[:space:]]*//p' "/proc/$pid/status")
equal "interval 0: no handler" "$caught" 0000000000000000
kill -USR2 "$pid"
reap
exec 9>&-
equal "interval 0: USR2 is as deadly as ever" "$rc" 140
equal "interval 0: nothing written" "$(ls -A "$dir")" ""
silent "interval 0"

run OTHEAP_DEBUG=1 OTHEAP_SAMPLE_INTERVAL=3k "$hold" alloc
equal "DEBUG: status" "$rc" 0
for setting in SAMPLE_INTERVAL=3072 SIGNAL=12 MAX_FRAMES=128 DEBUG=1; do
	check "DEBUG: $setting" grep -q "^otheap: OTHEAP_$setting\$" "$err"
done
check "DEBUG: counters" grep -q '^otheap: samples=[0-9]' "$err"
check "DEBUG: drops" grep -q '^otheap: memory_full=0' "$err"

# The same seed gives the same samples; another one others.
take() {
	run OTHEAP_SAMPLE_INTERVAL=1000 OTHEAP_SEED="$1" "$hold" alloc
	decode_last "seed $1" && sum_all
}
a=$(take 1) b=$(take 1) c=$(take 2)
equal "the same seed, the same profile" "$a" "$b"
if [ "$a" = "$c" ]; then not_ok "another seed, another profile" "$a"; else ok "another seed, another profile"; fi

# 100 blocks of 1,000 bytes at an interval of 100: each is missed with a probability of
# 5e-5, and weighs 1.0000454 if not: 99 to 101 but in one of 800,000 runs; seed fixed.
run OTHEAP_SAMPLE_INTERVAL=100 OTHEAP_SEED=5 "$hold" alloc
if decode_last "interval 100"; then
	n=$(sum site_hold)
	n=${n%% *}
	if [ "$n" -ge 99 ] && [ "$n" -le 101 ]; then ok "interval 100"; else not_ok "interval 100" "$n"; fi
fi

# A cap on memory: counted, not exceeded by much, and the program is well.
run OTHEAP_SAMPLE_INTERVAL=1 OTHEAP_MAX_MEMORY=1m "$prog/threads" together 4 20000
equal "MAX_MEMORY: status" "$rc" 0
if decode_last "MAX_MEMORY"; then
	memory=$(sed -n 's/^comment own memory: \([0-9]*\) bytes/\1/p' "$text")
	# With what the profile took while it was written.
	if [ "$memory" -le $((2 * 1024 * 1024)) ]; then ok "MAX_MEMORY: kept"; else not_ok "MAX_MEMORY: kept" "$memory"; fi
	if [ "$(dropped memory_full)" -gt 0 ]; then ok "MAX_MEMORY: counted"; else not_ok "MAX_MEMORY: counted" "$(grep dropped "$text")"; fi
fi

start OTHEAP_SAMPLE_INTERVAL=1 OTHEAP_LABEL_THREADS=1 "$hold" alloc
wait_said ready
kill -USR2 "$pid"
wait_files 1
finish
if decode_last "LABEL_THREADS"; then
	equal "LABEL_THREADS=1" "$(grep ' site_hold ' "$text" | cut -d ' ' -f 7)" "thread=hold"
fi
