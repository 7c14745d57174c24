#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# docs.sh - README and manual pages say what is so.
#
# Runs their examples in a folder where ./app, ./build and profiles of pid 1234
# are what the text says, and compares their lists with the sources.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

readme=$PWD/README.md
page1=$PWD/man/otheap.1
page7=$PWD/man/otheap.7
page3=$PWD/man/otheap.3
root=$PWD
make=${MAKE:-make}

# ---- lists: settings, reasons, system calls, commands ---------------------------------

# `NAME DEFAULT` for each line of the table in config.c.
sed -n '/^static const struct oh_setting settings\[\]/,/^};/p' core/config.c | tr '\n' ' ' |
	sed 's/$/\n/; s/DEFAULT_FILE/"otheap.%e.%p.%n.pb.gz"/g; s/{ "/\n{ "/g' |
	sed -n 's/^{ "\([A-Z_]*\)", [A-Z_]*, AT([a-z_]*), .*, "\([^"]*\)",[[:space:]]*"[^"]*" },.*/\1 \2/p' \
		>"$work/settings"
if [ "$(wc -l <"$work/settings")" -ge 15 ]; then
	ok "docs: the settings of config.c are found"
else
	not_ok "docs: the settings of config.c are found" "$(wc -l <"$work/settings") of them"
fi

# The default in the README's table, by the name; and in the manual page.
readme_default() {
	awk -F'|' -v name="\`OTHEAP_$1\`" '
		{ n = $2; gsub(/ /, "", n) }
		n == name { v = $3; gsub(/^ *`|` *$/, "", v); print v }' "$readme"
}
page_default() {
	awk -v name="OTHEAP_$1" '
		$1 == ".It" && $2 == "Ev" { at = ($3 == name && NF == 3) ? 1 : 0; next }
		at == 1 && $1 == "Default" { at = 2; next }
		at == 2 && $1 == ".Cm" { v = $2; sub(/^\\&/, "", v); print v }
		{ at = 0 }' "$page7"
}
# Is the word after the default a unit or a kind?
page_unit() {
	awk -v name="OTHEAP_$1" '
		$1 == ".It" { on = $2 == "Ev" && $3 == name; n = 0; next }
		on && ++n <= 6 { text = text " " $0 }
		END { print text }' "$page7"
}

while read -r name default; do
	equal "docs: README: default of OTHEAP_$name" "$(readme_default "$name")" "$default"
	equal "docs: otheap.7: default of OTHEAP_$name" "$(page_default "$name")" "$default"
	unit=$(awk -F'|' -v name="\`OTHEAP_$name\`" '
		{ n = $2; gsub(/ /, "", n) } n == name { print $4 }' "$readme")
	if [ -n "${unit# }" ] && page_unit "$name" |
		grep -qE 'bytes|seconds|files|frames|a (folder|signal|number|file name|name)|0(, 1)? or [12]'; then
		ok "docs: OTHEAP_$name has a unit"
	else
		not_ok "docs: OTHEAP_$name has a unit" "README '$unit', otheap.7 '$(page_unit "$name")'"
	fi
done <"$work/settings"

# What the library itself says of its defaults.
run OTHEAP_DEBUG=1 "$prog/hold"
while read -r name default; do
	case $name in
	SAMPLE_INTERVAL) default=524288 ;;
	MAX_MEMORY) default=67108864 ;;
	LEAK_MAX_MEMORY) default=8589934592 ;;
	SPOOL) default=$dir ;;
	SIGNAL) default=12 ;;
	DIR) default=$dir ;;
	DEBUG) default=1 ;;
	esac
	if grep -qxF "otheap: OTHEAP_$name=$default" "$err"; then
		ok "docs: OTHEAP_$name is $default where it is not set"
	else
		not_ok "docs: OTHEAP_$name is $default where it is not set" \
			"$(grep "OTHEAP_$name=" "$err")"
	fi
done <"$work/settings"

# No other names, but for the one in the synopsis.
cut -d ' ' -f 1 "$work/settings" | sed 's/^/OTHEAP_/' | sort >"$work/names"
for f in "$readme" "$page1" "$page7" "$root"/*.md "$root"/*/*.md; do
	grep -oE 'OTHEAP_[A-Z_]+' "$f" | grep -vx 'OTHEAP_\|OTHEAP_NAME' | sort -u |
		comm -23 - "$work/names" >"$work/odd"
	equal "docs: ${f#"$root"/} names no setting that does not exist" "$(tr '\n' ' ' <"$work/odd")" ""
done

