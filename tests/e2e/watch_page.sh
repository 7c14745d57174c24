#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# watch_page.sh - otheap watch on a terminal, which is one of tmux: its keys, other
# sizes, and that the terminal is as before however it ends.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

need tmux bash
asks
export SHELL=/bin/sh TMUX_TMPDIR="$work"
unset TMUX NO_COLOR

# Its server must not keep our descriptors open.
terminal() {
	tmux -L otheap-test -f /dev/null "$@" 9>&- </dev/null
}
trap 'terminal kill-server 2>/dev/null; clean_up' EXIT

page() {
	terminal capture-pane -p
}
on_page() {
	page | grep -q -e "$1"
}
not_on_page() {
	! on_page "$1"
}
# waits NAME PATTERN - until a line of the page matches.
waits() {
	if until_true on_page "$2"; then ok "$1"; else not_ok "$1" "no '$2' on: $(page | head -n 12)"; fi
}
waits_gone() {
	if until_true not_on_page "$2"; then ok "$1"; else not_ok "$1" "'$2' on: $(page | head -n 12)"; fi
}
keys() {
	terminal send-keys "$@"
}
# typed COMMAND - give it to the shell.
typed() {
	keys -l "$1"
	keys Enter
}
tell() {
	echo "$1" >&9
	wait_said "done $1"
}
# The terminal's settings, as the shell's commands find them.
same_settings() {
	rm -f "$work/after"
	typed "stty -g >$work/after.new; mv $work/after.new $work/after"
	until_true test -s "$work/after"
	equal "$1: the terminal is as before" "$(cat "$work/after")" "$(cat "$work/before")"
}

start OTHEAP_SAMPLE_INTERVAL=1 "$prog/grow"
wait_said ready
tell 'grow 100'

if ! terminal new-session -d -x 100 -y 30 "env PS1='shell> ' bash --noprofile --norc -i" 2>"$work/tmux.err"; then
	echo "skip watch_page: tmux: $(head -n 1 "$work/tmux.err")"
	exit 77
fi
waits 'a terminal' '^shell>'
typed 'export TERM=screen; clear'
typed "stty -g >$work/before.new; mv $work/before.new $work/before"
until_true test -s "$work/before"

# watch [VAR=VALUE] [OPTION...] - in that terminal; its process is in $work/watcher.
watch() {
	rm -f "$work/watcher"
	typed "clear; sh -c 'echo \$\$ >$work/watcher; exec env $1 $otheap watch --interval 0.2 $pid'; echo status \$?"
}

# ---- what it shows ---------------------------------------------------------------------------

watch A=1
waits 'a page' "^grow, pid $pid, .* every 0.2 s"
waits 'a row, which is selected' '^>   97.66 KiB      100 .* site_grow  .*grow\.c:[0-9]'
waits 'sums' '^Live       97.66 KiB in 100 blocks'
waits 'a last line' '^q quit  h help'
tell 'grow 50'
waits 'it is live' '^>  146.48 KiB      150 '
tell 'churn 500'
waits 'what came and went has a rate' '^          0 B        0 .* site_churn'

# ---- keys ----------------------------------------------------------------------------------

keys g
waits 'by growth' '^Showing .* by growth'
keys r
waits 'by rate' '^Showing .* by rate'
keys b
waits 'by blocks' '^Showing .* by blocks'
keys l
waits 'by live bytes' '^Showing .* by live'
keys s
waits 'the next' '^Showing .* by growth'
keys l
keys j
waits 'down' '^> .* site_churn'
keys Up
waits 'up' '^> .* site_grow'
keys End
waits 'to the end' '^> .* site_churn'
keys Home
waits 'to the begin' '^> .* site_grow'
keys t
waits 'call stacks' '^> .* site_grow < main < '
waits 'and says so' '^Showing .* call stacks by live'
keys t
waits 'functions' '^Showing .* functions by live'
keys c
waits 'with what they call' '^Showing .* functions with what they call, by live'
waits 'main' ' main  .*grow\.c:'
keys c
waits_gone 'by themselves' 'with what they call'
keys Enter
waits 'the call stacks of a row' '^    main  .*grow\.c:[0-9]'
waits 'with its line' '^    site_grow  .*grow\.c:[0-9]'
keys BSpace
waits 'and back' '^> .* site_grow'
keys h
waits 'help' '^  /  *filter by a regular expression'
keys h
waits 'and back again' '^> .* site_grow'
keys +
waits 'more often' '^grow, pid .* every 0.1 s'
keys -
keys -
waits 'less often' '^grow, pid .* every 0.4 s'
keys +

