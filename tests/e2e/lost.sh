#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# lost.sh - which blocks are lost: what a leak check at exit says of a program
# that knows, and what LeakSanitizer and memcheck say of it.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

# of_class FUNCTION CLASS - live blocks of that class with that function on top, in $text.
of_class() {
	awk -v fn="$1" -v class="$2" '
		$1 == "sample" {
			n = split($0, part, "|")
			split(part[4], f, " ")
			is = "reached"
			if (match(part[1], / leak=[a-z]+/)) is = substr(part[1], RSTART + 6, RLENGTH - 6)
			if (f[1] == fn && is == class) sum += $4
		}
		END { print sum + 0 }' "$text"
}

# leaks VAR=VALUE... MODE - run it with a leak check at exit, everything sampled.
leaks() {
	run OTHEAP_LEAK_CHECK=1 OTHEAP_LEAK_REPORT=none OTHEAP_SAMPLE_INTERVAL=1 "$@"
}

checked() {
	grep -q '^comment leak check: lost ' "$text"
}

# as_told NAME - does the profile in $text say of each class what the program did?
as_told() {
	check "$1: a check was made" checked
	grep '^class ' "$out" >"$work/classes"
	while read -r _ fn class n; do
		equal "$1: $fn is $class" "$(of_class "$fn" "$class")" "$n"
	done <"$work/classes"
	# Nothing else of the program's is said to be lost.
	expected=$(awk '$3 == "lost" { n += $4 } END { print n + 0 }' "$work/classes")
	equal "$1: as many are lost as were lost" \
	    "$(sed -n 's/^comment leak check: lost \([0-9]*\) .*/\1/p' "$text")" "$expected"
}

for mode in plain sizes memory odd register threads fiber; do
	leaks "$prog/lost" $mode
	equal "lost $mode: status" "$rc" 0
	inside "lost $mode"
	decode_last "lost $mode" || continue
	as_told "lost $mode"
	case $mode in
	threads)
		equal "lost $mode: what may be in registers is counted" \
		    "$(sed -n 's/^comment leak check: .* unsure \([0-9]*\) .*/\1/p' "$text")" 3
		# glibc keeps a thread's vector of thread-local storage by its second entry.
		equal "lost $mode: nothing is interior" \
		    "$(sed -n 's/^comment leak check: .* interior \([0-9]*\) .*/\1/p' "$text")" 0
		equal "lost $mode: looked twice" "$(grep -c '^comment leak scan: .* scans 2, ' "$text")" 1
		;;
	*) equal "lost $mode: looked once" "$(grep -c '^comment leak scan: .* scans 1, ' "$text")" 1 ;;
	esac
	# What is of no class and of some class adds up to what there is.
	cp "$text" "$work/with"
	run OTHEAP_SAMPLE_INTERVAL=1 "$prog/lost" $mode
	decode_last "lost $mode without" || continue
	equal "lost $mode: the sums are as without a check" "$(sum_all)" "$(text=$work/with && sum_all)"
	equal "lost $mode: nothing is said of a check that was not asked for" "$(grep -cE '^comment leak| leak=' "$text")" 0
done

# Where the first thread has ended, /proc/PID shows nothing of the process's memory.
for mode in plain odd; do
	leaks "$prog/lost" leader $mode
	equal "lost leader $mode: status" "$rc" 0
	decode_last "lost leader $mode" && as_told "lost leader $mode"
done

