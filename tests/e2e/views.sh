#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# views.sh - hidden frames, rows by something else than functions, lines that fit, and
# the machine formats of every reading command: the same values whichever way.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

reads
"$mk" --samples 2000 --locations 300 --depth 10 "$work/p.pb" || exit 1
"$mk" --samples 2000 --locations 300 --depth 10 --seed 2 "$work/q.pb"
"$mk" --samples 0 "$work/none.pb"
name='std::map<std::string, std::vector<int, std::allocator<int> > >::operator[](std::string const&)'
"$mk" --samples 500 --locations 60 --name "$name" "$work/long.pb"

refused 'bad --hide' "--hide '('" top --hide '(' "$work/p.pb"
refused 'bad --by' 'expected function, line, stack, thread' top --by colour "$work/p.pb"
refused 'bad --width' 'a number of columns' top --width x "$work/p.pb"
refused 'unknown format of diff' 'expected text, json' diff -o yaml "$work/p.pb" "$work/q.pb"
refused 'unknown format of tree' 'expected text, json' tree -o yaml "$work/p.pb"
refused 'no folded stacks of peek' 'expected text, json or csv' peek -o folded x "$work/p.pb"

# total ARGUMENT... - of `top`, by its CSV.
total() {
	"$otheap" top -o csv "$@" | sed -n 's/^# total: //p'
}

# ---- rows -------------------------------------------------------------------------

whole=$(total "$work/p.pb")
equal 'hidden frames leave the total' "$(total --hide 'function_[1-9]' "$work/p.pb")" "$whole"
equal 'whatever is hidden' "$(total --hide . "$work/p.pb")" "$whole"
prints 'all frames hidden' '(no stack)' top --hide . "$work/p.pb"
for by in function line stack thread size module label=bytes label=nosuch; do
	equal "by $by: the rows are the total" "$(
		"$otheap" top --by $by -o csv "$work/p.pb" | awk -F, '/^[0-9]/ { s += $1 } END { printf "%.0f", s }'
	)" "$whole"
done
# The classes of sizes, by another reader of the file.
"$prog/pbdump" <"$work/p.pb" | awk '/^sample / {
		split($6, b, "="); top = 16
		while (top < b[2]) top *= 2
		sum[top] += $5
	}
	END { for (t in sum) if (sum[t]) printf "%.0f\n", sum[t] }' | sort -n >"$work/theirs"
"$otheap" top --by size -o csv "$work/p.pb" | awk -F, '/^[0-9]/ { print $1 }' | sort -n >"$work/ours"
same_lines 'by size: classes that double' "$work/ours" "$work/theirs"
run OTHEAP_SAMPLE_INTERVAL=1 OTHEAP_LABEL_THREADS=1 "$prog/threads"
if f=$(last_file); then
	try top --by thread -s alloc_space -o csv "$f"
	decode "$f"
	awk '/^sample / { split($7, label, "="); sum[label[2]] += $3 }
		END { for (t in sum) printf "%.0f %s\n", sum[t], t == "" ? "(no" : t }' "$text" | sort >"$work/theirs"
	awk -F, '/^[0-9]/ { gsub(/"/, "", $5); split($5, w, " "); print $1, w[1] }' "$out" | sort >"$work/ours"
	same_lines 'by thread: as the labels say' "$work/ours" "$work/theirs"
else
	not_ok 'by thread: as the labels say' "no profile: $(head -c 300 "$err")"
fi

# ---- names and lines that fit --------------------------------------------------------

prints 'short names' 'std::map<>::operator[]()  src/' top --short-names "$work/long.pb"
longest() {
	awk '{ if (length($0) > n) n = length($0) } END { print n }'
}
for command in 'top -n 0' 'top -l -n 0' 'tree' 'peek operator' "diff $work/none.pb"; do
	# shellcheck disable=SC2086
	set -- $command
	"$otheap" "$@" "$work/long.pb" | sed '1,/^$/d' >"$work/wide"
	"$otheap" "$@" --width 110 "$work/long.pb" | sed '1,/^$/d' >"$work/fits"
	if [ "$(longest <"$work/wide")" -gt 110 ] && [ "$(longest <"$work/fits")" -le 110 ] &&
	    [ "$(wc -l <"$work/wide")" = "$(wc -l <"$work/fits")" ]; then
		ok "lines that fit: ${command%"$work"*}"
	else
		not_ok "lines that fit: ${command%"$work"*}" \
			"$(longest <"$work/wide") and $(longest <"$work/fits") columns"
	fi
