#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# shell.sh - shellcheck has nothing to say about our scripts, and each test can be run.

# shellcheck source=tests/lint/lib.sh
. "$(dirname "$0")/lib.sh"
need shellcheck
# `-x` reads what a script includes.
bad=$(git ls-files 'tests/*.sh' tests/run .ci/run | while read -r f; do
	shellcheck -x -S warning -f gcc "$f" </dev/null
done)
verdict 'shellcheck has nothing to say' "$(echo "$bad" | cut -c1-120)"
verdict 'each test is executable' "$(git ls-files 'tests/e2e/*.sh' 'tests/lint/*.sh' 'tests/real/*.sh' 'tests/stat/*.sh' |
	grep -vE '/(lib|collector)\.sh$' | while read -r f; do [ -x "$f" ] || echo "$f"; done)"
exit $status
