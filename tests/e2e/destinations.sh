#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# destinations.sh - programs of one user, each with a collector or credentials of
# its own and nothing said of OTHEAP_SPOOL: no profile goes to another's.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/collector.sh
. tests/e2e/collector.sh

asks agent
limit_s=60
runtime=$work/runtime
folders=$runtime/otheap
mkdir -m 700 "$runtime"

# serve NAME COLLECTOR_PORT [VAR=VALUE...] - a program that allocates and waits.
serve() {
	name=$1
	to=$2
	shift 2
	mkfifo "$work/$name.in"
	: >"$work/$name.err"
	chmod 666 "$work/$name.err" # the library opens it anew, as the user it runs as
	# shellcheck disable=SC2086 # a command and its arguments
	$user env "$@" XDG_RUNTIME_DIR="${in-$runtime}" LD_PRELOAD="$lib" OTHEAP_SAMPLE_INTERVAL=1 \
		OTEL_SERVICE_NAME="svc-$name" OTEL_EXPORTER_OTLP_COMPRESSION=none \
		OTEL_EXPORTER_OTLP_ENDPOINT="http://localhost:$to" "${hold-$prog/hold}" alloc \
		>"$work/$name.out" 2>"$work/$name.err" <"$work/$name.in" &
	eval "pid_$name=\$!"
	started="$started $!"
}
user=''

# came COLLECTOR NAME [HEADER] - requests with a profile of it, with this header.
came() {
	for f in "$1"/*.body; do
		[ -e "$f" ] && grep -aq "svc-$2" "$f" || continue
		[ -z "${3-}" ] || grep -iqx "$3.*" "${f%.body}.headers" || continue
		echo "$f"
	done | wc -l
}
# Everything that a collector got: NAME:TOKEN, in order.
got() {
	for f in "$1"/*.body; do
		[ -e "$f" ] || continue
		token=$(tr -d '\r' <"${f%.body}.headers" | sed -n 's/^token: //Ip')
		grep -ao 'svc-[a-z]*' "$f" | sort -u | sed "s/$/:$token/"
	done | sort -u | tr '\n' ' '
}
agents() { # that hold a lock
	for f in "$folders"/*/agent.lock; do
		[ -e "$f" ] && "$otheap" agent --status --spool "${f%/*}" 2>/dev/null | grep -q '^Agent *running' && echo "$f"
	done
}
has_agents() { [ "$(agents | wc -l)" = "$1" ]; }
markers() { find "$folders" -name '*.process' | wc -l; }
has_markers() { [ "$(markers)" = "$1" ]; }

collector
one=$at
port_one=$port
collector
two=$at
port_two=$port

# All at once, before any of them has an agent: a and b differ by endpoint, c and d by header.
serve a "$port_one"
exec 3>"$work/a.in"
serve b "$port_two"
exec 4>"$work/b.in"
serve c "$port_one" OTEL_EXPORTER_OTLP_HEADERS=token=secret-c
exec 5>"$work/c.in"
serve d "$port_one" OTEL_EXPORTER_OTLP_PROFILES_HEADERS=token=secret-d
exec 6>"$work/d.in"
serve e "$port_one"
exec 7>"$work/e.in"
check 'each program leaves its marker' until_true has_markers 5
equal 'one folder for each destination' "$(find "$folders" -mindepth 1 -maxdepth 1 -type d | wc -l)" 4
check 'and one agent, which two of one destination share' until_true has_agents 4
equal 'the folder of the user is private' "$(stat -c %a "$folders")" 700
equal 'and so are those in it' "$(stat -c %a "$folders"/*/ | sort -u)" 700
equal 'a secret is in no name of a file' "$(find "$folders" | grep -c secret)" 0
equal 'nor in a file' "$(grep -rl secret "$folders" | wc -l)" 0
of_c=$(eval "echo \$pid_c")
"$otheap" dump "$of_c" >"$work/dump" 2>&1
equal 'dump finds the folder of one' $? 0
check 'and says it' grep -q "^$folders/[0-9a-f]\{16\}/.*\.pb\.gz$" "$work/dump"
"$otheap" doctor "$of_c" >"$work/doctor" 2>&1
check 'doctor says the same' grep -q "^ok *folder *$(dirname "$(head -n 1 "$work/dump")")$" "$work/doctor"
XDG_RUNTIME_DIR=$runtime "$otheap" agent --status >"$work/status" 2>&1
equal 'the status without a folder is of all' "$(grep -c "^Folder *$folders/" "$work/status")" 4
of_port() { grep -c "^Endpoint .*localhost:$1/" "$work/status"; }
equal 'with their endpoints' "$(of_port "$port_one") $(of_port "$port_two")" '3 1'
for name in a b c d e; do kill -USR2 "$(eval "echo \$pid_$name")"; done
has_come() {
	[ "$(came "$one" a)" -ge 1 ] && [ "$(came "$two" b)" -ge 1 ] && [ "$(came "$one" c)" -ge 1 ] &&
		[ "$(came "$one" d)" -ge 1 ] && [ "$(came "$one" e)" -ge 1 ]
}
check 'all arrive' until_true has_come
exec 3>&- 4>&- 5>&- 6>&- 7>&-
check 'the agents end with the programs' until_true has_agents 0
# The profiles at the ends, too.
equal 'at the first collector, each with its own header' "$(got "$one")" \
	'svc-a: svc-c:secret-c svc-d:secret-d svc-e: '
