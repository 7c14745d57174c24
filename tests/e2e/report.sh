#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# report.sh - otheap report: the page tells what top and diff tell, in the order of time,
# is whole whatever functions are called, and asks nothing of a network.  (What it
# looks like in a browser: browser.sh.)

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

reads report

# The same seed makes the same samples first, so each of these has more than the one before.
hostile=$(printf '</script><img src=x onerror=alert(1)>"&\047\\z\n\001\377 \342\200\256abc\342\200\250')
for n in 1 2 3; do
	"$mk" --samples $((n * 300)) --locations 60 --time $((n * 100)) --name "$hostile" \
	    --comment "exact totals: ${n}000000 bytes in ${n}000 allocations" --comment 'trigger: timer' \
	    --comment "note: $hostile" "$work/p$n.pb" || exit 1
done
# Few call stacks, each of which grows steadily.
for n in 1 2 3 4; do
	"$mk" --samples $((n * 300)) --locations 12 --depth 1 --time $((n * 100)) "$work/g$n.pb" || exit 1
done
"$mk" --samples 300 --locations 60 --time 400 --pid 99 --leak lost --comment 'dropped: memory_full 7' "$work/leak.pb"
"$mk" --samples 300 --locations 60 --interval 4096 "$work/finer.pb"
"$mk" --samples 300 --locations 60 --interval 1 --time 1 "$work/exact1.pb"
"$mk" --samples 400 --locations 60 --interval 1 --time 2 "$work/exact2.pb"
"$mk" --samples 0 "$work/none.pb"
head -c 3001 "$work/p1.pb" >"$work/cut.pb"

# Whatever the library may have lost is explained.
set --
reasons=$(sed -n 's/^[[:space:]]*X([A-Z_]*, "\([a-z_]*\)".*/\1/p' core/drops.h)
for reason in $reasons; do set -- "$@" --comment "dropped: $reason 5"; done
"$mk" --samples 10 "$@" "$work/lost.pb" && "$otheap" report "$work/lost.pb" -o "$work/lost.html" || exit 1
for reason in $reasons; do
	check "what $reason means" grep -qE "<bdi>$reason 5</bdi></td><td>[a-z]{4}" "$work/lost.html"
done

refused 'no file' 'no FILE' -o "$work/x.html"
refused 'no output' 'OUT.html is needed' "$work/p1.pb"
refused 'no such file' 'No such file' "$work/nosuch" -o "$work/x.html"
refused 'a truncated file' 'cut.pb: ' "$work/p1.pb" "$work/cut.pb" -o "$work/x.html"
refused 'no such folder' 'x.html: No such file' "$work/p1.pb" -o "$work/nosuch/x.html"
refused 'another interval' 'was sampled at interval' "$work/p1.pb" "$work/finer.pb" -o "$work/x.html"
refused 'no such type' 'no sample type' -s nothing "$work/p1.pb" -o "$work/x.html"
refused 'unknown option' 'unknown option' --nothing "$work/p1.pb" -o "$work/x.html"
check 'nothing is written for a bad file' test ! -e "$work/x.html"

check 'a series, in any order' "$otheap" report "$work/p3.pb" "$work/p1.pb" "$work/p2.pb" -o "$work/series.html"
check 'one profile' "$otheap" report "$work/p3.pb" -o "$work/one.html"
check 'an empty profile' "$otheap" report "$work/none.pb" -o "$work/none.html"
check 'two processes, and a leak check' "$otheap" report "$work/p1.pb" "$work/p2.pb" "$work/leak.pb" -o "$work/leak.html"
check 'every allocation counted' "$otheap" report "$work/exact1.pb" "$work/exact2.pb" -o "$work/exact.html"
check 'another type, a part of it' "$otheap" report -s alloc_space --focus function_2 -n 3 "$work/p1.pb" "$work/p2.pb" "$work/p3.pb" -o "$work/part.html"
check 'what grows steadily' "$otheap" report "$work/g1.pb" "$work/g2.pb" "$work/g3.pb" "$work/g4.pb" -o "$work/grow.html"
echo 'leak:^function_1$' >"$work/supp"
check 'without what is suppressed' env OTHEAP_LEAK_SUPPRESSIONS="$work/supp" "$otheap" report "$work/leak.pb" -o "$work/supp.html"
refused 'no such suppressions' 'nosuch: No such file' OTHEAP_LEAK_SUPPRESSIONS="$work/nosuch" "$work/leak.pb" -o "$work/x.html"
check 'from a pipe, to a pipe' sh -c 'cat "$2" | "$1" report - "$3" -o - >"$4"' - "$otheap" "$work/p1.pb" "$work/p2.pb" "$work/pipe.html"
check 'it is whole' grep -q '^</html>$' "$work/pipe.html"
set --
i=0
while [ $i -lt 120 ]; do
	ln "$work/p$((i % 3 + 1)).pb" "$work/many.$i.pb"
	set -- "$@" "$work/many.$i.pb"
	i=$((i + 1))
