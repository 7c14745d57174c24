#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# atomics.sh - memory orders are spelt in one place, and each that orders
# something says by a [tag] what, where the file's header explains it.
#
# The lint proves that there is an argument, not that it is right;
# ThreadSanitizer on the unit tests looks at that.

cd "$(dirname "$0")/../.." || exit 1
status=0

bad=$(grep -nE '__atomic_|__sync_|_Atomic|atomic_thread_fence|stdatomic' \
	core/*.[ch] preload/*.[ch] proto/*.[ch] tools/*.[ch] | grep -v '^core/atomic\.h:')
if [ -z "$bad" ]; then
	echo 'ok atomics: orders are spelt in core/atomic.h alone'
else
	echo "not ok atomics: orders are spelt in core/atomic.h alone: $(echo "$bad" | tr '\n' ' ')"
	status=1
fi

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
if [ -z "$bad" ]; then
	echo 'ok atomics: each order has a tag that the header explains'
else
	echo "not ok atomics: each order has a tag that the header explains: $(echo "$bad" | tr '\n' ';')"
	status=1
fi
exit $status
