#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# demo.sh - the main job in one minute: a real program from a package, a heap
# profile by signal while it works and one when it ends, and who holds the memory.

PATH=/usr/bin:/bin:$PATH
cd "$(dirname "$0")/.." || exit 1
B=${B:-build}
out=$B/demo
case $B in
/*) abs=$B ;;
*) abs=$PWD/$B ;;
esac

give_up() {
	echo "demo: $1" >&2
	exit 1
}

python=/usr/bin/python3
[ -x $python ] || give_up "there is no $python here; 'make deps' installs it"
[ -e "$abs/libotheap.so" ] || give_up "$B/libotheap.so is not built; 'make' builds it"

rm -rf "$out"
mkdir -p "$out" || exit 1

# Python, because Debian's keeps the names of its functions; python3 and most
# others come stripped.  PYTHONMALLOC: otherwise small objects share arenas that
# Python maps itself, past every malloc.
cat >"$out/readings.py" <<'PY'
import json

text = "\n".join(
    json.dumps({"id": i, "sensor": "sensor-%d" % (i % 997), "at": 1700000000 + i,
                "value": (i * 7919 % 10007) / 100, "note": "reading %d of the day" % i})
    for i in range(150000))
readings = [json.loads(line) for line in text.split("\n")]
by_sensor = {}
for reading in readings:
    by_sensor.setdefault(reading["sensor"], []).append(reading)
print("150000 readings are in memory, and an index over them", flush=True)

for _ in range(8):
    words = text.split()
best = max(by_sensor, key=lambda s: sum(r["value"] for r in by_sensor[s]) / len(by_sensor[s]))
print("the highest average:", best)
print(len(set(r["note"] for r in readings)), "different notes")
print(len(words), "words,", len(",".join(r["note"] for r in readings)), "characters in all notes")
PY

step() {
	printf '\n==> %s\n\n' "$*"
}

# Show a command as one would type it, then run it.
type_it() {
	printf '    $ %s\n\n' "$*"
	"$@"
}

step "python3 reads and indexes some data, under otheap"
printf '    $ LD_PRELOAD=%s/libotheap.so PYTHONMALLOC=malloc python3 readings.py\n\n' "$B"
LD_PRELOAD=$abs/libotheap.so OTHEAP_DIR=$out PYTHONMALLOC=malloc \
    $python "$out/readings.py" >"$out/answers.txt" 2>&1 &
pid=$!
trap 'kill "$pid" 2>/dev/null' EXIT
trap 'exit 1' HUP INT TERM

# The index stands; the work goes on.
turns=0
until grep -q index "$out/answers.txt"; do
	turns=$((turns + 1))
	if [ $turns -gt 1200 ] || ! kill -0 "$pid" 2>/dev/null; then
		give_up "python3 did not get there: $(cat "$out/answers.txt")"
	fi
	sleep 0.05
done
step "in the middle of it: a profile, now"
printf '    $ kill -USR2 %s\n\n' "$pid"
kill -USR2 "$pid" || give_up "python3 is gone already"
# The name says which Python it is: otheap.python3.11.PID.1.pb.gz
name=$(basename "$(readlink -f $python)")
middle=$out/otheap.$name.$pid.1.pb.gz
turns=0
until [ -e "$middle" ]; do
	turns=$((turns + 1))
	[ $turns -lt 600 ] || give_up "no profile after 30 s"
	sleep 0.05
done
echo "    $(du -k "$middle" | cut -f 1) KiB in $middle"

wait "$pid" || give_up "python3 failed: $(cat "$out/answers.txt")"
trap - EXIT
end=$out/otheap.$name.$pid.2.pb.gz
step "python3 has ended, and said:"
sed 's/^/    /' "$out/answers.txt"
[ -e "$end" ] || give_up "no profile at exit"

step "who held the memory in the middle"
type_it "$B/otheap" top -n 10 "$middle"
step "what was allocated from start to end"
type_it "$B/otheap" top -n 10 -s alloc_space "$end"

cat <<END

==> both profiles stay here

    $middle
    $end

What to type next:

    $B/otheap top --stacks -n 3 $middle      whole call stacks
    $B/otheap top --help
END
! command -v go >/dev/null || echo "    go tool pprof -top $middle      the same file by another reader"
cat <<END

and with a program of your own:

    LD_PRELOAD=$abs/libotheap.so ./app
    kill -USR2 PID

END
