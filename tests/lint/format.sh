#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# format.sh - the formatter's output is the style.

# shellcheck source=tests/lint/lib.sh
. "$(dirname "$0")/lib.sh"
for tool in clang-format-14 clang-format; do
	case $($tool --version 2>/dev/null) in
	*'version 14.'*) break ;;
	esac
	tool=''
done
[ -n "$tool" ] || {
	echo 'skip format: no clang-format 14'
	exit 77
}
bad=$(git ls-files '*.c' '*.h' | while read -r f; do
	$tool --dry-run -Werror "$f" >/dev/null 2>&1 || echo "$f"
done)
verdict 'every C file is as clang-format 14 writes it' "$bad"
exit $status
