#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Real programs do their work with a leak check at the end, everything sampled.
# What it calls lost, memcheck calls definitely lost, too: as many blocks of
# that size at the least.
# shellcheck source=SCRIPTDIR/lib.sh
. "$(dirname "$0")/lib.sh"
need valgrind

# agree NAME PROGRAM COMMAND... - PROGRAM is what the profile calls it.
agree() {
	name=$1
	called=$2
	shift 2
	run_plain $memcheck "$@"
	plain=$rc
	memchecks >"$work/memcheck"
	run OTHEAP_LEAK_CHECK=1 OTHEAP_LEAK_REPORT=none OTHEAP_SAMPLE_INTERVAL=1 \
	    OTHEAP_MAX_MEMORY=1g "$@"
	equal "lost, $name: status" "$rc" "$plain"
	ours "$called" >"$work/ours"
	check "lost, $name: a check was made" grep -q '^comment leak check: lost ' "$work/profiles"
	none_more "lost, $name"
}

# try NAME PROGRAM COMMAND... - if there is such a command here.
try() {
	if command -v "$3" >/dev/null; then
		agree "$@"
	else
		skip "lost, $1" "no $3 here"
	fi
}

cat >"$input/work.sql" <<'SQL'
CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, b REAL);
INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
  SELECT i, 'name-' || (i % 997), i * 7919 % 10007 / 100.0 FROM n;
CREATE INDEX ta ON t(a, b);
SELECT a, count(*), sum(b) FROM t GROUP BY a ORDER BY 3 DESC, 1 LIMIT 5;
SQL
mkdir "$input/repository"
(
	cd "$input/repository" || exit 1
	git init -q . && git config user.email nobody@example.org && git config user.name nobody
	for i in 1 2 3 4 5 6 7 8; do
		seq $((i * 50)) >"file$i" && git add . && git commit -q -m "number $i"
	done
	echo more >>file1
) >/dev/null 2>&1
seq 5000 | sed 's/.*/& line &/' >"$input/lines"

try sqlite3 sqlite3 sqlite3 :memory: ".read $input/work.sql"
try 'git log' git git -C "$input/repository" --no-pager log --stat
try 'git status' git git -C "$input/repository" --no-pager status
python=$(readlink -f /usr/bin/python3 2>/dev/null)
try python3 "$(basename "${python:-python3}")" /usr/bin/python3 -c '
import json, re, threading
kept = [json.loads(json.dumps({str(i): [i, i / 7, "x" * (i % 50)]})) for i in range(2000)]
t = threading.Thread(target=lambda: kept.append(re.compile("a+b")))
t.start()
t.join()
print(len(kept))'
try perl perl perl -e 'my %h; $h{$_} = [1 .. 10] for 1 .. 500; print scalar(keys %h), "\n"'
try sort sort sort "$input/lines"
try bash bash bash -c 'for i in 1 2 3 4 5 6 7 8 9; do a[$i]=x$i; f() { echo "$1"; }; f "$i"; done'

# Servers: one check while they work, one at the end.  (Redis of the packages
# brings its own jemalloc, of which memcheck sees nothing.)
server=$(command -v redis-server || command -v redis-check-rdb)
if [ -n "$server" ] && command -v redis-cli >/dev/null; then
	ln -s "$server" "$input/redis-server"
	fresh
	OTHEAP_DIR=$dir LD_PRELOAD=$lib OTHEAP_SAMPLE_INTERVAL=1 OTHEAP_MAX_MEMORY=1g "$input/redis-server" \
	    --port 0 --unixsocket "$own/s" --save '' --dir "$own" --daemonize no >"$out" 2>"$err" </dev/null &
	pid=$!
	started="$started $pid"
	answers() { [ "$(redis-cli -s "$own/s" ping 2>/dev/null)" = PONG ]; }
	if until_true answers; then
		seq 2000 | sed 's/.*/set key:& value-&\nrpush list:& a b c\nhset h f& &/' |
			redis-cli -s "$own/s" >/dev/null 2>&1
		"$B/otheap" dump --leaks "$pid" >"$own/said" 2>&1
		f=$(last_file) && decode "$f"
		redis-cli -s "$own/s" shutdown nosave >/dev/null 2>&1
		reap
		equal 'lost, redis-server: status' "$rc" 0
		if grep -q 'otheap.*not recorded\|another allocator' "$own/said"; then
			skip 'lost, redis-server' "$(head -c 200 "$own/said")"
		else
			equal 'lost, redis-server at work: nothing is lost' \
			    "$(sed -n 's/^comment leak check: lost \([0-9]*\) .*/\1/p' "$text")" 0
		fi
	else
		not_ok 'lost, redis-server' "does not answer: $(head -c 300 "$err")"
	fi
else
	skip 'lost, redis-server' 'no redis-server here'
fi
