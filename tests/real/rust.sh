#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Rust: the system allocator under Rust's own, threads, a caught panic; and are
# allocations booked to the code that asked, not to the standard library's last
# function before malloc?
# shellcheck source=SCRIPTDIR/lib.sh
. "$(dirname "$0")/lib.sh"
need rustc

cat >"$input/app.rs" <<'RS'
use std::collections::BTreeMap;

struct Session {
    name: String,
    body: Vec<u8>,
}

#[inline(never)]
fn make_session(i: usize) -> Session {
    Session { name: format!("session {}", i), body: vec![i as u8; 4000] }
}

#[inline(never)]
fn worker(n: usize) -> usize {
    let kept: Vec<Box<[u64; 64]>> = (0..n).map(|i| Box::new([i as u64; 64])).collect();
    kept.iter().map(|b| b[0] as usize).sum()
}

fn main() {
    let mut all = BTreeMap::new();
    for i in 0..3000 {
        let s = make_session(i);
        all.insert(s.name.clone(), s);
    }
    let threads: Vec<_> = (1..5).map(|n| std::thread::spawn(move || worker(500 * n))).collect();
    let sums: usize = threads.into_iter().map(|t| t.join().unwrap()).sum();
    std::panic::set_hook(Box::new(|_| {}));
    let caught = std::panic::catch_unwind(|| {
        let text = format!("{} {}", "a panic", vec![1u8; 100].len());
        if text.len() > 3 {
            panic!("{}", text);
        }
    });
    let bytes: usize = all.values().map(|s| s.body.len()).sum();
    println!("{} {} {} {}", all.len(), bytes, sums, caught.is_err());
    std::mem::forget(all);
}
RS
rustc -O -g -o "$input/app" "$input/app.rs" 2>"$work/said" || {
	not_ok 'rust: the program is built' "$(tail -n 3 "$work/said")"
	finish
}
must_say='3000 12000000 3747500 true'
same 'rust' ./app

fresh
OTHEAP_DIR=$dir OTHEAP_SAMPLE_INTERVAL=1 LD_PRELOAD=$lib "$input/app" >/dev/null
profile=$work/rust.pb.gz
mv "$(last_file)" "$profile"
reads top
try -o csv -s inuse_objects -n 0 "$profile"
equal 'rust: two blocks a session, both booked to it' "$(grep make_session "$out" | cut -d, -f 3)" 6000
equal 'rust: nothing is booked to the allocator' \
    "$(grep -cE ',"(<?alloc::(alloc|raw_vec)::|__rust_|__rdl_)' "$out")" 0
finish
