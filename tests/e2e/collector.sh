# shellcheck shell=sh disable=SC2034,SC2154
# SPDX-License-Identifier: Apache-2.0
#
# collector.sh - start and ask tests/e2e/collector.py; for push.sh and agent.sh,
# which read lib.sh first.

need python3
for v in $(env | sed -n 's/^\(OTEL_[A-Z_]*\)=.*/\1/p'); do unset "$v"; done
unset http_proxy https_proxy HTTPS_PROXY all_proxy ALL_PROXY no_proxy NO_PROXY

# collector [CERTIFICATE KEY [CLIENT_CA]] - start one: $at its folder, $port, $collector its pid.
collector() {
	at=$(mktemp -d "$work/collector.XXXXXX")
	collector_again "$@"
}

# The same folder, another process, perhaps another port.
collector_again() {
	rm -f "$at/port"
	python3 "$here/collector.py" "$at" "$@" >"$at/log" 2>&1 </dev/null &
	collector=$!
	started="$started $collector"
	until_true test -s "$at/port" || {
		not_ok 'the collector starts' "$(cat "$at/log")"
		exit 1
	}
	port=$(cat "$at/port")
}

collector_stops() {
	kill -9 "$collector"
	pid=$collector
	reap
}

# script LINE... - what it does, from now on; its counters begin again only with it.
script() {
	printf '%s\n' "$@" >"$at/script.new"
	mv "$at/script.new" "$at/script"
}

# requests - how many came.
requests() {
	find "$at" -name '*.headers' | wc -l
}

has_requests() {
	[ "$(requests)" -ge "$1" ]
}

# Forget what came; the numbers go on.
forget_requests() {
	rm -f "$at"/*.headers "$at"/*.body "$at"/*.time "$at"/*.ids
}

# The number of the last request.
last_request() {
	for f in "$at"/*.headers; do basename "$f" .headers; done | sort -n | tail -n 1
}

# header NAME - of the last request; nothing if it had none.
header() {
	sed -n "s/^$1: //Ip" "$at/$(last_request).headers" | tr -d '\r'
}

here=$PWD/tests/e2e
asks
