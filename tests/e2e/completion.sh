#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# completion.sh - otheap completion, asked by the shells themselves.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

reads completion
refused 'no shell' 'expected one of'
refused 'unknown shell' "'tcsh': expected bash, zsh or fish" tcsh
for shell in bash zsh fish; do
	prints "$shell" "made by \`otheap completion $shell\`" $shell
	cp "$out" "$work/$shell"
done
"$otheap" --help | sed -n '/^commands:/,/^$/s/^  \([a-z]*\) .*/\1/p' >"$work/commands"
mkdir -p "$work/place/folder"
: >"$work/place/profile.pb.gz"
cd "$work/place" || exit 1

# has NAME WORD... - are these candidates, one a line in $work/got?
has() {
	name_=$1
	shift
	for word in "$@"; do
		if ! grep -qxe "$word" "$work/got"; then
			not_ok "$name_" "no '$word' in $(head -c 300 "$work/got" | tr '\n' ' ')"
			return
		fi
	done
	ok "$name_"
}
has_not() {
	if grep -qxe "$2" "$work/got"; then not_ok "$1" "'$2' is there"; else ok "$1"; fi
}

# What every shell must offer; ask LINE - the candidates for it, to $work/got.
questions() {
	ask 'otheap '
	# shellcheck disable=SC2046
	has "$1: every subcommand" $(cat "$work/commands") help
	ask 'otheap sym'
	has "$1: the rest of one" symbolize
	has_not "$1: only what fits" top
	ask 'otheap top --'
	has "$1: options" --focus --hide --by --short-names --sites --sample-type
	has_not "$1: no options of other subcommands" --debug-dir
	ask 'otheap top -s inuse'
	has "$1: values of a short option" inuse_space inuse_objects
	ask 'otheap convert --to '
	has "$1: values of a long option" pprof folded speedscope heap firefox
	has_not "$1: of this subcommand" csv
	ask 'otheap top --lines prof'
	has "$1: files" profile.pb.gz
	ask 'otheap symbolize --root fol'
	has "$1: folders" 'folder/*'
	ask 'otheap help comp'
	has "$1: what help knows" completion
	ask 'otheap completion z'
	has "$1: shells" zsh
}

# ---- bash -----------------------------------------------------------------------------

# Words as readline would cut them; an empty one at the end is the one to complete.
cat >"$work/ask.bash" <<'EOP'
source "$1"
line=$2
read -ra COMP_WORDS <<<"$line"
[[ $line == *' ' ]] && COMP_WORDS+=('')
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
complete -p otheap | grep -q -- '-F _otheap' || exit 1
_otheap
printf '%s\n' "${COMPREPLY[@]}"
EOP
if command -v bash >/dev/null; then
	ask() {
		bash --norc --noprofile "$work/ask.bash" "$work/bash" "$1" >"$work/got" 2>&1
	}
	questions bash
	ask 'otheap dump '
	has 'bash: processes' "$$"
else
	skip bash 'not installed'
fi

# ---- fish -----------------------------------------------------------------------------

if command -v fish >/dev/null; then
	export HOME="$work" XDG_CONFIG_HOME="$work/config" XDG_DATA_HOME="$work/data" XDG_CACHE_HOME="$work/cache"
	ask() {
		fish --no-config -c "source '$work/fish'; complete -C '$1'" 2>"$work/why" </dev/null | cut -f 1 >"$work/got"
	}
	questions fish
else
	skip fish 'not installed'
fi

# ---- zsh ------------------------------------------------------------------------------

# zsh completes in its line editor alone: one of its own shells on a pseudo-terminal, in
# which a function takes what compadd was given.
cat >"$work/ask.zsh" <<'EOP'
zmodload zsh/zpty || exit 77
zpty shell zsh -f -i || exit 77
zpty -w shell "fpath=($1 \$fpath); PS1=; autoload -Uz compinit && compinit -u -D; source $1/setup"
zpty -w shell "$2"$'\t'
zpty -r -m shell line '*<<END>>*' || exit 1
EOP
mkdir "$work/zfunctions"
cp "$work/zsh" "$work/zfunctions/_otheap"
cat >"$work/zfunctions/setup" <<EOP
bindkey '^I' complete-word
zstyle ':completion:*' list-grouped false
compadd() {
	# Calls that only fill arrays are not what is shown.
	if [[ \${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]]; then
		builtin compadd "\$@"
		return
	fi
	local -a found
	builtin compadd -O found "\$@"
	print -rl -- \$found >>$work/found
	builtin compadd "\$@"
}
compostfuncs=(told)
told() {
	: >>$work/found
	mv $work/found $work/told
	print '<<END>>'
}
comppostfuncs=(told)
EOP
if command -v zsh >/dev/null; then
	ask() {
		rm -f "$work/found" "$work/told"
		timeout -k 5 60 zsh -f "$work/ask.zsh" "$work/zfunctions" "$1" >"$work/zsh.log" 2>&1 </dev/null
		: >"$work/got"
		[ ! -e "$work/told" ] || sed 's|/$|/|' "$work/told" >"$work/got"
	}
	questions zsh
else
	skip zsh 'not installed'
fi