equal 'at the second one its own only' "$(got "$two")" 'svc-b: '
equal 'nothing is left' "$(find "$folders" -maxdepth 2 -name '*.pb.gz' | wc -l)" 0
equal 'nobody said anything' "$(cat "$work"/?.err)" ''

# ---- folders of destinations that are no more --------------------------------------------

some=$(find "$folders" -mindepth 1 -maxdepth 1 -type d | head -n 1)
unused=$folders/00000000000000aa
used=$folders/00000000000000bb
young=$folders/00000000000000cc
for f in "$unused" "$used" "$young"; do cp -r "$some" "$f"; done
: >"$used/$$.$(sed 's/.*) //' /proc/$$/stat | cut -d ' ' -f 20).process"
echo waits >"$unused/1.pb.gz"
mkdir -p "$unused/leaks/of-one" "$folders/other"
find "$unused" "$used" "$folders/other" -depth -exec touch -h -d '2 days ago' {} +
serve f "$port_two"
exec 3>"$work/f.in"
check 'a program comes later' until_true has_agents 1
kill -USR2 "$(eval "echo \$pid_f")"
f_has_come() { [ "$(came "$two" f)" -ge 1 ]; }
check 'its profile arrives' until_true f_has_come
equal 'a folder that nobody uses is gone' "$(find "$folders" -path "$unused*")" ''
check 'and what waited there is counted' until_true grep -qx 'lost_age: 1' "$folders"/*/agent.state
check 'one of a program that lives stays' test -e "$used/agent.state"
check 'one of yesterday stays' test -e "$young/agent.state"
check 'what is none of ours stays' test -d "$folders/other"
exec 3>&-
check 'the agent ends' until_true has_agents 0

# ---- many that are the first -----------------------------------------------------------------

runtime=$work/crowd
folders=$runtime/otheap
mkdir -m 700 "$runtime"
n=0
crowd=''
while [ $n -lt 60 ]; do
	env XDG_RUNTIME_DIR="$runtime" LD_PRELOAD="$lib" OTHEAP_SAMPLE_INTERVAL=1 \
		OTEL_EXPORTER_OTLP_ENDPOINT="http://localhost:$port_two" "$prog/hold" alloc exit 0 \
		>/dev/null 2>>"$work/crowd.err" </dev/null &
	crowd="$crowd $!"
	n=$((n + 1))
done
# shellcheck disable=SC2086
wait $crowd
equal 'many at once: one folder' "$(find "$folders" -mindepth 1 -maxdepth 1 -type d | wc -l)" 1
spool=$(find "$folders" -mindepth 1 -maxdepth 1 -type d)
all_sent() { "$otheap" agent --status --spool "$spool" | grep -q '^Sent *60 '; }
check 'many at once: each profile is sent' until_true all_sent
check 'many at once: the agent ends' until_true has_agents 0
equal 'many at once: silent' "$(cat "$work/crowd.err")" ''

# ---- in /tmp -------------------------------------------------------------------------------

if [ "$(id -u)" = 0 ] && setpriv --reuid=65533 --regid=65533 --clear-groups true 2>/dev/null; then
	cp "$lib" "$otheap" "$prog/hold" "$work"
	chmod 755 "$work/libotheap.so" "$work/otheap" "$work/hold"
	lib=$work/libotheap.so
	hold=$work/hold
	in=''
	user='setpriv --reuid=65533 --regid=65533 --clear-groups'
	folders=/tmp/otheap-65533
	rm -rf "$folders"

	serve g "$port_two"
	exec 3>"$work/g.in"
	check '/tmp: an agent' until_true has_agents 1
	exec 3>&-
	g_has_come() { [ "$(came "$two" g)" -ge 1 ]; }
	check '/tmp: the profile arrives' until_true g_has_come
	check '/tmp: the agent ends' until_true has_agents 0
	equal '/tmp: silent' "$(cat "$work/g.err")" ''

	# Others may look into it, or it is another's.
	for mode in 755 700; do
		rm -rf "$folders"
		mkdir "$folders"
		[ $mode = 755 ] && chown 65533 "$folders"
		chmod $mode "$folders"
		mkdir "$work/dir.$mode"
		chmod 777 "$work/dir.$mode"
		serve "h$mode" "$port_two" TMPDIR="$work/dir.$mode"
		exec 3>"$work/h$mode.in"
		exec 3>&-
		eval "pid=\$pid_h$mode"
		reap
		equal "/tmp: $mode: status" "$rc" 0
		equal "/tmp: $mode: nothing is in it" "$(find "$folders" -mindepth 1)" ''
		equal "/tmp: $mode: one line says so" "$(sed 's/otheap: profiles are not sent: //; s/;.*//' \
			"$work/h$mode.err" | head -n 1)" "the folder is not this user's alone"
		equal "/tmp: $mode: it is not sent" "$(came "$two" "h$mode")" 0
	done
	rm -rf "$folders"
else
	skip '/tmp' 'needs root and setpriv'
fi
