#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# python3: many small and some large objects, threads, forks, programs it starts,
# an exception at the end.
# shellcheck source=SCRIPTDIR/lib.sh
. "$(dirname "$0")/lib.sh"
need python3

cat >"$input/work.py" <<'PY'
import collections, hashlib, json, os, re, signal, subprocess, sys, threading, zlib

data = [{"id": i, "name": "user-%d" % i, "tags": ["t%d" % (i % 7), "u%d" % (i % 11)]} for i in range(15000)]
text = json.dumps(data)
back = json.loads(text)
print(len(text), back == data, hashlib.sha256(text.encode()).hexdigest())
print(collections.Counter(re.findall(r'"t(\d)"', text)).most_common(3))
packed = zlib.compress(text.encode(), 6)
print(len(zlib.decompress(packed)))

sums = [0] * 4
def work(n):
    sums[n] = sum(len(str(i) * (i % 50)) for i in range(20000))
threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
[t.start() for t in threads]
[t.join() for t in threads]
print(sums)

sys.stdout.flush()
pid = os.fork()
if pid == 0:
    junk = [bytes(1000) for _ in range(5000)]
    os._exit(len(junk) % 251)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
pid = os.fork()
if pid == 0:
    junk = [bytes(1000) for _ in range(5000)]
    sys.exit(5)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
print(subprocess.run(["sort", "-r"], input="a\nc\nb\n", text=True, capture_output=True).stdout.split())
print(subprocess.run([sys.executable, "-c", "import sys; x = ['y' * i for i in range(3000)]; sys.exit(len(x) % 256)"]).returncode)
print(signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGUSR2))
try:
    bytearray(1 << 62)
except MemoryError as e:
    print("MemoryError", e)
sys.stdout.flush()
raise ValueError("the end")
PY
threads=1
same python3 PYTHONHASHSEED=0 python3 work.py
same 'python3, every object by malloc' PYTHONHASHSEED=0 PYTHONMALLOC=malloc python3 -c 'import decimal, ast; print(sum(len(ast.dump(ast.parse("a%d = [%d] * 3" % (i, i)))) for i in range(4000)), decimal.Decimal(2).sqrt())'
