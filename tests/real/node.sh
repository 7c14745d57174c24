#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# node: JSON, buffers, zlib and crypto on its thread pool, workers, a child, an
# exit code.  Most of its heap is its own, made of mappings, which is not ours to see.
# shellcheck source=SCRIPTDIR/lib.sh
. "$(dirname "$0")/lib.sh"
need node

cat >"$input/work.js" <<'JS'
const { Worker, isMainThread, parentPort } = require('worker_threads');
const crypto = require('crypto'), zlib = require('zlib'), cp = require('child_process');
if (!isMainThread) {
  const all = [];
  for (let i = 0; i < 300; i++) all.push(Buffer.alloc(20000, i));
  parentPort.postMessage(all.reduce((s, b) => s + b[7], 0));
} else (async () => {
  const data = Array.from({ length: 8000 }, (_, i) => ({ id: i, name: 'user-' + i }));
  const text = JSON.stringify(data);
  console.log(text.length, crypto.createHash('sha256').update(text).digest('hex'));
  const packed = zlib.gzipSync(text);
  console.log(zlib.gunzipSync(packed).toString() === text);
  const hashes = await Promise.all([1, 2, 3, 4].map(n => new Promise((ok, no) =>
    crypto.pbkdf2('secret', 'salt' + n, 2000, 32, 'sha256', (e, k) => e ? no(e) : ok(k.toString('hex'))))));
  console.log(hashes.join(' '));
  const sums = await Promise.all([1, 2, 3].map(() => new Promise((ok, no) => {
    const w = new Worker(__filename); w.on('message', ok); w.on('error', no);
  })));
  console.log(sums);
  const r = cp.spawnSync('sort', ['-r'], { input: 'a\nc\nb\n' });
  console.log(r.status, r.stdout.toString().trim().split('\n'));
  const killed = cp.spawnSync('sleep', ['10'], { timeout: 50 });
  console.log(killed.signal);
  console.error('to stderr');
  process.exitCode = 7;
})();
JS
threads=1
same node node work.js
