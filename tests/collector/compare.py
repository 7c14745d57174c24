#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Is what the Collector decoded what `go tool pprof` reads in the same file?

compare.py values TEXT RAW    values of each stack, build IDs, file hashes
compare.py names TEXT TOP     every function that pprof names
compare.py sums TEXT...       `TYPE SUM SAMPLES` of each sample type, over all
compare.py series COUNT RAW TEXT...
                              exports of one process: COUNT of them, each once or with
                              the same ID, that add up to the last profile, RAW

TEXT is a file N.profiles.txt of the Collector, RAW what
`go tool pprof -symbolize=none -raw` prints, TOP what `-top` prints.
Prints what differs, one line each, and ends with 1 if anything does.
"""
import collections
import hashlib
import re
import sys


def exported(path):
    """[(type, time, duration, ID, samples)], mappings by index; a sample is
    (value, attributes, frames, addresses)."""
    profiles, mappings = [], {}
    for line in open(path, encoding="utf-8"):
        word, _, rest = line.rstrip("\n").partition(" ")
        if word == "profile":
            fields = rest.split()
            profiles.append((fields[0], int(fields[3]), int(fields[5]), fields[-1], []))
        elif word == "sample":
            value, attributes, frames, addresses = rest.split(" | ")
            profiles[-1][4].append((int(value), attributes, frames.split("; "), addresses))
        elif word == "mapping":
            fields, _, attributes = rest.partition("\t")
            index, limits, offset, *name = fields.split(" ")
            mappings[int(index)] = (
                " ".join(name),
                dict(a.split("=", 1) for a in attributes.split("\t") if a),
                [int(n, 16) for n in limits.split("-")],
                int(offset, 16),
            )
    return profiles, mappings


def collected(path):
    """{type: samples}, mappings by index."""
    samples = collections.OrderedDict()
    profiles, mappings = exported(path)
    for kind, _, _, _, rows in profiles:
        samples.setdefault(kind, []).extend(rows)
    return samples, mappings


def by_stack(samples, mappings):
    """{((offset in the file, file), ...): value}, without those that are 0."""
    total = collections.Counter()
    for value, _, _, addresses in samples:
        key = []
        for place in addresses.split():
            mapping, address = place.split(":")
            name, _, (start, _), offset = mappings[int(mapping)]
            # Both are in the file's own space: back to an offset in the file.
            key.append((int(address, 16) - start + offset, name))
        total[tuple(key)] += value
    return {k: v for k, v in total.items() if v}


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


def differ(what, want, got):
    if want == got:
        return []
    wrong = [k for k in set(want) | set(got) if want.get(k) != got.get(k)]
    return ["%s: %d of %d stacks differ, %s: pprof says %s, the Collector %s" % (
        what, len(wrong), len(want), wrong[0], want.get(wrong[0]), got.get(wrong[0]))]


def in_raw(stacks, locations, mappings, column):
    """One column of pprof's samples, as by_stack()."""
    total = collections.Counter()
    for stack, row in stacks.items():
        total[tuple(in_file(locations[i], mappings) for i in stack)] += row[column]
    return {k: v for k, v in total.items() if v}


def values(text, raw_text):
    differences = []
    samples, ours = collected(text)
    types, stacks, locations, theirs = raw(raw_text)
    if not stacks:
        return ["pprof shows no samples"]
    for column, kind in enumerate(types):
        want = in_raw(stacks, locations, theirs, column)
        differences += differ(kind, want, by_stack(samples.get(kind, []), ours))
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


def series(count, raw_text, *texts):
    differences = []
    first, repeated = {}, 0  # by ID
    for text in texts:
        profiles, mappings = exported(text)
        for kind, time, duration, name, samples in profiles:
            now = (kind, time, duration, by_stack(samples, mappings))
            repeated += name in first
            if first.setdefault(name, now) != now:
                differences.append("ID %s came twice, with different contents" % name)
    by_kind = {}
    for kind, time, duration, stacks in first.values():
        by_kind.setdefault(kind, []).append((time, duration, stacks))
    types, stacks, locations, mappings = raw(raw_text)
    for column, kind in enumerate(types):
        exports = sorted(by_kind.get(kind, []), key=lambda e: e[:2])
        if len(exports) != int(count):
            differences.append("%s: %d exports of %s profiles" % (kind, len(exports), count))
            continue
        got = collections.Counter()
        for _, _, rows in exports if kind.startswith("alloc_") else exports[-1:]:
            got.update(rows)
        want = in_raw(stacks, locations, mappings, column)
        # Each profile is rounded by itself; that adds up as a random walk does.
        slack = 2 + 2 * len(exports) ** 0.5 if kind.startswith("alloc_") else 0
        for key in want:
            if abs(got[key] - want[key]) <= slack:
                got[key] = want[key]
        differences += differ(kind, want, dict(got))
        for (time, duration, _), (next_time, _, _) in zip(exports, exports[1:]):
            if time + duration > next_time + 1000000:
                differences.append("%s: a window of time ends %d ns after the next begins" % (
                    kind, time + duration - next_time))
    print("%s exports in %d requests, %d of their profiles twice" % (count, len(texts), repeated),
          file=sys.stderr)
    return differences


def main():
    what, *files = sys.argv[1:]
    wrong = {"values": lambda: values(*files), "names": lambda: names(*files),
             "sums": lambda: sums(files), "series": lambda: series(*files)}[what]()
    for line in wrong[:5]:
        print(line)
    sys.exit(bool(wrong))


main()