# Who has become another user may not read all of its own /proc/PID.
if [ "$(id -u)" = 0 ]; then
	chmod 711 "$work"
	mkdir -m 1777 "$work/open"
	for mode in plain odd; do
		rm -f "$work/open"/*
		leaks OTHEAP_DIR="$work/open" "$prog/lost" $mode drop
		equal "lost $mode drop: status" "$rc" 0
		equal "lost $mode drop: silent" "$(cat "$err")" ''
		dir=$work/open
		decode_last "lost $mode drop" && as_told "lost $mode drop"
	done
else
	skip "lost: another user" "only root can become one"
fi

# ---- two other judges --------------------------------------------------------------

# Memcheck agrees about each function: definitely lost is lost.  But it does not
# look at memory that cannot be written now.
if command -v valgrind >/dev/null; then
	for mode in plain memory; do
		run_plain valgrind --leak-check=full --show-leak-kinds=definite "$prog/lost" $mode
		awk '/ blocks are definitely lost in / {
				for (i = 1; i <= NF; i++) if ($i == "blocks") n = $(i - 1)
				lost = 1
			}
			/ by 0x/ && lost { name[$4] += n; lost = 0 }
			END { for (f in name) print f, name[f] }' "$err" |
			grep -v -e site_read_only -e site_no_access | sort >"$work/memcheck"
		grep '^class site_.* lost ' "$out" | awk '{ print $2, $4 }' | sort >"$work/ours"
		equal "lost $mode: memcheck judges alike" "$(tr '\n' ' ' <"$work/memcheck")" \
		    "$(tr '\n' ' ' <"$work/ours")"
		check "lost $mode: memcheck judged" grep -q 'ERROR SUMMARY' "$err"
	done
	# What it would say of the words that our scan reads is not for the user.
	# (Memcheck's own malloc hides ours; other tools leave it alone.)
	leaks valgrind -q --tool=none "$prog/lost" plain
	if decode_last "lost in valgrind"; then
		check "lost in valgrind: says that no check is made" \
		    grep -q '^comment leak check: not made: valgrind' "$text"
	fi
else
	skip "lost: memcheck judges alike" "no valgrind here"
fi

# LeakSanitizer, too; but it calls all blocks of a ring indirect, where one leads it here.
if ${CC:-cc} -fsanitize=leak -O1 -g -fno-builtin -D_GNU_SOURCE -o "$work/lsan" tests/prog/lost.c \
    -pthread 2>/dev/null; then
	run_plain LSAN_OPTIONS=exitcode=23 "$work/lsan" plain
	if [ "$rc" = 23 ] && grep -q 'detected memory leaks' "$err"; then
		awk '/^Direct leak of / { class = "lost"; n = $7 }
			/^Indirect leak of / { class = "indirect"; n = $7 }
			/^ *#1 / { sum[$4 " " ($4 == "site_ring" ? "any" : class)] += n }
			END { for (s in sum) print s, sum[s] }' "$err" | sort >"$work/sanitizer"
		grep -E '^class site_.* (lost|indirect) ' "$out" |
			awk '{ sum[$2 " " ($2 == "site_ring" ? "any" : $3)] += $4 }
			END { for (s in sum) print s, sum[s] }' | sort >"$work/ours"
		equal "lost plain: LeakSanitizer judges alike" "$(tr '\n' ' ' <"$work/sanitizer")" \
		    "$(tr '\n' ' ' <"$work/ours")"
	else
		skip "lost plain: LeakSanitizer judges alike" "it does not run here: $(head -c 200 "$err")"
	fi
else
	skip "lost plain: LeakSanitizer judges alike" "the compiler has none"
fi

# ---- what the program sees ------------------------------------------------------------

run OTHEAP_SAMPLE_INTERVAL=1 "$prog/lost" watch
equal "lost watch: status" "$rc" 0
inside "lost watch"
n=0
for f in "$dir"/*.pb.gz; do
	if decode "$f" && checked; then n=$((n + 1)); fi
done
equal "lost watch: two checks, on request" "$n" 2

# With every profile, so also every so often; with 1 only at the end.
for level in 1 2; do
	start OTHEAP_SAMPLE_INTERVAL=1 OTHEAP_LEAK_CHECK=$level OTHEAP_LEAK_REPORT=none OTHEAP_DUMP_EVERY=1 \
	    "$prog/hold" alloc
	wait_said ready
	wait_files 2
	decode "$(find "$dir" -name '*.2.pb.gz')"
	equal "level $level: with a profile of the timer" "$(checked && echo yes)" \
	    "$([ $level = 1 ] || echo yes)"
	finish
done

# Does process $1 have a child now?  It is then $scanner.
scanning() {
	read -r scanner _ <<-END
		$(cat /proc/"$pid"/task/*/children 2>/dev/null)
	END
	[ -n "$scanner" ]
}

gone() {
	[ ! -e "/proc/$1" ]
}

# A scan of this much takes a while, but no while is long enough for certain.
start OTHEAP_SAMPLE_INTERVAL=64 OTHEAP_MAX_MEMORY=256m "$prog/lost" big 200 wait
wait_said ready
scanner=''
"$B/otheap" dump --leaks "$pid" >/dev/null 2>&1 &
dumper=$!
while kill -0 "$dumper" 2>/dev/null && ! scanning; do :; done
kill -9 "$pid"
reap
wait "$dumper"
if [ -n "$scanner" ]; then
	check "lost: the scan ends with a process that is killed" until_true gone "$scanner"
else
	skip "lost: the scan ends with a process that is killed" "it was over at once, or the kernel lists no children"
fi

# ---- where it is not made ---------------------------------------------------------------

leaks OTHEAP_LEAK_MAX_MEMORY=1m "$prog/lost" plain
decode_last "lost: too large"
check "lost: says that the process is too large" grep -qx \
    'comment leak check: not made: the process is larger than OTHEAP_LEAK_MAX_MEMORY' "$text"
equal "lost: says nothing else of it" "$(grep -c 'leak=' "$text")" 0
leaks OTHEAP_EXIT_TIMEOUT=0 "$prog/lost" plain
equal "lost: no time, status" "$rc" 0
