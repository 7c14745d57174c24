#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Does otheap leaks name what leaks, and nothing else?  Simulated heaps with many seeds:
# see leaks_judge.py for what is asked and how often it alarms in vain.
# shellcheck source=SCRIPTDIR/../e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"

# shellcheck disable=SC2154 # set by lib.sh
python3 tests/stat/leaks_judge.py "$B/otheap" "${STAT_RUNS:-100}" || failures=$((failures + 1))
