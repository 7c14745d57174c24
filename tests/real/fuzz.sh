#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# fuzz.sh - no bytes that claim to be a profile crash the reader, hang it or fill memory.
#
# 60 s of libFuzzer where clang has it ($FUZZ_SECONDS), else a replay of the corpus with
# random changes.  The corpus is made here.  What fails is kept in $B/fuzz.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"

mk=$prog/mkprofile
corpus=$work/corpus
mkdir "$corpus" && mkdir -p "$B/fuzz" || exit 1

n=0
for shape in '--samples 0' '--samples 3 --locations 8 --depth 4' '--samples 20 --locations 30 --depth 6' \
	'--samples 5 --locations 17 --interval 1' '--samples 5 --locations 9 --drop function_(?:1|[2-4]\d?)' \
	"--elf $B/prog/mkprofile --samples 4 --locations 6"; do
	n=$((n + 1))
	# shellcheck disable=SC2086
	"$mk" $shape "$corpus/$n.pb" || exit 1
	gzip -nc "$corpus/$n.pb" >"$corpus/$n.pb.gz"
	head -c 100 "$corpus/$n.pb" >"$corpus/$n.cut"
	cat "$corpus/$n.pb.gz" "$corpus/1.pb.gz" >"$corpus/$n.two.gz"
done
head -c 1048576 /dev/zero | gzip -9n >"$corpus/bomb.gz"
: >"$corpus/empty"
printf 'heap profile: 1: 2 [3: 4] @ heap_v2/524288\n' >"$corpus/text"

# build OUT COMPILER FLAG... - the target with the command's sources but its main().
build() {
	to=$1
	shift
	sources=''
	for f in tools/*.c; do [ "$f" = tools/otheap.c ] || sources="$sources $f"; done
	# shellcheck disable=SC2046,SC2086
	"$@" -g -O1 -std=gnu11 -D_GNU_SOURCE -DOH_VERSION='"fuzz"' -I. -o "$to" tests/fuzz/fuzz_profile.c \
		$sources $(pkg-config --libs zlib libdw libelf) \
		-liberty -lm 2>"$work/build"
}

# NULL + 0, the start of an empty array, is meant; newer C defines it.
checks='-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-sanitize=pointer-overflow'
# shellcheck disable=SC2086
if command -v clang >/dev/null && build "$work/fuzz" clang -fsanitize=fuzzer $checks; then
	if "$work/fuzz" -max_total_time="${FUZZ_SECONDS:-60}" -timeout=10 -rss_limit_mb=1024 -max_len=65536 \
		-artifact_prefix="$B/fuzz/" -print_final_stats=1 "$corpus" >"$work/log" 2>&1; then
		ok "fuzz: profile ($(sed -n 's/^stat::number_of_executed_units: *//p' "$work/log") inputs)"
	else
		not_ok 'fuzz: profile' "$(grep -E 'ERROR|SUMMARY|runtime error|Test unit' "$work/log" | head -n 5 || tail -n 5 "$work/log")"
	fi
elif build "$work/fuzz" "${CC:-cc}" -DOH_FUZZ_REPLAY $checks || build "$work/fuzz" "${CC:-cc}" -DOH_FUZZ_REPLAY; then
	if timeout 300 "$work/fuzz" "$corpus"/* >"$work/log" 2>&1; then
		ok 'fuzz: profile, replay'
	else
		not_ok 'fuzz: profile, replay' "$(head -n 5 "$work/log")"
	fi
else
	not_ok 'fuzz: builds' "$(head -n 5 "$work/build")"
fi
