#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# convert.sh - otheap convert: the same values in every format, there and back; heap text
# scaled as its own readers do; bytes that are no such file.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

reads convert
"$mk" --samples 800 --locations 120 --depth 8 "$work/p.pb" || exit 1
"$mk" --samples 0 "$work/none.pb"
hostile=$(printf '</script>"x\\y;z\n\001\377 \342\200\250 1 2')
"$mk" --samples 300 --locations 60 --name "$hostile" "$work/h.pb"
: >"$work/empty"

# top ARGUMENT... - rows as FLAT CUM NAME...; total ARGUMENT... - their sum.
top() {
	"$otheap" top -o csv "$@" | grep '^[0-9]' | cut -d, -f 1,3,5- | sort
}
total() {
	"$otheap" top --no-symbols -o csv "$@" | sed -n 's/^# total: //p'
}
convert() {
	"$otheap" convert "$@" 2>"$work/why" || not_ok "convert $*" "$(cat "$work/why")"
}

# ---- usage and bad input --------------------------------------------------------------

refused 'no output' 'OUT is needed' "$work/p.pb"
refused 'no format' 'names no format; --to says which' "$work/p.pb" -o "$work/x.png"
refused 'unknown format' 'expected pprof, folded' --to yaml "$work/p.pb" -o "$work/x.pb"
refused 'no such file' 'No such file' "$work/nosuch" -o "$work/x.pb"
refused 'an empty file' 'empty' "$work/empty" -o "$work/x.pb"
refused 'no such sample type' 'alloc_objects, alloc_space' -s nosuch "$work/p.pb" -o "$work/x.folded"
refused 'no such folder' 'No such file' "$work/p.pb" -o "$work/nosuch/x.folded"
[ ! -w /dev/full ] || for to in pprof folded speedscope firefox; do
	refused "full disk: $to" 'No space left' --to $to "$work/p.pb" -o /dev/full
done
# bad NAME TEXT FORMAT CONTENT - such a file is refused.
bad() {
	printf '%b' "$4" >"$work/bad"
	refused "$1" "$2" --from "$3" "$work/bad" -o "$work/x.pb"
}
bad 'folded: no value' 'end of line 2' folded 'a;b 1\na;b\n'
bad 'folded: a NUL' 'not a text' folded 'a;b\0c 1\n'
bad 'folded: not a number' 'end of line 1' folded 'a;b 1x\n'
bad 'speedscope: cut short' 'not JSON, or damaged' speedscope '{"profiles":[{"type":"sam'
bad 'speedscope: another JSON' 'it has no profiles' speedscope '{"a":1}'
bad 'speedscope: no frames' 'no shared.frames' speedscope '{"profiles":[]}'
bad 'firefox: cut short' 'not JSON, or damaged' firefox '{"meta":{"preprocessedProfileVersion":6'
bad 'firefox: not processed' 'meta.preprocessedProfileVersion' firefox '{"meta":{"version":24},"threads":[]}'
fox='{"meta":{"preprocessedProfileVersion":64},"shared":{"stringArray":["a"],"funcTable":{"name":[0]},"frameTable":{"func":[0,9]}'
bad 'firefox: a frame that is not there' 'a frame that is not there' firefox \
	"$fox,\"stackTable\":{\"frame\":[2],\"prefix\":[null]}},\"threads\":[]}"
bad 'firefox: a ring of stacks' 'not before it' firefox \
	"$fox,\"stackTable\":{\"frame\":[0,0],\"prefix\":[1,0]}},\"threads\":[]}"
bad 'firefox: a stack that is not there' 'a stack that is not there' firefox \
	"$fox},\"threads\":[{\"samples\":{\"stack\":[0]}}]}"
bad 'firefox: weights are missing' 'not a weight for each' firefox \
	"$fox},\"threads\":[{\"samples\":{\"stack\":[null,null],\"weight\":[1]}}]}"
one='"shared":{"frames":[{"name":"a"},{"name":"b"}]}'
bad 'speedscope: no such frame' 'a frame that is not there' speedscope \
	"{$one,\"profiles\":[{\"type\":\"sampled\",\"samples\":[[2]],\"weights\":[1]}]}"
