#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# fuzz.sh - no bytes that claim to be a profile crash a reader, hang it or fill memory.
#
# 60 s of libFuzzer for each target where clang has it ($FUZZ_SECONDS), else a replay of the
# corpus with random changes.  The corpus of pprof files is made here, that of other formats
# is kept in tests/fuzz/corpus.  What fails is kept in $B/fuzz.

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

# compile COMPILER FLAG... - the command's sources but its main(), as an archive: a target
# takes of it what it needs.
compile() {
	rm -rf "$work/obj" && mkdir "$work/obj" || return
	for f in tools/*.c core/config.c core/out.c "$B"/gen/proto/otlp/*.c; do
		[ "$f" != tools/otheap.c ] || continue
		o=$work/obj/$(basename "$f" .c).o
		"$@" -g -O1 -std=gnu11 -D_GNU_SOURCE -DOH_VERSION='"fuzz"' -I. -I"$B/gen" -c -o "$o" "$f" 2>>"$work/build" ||
			return
	done
	rm -f "$work/tools.a"
	ar rc "$work/tools.a" "$work"/obj/*.o
}

# link TARGET COMPILER FLAG...
link() {
	name=$1
	shift
	# shellcheck disable=SC2046
	"$@" -g -O1 -std=gnu11 -D_GNU_SOURCE -I. -I"$B/gen" -o "$work/fuzz_$name" "tests/fuzz/fuzz_$name.c" "$work/tools.a" \
		$(pkg-config --libs libprotobuf-c zlib libdw libelf) -liberty -lm 2>>"$work/build"
}

# fuzz TARGET CORPUS - with libFuzzer, or replay.
fuzz() {
	name=$1
	if [ "$how" = replay ]; then
		if timeout 300 "$work/fuzz_$name" "$2"/* >"$work/log" 2>&1; then
			ok "fuzz: $name, replay"
		else
			not_ok "fuzz: $name, replay" "$(head -n 5 "$work/log")"
		fi
	elif "$work/fuzz_$name" -max_total_time="${FUZZ_SECONDS:-60}" -timeout=10 -rss_limit_mb=1024 -max_len=65536 \
	    -artifact_prefix="$B/fuzz/" -print_final_stats=1 "$work/found" "$2" >"$work/log" 2>&1; then
		ok "fuzz: $name ($(sed -n 's/^stat::number_of_executed_units: *//p' "$work/log") inputs)"
	else
		not_ok "fuzz: $name" "$(grep -E 'ERROR|SUMMARY|runtime error|Test unit' "$work/log" | head -n 5 || tail -n 5 "$work/log")"
	fi
}

# NULL + 0, the start of an empty array, is meant; newer C defines it.
checks='-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-sanitize=pointer-overflow'
: >"$work/build"
mkdir "$work/found"
# shellcheck disable=SC2086
if command -v clang >/dev/null && compile clang -fsanitize=fuzzer-no-link $checks; then
	how=libfuzzer
	compiler="clang -fsanitize=fuzzer $checks"
elif compile "${CC:-cc}" $checks; then
	how=replay
	compiler="${CC:-cc} -DOH_FUZZ_REPLAY $checks"
elif compile "${CC:-cc}"; then
	how=replay
	compiler="${CC:-cc} -DOH_FUZZ_REPLAY"
else
	not_ok 'fuzz: builds' "$(head -n 5 "$work/build")"
	exit 1
fi
for target in profile convert; do
	folder=$corpus
	[ $target = profile ] || folder=$PWD/tests/fuzz/corpus/$target
	# shellcheck disable=SC2086
	if link $target $compiler; then
		fuzz $target "$folder"
	else
		not_ok "fuzz: $target builds" "$(head -n 5 "$work/build")"
	fi
done