# Drop reasons, each an item with a text.
sed -n 's/^[[:space:]]*X([A-Z_]*, "\([a-z_]*\)".*/\1/p' core/drops.h >"$work/reasons"
if [ "$(wc -l <"$work/reasons")" -ge 8 ]; then
	ok "docs: the reasons of drops.h are found"
else
	not_ok "docs: the reasons of drops.h are found" "$(tr '\n' ' ' <"$work/reasons")"
fi
sed -n '/^\.Sh DROP REASONS/,/^\.Sh FORK/p' "$page7" >"$work/section"
while read -r reason; do
	check "docs: otheap.7 explains $reason" grep -qx ".It Cm $reason" "$work/section"
done <"$work/reasons"
sed -n 's/^\.It Cm //p' "$work/section" | sort >"$work/explained"
equal "docs: otheap.7 explains no reason that does not exist" \
	"$(sort "$work/reasons" | comm -13 - "$work/explained")" ""

# System calls, by the macro and by the wrappers of sys.h.
grep -hoE 'OH_SYS\([a-z0-9_]+|SYS_(clone|exit|exit_group)\b' core/*.c core/*.h preload/*.[ch] \
	proto/*.[ch] | sed 's/OH_SYS(//; s/SYS_//' | grep -vx name | sort -u >"$work/calls"
sed -n '/must allow what the library calls/,/^\.It/p' "$page7" | sed '1d; /^\./d' |
	tr -cs 'a-z0-9_' '\n' | grep -vx and | sort -u >"$work/allowed"
while read -r call; do
	check "docs: otheap.7 lists $call" grep -qx "$call" "$work/allowed"
done <"$work/calls"
equal "docs: otheap.7 lists no system call that is not made" \
	"$(comm -13 "$work/calls" "$work/allowed" | tr '\n' ' ')" ""

# Subcommands and options.
"$B/otheap" --help >"$work/help"
sed -n '/^commands:/,/^$/s/^  \([a-z]*\) .*/\1/p' "$work/help" >"$work/commands"
check "docs: otheap --help lists commands" test -s "$work/commands"
while read -r command; do
	check "docs: otheap.1 has the command $command" grep -qx ".Ss otheap $command" "$page1"
	"$B/otheap" "$command" --help >"$work/command"
	grep -oE '^ +(-[a-z], |    )?--[a-z-]+(, --[a-z-]+)?' "$work/command" |
		grep -oE -e '--[a-z-]+' >"$work/options"
	while read -r option; do
		check "docs: otheap.1 has $command $option" \
			grep -qE "^\.It Fl .*-${option#--}( |$)" "$page1"
	done <"$work/options"
done <"$work/commands"
sed -n 's/^\.Ss otheap //p' "$page1" | sort >"$work/described"
equal "docs: otheap.1 has no command that does not exist" \
	"$(sort "$work/commands" | comm -13 - "$work/described")" ""
equal "docs: version" "$("$B/otheap" --version)" \
	"otheap $(sed -n 's/^VERSION *:= *//p' Makefile)"

# ---- manual pages -------------------------------------------------------------------------

for page in "$page1" "$page3" "$page7"; do
	name=$(basename "$page")
	if command -v mandoc >/dev/null; then
		# Whether other pages are installed is not the question.
		mandoc -T lint "$page" 2>/dev/null | grep -v 'referenced manual not found' >"$work/lint"
		equal "docs: $name: mandoc has nothing to say" "$(cat "$work/lint")" ""
	else
		skip "docs: $name: mandoc" "not installed"
	fi
	if command -v groff >/dev/null && groff -mdoc -z /dev/null >/dev/null 2>&1; then
		equal "docs: $name: groff has nothing to say" "$(groff -mdoc -ww -z "$page" 2>&1)" ""
	else
		skip "docs: $name: groff" "not installed, or without mdoc"
	fi
done

# The example of otheap.3 is a program that compiles, as C and as C++.
{
	printf '#include "preload/otheap.h"\nint main(void)\n{\n'
	sed -n '/^\.Sh EXAMPLES/,/^\.Ed/p' "$page3" | sed '/^\.\|^#include/d; 1,2d' |
		sed 's/^Fail a test.*//'
	printf 'return 0;\n}\n'
} >"$work/example.c"
check "docs: otheap.3: its example in C" cc -Wall -Werror -I"$root" -o "$work/example" "$work/example.c"
check "docs: otheap.3: its example in C++" c++ -Wall -Werror -x c++ -I"$root" -o "$work/example" "$work/example.c"
check "docs: otheap.3: its example runs" "$work/example"
check "docs: otheap.3: its example runs with the library" env LD_PRELOAD="$lib" OTHEAP_DIR="$work" "$work/example"
# What it says of the struct is what the header has.
fields() { tr -cs 'a-z_\n' ' ' | grep -oE '(lost|indirect|interior)_[a-z_]+|samples' | sort; }
equal "docs: otheap.3: the struct" "$(sed -n '/^struct otheap_leaks {/,/^}/p' "$page3" | fields)" \
	"$(sed -n '/^struct otheap_leaks {/,/^}/p' "$root/preload/otheap.h" | sed 's,/\*.*,,' | fields)"

