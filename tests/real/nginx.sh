#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# nginx with two workers on a loopback port: some hundred requests, a reload, a
# graceful end.  The same replies and status, a profile of each process, also on
# request, and nothing is called lost that memcheck does not call definitely lost.
#
# Installing the package would start a service, so deps.sh does not: it is fetched
# and unpacked here.  The libraries it needs are those of git, openssl and zlib.
# shellcheck source=SCRIPTDIR/lib.sh
. "$(dirname "$0")/lib.sh"
need curl python3

# fetch PACKAGE [OPTION...] - into $work/packages.
fetch() {
	package=$1
	shift
	mkdir -p "$work/packages"
	chmod 777 "$work/packages" # apt has a user of its own
	(cd "$work/packages" && timeout 120 apt-get -q "$@" download "$package") >"$work/apt" 2>&1
}

# find_nginx - make it $input/nginx.
find_nginx() {
	if command -v nginx >/dev/null || [ -x /usr/sbin/nginx ]; then
		ln -s "$(command -v nginx || echo /usr/sbin/nginx)" "$input/nginx"
		return 0
	fi
	command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || return 1
	# Where no list of packages is here, one of our own.
	lists="-o Dir::State::lists=$work/lists -o Dir::Cache=$work/cache"
	for p in nginx nginx-core; do
		if ! fetch $p; then
			mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
			# shellcheck disable=SC2086 # options
			timeout 300 apt-get -q $lists update >"$work/apt" 2>&1 && fetch $p $lists || return 1
		fi
		dpkg-deb -x "$work"/packages/${p}_*.deb "$work/unpacked" || return 1
		if [ -x "$work/unpacked/usr/sbin/nginx" ]; then
			ln -s "$work/unpacked/usr/sbin/nginx" "$input/nginx"
			return 0
		fi
	done
	return 1
}

if ! find_nginx; then
	echo "skip nginx: none here, and none to be fetched: $(tail -n 1 "$work/apt" 2>/dev/null)"
	exit 77
fi
if ldd "$input/nginx" | grep -q 'not found'; then
	echo "skip nginx: $(ldd "$input/nginx" | grep 'not found' | tr -s '\t\n' ' ')"
	exit 77
fi

mkdir "$input/files"
i=1
while [ $i -le 60 ]; do
	seq $((i * 37)) >"$input/files/f$i.txt"
	i=$((i + 1))
