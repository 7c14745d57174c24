#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# export.sh - a program whose profiles are to be sent: the folder, the marker, the
# agent that is started, and what the program sees of it: nothing.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

one=OTHEAP_SAMPLE_INTERVAL=1
otheap=$B/otheap
stand=$work/stand-in
calls=$work/calls
spool=$work/spool
endpoint=OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1
export LC_ALL=C
unset OTEL_EXPORTER_OTLP_PROFILES_ENDPOINT OTEL_SDK_DISABLED XDG_RUNTIME_DIR

# In place of the command: it says how it was called.
cat >"$stand" <<END
#!/bin/sh
echo "\$* preload=\${LD_PRELOAD-none} interval=\${OTHEAP_SAMPLE_INTERVAL-none}" \
	"\$OTEL_EXPORTER_OTLP_CLIENT_KEY \$OTEL_EXPORTER_OTLP_PROFILES_CERTIFICATE" >>"$calls"
END
chmod 755 "$stand"

# begin [VAR=VALUE...] PROGRAM... - start it, exporting by the stand-in.
begin() {
	rm -rf "$calls" "$spool"
	: >"$calls"
	start $one $endpoint OTHEAP_COMMAND="$stand" OTHEAP_SPOOL="$spool" "$@"
	wait_said ready
}

called() { [ "$(wc -l <"$calls")" -ge "${1:-1}" ]; }
spooled() { find "$spool" -name '*.pb.gz' | wc -l; }
has_spooled() { [ "$(spooled)" -ge "$1" ]; }

# ---- the start -----------------------------------------------------------------------

begin OTHEAP_METRICS=7 "$prog/hold" alloc
check "with metrics: the agent is started" until_true called
finish
check "with metrics" grep -q -e '^agent .* --with-processes --metrics 7s ' "$calls"
begin OTEL_SERVICE_NAME=shop OTEL_EXPORTER_OTLP_CLIENT_KEY=its/key \
	OTEL_EXPORTER_OTLP_PROFILES_CERTIFICATE=/its/ca "$prog/hold" alloc
check "the agent is started" until_true called
equal "with its arguments, and without us" "$(sort -u "$calls")" \
	"agent --spool $spool --with-processes preload=none interval=0 $PWD/its/key /its/ca"
equal "the folder is private" "$(stat -c %a "$spool")" 700
equal "the marker" "$(cd "$spool" && echo *.process)" \
	"$pid.$(sed 's/.*) //' "/proc/$pid/stat" | cut -d ' ' -f 20).process"
