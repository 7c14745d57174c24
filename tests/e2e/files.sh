#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# files.sh - where profiles go, under which names, and how many stay.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

hold=$prog/hold
one=OTHEAP_SAMPLE_INTERVAL=1

names() { (cd "$dir" && ls -A); }

start $one "$hold" alloc
wait_said ready
kill -USR2 "$pid"
wait_files 1
equal "default name" "$(names)" "otheap.hold.$pid.1.pb.gz"
equal "mode" "$(stat -c %a "$dir"/*)" 600
kill -USR2 "$pid"
wait_files 2
finish
equal "numbers go on" "$(names | tr '\n' ' ')" \
	"otheap.hold.$pid.1.pb.gz otheap.hold.$pid.2.pb.gz otheap.hold.$pid.3.pb.gz "

for mask in 000 777; do
	# shellcheck disable=SC2016 # for the inner shell
	start $one sh -c 'umask $0; exec "$@"' $mask "$hold" alloc
	wait_said ready
	kill -USR2 "$pid"
	wait_files 1
	finish
	equal "mode with umask $mask" "$(stat -c %a "$dir"/*hold* | sort -u)" 600
done

pattern() { # OTHEAP_FILE REGULAR_EXPRESSION
	run $one "OTHEAP_FILE=$1" "$hold" alloc
	if names | grep -qx -e "$2"; then ok "OTHEAP_FILE=$1"; else not_ok "OTHEAP_FILE=$1" "$(names)"; fi
	equal "OTHEAP_FILE=$1: one file" "$(names | wc -l)" 1
	silent "OTHEAP_FILE=$1"
}
pattern heap.pb.gz 'heap\.pb\.gz'
pattern '%%%e-%t' '%hold-[0-9]\{10\}'
pattern '%p' '[0-9]*'
pattern '%n.%n' '1\.1'
pattern '.hidden%n' '\.hidden1'
pattern "$(printf 'a name with spaces%%n')" 'a name with spaces1'

start $one OTHEAP_FILE=same.pb.gz "$hold" alloc
wait_said ready
kill -USR2 "$pid"
wait_files 1
kill -USR2 "$pid"
finish
equal "without %n the last one stays" "$(names)" same.pb.gz
decode "$dir/same.pb.gz" && equal "and is whole" "$(sum site_hold)" "100 100000 100 100000"

# Somebody else's file of the name that would be next.
start $one OTHEAP_FILE=f%n.pb.gz "$hold" alloc
wait_said ready
echo precious >"$dir/f1.pb.gz"
kill -USR2 "$pid"
wait_files 2
finish
equal "a file in the way is not replaced" "$(cat "$dir/f1.pb.gz")" precious

# A symbolic link in the way, to a file and to nothing.
start $one OTHEAP_FILE=f%n.pb.gz "$hold" alloc
wait_said ready
echo precious >"$work/victim"
ln -s "$work/victim" "$dir/f1.pb.gz"
ln -s "$work/new" "$dir/f2.pb.gz"
kill -USR2 "$pid"
wait_files 2
finish
equal "a link is not followed" "$(cat "$work/victim")" precious
if [ -e "$work/new" ]; then not_ok "nor a dangling one" "it made a file"; else ok "nor a dangling one"; fi
fresh
echo precious >"$work/victim"
ln -s "$work/victim" "$dir/fixed"
env $one OTHEAP_DIR="$dir" OTHEAP_FILE=fixed LD_PRELOAD="$lib" "$hold" alloc </dev/null >"$out" 2>"$err"
equal "nor without %n" "$(cat "$work/victim")" precious

# ---- folders ---------------------------------------------------------------------------

fresh
mkdir "$dir/sub"
(cd "$dir" && env $one OTHEAP_DIR=sub LD_PRELOAD="$lib" "$hold" alloc daemon </dev/null >"$out" 2>"$err")
equal "a relative folder and a daemon" "$(find "$dir/sub" -name '*.pb.gz' | wc -l)" 1
silent "a relative folder and a daemon"

fresh
(cd "$dir" && env $one LD_PRELOAD="$lib" "$hold" alloc daemon </dev/null >"$out" 2>"$err")
equal "no folder: where it was started" "$(count_files)" 1

