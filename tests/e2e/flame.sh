#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# flame.sh - otheap flame: the page and the picture hold what top prints, are whole
# whatever functions are called, ask nothing of a network and stay small.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

reads flame

hostile=$(printf '</script><img src=x>"&\047\\z\n\001\377 \342\200\250')
"$mk" --samples 500 --locations 60 --name "$hostile" "$work/a.pb" || exit 1
"$mk" --samples 500 --locations 60 --seed 2 --name "$hostile" "$work/b.pb"
"$mk" --samples 500 --locations 60 --interval 4096 "$work/finer.pb"
"$mk" --samples 0 "$work/none.pb"
head -c 3001 "$work/a.pb" >"$work/cut.pb"

refused 'no file' 'no FILE' -o "$work/x.html"
refused 'no output' 'OUT.html or OUT.svg' "$work/a.pb"
refused 'another kind of output' 'OUT.html or OUT.svg' "$work/a.pb" -o "$work/x.png"
refused 'another format' 'expected html or svg' "$work/a.pb" -o "$work/x.png" --format png
refused 'three files' 'too many' a b c -o "$work/x.svg"
refused 'no such file' 'No such file' "$work/nosuch" -o "$work/x.svg"
refused 'a truncated file' 'cut.pb: ' "$work/cut.pb" -o "$work/x.svg"
refused 'no such folder' 'x.svg: No such file' "$work/a.pb" -o "$work/nosuch/x.svg"
refused 'another interval' 'was sampled at interval' "$work/a.pb" "$work/finer.pb" -o "$work/x.svg"
if [ -w /dev/full ]; then
	ln -s /dev/full "$work/full.html"
	refused 'full disk' 'No space left' "$work/a.pb" -o "$work/full.html"
fi
check 'nothing is written for a bad file' test ! -e "$work/x.svg"

# The file appears when it is complete; until then there is the old one.
check 'on standard output' sh -c '"$1" flame "$2" -o - >"$3" && grep -q "^</html>$" "$3"' - "$otheap" "$work/a.pb" "$work/-.html"
check 'a picture under any name' "$otheap" flame "$work/a.pb" --format svg -o "$work/a.picture"
check 'it is one' grep -q '^</svg>$' "$work/a.picture"
mkdir "$work/out"
echo old >"$work/out/old.html"
chmod 640 "$work/out/old.html"
ln -s old.html "$work/out/link.html"
refused 'a truncated file for an old page' 'cut.pb: ' "$work/cut.pb" -o "$work/out/old.html"
equal 'the old page stays' "$(cat "$work/out/old.html")" old
# A limit on the size of files ends the command, or its write, in the middle.
for how in - ''; do
	what='killed'
	[ -n "$how" ] || what='out of room'
	(
		cd "$work" || exit 0
		# shellcheck disable=SC2064 # a word to be known now
		trap "$how" XFSZ
		ulimit -f 8
		"$otheap" flame "$work/a.pb" -o "$work/out/old.html" 2>"$work/full.err" >/dev/null
	) 2>/dev/null
	if [ $? = 0 ]; then not_ok "the command was $what" 'it was not'; fi
	equal "the old page stays when the command is $what" "$(cat "$work/out/old.html")" old
	equal "nothing else is left when the command is $what" "$(cd "$work/out" && find . -type f)" ./old.html
done
check 'out of room is told' grep -q '^otheap: .*old.html: File too large$' "$work/full.err"
check 'a page through a link' "$otheap" flame "$work/a.pb" -o "$work/out/link.html"
check 'the link stays, the page is new' test -L "$work/out/link.html" -a -s "$work/out/old.html"
check 'the page is whole' grep -q '^</html>$' "$work/out/old.html"
equal 'its mode stays' "$(stat -c %a "$work/out/old.html")" 640
(umask 027 && "$otheap" flame "$work/a.pb" -o "$work/out/new.svg")
equal 'the mode of a new file' "$(stat -c %a "$work/out/new.svg")" 640
equal 'nothing else is left' "$(cd "$work/out" && find . -type f | sort | tr '\n' ' ')" './new.svg ./old.html '

for kind in html svg; do
	check "$kind" "$otheap" flame "$work/a.pb" -o "$work/a.$kind"
	check "$kind of what changed" "$otheap" flame "$work/b.pb" "$work/a.pb" -o "$work/d.$kind"
	check "$kind without samples" "$otheap" flame "$work/none.pb" -o "$work/none.$kind"
	check "$kind with focus" "$otheap" flame --focus function_2 -s alloc_space "$work/a.pb" -o "$work/f.$kind"
	if grep -q '<img' "$work/a.$kind" || grep -oE '<[a-zA-Z]+ [^>]*(src|href) *=|url\(|https?://[^ "]*' "$work/a.$kind" | grep -v 'http://www.w3.org/2000/svg'; then
		not_ok "$kind: names stay names, no network" "$(grep -c '<img' "$work/a.$kind")"
	else
		ok "$kind: names stay names, no network"
	fi
done

if command -v python3 >/dev/null; then
	"$otheap" top -o json "$work/a.pb" >"$work/a.json"
	cat >"$work/check.py" <<'EOF'
import html.parser, json, sys, xml.dom.minidom
work = sys.argv[1]
for name in "a", "d", "f", "none":
    xml.dom.minidom.parse(f"{work}/{name}.svg")
class Page(html.parser.HTMLParser):
    tags, data, inside = {}, "", False
    def handle_starttag(self, tag, attrs):
        self.tags[tag] = self.tags.get(tag, 0) + 1
        self.inside = tag == "script" and dict(attrs).get("type") == "application/json"
    def handle_data(self, text):
        if self.inside:
            self.data += text
    def handle_endtag(self, tag):
        self.inside = False
page = Page()
page.feed(open(f"{work}/a.html", encoding="utf-8").read())
assert page.tags["script"] == 2 and "img" not in page.tags, page.tags
d = json.loads(page.data)
top = json.load(open(f"{work}/a.json", encoding="utf-8"))
k = [t["name"] for t in d["types"]].index("inuse_space")
assert k == d["start"] and len(d["types"]) == 4
self_, variance, by_name = d["self"][k], d["variance"][k], {}
assert len(self_) == len(d["parent"]) == len(d["name"]) and all(p < i or i == 0 for i, p in enumerate(d["parent"]))
assert sum(self_) == top["total"]
assert abs(sum(variance) / top["total_stderr"] ** 2 - 1) < 1e-3
for name, value in zip(d["name"], self_):
    key = d["names"][name], d["files"][name]
    by_name[key] = by_name.get(key, 0) + value
for row in top["rows"]:
    assert by_name[row["function"], row["file"]] == row["flat"], row
EOF
	check 'the same values as top, safely embedded' python3 "$work/check.py" "$work"
else
	skip 'the same values as top, safely embedded' 'no python3'
fi

# 100,000 different stacks.
"$mk" --samples 100000 --locations 20000 --depth 30 "$work/big.pb"
check 'html of 100,000 stacks' "$otheap" flame "$work/big.pb" -o "$work/big.html"
size=$(wc -c <"$work/big.html")
if [ "$size" -lt 10000000 ]; then ok 'html of 100,000 stacks is below 10 MB'; else not_ok 'html of 100,000 stacks is below 10 MB' "$size bytes"; fi
