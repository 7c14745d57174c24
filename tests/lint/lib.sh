# shellcheck shell=sh disable=SC2034
# SPDX-License-Identifier: Apache-2.0
#
# lib.sh - what the lints share; each begins with
#	. "$(dirname "$0")/lib.sh"
# and ends with `exit $status`.

cd "$(dirname "$0")/../.." || exit 1
export LC_ALL=C
lint=$(basename "$0" .sh)
status=0

# verdict NAME BAD - ok if BAD, what does not keep the rule, is empty.
verdict() {
	if [ -z "$2" ]; then
		echo "ok $lint: $1"
	else
		echo "not ok $lint: $1: $(echo "$2" | tr '\n' ' ')"
		status=1
	fi
}

# need PROGRAM - or the lint is skipped.
need() {
	command -v "$1" >/dev/null || {
		echo "skip $lint: no $1"
		exit 77
	}
}
