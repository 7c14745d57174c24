#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# host.sh - what a program could notice of us, and limits it may live under.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

hold=$prog/hold
one=OTHEAP_SAMPLE_INTERVAL=1

tasks() { find "/proc/$pid/task" -mindepth 1 -maxdepth 1 2>/dev/null | wc -l; }
one_task() { [ "$(tasks)" = 1 ]; }
two_tasks() { [ "$(tasks)" = 2 ]; }
descriptors() { find "/proc/$pid/fd" -mindepth 1 -printf '%f ' 2>/dev/null | tr ' ' '\n' | sort -n | tr '\n' ' '; }

# ---- descriptors, threads, children ------------------------------------------------------

start LD_PRELOAD= "$hold" alloc
wait_said ready
plain=$(descriptors)
finish
start $one "$hold" alloc
wait_said ready
equal "no thread of ours before a profile" "$(tasks)" 1
equal "no descriptor of ours before a profile" "$(descriptors)" "$plain"
seen=$plain
i=0
while [ $i -lt 30 ]; do
	kill -USR2 "$pid"
	now=$(descriptors)
	[ "$now" = "$plain" ] || seen=$now
	i=$((i + 1))
done
wait_files 1
equal "no descriptor of ours during profiles" "$seen" "$plain"
check "no thread of ours after a profile" until_true one_task
finish

for every in 0 1; do
	start $one OTHEAP_DUMP_EVERY=$every "$prog/watch"
	wait_said ready
	i=0
	while [ $i -lt 40 ] || ! has_files 5; do
		kill -USR2 "$pid"
		i=$((i + 1))
		[ $i -lt 2000 ] || break
	done
	finish
	equal "the program sees nothing of 40 profiles (DUMP_EVERY=$every)" "$rc" 0
	inside "the program sees nothing of 40 profiles (DUMP_EVERY=$every)"
	silent "the program sees nothing of 40 profiles (DUMP_EVERY=$every)"
done

start $one OTHEAP_DUMP_EVERY=1 "$hold" alloc
wait_said ready
if until_true two_tasks; then
	for t in "/proc/$pid/task"/*; do
		[ "${t##*/}" = "$pid" ] && continue
		named() { [ "$(cat "$t/comm")" = otheap ]; }
		check "the thread is named otheap" until_true named
		# All but KILL and STOP, which nobody can.
		blocked=$(sed -n 's/^SigBlk:[[:space:]]*//p' "$t/status")
		case $blocked in
		fffffffffffbfeff | fffffffe7ffbfeff | fffffffc7ffbfeff) ok "and blocks every signal" ;;
		*) not_ok "and blocks every signal" "$blocked" ;;
		esac
	done
else
	not_ok "a thread of ours with OTHEAP_DUMP_EVERY" "tasks: $(tasks)"
fi
finish
equal "it does not keep the program alive" "$rc" 0

# ---- environment, name spaces, descriptors that are closed -----------------------------------

run $one env
equal "LD_PRELOAD goes on to children" "$(grep '^LD_PRELOAD=' "$out")" "LD_PRELOAD=$lib"
run $one sh -c 'env'
equal "and to theirs" "$(grep '^LD_PRELOAD=' "$out")" "LD_PRELOAD=$lib"

if unshare -U true 2>/dev/null; then
	run $one unshare -U true
	equal "a name space of users needs a program of one thread" "$rc" 0
	silent "unshare -U"
else
	skip "a name space of users" "not allowed here"
fi
if unshare -rpf true 2>/dev/null; then
	# As the first process of a name space it is not ended by SIGTERM without a handler.
	run $one unshare -rpf "$hold" alloc exit 6
	equal "the first process of a name space" "$rc" 6
else
	skip "the first process of a name space" "not allowed here"
fi

fresh
(exec env $one OTHEAP_DIR="$dir" LD_PRELOAD="$lib" "$prog/stacks" deep 5 <&- >&- 2>&-)
# It cannot say what it has to say.
equal "closed standard input and outputs: status" $? 99
check "closed standard input and outputs: profile" has_files 1
fresh
# shellcheck disable=SC2016 # for the inner shell
(exec env $one OTHEAP_DIR="$dir" OTHEAP_SIGNAL=nonsense OTHEAP_DEBUG=1 LD_PRELOAD="$lib" \
	sh -c 'exec 3>"$1"; echo precious >&3; echo >&3' sh "$own/data" <&- >&- 2>&-)
equal "nothing of ours in the program's files" "$(cat "$own/data")" precious
run $one "$hold" alloc close
equal "a program that closes all descriptors" "$rc" 0
check "and its profile" has_files 1

# ---- limits ------------------------------------------------------------------------------

# limited PRELOAD OPTIONS PROGRAM... - output goes through a pipe, as files are limited.
limited() {
	preload=$1
	options=$2
	shift 2
	fresh
	# Few descriptors are to be enough, but not fewer for what we inherited.
	# shellcheck disable=SC2016 # for the inner shell
	{
		exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
		env $one OTHEAP_DIR="$dir" OTHEAP_QUIET=1 PRELOAD="$preload" sh -c \
			'ulimit $0; LD_PRELOAD=$PRELOAD; export LD_PRELOAD; exec "$@"' \
			"$options" "$@" </dev/null 2>&1
		echo $? >"$own/rc"
	} | cat >"$out"
	rc=$(cat "$own/rc")
}

