#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# push.sh - otheap push: requests, answers of every kind, TLS, wrong usage.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/collector.sh
. tests/e2e/collector.sh

asks push
run OTHEAP_SAMPLE_INTERVAL=1 "$prog/hold" alloc
profile=$work/one.pb.gz
cp "$(last_file)" "$profile"
collector

# to_collector ARGUMENT... - push to it.
to_collector() {
	ask OTEL_EXPORTER_OTLP_ENDPOINT="http://localhost:$port" "$@"
}

# said_one NAME STATUS TEXT - the status, and exactly one line with this text.
said_one() {
	if [ $rc = "$2" ] && [ "$(wc -l <"$said")" = 1 ] && grep -qF -e "$3" "$said"; then
		ok "$1"
	else
		not_ok "$1" "exit $rc, stderr '$(cat "$said")'"
	fi
}

# quiet NAME - status 0 and nothing said.
quiet() {
	if [ $rc = 0 ] && [ ! -s "$said" ]; then
		ok "$1"
	else
		not_ok "$1" "exit $rc, stderr '$(cat "$said")'"
	fi
}

# ---- a request --------------------------------------------------------------------------

to_collector "$profile"
quiet 'sent'
equal 'path' "$(sed -n 1p "$at/1.headers")" 'POST /v1development/profiles'
equal 'type' "$(header Content-Type)" 'application/x-protobuf'
equal 'compressed' "$(header Content-Encoding)" 'gzip'
version=$(sed -n 's/^VERSION *:= *//p' Makefile)
equal 'user agent' "$(header User-Agent)" "otheap/$version OTel-OTLP-Exporter-C/$version"
equal 'four profiles' "$(wc -l <"$at/1.ids")" 4
to_collector "$profile"
quiet 'sent again'
equal 'the same ids' "$(cat "$at/2.ids")" "$(cat "$at/1.ids")"
ask -o "$work/request" "$profile"
quiet 'written'
check 'written is what is sent' cmp -s "$work/request" "$at/1.body"
ask -o - "$profile"
equal 'to standard output' "$(cksum <"$answer")" "$(cksum <"$work/request")"
to_collector --no-symbols "$profile"
equal 'the same ids without names' "$(cat "$at/3.ids")" "$(cat "$at/1.ids")"
check 'names' grep -q site_hold "$at/1.body"
if grep -q site_hold "$at/3.body"; then not_ok 'no names' 'site_hold is in it'; else ok 'no names'; fi
ask OTEL_EXPORTER_OTLP_PROFILES_ENDPOINT="http://localhost:$port/as/it/is" "$profile"
equal 'an endpoint for profiles' "$(sed -n 1p "$at/4.headers")" 'POST /as/it/is'
ask OTEL_EXPORTER_OTLP_ENDPOINT="http://localhost:$port/base/" \
	OTEL_EXPORTER_OTLP_HEADERS='api-key=a%2Cb,x=y' OTEL_EXPORTER_OTLP_COMPRESSION=none \
	--header 'more=z' --service checkout "$profile"
equal 'a base' "$(sed -n 1p "$at/5.headers")" 'POST /base/v1development/profiles'
equal 'headers' "$(header api-key) $(header x) $(header more)" 'a,b y z'
equal 'not compressed' "$(header Content-Encoding)" ''
check 'service' grep -q checkout "$at/5.body"
timeout -s KILL 60 "$otheap" push --endpoint "http://localhost:$port" - <"$profile" 2>"$said"
equal 'standard input' $? 0
equal 'standard input: ids' "$(cat "$at/6.ids")" "$(cat "$at/1.ids")"
# A program that exported has said whose its profile is, also that it is nobody's.
"$prog/mkprofile" --pid 77 --comment OTEL_SERVICE_NAME=theirs --comment OTEL_RESOURCE_ATTRIBUTES= "$work/theirs.pb"
ask OTEL_SERVICE_NAME=mine OTEL_RESOURCE_ATTRIBUTES=where=mine -o "$work/request" "$work/theirs.pb"
equal 'whose it is' "$(grep -aoE 'theirs|mine|OTEL_[A-Z_]*' "$work/request" | tr '\n' ' ')" 'theirs '

# ---- answers ----------------------------------------------------------------------------

# expect NAME SCRIPT STATUS TEXT - with this one answer.
expect() {
	script "$2" 200
	forget_requests
	to_collector --retry-for 0 "$profile"
	said_one "$1" "$3" "$4"
	equal "$1: one request" "$(requests)" 1
}
for status in 400 401 403 404 405 413 415 422 500 501 505; do
	expect "refused with $status" "$status not today" 1 "HTTP status $status: not today"
