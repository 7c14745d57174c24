#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# env.sh - the settings in core/config.c, in man/otheap.7 and in README.md are
# the same.  (e2e/docs.sh compares their defaults.)

# shellcheck source=tests/lint/lib.sh
. "$(dirname "$0")/lib.sh"
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

sed -n '/^static const struct oh_setting settings\[\]/,/^};/s/^[[:space:]]*{ "\([A-Z_]*\)",.*/OTHEAP_\1/p' \
	core/config.c | sort -u >"$work/source"
[ -s "$work/source" ] || {
	echo 'not ok env: the table of core/config.c is not found'
	exit 1
}

for doc in README.md man/otheap.7; do
	# OTHEAP_NAME stands for any of them.
	grep -ohE 'OTHEAP_[A-Z_]*[A-Z]' "$doc" | grep -vx OTHEAP_NAME | sort -u >"$work/doc"
	verdict "$doc has the settings of core/config.c" "$(
		comm -23 "$work/source" "$work/doc" | sed 's/^/lacks /'
		comm -13 "$work/source" "$work/doc" | sed 's/$/ is none/'
	)"
done
exit $status