done

# ---- pprof --------------------------------------------------------------------------

# A profile that was written again reads the same.
"$otheap" top -o pprof "$work/p.pb" >"$work/again.pb.gz"
equal 'pprof: exit' $? 0
for view in '' -l --stacks; do
	"$otheap" top -n 0 -o csv ${view:+"$view"} "$work/p.pb" | sed 1d >"$work/a"
	"$otheap" top -n 0 -o csv ${view:+"$view"} "$work/again.pb.gz" | sed 1d >"$work/b"
	same_lines "pprof: written again $view" "$work/a" "$work/b"
done
# What a filter leaves, whichever way it is applied.
"$otheap" top -o pprof --focus 'function_1$' --ignore 'function_2$' --hide 'function_3$' "$work/p.pb" >"$work/part.pb.gz"
"$otheap" top -o csv --focus 'function_1$' --ignore 'function_2$' --hide 'function_3$' "$work/p.pb" | grep '^[0-9]' >"$work/a"
"$otheap" top -o csv "$work/part.pb.gz" | grep '^[0-9]' >"$work/b"
same_lines 'pprof: what filters leave' "$work/a" "$work/b"
"$otheap" top -s alloc_objects -o pprof "$work/p.pb" >"$work/type.pb.gz"
prints 'pprof: -s becomes the default' 'Showing    alloc_objects' top "$work/type.pb.gz"
"$otheap" top -o pprof "$work/none.pb" >"$work/none.pb.gz"
prints 'pprof: a profile without samples' 'no samples' top "$work/none.pb.gz"
if [ -w /dev/full ]; then
	"$otheap" top -o pprof "$work/p.pb" >/dev/full 2>"$work/full"
	equal 'pprof: full disk' "$? $(cat "$work/full")" '2 otheap: standard output: No space left on device'
fi

# ---- JSON, CSV, folded ----------------------------------------------------------------

if command -v python3 >/dev/null; then
	cat >"$work/check.py" <<'EOP'
import csv, json, subprocess, sys
otheap, p, q, none = sys.argv[1:]
def run(*args):
    return subprocess.run([otheap, *args], capture_output=True, text=True, check=True).stdout
def table(*args):
    return list(csv.DictReader(l for l in run(*args, "-o", "csv").splitlines() if not l.startswith("# ")))
def expect(name, good):
    print(("ok " if good else "not ok ") + name + ("" if good else ": no"))
top = {r["function"]: r for r in json.loads(run("top", "-o", "json", p))["rows"]}
qtop = {r["function"]: r for r in json.loads(run("top", "-o", "json", q))["rows"]}
# diff
d = json.loads(run("diff", "-o", "json", p, q))
expect("diff json: values are those of top", d["rows"] and all(
    r["values"] == [top.get(r["function"], {"flat": 0})["flat"], qtop.get(r["function"], {"flat": 0})["flat"]]
    and r["growth"] == r["values"][1] - r["values"][0] for r in d["rows"]))
expect("diff json: the growth is that of the totals", d["growth"] == d["totals"][1] - d["totals"][0]
       and sum(r["growth"] for r in d["rows"]) == d["growth"] and d["same_process"] is True)
c = table("diff", p, q)
expect("diff csv: as json", [(int(r["growth"]), float(r["growth_stderr"]), float(r["q"]), int(r["value1"]),
    int(r["value2"]), r["function"], r["file"], int(r["line"])) for r in c] ==
    [(r["growth"], r["growth_stderr"], r["q"], *r["values"], r["function"], r["file"], r["line"]) for r in d["rows"]])
f = [l.rsplit(" ", 2) for l in run("diff", "-o", "folded", p, q).splitlines()]
expect("diff folded: two values", sum(int(b) - int(a) for _, a, b in f) == d["growth"])
s = json.loads(run("diff", "--stacks", "-o", "json", p, q))
expect("diff json: stacks", sum(r["growth"] for r in s["rows"]) == d["growth"] and all(r["frames"] for r in s["rows"]))
# tree
t = json.loads(run("tree", "-o", "json", p))
expect("tree json: callees are part of their callers", t["rows"] and
       sum(r["cum"] for r in t["rows"] if r["depth"] == 1) == t["total"] == sum(r["flat"] for r in t["rows"]))
