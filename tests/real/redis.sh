#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# redis-server on a Unix socket under a bounded load, with a background save (a
# fork) in it: the same replies, the same data, the same status.  As packages link
# it, it brings its own jemalloc.
# shellcheck source=SCRIPTDIR/lib.sh
. "$(dirname "$0")/lib.sh"
need redis-cli redis-benchmark redis-check-rdb

# The server is the same program under another name, in redis-tools, too; the
# package redis-server would start a service.
ln -s "$(command -v redis-server || command -v redis-check-rdb)" "$input/redis-server"

cat >"$input/load.sh" <<'SH'
./redis-server --port 0 --unixsocket "$PWD/s" --save '' --appendonly no --dir . \
    --daemonize no --logfile log --io-threads 2 --activedefrag no --enable-debug-command local >server.out 2>&1 &
server=$!
# From here on without us: what is tested is the server.
unset LD_PRELOAD
cli() { redis-cli -s "$PWD/s" "$@"; }
n=0
until [ "$(cli ping 2>/dev/null)" = PONG ]; do
	n=$((n + 1))
	[ $n -lt 600 ] || { echo "no answer"; cat log; kill -9 $server; exit 1; }
	sleep 0.05
done
echo $server >pid.new && mv pid.new pid
redis-benchmark -s "$PWD/s" -q -n 8000 -c 20 -P 8 -r 3000 -t set,get,lpush,lpop,hset,sadd >bench.out 2>&1
echo "load: $?"
cli flushall
cli <commands | cksum
cli bgsave
cli lastsave >/dev/null
n=0
while cli info persistence | grep -q 'rdb_bgsave_in_progress:1'; do
	n=$((n + 1)); [ $n -lt 200 ] || break
	sleep 0.05
done
cli info persistence | grep -o 'rdb_last_bgsave_status:[a-z]*'
redis-check-rdb dump.rdb | grep -c 'RDB looks OK'
cli dbsize
cli debug digest
cli eval 'local t = {} for i = 1, 5000 do t[i] = string.rep("x", i % 50) end return #table.concat(t)' 0
cli lrange list:7 0 3
cli zrevrange z 0 2 withscores
cli no-such-command
cli shutdown nosave
wait $server
echo "server: $?"
cat server.out
SH
awk 'BEGIN { for (i = 1; i <= 3000; i++) {
	printf "set key:%d %0*d\n", i, i % 300 + 1, i
	printf "rpush list:%d item-%d\nzadd z %d member-%d\nhset h:%d f%d v%d\n", i % 50, i, i, i, i % 20, i, i
	if (i % 5 == 0) printf "del key:%d\n", i - 2
} }' >"$input/commands"
threads=1
must_say='load: 0'
same redis-server sh load.sh