bad 'speedscope: too few weights' 'a weight for each sample' speedscope \
	"{$one,\"profiles\":[{\"type\":\"sampled\",\"samples\":[[1],[1]],\"weights\":[1]}]}"
bad 'speedscope: unknown kind' 'neither sampled nor evented' speedscope "{$one,\"profiles\":[{\"type\":\"x\"}]}"
bad 'speedscope: wrong order' 'events that go back' speedscope \
	"{$one,\"profiles\":[{\"type\":\"evented\",\"events\":[{\"type\":\"O\",\"frame\":0,\"at\":5},{\"type\":\"C\",\"frame\":0,\"at\":4}]}]}"
bad 'speedscope: not balanced' 'not the last one open' speedscope \
	"{$one,\"profiles\":[{\"type\":\"evented\",\"events\":[{\"type\":\"C\",\"frame\":0,\"at\":5}]}]}"
bad 'speedscope: too deep' 'too many arrays' speedscope "$(printf '[%.0s' $(seq 100))"
# Each event is a stack of all frames that are open: small files, large stacks.
awk 'BEGIN {
	printf "{\"shared\":{\"frames\":[{\"name\":\"a\"}]},\"profiles\":[{\"type\":\"evented\",\"events\":["
	for (i = 1; i <= 3000; i++) printf "%s{\"type\":\"O\",\"frame\":0,\"at\":%d}", (i > 1 ? "," : ""), i
	print "]}]}"
}' >"$work/deep.json"
refused 'speedscope: stacks without bound' 'too large (--max-size' --from speedscope --max-size 1m "$work/deep.json" -o "$work/x.pb"
bad 'heap: no sums' 'no sums in line 1' heap 'heap profile: x\n'
bad 'heap: no figures' 'in line 2' heap 'heap profile: 1: 2 [3: 4] @ heap_v2/512\nwhat is this\n'
bad 'heap: unknown sampling' 'unknown kind of sampling' heap 'heap profile: 1: 2 [3: 4] @ cpu/512\n'
bad 'heap: no address' 'no address in line 2' heap 'heap profile: 1: 2 [3: 4] @ heapprofile\n1: 2 [3: 4] @ zz\n'
bad 'heap: jemalloc without sums' 'no sums before' heap 'heap_v2/512\n@ 0x1\n'
check 'nothing is written for a bad file' test ! -e "$work/x.pb"

# ---- there and back ------------------------------------------------------------------

for type in alloc_objects alloc_space inuse_objects inuse_space; do
	convert -s $type "$work/p.pb" -o "$work/p.folded"
	"$otheap" top -s $type -o folded "$work/p.pb" >"$work/a"
	cp "$work/p.folded" "$work/b"
	same_lines "folded: as top -o folded: $type" "$work/a" "$work/b"
	convert -s $type "$work/p.folded" -o "$work/back.pb.gz"
	equal "folded: type and total: $type" "$(total -s $type "$work/back.pb.gz")" "$(total -s $type "$work/p.pb")"
	"$otheap" top -o csv -s $type "$work/p.pb" | grep '^[0-9]' | cut -d, -f 1,3,5 | awk -F, '
		{ flat[$3] += $1; cum[$3] += $2 } END { for (f in flat) print flat[f], cum[f], f }' | sort >"$work/a"
	"$otheap" top -o csv "$work/back.pb.gz" | grep '^[0-9]' | cut -d, -f 1,3,5 | tr , ' ' | sort >"$work/b"
	same_lines "folded: there and back: $type" "$work/a" "$work/b"
done
printf 'main;f g;h 3\r\n\nmain 2.5\n(no stack) -4\nmain;f g;h 4\n' >"$work/x.folded"
convert "$work/x.folded" -o "$work/x.folded.pb"
equal 'folded: golden' "$("$prog/pbdump" <"$work/x.folded.pb" 2>/dev/null | grep -c '^sample'; "$otheap" top --stacks -o csv "$work/x.folded.pb" |
	grep -v '^#' | tr '\n' ' ')" "0