done
expect 'a redirection' '307 Location=http://localhost/' 1 'HTTP status 307, a redirection, which is not followed'
expect 'partial' 'partial 2 too old' 1 '2 profiles were rejected: too old'
expect 'a warning' 'partial 0 take care' 0 'take care'
expect 'too much of an answer' 'big' 1 'more than 4194304 bytes'
# Not a collector at all; and it is no use to wait for one.
script page
to_collector "$profile"
said_one 'a web page' 2 'HTTP status 200 with a web page: nothing there takes profiles'
to_collector --protocol pyroscope "$profile"
said_one 'a web page for Pyroscope' 2 'HTTP status 200 with a web page: nothing there takes profiles'
for status in 429 502 503 504; do
	expect "later with $status" "$status busy" 2 "HTTP status $status: busy"
	script "$status" 200
	forget_requests
	to_collector "$profile"
	quiet "sent after $status"
	equal "sent after $status: requests" "$(requests)" 2
	equal "sent after $status: ids" "$(sort "$at"/*.ids | uniq -c | sed 's/ *\([0-9]*\).*/\1/' | sort -u)" 2
done
for how in half reset close; do
	script "$how" 200
	forget_requests
	to_collector "$profile"
	quiet "sent after $how"
	equal "sent after $how: requests" "$(requests)" 2
done

# waited NAME SECONDS - at least so long between the last two.
waited() {
	n=$(last_request)
	gap=$(awk -v a="$(cat "$at/$((n - 1)).time")" -v b="$(cat "$at/$n.time")" 'BEGIN { print b - a }')
	check "$1: after $gap s" awk -v g="$gap" -v s="$2" 'BEGIN { exit !(g >= s) }'
}
script '503 Retry-After=3' 200
to_collector "$profile"
quiet 'Retry-After in seconds'
waited 'Retry-After in seconds' 3
script '429 Retry-After=@3' 200
to_collector "$profile"
quiet 'Retry-After as a date'
waited 'Retry-After as a date' 2.9
script 'slow 30' 200
ask OTEL_EXPORTER_OTLP_ENDPOINT="http://localhost:$port" OTEL_EXPORTER_OTLP_TIMEOUT=300 \
	--retry-for 0 "$profile"
said_one 'no answer in time' 2 'timed out'
script 200

# ---- Pyroscope ----------------------------------------------------------------------------

ask OTEL_RESOURCE_ATTRIBUTES='team=a%20b' --endpoint "http://localhost:$port" \
	--protocol pyroscope --service 'shop' "$profile"
quiet 'Pyroscope'
n=$(last_request)
case $(sed -n 1p "$at/$n.headers") in
'POST /ingest?name=shop%7B'*'team%3Da%20b'*'%7D&from='*'&until='*'&format=pprof') ok 'Pyroscope: query' ;;
*) not_ok 'Pyroscope: query' "$(sed -n 1p "$at/$n.headers")" ;;
esac
cp "$at/$n.body" "$work/pyroscope.pb.gz"
forget_requests
to_collector OTHEAP_PROTOCOL=pyroscope "$profile"
quiet 'Pyroscope by a variable'
equal 'Pyroscope by a variable: path' "$(sed -n 's/?.*//p' "$at/$(last_request).headers" | head -n 1)" 'POST /ingest'
equal 'Pyroscope: the same values' \
	"$("$otheap" top -o folded "$work/pyroscope.pb.gz" | sort | cksum)" \
	"$("$otheap" top -o folded "$profile" | sort | cksum)"

# Of one call stack that goes on allocating, each is what the one before did not have.
start OTHEAP_SAMPLE_INTERVAL=1 OTHEAP_DUMP_AT_EXIT=0 "$prog/phases"
wait_said ready
for n in 1 2 3; do
	echo "first 10 $((n * 1000))" >&9
	until_true said "did first 10 $((n * 1000))"
	kill -USR2 "$pid"
	wait_files $n
	[ $n = 3 ] || sleep 1.5 # as long as the clocks of two processes may differ