done
check 'more files than may be open' sh -c 'ulimit -n 64; exec "$@"' - "$otheap" report "$@" -o "$work/many.html"

if ! command -v python3 >/dev/null; then
	skip 'what the page tells' 'no python3'
	exit 0
fi
"$otheap" leaks -o json "$work/g1.pb" "$work/g2.pb" "$work/g3.pb" "$work/g4.pb" >"$work/grow.json"
"$otheap" leaks -o json "$work/leak.pb" >"$work/leak.json"
for n in 1 2 3; do "$otheap" top -o json "$work/p$n.pb" >"$work/p$n.json"; done
cat >"$work/check.py" <<'EOF2'
import html.parser, json, re, sys
work = sys.argv[1]
VOID = {"meta", "img", "br", "link", "input"}
class Page(html.parser.HTMLParser):
    """Words, tags and rows of a page; fails where elements are not closed in order."""
    def __init__(self, path):
        super().__init__()
        self.tags, self.open, self.words, self.rows, self.data, self.ids = {}, [], [], [], [], []
        self.feed(open(path, encoding="utf-8").read())
        assert not self.open, self.open
        self.text = " ".join("".join(self.words).split())
    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags[tag] = self.tags.get(tag, 0) + 1
        assert not any(k.startswith("on") for k in attrs), attrs
        assert tag not in ("img", "iframe", "object", "link", "base", "form"), tag
        if "id" in attrs:
            assert attrs["id"] not in self.ids, attrs["id"]
            self.ids.append(attrs["id"])
        if tag == "a":
            assert attrs["href"].startswith("#"), attrs
        if tag not in VOID:
            self.open.append(tag)
        if tag == "script":
            self.data.append("")
        if tag == "tr":
            self.rows.append("")
        if tag == "td":
            self.rows[-1] += "|"
    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag
    def handle_data(self, text):
        if "script" in self.open:
            self.data[-1] += text
        elif "style" not in self.open:
            self.words.append(text)
            if "td" in self.open:
                self.rows[-1] += text
def size(text):
    m = re.match(r"\s*([\d.]+) (B|KiB|MiB|GiB)", text)
    return float(m.group(1)) * 1024 ** ["B", "KiB", "MiB", "GiB"].index(m.group(2))
def near(a, b):
    assert abs(a - b) <= 0.006 * 1024 ** 2 + 1e-3 * abs(b), (a, b)
pages = {n: Page(f"{work}/{n}.html") for n in ("series", "one", "none", "leak", "exact", "part", "pipe", "many", "grow", "supp")}
top = {n: json.load(open(f"{work}/p{n}.json")) for n in (1, 2, 3)}
for name, page in pages.items():
    assert page.tags["script"] == (2 if name in ("one", "none", "leak", "supp") else 3), (name, page.tags["script"])
    for anchor in re.findall(r'href="#([^"]+)"', open(f"{work}/{name}.html", encoding="utf-8").read()):
        assert anchor in page.ids, (name, anchor)
    assert not re.search("[\u202a-\u202e\u200b-\u200f\x01-\x08]", page.text), name
    raw = open(f"{work}/{name}.html", encoding="utf-8").read()
    assert not re.search(r"https?://|url\(|@import", raw), name
s = pages["series"]
# In the order of time, with the values and errors of top.
rows = [r.split("|") for r in s.rows if re.search(r"p\d\.pb", r) and "2025" in r]
rows = [r for r in rows if len(r) == 8]
assert [r[1] for r in rows] == ["p1.pb", "p2.pb", "p3.pb"], rows
for n, r in zip((1, 2, 3), rows):
    value, error = r[5].split("±")
    near(size(value), top[n]["total"])
    near(size(error), 1.96 * top[n]["total_stderr"])
    near(size(r[7]), n * 1e6)
    assert r[3] == "timer" and r[4] == "4711"
