#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# lines.sh - a file of more than 600 lines says why: its first comment has the
# words "One file because".

cd "$(dirname "$0")/../.." || exit 1
bad=$(git ls-files '*.c' '*.h' '*.cc' '*.sh' '*.py' '*.go' '*.js' tests/run tests/bench/run | while read -r f; do
	n=$(wc -l <"$f")
	[ "$n" -le 600 ] || sed '/^#[[:space:]]*include/,$d; 30q' "$f" | grep -q 'One file because' || echo "$f ($n)"
done)
if [ -z "$bad" ]; then
	echo 'ok lines: no file is longer than 600 lines without a reason'
else
	echo "not ok lines: no file is longer than 600 lines without a reason: $(echo "$bad" | tr '\n' ' ')"
	exit 1
fi
