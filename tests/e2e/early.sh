#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# early.sh - the loader and us: constructors, plugins that come and go, odd ways in.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

one=OTHEAP_SAMPLE_INTERVAL=1
CC=${CC:-cc}

part() { # NAME FLAGS... - lib in $work/NAME.so, with a site of that name
	name=$1
	shift
	$CC -O1 -g -std=gnu11 -D_GNU_SOURCE -fno-builtin -fPIC -shared "-DSITE_NAME=site_$name" "$@" \
		-o "$work/$name.so" "$src/so/part.c" || not_ok "compile $name" "failed"
}

# ---- constructors ---------------------------------------------------------------------------

part early -DEARLY
for order in "$lib:$work/early.so" "$work/early.so:$lib" "$lib $work/early.so"; do
	run $one LD_PRELOAD="$order" "$prog/hold" alloc
	name="constructors, $(echo "$order" | sed 's|[^: ]*/||g')"
	equal "$name: status" "$rc" 0
	silent "$name"
	if decode_last "$name"; then
		# Its constructor and its destructor.
		equal "$name: counted" "$(sum site_early)" "12 6400 2 1400"
		equal "$name: the program" "$(sum site_hold)" "100 100000 100 100000"
	fi
done

run $one LD_PRELOAD="$lib:$lib" "$prog/hold" alloc exit 3
equal "preloaded twice: status" "$rc" 3
silent "preloaded twice"
if decode_last "preloaded twice"; then equal "preloaded twice" "$(sum site_hold)" "100 100000 100 100000"; fi

cp "$lib" "$work/copy.so"
limit_s=10
run $one LD_PRELOAD="$lib:$work/copy.so" "$prog/exact"
equal "and a copy of it: status" "$rc" 0
inside "and a copy of it"
if decode_last "and a copy of it"; then equal "and a copy of it" "$(sum site_realloc_start)" "2 5100 0 0"; fi
run $one LD_PRELOAD="$lib:$work/copy.so" "$prog/mixed"
equal "and a copy of it, threads: status" "$rc" 0
limit_s=60

ln -s "$lib" "$work/link.so"
run $one LD_PRELOAD="$work/link.so" "$prog/hold" alloc exit 3
equal "by a link: status" "$rc" 3

# Loaded by dlopen it can do nothing, and harms nobody.
run_plain $one OTHEAP_DIR="$work" "$prog/host" "$lib"
equal "loaded by dlopen: no harm" "$(cat "$out")" "$(printf 'libotheap.so -1\nbad %s' "$(sed -n 's/^bad //p' "$out")")"

run $one ldd "$prog/hold"
equal "ldd: status" "$rc" 0
check "ldd: output" grep -q 'libc\.so' "$out"
run $one LD_BIND_NOW=1 "$prog/exact"
equal "LD_BIND_NOW: status" "$rc" 0

$CC -O1 -g -fPIC -shared -D_GNU_SOURCE -o "$work/audit.so" "$src/so/audit.c"
run_plain LD_AUDIT="$work/audit.so" "$prog/hold" alloc exit 3
if [ "$rc" = 3 ]; then
	run $one LD_AUDIT="$work/audit.so" "$prog/hold" alloc exit 3
	equal "with LD_AUDIT: status" "$rc" 3
	silent "with LD_AUDIT"
	if decode_last "with LD_AUDIT"; then equal "with LD_AUDIT" "$(sum site_hold)" "100 100000 100 100000"; fi
else
	skip "with LD_AUDIT" "the program does not run with it"
fi

# ---- plugins ------------------------------------------------------------------------------

part tls -DTLS_BYTES=1000
run_plain "$prog/host" "$work/tls.so"
if [ "$rc" = 0 ]; then
	run $one "$prog/host" "$work/tls.so"
	equal "static TLS of a plugin: status" "$rc" 0
	inside "static TLS of a plugin"
else
	skip "static TLS of a plugin" "no room for it here"
fi

# Two plugins, the second at the addresses of the first.
part a
part b
part c -DPAD='"64"'
run $one "$prog/host" "$work/a.so" "$work/b.so" "$work/c.so" "$work/a.so" "$work/b.so" "$work/a.so"
equal "plugins that come and go: status" "$rc" 0
inside "plugins that come and go"
silent "plugins that come and go"
if decode_last "plugins that come and go"; then
	starts=$(grep '^mapping.*/[abc]\.so$' "$text" | cut -d ' ' -f 3 | sort -u | wc -l)
	files=$(grep '^mapping.*/[abc]\.so$' "$text" | cut -d ' ' -f 7 | sort -u | wc -l)
	equal "plugins that come and go: all of them are known" "$files" 3
	if [ "$starts" -lt 3 ]; then ok "at one address"; else skip "at one address" "the kernel chose others"; fi
	equal "plugins that come and go: a" "$(sum site_a)" "18 9600 3 2100"
	equal "plugins that come and go: b" "$(sum site_b)" "12 6400 2 1400"
	equal "plugins that come and go: c" "$(sum site_c)" "6 3200 1 700"
fi

run $one "$prog/host" deep "$work/a.so"
equal "RTLD_DEEPBIND: status" "$rc" 0
inside "RTLD_DEEPBIND"

# ---- locks ----------------------------------------------------------------------------------

run $one "$prog/loader" locked
equal "the loader's lock: nobody waits for it" "$rc" 0
inside "the loader's lock"
part early2 -DEARLY
run $one "$prog/loader" again 500 "$work/early2.so"
equal "dlopen and dlclose while others allocate: status" "$rc" 0
if decode_last "dlopen and dlclose"; then
	equal "dlopen and dlclose while others allocate" "$(sum site_early2)" "6000 3200000 1000 700000"
	equal "dlopen and dlclose: no stack broken" "$(dropped stack_broken)" 0
fi
