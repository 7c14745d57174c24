#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# lines.sh - a file of more than 600 lines says why: its first comment has the
# words "One file because".

# shellcheck source=tests/lint/lib.sh
. "$(dirname "$0")/lib.sh"
bad=$(git ls-files '*.c' '*.h' '*.cc' '*.sh' '*.py' '*.go' '*.js' tests/run tests/bench/run | while read -r f; do
	n=$(wc -l <"$f")
	[ "$n" -le 600 ] || sed '/^#[[:space:]]*include/,$d; 30q' "$f" | grep -q 'One file because' || echo "$f ($n)"
done)
verdict 'no file is longer than 600 lines without a reason' "$bad"
exit $status