equal "no descriptor is kept" "$(find /proc/$pid/fd /proc/$pid/task/*/fd -type l -lname '*spool*' | wc -l)" 0
equal "no socket" "$(find /proc/$pid/fd /proc/$pid/task/*/fd -type l -lname 'socket:*' | wc -l)" 0
before=$(find /proc/$pid/fd -type l | wc -l)
kill -USR2 "$pid"
check "a profile goes to the spool" until_true has_spooled 1
check "and somebody is called for it" until_true called 2
equal "as many descriptors as before" "$(find /proc/$pid/fd -type l | wc -l)" "$before"
children() { cat "/proc/$pid/task/$pid/children"; }
equal "no child is left" "$(children)" ""
finish
equal "status" "$rc" 0
equal "none goes to OTHEAP_DIR" "$(count_files)" 0
equal "the last one goes to the spool" "$(spooled)" 2
names_itself() {
	for f in "$spool"/*.pb.gz; do
		decode "$f"
		sed -n 's/^comment process: //p' "$text"
	done
}
equal "its profiles are of one process" "$(names_itself | uniq -c | awk '{ print $1, length($2) }')" "2 16"
decode "$(find "$spool" -name '*.2.pb.gz')"
equal "it says whose it is" "$(sed -n 's/^comment \(OTEL_.*\)/\1/p' "$text" | tr '\n' ' ')" \
	"OTEL_SERVICE_NAME=shop OTEL_RESOURCE_ATTRIBUTES= "
silent "export"

rm -rf "$spool"
start $one $endpoint OTHEAP_COMMAND="$stand" "$prog/hold" alloc
wait_said ready
finish
equal "the folder is OTHEAP_DIR by default" "$(count_files)" 1
run $one $endpoint OTHEAP_OTLP=0 OTHEAP_COMMAND=/no/such "$prog/hold" alloc
equal "OTHEAP_OTLP=0: no marker" "$(find "$dir" -name '*.process' | wc -l)" 0
silent "OTHEAP_OTLP=0"
run $one $endpoint OTEL_SDK_DISABLED=true OTHEAP_COMMAND=/no/such "$prog/hold" alloc
equal "OTEL_SDK_DISABLED=true: no marker" "$(find "$dir" -name '*.process' | wc -l)" 0

# One that holds the lock is not started again.
if command -v python3 >/dev/null; then
	mkdir "$spool"
	cat >"$work/lock.py" <<-'END'
		import fcntl, os, struct, sys
		fd = os.open(sys.argv[1] + "/agent.lock", os.O_RDWR | os.O_CREAT, 0o600)
		fcntl.fcntl(fd, 37, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))
		open(sys.argv[1] + "/held", "w").close()
		sys.stdin.read()
	END
	mkfifo "$work/hold"
	python3 "$work/lock.py" "$spool" <"$work/hold" &
	locker=$!
	started="$started $locker"
	exec 8>"$work/hold"
	until_true test -e "$spool/held"
	: >"$calls"
	run $one $endpoint OTHEAP_COMMAND="$stand" OTHEAP_SPOOL="$spool" "$prog/hold" alloc
	equal "an agent that lives is enough" "$(cat "$calls")" ""
	# What waits is then the agent's to bound and to count.
	start $one $endpoint OTHEAP_COMMAND="$stand" OTHEAP_SPOOL="$spool" OTHEAP_MAX_FILES=2 "$prog/hold" alloc
	wait_said ready
	before=$(spooled)
	for n in 1 2 3 4; do
		kill -USR2 "$pid"
		check "OTHEAP_MAX_FILES, and an agent: $n" until_true has_spooled $((before + n))
	done
	finish
	exec 8>&-
	wait $locker
	run $one $endpoint OTHEAP_COMMAND="$stand" OTHEAP_SPOOL="$spool" "$prog/hold" alloc
	check "and when it is gone, another is started" until_true called
	run $one $endpoint OTHEAP_COMMAND="$stand" OTHEAP_SPOOL="$spool" OTHEAP_MAX_FILES=2 "$prog/hold" alloc
	equal "OTHEAP_MAX_FILES, and no agent" "$(spooled)" 2
else
	skip "an agent that lives is enough" "no python3"
fi

# ---- what the program sees ------------------------------------------------------------------

# It allocates, opens and closes files and waits for children, and says what is odd.
begin OTHEAP_DUMP_EVERY=1 "$prog/watch" plain
check "watched: it is started" until_true called 3
finish
equal "watched: status" "$rc" 0
inside watched
silent watched

begin OTHEAP_DUMP_EVERY=1 env --ignore-signal=CHLD "$prog/hold" alloc
check "SIGCHLD ignored: it is started" until_true called 3
finish
equal "SIGCHLD ignored: status" "$rc" 0

# Children that profile leave their own marker.
run $one $endpoint OTHEAP_COMMAND="$stand" "$prog/forks" family
equal "forks: status" "$rc" 0
inside forks
equal "forks: a marker for each" "$(find "$dir" -name '*.process' | wc -l)" 3
silent forks

# ---- with a leak report --------------------------------------------------------------------

# An agent that takes everything away at once, also while the report is made.
cat >"$work/taker" <<END
#!/bin/sh
rm -f "$spool"/*.pb.gz
[ "\$1" = leaks ] || exit 0
for f in "\$@"; do
	case \$f in *.pb.gz) gzip -t "\$f" && echo "\${f#"$spool/"}" | sed 's,/[0-9]*\.[0-9]*\.[0-9]*\.[0-9a-f]*/,/OWN/,' ;; esac
done >>"$work/reported"
END
chmod 755 "$work/taker"
rm -rf "$spool"
start $one $endpoint OTHEAP_LEAK_BASELINE=start OTHEAP_COMMAND="$work/taker" OTHEAP_SPOOL="$spool" "$prog/hold" alloc
wait_said ready
kept() { [ "$(find "$spool/leaks" -name '*.pb.gz' 2>/dev/null | wc -l)" = 1 ] && [ "$(spooled)" = 1 ]; }
check "a leak report: the baseline is kept, and only there" until_true kept
finish
equal "a leak report: status" "$rc" 0
equal "a leak report: it has its profiles" "$(cat "$work/reported")" \
	"leaks/OWN/otheap.hold.$pid.1.pb.gz
leaks/OWN/otheap.hold.$pid.2.pb.gz"
equal "a leak report: nothing of them is left" "$(ls "$spool/leaks")" ""

# Another baseline has the name of the first where names have no number.
begin OTHEAP_FILE=heap.pb.gz OTHEAP_LEAK_BASELINE=start "$prog/hold" alloc
kept() { [ -e "$(echo "$spool"/leaks/*/baseline.heap.pb.gz)" ]; }
check "a name without a number: the baseline is kept" until_true kept
"$otheap" baseline "$pid" >"$work/asked" 2>&1
equal "a name without a number: another one" "$? $(cat "$work/asked")" "0 $spool/baseline.heap.pb.gz"
check "a name without a number: it is kept, too" kept
finish
equal "a name without a number: nothing is left" "$(ls "$spool/leaks")" ""

# own_of PID - its folder.
own_of() { find "$spool/leaks" -mindepth 1 -maxdepth 1 -name "$1.*"; }
owns() { [ -n "$(own_of "$1")" ]; }
# An agent of ours looks once, and the folder is not that young.
look_once() {
	touch -d '1 hour ago' "$spool"/leaks/*
	"$otheap" agent --spool "$spool" --endpoint http://127.0.0.1:1 --once >/dev/null 2>&1
}
begin OTHEAP_LEAK_BASELINE=start "$prog/hold" alloc
check "killed: the baseline is kept" until_true owns "$pid"
look_once
check "killed: not yet" owns "$pid"
kill -9 "$pid"
reap
check "killed: the baseline is left" owns "$pid"
look_once
equal "killed: the agent has removed it" "$(ls "$spool/leaks")" ""

# ---- the agent itself --------------------------------------------------------------------------

if command -v python3 >/dev/null; then
	cat >"$work/server.py" <<-'END'
		import http.server, sys
		class Handler(http.server.BaseHTTPRequestHandler):
		    def do_POST(self):
		        self.rfile.read(int(self.headers.get("Content-Length", 0)))
		        print("got", self.path, flush=True)
		        self.send_response(200)
		        self.send_header("Content-Length", "0")
		        self.end_headers()
		    def log_message(self, *args):
		        pass
		server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
		print(server.server_port, flush=True)
		server.serve_forever()
	END
	python3 "$work/server.py" >"$work/server" 2>/dev/null &
	started="$started $!"
	until_true test -s "$work/server"
	port=$(head -n 1 "$work/server")
	rm -rf "$spool"
	run $one OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:$port" OTHEAP_SPOOL="$spool" "$prog/hold" alloc exit 3
	equal "the agent: status of the program" "$rc" 3
	silent "the agent"
	check "the agent: the profile arrives" until_true grep -q '^got /v1development/profiles' "$work/server"
	none_left() { [ "$(find "$spool" -maxdepth 1 -name '*.pb.gz' -o -maxdepth 1 -name '*.process' | wc -l)" = 0 ]; }
	check "the agent: nothing waits any more" until_true none_left
	# By our own variable, whatever theirs says.
	rm -rf "$spool"
	run $one OTHEAP_PROTOCOL=pyroscope OTEL_EXPORTER_OTLP_PROTOCOL=grpc \
		OTEL_EXPORTER_OTLP_PROFILES_ENDPOINT="http://127.0.0.1:$port" OTEL_SERVICE_NAME=shop \
		OTHEAP_SPOOL="$spool" "$prog/hold" alloc exit 3
	equal "to Pyroscope: status of the program" "$rc" 3
	silent "to Pyroscope"
	check "to Pyroscope: the profile arrives" until_true grep -q '^got /ingest?name=shop%7B' "$work/server"
	check "to Pyroscope: nothing waits any more" until_true none_left
else
	skip "the agent: the profile arrives" "no python3"
	skip "to Pyroscope: the profile arrives" "no python3"
fi

# ---- where it cannot be started ---------------------------------------------------------------

run $one $endpoint OTHEAP_COMMAND=/no/such "$prog/hold" alloc exit 5
equal "no command: status" "$rc" 5
equal "no command: one line" "$(wc -l <"$err")" 1
check "no command: it says so" grep -q '^otheap: profiles are not sent: .*; they stay in ' "$err"
equal "no command: the profile stays" "$(count_files)" 1
begin "$prog/hold" alloc
check "it does not stay: it is started" until_true called
sleep 3.1
finish
equal "it does not stay: one line" "$(wc -l <"$err")" 1
check "it does not stay: it says so" grep -q '^otheap: the agent .* had ended .* wait in ' "$err"
run $one $endpoint OTEL_SDK_DISABLED=yes OTHEAP_COMMAND="$stand" "$prog/hold" alloc
equal "OTEL_SDK_DISABLED=yes" "$(cat "$err")" 'otheap: OTEL_SDK_DISABLED=yes: expected true or false; using false'
equal "OTEL_SDK_DISABLED=yes: it is not" "$(find "$dir" -name '*.process' | wc -l)" 1
run $one $endpoint OTHEAP_COMMAND="$work" "$prog/hold" alloc
check "no program: it says so" grep -q 'cannot be started, error 13' "$err"

# ---- a container ---------------------------------------------------------------------------------

if [ "$(id -u)" = 0 ] && unshare -pf true 2>/dev/null; then
	rm -rf "$spool"
	cat >"$work/slow" <<-END
		#!/bin/sh
		(sleep 0.3; rm -f "$spool"/*.pb.gz) &
	END
	chmod 755 "$work/slow"
	run unshare -pf --mount-proc env $one $endpoint OTHEAP_COMMAND="$work/slow" \
		OTHEAP_SPOOL="$spool" OTHEAP_EXIT_TIMEOUT=30 "$prog/hold" alloc exit 8
	equal "first of a namespace: status" "$rc" 8
	equal "first of a namespace: it waits until all is sent" "$(find "$spool" -name '*hold.1.*' | wc -l)" 0
	# Also one that has no profile of its own, for those of its children.
	run unshare -pf --mount-proc env OTHEAP_SAMPLE_INTERVAL=1g $endpoint OTHEAP_COMMAND="$work/slow" \
		OTHEAP_SPOOL="$spool" OTHEAP_EXIT_TIMEOUT=30 \
		sh -c "OTHEAP_SAMPLE_INTERVAL=1 '$prog/hold' alloc exit 8; exit 9"
	equal "first of a namespace: a shell: status" "$rc" 9
	equal "first of a namespace: a shell: its child's profile, too" "$(spooled)" 0
	run unshare -pf --mount-proc env $one $endpoint OTHEAP_COMMAND="$stand" \
		OTHEAP_SPOOL="$spool" OTHEAP_EXIT_TIMEOUT=1 "$prog/hold" alloc exit 8
	equal "first of a namespace: not for ever" "$rc" 8
	equal "first of a namespace: it is in the spool" "$(find "$spool" -name '*hold.1.*' | wc -l)" 1
	# What another namespace has is not judged by our numbers.
	rm -rf "$spool"
	start unshare -pf --kill-child --mount-proc env $one $endpoint OTHEAP_LEAK_BASELINE=start \
		OTHEAP_COMMAND="$stand" OTHEAP_SPOOL="$spool" OTHEAP_EXIT_TIMEOUT=1 "$prog/hold" alloc
	wait_said ready
	check "first of a namespace: the baseline is kept" until_true owns 1
	look_once
	check "first of a namespace: no agent outside takes it" owns 1
	finish
	equal "first of a namespace: nothing is left" "$(ls "$spool/leaks")" ""
	limit_s=20
	run unshare -pf --mount-proc env $one $endpoint OTHEAP_COMMAND=/no/such \
		OTHEAP_SPOOL="$spool" OTHEAP_EXIT_TIMEOUT=60 "$prog/hold" alloc exit 8
	equal "first of a namespace: not for an agent that is not there" "$rc" 8
	run unshare -pf --mount-proc env $one $endpoint OTHEAP_COMMAND="$stand" \
		OTHEAP_SPOOL="$spool" OTHEAP_EXIT_TIMEOUT=60 "$prog/hold" alloc exit 8
	equal "first of a namespace: nor for one that ends" "$rc" 8
	limit_s=60
	# Orphans become its children; an agent that lives on must not be one that it waits for.
	cat >"$work/stays" <<-END
		#!/bin/sh
		echo up >"$work/up"
		exec sleep 60
	END
	chmod 755 "$work/stays"
	rm -f "$work/up"
	start unshare -pf --mount-proc env $one $endpoint OTHEAP_COMMAND="$work/stays" \
		OTHEAP_SPOOL="$spool" OTHEAP_EXIT_TIMEOUT=1 "$prog/watch" plain
	wait_said ready
	check "first of a namespace: the agent stays" until_true test -e "$work/up"
	sleep 0.2
	finish
	equal "first of a namespace: no child to wait for: status" "$rc" 0
	inside "first of a namespace: no child to wait for"
	# Who gives up his rights has a folder of the user he becomes.
	theirs=/tmp/otheap-61234
	if command -v python3 >/dev/null && mkdir "$theirs" 2>/dev/null; then
		rmdir "$theirs"
		run env -u OTHEAP_DIR $one $endpoint OTHEAP_COMMAND="$stand" python3 -c \
			'import os; os.setgid(61234); os.setuid(61234)'
		equal "another user: status" "$rc" 0
		equal "another user: the folder is his" "$(stat -c '%u %a' "$theirs")" '61234 700'
		equal "another user: the profile is there" "$(find "$theirs" -name '*.pb.gz' | wc -l)" 1
		rm -rf "$theirs"
	else
		skip "another user: status" "no python3, or $theirs is there"
	fi
	# Under /tmp, a folder of somebody else's is not used.
	theirs=/tmp/otheap-test-$$
	mkdir "$theirs" && chown 65534 "$theirs"
	run $one $endpoint OTHEAP_COMMAND="$stand" OTHEAP_SPOOL="$theirs" TMPDIR="$work" "$prog/hold" alloc
	equal "somebody else's folder: status" "$rc" 0
	equal "somebody else's folder: nothing in it" "$(find "$theirs" -type f | wc -l)" 0
	check "somebody else's folder: it says so" grep -q 'belongs to somebody else' "$err"
	rmdir "$theirs"
else
	skip "first of a namespace" "only root can make one"
fi
