#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Is what the Collector decoded what `go tool pprof` reads in the same file?

compare.py values TEXT RAW    values of each stack, build IDs, file hashes
compare.py names TEXT TOP     every function that pprof names
compare.py sums TEXT...       `TYPE SUM SAMPLES` of each sample type, over all

TEXT is a file N.profiles.txt of the Collector, RAW what
`go tool pprof -symbolize=none -raw` prints, TOP what `-top` prints.
Prints what differs, one line each, and ends with 1 if anything does.
"""
import collections
import hashlib
import re
import sys


def collected(path):
    """{type: [(value, attributes, frames, addresses)]}, mappings by index."""
    samples, mappings = collections.OrderedDict(), {}
    now = None
    for line in open(path, encoding="utf-8"):
        word, _, rest = line.rstrip("\n").partition(" ")
        if word == "profile":
            now = samples.setdefault(rest.split()[0], [])
        elif word == "sample":
            value, attributes, frames, addresses = rest.split(" | ")
            now.append((int(value), attributes, frames.split("; "), addresses))
        elif word == "mapping":
            fields, _, attributes = rest.partition("\t")
            index, limits, offset, *name = fields.split(" ")
            mappings[int(index)] = (
                " ".join(name),
                dict(a.split("=", 1) for a in attributes.split("\t") if a),
                [int(n, 16) for n in limits.split("-")],
                int(offset, 16),
            )
    return samples, mappings


def raw(path):
    """[types], {stack: [values]}, [(start, offset, file, build ID)] of pprof's text."""
    section, types, stacks, mappings = "", [], collections.OrderedDict(), {}
    locations = {}
    for line in open(path, encoding="utf-8", errors="replace"):
        line = line.rstrip("\n")
        if line in ("Samples:", "Locations", "Mappings"):
            section = line
        elif section == "Samples:" and not types:
            types = [re.sub(r"/.*", "", t) for t in line.split()]
        elif section == "Samples:":
            found = re.match(r"^ *(-?\d[-\d ]*): ([\d ]+)$", line)
            if found:
                values = [int(v) for v in found.group(1).split()]
                key = tuple(found.group(2).split())
                before = stacks.setdefault(key, [0] * len(values))
                stacks[key] = [a + b for a, b in zip(before, values)]
        elif section == "Locations":
            found = re.match(r"^ *(\d+): (0x[0-9a-f]+) (?:M=(\d+))?", line)
            if found:
                locations[found.group(1)] = (int(found.group(2), 16), found.group(3))
        elif section == "Mappings":
            found = re.match(r"^(\d+): (0x\w+)/(0x\w+)/(0x\w+) (\S*) (\S*)", line)
            if found:
                mappings[found.group(1)] = (
                    int(found.group(2), 16), int(found.group(4), 16),
                    found.group(5), found.group(6))
    return types, stacks, locations, mappings


def in_file(location, mappings):
    """Where in which file a location of pprof is."""
    address, mapping = location
    if mapping is None:
        return address, ""
    start, offset, name, _ = mappings[mapping]
    return address - start + offset, name


def values(text, raw_text):
    differences = []
    samples, ours = collected(text)
    types, stacks, locations, theirs = raw(raw_text)
    if not stacks:
        return ["pprof shows no samples"]
    for column, kind in enumerate(types):
        want = collections.Counter()
        for stack, row in stacks.items():
            key = tuple(in_file(locations[i], theirs) for i in stack)
            want[key] += row[column]
        got = collections.Counter()
        for value, _, _, addresses in samples.get(kind, []):
            key = []
            for place in addresses.split():
                mapping, address = place.split(":")
                name, _, (start, _), offset = ours[int(mapping)]
                # Both are in the file's own space: back to an offset in the file.
                key.append((int(address, 16) - start + offset, name))
            got[tuple(key)] += value
        want = {k: v for k, v in want.items() if v}
        got = {k: v for k, v in got.items() if v}
        if want != got:
            wrong = [k for k in set(want) | set(got) if want.get(k) != got.get(k)]
            differences.append("%s: %d of %d stacks differ, %s: pprof says %s, the Collector %s" % (
                kind, len(wrong), len(want), wrong[0], want.get(wrong[0]), got.get(wrong[0])))
    used = {locations[i][1] for stack in stacks for i in stack} - {None}
    want = sorted((theirs[m][2], theirs[m][3]) for m in used)
    got = sorted((name, a.get("process.executable.build_id.gnu", ""))
                 for i, (name, a, _, _) in ours.items() if i)
    if want != got:
        differences.append("build IDs: pprof says %s, the Collector %s" % (want, got))
    for i, (name, attributes, _, _) in ours.items():
        if not name.startswith("/"):
            continue
        data = open(name, "rb").read()
        digest = hashlib.sha256(data[:4096] + data[-4096:] + len(data).to_bytes(8, "big"))
        if attributes.get("process.executable.build_id.htlhash") != digest.hexdigest()[:32]:
            differences.append("htlhash of %s: %s, not %s" % (
                name, attributes.get("process.executable.build_id.htlhash"),
                digest.hexdigest()[:32]))
    return differences


def names(text, top):
    samples, _ = collected(text)
    got = set()
    for kind in samples.values():
        for _, _, frames, _ in kind:
            got |= {re.sub(r" \S*:\d+$", "", f) for f in frames}
    want, listing = set(), False
    for line in open(top, encoding="utf-8"):
        fields = line.split(None, 5)
        if listing and len(fields) == 6:
            name = re.sub(r" \(inline\)$", "", fields[5].strip())
            if not name.startswith("[") and not name.startswith("<"):
                want.add(name)
        listing |= line.split()[:2] == ["flat", "flat%"]
    if not listing:
        return ["pprof lists nothing"]
    return ["the Collector has no function %s" % n for n in sorted(want - got)]


def sums(texts):
    total = collections.OrderedDict()
    for text in texts:
        for kind, rows in collected(text)[0].items():
            value, count = total.get(kind, (0, 0))
            total[kind] = (value + sum(r[0] for r in rows), count + len(rows))
    for kind in sorted(total):
        print(kind, *total[kind])
    return []


def main():
    what, *files = sys.argv[1:]
    wrong = {"values": lambda: values(*files), "names": lambda: names(*files),
             "sums": lambda: sums(files)}[what]()
    for line in wrong[:5]:
        print(line)
    sys.exit(bool(wrong))


main()
