#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# git: the life of a small repository, and reading a larger one.
# shellcheck source=SCRIPTDIR/lib.sh
. "$(dirname "$0")/lib.sh"
need git

# Nothing of the user's own settings, nothing that depends on the time.
cat >"$work/gitconfig" <<'CONF'
[user]
	name = Nobody
	email = nobody@example.org
[init]
	defaultBranch = main
[gc]
	auto = 0
[advice]
	detachedHead = false
[protocol "file"]
	allow = always
CONF
export GIT_CONFIG_GLOBAL="$work/gitconfig" GIT_CONFIG_NOSYSTEM=1 GIT_PAGER=cat HOME="$work"
export GIT_AUTHOR_DATE='1700000000 +0000' GIT_COMMITTER_DATE='1700000000 +0000'

cat >"$input/life.sh" <<'SH'
set -e
git init -q a
cd a
for i in 1 2 3 4 5 6; do
	seq 1 $((i * 400)) >numbers
	seq $((i * 100)) 3000 | rev >"file$i"
	git add .
	git commit -q -m "commit $i"
done
git checkout -q -b side HEAD~2
sed -i 's/^77$/seventy-seven/' numbers
git commit -q -a -m side
git merge -q -m merge main 2>&1 || { git checkout -q --theirs . ; git add -A; git commit -q -m merge; }
git log --graph --format='%h %s' --stat | cat
git diff main side --stat
git tag -a -m one v1
git rebase -q main side 2>&1 | tail -n 1 || true
git status --short --branch
git repack -q -a -d -f --threads=2
git fsck --full 2>&1
git clone -q . ../b
git -C ../b log --format=%H | sort
git rev-parse HEAD HEAD^{tree}
git blame numbers | cut -c 1-8 | sort | uniq -c
git archive --format=tar.gz HEAD | gzip -dc | cksum
git show no-such-thing
SH

(
	cd "$input" && git init -q big && cd big || exit 1
	i=0
	while [ $i -lt 40 ]; do
		i=$((i + 1))
		seq $i 3 4000 >f
		seq 1 $i 5000 >g$((i % 5))
		git add . && git commit -q -m "commit $i"
	done
) >/dev/null

threads=1
same 'git, a life' sh life.sh
same 'git log -p' git -C big log -p --stat -M
same 'git grep' git -C big grep -n -e 1234 HEAD~3
same 'git bad option' git -C big log --no-such-option
