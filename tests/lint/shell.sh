#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# shell.sh - shellcheck has nothing to say about our scripts.

# shellcheck source=tests/lint/lib.sh
. "$(dirname "$0")/lib.sh"
need shellcheck
# `-x` reads what a script includes.
bad=$(git ls-files 'tests/*.sh' tests/run .ci/run | while read -r f; do
	shellcheck -x -S warning -f gcc "$f" </dev/null
done)
verdict 'shellcheck has nothing to say' "$(echo "$bad" | cut -c1-120)"
exit $status
