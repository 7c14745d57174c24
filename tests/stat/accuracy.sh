#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Are the numbers right?  Many seeds, sites from 1 B to 64 MiB, mixed sites, threads
# that live shortly: see judge.py for what is asked and how often it alarms in vain.
# shellcheck source=SCRIPTDIR/../e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"
PATH=/usr/bin:/bin:$PATH

# shellcheck disable=SC2154 # set by lib.sh
judge() {
	python3 tests/stat/judge.py "$lib" "$B/stat/sites" "$prog/pbdump" "$@" || failures=$((failures + 1))
}

runs=${STAT_RUNS:-200}
judge 1 2 1000
judge 65536 "$runs" 60
judge 524288 $((runs / 2)) 60
