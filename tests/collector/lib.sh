# shellcheck shell=sh disable=SC2034,SC2154
# SPDX-License-Identifier: Apache-2.0
#
# lib.sh - the OpenTelemetry Collector for a script that has read ../e2e/lib.sh:
#	collector_build && collector_start FOLDER

collector=$B/collector/collector
collector_source=$PWD/tests/collector

# Build $collector, from modules whose versions and hashes go.mod and go.sum have.
# False with $why where that cannot be done on this machine; ends with status 1
# where it should be possible and is not.  About a minute and a half the first time.
collector_build() {
	if ! command -v go >/dev/null; then
		why='no go here'
		return 1
	fi
	wanted=$(sed -n 's/^go //p' "$collector_source/go.mod")
	have=$(cd / && GOTOOLCHAIN=local go env GOVERSION | sed 's/^go//')
	if [ "$(printf '%s\n' "$wanted" "$have" | sort -V | head -n 1)" != "$wanted" ]; then
		why="go is $have, the Collector needs $wanted"
		return 1
	fi
	mkdir -p "$B/collector"
	if ! (cd "$collector_source" && GOTOOLCHAIN=local GOFLAGS='-mod=readonly -buildvcs=false' \
		timeout 400 go list -deps .) >"$work/go.log" 2>&1; then
		why="its modules cannot be downloaded: $(tail -n 1 "$work/go.log" | head -c 200)"
		return 1
	fi
	if ! (cd "$collector_source" && GOTOOLCHAIN=local GOFLAGS='-mod=readonly -buildvcs=false' \
		timeout 900 go build -p 2 -trimpath -ldflags='-s -w' -o "$collector" .) >"$work/go.log" 2>&1; then
		not_ok 'the Collector is built' "$(tail -n 5 "$work/go.log" | head -c 600)"
		exit 1
	fi
}

is_started() {
	[ -s "$1/ports" ] || ! kill -0 "$collector_pid" 2>/dev/null
}

# collector_start FOLDER [MAX_REQUEST_BYTES [HTTP_PORT]] - start it; $http and $grpc are where
# it listens, ADDRESS:PORT, $collector_pid who it is.
collector_start() {
	mkdir -p "$1"
	"$collector" "$@" >"$1/log" 2>&1 </dev/null &
	collector_pid=$!
	started="$started $collector_pid"
	until_true is_started "$1"
	http=$(sed -n 's/^http //p' "$1/ports" 2>/dev/null)
	grpc=$(sed -n 's/^grpc //p' "$1/ports" 2>/dev/null)
	if [ -z "$http" ] || [ -z "$grpc" ]; then
		not_ok 'the Collector starts' "$(tail -n 3 "$1/log" | head -c 600)"
		exit 1
	fi
}

# collector_post FILE [profiles|metrics] - send a request in a file; prints the status
# and the body's length.
collector_post() {
	python3 - "$http" "$1" "${2:-profiles}" <<'PYTHON'
import http.client
import sys

where, name, signal = sys.argv[1:]
path = {"profiles": "/v1development/profiles", "metrics": "/v1/metrics"}[signal]
connection = http.client.HTTPConnection(where, timeout=120)
connection.request("POST", path, open(name, "rb").read(), {"Content-Type": "application/x-protobuf"})
answer = connection.getresponse()
print(answer.status, len(answer.read()))
PYTHON
}
