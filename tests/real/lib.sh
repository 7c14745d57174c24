# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0
#
# lib.sh - real programs, with and without us.  Each script begins with
#	. "$(dirname "$0")/lib.sh"
# prepares what its program needs in $input, and calls `same` for each command.

# The system's own programs, not what a developer has put before them.
PATH=/usr/bin:/bin:$PATH
export LC_ALL=C

# shellcheck source=SCRIPTDIR/../e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"

input=$work/input
mkdir "$input"
artefacts=''  # files the command makes in its folder, to be equal, too
limit_s=${REAL_LIMIT:-120}
must_say=''   # a line of its output without which it did not do its work
threads=0     # 1: allocates on other threads, even while the exit profile is written

# What may serve the program beneath us; "glibc" is what it is linked with.
allocators='glibc libjemalloc.so.2 libtcmalloc.so.4 libtcmalloc_minimal.so.4'
for a in libmimalloc.so.2.0 libmimalloc.so.2 libmimalloc.so.3; do
	if [ -z "$(LD_PRELOAD=$a /bin/true 2>&1)" ]; then break; fi
done
allocators="$allocators $a"

present() {
	[ "$1" = glibc ] || [ -z "$(LD_PRELOAD=$1 /bin/true 2>&1)" ]
}

# in_folder FOLDER - a copy of the input, at a path that is the same for all runs.
in_folder() {
	rm -rf "$work/run"
	cp -a "$input" "$work/run"
	mkdir -p "$1"
}

# Keep what the run left: output, status, artefacts.
keep() {
	echo "$rc" >"$1/status"
	for f in $artefacts; do
		cp "$work/run/$f" "$1/$(echo "$f" | tr / _)" 2>/dev/null || echo "no $f" >>"$1/status"
	done
}

# run_in KEEP VAR=VALUE... COMMAND...
run_in() {
	to=$1
	shift
	in_folder "$to"
	(cd "$work/run" && exec timeout -k 5 "$limit_s" env "$@") \
	    >"$to/stdout" 2>"$to/stderr" </dev/null
	rc=$?
	keep "$to"
}

# Is USR2 caught by process $1?  (Signal 12 is bit 11 of the mask.)
catches() {
	mask=$(sed -n 's/^SigCgt:.*\(....\)$/\1/p' "/proc/$1/status" 2>/dev/null)
	case $mask in ?[89abcdef]??) return 0 ;; esac
	return 1
}

is_gone() {
	case $(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null) in
	'' | Z | X) return 0 ;;
	esac
	return 1
}

# As run_in, and SIGUSR2 again and again to the program, or to the one whose
# number the command writes into a file `pid`.
run_with_signals() {
	to=$1
	shift
	in_folder "$to"
	# A shell's background jobs ignore SIGINT and SIGQUIT.
	(cd "$work/run" && exec env --default-signal=INT,QUIT "$@") >"$to/stdout" 2>"$to/stderr" </dev/null &
	pid=$!
	started="$started $pid"
	signals=0
	turns=0
	until is_gone "$pid"; do
		target=$pid
		[ -s "$work/run/pid" ] && target=$(cat "$work/run/pid")
		if catches "$target" && kill -USR2 "$target" 2>/dev/null; then
			signals=$((signals + 1))
		fi
		sleep 0.01
		turns=$((turns + 1))
		if [ $turns -gt $((limit_s * 50)) ]; then
			kill -9 "$pid"
		fi
	done
	reap
	keep "$to"
}

