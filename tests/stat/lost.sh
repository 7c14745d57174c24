#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The estimate of what is lost is unbiased: many seeds at the default interval.
#
# For each of the four sites the mean over all runs of the live objects in the
# class they belong to, minus the truth, divided by its standard error, which is
# known: a run has the variance N (w - 1).  Alarm at |z| > 4.2, for a right
# profiler once in 37,000 values; the seeds are fixed.  In the other class there is
# nothing, ever.
# shellcheck source=SCRIPTDIR/../e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"

runs=${STAT_LOST_RUNS:-60}
interval=524288
: >"$work/all"
i=0
made=0
while [ $i -lt "$runs" ]; do
	i=$((i + 1))
	run OTHEAP_LEAK_CHECK=1 OTHEAP_LEAK_REPORT=none OTHEAP_EXIT_TIMEOUT=60 OTHEAP_SEED=$i \
	    "$prog/lost" share
	decode_last "lost: run $i" || break
	if grep -q '^comment leak check: lost ' "$text"; then made=$((made + 1)); fi
	awk '$1 == "sample" {
		split($0, part, "|")
		split(part[4], f, " ")
		is = "reached"
		if (match(part[1], / leak=[a-z]+/)) is = substr(part[1], RSTART + 6, RLENGTH - 6)
		print f[1], is, $4
	}' "$text" >>"$work/all"
	grep '^class ' "$out" >"$work/truth"
done
equal "lost: checks made" "$made" "$runs"
while read -r _ fn class n; do
	case $fn in
	*small*) size=1004 ;;
	*) size=60012 ;;
	esac
	verdict=$(awk -v fn="$fn" -v class="$class" -v n="$n" -v size=$size -v t=$interval -v runs="$runs" '
		$1 == fn && $2 == class { sum += $3 }
		$1 == fn && $2 != class { other += $3 }
		END {
			w = 1 / (1 - exp(-size / t))
			z = (sum / runs - n) / sqrt(n * (w - 1) / runs)
			good = z < 4.2 && z > -4.2 && other == 0
			printf "%s mean %.0f, truth %d, z %.2f, in other classes %d\n", good ? "ok" : "bad", sum / runs, n, z, other
		}' "$work/all")
	case $verdict in
	ok*) ok "lost: $fn is $class (${verdict#ok })" ;;
	*) not_ok "lost: $fn is $class" "${verdict#bad }" ;;
	esac
done <"$work/truth"