flat = {}
for r in t["rows"]:
    flat[r["function"]] = flat.get(r["function"], 0) + r["flat"]
expect("tree json: flat values are those of top", {k: v for k, v in flat.items() if v} ==
       {k: r["flat"] for k, r in top.items() if r["flat"]})
c = table("tree", p)
expect("tree csv: as json", [(int(r["depth"]), int(r["cum"]), int(r["flat"]), r["function"]) for r in c] ==
       [(r["depth"], r["cum"], r["flat"], r["function"]) for r in t["rows"]])
def stacks(*args):
    ret = {}
    for l in run(*args).splitlines():
        stack, value = l.rsplit(" ", 1)
        ret[stack] = ret.get(stack, 0) + int(value)
    return ret
expect("tree folded: as top", stacks("tree", "-o", "folded", p) == stacks("top", "-o", "folded", p))
# peek
k = json.loads(run("peek", "-o", "json", "function_1$", p))["rows"]
me = [r for r in k if r["is"] == "self"]
expect("peek json: cum is that of top", len(me) == 1 and me[0]["cum"] == top["function_1"]["cum"])
callers = sum(r["cum"] for r in k if r["is"] == "caller" and r["function"] != "function_1")
expect("peek json: callers bring no more than cum", 0 < callers <= me[0]["cum"])
c = table("peek", "function_1$", p)
expect("peek csv: as json", [(r["is"], int(r["cum"]), r["function"]) for r in c] ==
       [(r["is"], r["cum"], r["function"]) for r in k])
# list
l = json.loads(run("list", "-o", "json", "function_1$", p))["rows"]
expect("list json: flat is that of top", sum(r["flat"] for r in l) == top["function_1"]["flat"])
c = table("list", "function_1$", p)
expect("list csv: as json", [(int(r["flat"]), int(r["cum"]), int(r["line"])) for r in c] ==
       [(r["flat"], r["cum"], r["line"]) for r in l])
for args in (["diff", none, none], ["tree", none], ["peek", "x", none], ["list", "x", none]):
    expect(args[0] + " json: without samples", json.loads(run(args[0], "-o", "json", *args[1:]))["rows"] == [])
EOP
	python3 "$work/check.py" "$otheap" "$work/p.pb" "$work/q.pb" "$work/none.pb" >"$work/checked" 2>"$work/why" ||
		echo "not ok json: $(tail -n 1 "$work/why")" >>"$work/checked"
	cat "$work/checked"
	grep -q '^not ok' "$work/checked" && failures=$((failures + 1))
else
	skip 'json' 'no python3'
fi

# ---- against go tool pprof ----------------------------------------------------------------

if ! command -v go >/dev/null; then
	skip 'as go tool pprof' 'it is not installed'
	exit 0
fi
pprof() {
	go_top "$@" | awk '{ print $1, $4, $6 }' | sort
}
# pprof says nothing of samples of which every frame is hidden.
ours() {
	"$otheap" top -n 0 -u bytes "$@" | sed '1,/^ *flat/d' | grep -v '  (no stack)$' |
		awk '{ print $1, $5, $8 }' | sort
}
for hide in 'function_1$' 'function_[1-6]' 'file_1[0-9]' 'inline'; do
	ours --hide "$hide" "$work/p.pb" >"$work/a"
	pprof -hide "$hide" "$work/p.pb" >"$work/b"
	same_lines "as pprof -hide $hide" "$work/a" "$work/b"
done
"$mk" --samples 2000 --locations 300 --seed 7 --drop 'function_1.*|function_[2-4]' "$work/d.pb"
ours --hide 'function_[5-9]' "$work/d.pb" >"$work/a"
pprof -hide 'function_[5-9]' "$work/d.pb" >"$work/b"
same_lines 'as pprof -hide, with drop_frames' "$work/a" "$work/b"
for f in again part; do
	"$otheap" top -n 0 -u bytes "$work/$f.pb.gz" | sed '1,/^ *flat/d' | awk '{ print $1, $5, $8 }' | sort >"$work/a"
	pprof "$work/$f.pb.gz" >"$work/b"
	same_lines "pprof reads what was written: $f" "$work/a" "$work/b"
done