# The profiles in $dir: all complete, nothing else there, and at interval 1 the
# sum of all samples is what the threads counted.  Sets $why if not so.
profiles_right() {
	why=''
	exact=$1
	for f in "$dir"/* "$dir"/.[!.]*; do
		[ -e "$f" ] || continue
		case $f in
		*.pb.gz) ;;
		*)
			why="left behind: $f"
			return 1
			;;
		esac
		if ! gzip -t "$f" 2>"$work/gzip.err"; then
			why="$f: $(cat "$work/gzip.err")"
			return 1
		fi
		if ! python3 tests/stat/profile.py sums "$f" >"$work/text" 2>"$work/pberr"; then
			why="$f: $(tail -n 1 "$work/pberr")"
			return 1
		fi
		text=$work/text
		[ "$exact" = 1 ] || continue
		# Nothing may be lost without a reason being given.
		[ "$(dropped memory_full)" = 0 ] || continue
		# shellcheck disable=SC2046 # two numbers, and four
		set -- $(totals) $(head -n 1 "$text")
		if ! awk -v tb="$1" -v tc="$2" -v c="$3" -v b="$4" -v slack="$threads" 'BEGIN {
			if (slack) exit !(b <= tb * 1.01 && b >= tb * 0.99 && c <= tc * 1.01 && c >= tc * 0.99)
			exit !(tb == b && tc == c) }'; then
			why="$f ($(sed -n 's/^comment program: //p' "$text")): samples add up to $4 bytes in $3 allocations, counted were $1 in $2; $(grep '^comment dropped' "$text" | tr '\n' ' ')"
			return 1
		fi
	done
	return 0
}

# The largest profile by go tool pprof, which is another's reader.
go_reads() {
	command -v go >/dev/null || return 0
	# shellcheck disable=SC2012 # names of ours
	f=$(ls -S "$dir"/*.pb.gz 2>/dev/null | head -n 1)
	[ -n "$f" ] || return 0
	if ! go tool pprof -symbolize=none -raw "$f" >"$work/raw" 2>"$work/raw.err" ||
	    ! grep -q '^Samples:' "$work/raw"; then
		why="go tool pprof: $(head -c 300 "$work/raw.err")"
		return 1
	fi
}

# judge NAME BASE RUN INTERVAL WANT - compare, look at the profiles, say it.
judge() {
	if ! diff -r "$2" "$3" >"$work/diff" 2>&1; then
		not_ok "$1" "$(head -c 800 "$work/diff")"
	elif ! profiles_right "$4" || ! go_reads; then
		not_ok "$1" "$why"
	elif [ "$(count_files)" -lt "$5" ]; then
		not_ok "$1" "$(count_files) profiles, expected $5 at least"
	else
		ok "$1"
	fi
}

# same NAME COMMAND... - output, status and artefacts are equal without us and
# with us: exact, sampling, dumping every second, and under a hail of signals;
# over every allocator that is here.
same() {
	what=$1
	shift
	for a in $allocators; do
		if ! present "$a"; then
			skip "$what over $a" "not installed"
			continue
		fi
		beneath=''
		[ "$a" = glibc ] || beneath=:$a
		base=$work/base
		rm -rf "$base"
		run_in "$base" ${beneath:+LD_PRELOAD="${beneath#:}"} "$@"
		if [ -n "$must_say" ] && ! grep -qxe "$must_say" "$base/stdout"; then
			not_ok "$what over $a, without us" "did not say '$must_say': $(head -c 300 "$base/stdout")"
			continue
		fi
		for interval in 1 512k; do
			fresh
			with=$work/with
			rm -rf "$with"
			run_in "$with" LD_PRELOAD="$lib$beneath" OTHEAP_DIR="$dir" \
			    OTHEAP_SAMPLE_INTERVAL=$interval OTHEAP_MAX_MEMORY=1g "$@"
			want=0
			[ $interval != 1 ] || want=1
			judge "$what over $a, interval $interval" "$base" "$with" $interval $want
		done

		fresh
		rm -rf "$with"
		run_in "$with" LD_PRELOAD="$lib$beneath" OTHEAP_DIR="$dir" OTHEAP_DUMP_EVERY=1 "$@"
		judge "$what over $a, a profile every second" "$base" "$with" 512k 0

		fresh
		rm -rf "$with"
		run_with_signals "$with" LD_PRELOAD="$lib$beneath" OTHEAP_DIR="$dir" \
		    OTHEAP_SAMPLE_INTERVAL=16k OTHEAP_MAX_FILES=20 "$@"
		rm -f "$base/pid" "$with/pid"
		judge "$what over $a, $signals signals" "$base" "$with" 16k 1
	done
}

# ---- lost blocks, and what memcheck calls so ---------------------------------------------

# shellcheck disable=SC2034 # for the scripts
memcheck='valgrind --leak-check=full --show-leak-kinds=definite --num-callers=4 --trace-children=no'

# Blocks by size that are lost, as lines `SIZE BLOCKS`, in the profiles of $dir of
# program $1; and those that memcheck found, in $err.
ours() {
	for f in "$dir"/*.pb.gz; do
		decode "$f" && grep -qx "comment program: $1" "$text" || continue
		cat "$text"
	done | tee "$work/profiles" | sed -n 's/^sample 0 0 \([0-9]*\) [0-9]* bytes=\([0-9]*\) .* leak=lost .*/\2 \1/p' |
		sum_by_size
}

memchecks() {
	sed -n 's/^.* \([0-9,]*\) (\([0-9,]*\) direct, .*) bytes in \([0-9,]*\) blocks are definitely lost .*/\2 \3/p
		s/^==[0-9]*== \([0-9,]*\) bytes in \([0-9,]*\) blocks are definitely lost .*/\1 \2/p' "$err" |
		tr -d , | awk '{ print $1 / $2, $2 }' | sum_by_size
}

sum_by_size() {
	awk '{ n[$1] += $2 } END { for (s in n) print s, n[s] }' | sort -n
}

# none_more NAME - of no size more is lost in $work/ours than in $work/memcheck.
none_more() {
	more=$(awk 'FILENAME == ARGV[1] { n[$1] = $2; next } $2 > n[$1] { print $2 " of " $1 " bytes, not " n[$1] + 0 }' \
	    "$work/memcheck" "$work/ours")
	if [ -z "$more" ]; then
		ok "$1: nothing that memcheck does not call lost ($(awk '{ n += $2 } END { print n + 0 }' "$work/ours") of $(awk '{ n += $2 } END { print n + 0 }' "$work/memcheck") blocks)"
	else
		not_ok "$1: nothing that memcheck does not call lost" "$more"
	fi
}