# ---- links of the README and its like ---------------------------------------------------

for f in "$root"/*.md "$root"/*/*.md; do
	grep -oE '\]\([^)#:]+\)' "$f" | sed 's/^](//; s/)$//' | while read -r to; do
		[ -e "$(dirname "$f")/$to" ] || echo "$to"
	done >"$work/broken"
	equal "docs: links of ${f#"$root"/}" "$(cat "$work/broken")" ""
done

# ---- check values of the mathematics ----------------------------------------------------

# The rows of the table in otheap.7, worked out again.
sed -n '/^\.Bl -column/,/^\.El/s/^\.It \([0-9].*\)/\1/p' "$page7" | sed 's/ Ta / /g; s/+- //' >"$work/rows"
awk '
	function off(a, b) { return (a > b ? a - b : b - a) > 2e-4 * b }
	{
		p = $1 / 524288
		w = p < 1e-5 ? 1 / p + 0.5 : 1 / (1 - exp(-p))
		v = $2 * (w - 1)
		if (off($3, w) || off($4, v) || off($5, 1.96 * sqrt(v)))
			print "s = " $1 ": " w, v, 1.96 * sqrt(v)
	}
	END { if (NR != 4) print NR " rows" }' "$work/rows" >"$work/wrong"
equal "docs: check values of the error bars" "$(cat "$work/wrong")" ""

# ---- examples -------------------------------------------------------------------------------

# A place where the examples' words are true.  ./app is a program that waits for
# its input to end; its profiles are those of a process 1234.
place=$work/place
mkdir "$place" "$place/copy"
ln -s "$B" "$place/build"
cp "$prog/hold" "$place/app"
for f in Makefile man; do ln -s "$root/$f" "$place/$f"; done
(
	cd "$place" || exit 1
	OTHEAP_SAMPLE_INTERVAL=1 OTHEAP_FILE='otheap.%e.1234.%n.pb.gz' LD_PRELOAD=$lib ./app alloc
	OTHEAP_SAMPLE_INTERVAL=1 OTHEAP_FILE='otheap.%e.1234.%n.pb.gz' LD_PRELOAD=$lib ./app alloc
) </dev/null >/dev/null 2>&1
check "docs: the place for the examples" test -e "$place/otheap.app.1234.2.pb.gz"

# Somebody who listens, for the examples that send.
mkdir "$work/collector"
if command -v python3 >/dev/null; then
	python3 "$root/tests/e2e/collector.py" "$work/collector" >"$work/collector/log" 2>&1 </dev/null &
	started="$started $!"
	until_true test -s "$work/collector/port"
	endpoint=http://localhost:$(cat "$work/collector/port")
fi

# The lines of all `sh` blocks of the README, and of .Dl in the pages.
examples() {
	case $1 in
	*.md) sed -n '/^```sh$/,/^```$/p' "$1" | grep -v '^```' ;;
	*) sed -n 's/^\.Dl \$ //p' "$1" | sed 's/\\&//g' ;;
	esac
}

# What an example means here: where things are installed, and whose pid.
here() {
	sed -e "s|/usr/local/lib/libotheap.so|$lib|g" -e "s|/tmp/stage|$work/stage|g" \
		-e "s|^make |$make --no-print-directory -s -C '$root' B='$B' |" -e "s/\\<PID\\>/$1/g" \
		-e "s,http://localhost:\\(4318\\|4040\\),${endpoint:-},g"
}

# try NAME LINE - run one line in that place; $out and $err.
try() {
	out=$work/example.out err=$work/example.err
	(
		cd "$place" || exit 1
		PATH=$B:$PATH
		export OTHEAP_SPOOL="$work/spool"
		eval "$2"
	) >"$out" 2>"$err" </dev/null
	rc=$?
	if [ "$rc" = 0 ] && ! grep -qE '^ERROR: ld.so|^otheap: .*(expected|no such setting|cannot)' "$err"; then
		ok "$1"
	else
		not_ok "$1" "status $rc: $(head -c 300 "$err")"
	fi
}

