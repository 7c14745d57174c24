#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# deep.sh - 100,000 stacks of 128 frames, the deepest there are: sent within 64 MiB of
# memory, in several requests, and all of it arrives.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/collector.sh
. tests/e2e/collector.sh

export LC_ALL=C
said=$work/said
export OTEL_EXPORTER_OTLP_COMPRESSION=gzip
collector

# Two profiles of one process.  No two stacks of the first have much in common; those of the
# second are as a program's are.
"$prog/mkprofile" --samples 100000 --locations 20000 --depth 128 --seed 1 --time 10 "$work/1.pb"
"$prog/mkprofile" --samples 100000 --locations 20000 --depth 128 --trunks 2000 --seed 2 --time 12 "$work/2.pb"

# measure ARGUMENT... - of the command: its status is $rc, most memory it had $kib.
measure() {
	python3 -c '
import resource, subprocess, sys
rc = subprocess.call(sys.argv[2:])
with open(sys.argv[1], "w") as f:
    f.write("%d %d\n" % (rc, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
' "$work/usage" timeout -s KILL 120 "$otheap" "$@" >"$work/out" 2>"$said"
	read -r rc kib <"$work/usage"
}

# within_64_mib NAME - so it ended well.
within_64_mib() {
	if [ "$rc" = 0 ] && [ "$kib" -gt 4096 ] && [ "$kib" -lt 65536 ]; then
		ok "$1: $((kib / 1024)) MiB"
	else
		not_ok "$1" "status $rc, $kib KiB; $(head -c 200 "$said")"
	fi
}

# spool_in N - the N-th profile waits in the spool.
spool_in() {
	cp "$work/$1.pb" "$work/spool/otheap.mkprofile.4711.$1.pb.gz"
}

# total TYPE FILE... - the sum over whole files.
total() {
	type=$1
	shift
	for f in "$@"; do
		"$otheap" top --no-symbols -o json -s "$type" "$f" | tr ',' '\n' |
			sed -n 's/.*"total": *\([0-9]*\).*/\1/p' | head -n 1
	done | awk '{ sum += $1 } END { printf "%.0f\n", sum }'
}

# arrived TYPE - the sum over the bodies of all requests, and how many profiles of that type.
arrived() {
	python3 - "$here/collector.py" "$1" "$at"/*.body <<'END'
import sys
text = open(sys.argv[1]).read()
exec(text[text.index("def varint"):text.index("def profile_ids")])
total = count = 0
for path in sys.argv[3:]:
    body = open(path, "rb").read()
    strings = [v.decode() for n, d in fields(body) if n == 2 for n, v in fields(d) if n == 5]
    for resource in (v for n, v in fields(body) if n == 1):
        for scope in (v for n, v in fields(resource) if n == 2):
            for profile in (v for n, v in fields(scope) if n == 2):
                kind = next(v for n, v in fields(profile) if n == 1)
                if strings[dict(fields(kind))[1]] != sys.argv[2]:
                    continue
                count += 1
                for sample in (v for n, v in fields(profile) if n == 2):
                    packed = next(v for n, v in fields(sample) if n == 4)
                    total += sum(b << 7 * i for i, b in enumerate(x & 127 for x in packed))
print(total, count)
END
}

# ---- the agent --------------------------------------------------------------------------

mkdir "$work/spool"
spool_in 1
measure agent --spool "$work/spool" --once --endpoint "http://localhost:$port"
within_64_mib 'agent'
first=$(requests)
spool_in 2
measure agent --spool "$work/spool" --once --endpoint "http://localhost:$port"
within_64_mib 'agent, with what was sent before'
second=$(($(requests) - first))
check "in several requests: $first and $second" [ $((first > 2 && second > 2)) = 1 ]
check 'nothing is left' [ -z "$(find "$work/spool" -maxdepth 1 -name '*.pb.gz')" ]
# Each stack is in one of the two alone, so nothing of the second was sent before.
equal 'all of it arrived' "$(arrived alloc_space)" \
	"$(total alloc_space "$work/1.pb" "$work/2.pb") $(requests)"
for f in "$at"/*.body; do
	if "$B/otlp/check" "$f" >"$work/wrong" 2>&1; then ok "the rules are kept: $(basename "$f")"; else
		not_ok "the rules are kept: $(basename "$f")" "$(tail -n 3 "$work/wrong")"
	fi
done

rm -rf "$work/spool"
mkdir "$work/spool"
spool_in 1
measure agent --spool "$work/spool" --once --endpoint "http://localhost:$port" --protocol pyroscope
within_64_mib 'agent, for Pyroscope'
spool_in 2
measure agent --spool "$work/spool" --once --endpoint "http://localhost:$port" --protocol pyroscope
within_64_mib 'agent, for Pyroscope, with what was sent before'

# ---- push -------------------------------------------------------------------------------

forget_requests
measure push --endpoint "http://localhost:$port" "$work/1.pb" "$work/2.pb"
within_64_mib 'push of two'

# bodies - of all requests, in the order in which they came.
bodies() {
	for f in "$at"/*.body; do basename "$f" .body; done | sort -n | while read -r n; do cat "$at/$n.body"; done
}

# What comes by a pipe is kept in memory; else it is the same.
forget_requests
measure push --endpoint "http://localhost:$port" "$work/2.pb"
bodies >"$work/by_file"
forget_requests
cat "$work/2.pb" | measure push --endpoint "http://localhost:$port" -
equal 'push of a pipe' "$rc $(cat "$said")" '0 '
bodies >"$work/by_pipe"
check 'push of a pipe: the same' cmp -s "$work/by_file" "$work/by_pipe"
