#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# atomics.sh - memory orders are spelt in one place, and each that orders
# something says by a [tag] what, where the file's header explains it.
#
# The lint proves that there is an argument, not that it is right;
# ThreadSanitizer on the unit tests looks at that.

# shellcheck source=tests/lint/lib.sh
. "$(dirname "$0")/lib.sh"

bad=$(grep -nE '__atomic_|__sync_|_Atomic|atomic_thread_fence|stdatomic' \
	core/*.[ch] preload/*.[ch] proto/*.[ch] tools/*.[ch] | grep -v '^core/atomic\.h:')
verdict 'orders are spelt in core/atomic.h alone' "$bad"

bad=$(for f in core/*.[ch] preload/*.[ch] proto/*.[ch]; do
	[ "$f" = core/atomic.h ] || awk -v file="$f" '
		{ line[NR] = $0 }
		# The header is what stands before the first include.
		/^#[ \t]*include/ && !header { header = NR }
		END {
			if (!header) header = NR
			for (i = 1; i < header; i++) {
				s = line[i]
				while (match(s, /\[[A-Z]+[0-9]+\]/)) {
					known[substr(s, RSTART, RLENGTH)] = 1
					s = substr(s, RSTART + RLENGTH)
				}
			}
			for (i = header; i <= NR; i++) {
				if (line[i] !~ /oh_(load|store|add|sub|or|cas|exchange)_(acquire|release|acq_rel|seq_cst)\(/)
					continue
				tags = 0
				for (k = i - 3; k <= i + 3; k++) {
					s = line[k]
					while (match(s, /\[[A-Z]+[0-9]+\]/)) {
						t = substr(s, RSTART, RLENGTH)
						tags++
						if (!(t in known))
							print file ":" i " " t " is not explained"
						s = substr(s, RSTART + RLENGTH)
					}
				}
				if (!tags)
					print file ":" i " has no tag"
			}
		}' "$f"
done | sort -u)
verdict 'each order has a tag that the header explains' "$bad"
exit $status
