#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# bash: arrays, subshells, pipes, traps, here documents, background jobs.
# shellcheck source=SCRIPTDIR/lib.sh
. "$(dirname "$0")/lib.sh"
need bash

cat >"$input/work.bash" <<'BASH'
declare -A count
for i in {1..4000}; do
	word="w$((i * 7919 % 101))"
	count[$word]=$((${count[$word]:-0} + i))
	list+=("$word-$i")
done
for k in "${!count[@]}"; do echo "$k ${count[$k]}"; done | sort | cksum
echo "${#list[@]} ${list[@]: -3}"
text=$(printf '%s\n' "${list[@]}" | sort -r | head -n 100 | tr a-z A-Z)
echo "${text//W/x}" | cksum
s=
for ((i = 0; i < 3000; i++)); do s+="$i,"; done
echo "${#s} ${s:100:20}"
for i in 1 2 3 4 5 6 7 8; do (x=$(seq 1 $((i * 100))); echo "${#x}"; exit "$i"); echo "$?"; done
coproc cat
echo through >&"${COPROC[1]}"
read -r line <&"${COPROC[0]}"
echo "$line"
mapfile -t lines < <(seq 1 2000)
echo "${#lines[@]}"
cat <<END
here $(echo inside) ${lines[77]}
END
# `trap` makes bash handle SIGUSR2 itself, to die of it: not where our signals go.
(trap 'echo bye' EXIT; trap; exit 9); echo "$?"
sleep 0.05 & wait $!; echo "$?"
# A command that a signal ends is told of as without us.
(kill -TERM $BASHPID; echo "not reached"); echo "term $?"
(kill -INT $BASHPID; echo "not reached"); echo "int $?"
(bash -c 'kill -USR1 $$'; echo "usr1 $?") 2>/dev/null
ls /nowhere-at-all
no_such_command_at_all
echo "${undefined?not set}"
BASH
same bash bash work.bash
