#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# layers.sh - includes follow the flow of data (see layers.txt for core/).

# shellcheck source=tests/lint/lib.sh
. "$(dirname "$0")/lib.sh"

# includes FOLDER - lines `file included`, of our own files.
includes() {
	grep -H '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' "$1"/*.[ch] |
		sed 's/:.*include[[:space:]]*"/ /; s/".*//'
}

verdict 'core/ includes nothing else' "$(includes core | awk '$2 !~ /^core\//')"
verdict 'proto/ includes core/ alone' "$(includes proto | awk '$2 !~ /^(core|proto)\//')"
verdict 'preload/ includes nothing of tools/' \
	"$(includes preload | awk '$2 !~ /^(core|proto|preload)\//')"
verdict 'tools/ includes nothing of preload/, and of core/ its words, layout and settings alone' \
	"$(includes tools | awk '$2 !~ /^(tools|proto)\// && $2 !~ /^core\/(base|command|config|drops|layout)\.h$/')"
verdict 'one file of preload/ includes proto/, and it is dump.c' \
	"$(includes preload | awk '$2 ~ /^proto\// && $1 != "preload/dump.c"')"
verdict 'includes are written from the root' \
	"$(includes . 2>/dev/null; for d in core proto preload tools; do includes $d; done | awk '$2 !~ /\//')"
verdict 'files of core/ include downwards' "$(
	includes core | awk '
		FNR == NR { if ($0 !~ /^#/ && NF) at[$1] = ++n; next }
		function module(f) { sub(/^core\//, "", f); sub(/\.[ch]$/, "", f); return f }
		{
			a = module($1); b = module($2)
			if (!(a in at)) print a " is not in layers.txt"
			else if (!(b in at)) print b " is not in layers.txt"
			else if (at[b] > at[a]) print $1 " includes " $2
		}' tests/lint/layers.txt -
)"
exit $status
