# shellcheck shell=sh disable=SC2034
# SPDX-License-Identifier: Apache-2.0
#
# lib.sh - what the end-to-end scripts share; each begins with
#	. "$(dirname "$0")/lib.sh"
#
# After `run`: $dir the folder of profiles, $out and $err what the program
# wrote, $rc its status.  A profile is compared as the text of tests/prog/pbdump.c.

set -u
cd "$(dirname "$0")/../.." || exit 1
B=${B:-build}
case $B in /*) ;; *) B=$PWD/$B ;; esac
lib=$B/libotheap.so
prog=$B/prog
src=$PWD/tests/prog
unset LD_PRELOAD
for v in $(env | sed -n 's/^\(OTHEAP_[A-Z_]*\)=.*/\1/p'); do unset "$v"; done

work=$(mktemp -d) || exit 1
chmod 755 "$work"
started=''
failures=0

clean_up() {
	status=$?
	trap - EXIT
	for p in $started; do kill -9 "$p" 2>/dev/null; done
	rm -rf "$work"
	[ $status = 0 ] && [ $failures != 0 ] && status=1
	exit $status
}
trap clean_up EXIT
trap 'exit 1' INT TERM HUP

ok() {
	echo "ok $1"
}

# not_ok NAME WHY...
not_ok() {
	name_=$1
	shift
	echo "not ok $name_: $*"
	failures=$((failures + 1))
}

skip() {
	name_=$1
	shift
	echo "skip $name_: $*"
}

# skip_all WHY... - end here, with nothing tested.
skip_all() {
	echo "skip $(basename "$0" .sh): $*"
	exit 77
}

# need PROGRAM... - or the whole script is skipped.
need() {
	for p in "$@"; do
		command -v "$p" >/dev/null || skip_all "no $p here"
	done
}

# check NAME COMMAND... - ok if the command succeeds.
check() {
	name_=$1
	shift
	if "$@"; then ok "$name_"; else not_ok "$name_" "failed: $*"; fi
}

# equal NAME GOT EXPECTED
equal() {
	if [ "$2" = "$3" ]; then ok "$1"; else not_ok "$1" "got '$2', expected '$3'"; fi
}

# same_lines NAME FILE FILE - do they agree, and hold anything?
same_lines() {
	if [ -s "$2" ] && cmp -s "$2" "$3"; then ok "$1"; else not_ok "$1" "$(diff "$2" "$3" | head -n 10)"; fi
}

# A fresh folder for profiles, and files for what the program says.
fresh() {
	own=$(mktemp -d "$work/run.XXXXXX")
	dir=$own/dir
	mkdir "$dir"
	chmod 755 "$own" "$dir"
	out=$own/out
	err=$own/err
}

# run [VAR=VALUE...] PROGRAM [ARGUMENT...] - under the library, in a fresh folder,
# for $limit_s seconds at most.  $under is a command that runs it, itself without
# the library.
run() {
	fresh
	# shellcheck disable=SC2086 # a command and its arguments
	timeout -s KILL "${limit_s:-60}" ${under-} env OTHEAP_DIR="$dir" LD_PRELOAD="$lib" "$@" \
	    >"$out" 2>"$err" </dev/null
	rc=$?
}

# leaks [VAR=VALUE...] PROGRAM... - run it with a leak check at exit, everything sampled.
leaks() {
	run OTHEAP_LEAK_CHECK=1 OTHEAP_LEAK_REPORT=none OTHEAP_SAMPLE_INTERVAL=1 "$@"
}

# Was a leak check made for $text?
checked() {
	grep -q '^comment leak check: lost ' "$text"
}

# How many blocks of that class it found: lost, interior, indirect or unsure.
counted() {
	sed -n "s/^comment leak check: .*$1 \([0-9]*\) .*/\1/p" "$text"
}

# Why there was no leak check.
not_made() {
	sed -n 's/^comment leak check: not made: //p' "$text"
}

# The same without the library.
run_plain() {
	fresh
	timeout -s KILL "${limit_s:-60}" env "$@" >"$out" 2>"$err" </dev/null
	rc=$?
}

