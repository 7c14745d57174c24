#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# deps.sh [build] [test] [bench] - install the Debian or Ubuntu packages that are
# missing; `build` and `test` when nothing is named.
#
#   deps.sh list [build] [test] [bench]     only print what would be needed
#
# What is there is left alone, so a second run is instant and needs no network.
# No package here starts a service: redis-server is a second name of a program
# in redis-tools, and the tests start it by themselves; nginx, whose package would,
# is fetched and unpacked by its test.

# An entry is a package; `a|b` whichever of both this release has; `cmd=package`
# nothing where a command of that name is already in PATH; `package?` nothing
# where this release has no such package (its tests are skipped then).
build='gcc g++ make pkg-config|pkgconf protobuf-c-compiler libprotobuf-c-dev
	zlib1g-dev libelf-dev libdw-dev libiberty-dev libcurl4-openssl-dev'
test='check git perl bash sqlite3 redis-tools node=nodejs python3
	go=golang-go rustc=rustc libunwind8 libjemalloc2
	libjemalloc-dev libgoogle-perftools4|libgoogle-perftools4t64
	libtcmalloc-minimal4|libtcmalloc-minimal4t64
	libmimalloc2.0|libmimalloc2.0t64|libmimalloc3
	libdebuginfod1|libdebuginfod1t64 zsh fish
	binutils valgrind strace clang-format shellcheck mandoc groff=groff-base pgrep=procps openssl tmux
	chromium? chromium-driver? fonts-dejavu-core'
bench='heaptrack'

only_list=0
if [ "$1" = list ]; then
	only_list=1
	shift
fi
[ $# != 0 ] || set -- build test

wanted=
for share in "$@"; do
	case $share in
	build) wanted="$wanted $build" ;;
	test) wanted="$wanted $test" ;;
	bench) wanted="$wanted $bench" ;;
	*)
		echo "usage: deps.sh [list] [build] [test] [bench]" >&2
		exit 2
		;;
	esac
done

have_dpkg=0
command -v dpkg-query >/dev/null && command -v apt-get >/dev/null && have_dpkg=1

# Names of installed packages, one in a line, without the architecture.
installed=
# shellcheck disable=SC2016 # dpkg-query's own variables
[ $have_dpkg = 0 ] || installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p')

is_installed() {
	printf '%s\n' "$installed" | grep -qxF "$1"
}

# Do we know yet which packages there are?
have_lists=0
for p in /var/lib/apt/lists/*_Packages*; do
	[ ! -e "$p" ] || have_lists=1
done

is_known() {
	[ $have_dpkg = 1 ] && apt-cache show --no-all-versions "$1" >/dev/null 2>&1
}

# The package to install for an entry; nothing if it is satisfied.
choose() {
	names=${1#*=}
	names=${names%\?}
	case $1 in
	*=*) command -v "${1%%=*}" >/dev/null && return ;;
	esac
	for p in $(echo "$names" | tr '|' ' '); do
		is_installed "$p" && return
	done
	for p in $(echo "$names" | tr '|' ' '); do
		if is_known "$p"; then
			echo "$p"
			return
		fi
	done
	case $1 in
	*\?) [ $have_lists = 0 ] || return ;;
	esac
	echo "${names%%|*}"
}

find_missing() {
	missing=
	for entry in $wanted; do
		p=$(choose "$entry")
		[ -z "$p" ] || missing="$missing $p"
	done
	missing=${missing# }
}

give_up() {
	echo "deps: $1" >&2
	echo "deps: please install, by these or this system's own names:" >&2
	echo "    $missing" >&2
	exit 1
}

find_missing
if [ $only_list = 1 ]; then
	[ -z "$missing" ] || echo "$missing" | tr ' ' '\n'
	exit 0
fi
if [ -z "$missing" ]; then
	echo "deps: everything is installed"
	exit 0
fi

[ $have_dpkg = 1 ] || give_up "this is not Debian or Ubuntu (no apt-get here)"
as_root=
if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null || give_up "not root, and no sudo here"
	as_root=sudo
fi

log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
trap 'exit 1' HUP INT TERM

apt() {
	# env: sudo passes no variables on.
	if ! $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q "$@" >"$log" 2>&1 </dev/null; then
		tail -n 15 "$log" >&2
		give_up "apt-get $1 did not work (its last lines are above)"
	fi
}

# sudo may ask for the password: on the terminal, before the output goes to a file.
[ -z "$as_root" ] || sudo true || give_up "sudo did not let us"
echo "deps: apt-get update"
apt update
have_lists=1
find_missing # names are known only now
echo "deps: apt-get install $missing"
# shellcheck disable=SC2086 # a list
apt install -y --no-install-recommends $missing
echo "deps: done"
