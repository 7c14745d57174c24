#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""profile.py sums FILE...: what the samples of a profile add up to.

A reader of pprof made for the tests, of nothing that the library is made of, and
quick on profiles with very many long stacks: it does not look at them.  Prints

    ALLOC_OBJECTS ALLOC_BYTES LIVE_OBJECTS LIVE_BYTES
    comment TEXT            (each)

As a module: Profile(path) has .samples, a list of (values, bytes label, location
ids when asked for), .comments, and .rows.
"""

import gzip
import sys


def varint(b, at):
    n = shift = 0
    while True:
        c = b[at]
        at += 1
        n |= (c & 127) << shift
        if c < 128:
            return n, at
        shift += 7


def signed(n):
    return n - (1 << 64) if n >> 63 else n


def fields(b):
    """(number, value) of each field; a value is a number or bytes."""
    at, end = 0, len(b)
    while at < end:
        key, at = varint(b, at)
        kind = key & 7
        if kind == 0:
            v, at = varint(b, at)
        elif kind == 2:
            n, at = varint(b, at)
            if at + n > end:
                raise ValueError("a field longer than the message")
            v = b[at : at + n]
            at += n
        elif kind in (1, 5):
            n = 8 if kind == 1 else 4
            v = b[at : at + n]
            at += n
        else:
            raise ValueError("wire type %d" % kind)
        yield key >> 3, v


def packed(v):
    if isinstance(v, int):
        return [v]
    out, at = [], 0
    while at < len(v):
        n, at = varint(v, at)
        out.append(n)
    return out


class Profile:
    def __init__(self, path, stacks=False):
        with open(path, "rb") as f:
            raw = gzip.decompress(f.read())
        strings, comments, samples = [], [], []
        self.types = []
        for number, v in fields(raw):
            if number == 1:
                self.types.append(dict(fields(v))[1])
            elif number == 2:
                samples.append(v)
            elif number == 6:
                strings.append(v.decode())
            elif number == 13:
                comments.extend(packed(v))
        self.comments = [strings[i] for i in comments]
        self.types = [strings[i] for i in self.types]
        if self.types != ["alloc_objects", "alloc_space", "inuse_objects", "inuse_space"]:
            raise ValueError("sample types %s" % self.types)
        self.samples = [self._sample(s, strings, stacks) for s in samples]

    @staticmethod
    def _sample(s, strings, stacks):
        values, size, ids = [], 0, []
        for number, v in fields(s):
            if number == 1 and stacks:
                ids.extend(packed(v))
            elif number == 2:
                values.extend(signed(n) for n in packed(v))
            elif number == 3:
                label = dict(fields(v))
                if strings[label[1]] == "bytes":
                    size = label.get(3, 0)
        if len(values) != 4 or min(values) < 0:
            raise ValueError("values %s" % values)
        return values, size, ids

    def sums(self):
        return [sum(s[0][i] for s in self.samples) for i in range(4)]


def main():
    if len(sys.argv) < 3 or sys.argv[1] != "sums":
        sys.exit(__doc__)
    for path in sys.argv[2:]:
        p = Profile(path)
        print(*p.sums())
        for c in p.comments:
            print("comment", c)


if __name__ == "__main__":
    main()
