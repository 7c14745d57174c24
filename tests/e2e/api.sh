#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# api.sh - programs that ask the library by its functions, with it and without it.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

one=OTHEAP_SAMPLE_INTERVAL=1

run_plain "$prog/api"
equal "without the library: status" "$rc" 0
equal "without the library: the functions are NULL" "$(cat "$out")" "not there"
run_plain "$prog/apixx"
equal "C++, without the library" "$rc $(cat "$out")" "0 not there"

value() {
	sed -n "s/^$1 //p" "$out"
}

run $one "$prog/api"
equal "status" "$rc" 0
inside api
silent api
pid=$(value dump | sed 's/.*\.\([0-9]*\)\.1\.pb\.gz/\1/')
equal "dump: the path" "$(value dump)" "$dir/otheap.api.$pid.1.pb.gz"
equal "baseline: the path" "$(value baseline)" "$dir/otheap.api.$pid.2.pb.gz"
if decode "$(value dump)"; then
	equal "dump: trigger" "$(sed -n 's/^comment trigger: //p' "$text")" api
	equal "dump: what is in it" "$(sum site_kept)" "100 100000 100 100000"
fi
if decode "$(value baseline)"; then
	equal "baseline: trigger" "$(sed -n 's/^comment trigger: //p' "$text")" baseline
fi
equal "check: no error" "$(value check | cut -d ' ' -f 1)" 0
# A stale word on the stack may still point to the last ones.
lost=$(value lost | cut -d ' ' -f 1)
if [ "${lost:-0}" -ge 45 ] && [ "$lost" -le 50 ]; then
	ok "check: what is lost"
else
	not_ok "check: what is lost" "$(value lost)"
fi
equal "check: exact at interval 1" "$(value lost | cut -d ' ' -f 3-)" "errors 0 0"
if decode "$(value check | cut -d ' ' -f 2)"; then
	equal "check: stopped meanwhile" "$(sum site_unseen)" "0 0 0 0"
fi
equal "a child can ask, too" "$(value child)" 0
equal "and an exit handler" "$(value 'at exit')" 0

run $one "$prog/apixx"
equal "C++: status" "$rc" 0
check "C++: the profile" test -s "$(value 'dump 0')"

run OTHEAP_SAMPLE_INTERVAL=0 "$prog/apixx"
equal "off: ENODEV" "$rc" 19
run $one OTHEAP_LEAK_MAX_MEMORY=1m "$prog/api"
equal "too large for a check: ENOTSUP" "$(value check | cut -d ' ' -f 1)" 95
equal "too large for a check: status" "$rc" 0