done
seq 200000 >"$input/files/big"
cat >"$input/nginx.conf.in" <<'END'
daemon off;
worker_processes 2;
user USER;
pid server.pid;
error_log error.log notice;
events { worker_connections 128; }
http {
	access_log off;
	client_body_temp_path tmp;
	proxy_temp_path tmp;
	fastcgi_temp_path tmp;
	uwsgi_temp_path tmp;
	scgi_temp_path tmp;
	gzip on;
	gzip_types *;
	gzip_min_length 100;
	types { text/plain txt; }
	open_file_cache max=40 inactive=1s;
	server {
		listen 127.0.0.1:PORT;
		root files;
		location /moved { return 301 /f1.txt; }
		location ~ ^/match/(?<name>[a-z]+)$ { return 200 "$name $args\n"; }
		location /again { sub_filter_once off; proxy_pass http://127.0.0.1:PORT/f2.txt; }
	}
}
END
# load.sh - NGINX_PRELOAD is for nginx alone, NGINX_USER its workers' user, NGINX_SIGNAL asks
# for profiles, as does the command NGINX_DUMP, which says what to NGINX_SAID, NGINX_RUN runs it, NGINX_ERR is where its errors go.
cat >"$input/load.sh" <<'SH'
start() {
	port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
	url=http://127.0.0.1:$port
	sed "s/PORT/$port/; s/USER/${NGINX_USER:-root root}/" nginx.conf.in >nginx.conf
	rm -f server.pid error.log
	env ${NGINX_PRELOAD:+LD_PRELOAD="$NGINX_PRELOAD"} ${NGINX_RUN-} ./nginx -p "$PWD/" -e error.log -c nginx.conf \
	    >server.out 2>server.err &
	server=$!
	n=0
	until curl -s -o /dev/null "$url/f1.txt"; do
		n=$((n + 1))
		if [ $n -gt 600 ] || grep -q 'still could not bind' error.log 2>/dev/null; then
			kill -9 $server
			wait $server
			return 1
		fi
		sleep 0.05
	done
}

workers() {
	pgrep -P $server | sort -n
}

visit() {
	curl -s "$url/f[1-60].txt" | cksum
	curl -s --compressed "$url/f[1-60].txt" | cksum
	mkdir -p got && curl -s --no-progress-meter -Z --parallel-max 20 --compressed "$url/f[1-60].txt" -o 'got/#1'
	cat got/* | cksum
	curl -s -o /dev/null -w '%{http_code} ' "$url/none[1-20]" "$url/match/name[1-9]" "$url/moved"
	curl -s -r 1000-499999 "$url/big" | cksum
	curl -s --compressed "$url/big" | cksum
	curl -s "$url/match/word?x=1" "$url/again" | cksum
	curl -sI "$url/f9.txt" | grep -i -e '^HTTP' -e '^Content-Length' | tr -d '\r'
	for i in 1 2 3 4 5 6 7 8 9; do curl -s -d "i=$i" "$url/f$i.txt" | cksum; done
}

start || start || start || { echo 'it does not start'; cat error.log server.err; exit 1; }
visit
if [ -n "${NGINX_SIGNAL-}" ]; then
	for i in 1 2 3; do
		for p in $server $(workers); do kill -"$NGINX_SIGNAL" "$p"; done
		curl -s -o /dev/null "$url/f[1-60].txt"
		sleep 0.3
	done
fi
# Both write over their environment, and USR2 is a request to a master already.
if [ -n "${NGINX_DUMP-}" ]; then
	for p in "$(workers | head -n 1)" $server; do $NGINX_DUMP "$p" >>"$NGINX_SAID" 2>&1; done
fi
before=$(workers)
kill -HUP $server
n=0
until [ "$(workers | wc -l)" = 2 ] && [ "$(workers)" != "$before" ] &&
    [ -z "$(echo "$before" | while read -r p; do [ ! -e "/proc/$p" ] || echo "$p"; done)" ]; do
	n=$((n + 1))
	[ $n -lt 1200 ] || { echo 'no reload'; break; }
	sleep 0.05
done
visit
kill -QUIT $server
wait $server
echo "server: $?"
grep -c 'gracefully shutting down' error.log
grep -e '\[emerg\]' -e '\[alert\]' -e '\[crit\]' -e '\[error\].*exited' error.log
# What it says, not what memcheck does.
grep -v '^==' server.err
cat server.out
[ -z "${NGINX_ERR-}" ] || cp server.err "$NGINX_ERR"
SH
[ "$(id -u)" = 0 ] || sed -i '/^user /d' "$input/nginx.conf.in"
must_say='server: 0'

# Master, two workers, two more after the reload.
processes=5
signal=41 # USR2 is a request to it already

for a in glibc libjemalloc.so.2; do
	if ! present "$a"; then
		skip "nginx over $a" "not installed"
		continue
	fi
	beneath=''
	[ "$a" = glibc ] || beneath=:$a
	base=$work/base
	with=$work/with
	rm -rf "$base"
	run_in "$base" NGINX_PRELOAD="${beneath#:}" sh load.sh
	if ! grep -qxe "$must_say" "$base/stdout"; then
		not_ok "nginx over $a, without us" "did not say '$must_say': $(head -c 600 "$base/stdout")"
		continue
	fi
	for how in OTHEAP_QUIET=0 OTHEAP_DUMP_EVERY=1 "OTHEAP_SIGNAL=$signal NGINX_SIGNAL=$signal" \
	    OTHEAP_SAMPLE_INTERVAL=512k; do
		fresh
		rm -rf "$with"
		interval=1
		want=$processes
		case $how in
		*SIGNAL*) want=$((processes + 3)) ;; # master and workers, one more each
		*=512k) interval=512k want=0 ;;      # none of a process in which nothing was sampled
		esac
		# shellcheck disable=SC2086 # settings
		run_in "$with" NGINX_PRELOAD="$lib$beneath" OTHEAP_DIR="$dir" OTHEAP_MAX_MEMORY=1g \
		    OTHEAP_SAMPLE_INTERVAL=$interval $how sh load.sh
		judge "nginx over $a, interval $interval, $how" "$base" "$with" "$interval" "$want"
	done
done

# By the command: not with the signal that nginx has a use for.
for s in USR2 $signal; do
	fresh
	rm -rf "$work/with"
	run_in "$work/with" NGINX_PRELOAD="$lib" OTHEAP_DIR="$dir" OTHEAP_SAMPLE_INTERVAL=1 \
	    OTHEAP_SIGNAL=$s NGINX_DUMP="$B/otheap dump --dir $dir" NGINX_SAID="$own/said" sh load.sh
	judge "nginx, otheap dump with $s" "$work/base" "$work/with" 1 $processes
	if [ "$s" = USR2 ]; then
		equal "nginx, otheap dump with $s: refused" "$(grep -c 'is not for a profile there' "$own/said")" 2
		equal "nginx, otheap dump with $s: not sent" "$(grep -c USR2 "$work/run/error.log")" 0
	else
		equal "nginx, otheap dump with $s: written" "$(grep -c "^$dir/otheap.nginx.*.1.pb.gz\$" "$own/said")" 2
	fi
done

# ---- lost blocks -----------------------------------------------------------------------------

if ! command -v valgrind >/dev/null; then
	skip 'nginx, lost' 'no valgrind here'
	exit 0
fi
rm -rf "$work/base"
run_in "$work/base" NGINX_RUN="$memcheck" NGINX_ERR="$work/memcheck.err" sh load.sh
err=$work/memcheck.err
equal 'nginx in valgrind: each process was looked at' "$(grep -c 'ERROR SUMMARY' "$err")" $processes
memchecks >"$work/memcheck"

# As services run it: with workers that were root.
fresh
chmod 1777 "$dir"
NGINX_USER=''
[ "$(id -u)" != 0 ] || NGINX_USER="nobody $(id -gn nobody)"
rm -rf "$work/with"
run_in "$work/with" NGINX_PRELOAD="$lib" OTHEAP_DIR="$dir" OTHEAP_MAX_MEMORY=1g OTHEAP_SAMPLE_INTERVAL=1 \
    OTHEAP_LEAK_CHECK=2 OTHEAP_LEAK_REPORT=none OTHEAP_SIGNAL=$signal NGINX_SIGNAL=$signal \
    NGINX_USER="$NGINX_USER" sh load.sh
check 'nginx with leak checks: status and replies' cmp -s "$work/base/stdout" "$work/with/stdout"
# Of the first master and workers, on request.
for f in "$dir"/otheap.nginx.*.1.pb.gz; do
	[ -e "${f%.1.pb.gz}.2.pb.gz" ] || continue
	decode "$f" && checked && echo "$f"
done >"$work/asked"
equal 'nginx: a check on request in master and workers' "$(wc -l <"$work/asked")" 3
# Each process once: in the end, with the last of its profiles.
ours nginx >"$work/ours"
equal 'nginx: no check was left out' "$(grep -c '^comment leak check: not made' "$work/profiles")" 0
ls "$dir" | sort -t . -k 3,3n -k 4,4nr | awk -F . '$3 == before { print } { before = $3 }' |
	while read -r f; do rm -f "$dir/$f"; done
ours nginx >"$work/ours"
equal 'nginx: a check at the end of each process' \
    "$(grep -c '^comment leak check: lost ' "$work/profiles")" $processes
none_more 'nginx, lost'
