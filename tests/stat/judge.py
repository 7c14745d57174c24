#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""judge.py LIBRARY SITES PBDUMP INTERVAL RUNS SAMPLES: are the estimates right?

Runs SITES (sites.c) RUNS times with OTHEAP_SEED=1, 2, ... and compares what the
profile says with the truth that the program tells.

unbiased   for each site and each of the four values, the mean over all runs minus
           the truth, divided by its standard error, which is known from the theory.
           Alarm at |z| > 4.2: for a right profiler once in 37,000 values. There are
           26 independent ones here, so once in 1,400 changes of anything that
           shifts the draws; with the same program and seeds the result is the same.
intervals  where about 30 samples or more are expected, the interval of plus and
           minus 1.96 standard errors, estimated from the profile alone as a reader
           would: sum of (w - 1) objects, and of (w - 1) size bytes, over the samples.
           The share that holds the truth must be between 93 % and 97 %, with what a
           binomial of that many trials adds at 1 in 10,000 on each side. Short of
           95 % by as much as the normal approximation is at 30 samples.
"""

import gzip
import math
import os
import statistics
import subprocess
import sys
import tempfile

VALUES = ["alloc_objects", "alloc_bytes", "live_objects", "live_bytes"]
Z_BOUND = 4.2
FEW = 28

failures = 0


def say(good, name, why=""):
    global failures
    if good:
        print("ok", name + (" (%s)" % why if why else ""))
    else:
        failures += 1
        print("not ok %s: %s" % (name, why))


def one_run(library, sites, pbdump, interval, seed, samples, folder):
    env = dict(os.environ, LD_PRELOAD=library, OTHEAP_SEED=str(seed), OTHEAP_DIR=folder,
               OTHEAP_SAMPLE_INTERVAL=str(interval), OTHEAP_FILE="p.pb.gz", OTHEAP_MAX_MEMORY="1g")
    out = subprocess.run([sites, str(interval), str(samples)], env=env, check=True,
                         capture_output=True, text=True).stdout
    truth = {}
    for line in out.splitlines():
        word = line.split()
        truth[word[1]] = ([float(x) for x in word[2:6]], [float(x) for x in word[6:10]])
    path = os.path.join(folder, "p.pb.gz")
    with open(path, "rb") as f:
        raw = gzip.decompress(f.read())
    os.unlink(path)
    text = subprocess.run([pbdump], input=raw, check=True, capture_output=True).stdout.decode()
    got = {name: ([0.0] * 4, [0.0] * 4) for name in truth}
    dropped = [line for line in text.splitlines() if line.startswith("comment dropped")]
    for line in text.splitlines():
        if not line.startswith("sample "):
            continue
        part = line.split("|")
        word = part[0].split()
        values = [float(x) for x in word[1:5]]
        size = next((float(w[6:]) for w in word if w.startswith("bytes=")), 0)
        name = next((f for f in part[3].split() if f in got), None)
        if name is None:
            continue
        sums, variances = got[name]
        w1 = 1 / math.expm1(min(size / interval, 700)) if size and interval > 1 else 0  # w - 1
        for i in range(4):
            sums[i] += values[i]
            variances[i] += values[i] * w1 * (size if i % 2 else 1)
    return truth, got, dropped


def binomial_tail(n, p, k):
    """P(X <= k)."""
    if k < 0:
        return 0.0
    logs = [math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1)
            + i * math.log(p) + (n - i) * math.log(1 - p) for i in range(k + 1)]
    top = max(logs)
    return math.exp(top) * sum(math.exp(x - top) for x in logs)


def main():
    library, sites, pbdump = sys.argv[1:4]
    interval, runs, samples = (int(x) for x in sys.argv[4:7])
    estimates = {}
    truths = {}
    held = trials = 0
    per_site = {}
    reasons = set()
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(1, runs + 1):
            truth, got, dropped = one_run(library, sites, pbdump, interval, seed, samples, folder)
            reasons.update(d for d in dropped if "memory_full" in d or "reentrant" in d)
            for name, (values, variances) in truth.items():
                truths[name] = (values, variances)
                estimates.setdefault(name, []).append(got[name][0])
                for i in range(4):
                    # Expected samples: objects / w, on average.
                    expected = values[i - i % 2] ** 2 / (values[i - i % 2] + variances[i - i % 2] or 1)
                    if variances[i] <= values[i] * 0.05 or expected < FEW:
                        continue
                    half = 1.96 * math.sqrt(got[name][1][i])
                    inside = abs(got[name][0][i] - values[i]) <= half
                    held += inside
                    trials += 1
                    n = per_site.setdefault((name, i), [0, 0])
                    n[0] += inside
                    n[1] += 1
    what = "interval %d, %d runs" % (interval, runs)
    say(not reasons, what + ": nothing lost", "; ".join(sorted(reasons)))
    for name, (values, variances) in truths.items():
        worst, why = 0.0, ""
        for i in range(4):
            mean = statistics.fmean(e[i] for e in estimates[name])
            # Values are whole numbers: each run may be off by one half.
            error = max(0.0, abs(mean - values[i]) - (0.5 if interval > 1 else 0))
            se = math.sqrt(variances[i] / runs)
            z = error / se if se > 0 else (math.inf if error > 0 else 0)
            if z >= worst:
                worst = z
                why = "%s: mean %.1f, truth %.0f, %+.3f %%, z %.2f" % (
                    VALUES[i], mean, values[i], 100 * (mean / values[i] - 1), z)
        say(worst <= Z_BOUND, "%s: %s unbiased" % (what, name) if interval > 1 else
            "%s: %s exact" % (what, name), why)
    if trials:
        low = binomial_tail(trials, 0.93, held)
        high = 1 - binomial_tail(trials, 0.97, held - 1)
        say(low > 1e-4 and high > 1e-4, what + ": 95 % intervals",
            "%d of %d hold the truth, %.2f %%" % (held, trials, 100 * held / trials))
        if os.environ.get("STAT_VERBOSE"):
            for (name, i), (h, n) in per_site.items():
                print("   ", name, VALUES[i], "%.1f %%" % (100 * h / n))
    sys.exit(1 if failures else 0)


main()