# limit NAME OPTIONS PROGRAM... - under `ulimit OPTIONS`.
limit() {
	name=$1
	options=$2
	shift 2
	limited '' "$options" "$@"
	plain_rc=$rc
	plain_out=$out
	limited "$lib" "$options" "$@"
	equal "$name: status" "$rc" "$plain_rc"
	if cmp -s "$out" "$plain_out"; then ok "$name: output"; else not_ok "$name: output" "$(diff "$plain_out" "$out" | head -n 3)"; fi
}

limit "files of no size" "-f 0" "$hold" alloc exit 4
limit "files of a block" "-f 1" "$prog/mixed"
limit "4 descriptors" "-n 4" "$hold" alloc exit 4
limit "address space of 30 MB" "-v 30000" "$hold" alloc exit 4
limit "address space of 90 MB" "-v 90000" "$hold" alloc exit 4
limit "data of 10 MB" "-d 10000" "$hold" alloc exit 4
limit "a stack of 64 KB" "-s 64" "$prog/stacks" deep 50
limit "no core" "-c 0" "$hold" alloc exit 4
limit "a second of CPU" "-t 10" "$hold" alloc exit 4

# As a user who may have no more processes, and none of root's rights.
if [ "$(id -u)" = 0 ] && setpriv --reuid=65534 --regid=65534 --clear-groups true 2>/dev/null; then
	user="setpriv --reuid=65534 --regid=65534 --clear-groups"
	cp "$lib" "$hold" "$work"
	chmod 755 "$work/libotheap.so" "$work/hold"

	fresh
	chown 65534:65534 "$dir"
	# shellcheck disable=SC2086,SC2016
	env $one OTHEAP_DIR="$dir" PRELOAD="$work/libotheap.so" $user \
		sh -c 'ulimit -p 0 2>/dev/null || ulimit -u 0; LD_PRELOAD=$PRELOAD; export LD_PRELOAD; exec "$@"' \
		sh "$work/hold" alloc exit 4 >"$out" 2>"$err" </dev/null
	equal "no more processes: status" $? 4

	# Started as root and then somebody else: setuid(2) and the folder.
	fresh
	# shellcheck disable=SC2086
	env $one OTHEAP_DIR="$dir" TMPDIR=/nonexistent OTHEAP_FILE="$(basename "$work").%e" \
		LD_PRELOAD="$work/libotheap.so" $user "$work/hold" alloc exit 4 >"$out" 2>"$err" </dev/null
	equal "a folder of somebody else: status" $? 4
	equal "a folder of somebody else: a line" "$(wc -l <"$err" | tr -d ' ')" 1
	rm -f "/tmp/$(basename "$work")".*

	# With more rights than its user has.  The loader takes no LD_PRELOAD then, so the
	# program is linked with the library.
	if ${CC:-cc} -g -std=gnu11 -D_GNU_SOURCE -fno-builtin -o "$work/secure" "$src/hold.c" \
		-Wl,--no-as-needed "$work/libotheap.so" -Wl,-rpath,"$work" -pthread 2>"$work/cc"; then
		chmod 755 "$work/secure"
		fresh
		chown 65534:65534 "$dir"
		# shellcheck disable=SC2086
		env $one OTHEAP_DIR="$dir" $user "$work/secure" alloc exit 4 >"$out" 2>"$err" </dev/null
		equal "linked with the library: status" $? 4
		equal "linked with the library: it profiles" "$(count_files)" 1
		chown root "$work/secure"
		chmod 4755 "$work/secure"
		fresh
		chown 65534:65534 "$dir"
		# shellcheck disable=SC2086
		env $one OTHEAP_DIR="$dir" OTHEAP_SIGNAL=nonsense OTHEAP_DEBUG=1 $user "$work/secure" \
			alloc query 12 query 15 exit 4 >"$out" 2>"$err" </dev/null
		equal "setuid: status" $? 4
		if grep -q nosuid /proc/mounts && [ "$(count_files)" = 1 ]; then
			skip "setuid: switched off" "nosuid"
		else
			equal "setuid: switched off" "$(ls -A "$dir")" ""
			silent "setuid"
		fi
	else
		not_ok "linked with the library" "$(cat "$work/cc")"
	fi
else
	for t in "no more processes" "a folder of somebody else" "setuid"; do skip "$t" "not root"; done
fi

# ---- seccomp ----------------------------------------------------------------------------

for how in deny kill strict; do
	run_plain "$prog/confined" $how
	if [ "$rc" = 77 ]; then
		skip "seccomp, $how" "not allowed here"
		continue
	fi
	equal "seccomp, $how: alone" "$rc" 0
	for interval in 1 512k; do
		run OTHEAP_SAMPLE_INTERVAL=$interval "$prog/confined" $how
		equal "seccomp, $how at $interval: status" "$rc" 0
		equal "seccomp, $how at $interval: output" "$(cat "$out")" "done"
	done
done
# Confined before it started, as in a container.
run_plain "$prog/confined" deny env $one OTHEAP_DIR="$dir" LD_PRELOAD="$lib" "$hold" alloc exit 4
if [ "$rc" != 77 ]; then
	equal "seccomp from outside: status" "$rc" 4
	run_plain "$prog/confined" deny env $one OTHEAP_DIR="$dir" LD_PRELOAD="$lib" "$prog/stacks" deep 20
	equal "seccomp from outside: stacks" "$rc" 0
fi
