#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# A redis-server under load exports every second for four minutes; its Collector is
# away for two of them, its agent is killed again and again.  What arrives adds up to
# the last profile, and the server notices nothing.
# shellcheck source=SCRIPTDIR/lib.sh disable=SC2154
. "$(dirname "$0")/lib.sh"
# shellcheck source=SCRIPTDIR/../collector/lib.sh disable=SC1091
. tests/collector/lib.sh
need python3 gzip redis-cli redis-check-rdb

if ! collector_build; then
	echo "skip service: $why"
	exit 77
fi
for v in $(env | sed -n 's/^\(OTEL_[A-Z_]*\)=.*/\1/p'); do unset "$v"; done
unset http_proxy https_proxy HTTPS_PROXY all_proxy ALL_PROXY no_proxy NO_PROXY
service=tests/real/service.py
otheap=$B/otheap
ln -s "$(command -v redis-server || command -v redis-check-rdb)" "$work/redis-server"

# ---- the server ---------------------------------------------------------------------

# server_start NAME [VAR=VALUE...] - it, a client that loads it, and a look at it:
# $box, $server, $client, $watcher.
server_start() {
	box=$work/$1
	shift
	mkdir "$box"
	spool=$box/spool
	env OTHEAP_SPOOL="$spool" "$@" "$work/redis-server" --port 0 --unixsocket "$box/s" --save '' --appendonly no \
		--dir "$box" --daemonize no --logfile log --enable-debug-command local >"$box/said" 2>&1 </dev/null &
	server=$!
	started="$started $server"
	if ! until_true answers; then
		not_ok 'the server starts' "$(tail -n 3 "$box/said" "$box/log" | head -c 600)"
		exit 1
	fi
	python3 $service load "$box/s" 20 >"$box/load" 2>&1 &
	client=$!
	python3 $service watch $server "$box/s" "$spool" >"$box/watch" 2>&1 &
	watcher=$!
	started="$started $client $watcher"
}

cli() {
	redis-cli -s "$box/s" "$@"
}

answers() {
	[ "$(cli ping 2>/dev/null)" = PONG ]
}

# ended PID - wait for it: $rc.
ended() {
	pid=$1
	reap
}

# The load ends after a whole round.
load_stops() {
	kill -TERM $client
	ended $client
	cli debug digest >"$box/digest"
	cli dbsize >>"$box/digest"
}

server_stops() {
	cli shutdown nosave >/dev/null 2>&1
	ended $server
	echo "$rc" >"$box/status"
	ended $watcher
}

# watched WORD - what the look at the server says of it.
watched() {
	sed -n "s/^$1 //p" "$box/watch"
}

# ---- the same without us ------------------------------------------------------------

server_start plain
sleep 5
load_stops
server_stops
cp -r "$box" "$work/base"

# ---- exporting ------------------------------------------------------------------------

