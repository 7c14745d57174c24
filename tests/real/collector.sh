#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The OpenTelemetry Collector, built of its published modules: does it take what we
# send, and does it read in it what `go tool pprof` reads in the same profiles?
# shellcheck source=SCRIPTDIR/lib.sh disable=SC2154
. "$(dirname "$0")/lib.sh"
# shellcheck source=SCRIPTDIR/../collector/lib.sh disable=SC1091
. tests/collector/lib.sh
need python3 gzip

encode=$B/otlp/encode
compare=tests/collector/compare.py

collector_build || skip_all "$why"
ok 'the Collector is built'
box=$work/box
collector_start "$box"
number=0

# sent NAME FILE... - ok if the Collector takes these requests in full.
sent() {
	name_=$1
	shift
	if send "$@"; then ok "$name_"; else not_ok "$name_" "$why"; fi
}

# send FILE... - one request after the other.  False with $why.
send() {
	for f in "$@"; do
		answer=$(collector_post "$f" 2>&1 | tail -n 1)
		number=$((number + 1))
		# The Collector writes an empty partial_success: two bytes.
		case $answer in
		'200 0' | '200 2') ;;
		*)
			why="it answered $answer"
			return 1
			;;
		esac
		if ! until_true [ -s "$box/$number.profiles.txt" ]; then
			why='it wrote nothing'
			return 1
		fi
	done
}

# like_pprof NAME PROFILE - values, build IDs, hashes and names by way of the Collector are
# those that go tool pprof tells of the file.
like_pprof() {
	rm -f "$work"/request.*
	if ! OTEL_SERVICE_NAME=shop "$encode" "$work/request" "$2" >"$work/said" 2>&1; then
		not_ok "$1: encoded" "$(head -c 300 "$work/said")"
		return
	fi
	if "$B/otlp/check" "$work"/request.* >"$work/wrong" 2>&1; then
		ok "$1: the rules are kept"
	else
		not_ok "$1: the rules are kept" "$(tail -n 3 "$work/wrong")"
	fi
	if ! send "$work"/request.*; then
		not_ok "$1: taken" "$why"
		return
	fi
	ok "$1: taken"
	text=$box/$number.profiles.txt
	if ! go tool pprof -symbolize=none -raw "$2" >"$work/raw" 2>"$work/pprof.err" ||
	    ! go tool pprof -symbolize=local:demangle=full -top -nodecount=1000000 -nodefraction=0 \
		-sample_index=alloc_space "$2" >"$work/top" 2>"$work/pprof.err"; then
		not_ok "$1: go tool pprof" "$(head -c 300 "$work/pprof.err")"
		return
	fi
	if python3 $compare values "$text" "$work/raw" >"$work/wrong" 2>&1; then
		ok "$1: values of each stack, build IDs and file hashes"
	else
		not_ok "$1: values of each stack, build IDs and file hashes" "$(head -c 600 "$work/wrong")"
	fi
	if python3 $compare names "$text" "$work/top" >"$work/wrong" 2>&1; then
		ok "$1: names"
	else
		not_ok "$1: names" "$(head -c 600 "$work/wrong")"
	fi
}

# ---- real programs --------------------------------------------------------------

run OTHEAP_SAMPLE_INTERVAL=1 "$prog/exact"
exact=$(last_file)
like_pprof 'a program in C' "$exact"
while read -r _ fn _ bytes _; do
	equal "the program's own truth: $fn" "$(
		awk -v fn="$fn" '$1 == "profile" { on = $2 == "alloc_space" }
			on && $1 == "sample" && index($0, " " fn " ") { sum += $2 }
			END { printf "%.0f", sum }' "$text")" "$bytes"
done <<TRUTHS
$(grep '^truth ' "$out")
TRUTHS

run OTHEAP_SAMPLE_INTERVAL=1 "$prog/cxx" plain
like_pprof 'a program in C++' "$(last_file)"
run OTHEAP_SAMPLE_INTERVAL=1 /usr/bin/python3 -S -c '
import json
for i in range(50):
    json.loads(json.dumps(list(range(500)) + ["text %d" % k for k in range(500)]))'
like_pprof python3 "$(last_file)"

# ---- who sent it ------------------------------------------------------------------

# has LINE - a line of the last request.
has() {
	grep -qxF -e "$1" "$box/$number.profiles.txt"
}

rm -f "$work"/request.*
OTEL_SERVICE_NAME=shop OTEL_RESOURCE_ATTRIBUTES='deployment.environment.name=test%20bed,service.name=not%20this,team=a%3Db' \
    "$encode" "$work/request" "$exact" >/dev/null
