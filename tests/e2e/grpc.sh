#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# grpc.sh - otheap push and agent by gRPC, against a server in Go.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/collector.sh
. tests/e2e/collector.sh

asks push
need go
have=$(cd / && GOTOOLCHAIN=local go env GOVERSION | sed 's/^go//')
if [ "$(printf '1.24\n%s\n' "$have" | sort -V | head -n 1)" != 1.24 ]; then
	skip_all "go is $have; HTTP/2 without TLS needs 1.24"
fi
if [ -z "${GOCACHE:-}" ] && [ -z "${HOME:-}" ]; then export GOCACHE="$B/gocache"; fi
if ! GOTOOLCHAIN=local GO111MODULE=off GOFLAGS='' go build -p 2 -o "$work/grpcd" "$here/grpcd.go" >"$work/go.log" 2>&1; then
	not_ok 'the server is built' "$(head -n 5 "$work/go.log")"
	exit 1
fi

# serve [CERTIFICATE KEY] - $at, $port.
serve() {
	at=$(mktemp -d "$work/grpc.XXXXXX")
	"$work/grpcd" "$at" "$@" >"$at/log" 2>&1 </dev/null &
	started="$started $!"
	until_true test -s "$at/port" || {
		not_ok 'the server starts' "$(cat "$at/log")"
		exit 1
	}
	port=$(cat "$at/port")
}

run OTHEAP_SAMPLE_INTERVAL=1 "$prog/hold" alloc
profile=$work/one.pb.gz
cp "$(last_file)" "$profile"
"$otheap" push -o "$work/request" "$profile"

# push [VAR=VALUE...] ARGUMENT... - $rc, $said.
push() {
	ask OTEL_EXPORTER_OTLP_PROTOCOL=grpc OTEL_EXPORTER_OTLP_ENDPOINT="${scheme-http://}localhost:$port" "$@"
}

# says NAME STATUS REQUESTS TEXT - how it ended, how often it asked, and one line with the text.
says() {
	if [ $rc = "$2" ] && [ "$(requests)" = "$3" ] && grep -qF -e "$4" "$said" && [ "$(wc -l <"$said")" = 1 ]; then
		ok "$1"
	else
		not_ok "$1" "exit $rc, $(requests) requests, stderr '$(cat "$said")'"
	fi
}

quiet() {
	if [ $rc = 0 ] && [ ! -s "$said" ] && [ "$(requests)" = "$2" ]; then
		ok "$1"
	else
		not_ok "$1" "exit $rc, $(requests) requests, stderr '$(cat "$said")'"
	fi
}

serve
push OTEL_EXPORTER_OTLP_HEADERS=api-key=a%20b "$profile"
quiet 'sent' 1
equal 'method' "$(sed -n 1p "$at/1.headers")" \
	'HTTP/2.0 POST /opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export'
equal 'headers' "$(header content-type) $(header te) $(header grpc-encoding) $(header grpc-timeout) $(header api-key)" \
	'application/grpc trailers gzip 10000m a b'
equal 'frame' "$(header problem)" ''
check 'the same message' cmp -s "$at/1.body" "$work/request"
push OTEL_EXPORTER_OTLP_COMPRESSION=none OTEL_EXPORTER_OTLP_TIMEOUT=0 "$profile"
quiet 'not compressed' 2
equal 'not compressed: headers' "$(header grpc-encoding)$(header grpc-timeout)$(header problem)" ''
check 'not compressed: the same message' cmp -s "$at/2.body" "$work/request"

# expect NAME STATUS REQUESTS TEXT SCRIPT... - a push that does not wait for long.
expect() {
	name=$1 status=$2 number=$3 text=$4
	shift 4
	script "$@"
	forget_requests
	push --retry-for 20 "$profile"
	if [ -n "$text" ]; then says "$name" "$status" "$number" "$text"; else quiet "$name" "$number"; fi
}
for status in 2 3 5 6 7 8 9 12 13 16; do
	expect "refused with $status" 1 1 ': not today' "$status not today" 0
done
for status in 1 4 10 11 14 15; do
	expect "later with $status" 0 2 '' "$status busy" 0
done
expect 'RESOURCE_EXHAUSTED with a time' 0 2 '' '8 retry=1 busy' 0
expect 'a longer time than there is' 2 1 'RESOURCE_EXHAUSTED: busy' '8 retry=60 busy' 0
expect 'partial' 1 1 '2 profiles were rejected: too old' '0 partial 2 too old'
expect 'a warning' 0 1 'take care' '0 partial 0 take care'
expect 'HTTP 503' 0 2 '' 'http=503' 0
expect 'HTTP 404' 1 1 'HTTP status 404' 'http=404' 0
expect 'reset' 0 2 '' reset 0
script 0

spool=$work/spool
mkdir "$spool"
cp "$profile" "$spool"
forget_requests
"$otheap" agent --spool "$spool" --endpoint "http://localhost:$port" --protocol grpc --once --metrics 1h
equal 'agent: status' "$?" 0
check 'agent: the same message' cmp -s "$at/$(($(last_request) - 1)).body" "$work/request"
equal 'agent: metrics' "$(sed -n '1s/.* //p' "$at/$(last_request).headers")" \
	'/opentelemetry.proto.collector.metrics.v1.MetricsService/Export'

if command -v openssl >/dev/null; then
	openssl req -x509 -newkey rsa:2048 -nodes -keyout "$work/key" -out "$work/cert" -days 2 \
		-subj /CN=localhost -addext subjectAltName=DNS:localhost >"$work/openssl.log" 2>&1
	serve "$work/cert" "$work/key"
	scheme=''
	push OTEL_EXPORTER_OTLP_CERTIFICATE="$work/cert" "$profile"
	quiet 'TLS without a scheme' 1
	check 'TLS: the same message' cmp -s "$at/1.body" "$work/request"
	push "$profile"
	equal 'TLS of nobody: status' "$rc $(requests)" '2 1'
	unset scheme
	"$prog/mkprofile" --pid 9 --samples 5000 "$spool/many.pb.gz"
	forget_requests
	OTEL_EXPORTER_OTLP_CERTIFICATE=$work/cert "$otheap" agent --spool "$spool" --protocol grpc \
		--endpoint "https://localhost:$port" --once --max-request 16k
	equal 'TLS: several requests: status' "$?" 0
	check 'TLS: several requests' has_requests 3
else
	skip 'TLS' 'no openssl here'
fi

# A server of HTTP/1 is none of gRPC.
collector
push --retry-for 0 "$profile"
equal 'HTTP/1: status' "$rc" 2
