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

# as_told NAME - are the blocks of the last run of the classes that the program told?
as_told() {
	equal "$1: status" "$rc" 0
	inside "$1"
	decode_last "$1" || return
	check "$1: a check was made" checked
	grep '^class ' "$out" >"$work/classes"
	while read -r _ fn class n; do
		equal "$1: $fn is $class" "$(of_class "$fn" "$class")" "$n"
	done <"$work/classes"
	# Nothing else of the program's is said to be lost.
	equal "$1: as many are lost as were lost" "$(counted lost)" \
	    "$(awk '$3 == "lost" { n += $4 } END { print n + 0 }' "$work/classes")"
}

for what in 'lost plain' 'lost sizes' 'lost memory' 'lost odd' 'lost register' 'lost threads' 'lost fiber' \
    'freed shapes' 'freed thread' 'freed moved' 'freed many' 'freed beside' \
    'hidden tags' 'hidden packed' 'hidden away' 'hidden kernel' 'hidden shared' 'hidden pages'; do
	program=${what% *}
	mode=${what#* }
	leaks "$prog/$program" "$mode"
	as_told "$what"
	case $mode in
	thread) equal "$what: looked twice" "$(grep -c '^comment leak scan: .* scans 2, ' "$text")" 1 ;;
	threads)
		equal "$what: what may be in registers is counted" "$(counted unsure)" 3
		# glibc keeps a thread's vector of thread-local storage by its second entry.
		equal "$what: nothing is interior" "$(counted interior)" 0
		equal "$what: looked twice" "$(grep -c '^comment leak scan: .* scans 2, ' "$text")" 1
		;;
	*) equal "$what: looked once" "$(grep -c '^comment leak scan: .* scans 1, ' "$text")" 1 ;;
	esac
	# What is of no class and of some class adds up to what there is.
	cp "$text" "$work/with"
	run OTHEAP_SAMPLE_INTERVAL=1 "$prog/$program" "$mode"
	decode_last "$what without" || continue
	equal "$what: the sums are as without a check" "$(sum_all)" "$(text=$work/with && sum_all)"
	equal "$what: nothing is said of a check that was not asked for" "$(grep -cE '^comment leak| leak=' "$text")" 0
done

# What was freed is known also where few blocks are, where addresses are not random, and in a child.
few() {
	equal "$1: status" "$rc" 0
	inside "$1"
	decode_last "$1" || return
	check "$1: a check was made" checked
	check "$1: many are lost" test "$(awk -v n="$(of_class "$2" lost)" 'BEGIN { print (n > 100) }')" = 1
	equal "$1: none is reached" "$(of_class "$2" reached)" 0
}
for mode in shapes thread many; do
	run OTHEAP_LEAK_CHECK=1 OTHEAP_LEAK_REPORT=none OTHEAP_SAMPLE_INTERVAL=2048 "$prog/freed" $mode
	few "freed $mode, sampled" site_string
done
run OTHEAP_LEAK_CHECK=1 OTHEAP_LEAK_REPORT=none OTHEAP_SAMPLE_INTERVAL=2048 "$prog/freed" beside
equal "freed beside, sampled: status" "$rc" 0
decode_last "freed beside, sampled"
equal "freed beside, sampled: nothing is lost" "$(counted lost)" 0
leaks OTHEAP_MAX_MEMORY=1m "$prog/freed" beside
decode_last "freed beside, little memory"
equal "freed beside, little memory: nothing is lost" "$(counted lost)" 0
leaks "$prog/freed" fork
as_told "freed fork"
under='setarch -R'
leaks "$prog/freed" many
under=''
if [ "$rc" = 0 ]; then
	as_told "freed many, addresses not random"
else
	skip "freed many, addresses not random" 'setarch does not run here'
fi