sent 'a request with a resource is taken' "$work"/request.*
for line in 'resource service.name=shop' 'resource deployment.environment.name=test bed' \
    'resource team=a=b' 'resource process.executable.name=exact' 'resource telemetry.sdk.name=otheap' \
    'resource telemetry.sdk.language=c' 'resource os.type=linux' \
    "scope otheap $("$B/otheap" --version | sed 's/.* //')"; do
	check "it has the line: $line" has "$line"
done

# ---- exports that follow each other -------------------------------------------------

# It keeps, lets go and keeps again; a line of input leads to the next step.
start OTHEAP_SAMPLE_INTERVAL=1 OTHEAP_LABEL_THREADS=1 /usr/bin/python3 -S -u -c '
import sys
kept = []
for step in range(3):
    kept = [bytearray(1000 + step) for i in range(200 * (step + 1))] + kept[:50]
    print("step", step)
    sys.stdin.readline()'
for step in 0 1 2; do
	wait_said "step $step" || not_ok "step $step" "$(head -c 300 "$err")"
	kill -USR2 "$pid"
	wait_files $((step + 1)) || not_ok "profile $step" "$(head -c 300 "$err")"
	echo >&9
done
finish
rm -f "$work"/request.*
# shellcheck disable=SC2012 # names of ours, by number
ls "$dir"/*.pb.gz | sort -t. -k4n >"$work/list"
before=$number
# shellcheck disable=SC2046 # a list
"$encode" -m 60000 "$work/request" $(cat "$work/list") >"$work/said"
sent 'exports that follow each other are taken, in small requests' "$work"/request.*
f=$(tail -n 1 "$work/list")
go tool pprof -symbolize=none -raw "$f" >"$work/raw" 2>/dev/null
texts=''
n=$before
while [ $n -lt $number ]; do
	n=$((n + 1))
	texts="$texts $box/$n.profiles.txt"
done
# shellcheck disable=SC2086 # a list
equal 'allocations of all exports together are those of the last profile' \
    "$(python3 $compare sums $texts | sed -n 's/^alloc_space \([0-9]*\) .*/\1/p')" \
    "$(awk '/^Samples:/ { on = 1; next } /^Locations/ { on = 0 }
	on && /^ *[0-9-]+ +[0-9-]+ +[0-9-]+ +[0-9-]+:/ { sum += $2 } END { printf "%.0f", sum }' "$work/raw")"

# ---- a large one ---------------------------------------------------------------------

"$prog/mkprofile" --samples 100000 --locations 20000 --depth 32 "$work/large.pb"
rm -f "$work"/request.*
"$encode" "$work/request" "$work/large.pb" >"$work/said"
before=$number
sent '100,000 stacks are taken' "$work"/request.*
want=$(awk '{ sum += $4 } END { print sum }' "$work/said")
texts=''
n=$before
while [ $n -lt $number ]; do
	n=$((n + 1))
	texts="$texts $box/$n.profiles.txt"
done
# shellcheck disable=SC2086 # a list
equal 'none of their samples is lost' \
    "$(python3 $compare sums $texts | awk '{ sum += $3 } END { print sum }')" "$want"

# ---- metrics -------------------------------------------------------------------------

"$encode" -M "$work/metrics"
number=$((number + 1))
answer=$(collector_post "$work/metrics" metrics 2>&1 | tail -n 1)
case $answer in
'200 0' | '200 2') ok 'metrics are taken' ;;
*) not_ok 'metrics are taken' "it answered $answer" ;;
esac
until_true [ -s "$box/$number.metrics.txt" ]
equal 'sums and a gauge arrive as they are' "$(sed -n 's/^metric otheap\.test\.//p' "$box/$number.metrics.txt" | tr '\t' ' ' | sed 's/ $//')" \
    'sent {profile} sum/Cumulative/true 0 result=ok
sent {profile} sum/Cumulative/true 7 result=bad
spool By sum/Cumulative/false 4096
age s gauge -1'

# ---- by otheap push, over both protocols ------------------------------------------------

for way in "http/protobuf http://$http" "grpc http://$grpc"; do
	number=$((number + 1))
	if "$B/otheap" push --protocol "${way%% *}" --endpoint "${way##* }" --service pushed "$exact" \
		>"$work/said" 2>&1 </dev/null && until_true [ -s "$box/$number.profiles.txt" ]; then
		ok "otheap push by ${way%% *} is taken"
	else
		not_ok "otheap push by ${way%% *} is taken" "$(head -c 300 "$work/said")"
		continue
	fi
	go tool pprof -symbolize=none -raw "$exact" >"$work/raw" 2>/dev/null
	if python3 $compare values "$box/$number.profiles.txt" "$work/raw" >"$work/wrong" 2>&1; then
		ok "otheap push by ${way%% *}: values, build IDs and file hashes"
	else
		not_ok "otheap push by ${way%% *}: values, build IDs and file hashes" "$(head -c 600 "$work/wrong")"
	fi
	check "otheap push by ${way%% *}: the service's name" has 'resource service.name=pushed'
done
