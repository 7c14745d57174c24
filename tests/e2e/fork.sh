#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# fork.sh - new processes: each writes its own profiles and none harms another.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

forks=$prog/forks
one=OTHEAP_SAMPLE_INTERVAL=1

try() { # HOW [N] - run it, and see that all is well inside
	run $one "$forks" "$@"
	equal "$1: status" "$rc" 0
	silent "$1"
	if grep '^bad' "$out" >"$work/bad"; then not_ok "$1: inside" "$(cat "$work/bad")"; fi
}

# Decode the profile of process $1: the last one.
decode_of() {
	f=''
	for i in "$dir"/otheap."${2-forks}"."$1".*.pb.gz; do f=$i; done
	if [ -e "$f" ] && decode "$f"; then
		equal "pid in the profile" "$(grep '^comment pid' "$text")" "comment pid: $1"
		return 0
	fi
	not_ok "profile of $1" "not among $(ls -A "$dir")"
	return 1
}

parent_of() { sed -n 's/^parent //p' "$out" | head -n 1; }
child_of() { sed -n 's/^child //p' "$out" | head -n 1; }

try family
equal "family: three profiles" "$(count_files)" 3
if decode_of "$(parent_of)"; then
	equal "family: the parent's" "$(sum site_parent)/$(sum site_child)/$(sum site_grandchild)" \
		"10 1000 10 1000/0 0 0 0/0 0 0 0"
fi
if decode_of "$(child_of)"; then
	# It has what it inherited: that is its heap.
	equal "family: the child's" "$(sum site_parent)/$(sum site_child)/$(sum site_grandchild)" \
		"10 1000 10 1000/20 4000 20 4000/0 0 0 0"
fi
for f in "$dir"/*; do
	case $f in *".$(parent_of)."* | *".$(child_of)."*) continue ;; esac
	decode "$f"
	equal "family: each is a process of its own" "$(for p in "$dir"/*; do
		decode "$p"
		grep -xE 'comment process: [0-9a-f]{16}' "$text"
	done | sort -u | wc -l)" 3
	decode "$f"
	equal "family: the grandchild's" "$(sum site_parent)/$(sum site_child)/$(sum site_grandchild)" \
		"10 1000 10 1000/20 4000 20 4000/30 9000 30 9000"
done

try frees
for f in "$dir"/*; do
	case $f in *".$(parent_of)."*)
		decode "$f"
		equal "frees: not the parent's" "$(sum site_parent)" "10 1000 10 1000"
		continue
		;;
	esac
	decode "$f"
	equal "frees: the child's blocks are gone" "$(sum site_parent)/$(sum site_child)" \
		"10 1000 0 0/20 4000 20 4000"
done

try nothing
equal "nothing: a child that allocates nothing writes nothing" "$(count_files)" 1

try threads 200
equal "threads: 200 children with a profile each" "$(count_files)" 201
bad=0
i=0
for f in "$dir"/*; do
	# Every tenth: decoding takes time.
	i=$((i + 1))
	[ $((i % 10)) = 0 ] || continue
	case $f in *".$(parent_of)."*) continue ;; esac
	if ! decode "$f"; then
		bad="$f is not readable"
	elif [ "$(sum site_child)" != "20 4000 20 4000" ]; then
		bad="$(basename "$f"): $(sum site_child)"
	fi
	[ "$bad" = 0 ] || break
done
equal "threads: all of them right" "$bad" 0

try together 50
equal "together: 50 children" "$(count_files)" 51

try dumps 20
# The signal's profile and the one at exit may be written as one.
check "dumps: a profile of each of 20 children, or two" has_files 21
bad=0
for f in "$dir"/*; do
	decode "$f" || bad=$f
	case $f in *".$(parent_of)."*) continue ;; esac
	if [ "$(sum site_child)" = "20 4000 20 4000" ]; then basename "$f" | cut -d . -f 3; fi
done >"$work/whole"
seen=$(sort -u "$work/whole" | wc -l)
equal "dumps: all readable" "$bad" 0
equal "dumps: each child has one that is whole" "$seen" 20

try vfork 20
equal "vfork: one for each new program, one for us" "$(count_files)" 21
if decode_of "$(parent_of)"; then
	equal "vfork: the parent goes on" "$(sum site_parent)" "20 2000 20 2000"
fi

try vfork-malloc
equal "vfork-malloc: one profile" "$(count_files)" 1
if decode_of "$(parent_of)"; then
	equal "vfork-malloc: the parent goes on" "$(sum site_parent)" "20 2000 20 2000"
fi

try spawn
equal "spawn: two profiles" "$(count_files)" 2

try system
equal "system, popen: our own" "$(find "$dir" -name 'otheap.forks.*' | wc -l)" 1

try raw
if decode_of "$(parent_of)"; then
	equal "raw: the parent is undisturbed" "$(sum site_parent)" "10 1000 10 1000"
fi

try raw-dumps
if decode_of "$(parent_of)"; then
	equal "raw-dumps: the parent is undisturbed" "$(sum site_parent)" "20 2000 20 2000"
fi

try clone
if decode_of "$(parent_of)"; then
	equal "clone: the parent goes on" "$(sum site_parent)" "20 2000 20 2000"
fi

run $one "$forks" exec
equal "exec: status" "$rc" 11
# Before the exec there was no end, so no profile.
equal "exec: the new program's profile" "$(count_files)" 1
pid=$(parent_of)
f=$(last_file)
case $f in
*/otheap.*."$pid".1.pb.gz) ok "exec: same process, new program" ;;
*) not_ok "exec: same process, new program" "$f" ;;
esac

# shellcheck disable=SC2016 # for the inner shell
run $one sh -c 'cd "$OTHEAP_DIR" && OTHEAP_DIR=. "$0" daemon' "$forks"
wait_said 'child [0-9]*' || true
child_file() { [ -n "$(find "$dir" -name "otheap.forks.$(child_of).*.pb.gz")" ]; }
check "daemon: its profile is where it was started, not in /" until_true child_file
rm -f "$dir"/*