done
finish
forget_requests
to_collector --protocol pyroscope "$dir"/*.pb.gz
quiet 'Pyroscope: three of one process'
# sums TYPE - of what came, one for each request.
sums() {
	for n in $(find "$at" -name '*.body' | sed 's/.*\///; s/\.body//' | sort -n); do
		"$otheap" top -o folded --no-symbols -s "$1" "$at/$n.body" | awk '{ n += $NF } END { printf "%.0f ", n }'
	done
}
equal 'Pyroscope: what was allocated between them' "$(sums alloc_space)" '10000 20000 30000 '
equal 'Pyroscope: what was in use at their times' "$(sums inuse_space)" '10000 30000 60000 '
gzip -dc <"$at/$(last_request).body" | "$prog/pbdump" >"$work/text"
check 'Pyroscope: one sample for a call stack' test "$(grep -c '^sample' "$work/text")" = 1
if grep -q "bytes=[1-9]" "$work/text"; then not_ok 'Pyroscope: no numbers as labels' "$(cat "$work/text")"; else
	ok 'Pyroscope: no numbers as labels'
fi

# ---- TLS ------------------------------------------------------------------------------------

if command -v openssl >/dev/null; then
	tls=$work/tls
	mkdir "$tls"
	(
		cd "$tls" || exit 1
		openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=ca -days 2
		# signed NAME DAYS SUBJECT - a certificate for localhost, or another host.
		signed() {
			openssl req -newkey rsa:2048 -nodes -keyout "$1.key" -out "$1.csr" -subj "/CN=$3" &&
				printf 'subjectAltName=DNS:%s\n' "$3" >"$1.ext" &&
				openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -CAcreateserial \
					-out "$1.pem" -days "$2" -extfile "$1.ext"
		}
		signed good 2 localhost
		signed other 2 elsewhere.example
		signed client 2 client
		# One whose time is over.
		mkdir -p db && : >db/index && echo 01 >db/serial
		printf '%s\n' '[ca]' 'default_ca=d' '[d]' 'database=db/index' 'serial=db/serial' \
			'new_certs_dir=db' 'default_md=sha256' 'policy=p' 'unique_subject=no' \
			'[p]' 'commonName=supplied' >ca.conf
		openssl ca -batch -config ca.conf -cert ca.pem -keyfile ca.key -in good.csr -out old.pem \
			-startdate 20200101000000Z -enddate 20200102000000Z -extfile good.ext
		cp good.key old.key
	) >"$work/openssl.log" 2>&1

	# tls_push ARGUMENT... - with the authority that signed them.
	tls_push() {
		ask OTEL_EXPORTER_OTLP_ENDPOINT="https://localhost:$port" \
			OTEL_EXPORTER_OTLP_CERTIFICATE="$tls/ca.pem" "$@"
	}
	collector "$tls/good.pem" "$tls/good.key"
	tls_push "$profile"
	quiet 'TLS'
	equal 'TLS: sent' "$(requests)" 1
	ask --endpoint "https://localhost:$port" "$profile"
	said_one 'an authority that nobody knows' 2 'certificate'
	collector "$tls/other.pem" "$tls/other.key"
	tls_push "$profile"
	said_one 'the wrong name' 2 'localhost'
	equal 'the wrong name: not sent' "$(requests)" 0
	collector "$tls/old.pem" "$tls/old.key"
	tls_push "$profile"
	said_one 'expired' 2 'expired'
	equal 'expired: not sent' "$(requests)" 0
	collector "$tls/good.pem" "$tls/good.key" "$tls/ca.pem"
	tls_push OTEL_EXPORTER_OTLP_CLIENT_KEY="$tls/client.key" \
		OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE="$tls/client.pem" "$profile"
	quiet 'a certificate of ours'
	tls_push --retry-for 0 "$profile"
	equal 'none of ours' "$rc $(requests)" '2 1'

	# Both are renewed while an agent is at work: another authority, by the same path.
	(
		cd "$tls" || exit 1
		mkdir new
		openssl req -x509 -newkey rsa:2048 -nodes -keyout new/ca.key -out new/ca.pem -subj /CN=ca2 -days 2
		openssl x509 -req -in good.csr -CA new/ca.pem -CAkey new/ca.key -CAcreateserial \
			-out new/good.pem -days 2 -extfile good.ext
		mkdir first && cp ca.pem first/ && ln -s first now
	) >"$work/openssl.log" 2>&1
	spool=$work/renewed
	mkdir "$spool"
	is_sent() { [ -z "$(find "$spool" -maxdepth 1 -name '*.pb.gz')" ]; }
	collector "$tls/good.pem" "$tls/good.key"
	OTEL_EXPORTER_OTLP_CERTIFICATE="$tls/now/ca.pem" "$otheap" agent --spool "$spool" \
		--endpoint "https://localhost:$port" --retry-first 20ms --retry-most 200ms >"$said" 2>&1 </dev/null &
	agent=$!
	started="$started $agent"
	cp "$profile" "$spool/1.pb.gz"
	check 'renewed: sent before' until_true is_sent
	collector_stops
	ln -s new "$tls/next" && mv -T "$tls/next" "$tls/now" && rm -r "$tls/first"
	COLLECTOR_PORT=$port
	export COLLECTOR_PORT
	collector_again "$tls/new/good.pem" "$tls/good.key"
	unset COLLECTOR_PORT
	cp "$profile" "$spool/2.pb.gz"
	check 'renewed: sent after' until_true is_sent
	kill "$agent"
	pid=$agent
	reap
else
	skip 'TLS' 'no openssl here'
fi

# ---- otheap doctor -------------------------------------------------------------------------

# answers NAME STATUS MARK TEXT - what it says of the collector.
answers() {
	timeout -s KILL 60 env OTEL_EXPORTER_OTLP_ENDPOINT="http://localhost:$port" \
		"$otheap" doctor >"$work/answer" 2>"$said" </dev/null
	rc=$?
	if [ $rc = "$2" ] && [ ! -s "$said" ] && grep -q "^$3 *collector  .*$4" "$work/answer"; then
		ok "$1"
	else
		not_ok "$1" "exit $rc, $(grep collector "$work/answer") $(cat "$said")"
	fi
}
collector
answers 'doctor' 0 ok 'takes profiles'
script '400 nothing in it'
answers 'doctor: it answers' 0 ok 'answers (HTTP status 400'
script '503 busy'
answers 'doctor: later' 0 note '503: busy'
script page
answers 'doctor: a web page' 1 no 'a web page: .*OTEL_EXPORTER_OTLP_ENDPOINT'
script '401 who'
answers 'doctor: not let in' 1 no OTEL_EXPORTER_OTLP_HEADERS
script '404 no'
answers 'doctor: no profiles' 1 no profilesSupport
export OTHEAP_PROTOCOL=pyroscope
answers 'doctor: no Pyroscope' 1 no '404.*it is no Pyroscope'
unset OTHEAP_PROTOCOL
collector_stops
answers 'doctor: nobody there' 1 no 'start it'
"$otheap" doctor >"$work/answer" 2>&1
equal 'doctor: no endpoint' "$? $(grep -c collector "$work/answer")" '0 0'

# ---- nothing there, wrong usage ----------------------------------------------------------

collector
collector_stops
to_collector --retry-for 0 "$profile"
said_one 'nobody listens' 2 "http://localhost:$port/v1development/profiles: "
ask "http_proxy=http://localhost:$port" --retry-for 0 --endpoint http://nowhere.invalid "$profile"
said_one 'a proxy that is not there' 2 "localhost port $port"
ask http_proxy=junk://me:hidden@localhost:1 --retry-for 0 --endpoint http://nowhere.invalid "$profile"
said_one 'a proxy of an unknown kind' 2 'http://nowhere.invalid/'
if grep -q hidden "$said"; then not_ok 'its password is no message' "$(cat "$said")"; else ok 'its password is no message'; fi
ask
said_one 'no file' 2 'no FILE given'
ask --nosuch "$profile"
said_one 'unknown option' 2 "unknown option '--nosuch'"
ask --header "$profile"
said_one 'no file but a header' 2 'no FILE given'
ask --header secret "$profile"
said_one 'a bad header' 2 '--header: expected NAME=VALUE'
if grep -q secret "$said"; then not_ok 'a header is no message' "$(cat "$said")"; else ok 'a header is no message'; fi
ask --retry-for x "$profile"
said_one 'a bad time' 2 "--retry-for 'x': expected seconds"
ask --protocol http/json "$profile"
said_one 'a bad protocol' 2 "--protocol 'http/json': expected http/protobuf, grpc or pyroscope"
ask --endpoint localhost:4318 "$profile"
said_one 'a bad endpoint' 2 '--endpoint: expected a URL like http://localhost:4318'
ask "$work/nosuch"
said_one 'no such file' 2 "$work/nosuch: No such file"
ask -o "$work/no/such" "$profile"
said_one 'no such folder' 2 "$work/no/such: No such file"
ask -o "$work/request" "$PWD/Makefile"
said_one 'no profile' 2 "$PWD/Makefile: "
ask OTEL_EXPORTER_OTLP_TIMEOUT=soon -o "$work/request" "$profile"
said_one 'a bad variable' 0 "OTEL_EXPORTER_OTLP_TIMEOUT: 'soon': expected milliseconds"
ask OTEL_EXPORTER_OTLP_PROTOCOL=pyroscope -o "$work/request" "$profile"
said_one 'not a protocol of theirs' 0 \
	"OTEL_EXPORTER_OTLP_PROTOCOL: 'pyroscope': expected http/protobuf or grpc; it is ignored (OTHEAP_PROTOCOL takes it)"
ask OTHEAP_PROTOCOL=http -o "$work/request" "$profile"
said_one 'not a protocol of ours' 0 "OTHEAP_PROTOCOL: 'http': expected http/protobuf, grpc, pyroscope or auto; it is ignored"
ask OTEL_EXPORTER_OTLP_HEADERS=x=%zz -o "$work/request" "$profile"
said_one 'bad headers' 0 'OTEL_EXPORTER_OTLP_HEADERS: pair 1'
