#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# agent.sh - otheap agent: every profile arrives, whatever happens to the agent,
# the collector, the disk and the programs.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/collector.sh
. tests/e2e/collector.sh

asks agent
limit_s=120

# Five profiles of one process, each with more allocated than before.
made=$work/made
mkdir "$made"
start OTHEAP_SAMPLE_INTERVAL=1 OTHEAP_DUMP_AT_EXIT=0 "$prog/hold" alloc
wait_said ready
for n in 1 2 3 4 5; do
	kill -USR2 "$pid"
	wait_files $n
done
finish
cp -p "$dir"/*.pb.gz "$made"
# made_file N - the N-th of them.
made_file() {
	find "$made" -name '*.pb.gz' | awk -F. '{ print $(NF - 2), $0 }' | sort -n | sed -n "$1s/^[0-9]* //p"
}

# names FOLDER - of the profiles in it, on one line.
names() {
	find "$1" -maxdepth 1 -type f -name '*.pb.gz' | sed 's/.*\///' | sort | tr '\n' ' '
}

others=$work/others
mkdir "$others"
for n in 1 2 3 4 5 6; do "$prog/mkprofile" --pid $((100 + n)) --seed $n "$others/$n.pb"; done
gzip "$others"/*.pb
# shellcheck disable=SC2046 # names without blanks
"$otheap" push -o "$work/all" $(for n in 1 2 3 4 5; do made_file $n; done) "$others"/*.pb.gz
python3 - "$here/collector.py" "$work/all" >"$work/ids" <<'END'
import re, sys
text = open(sys.argv[1]).read()
code = text[text.index("def varint"):text.index("def save")]
exec(code)
print("\n".join(profile_ids(open(sys.argv[2], "rb").read())))
END
sort -u "$work/ids" >"$work/ids.all"
if [ "$(wc -l <"$work/ids.all")" -ge 28 ]; then ok 'profiles to begin with'; else
	not_ok 'profiles to begin with' "$(wc -l <"$work/ids.all") ids"
fi

# fresh_spool [FILE...] - $spool with these in it, in this order.
fresh_spool() {
	spool=$(mktemp -d "$work/spool.XXXXXX")
	for f in "$@"; do cp -p "$f" "$spool"; done
}

# agent [VAR=VALUE...] ARGUMENT... - to its end: $rc, $said.
agent() {
	ask "$@" --spool "$spool" --endpoint "http://localhost:$port"
}

# agent_starts ARGUMENT... - in the background: $agent.
agent_starts() {
	"$otheap" agent --spool "$spool" --endpoint "http://localhost:$port" \
		--retry-first 20ms --retry-most 200ms "$@" >"$answer" 2>"$said" </dev/null &
	agent=$!
	started="$started $agent"
}

agent_ended() {
	pid=$agent
	reap
}

# status NAME - that word of --status as a number.
status() {
	"$otheap" agent --spool "$spool" --status | awk -v n="$1" '$1 == n { print $2 + 0 }'
}

# waiting - how many profiles are in the spool.
waiting() {
	find "$spool" -maxdepth 1 -name '*.pb.gz' | wc -l
}

is_empty() {
	[ "$(waiting)" = 0 ]
}

# arrived NAME - exactly the profiles made here, however often each.
arrived() {
	cat "$at"/*.ids | sort -u >"$work/arrived"
	if cmp -s "$work/arrived" "$work/ids.all"; then ok "$1"; else
		not_ok "$1" "$(wc -l <"$work/arrived") ids instead of $(wc -l <"$work/ids.all"), $(
			comm -13 "$work/arrived" "$work/ids.all" | wc -l
		) missing"
	fi
}

collector

# ---- once, differences, restarts --------------------------------------------------------

fresh_spool "$made"/*.pb.gz "$others"/*.pb.gz
agent --once
equal 'once: status' "$rc $(cat "$said")" '0 '
check 'once: nothing is left' is_empty
arrived 'once: everything arrived'
equal 'once: one request' "$(requests)" 1
equal 'once: --status' "$(status Taken) $(status Sent) $(status Spooled)" '11 11 0'

# One by one, each by another agent: differences to what the one before has sent.
script 200
forget_requests
fresh_spool
for f in $(for n in 1 2 3 4 5; do made_file $n; done) "$others"/*.pb.gz; do
	cp -p "$f" "$spool"
	agent --once
done
arrived 'one by one: the same ids'
equal 'one by one: counted together' "$(status Taken) $(status Sent)" '11 11'

# Every profile of its own agent that is killed, again and again.
script 'slow 0.02'
forget_requests
fresh_spool "$made"/*.pb.gz "$others"/*.pb.gz
for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do
	agent_starts --max-request 256k --no-symbols
	sleep "0.0$((n % 10))"
	kill -9 "$agent"
	agent_ended
done
agent --once --max-request 256k --no-symbols
equal 'killed: status' "$rc" 0
arrived 'killed: everything arrived, with the same ids'
script 200

# ---- a name without a number ----------------------------------------------------------------

# Three profiles of one process, which replace each other while they are sent.
for n in 1 2 3; do
	"$prog/mkprofile" --pid 4711 --seed 9 --interval 1 --locations 2000 --samples $((n * 1000)) --time $((n * 10)) "$work/replaced.$n"
	gzip -c "$work/replaced.$n" >"$work/replaced.$n.pb.gz"
done
cat >"$work/sum.py" <<'END'
import os, sys
text = open(sys.argv[1]).read()
exec(text[text.index("def varint"):text.index("def profile_ids")])
def numbers(data):
    data = bytes(8) + data
    for _, n in fields(b"".join(b"\x08" + bytes(v) for v in varints(data[8:]))):
        yield n
def varints(data):
    one = b""
    for b in data:
        one += bytes([b])
        if b < 0x80:
            yield one
            one = b""
total = 0
for name in os.listdir(sys.argv[2]):
    if not name.endswith(".body"):
        continue
    request = list(fields(open(os.path.join(sys.argv[2], name), "rb").read()))
    strings = [v.decode() for d in (v for n, v in request if n == 2) for n, v in fields(d) if n == 5]
    for resource in (v for n, v in request if n == 1):
        for scope in (v for n, v in fields(resource) if n == 2):
            for profile in (list(fields(v)) for n, v in fields(scope) if n == 2):
                kind = dict(fields(dict(profile)[1]))[1]
                if strings[kind] == "alloc_space":
                    total += sum(sum(numbers(v)) for n, s in profile if n == 2 for m, v in fields(s) if m == 4)
print(total)
END
# replaced NAME REQUEST... - what arrives where each profile replaces the one before as soon
# as the collector has request number REQUEST, adds up to what the last one has.
replaced() {
	name=$1
	shift
	forget_requests
	fresh_spool
	cp "$work/replaced.1.pb.gz" "$spool/heap.pb.gz"
	agent_starts --no-symbols ${most:+--max-request "$most"}
	next=2
	for number in "$@"; do
		until_true test -s "$at/$number.body"
		cp "$work/replaced.$next.pb.gz" "$work/next"
		mv "$work/next" "$spool/heap.pb.gz"
		next=$((next + 1))
	done
	check "$name: all is sent" until_true is_empty
	kill "$agent"
	agent_ended
	[ -z "${refused:-}" ] || rm "$at/$refused.body"
	equal "$name: each byte once" "$(python3 "$work/sum.py" "$here/collector.py" "$at")" \
		"$("$otheap" top -o folded -s alloc_space "$work/replaced.$((next - 1))" | awk '{ n += $NF } END { printf "%.0f\n", n }')"
}
first=$(last_request)
script 'slow 1' 'slow 1' 200
replaced 'replaced while sent' $((first + 1)) $((first + 2))
# Here every call stack has allocated as much again.
cat >"$work/twice.py" <<'END'
import sys
text = open(sys.argv[1]).read()
exec(text[text.index("def varint"):text.index("def profile_ids")])
def put(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value
def number(data):
    return next(fields(b"\x08" + data))[1]
def twice(data):
    out, one = b"", b""
    for b in data:
        one += bytes([b])
        if b < 0x80:
            out, one = out + varint(2 * number(one)), b""
    return out
out = b""
for n, v in fields(open(sys.argv[2], "rb").read()):
    if n == 2:
        v = b"".join(put(m, twice(w) if m == 2 else w) for m, w in fields(v))
    out += put(n, v + 10**10 if n in (9, 10) else v)
open(sys.argv[3], "wb").write(out)
END
python3 "$work/twice.py" "$here/collector.py" "$work/replaced.1" "$work/replaced.2"
gzip -c "$work/replaced.2" >"$work/replaced.2.pb.gz"
first=$(last_request)
script 'slow 1' 200
most=16k
replaced 'replaced between two parts' $((first + 1))
most=''
first=$(last_request)
script 'slow 1 400' 200
refused=$((first + 1))
replaced 'replaced while refused' "$refused"
equal 'replaced while refused: it is not what was refused' "$(ls "$spool/refused")" ''
script 200

# ---- the collector is away, and comes back ------------------------------------------------

forget_requests
collector_stops
fresh_spool "$made"/*.pb.gz
agent_starts
retried() { [ "$(status Retried)" -ge 3 ]; }
check 'away: it tries again and again' until_true retried
for f in "$others"/*.pb.gz; do cp -p "$f" "$spool"; done
equal 'away: nothing is removed' "$(waiting)" 11
COLLECTOR_PORT=$port
export COLLECTOR_PORT
collector_again
unset COLLECTOR_PORT
check 'back: everything is sent' until_true is_empty
arrived 'back: everything arrived'
check 'it waits for more' kill -0 "$agent"
"$otheap" agent --spool "$spool" >"$work/second" 2>&1
equal 'a second agent ends at once, quietly' "$? $(cat "$work/second")" '0 '
"$otheap" agent --spool "$spool" --status >"$work/status"
check 'status: running' grep -qx "Agent      running, pid $agent" "$work/status"
kill -TERM "$agent"
agent_ended
equal 'SIGTERM: status' "$rc" 0
"$otheap" agent --spool "$spool" --status >"$work/status"
check 'status: not running' grep -qx 'Agent      not running' "$work/status"

script 'slow 600'
fresh_spool "$others/1.pb.gz"
forget_requests
agent_starts --flush 100ms
check 'SIGTERM in a request: it is sent' until_true has_requests 1
kill -TERM "$agent"
agent_ended
equal 'SIGTERM in a request: status, and it is kept' "$rc $(waiting)" '0 1'
script 200

# ---- refused --------------------------------------------------------------------------------

fresh_spool "$others/1.pb.gz" "$others/2.pb.gz" "$others/3.pb.gz"
script '400 one of them' 200 '400 this one' 200
forget_requests
agent --once
equal 'refused: status' "$rc" 1
check 'refused: said' grep -q 'this one' "$said"
equal 'refused: each alone' "$(requests)" 4
equal 'refused: moved' "$(names "$spool/refused")" '2.pb.gz '
equal 'refused: counted' "$(status Sent) $(status Refused) $(waiting)" '2 1 0'
fresh_spool "$others/1.pb.gz" "$others/2.pb.gz"
script '401 who are you' 200
forget_requests
agent --once
equal 'not let in: one request' "$(requests) $(status Refused)" '1 2'
fresh_spool "$others/1.pb.gz"
script 'partial 3 not these'
agent --once
equal 'partial: status' "$rc $(waiting)" '1 0'
check 'partial: its words' grep -q 'left out 3 profiles: not these' "$said"
fresh_spool "$others/1.pb.gz"
script '503 not now'
agent --once
equal 'later: kept' "$rc $(waiting)" '1 1'
script 200

fresh_spool "$others/1.pb.gz"
echo 'no profile' >"$spool/bad.pb.gz"
head -c 300 "$others/2.pb.gz" >"$spool/cut.pb.gz"
mkfifo "$spool/pipe.pb.gz"
ln -s "$others/2.pb.gz" "$spool/link.pb.gz"
cp "$others/3.pb.gz" "$spool/.otheap-1.tmp"
agent --once
equal 'damaged: the rest is sent' "$(status Sent)" 1
equal 'damaged: moved' "$(names "$spool/refused")" 'bad.pb.gz cut.pb.gz '
check 'unfinished: left alone' test -e "$spool/.otheap-1.tmp"
# What was refused comes with the next: nothing of it is lost.
script '400 no' 200
forget_requests
fresh_spool "$(made_file 1)"
agent --once
cp -p "$(made_file 2)" "$spool"
agent --once
"$otheap" push -o "$work/second" "$(made_file 2)"
check 'refused: its allocations come with the next' cmp -s "$at/$(last_request).body" "$work/second"
script 200

# ---- limits -----------------------------------------------------------------------------------

collector_stops
fresh_spool
n=10
for f in "$others"/*.pb.gz; do
	cp "$f" "$spool"
	touch -d "@$((1700000000 + n))" "$spool/$(basename "$f")"
	n=$((n + 1))
done
size=$(cat "$spool"/[456].pb.gz | wc -c)
agent --once --max-age 0 --max-bytes "$((size + 100))"
equal 'too much: the oldest went' "$(names "$spool")" '4.pb.gz 5.pb.gz 6.pb.gz '
equal 'too much: counted' "$(status Lost)" 3
touch "$spool/6.pb.gz"
agent --once --max-age 1h
equal 'too old: went' "$(names "$spool")" '6.pb.gz '
equal 'too old: counted together' \
	"$("$otheap" agent --spool "$spool" --status | sed -n 's/^Lost *//p' | sed 's/;.*//')" \
	'3 for the size of the spool, 2 for age'