flat,flat_stderr,stack 7,,\"main;f g;h\" -4,,\"(no stack)\" 3,,\"main\" "
refused 'heap: a profile of names alone' 'no inuse_objects' --to heap "$work/x.folded.pb" -o "$work/x.heap"
"$otheap" top -o folded "$work/p.pb" | "$otheap" convert -s inuse_space - -o "$work/y.pb"
equal 'folded: through a pipe' "$(total "$work/y.pb")" "$(total "$work/p.pb")"

convert "$work/p.pb" -o "$work/p.speedscope.json"
convert "$work/p.speedscope.json" -o "$work/back.pb.gz"
for type in alloc_objects alloc_space inuse_objects inuse_space; do
	"$otheap" top -s $type -l -o csv "$work/p.pb" | grep '^[0-9]' | cut -d, -f 1,3,5- | sort >"$work/a"
	"$otheap" top -s $type -l -o csv "$work/back.pb.gz" | grep '^[0-9]' | cut -d, -f 1,3,5- | sort >"$work/b"
	same_lines "speedscope: there and back: $type" "$work/a" "$work/b"
done
convert --to firefox "$work/p.pb" -o "$work/p.firefox.json"
convert "$work/p.firefox.json" -o "$work/back.pb.gz"
for type in alloc_objects alloc_space inuse_objects inuse_space; do
	"$otheap" top -s $type -o csv "$work/p.pb" | grep '^[0-9]' | cut -d, -f 1,3,5-6 | sort >"$work/a"
	"$otheap" top -s $type -o csv "$work/back.pb.gz" | grep '^[0-9]' | cut -d, -f 1,3,5-6 | sort >"$work/b"
	same_lines "firefox: there and back: $type" "$work/a" "$work/b"
done
gzip -c "$work/p.firefox.json" | "$otheap" convert - -o "$work/y.pb"
equal 'firefox: packed, through a pipe' "$(total "$work/y.pb")" "$(total "$work/p.pb")"
# As older versions have it: tables in each thread, files in the functions; and no weights.
tables='"stringTable":["a","b","a.c"],"funcTable":{"name":[0,1],"fileName":[2,null],"lineNumber":[7,null]},
	"frameTable":{"func":[0,1],"line":[null,9]},"stackTable":{"frame":[0,1],"prefix":[null,0]}'
printf '{"meta":{"preprocessedProfileVersion":40},"threads":[
	{"name":"t","samples":{"stack":[1,1,null,0],"weight":null},%s},
	{"name":"t","samples":{"stack":[1,0],"weight":[5,0]},%s},
	{"name":"t","samples":{"stack":[0],"weight":[-3],"weightType":"bytes"},%s}]}' "$tables" "$tables" "$tables" >"$work/old.json"
convert "$work/old.json" -o "$work/old.pb"
equal 'firefox: an older version' "$("$otheap" top --stacks -s 0 -o csv "$work/old.pb" | grep '^[0-9-]' | tr '\n' ' ')$(
	"$otheap" top -l -s 1 -o csv "$work/old.pb" | grep -E '^(# unit|[0-9-])' | tr '\n' ' ')" \
	'7,,"a;b" 1,,"(no stack)" 1,,"a" # unit: bytes -3,,-3,,"a","a.c",7,"" '
printf '{%s,"profiles":[{"type":"sampled","name":"inuse_objects","samples":[[0]],"weights":[1]},
	{"type":"sampled","name":"inuse_space","unit":"bytes","samples":[[0]],"weights":[9]}]}' "$one" >"$work/names.json"
refused 'heap: frames without addresses' 'frames with a name alone' --from speedscope --to heap "$work/names.json" -o "$work/x.heap"
check 'heap: nothing is written' test ! -e "$work/x.heap"
printf '{%s,"profiles":[{"type":"evented","name":"wall","unit":"seconds","startValue":10,"endValue":20,"events":[
	{"type":"O","frame":0,"at":10},{"type":"O","frame":1,"at":12},{"type":"C","frame":1,"at":13.6},{"type":"C","frame":0,"at":20}]}]}' \
	"$one" >"$work/evented.json"