try_all() {
	name=$(basename "$1")
	tried=0
	examples "$1" >"$work/examples"
	while read -r line; do
		tried=$((tried + 1))
		what="docs: $name: $line"
		case $line in
		'make deps demo' | 'make deps check')
			for target in $line; do
				[ "$target" = make ] || check "$what: $target is a target" \
					grep -qE "^$target:.*##" Makefile tests/*.mk
			done
			;;
		kill*)
			# Against a program that waits, as the text says.
			start OTHEAP_SAMPLE_INTERVAL=1 "$prog/hold" alloc
			wait_said ready
			try "$what" "$(echo "$line" | here "$pid")"
			check "$what: writes a profile" wait_files 1
			finish
			;;
		*'watch '*PID*)
			# It ends with the program, which ends once something was shown.
			start OTHEAP_SAMPLE_INTERVAL=1 "$prog/hold" alloc
			wait_said ready
			rm -f "$work/example.out"
			{
				until_true test -s "$work/example.out"
				kill "$pid"
			} 9>&- &
			killer=$!
			try "$what" "$(echo "$line" | here "$pid")"
			wait "$killer"
			finish
			;;
		*'dump PID'* | *'baseline PID' | *'start PID' | *'stop PID')
			start OTHEAP_SAMPLE_INTERVAL=1 "$prog/hold" alloc
			wait_said ready
			try "$what" "$(echo "$line" | here "$pid")"
			check "$what: writes a profile" wait_files 1
			finish
			;;
		export*)
			preloaded=$(echo "$line" | here 0)
			ok "$what (for the next line)"
			;;
		'go '*)
			if command -v go >/dev/null; then
				try "$what" "$line"
			else
				skip "$what" "no go here"
			fi
			;;
		*libjemalloc.so.2*)
			if [ -z "$(LD_PRELOAD=libjemalloc.so.2 /bin/true 2>&1)" ]; then
				try "$what" "$(echo "$line" | here 0)"
			else
				skip "$what" "no jemalloc here"
			fi
			;;
		*localhost:4318* | *localhost:4040*)
			if [ -n "${endpoint:-}" ]; then
				before=$(find "$work/collector" -name '*.body' | wc -l)
				# So that there is something to tell.
				try "$what" "export OTHEAP_SAMPLE_INTERVAL=1; $(echo "$line" | here 0 | sed 's|\./app$|& alloc|')"
				has_come() { [ "$(find "$work/collector" -name '*.body' | wc -l)" -gt "$before" ]; }
				check "$what: arrives" until_true has_come
			else
				skip "$what" "no python3 here"
			fi
			;;
		*./app*)
			try "$what" "${preloaded:-} ${preloaded:+;} $(echo "$line" | here 0)"
			;;
		'make install'* | 'make uninstall'*)
			try "$what" "$(echo "$line" | here 0)"
			find "$work/stage" -type f | sort >"$work/installed"
			if [ "$line" = "${line#make install}" ]; then
				equal "$what: leaves nothing" "$(cat "$work/installed")" ""
			else
				equal "$what: three files, three pages, three shells" "$(wc -l <"$work/installed")" 9
			fi
			;;
		rm*)
			: >"$place/.otheap-0123456789abcdef.tmp"
			try "$what" "$line"
			equal "$what: nothing of ours is left" \
				"$(find "$place" -maxdepth 1 -name '*otheap*' | wc -l)" 0
			;;
		*)
			try "$what" "$(echo "$line" | here 0)"
			;;
		esac
	done <"$work/examples"
	if [ "$tried" = 0 ]; then not_ok "docs: $name has examples" "none found"; fi
}

# The README removes the profiles, so the pages come first; otheap.7 too, so it is last but one.
try_all "$page1"
cp "$place"/*.pb.gz "$work"
try_all "$page7"
cp "$work"/otheap.app.1234.*.pb.gz "$place"
preloaded=''
try_all "$readme"

# The two commands of the first screen, as they were agreed.
equal "docs: README begins with its two commands" \
	"$(sed -n '/^```sh$/,/^```$/p' "$readme" | sed -n '2,3p' | tr '\n' ';')" \
	"make deps demo;make deps check;"

# Nothing that holds on one machine only.
if grep -nE '/(home|root|work)/|/tmp/([^so]|o[^t])' "$readme" "$page1" "$page7" "$root"/*.md "$root"/*/*.md >"$work/paths"; then
	not_ok "docs: no path of one machine" "$(head -n 3 "$work/paths")"
else
	ok "docs: no path of one machine"
fi
