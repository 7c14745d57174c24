#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# browser.sh - the pages that otheap makes, in Chromium: see tests/browser.
#
# BROWSER_PICTURES=FOLDER keeps the screenshots.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

need python3 chromedriver
command -v chromium >/dev/null || need chromium-browser
reads
export LC_ALL=C.UTF-8 PYTHONDONTWRITEBYTECODE=1

# A name that is longer than any screen, and all that could break out of a page.
long=$(printf 'std::map<std::string, std::vector<%0.sint>>' 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20)
odd=$(printf '</script><img src=x onerror="window.bad=1">"&\047\\z\n\001\377 \342\200\256%s' "$long$long$long")

"$mk" --samples 500 --locations 60 "$work/a.pb" &&
	"$mk" --samples 500 --locations 60 --seed 2 "$work/b.pb" &&
	"$mk" --samples 60 --locations 8 --depth 6 --name "$odd" "$work/odd.pb" &&
	"$mk" --samples 0 "$work/none.pb" &&
	"$mk" --samples 100000 --locations 20000 --depth 30 "$work/big.pb" || exit 1
for name in a odd none big; do
	"$otheap" flame "$work/$name.pb" -o "$work/$name.html" || exit 1
done
"$otheap" flame "$work/b.pb" "$work/a.pb" -o "$work/d.html" || exit 1
"$otheap" top -o json "$work/a.pb" >"$work/a.json" || exit 1

# A series that grows, of profiles with such names; one, none; another process with verdicts.
set --
for n in 1 2 3; do
	"$mk" --samples $((n * 100)) --locations 12 --depth 2 --time $((n * 100)) --name "$odd" \
		--comment "exact totals: ${n}000000 bytes in ${n}000 allocations" --comment "note: $odd" "$work/p$n.pb" || exit 1
	set -- "$@" "$work/p$n.pb"
done
"$mk" --samples 300 --locations 60 --time 400 --pid 99 --leak lost --comment 'dropped: memory_full 7' "$work/leak.pb" &&
	"$otheap" report "$@" -o "$work/series.html" &&
	"$otheap" report "$work/p2.pb" -o "$work/report-one.html" &&
	"$otheap" report "$work/none.pb" -o "$work/report-empty.html" &&
	"$otheap" report "$@" "$work/leak.pb" -o "$work/report-leak.html" || exit 1

if ! timeout -k 10 300 python3 tests/browser/pages.py "$work" 2>"$work/python.err" </dev/null; then
	failures=$((failures + 1))
	[ ! -s "$work/python.err" ] || not_ok browser "$(tail -n 5 "$work/python.err")"
fi