# Not of those that the kernel gives to whoever connects: nobody else takes it while
# the Collector is away.
port=$(python3 -c '
import random, socket
first = int(open("/proc/sys/net/ipv4/ip_local_port_range").read().split()[0])
while True:
    port = random.randrange(min(10000, first // 2), first)
    try:
        socket.socket().bind(("127.0.0.1", port))
        break
    except OSError:
        pass
print(port)')
limit=$((20 << 20))
collector_start "$work/first" $limit "$port"
server_start with OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:$port" OTEL_SERVICE_NAME=shop \
	OTHEAP_DUMP_EVERY=1 OTHEAP_SEED=1 LD_PRELOAD="$lib"

# status - what --status says.
status() {
	"$otheap" agent --spool "$spool" --status
}

# tells WORD - that line of it.
tells() {
	status | sed -n "s/^$1  *//p"
}

# losses - the numbers of what was refused and lost, of --status.
losses() {
	sed -n 's/^\(Lost\|Refused\)  *//p' | grep -oE '[0-9]+' | paste -sd ' '
}

# The agent that is at work: $agent.
is_agent() {
	agent=$(tells Agent | sed -n 's/^running, pid //p')
	[ -n "$agent" ] && ! is_gone "$agent" && tr '\0' ' ' <"/proc/$agent/cmdline" | grep -qF -e "--spool $spool "
}

kills=0
# kill_agent NAME - and wait for the next one.
kill_agent() {
	if ! until_true is_agent; then
		not_ok "$1" "no agent: $(head -c 300 "$box/said")"
		return
	fi
	before=$agent
	kills=$((kills + 1))
	kill -9 "$before"
	if until_true is_another; then ok "$1"; else not_ok "$1" "no other agent comes"; fi
}

is_another() {
	is_agent && [ "$agent" != "$before" ]
}

requests() {
	find "$work/first" "$work/second" -name '*.profiles.txt' 2>/dev/null | wc -l
}

# arrives COUNT - that many requests, and more.
arrives() {
	[ "$(requests)" -ge "$1" ]
}

waiting() {
	find "$spool" -maxdepth 1 -name '*.pb.gz' | wc -l
}

check 'it exports' until_true arrives 20
kill_agent 'the agent is killed, and there is another'
n=$(requests)
check 'it exports with another agent' until_true arrives $((n + 10))

# Killed in the middle of whatever it does, and all with the back-off of the
# specification, 1 s to 60 s.
kill -9 "$collector_pid"
away=$(date +%s)
ended "$collector_pid" 2>/dev/null
retried() { [ "$(tells Retried | sed 's/ .*//')" -ge "$1" ]; }
check 'away: it tries again' until_true retried 2
kill_agent 'away: the agent is killed, and there is another'
check 'away: that tries, too' until_true retried 4
status >"$work/status.away"
last=$(sed -n 's/^Last sent  *//p' "$work/status.away")
while [ $(($(date +%s) - away)) -lt 125 ]; do sleep 1; done
now=$(waiting)
if [ "$now" -ge 60 ]; then ok 'away: profiles wait'; else not_ok 'away: profiles wait' "$now of them"; fi
told() { [ "$(tells Spooled | sed 's/,.*//')" -ge "$now" ]; }
check 'away: --status tells how many' until_true told
status >"$work/status.away"
if grep -qE '^Trouble +.*(refused|connect)' "$work/status.away"; then ok 'away: --status tells why'; else
	not_ok 'away: --status tells why' "$(grep Trouble "$work/status.away")"
fi
equal 'away: --status tells that nothing was sent' "$(sed -n 's/^Last sent  *//p' "$work/status.away")" "$last"
equal 'away: --status tells that nothing was lost' "$(losses <"$work/status.away")" '0 0 0 0 0 0'
tries=$(tells Retried | sed 's/ .*//')
if [ "$tries" -le 20 ]; then ok 'away: it does not try all the time'; else
	not_ok 'away: it does not try all the time' "$tries times"
fi

collector_start "$work/second" $limit "$port"
# kill_after_request NAME - when one has just arrived and is not answered, or not noted, yet.
kill_after_request() {
	came=$(requests) tries=0
	until [ "$(requests)" -gt "$came" ] || [ $tries -gt 20000 ]; do
		tries=$((tries + 1))
		sleep 0.005
	done
	kill_agent "$1"
}

# The first one has them all, and their files are being moved.
kill_after_request 'back: killed when all has just been sent'
uncounted=$((now + 30))
drained() { [ "$(waiting)" -le 3 ]; }
# shellcheck disable=SC2034 # it counts
for n in 1 2 3 4; do until_true drained && break; done
check 'back: all is sent' drained
told() { [ "$(tells Spooled | sed 's/,.*//')" -le 3 ]; }
check 'back: --status tells' until_true told

for n in 1 2 3 4 5 6; do kill_after_request "back: killed after a request, $n"; done
n=$(requests)
check 'back: it exports' until_true arrives $((n + 10))

# ---- the end ------------------------------------------------------------------------------

# The last profile must be seen: the agent holds still, and the lock too.
until_true is_agent
load_stops
kill -STOP "$agent"
server_stops
# shellcheck disable=SC2012 # names of ours
last=$(ls "$spool"/*.pb.gz | sort -t. -k4n | tail -n 1)
cp "$last" "$work/last.pb.gz"
count=$(echo "$last" | awk -F. '{ print $(NF - 2) }')
kill -CONT "$agent"
decode "$work/last.pb.gz"
check 'the last profile is that of the end' grep -qx 'comment trigger: exit' "$text"
check 'the agent ends after the server' until_true is_gone "$agent"
equal 'nothing waits' "$(find "$spool" -name '*.pb.gz' -o -name '*.process' -o -name '*.tmp')" ''
sent=$(tells Sent | sed 's/ .*//')
if [ $((sent - count)) -le $uncounted ] && [ $((count - sent)) -le $uncounted ]; then
	ok "--status counts those of all agents, but for what it has at a kill: $sent of $count sent"
else
	not_ok '--status counts those of all agents, but for what it has at a kill' "$sent, not $count"
fi
equal 'nothing was refused, nothing lost' "$(status | losses)" '0 0 0 0 0 0'

equal 'the server ended well, as without us' "$(cat "$box/status")" "$(cat "$work/base/status")"
equal 'the server holds the same data' "$(cat "$box/digest")" "$(cat "$work/base/digest")"
restarted='^otheap: the agent that sends profiles had ended and is started again; '
equal 'it is told once that agents end' "$(grep -c "$restarted" "$box/said")" 1
equal 'the server said nothing else' "$(grep -v "$restarted" "$box/said")" "$(cat "$work/base/said")"
if grep -qx 'rounds [1-9][0-9]*' "$box/load" && ! grep -q '^bad' "$box/load"; then
	ok "the server answered all the time: $(cat "$box/load")"
else
	not_ok 'the server answered all the time' "$(head -c 300 "$box/load")"
fi

equal 'descriptors are those that it has without us' "$(watched kept)" "$(sed -n 's/^kept //p' "$work/base/watch" |
	sed "s|$work/plain/|$box/|")"
equal 'no socket but its own' "$(watched foreign)" ''
sleeps=$(watched asleep)
if [ "${sleeps% *}" -ge 10 ] && [ "${sleeps#* }" = 0 ]; then
	ok "between profiles the library holds no descriptor, ${sleeps% *} looks"
else
	not_ok 'between profiles the library holds no descriptor' "looks, descriptors: $sleeps"
fi
equal 'no zombie' "$(watched zombies)" 0
equal 'one agent at a time' "$(watched together)" 1
peak=$(watched agent | sed 's/.* //')
if [ "$peak" -gt 0 ] && [ "$peak" -lt 65536 ]; then ok "memory of the agent: $((peak >> 10)) MiB at most"; else
	not_ok 'memory of the agent: 64 MiB' "$peak KiB"
fi

find "$work/first" "$work/second" -name '*.profiles.txt' | sort -V >"$work/texts"
if go tool pprof -symbolize=none -raw "$work/last.pb.gz" >"$work/raw" 2>"$work/pprof.err"; then
	# shellcheck disable=SC2046 # a list
	if python3 tests/collector/compare.py series "$count" "$work/raw" $(cat "$work/texts") >"$work/wrong" 2>"$work/said"; then
		ok "everything arrived, and adds up to the last profile: $(cat "$work/said")"
	else
		not_ok 'everything arrived, and adds up to the last profile' \
			"$(head -c 900 "$work/wrong"; tail -n 2 "$work/said")"
	fi
else
	not_ok 'go tool pprof' "$(head -c 300 "$work/pprof.err")"
fi