# start [VAR=VALUE...] PROGRAM... - as run, in the background; $pid.  Its
# standard input is a pipe that `finish` closes.
start() {
	fresh
	mkfifo "$own/in"
	env OTHEAP_DIR="$dir" LD_PRELOAD="$lib" "$@" >"$out" 2>"$err" <"$own/in" &
	pid=$!
	started="$started $pid"
	exec 9>"$own/in"
}

# Let the started program end: $rc.
finish() {
	exec 9>&-
	reap
}

# Wait for the started program: $rc, 128 + N if signal N ended it.
reap() {
	wait "$pid"
	rc=$?
	left=''
	for p in $started; do [ "$p" = "$pid" ] || left="$left $p"; done
	started=$left
}

# until_true COMMAND... - ask again and again, for 30 s at most.
until_true() {
	tries=0
	until "$@"; do
		tries=$((tries + 1))
		[ $tries -gt 600 ] && return 1
		sleep 0.05
	done
}

# said TEXT - did the program write this line?
said() {
	grep -qx -e "$1" "$out"
}

wait_said() {
	until_true said "$1"
}

count_files() {
	set -- "$dir"/*.pb.gz
	[ -e "$1" ] || shift
	echo $#
}

# Are there N profiles, complete?
has_files() {
	[ "$(count_files)" -ge "$1" ]
}

wait_files() {
	until_true has_files "$1"
}

# The only profile of the last run, or the one with the highest sequence number.
last_file() {
	for f in "$dir"/*.pb.gz; do
		[ -e "$f" ] || return 1
		echo "$f"
	done | awk -F. '{ print $(NF - 2), $0 }' | sort -n | tail -n 1 | cut -d ' ' -f 2-
}

# decode FILE - to $text.
decode() {
	text=$work/text
	gzip -dc "$1" >"$work/pb" 2>"$work/pberr" && "$prog/pbdump" <"$work/pb" >"$text" 2>>"$work/pberr"
}

# decode_last NAME - decode the last profile, or say that it failed.
decode_last() {
	if f=$(last_file) && [ -n "$f" ] && decode "$f"; then
		return 0
	fi
	not_ok "$1" "no readable profile in $(ls -A "$dir"): $(cat "$work/pberr" 2>/dev/null) $(head -c 300 "$err")"
	: >"$work/text"
	text=$work/text
	return 1
}

# sum FUNCTION [leaf] - `ALLOC_OBJECTS ALLOC_BYTES LIVE_OBJECTS LIVE_BYTES` of all
# samples with that function on their stack (or at its top) in $text.
sum() {
	awk -v fn="$1" -v leaf="${2-}" '
		$1 == "sample" {
			n = split($0, part, " \\| ?")
			m = split(part[4], f, " ")
			hit = 0
			for (i = 1; i <= (leaf != "" ? 1 : m); i++) if (f[i] == fn) hit = 1
			if (hit) { a += $2; b += $3; c += $4; d += $5 }
		}
		END { printf "%.0f %.0f %.0f %.0f\n", a, b, c, d }' "$text"
}

# sum_all - over every sample of $text.
sum_all() {
	awk '$1 == "sample" { a += $2; b += $3; c += $4; d += $5 }
		END { printf "%.0f %.0f %.0f %.0f\n", a, b, c, d }' "$text"
}

# totals - `BYTES CALLS` from the comment on exact totals in $text.
totals() {
	sed -n 's/^comment exact totals: \([0-9]*\) bytes in \([0-9]*\) allocations$/\1 \2/p' "$text"
}

# dropped REASON - how often, by $text.
dropped() {
	n=$(sed -n "s/^comment dropped: $1 \([0-9]*\)$/\1/p" "$text")
	echo "${n:-0}"
}

# compare NAME [FILE] - every `truth` line of the program against $text, exactly; and
# no `bad` line.  Each truth is one test.
compare() {
	grep '^truth ' "${2:-$out}" >"$work/truth" || not_ok "$1" "the program told nothing"
	while read -r _ fn a b c d; do
		equal "$1: $fn" "$(sum "$fn")" "$a $b $c $d"
	done <"$work/truth"
	inside "$1" "${2:-$out}"
}

# inside NAME [OUTPUT] - the program saw nothing wrong.
inside() {
	if grep '^bad ' "${2:-$out}" >"$work/bad"; then not_ok "$1: inside" "$(cat "$work/bad")"; fi
}

# silent NAME - nothing on stderr.
silent() {
	if [ -s "$err" ]; then not_ok "$1: stderr" "$(head -c 300 "$err")"; fi
}

# asks [SUBCOMMAND] - the script is about otheap and programs that run: sets $otheap.
# ask and refused put the subcommand before their arguments.
asks() {
	otheap=$B/otheap
	answer=$work/answer
	said=$work/said
	subcommand=${1-}
	begins="otheap: ${1:+$1: }"
	asking=ask
	export LC_ALL=C
}

# reads [SUBCOMMAND] - the script is about otheap's reading of profiles: sets $otheap,
# $mk that makes them, and what the output depends on.  try, refused and prints put
# the subcommand before their arguments.
reads() {
	asks "$@"
	mk=$prog/mkprofile
	begins='otheap: '
	asking=try
	export TZ=UTC
	unset DEBUGINFOD_URLS
}

# ask [VAR=VALUE...] ARGUMENT... - run otheap: $rc, its output in $answer and $said.
ask() {
	vars_=''
	while case ${1-} in [A-Za-z]*=*) true ;; *) false ;; esac; do
		vars_="$vars_ $1"
		shift
	done
	# Without the pipe to what `start` started.
	# shellcheck disable=SC2086 # a list
	timeout -s KILL "${limit_s:-60}" env $vars_ "$otheap" ${subcommand:+"$subcommand"} "$@" \
		>"$answer" 2>"$said" </dev/null 9>&-
	rc=$?
}

# try [VAR=VALUE...] ARGUMENT... - the same in a fresh folder: $out and $err, too.
try() {
	fresh
	answer=$out
	said=$err
	ask "$@"
}

# refused NAME TEXT [VAR=VALUE...] ARGUMENT... - exit 2, nothing on stdout, one line on stderr
# with TEXT in it.
refused() {
	name_=$1 text_=$2
	shift 2
	$asking "$@"
	if [ $rc = 2 ] && [ ! -s "$answer" ] && [ "$(wc -l <"$said")" = 1 ] &&
	    grep -q "^$begins" "$said" && grep -qF -e "$text_" "$said"; then
		ok "$name_"
	else
		not_ok "$name_" "exit $rc, stderr '$(cat "$said")', stdout '$(head -c 300 "$answer")'"
	fi
}

# prints NAME TEXT ARGUMENT... - exit 0, nothing on stderr, TEXT on stdout.
prints() {
	name_=$1 text_=$2
	shift 2
	try "$@"
	if [ $rc = 0 ] && [ ! -s "$err" ] && grep -qF -e "$text_" "$out"; then
		ok "$name_"
	else
		not_ok "$name_" "exit $rc, stderr '$(cat "$err")', stdout '$(head -c 600 "$out")'"
	fi
}

# go_top [OPTION...] PROFILE - all rows of go tool pprof -top: `FLAT flat% sum% CUM cum% NAME
# PLACE`, in bytes without the B, and without a word on what is inlined.
go_top() {
	go tool pprof -top -nodecount=10000000 -nodefraction=0 -edgefraction=0 -unit=B "$@" 2>/dev/null |
		sed '1,/^ *flat  *flat%/d' |
		awk '{ sub(/ \((partial-)?inline\)$/, ""); sub(/B$/, "", $1); sub(/B$/, "", $4); print }'
}

# find_library NAME - path of libNAME, as the loader would find it.
find_library() {
	for d in /lib/*-linux-gnu /usr/lib/*-linux-gnu /usr/lib64 /usr/lib /usr/local/lib; do
		if [ -e "$d/lib$1" ]; then
			echo "$d/lib$1"
			return 0
		fi
	done
	return 1
}
