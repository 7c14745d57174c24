#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write heap profiles for tests, in pure Python, of nothing that otheap is made of.

As a program:  pprof_write.py OUT < text, one line for each thing:

    time SECONDS            when it was taken, since 1970 (default: none)
    duration SECONDS        how long after the start
    period BYTES            sampling interval (default 524288; 0: not said)
    build ID                of the program (default 00)
    program NAME            and a comment with it
    comment TEXT
    sample ALLOC_OBJECTS ALLOC_SPACE INUSE_OBJECTS INUSE_SPACE [bytes=N] [leak=TEXT]
           [age=MS]... [lived=MS freed=N]... | FUNCTION...
                            leaf first; FUNCTION@FILE:LINE too

As a module: write(path, facts, samples), with the same names.
"""

import gzip
import sys

TYPES = ["alloc_objects", "alloc_space", "inuse_objects", "inuse_space"]
UNITS = ["count", "bytes"] * 2
LABEL_UNITS = {"bytes": "bytes", "age": "milliseconds", "lived": "milliseconds", "freed": "count"}


def varint(n):
    n &= (1 << 64) - 1
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def number(field, n):
    return varint(field << 3) + varint(n) if n else b""


def message(field, b):
    return varint(field << 3 | 2) + varint(len(b)) + b


class Writer:
    def __init__(self):
        self.strings = {"": 0}
        self.functions = {}
        self.locations = {}
        self.out = []

    def string(self, s):
        return self.strings.setdefault(s, len(self.strings))

    def location(self, frame):
        """The id of `FUNCTION[@FILE:LINE]`."""
        if frame in self.locations:
            return self.locations[frame]
        name, _, place = frame.partition("@")
        file, _, line = place.partition(":")
        f = self.functions.setdefault((name, file), len(self.functions) + 1)
        i = len(self.locations) + 1
        self.locations[frame] = i
        lines = number(1, f) + number(2, int(line or 0))
        self.out.append(message(4, number(1, i) + number(2, 1) + number(3, 0x1000 + 16 * i) + message(4, lines)))
        return i

    def sample(self, values, labels, frames):
        ids = b"".join(varint(self.location(f)) for f in frames)
        body = message(1, ids) + message(2, b"".join(varint(v) for v in values))
        for key, value in labels:
            label = number(1, self.string(key))
            if isinstance(value, str):
                label += number(2, self.string(value))
            else:
                label += number(3, value)
                label += number(4, self.string(LABEL_UNITS[key]))
            body += message(3, label)
        self.out.append(message(2, body))


def write(path, facts, samples):
    """samples: (values, [(key, value)], frames), frames leaf first."""
    w = Writer()
    for t, u in zip(TYPES, UNITS):
        w.out.append(message(1, number(1, w.string(t)) + number(2, w.string(u))))
    program = facts.get("program", "app")
    w.out.append(message(3, number(1, 1) + number(2, 0x1000) + number(3, 0x10000000)
                         + number(5, w.string("/opt/" + program)) + number(6, w.string(facts.get("build", "00"))) + number(7, 1)))
    for values, labels, frames in samples:
        w.sample(values, labels, frames)
    for (name, file), i in w.functions.items():
        w.out.append(message(5, number(1, i) + number(2, w.string(name)) + number(3, w.string(name))
                             + number(4, w.string(file))))
    comments = ["program: " + program, "pid: %s" % facts.get("pid", "4711")] + facts.get("comments", [])
    w.out.append(message(13, b"".join(varint(w.string(c)) for c in comments)))
    w.out.append(number(9, int(facts.get("time", 0) * 1e9)))
    w.out.append(number(10, int(facts.get("duration", 0) * 1e9)))
    period = int(facts.get("period", 524288))
    if period:
        w.out.append(message(11, number(1, w.string("space")) + number(2, w.string("bytes"))))
        w.out.append(number(12, period))
    w.out.append(number(14, w.string("inuse_space")))
    for s in w.strings:
        w.out.append(message(6, s.encode()))
    data = gzip.compress(b"".join(w.out), 1)
    with open(path, "wb") as f:
        f.write(data)


def main():
    facts, samples = {"comments": []}, []
    for line in sys.stdin:
        key, _, rest = line.strip().partition(" ")
        if key in ("time", "duration"):
            facts[key] = float(rest)
        elif key in ("period", "build", "program", "pid"):
            facts[key] = rest
        elif key == "comment":
            facts["comments"].append(rest)
        elif key == "sample":
            numbers, _, frames = rest.partition("|")
            words = numbers.split()
            labels = []
            for word in words[4:]:
                k, _, v = word.partition("=")
                labels.append((k, v if k == "leak" else int(v)))
            samples.append(([int(v) for v in words[:4]], labels, frames.split()))
        elif key and not key.startswith("#"):
            sys.exit("what is '%s'?" % line.strip())
    write(sys.argv[1], facts, samples)


if __name__ == "__main__":
    main()