convert --from speedscope "$work/evented.json" --to folded -o "$work/evented.folded"
equal 'speedscope: evented' "$(sort "$work/evented.folded" | tr '\n' ' ')" 'a 8 a;b 2 '
printf '{"profiles":[{"type":"sampled","name":"n\\u00e9","weights":[1],"samples":[[0]]}],"shared":{"frames":[{"name":"\\ud83d\\ude00 \\"q\\" \\ud800"}]}}' >"$work/escapes.json"
convert --from speedscope "$work/escapes.json" --to folded -o "$work/escapes.folded"
equal 'speedscope: escapes' "$(cat "$work/escapes.folded")" "$(printf '\360\237\230\200 "q" \357\277\275 1')"

# ---- JSON -----------------------------------------------------------------------------

if command -v python3 >/dev/null; then
	cat >"$work/check.py" <<'EOP'
import json, subprocess, sys
otheap, kind, path, source = sys.argv[1:]
d = json.load(open(path, encoding="utf-8"))
want = {}
for t in ("alloc_objects", "alloc_space", "inuse_objects", "inuse_space"):
    out = subprocess.run([otheap, "top", "-s", t, "-o", "json", source], capture_output=True, text=True, check=True)
    want[t] = json.loads(out.stdout)["total"]
if kind == "speedscope":
    frames = d["shared"]["frames"]
    assert d["$schema"] == "https://www.speedscope.app/file-format-schema.json"
    assert d["profiles"][d["activeProfileIndex"]]["name"] == "inuse_space"
    for p in d["profiles"]:
        assert p["type"] == "sampled" and len(p["samples"]) == len(p["weights"])
        assert p["unit"] == ("bytes" if "space" in p["name"] else "none")
        assert sum(p["weights"]) == want[p["name"]] == p["endValue"] and p["startValue"] == 0
        assert all(0 <= f < len(frames) for s in p["samples"] for f in s)
else:
    assert d["meta"]["preprocessedProfileVersion"] == 64 and d["meta"]["categories"]
    s = d["shared"]
    def table(t, **ranges):
        for key, column in t.items():
            if key != "length":
                assert len(column) == t["length"], key
        for key, limit in ranges.items():
            assert all(v is None or 0 <= v < limit for v in t[key]), key
    strings = len(s["stringArray"])
    table(s["funcTable"], name=strings, source=s["sources"]["length"])
    table(s["frameTable"], func=s["funcTable"]["length"])
    table(s["stackTable"], frame=s["frameTable"]["length"], prefix=s["stackTable"]["length"])
    table(s["sources"], filename=strings)
    table(s["nativeSymbols"]); table(s["resourceTable"])
    assert all(p is None or p < i for i, p in enumerate(s["stackTable"]["prefix"]))
    assert [t["name"] for t in d["threads"]] == list(want) and len({t["tid"] for t in d["threads"]}) == 4
    for t in d["threads"]:
        samples = dict(t["samples"])
        assert samples.pop("weightType") == ("bytes" if "space" in t["name"] else "samples")
        table(samples, stack=s["stackTable"]["length"])
        assert sum(samples["weight"]) == want[t["name"]]
EOP
	for f in p h; do
		convert "$work/$f.pb" -o "$work/$f.speedscope.json"
		check "speedscope: what its types say: $f" python3 "$work/check.py" "$otheap" speedscope "$work/$f.speedscope.json" "$work/$f.pb"
		convert "$work/$f.pb" -o "$work/$f.json"
		check "firefox: tables that fit: $f" python3 "$work/check.py" "$otheap" firefox "$work/$f.json" "$work/$f.pb"
	done
	for to in speedscope firefox; do
		convert --to $to "$work/none.pb" -o "$work/none.json"
		check "$to: without samples" python3 -m json.tool "$work/none.json" "$work/none.out"
	done
else
	skip 'speedscope, firefox' 'no python3'
fi

# ---- heap text --------------------------------------------------------------------------