# The largest functions.
rows = [r.split("|") for r in s.rows if re.search(r"src/file_\d+\.c", r)]
for r, t in zip(rows, top[3]["rows"]):
    value, error = r[2].split("±")
    near(size(value), t["flat"])
    near(size(error), 1.96 * t["flat_stderr"])
    near(size(r[4]), t["cum"])
    assert abs(float(r[3].rstrip("%")) - 100 * t["flat"] / top[3]["total"]) < 0.06, r
assert len(rows) == min(20, sum(t["flat"] != 0 for t in top[3]["rows"])), len(rows)
m = re.search(r"grew by ([\d.]+ MiB) ± ([\d.]+ MiB) within 3.33 min, more than the chance", s.text)
near(size(m.group(1)), top[3]["total"] - top[1]["total"])
assert "No call stack grows as a leak does." in s.text
# Suspects are those of leaks, with its figures.
def suspects(page, verdict, most=20):
    return [t for t in json.load(open(f"{work}/{page}.json"))["sites"] if t["verdict"] == verdict][:most]
g = pages["grow"]
grow = suspects("grow", "growing")
assert len(grow) >= 2 and f"{len(grow)} call stacks grow as a leak does" in g.text, (len(grow), g.text[:600])
part = g.text[g.text.index("Growing More"):g.text.rindex("Top sites")]
told = re.findall(r"\+([\d.]+ \w+) ± ([\d.]+ \w+) .*? (very high|high|moderate), q", part)
assert len(told) == len(grow), part
for (value, error, _), t in zip(told, grow):
    near(size(value), t["growth"])
    near(size(error), 1.96 * t["growth_stderr"])
    assert t["frames"][0]["function"] in part
lost = suspects("leak", "lost")
part = pages["leak"].text
told = re.findall(r"([\d.]+ \w+) ± ([\d.]+ \w+) ([^±]*?) definite about (\d+) block", part[part.index("Definitely lost"):])
assert len(told) == min(20, len(lost)) > 5, (len(told), len(lost))
for (value, error, names, blocks), t in zip(told, lost):
    near(size(value), t["lost_bytes"])
    near(size(error), 1.96 * t["lost_bytes_stderr"])
    assert int(blocks) == t["blocks"], (blocks, t["blocks"])
total = sum(t["lost_bytes"] for t in suspects("leak", "lost", None))
near(size(re.search(r"([\d.]+ MiB) ± [\d.]+ MiB leaked for certain", part).group(1)), total)
p = pages["supp"].text
hidden = sum(any(f["function"] == "function_1" for f in t["frames"]) for t in suspects("leak", "lost", None))
assert f"{hidden} call stacks are hidden" in p and hidden > 5, hidden
assert "function_1 " not in p[p.index("Definitely lost"):p.rindex("Top sites")]
assert "not looked for" in pages["pipe"].text.lower()
assert "Nothing: every sample and every frame was kept" in s.text and "Shown" not in s.text
assert "note" in s.text and "onerror" in s.text  # hostile, but text
trees = [json.loads(d) for d in s.data[:2]]
assert sum(trees[0]["self"][trees[0]["start"]]) == top[3]["total"]
assert [sum(v) for v in trees[1]["self"]] == [top[3]["total"], top[1]["total"]]
# One, none, other processes.
assert "One profile shows what is in use" in pages["one"].text and "timeline" not in pages["one"].ids
assert "no sample was recorded" in pages["none"].text
p = pages["leak"]
assert "There is one profile of this process alone" in p.text and "2 processes" in p.text and "leaked for certain" in p.text and "memory_full 7" in p.text and "values are too low" in p.text
assert "definite" in p.text and "grew by" not in p.text
assert "±" not in pages["exact"].text and "each allocation is counted" in pages["exact"].text
p = pages["part"]
assert "only a part of the samples; with function_2" in p.text and sum("src/file_" in r for r in p.rows) == 3
assert "The 120 profiles" in pages["many"].text
EOF2
check 'what the page tells is so, and safely embedded' python3 "$work/check.py" "$work"
