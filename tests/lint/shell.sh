#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# shell.sh - shellcheck has nothing to say about our scripts.

cd "$(dirname "$0")/../.." || exit 1
command -v shellcheck >/dev/null || {
	echo 'skip shell: no shellcheck'
	exit 0
}
# `-x` reads what a script includes.
bad=$(git ls-files 'tests/*.sh' tests/run .ci/run | while read -r f; do
	shellcheck -x -S warning -f gcc "$f" </dev/null
done)
if [ -z "$bad" ]; then
	echo 'ok shell: shellcheck has nothing to say'
else
	echo "not ok shell: $(echo "$bad" | cut -c1-120 | tr '\n' ';')"
	exit 1
fi