cat >"$work/g.heap" <<'EOP'
heap profile:     13:   601200 [    40:  2004000] @ heap_v2/524288
     3:     1200 [    10:     4000] @ 0x00401011 0x00401021 0x00401031
     9:    90000 [    20:  1000000] @ 0x00401041 0x00401031
     1:   510000 [    10:  1000000] @ 0x7f0000001234
     0:        0 [     0:        0] @ 0x00401051

MAPPED_LIBRARIES:
00400000-00402000 r-xp 00000000 08:01 123 /nosuch/app
00602000-00603000 rw-p 00002000 08:01 123 /nosuch/app
7f0000000000-7f0000100000 r-xp 00002000 08:01 456 /nosuch/lib x.so (deleted)
EOP
convert "$work/g.heap" -o "$work/g.pb.gz"
# Each line by the formula: the sum of count and bytes over 1 - e^(-size/interval).
equal 'heap: scaled by line' "$(total -s inuse_objects "$work/g.pb.gz") $(total -s inuse_space "$work/g.pb.gz") $(
	total -s alloc_objects "$work/g.pb.gz") $(total -s alloc_space "$work/g.pb.gz")" "$(
	awk 'function w(n, b) { return n ? 1 / (1 - exp(-b / n / 524288)) : 0 }
	/@ 0x/ { sub(/@.*/, ""); gsub(/[^0-9 ]/, ""); o += int($1 * w($1, $2)); b += int($2 * w($1, $2))
		ao += int($3 * w($3, $4)); ab += int($4 * w($3, $4)) }
	END { printf "%.0f %.0f %.0f %.0f", o, b, ao, ab }' "$work/g.heap")"
equal 'heap: mappings' "$("$otheap" top --no-symbols --by module -o csv "$work/g.pb.gz" | grep -oE '"/nosuch/[^"]*"' | tr '\n' ' ')" \
	'"/nosuch/app" "/nosuch/lib x.so" '
equal 'heap: interval' "$("$otheap" top --no-symbols -o csv "$work/g.pb.gz" | sed -n 's/^# period: //p')" 524288
sed 's|heap_v2/524288|heapprofile|' "$work/g.heap" >"$work/all.heap"
convert "$work/all.heap" -o "$work/all.pb.gz"
equal 'heap: not sampled' "$(total -s inuse_space "$work/all.pb.gz")" 601200
# The same in jemalloc's form.
cat >"$work/j.heap" <<'EOP'
heap_v2/524288
  t*: 13: 601200 [40: 2004000]
  t0: 13: 601200 [40: 2004000]
@ 0x401011 0x401021 0x401031
  t*: 3: 1200 [10: 4000]
  t0: 1: 400 [4: 1600]
  t1: 2: 800 [6: 2400]
@ 0x401041 0x401031
  t*: 9: 90000 [20: 1000000]
@ 0x7f0000001234
  t*: 1: 510000 [10: 1000000]

MAPPED_LIBRARIES:
00400000-00402000 r-xp 00000000 08:01 123 /nosuch/app
7f0000000000-7f0000100000 r-xp 00002000 08:01 456 /nosuch/lib x.so
EOP
convert "$work/j.heap" -o "$work/j.pb.gz"
for type in inuse_objects alloc_space; do
	"$otheap" top --no-symbols -s $type --stacks -o csv "$work/g.pb.gz" | sed 1d >"$work/a"
	"$otheap" top --no-symbols -s $type --stacks -o csv "$work/j.pb.gz" | sed 1d >"$work/b"
	same_lines "heap: jemalloc as gperftools: $type" "$work/a" "$work/b"
done
# There and back: the sampled figures again.
convert "$work/g.pb.gz" -o "$work/back.heap"
sed -n 's/ *\([0-9]*\): *\([0-9]*\) \[ *\([0-9]*\): *\([0-9]*\)\] @/\1: \2 [\3: \4] @/p' "$work/g.heap" |
	sed 's/0x0*/0x/g' | grep -v '^0: 0' | sed 1d >"$work/a"
sed -n '/@ 0x/p' "$work/back.heap" | grep -v '^0: 0' >"$work/b"
if awk 'FNR == NR { n = split($0, f, /[^0-9a-fx]+/); want[FNR] = $0; next }
	{
		split(want[FNR], w, " "); split($0, g, " ")
		for (i = 1; i <= 4; i++) { gsub(/[^0-9]/, "", w[i]); gsub(/[^0-9]/, "", g[i])
			d = w[i] - g[i]; if (d > 1 + w[i] / 100 || d < -1 - w[i] / 100) bad = 1 }
		sub(/.*@/, "", want[FNR]); sub(/.*@/, ""); if ($0 != want[FNR]) bad = 1
	}
	END { exit bad || FNR != 3 }' "$work/a" "$work/b"; then
	ok "heap: there and back"
else
	not_ok "heap: there and back" "$(diff "$work/a" "$work/b")"
fi

# A dump of the real jemalloc, as its own reader sees it.
if jemalloc=$(find_library jemalloc.so.2) && command -v jeprof >/dev/null && command -v perl >/dev/null &&
    MALLOC_CONF="prof:true,prof_final:true,lg_prof_sample:10,prof_prefix:$work/je" LD_PRELOAD=$jemalloc \
	perl -e 'my @a = map { "x" x (100 + $_ * 10) } 1 .. 2000; print scalar @a' >/dev/null 2>&1 &&
    set -- "$work"/je*.heap && [ -s "$1" ]; then
	convert "$1" -o "$work/je.pb.gz"
	theirs=$(jeprof --show_bytes --text "$(command -v perl)" "$1" 2>/dev/null | sed -n 's/^Total: \([0-9]*\) B$/\1/p')
	ours=$(total -s inuse_space "$work/je.pb.gz")
	# jeprof rounds each site; sites are some hundred.
	if awk -v a="${ours:-0}" -v b="${theirs:-0}" 'BEGIN { exit !(b > 100000 && a - b < 2000 && b - a < 2000) }'; then
		ok 'heap: jemalloc, as jeprof'
	else
		not_ok 'heap: jemalloc, as jeprof' "$ours, jeprof $theirs"
	fi
else
	skip 'heap: jemalloc, as jeprof' 'no jemalloc with profiling, or no jeprof'
fi

if ! command -v go >/dev/null; then
	skip 'as go tool pprof' 'it is not installed'
	exit 0
fi
# pprof prints FLAT CUM of rows that it names by address; the values are enough.
pprof() {
	go_top -addresses "$@" | awk '{ print $1, $4 }' | sort
}
for type in alloc_objects alloc_space inuse_objects inuse_space; do
	pprof -sample_index=$type "$work/g.heap" >"$work/b"
	pprof -sample_index=$type "$work/g.pb.gz" >"$work/a"
	same_lines "heap: as pprof reads it: $type" "$work/a" "$work/b"
done
# What we write as heap text pprof reads as the profile it came from.
run OTHEAP_SAMPLE_INTERVAL=4096 OTHEAP_SEED=7 "$prog/hold" alloc
if f=$(last_file); then
	convert "$f" -o "$work/own.heap"
	for type in inuse_objects inuse_space; do
		ours=$(total -s $type "$f")
		theirs=$(go tool pprof -top -unit=B -nodecount=10000 -nodefraction=0 -sample_index=$type "$work/own.heap" 2>/dev/null |
			sed -n 's/.* of \([0-9]*\)B* total$/\1/p')
		# Each line is cut to whole numbers, by us and by pprof.
		lines=$(grep -c '@ 0x' "$work/own.heap")
		if awk -v a="${ours:-0}" -v b="${theirs:-0}" -v n="$lines" 'BEGIN { d = a - b
			exit !(a > 0 && n > 0 && d <= 2 * n + a / 100 && -d <= 2 * n + a / 100) }'; then
			ok "heap: what is written, as pprof reads it: $type"
		else
			not_ok "heap: what is written, as pprof reads it: $type" "$ours, pprof $theirs"
		fi
	done
else
	not_ok 'heap: what is written' "no profile: $(head -c 300 "$err")"
fi
