#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Two thousand programs that end at once, four at a time, share one agent: what each
# of them allocated arrives at the Collector, once.
# shellcheck source=SCRIPTDIR/lib.sh disable=SC2154
. "$(dirname "$0")/lib.sh"
# shellcheck source=SCRIPTDIR/../collector/lib.sh disable=SC1091
. tests/collector/lib.sh
need python3 gzip

if ! collector_build; then
	echo "skip short: $why"
	exit 77
fi
for v in $(env | sed -n 's/^\(OTEL_[A-Z_]*\)=.*/\1/p'); do unset "$v"; done
unset http_proxy https_proxy HTTPS_PROXY all_proxy ALL_PROXY no_proxy NO_PROXY
otheap=$B/otheap
spool=$work/spool
programs=2000

# In place of the command: it is counted.
cat >"$work/command" <<END
#!/bin/sh
echo \$\$ >>"$work/calls"
exec "$otheap" "\$@"
END
chmod 755 "$work/command"

status() {
	"$otheap" agent --spool "$spool" --status 2>/dev/null | sed -n "s/^$1  *//p"
}
is_running() { status Agent | grep -q '^running'; }
is_not_running() { ! is_running; }

collector_start "$work/box"
# xargs is a program like the others, but one that stays: there is no time without any.
yes alloc | head -n $programs | timeout -s KILL 600 env LD_PRELOAD="$lib" OTHEAP_SPOOL="$spool" OTHEAP_COMMAND="$work/command" \
	OTHEAP_SAMPLE_INTERVAL=1 OTEL_EXPORTER_OTLP_ENDPOINT="http://$http" \
	xargs -n 1 -P 4 "$prog/hold" >"$work/out" 2>"$work/err" &
pid=$!
started="$started $pid"
check 'an agent runs' until_true is_running
agent=$(status Agent)
reap
equal 'status' "$rc" 0
equal 'all of them ran' "$(grep -c '^ready' "$work/out")" $programs
equal 'they saw nothing wrong' "$(grep -v -x -e ready -e ending "$work/out" | cat - "$work/err" | head -c 300)" ''
check 'the agent ends' until_true is_not_running
equal 'it was one and the same' "running, pid $(sed -n 's/^pid: //p' "$spool/agent.state")" "$agent"
calls=$(wc -l <"$work/calls")
if [ "$calls" -le $((programs / 10)) ]; then ok "it was called for $calls times"; else
	not_ok 'not everybody called for it' "$calls times"
fi
equal 'nothing waits' "$(find "$spool" -name '*.pb.gz' -o -name '*.process' -o -name '*.tmp' | head -n 3)" ''
# xargs, too, has one.
equal 'taken, refused, lost' "$(status Taken) $(status Refused | sed 's/ .*//') $(status Lost | sed 's/ .*//')" \
	"$((programs + 1)) 0 0"
find "$work/box" -name '*.profiles.txt' >"$work/texts"
# shellcheck disable=SC2046 # a list
cat $(cat "$work/texts") >"$work/all"
equal 'from all of them' "$(sed -n 's/^resource process\.pid=//p' "$work/all" | sort -u | wc -l)" $((programs + 1))
equal 'each once' "$(grep '^profile ' "$work/all" | sed 's/.* id //' | sort | uniq -d | head -n 3)" ''
for what in alloc_objects:100 alloc_space:100000; do
	equal "what they allocated: ${what%:*}" "$(awk -v kind="${what%:*}" '
		$1 == "profile" { on = $2 == kind }
		on && $1 == "sample" && / site_hold / { sum += $2 }
		END { printf "%.0f", sum }' "$work/all")" $((programs * ${what#*:}))
done
peak=$(sed -n 's/^memory_peak: //p' "$spool/agent.state")
if [ "${peak:-0}" -gt 0 ] && [ "$peak" -lt $((64 << 20)) ]; then
	ok "memory of the agent: $((peak >> 20)) MiB at most, $(wc -l <"$work/texts") requests"
else
	not_ok 'memory of the agent: 64 MiB' "$peak bytes"
fi
