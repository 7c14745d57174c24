#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# env.sh - the settings in core/config.c, in man/otheap.7 and in README.md are
# the same.  (e2e/docs.sh compares their defaults.)

cd "$(dirname "$0")/../.." || exit 1
export LC_ALL=C
status=0
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

sed -n '/^static const struct oh_setting settings\[\]/,/^};/s/^[[:space:]]*{ "\([A-Z_]*\)",.*/OTHEAP_\1/p' \
	core/config.c | sort -u >"$work/source"
[ -s "$work/source" ] || {
	echo 'not ok env: the table of core/config.c is not found'
	exit 1
}

for doc in README.md man/otheap.7; do
	if [ ! -f "$doc" ]; then
		echo "skip env: there is no $doc"
		continue
	fi
	# OTHEAP_NAME stands for any of them.
	grep -ohE 'OTHEAP_[A-Z_]*[A-Z]' "$doc" | grep -vx OTHEAP_NAME | sort -u >"$work/doc"
	lacks=$(comm -23 "$work/source" "$work/doc" | tr '\n' ' ')
	invents=$(comm -13 "$work/source" "$work/doc" | tr '\n' ' ')
	if [ -z "$lacks$invents" ]; then
		echo "ok env: $doc has the settings of core/config.c"
	else
		echo "not ok env: $doc lacks '$lacks' and has '$invents' that are none"
		status=1
	fi
done
exit $status
