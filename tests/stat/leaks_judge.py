#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""leaks_judge.py OTHEAP RUNS: does otheap leaks name what leaks, and nothing else?

Simulates the heap of a server with 60 call stacks, as a sampler at 512 KiB sees it,
and writes profiles of it with seeds 1 to RUNS:

traffic    20 stacks: blocks of 32 B to 64 KiB come as a Poisson process and live for an
           exponential time, from 10 ms to 5 s
sessions   10 stacks: the same with lifetimes of 20 s to 300 s
requests   10 stacks: up to 40 MiB in one go, all freed after up to 10 s
caches     10 stacks: a fixed number of entries, one replaced by another
tables     5 stacks: one block that is doubled now and then
loads      5 stacks: up to 30 MiB, once, some of them after the baseline

over ten minutes. Two profiles (the first and the last), or a series of six. `cold`
takes the baseline at the start, when there is nothing. Without lifetimes in the
profiles its sessions live for 50 s at most; with them, `any`, the entries of caches and
sessions live for up to 20 minutes, twice the time, and there are

full       5 stacks: caches that are filled at once, with lifetimes of up to 200 minutes
expiring   5 stacks: caches whose entries are thrown out at an age of up to 6 minutes
reads      3 stacks: blocks that come within the first half of the time, and stay

The leak has a call stack of its own, or it is among 0.1 to 1 MB of others that are
freed after 10 ms to 2 s.

Those of any lifetimes that are named are such as live for longer than the time, which do
still grow: with 100 seeds 8 of 9, at 1.1 to 2 times.

quiet      of RUNS runs without a leak at most so many name any stack as fit to a
           probability of 5 % for each, at 1 in 10,000
named      a leak of 8 MiB in blocks of 100 B to 16 KiB, at a constant rate: the right
           stack is named in at least 95 % of the runs
coverage   the interval of its rate holds the truth in at least 90 % of them

