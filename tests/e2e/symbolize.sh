#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# symbolize.sh - otheap symbolize: the file holds the names that top finds, also where
# programs and debug files are elsewhere, and other readers show them.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

reads symbolize
"$mk" --samples 200 --locations 60 "$work/named.pb" || exit 1
"$mk" --samples 0 "$work/none.pb"
head -c 3001 "$work/named.pb" >"$work/cut.pb"
named=$work/out.pb.gz

refused 'no output' 'OUT is needed' "$work/named.pb"
refused 'no file' 'no FILE' -o "$named"
refused 'a truncated file' 'cut.pb: ' "$work/cut.pb" -o "$named"
refused 'no such root' "--root '$work/nosuch': No such file" --root "$work/nosuch" "$work/named.pb" -o "$named"
refused 'a file as folder' "--debug-dir '$work/cut.pb': Not a directory" --debug-dir "$work/cut.pb" "$work/named.pb" -o "$named"
refused 'no such folder of the output' 'No such file' "$work/named.pb" -o "$work/nosuch/out"
check 'nothing is written for a bad file' test ! -e "$named"
[ ! -w /dev/full ] || refused 'full disk' 'No space left' "$work/named.pb" -o /dev/full
prints 'without samples' '0 of 0 addresses' "$work/none.pb" -o "$named"
prints 'a file with names' ' addresses have names' "$work/named.pb" -o "$named"
"$otheap" top -n 0 "$work/named.pb" | sed 1d >"$work/a"
"$otheap" top -n 0 "$named" | sed 1d >"$work/b"
check 'names that are there stay' cmp -s "$work/a" "$work/b"
"$otheap" symbolize - -o - <"$work/named.pb" >"$work/piped"
check 'through a pipe' cmp -s "$work/piped" "$named"

: "${CC:=cc}"
cat >"$work/app.c" <<'EOP'
static int sink;
static inline __attribute__((always_inline)) int
inlined(int x)
{
	sink += x;
	sink ^= x >> 1;
	return sink;
}
__attribute__((noinline)) int
outer(int x)
{
	return inlined(x) * 2;
}
/* Names as compilers of C++ and Rust write them. */
__attribute__((noinline, externally_visible)) int cxx(int x) __asm__("_ZN5space4tallIiEEvi");
int
cxx(int x)
{
	return outer(x) + 3;
}
__attribute__((noinline, externally_visible)) int rust(int x) __asm__("_RNvCs1234_7mycrate3run");
int
rust(int x)
{
	return cxx(x) + 3;
}
int
main(int argc, char **argv)
{
	return rust(argc) == 12345;
}
EOP
mkdir "$work/bin"
if ! $CC -g -O1 -Wl,--build-id -o "$work/bin/app" "$work/app.c" 2>"$work/cc"; then
	skip 'a program' "no C compiler ($CC): $(head -n 1 "$work/cc")"
	exit 0
fi
set --
for i in 0 2 4 6 8 10 12; do set -- "$@" --symbol outer+$i; done
"$mk" --elf "$work/bin/app" "$@" --symbol _ZN5space4tallIiEEvi+4 --symbol _RNvCs1234_7mycrate3run+4 "$work/app.pb"
"$mk" --elf "$work/bin/app" --samples 300 --locations 40 "$work/many.pb"

# top_of FILE - its frames without looking for names.
top_of() {
	"$otheap" top --no-symbols -n 0 -l -o csv "$@" 2>/dev/null | grep '^[0-9]'
}

prints 'a program' ' addresses have names' "$work/app.pb" -o "$named"
"$otheap" top -l -n 0 -o csv "$work/app.pb" 2>/dev/null | grep '^[0-9]' >"$work/found"
top_of "$named" >"$work/held"
same_lines 'the file holds what top finds' "$work/held" "$work/found"
for name in 'space::tall<int>' 'mycrate::run' inlined outer; do
	check "names: $name" grep -qF "\"$name\",\"$work/app.c\"" "$work/held"
done
if command -v go >/dev/null; then
	go tool pprof -top -lines -nodecount=1000 -nodefraction=0 "$named" >"$work/pprof" 2>&1
	for name in 'inlined.*inline' 'mycrate::run' 'outer .*app.c:'; do
		check "go tool pprof shows $name" grep -q "$name" "$work/pprof"
	done
else
	skip 'go tool pprof' 'it is not installed'
fi
prints 'again, by --force' ' addresses have names' --force "$named" -o "$work/forced.pb.gz"
top_of "$work/forced.pb.gz" >"$work/again"
check 'by --force the same names' cmp -s "$work/held" "$work/again"