keys /
waits 'a filter is asked for' '^filter: _'
keys -l 'churnX'
waits 'it is echoed' '^filter: churnX_'
keys BSpace
keys Enter
waits 'filtered' '^> .* site_churn'
waits 'and says by what' '^Showing    1 of .*; filter churn$'
waits_gone 'nothing else' 'site_grow'
keys /
keys C-u
keys -l '('
keys Enter
waits 'no expression' '^filter: (_ .*('
keys Escape
waits 'what was before stays' '^Showing .*; filter churn$'
keys /
keys C-u
keys Enter
waits 'all again' '^> .* site_grow'

keys p
waits 'frozen' '^\[FROZEN\]'
first=$(page | head -n 1)
tell 'grow 50'
for k in r b g l; do keys $k; done
waits 'still by live bytes' '^Showing .* by live'
equal 'it stands still' "$(page | head -n 1)" "$first"
check 'with what was there' on_page '^>  146.48 KiB      150 '
keys p
waits 'it goes on' '^>  195.31 KiB      200 '

# Colour for what grows, unless NO_COLOR says no.
keys Down
waits 'another is selected' '^> .* site_churn'
warm() {
	terminal capture-pane -p -e | grep -q "$(printf '\033')\[33m.*site_grow"
}
check 'colour for what grows' until_true warm

# ---- other sizes -----------------------------------------------------------------------------

for size in '60 10' '40 4' '20 2' '10 1' '250 50' '100 30'; do
	terminal resize-window -x "${size% *}" -y "${size#* }"
	case $size in
	10*1) waits "size $size" '^q quit' ;;
	20*2) waits "size $size" '^q quit  h help  Ente' ;;
	250*) waits "size $size" 'q quit  h help  Enter stacks .*p freeze' ;;
	*) waits "size $size" '^> ' ;;
	esac
	until_true on_page '^q quit'
	equal "size $size: the last line is the last" "$(page | tail -n 1 | cut -c 1-6)" 'q quit'
done

# ---- however it ends ---------------------------------------------------------------------------

keys q
waits 'quit' '^status 0'
waits_gone 'the page is gone' '^Showing'
same_settings quit

watch NO_COLOR=1
waits 'without colour' '^> .* site_grow'
tell 'grow 50'
waits 'what grows' '^>  244.14 KiB      250 '
tell 'churn 500'
waits 'two rows' ' site_churn'
keys End
waits 'another is selected, without colour' '^> .* site_churn'
if warm; then not_ok 'NO_COLOR' 'there is colour'; else ok 'NO_COLOR'; fi
keys C-z
waits 'stopped' 'Stopped'
same_settings stopped
typed fg
waits 'and on' '^> .* site_'
keys C-c
waits 'interrupted' '^shell>$'
typed 'echo status $?' # a list of commands ends with one that is interrupted
waits 'interrupted: status' '^status 130'
same_settings interrupted

watch A=1
waits 'once more' '^> .* site_grow'
kill -TERM "$(cat "$work/watcher")"
waits 'terminated' '^status 143'
same_settings terminated

watch TERM=dumb
waits 'a terminal that cannot: tables' '^ *244.14 KiB .* site_grow'
keys C-c
waits 'ended' '^shell>$'

watch A=1
waits 'and again' '^> .* site_grow'
kill -9 $pid
reap
waits 'the program was killed' '^\[ENDED\] the program has ended'
check 'its last look stays' on_page '^> .* site_grow'
keys q
waits 'after that: status' '^status 0'
waits 'after that: why' "^otheap: watch: pid $pid: it has ended"
same_settings killed