collector

if [ "$(id -u)" = 0 ] && unshare -m true 2>/dev/null; then
	cat >"$work/full.sh" <<'END'
mkdir -p "$1/disk" && mount -t tmpfs -o size=256k none "$1/disk" || exit 77
mkdir "$1/disk/spool"
cp "$2"/*.pb.gz "$1/disk/spool" || exit 1
head -c 1m /dev/zero >"$1/disk/filler" 2>/dev/null
echo "free:" $(df --output=avail "$1/disk" | tail -n 1)
"$3" agent --spool "$1/disk/spool" --endpoint "$4" --once
echo "status: $?"
echo "waiting: $(find "$1/disk/spool" -maxdepth 1 -name '*.pb.gz' | wc -l)"
END
	unshare -m sh "$work/full.sh" "$work" "$others" "$otheap" "http://localhost:$port" >"$work/full" 2>&1
	rc=$?
	if [ $rc = 77 ]; then
		skip 'a full disk' 'tmpfs cannot be mounted here'
	else
		equal 'a full disk: everything is sent' "$(tr '\n' ' ' <"$work/full")" \
			'free: 0 status: 0 waiting: 0 '
	fi
else
	skip 'a full disk' 'only root has a mount namespace of its own'
fi

# ---- programs that come and go --------------------------------------------------------------------

# marker PID - as the library writes it.
marker() {
	echo "$1.$(sed 's/.*) //' "/proc/$1/stat" | cut -d ' ' -f 20).process"
}

fresh_spool
sleep 600 &
sleeper=$!
started="$started $sleeper"
: >"$spool/$(marker $sleeper)"
# A shell that reads its output gets the end of it at once.
equal 'with processes: nothing is held' "$(
	# shellcheck disable=SC2016 # that shell's own
	timeout -s KILL 60 sh -c '"$1" agent --spool "$2" --endpoint "$3" --with-processes &' sh \
		"$otheap" "$spool" "http://localhost:$port"
	echo ended
)" ended
is_running() { "$otheap" agent --spool "$spool" --status | grep -q '^Agent *running'; }
is_gone() { ! is_running; }
check 'with processes: it runs' until_true is_running
cp "$others/1.pb.gz" "$spool/.new" && mv "$spool/.new" "$spool/1.pb.gz"
check 'with processes: it sends' until_true is_empty
check 'with processes: it goes on while one lives' is_running
kill -9 $sleeper
pid=$sleeper
reap
check 'with processes: it ends with the last' until_true is_gone
equal 'with processes: no marker is left' "$(find "$spool" -name '*.process')" ''

# Two thousand programs that have ended already, each with a profile.
fresh_spool
forget_requests
python3 - "$spool" "$others" <<'END'
import shutil, sys
for n in range(2000):
    # No process has such a number: it is above the kernel's largest limit.
    open("%s/%d.%d.process" % (sys.argv[1], 4194304 + n, n), "w").close()
    shutil.copy("%s/%d.pb.gz" % (sys.argv[2], n % 6 + 1), "%s/short.%d.pb.gz" % (sys.argv[1], n))
END
agent --with-processes --no-symbols
equal 'two thousand: status' "$rc" 0
equal 'two thousand: all sent' \
	"$(status Taken) $(waiting) $(find "$spool" -name '*.process' | wc -l)" '2000 0 0'
if [ "$(requests)" -le 40 ]; then ok 'two thousand: together'; else
	not_ok 'two thousand: together' "$(requests) requests"
fi

# ---- memory, secrets, itself -------------------------------------------------------------------

fresh_spool
for samples in 10000 100000; do
	"$prog/mkprofile" --samples $samples --locations 50000 --depth 30 --pid 7 "$work/big"
	gzip -1 -c "$work/big" >"$spool/big.$samples.pb.gz"
	agent --once
done
peak=$(sed -n 's/^memory_peak: //p' "$spool/agent.state")
if [ "$rc" = 0 ] && [ "${peak:-0}" -gt 0 ] && [ "$peak" -lt $((64 << 20)) ]; then
	ok "100,000 stacks: $((peak >> 20)) MiB"
else
	not_ok '100,000 stacks: 64 MiB' "status $rc, $peak bytes, $(cat "$said")"
fi
rm -f "$work/big"

fresh_spool "$others/1.pb.gz"
forget_requests
"$otheap" agent --spool "$spool" --endpoint "http://u:hidden1@localhost:1" --once 2>"$said"
equal 'nobody there: status' "$? $(waiting)" '1 1'
agent OTEL_EXPORTER_OTLP_HEADERS=authorization=hidden2 --once
equal 'a header' "$(header authorization)" hidden2
if grep -rq hidden "$spool" "$said"; then not_ok 'no secrets' "$(grep -r hidden "$spool")"; else ok 'no secrets'; fi

fresh_spool "$others/1.pb.gz"
fresh
forget_requests
timeout -s KILL 60 env OTHEAP_DIR="$dir" OTHEAP_OTLP=0 OTHEAP_SAMPLE_INTERVAL=1 LD_PRELOAD="$lib" "$otheap" agent \
	--spool "$spool" --endpoint "http://localhost:$port" --once --metrics 10s
equal 'preloaded: status' "$?" 0
equal 'preloaded: no profile of itself' "$(ls -A "$dir")" ''
n=$(last_request)
equal 'metrics: path' "$(sed -n 1p "$at/$n.headers")" 'POST /v1/metrics'
check 'metrics: body' grep -q otheap.agent.profiles "$at/$n.body"

# What it has to say about settings nobody hears where a program has started it.
fresh_spool "$others/1.pb.gz"
agent OTEL_EXPORTER_OTLP_TIMEOUT=soon --once
check 'a bad setting is in the status' grep -q "^trouble: OTEL_EXPORTER_OTLP_TIMEOUT: 'soon'" "$spool/agent.state"

fresh_spool "$others/1.pb.gz"
agent OTEL_RESOURCE_ATTRIBUTES=nonsense --once
check 'bad attributes are in the status' grep -q '^trouble: OTEL_RESOURCE_ATTRIBUTES: "nonsense"' "$spool/agent.state"

# ---- Pyroscope ---------------------------------------------------------------------------------------

fresh_spool "$made"/*.pb.gz
forget_requests
agent --once --protocol pyroscope --service shop
equal 'Pyroscope: status' "$rc" 0
equal 'Pyroscope: one request for each' "$(requests)" 5
# What was allocated adds up to what the last profile has.
for f in "$at"/*.body; do
	cp "$f" "$work/part.pb.gz"
	"$otheap" top -o folded -s alloc_space --no-symbols "$work/part.pb.gz" 2>/dev/null
done | awk '{ n += $NF } END { printf "%.0f\n", n }' >"$work/sum"
last=$(made_file 5)
equal 'Pyroscope: differences add up' "$(cat "$work/sum")" \
	"$("$otheap" top -o folded -s alloc_space --no-symbols "$last" | awk '{ n += $NF } END { printf "%.0f\n", n }')"

# Two containers that share the folder: the same program and number, at the same moment;
# each has written twice, and has allocated nothing between.
fresh_spool
for n in 1 2 3 4; do
	"$prog/mkprofile" --pid 1 --comment "process: $((n % 2))23456789abcdef0" "$spool/twin.$n.pb"
	gzip "$spool/twin.$n.pb"
done
cp "$spool/twin.1.pb.gz" "$work"
forget_requests
agent --once --protocol pyroscope
for f in "$at"/*.body; do
	cp "$f" "$work/part.pb.gz"
	"$otheap" top -o folded -s alloc_space --no-symbols "$work/part.pb.gz" 2>/dev/null
done | awk '{ n += $NF } END { printf "%.0f\n", n }' >"$work/sum"
equal 'two of one number: each in full, and once' "$(cat "$work/sum")" \
	"$("$otheap" top -o folded -s alloc_space --no-symbols "$work/twin.1.pb.gz" | awk '{ n += 2 * $NF } END { printf "%.0f\n", n }')"

# ---- wrong usage ------------------------------------------------------------------------------------

refused 'no spool' 'no --spool given'
refused 'an argument' 'no arguments but options' --spool "$spool" more
refused 'unknown option' "unknown option '--nosuch'" --nosuch
refused 'a bad size' "--max-bytes '1': expected a size" --spool "$spool" --max-bytes 1
refused 'a bad time' "--max-age '5': expected a time" --spool "$spool" --max-age 5
refused 'no folder' "$work/no/such: No such file" --spool "$work/no/such"
refused 'a file for a folder' "$said: " --spool "$said"
refused 'no folder for the status' "$work/no/such: No such file" --spool "$work/no/such" --status
refused 'a bad endpoint' '--endpoint: expected a URL' --spool "$spool" --endpoint nowhere
chmod 777 "$spool"
refused 'a folder of everybody' 'everybody may write' --spool "$spool" --once
chmod 700 "$spool"