# elsewhere NAME [OPTION...] - the program is not where it was: the same names?
elsewhere() {
	name=$1
	shift
	mv "$work/bin" "$work/gone"
	try "$@" "$work/app.pb" -o "$named"
	top_of "$named" >"$work/there"
	mv "$work/gone" "$work/bin"
	if [ $rc = 0 ] && cmp -s "$work/held" "$work/there"; then
		ok "elsewhere: $name"
	else
		not_ok "elsewhere: $name" "exit $rc, $(cat "$err"), $(diff "$work/held" "$work/there" | head -n 4)"
	fi
}

mkdir -p "$work/sysroot$work/bin" "$work/flat" "$work/ids"
cp "$work/bin/app" "$work/sysroot$work/bin/app"
cp "$work/bin/app" "$work/flat/app"
elsewhere '--root' --root "$work/sysroot"
elsewhere '--debug-dir, by path' --debug-dir "$work/sysroot"
elsewhere '--debug-dir, by name' --debug-dir "$work/flat"
elsewhere 'the second --debug-dir' --debug-dir "$work/ids" --debug-dir "$work/flat"
id=$("$otheap" top -o json "$work/app.pb" 2>/dev/null | sed -n 's/.*"build_id": "\([0-9a-f]*\)".*/\1/p')
if [ ${#id} -ge 8 ] && command -v objcopy >/dev/null && command -v strip >/dev/null; then
	rest=${id#??}
	folder=$work/ids/.build-id/${id%"$rest"}
	mkdir -p "$folder"
	cp "$work/bin/app" "$folder/$rest"
	objcopy --only-keep-debug "$work/bin/app" "$folder/$rest.debug"
	elsewhere 'a folder of build IDs' --debug-dir "$work/ids"

	# A program without debug information, and its debug file elsewhere.
	mkdir "$work/debug"
	cp "$folder/$rest.debug" "$work/debug/app.debug"
	strip -g "$work/sysroot$work/bin/app"
	(cd "$work/debug" && objcopy --add-gnu-debuglink=app.debug "$work/sysroot$work/bin/app")
	elsewhere '--root and a debug file by its name' --root "$work/sysroot" --debug-dir "$work/debug"
	mkdir -p "$work/sysroot/usr/lib/debug$work/bin"
	mv "$work/debug/app.debug" "$work/sysroot/usr/lib/debug$work/bin"
	elsewhere 'a debug file below the root' --root "$work/sysroot"
	rm -r "$work/sysroot/usr" "$work/flat/app"

	# Another program of that name is not taken.
	$CC -g -O0 -Wl,--build-id=0x0102030405060708 -o "$work/flat/app" "$work/app.c"
	mv "$work/bin" "$work/gone"
	try --debug-dir "$work/flat" "$work/app.pb" -o "$named"
	mv "$work/gone" "$work/bin"
	if [ $rc = 0 ] && grep -q 'build ID differs' "$err" && grep -q ': 0 of ' "$out"; then
		ok 'another build ID'
	else
		not_ok 'another build ID' "exit $rc: $(cat "$out" "$err")"
	fi
else
	skip 'a folder of build IDs' 'no objcopy'
fi

# ---- debuginfod ----------------------------------------------------------------------

if command -v python3 >/dev/null && find_library debuginfod.so.1 >/dev/null && [ -n "$id" ]; then
	mkdir -p "$work/server/buildid/$id" "$work/cache"
	cp "$work/bin/app" "$work/server/buildid/$id/executable"
	cp "$work/bin/app" "$work/server/buildid/$id/debuginfo"
	cat >"$work/server.py" <<'EOP'
import functools, http.server, sys
class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        with open(sys.argv[2], "a") as f:
            f.write(self.path + "\n")
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=sys.argv[1]))
with open(sys.argv[3] + ".new", "w") as f:
    f.write("%d\n" % server.server_port)
import os
os.rename(sys.argv[3] + ".new", sys.argv[3])
server.serve_forever()
EOP
	: >"$work/requests"
	python3 "$work/server.py" "$work/server" "$work/requests" "$work/port" >/dev/null 2>&1 </dev/null &
	started="$started $!"
	if until_true test -e "$work/port"; then
		export DEBUGINFOD_CACHE_PATH="$work/cache"
		mv "$work/bin" "$work/gone"
		try "$work/app.pb" -o "$named"
		mv "$work/gone" "$work/bin"
		equal 'debuginfod: nothing is asked where no server is named' "$(cat "$work/requests")" ''
		DEBUGINFOD_URLS=http://127.0.0.1:$(cat "$work/port")
		export DEBUGINFOD_URLS
		no_proxy='*' elsewhere 'debuginfod'
		check 'debuginfod: was asked' grep -q "$id" "$work/requests"
		unset DEBUGINFOD_URLS
	else
		not_ok 'debuginfod' 'the server does not start'
	fi
else
	skip 'debuginfod' 'no python3 or no libdebuginfod'
fi