A binomial of 100 runs at 95 % is 88 or more in all but 1 of 300 cases, so `named`
would alarm in vain often if the rate were just that; it is above 98 %, and the seeds
are fixed.
"""

import bisect
import json
import math
import os
import random
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import pprof_write  # noqa: E402

T = 524288.0
END = 600.0
LEAK = 8 << 20
failures = 0


def say(good, name, why):
    global failures
    print("ok %s (%s)" % (name, why) if good else "not ok %s: %s" % (name, why))
    failures += not good


def p_of(size):
    return -math.expm1(-size / T)


def poisson(r, mean):
    """By the gaps between the events; many are as good as normal."""
    if mean > 1000:
        return round(r.gauss(mean, math.sqrt(mean)))
    n, at = 0, r.expovariate(1)
    while at < mean:
        n += 1
        at += r.expovariate(1)
    return n


class Site:
    """The sampled blocks of one stack and size: (birth, death)."""

    def __init__(self, name, size):
        self.name, self.size, self.blocks = name, size, []
        self.skipped = []  # (end, lifetime, count) of short-lived blocks that are in no profile

    def steady(self, r, start, live_bytes, lifetime):
        """A Poisson process in equilibrium from `start` on."""
        rate = live_bytes / self.size / lifetime * p_of(self.size)
        # Those before the window that are still alive: as many as are ever alive at once.
        if start < 0:
            for _ in range(poisson(r, rate * lifetime)):
                self.blocks.append((-r.expovariate(1 / lifetime), r.expovariate(1 / lifetime)))
        at = max(start, 0)
        # A block that cannot be in a profile need not be made: the profiles are 120 s apart.
        times = [k * END / 5 for k in range(6)]
        while True:
            at += r.expovariate(rate)
            if at > END:
                return
            if lifetime < 10:
                due = times[bisect.bisect_left(times, at)]
                if due - at > 12 * lifetime:
                    self.skipped.append((due, lifetime, poisson(r, rate * (due - 12 * lifetime - at))))
                    at = due - 12 * lifetime
                    continue
            self.blocks.append((at, at + r.expovariate(1 / lifetime)))

    def batch(self, r, count, birth, death):
        for _ in range(poisson(r, count * p_of(self.size))):
            self.blocks.append((birth, death))


def simulate(seed, kind, leak):
    """kind: warm, cold, or any: cold, with lifetimes up to and beyond the time that is looked at."""
    r = random.Random(seed)
    cold, any_life = kind != "warm", kind == "any"
    start = 0.0 if cold else -1.0
    sites = []

    def site(kind, i, size):
        sites.append(Site("%s_%d" % (kind, i), size))
        return sites[-1]

    def log_uniform(a, b):
        return a * math.exp(r.random() * math.log(b / a))

    for i in range(20):
        site("traffic", i, int(log_uniform(32, 65536))).steady(
            r, start, log_uniform(1e5, 3e7), log_uniform(.01, 5))
    for i in range(10):
        site("session", i, int(log_uniform(200, 20000))).steady(
            r, start, log_uniform(1e6, 5e7),
            log_uniform(5, 2 * END) if any_life else log_uniform(5, 50) if cold else log_uniform(20, 300))
    for i in range(10):
        s = site("request", i, int(log_uniform(64, 32768)))
        at = -10.0 if not cold else 0.0
        gap = r.uniform(5, 60)
        while at < END:
            at += r.expovariate(1 / gap)
            s.batch(r, log_uniform(1e6, 4e7) / s.size, at, at + r.uniform(.1, 10))
    for i in range(10):
        # Each entry is replaced after an exponential time; the number never changes.
        s = site("cache", i, int(log_uniform(100, 8192)))
        life = log_uniform(.1, 2 * END) if any_life else log_uniform(.1, 40) if cold else log_uniform(.1, 400)
        entries = int(log_uniform(1e6, 4e7) / s.size)
        for _ in range(poisson(r, entries * p_of(s.size)) if not cold else 0):
            s.blocks.append((-r.expovariate(1 / life), r.expovariate(1 / life)))
        s2 = Site(s.name, s.size)
        s2.steady(r, 0.0, entries * s.size, life)
        s.blocks += s2.blocks
    for i in range(5 if any_life else 0):
        # Filled at once, and then each entry is replaced after an exponential time.
        s, life = site("full", i, int(log_uniform(100, 8192))), log_uniform(1, 20 * END)
        for _ in range(poisson(r, log_uniform(1e6, 4e7) / s.size * p_of(s.size))):
            at = r.uniform(0, .01 * END)
            while at < END:
                death = at + r.expovariate(1 / life)
                s.blocks.append((at, death))
                # The next entry is another block: whether it is sampled is another question,
                # but as many are, so that this one may stand for it.
                at = death
    for i in range(5 if any_life else 0):
        # Entries that are thrown out when they reach an age.
        s, life = site("expiring", i, int(log_uniform(100, 8192))), log_uniform(1, .6 * END)
        at, rate = 0, log_uniform(1e6, 4e7) / s.size / life * p_of(s.size)
        while at < END:
            at += r.expovariate(rate)
            s.blocks.append((at, at + life))
    for i in range(3 if any_life else 0):
        # Reads its tables for a while, and is done.
        s, until = site("reads", i, int(log_uniform(100, 8192))), r.uniform(.02, .5) * END
        for _ in range(poisson(r, log_uniform(1e6, 4e7) / s.size * p_of(s.size))):
            s.blocks.append((r.uniform(0, until), END * 10))
    for i in range(5):
        at, size = -r.uniform(10, 100) if not cold else r.uniform(0, 5), log_uniform(1e5, 8e6)
        while at < END:
            s = site("table", i, int(size))
            death = at + r.expovariate(1 / 200)
            if r.random() < p_of(size):
                s.blocks.append((at, death))
            at, size = death, size * r.choice([2, 2, .5])
    for i in range(5):
        s = site("load", i, int(log_uniform(100, 65536)))
        at = r.choice([-100, r.uniform(0, END)])
        s.batch(r, log_uniform(1e6, 3e7) / s.size, at, END * 10)
    if leak:
        s = site("leak", 0, int(log_uniform(100, 16384)))
        if leak == "mixed":
            s.steady(r, start, log_uniform(1e5, 1e6), log_uniform(.01, 2))
        for _ in range(poisson(r, LEAK / s.size * p_of(s.size))):
            s.blocks.append((r.uniform(0, END), END * 10))
    return sites


def lives_of(s, when):
    """As the library has them: pairs of labels, 40 ms and doubling."""
    count = [0] * 24
    for birth, death in s.blocks:
        if max(birth, 0) < death <= when and death - birth >= .04:
            count[min(int(math.log2((death - birth) / .04)), 23)] += 1
    for end, life, n in s.skipped:
        if end <= when:
            for k in range(24):
                count[k] += round(n * (math.exp(-.04 * 2 ** k / life) - math.exp(-.04 * 2 ** (k + 1) / life)))
    return [label for k, n in enumerate(count) if n for label in (("lived", 40 << k), ("freed", n))]


def snapshot(path, sites, when, uptime, ages, lives):
    samples = []
    for s in sites:
        live = sorted(when - b for b, d in s.blocks if b <= when < d)
        born = sum(b <= when for b, d in s.blocks) + sum(n for end, _, n in s.skipped if end <= when)
        if not born:
            continue
        w = 1 / p_of(s.size)
        labels = [("bytes", s.size)]
        if lives:
            labels += lives_of(s, when)
        if ages:
            last = len(live) - 1
            at = range(len(live)) if len(live) < 5 else [0, last // 4, last // 2, last * 3 // 4, last]
            labels += [("age", int(live[k] * 1000)) for k in at]
        values = [round(born * w), round(born * w * s.size), round(len(live) * w), round(len(live) * w * s.size)]
        samples.append((values, labels, [s.name, "worker", "main"]))
    facts = {"time": 1.7e9 + when, "duration": uptime + when, "program": "server"}
    if lives:
        facts["comments"] = ["lifetimes of freed samples: from 40 ms"]
    pprof_write.write(path, facts, samples)


def leaks(otheap, files):
    run = subprocess.run([otheap, "leaks", "--no-symbols", "-o", "json"] + files,
                         capture_output=True, text=True, timeout=60)
    if run.returncode not in (0, 1, 3):
        sys.exit("otheap leaks: %d: %s" % (run.returncode, run.stderr))
    data = json.loads(run.stdout)
    return [s for s in data["sites"] if s["verdict"] == "growing"]


def most_wrong(n):
    """The largest number of n that a probability of 5 % exceeds once in 10,000."""
    p, k, tail = .95 ** n, 0, 0.0
    while True:
        tail += p
        if 1 - tail < 1e-4:
            return k
        p *= (n - k) / (k + 1) * .05 / .95
        k += 1


# Name, kind of heap, whether the profiles have lifetimes, their number, and the leak's stack:
# its own, or one that it shares with traffic.
SCENARIOS = (
    ("two profiles", "warm", True, 2, "own"),
    ("a series of six", "warm", True, 6, "own"),
    ("a cold baseline", "cold", False, 2, "own"),
    ("a cold baseline, any lifetimes", "any", True, 2, "own"),
    ("a cold series, any lifetimes", "any", True, 6, "own"),
    ("a cold baseline, leak among traffic", "any", True, 2, "mixed"),
)


class Tally:
    """What became of the runs of one scenario."""

    def __init__(self, scenario):
        self.name, self.kind, self.lives, self.points, self.leak = scenario
        self.quiet = self.false = self.named = self.others = self.covered = 0
        self.wrong = {}

    def run(self, otheap, folder, sites, leak):
        files = []
        for k in range(self.points):
            files.append("%s/%d.pb.gz" % (folder, k))
            snapshot(files[-1], sites, END * k / (self.points - 1), 1000 if self.kind == "warm" else 2,
                     True, self.lives)
        found = leaks(otheap, files)
        names = [s["frames"][0]["function"] for s in found]
        if not leak:
            self.quiet += 1
            self.false += len(names) > 0
            for n in names:
                self.wrong[n] = self.wrong.get(n, 0) + 1
            return
        self.others += any(n != "leak_0" for n in names)
        for s in found:
            if s["frames"][0]["function"] == "leak_0":
                self.named += 1
                truth = LEAK / (END / 60)
                self.covered += s["bytes_per_min_low"] <= truth <= s["bytes_per_min_high"]

    def report(self, runs):
        most = most_wrong(runs)
        if self.quiet:
            say(self.false <= most, "quiet: " + self.name, "%d of %d name a stack, at most %d may; %s" % (
                self.false, runs, most, self.wrong or "none"))
        say(self.named >= .95 * runs, "named: " + self.name, "%d of %d; %d name another as well" % (
            self.named, runs, self.others))
        say(self.covered >= .9 * self.named, "coverage: " + self.name, "%d of %d" % (self.covered, self.named))


def main():
    otheap, runs = sys.argv[1], int(sys.argv[2])
    tallies = [Tally(s) for s in SCENARIOS]
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(1, runs + 1):
            heaps = {}
            for t in tallies:
                # Without a leak, it is the same whose stack it would have shared.
                for leak in (None, t.leak) if t.leak == "own" else (t.leak,):
                    key = t.kind, leak
                    if key not in heaps:
                        heaps[key] = simulate(seed, *key)
                    t.run(otheap, folder, heaps[key], leak)
    for t in tallies:
        t.report(runs)
    sys.exit(1 if failures else 0)


main()