# Pointers that move all the time while the memory is copied, most in blocks that are not sampled.
run OTHEAP_LEAK_CHECK=1 OTHEAP_LEAK_REPORT=none OTHEAP_SAMPLE_INTERVAL=400 "$prog/freed" churn
equal "freed churn: status" "$rc" 0
inside "freed churn"
for f in "$dir"/*.pb.gz; do
	if decode "$f"; then
		equal "freed churn, $(basename "$f" | sed 's/.*\.\([0-9]*\)\.pb\.gz/\1/'): nothing is lost" "$(counted lost)" 0
	fi
done

# Another allocator's free memory is not known: old words there count, and nothing else changes.
for a in jemalloc tcmalloc_minimal mimalloc; do
	file=$(find /usr/lib /lib -name "lib$a.so.*" -type f 2>/dev/null | head -n 1)
	if [ -z "$file" ]; then
		skip "freed beside, over $a" "no $a here"
		continue
	fi
	fresh
	env OTHEAP_DIR="$dir" OTHEAP_LEAK_CHECK=1 OTHEAP_LEAK_REPORT=none OTHEAP_SAMPLE_INTERVAL=1 \
	    LD_PRELOAD="$lib $file" "$prog/freed" beside >"$out" 2>"$err" </dev/null
	rc=$?
	as_told "freed beside, over $a"
done

# Where the first thread has ended, /proc/PID shows nothing of the process's memory.
for mode in plain odd; do
	leaks "$prog/lost" leader $mode
	as_told "lost leader $mode"
done

# Who has become another user may not read all of its own /proc/PID.
if [ "$(id -u)" = 0 ]; then
	chmod 711 "$work"
	mkdir -m 1777 "$work/open"
	for mode in plain odd; do
		rm -f "$work/open"/*
		leaks OTHEAP_DIR="$work/open" "$prog/lost" $mode drop
		silent "lost $mode drop"
		dir=$work/open
		as_told "lost $mode drop"
	done
else
	skip "lost: another user" "only root can become one"
fi

# Before Linux 6.7 pages are looked at one by one.
under="$prog/confined old"
for what in 'lost memory' 'hidden pages' 'hidden shared'; do
	leaks OTHEAP_EXIT_TIMEOUT=120 "$prog/${what% *}" "${what#* }"
	if [ "$rc" = 77 ]; then
		skip "$what as on an older kernel" 'seccomp is not allowed here'
		continue
	fi
	as_told "$what as on an older kernel"
done
under=''

# ---- huge pages -------------------------------------------------------------------------

pool=/sys/kernel/mm/hugepages/hugepages-2048kB
pages_before=$(cat $pool/nr_hugepages 2>/dev/null)

# Have so many more; or as before.
huge_pages() {
	{ echo $((pages_before + $1)) >$pool/nr_hugepages; } 2>/dev/null &&
		[ "$(cat $pool/nr_hugepages)" = $((pages_before + $1)) ]
}

if [ -n "$pages_before" ] && huge_pages 3; then
	trap 'huge_pages 0; clean_up' EXIT
	for how in private shared; do
		leaks "$prog/hidden" huge $how
		as_told "hidden huge $how"
		equal "hidden huge $how: on request, too" "$(count_files)" 2
	done
	# With no other to be had, a write after a fork would be the end of a program without a
	# reservation; one with such would take the page from the child.
	huge_pages 1
	for how in unreserved private; do
		what="hidden huge $how, the last one"
		if [ "$(cat $pool/free_hugepages)" != 1 ]; then
			skip "$what" "others have huge pages"
			continue
		fi
		leaks "$prog/hidden" huge $how
		equal "$what: status" "$rc" 0
		inside "$what"
		decode_last "$what"
		why="too few huge pages are free"
		[ $how = private ] || why="huge pages of the program are not reserved"
		equal "$what: no check" "$(not_made)" "$why"
	done
	huge_pages 0
	trap clean_up EXIT
else
	skip "hidden huge" "no huge pages to be had here"
fi

# ---- two other judges --------------------------------------------------------------

# Memcheck agrees about each function: definitely lost is lost.  But it does not
# look at memory that cannot be written now.
if command -v valgrind >/dev/null; then
	for what in 'lost plain' 'lost memory' 'freed shapes' 'freed moved' 'freed many' 'hidden packed' 'hidden away' 'hidden shared' 'hidden pages'; do
		run_plain valgrind --leak-check=full --show-leak-kinds=definite "$prog/${what% *}" "${what#* }"
		awk '/ blocks are definitely lost in / {
				for (i = 1; i <= NF; i++) if ($i == "blocks") n = $(i - 1)
				gsub(",", "", n)
				lost = 1
			}
			/ by 0x/ && lost { name[$4] += n; lost = 0 }
			END { for (f in name) print f, name[f] }' "$err" |
			grep -v -e site_read_only -e no_access -e site_memfd -e site_relro -e site_in_guard | sort >"$work/memcheck"
		grep '^class site_.* lost ' "$out" | awk '{ print $2, $4 }' | sort >"$work/ours"
		equal "$what: memcheck judges alike" "$(tr '\n' ' ' <"$work/memcheck")" \
		    "$(tr '\n' ' ' <"$work/ours")"
		check "$what: memcheck judged" grep -q 'ERROR SUMMARY' "$err"
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
for what in 'lost plain' 'freed shapes' 'freed thread' 'freed many' 'hidden packed'; do
	if ! ${CC:-cc} -fsanitize=leak -O1 -g -fno-builtin -D_GNU_SOURCE -o "$work/lsan" \
	    "tests/prog/${what% *}.c" -pthread 2>/dev/null; then
		skip "$what: LeakSanitizer judges alike" "the compiler has none"
		continue
	fi
	run_plain LSAN_OPTIONS=exitcode=23 "$work/lsan" "${what#* }"
	if [ "$rc" = 23 ] && grep -q 'detected memory leaks' "$err"; then
		awk '/^Direct leak of / { class = "lost"; n = $7 }
			/^Indirect leak of / { class = "indirect"; n = $7 }
			/^ *#1 / { sum[$4 " " ($4 == "site_ring" ? "any" : class)] += n }
			END { for (s in sum) print s, sum[s] }' "$err" | sort >"$work/sanitizer"
		grep -E '^class site_.* (lost|indirect) ' "$out" |
			awk '{ sum[$2 " " ($2 == "site_ring" ? "any" : $3)] += $4 }
			END { for (s in sum) print s, sum[s] }' | sort >"$work/ours"
		equal "$what: LeakSanitizer judges alike" "$(tr '\n' ' ' <"$work/sanitizer")" \
		    "$(tr '\n' ' ' <"$work/ours")"
	else
		skip "$what: LeakSanitizer judges alike" "it does not run here: $(head -c 200 "$err")"
	fi
done

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