fresh
mkdir "$work/tmpdir"
start $one TMPDIR="$work/tmpdir" OTHEAP_DIR=/nonexistent/folder "$hold" alloc
wait_said ready
kill -USR2 "$pid"
in_tmpdir() { [ "$(find "$work/tmpdir" -name '*.pb.gz' | wc -l)" -ge "$1" ]; }
check "a folder that is not there: TMPDIR" until_true in_tmpdir 1
finish
check "and again at exit" in_tmpdir 2
equal "one line on stderr" "$(wc -l <"$err" | tr -d ' ')" 1
check "which names the folder" grep -q '/nonexistent/folder' "$err"
check "and where they go" grep -q "$work/tmpdir" "$err"

run $one OTHEAP_QUIET=1 TMPDIR="$work/tmpdir" OTHEAP_DIR=/nonexistent "$hold" alloc
silent "OTHEAP_QUIET=1"
run $one TMPDIR=/nonexistent OTHEAP_DIR=/proc OTHEAP_FILE="$(basename "$work").%n" "$hold" alloc
equal "nor TMPDIR: status" "$rc" 0
if [ -e "/tmp/$(basename "$work").1" ]; then ok "nor TMPDIR: /tmp"; else not_ok "nor TMPDIR: /tmp" "$(cat "$err")"; fi
rm -f "/tmp/$(basename "$work").1"

# A name too long to be one.
long=$(awk 'BEGIN { for (i = 0; i < 300; i++) printf "x" }')
run $one "OTHEAP_FILE=$long" "$hold" alloc exit 4
equal "a name too long: status" "$rc" 4
equal "a name too long: told once" "$(wc -l <"$err" | tr -d ' ')" 1
run $one "OTHEAP_DIR=$dir/$long$long$long$long$long$long$long$long$long$long$long$long$long$long" TMPDIR="$work/tmpdir" "$hold" alloc exit 4
equal "a folder too long: status" "$rc" 4

# A disk that is full: a file system of its own, if we may make one.
cat >"$work/full.sh" <<'END'
mount -t tmpfs -o size=16k none "$1" || exit 77
shift
dd if=/dev/zero of="$OTHEAP_DIR/fill" bs=1k count=100 2>/dev/null
LD_PRELOAD=$PRELOAD "$@"
rc=$?
rm "$OTHEAP_DIR/fill"
ls -A "$OTHEAP_DIR"
exit $rc
END
fresh
if unshare -rm true 2>/dev/null || unshare -m true 2>/dev/null; then
	map=-r
	[ "$(id -u)" = 0 ] && map=''
	# shellcheck disable=SC2086
	env $one OTHEAP_DIR="$dir" PRELOAD="$lib" TMPDIR="$dir" unshare $map -m sh "$work/full.sh" "$dir" \
		"$hold" alloc exit 5 </dev/null >"$out" 2>"$err"
	rc=$?
	if [ $rc = 77 ]; then
		skip "disk full" "may not mount"
	else
		equal "disk full: status" "$rc" 5
		equal "disk full: nothing half is left" "$(sed -e '/^ready/d' -e '/^ending/d' "$out")" ""
	fi
else
	skip "disk full" "may not make a name space"
fi

# ---- how many, and when ------------------------------------------------------------------

start $one OTHEAP_MAX_FILES=3 "$hold" alloc
wait_said ready
echo keep >"$dir/otheap.other.1.1.pb.gz"
echo keep >"$dir/notes.txt"
i=1
while [ $i -le 8 ]; do
	kill -USR2 "$pid"
	until_true test -e "$dir/otheap.hold.$pid.$i.pb.gz"
	i=$((i + 1))
done
finish
equal "OTHEAP_MAX_FILES=3 keeps the newest" "$(names | grep hold | tr '\n' ' ')" \
	"otheap.hold.$pid.7.pb.gz otheap.hold.$pid.8.pb.gz otheap.hold.$pid.9.pb.gz "
equal "and what is not ours" "$(cat "$dir/otheap.other.1.1.pb.gz" "$dir/notes.txt" | tr '\n' ' ')" "keep keep "

start $one OTHEAP_DUMP_EVERY=1 "$hold" alloc
wait_said ready
check "OTHEAP_DUMP_EVERY=1 while the program idles" wait_files 2
kill -USR2 "$pid"
check "and by signal" wait_files 3
finish
equal "OTHEAP_DUMP_EVERY=1: status" "$rc" 0
bad=0
for f in "$dir"/*; do decode "$f" || bad=$f; done
equal "OTHEAP_DUMP_EVERY=1: all readable" "$bad" 0

run $one OTHEAP_DUMP_AT_EXIT=0 "$hold" alloc
equal "OTHEAP_DUMP_AT_EXIT=0" "$(names)" ""
run OTHEAP_SAMPLE_INTERVAL=1g "$hold"
equal "nothing sampled, no file" "$(names)" ""
