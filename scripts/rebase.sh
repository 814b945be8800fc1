#!/bin/bash
# rebase.sh VERSION: move the series to another kernel, the newest linux-source
# of that version (7.2, or 7.2.13) or the tree LINUX, and print for each patch
# what became of it:
#   applied   it fits as it is
#   merged    it needed git's three-way merge: look at it
#   BROKE     and the files in which it did; the patches after it were tried
#             without it
# When none broke, build/linux has the series on the new base, for a look with
# git range-diff, a build, and scripts/export.sh; patches/ stays as it was until
# then. Else build/linux stays as it was, with the new base beside it.
#
# Exit status: 0 when none broke.
#
# Environment: BUILD, CACHE; LINUX and what else fetch.sh reads.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/tree.sh
. "$TOP/scripts/tree.sh"

need_linux_x86
[[ $# == 1 && $1 =~ ^[0-9]+\.[0-9]+(\.[0-9]+)?$ ]] ||
	die "usage: scripts/rebase.sh VERSION, the kernel to move to, such as 7.2 or 7.2.13"
version=$1
"$TOP/scripts/setup.sh" base
lock apply-or-export
names=$(series)
[[ -n $names ]] || die "series is empty; there is nothing to move."
[[ -e $tree ]] || die "$tree is not there; run scripts/apply.sh first."
tree_scratch
keep_own_work
read -r state commit <"$applied"
[[ $state == "$(series_state "$(plain_git -C "$tree" rev-parse 'base^{commit}')")" ]] ||
	die "$tree is not what patches/ and series are; run scripts/apply.sh, or scripts/export.sh, first."

source=$("$TOP/scripts/fetch.sh" "$version")
base_from "$source"
rm -rf "$new" "$BUILD/.base.index"

# One patch at a time, where the old base's files are known too.
am_series "$scratch" "$base_repo" "$base"
echo "$tree/.git/objects" >>"$scratch/.git/objects/info/alternates"
[[ ! -f $tree/.git/shallow ]] || cat "$tree/.git/shallow" >>"$scratch/.git/shallow"
am() {
	GIT_COMMITTER_NAME=linux-page-huge GIT_COMMITTER_EMAIL=apply@localhost \
		plain_git -C "$scratch" am -q --keep-cr --whitespace=nowarn --patch-format=mbox \
		--committer-date-is-author-date "$@" >"$scratch/.git/am.log" 2>&1
}
# undo: as before the last patch, with nothing checked out.
undo() {
	rm -rf "$scratch/.git/rebase-apply"
	plain_git -C "$scratch" read-tree HEAD
	find "$scratch" -mindepth 1 -maxdepth 1 ! -name .git -exec rm -rf {} +
}
broke=0 count=0
say "rebase: trying the patches on linux $version"
while read -r name; do
	count=$((count + 1))
	if am --no-3way "$TOP/patches/$name"; then
		echo "applied   $name"
		continue
	fi
	undo
	# A merge takes a file that is not there for a removed one.
	mapfile -t files < <(plain_git apply --numstat "$TOP/patches/$name" | cut -f 3)
	plain_git -C "$scratch" ls-files -- "${files[@]}" | plain_git -C "$scratch" checkout-index -f -u --stdin
	if am --3way "$TOP/patches/$name"; then
		echo "merged    $name"
		continue
	fi
	broke=$((broke + 1))
	where=$({ plain_git -C "$scratch" diff --name-only --diff-filter=U
		sed -n -e 's/^error: patch failed: \(.*\):[0-9]*$/\1/p' \
			-e 's/^error: \(.*\): \(does not\|already\) exist.*/\1/p' "$scratch/.git/am.log"; } | sort -u | tr '\n' ' ')
	echo "BROKE     $name: ${where:-$(head -n 1 "$scratch/.git/am.log")}"
	undo
done <<<"$names"

commit=$(plain_git -C "$scratch" rev-parse HEAD)
if ((broke)); then
	copy_base "$tree/.git"
	plain_git -C "$tree" update-ref "refs/tags/base-$version" "$base"
	die "$broke of $count patches do not fit linux $version (above), and $tree is as it was; there, mend them with 'git rebase --onto base-$version base' and 'git tag -f base base-$version', then run scripts/export.sh."
fi
lock build
objects "$tree"
plain_git -C "$tree" checkout -q -B series "$commit"
old=$(plain_git -C "$tree" rev-parse 'base^{commit}')
plain_git -C "$tree" update-ref refs/tags/base "$base"
say "rebase: $tree has the series on linux $version; look at it with git range-diff $old..$(plain_git -C "$tree" rev-parse "$(cut -d ' ' -f 2 "$applied")") base..series, build it, see that KNOWN_GOOD in scripts/base.env has it, and run scripts/export.sh"
