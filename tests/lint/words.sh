#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# words.sh - what is for code that must not be committed.

# shellcheck source=tests/lint/lib.sh
. "$(dirname "$0")/lib.sh"

# (Brackets, so that the patterns do not find themselves.)
verdict 'nothing is left to be done' "$(git grep -nwE '[T]ODO|[F]IXME|[X]XX' -- . ':!LICENSE')"
verdict "nobody's own folders" \
	"$(git grep -nE '(^|[^[:alnum:]_./%}-])/([r]oot|[h]ome)(/|[^[:alnum:]_/-]|$)' -- . ':!LICENSE')"
verdict 'no blanks at the end of a line' "$(git grep -nIE '[[:blank:]]+$' -- . ':!LICENSE')"
verdict 'comments in C are /* such */' "$(
	git ls-files '*.c' '*.h' | while read -r f; do
		awk -v file="$f" '
			{
				s = $0
				# Texts first: they may hold anything.
				gsub(/\\./, "", s)
				gsub(/'\''.'\''/, "", s)
				if (!within)
					gsub(/"[^"]*"/, "", s)
				for (;;) {
					if (within) {
						i = index(s, "*/")
						if (!i) { s = ""; break }
						s = substr(s, i + 2)
						within = 0
						gsub(/"[^"]*"/, "", s)
					}
					i = index(s, "/*")
					j = index(s, "//")
					if (j && (!i || j < i)) {
						print file ":" FNR
						break
					}
					if (!i) break
					s = substr(s, i + 2)
					within = 1
				}
			}' "$f"
	done
)"
exit $status
