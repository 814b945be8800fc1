#!/bin/bash
# Make build/linux, a git work tree of the base kernel with the series applied
# by git am, and write the id of its tree to build/linux.tree. Does nothing
# when nothing changed; when the series changed, only the files that differ are
# touched. Commits and changes of your own in build/linux are never thrown
# away: the script refuses until they are exported or out of the way.
#
#   scripts/apply.sh [SOURCE]
#
# SOURCE: what fetch.sh has printed, not to ask it again.
#
# Environment: BUILD, CACHE; LINUX and what else fetch.sh reads.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/tree.sh
. "$TOP/scripts/tree.sh"

up_to_date() {
	local state=$1 have commit
	read -r have commit <"$applied"
	[[ $have == "$state" &&
		$(plain_git -C "$tree" rev-parse HEAD) == "$commit" &&
		$(plain_git -C "$tree" rev-parse "$commit^{tree}") == "$(cat "$BUILD/linux.tree" 2>/dev/null)" ]]
}

need_linux_x86
(($# <= 1)) || die "too many arguments; usage: scripts/apply.sh [SOURCE]"
"$TOP/scripts/setup.sh" base
lock apply-or-export
names=$(series)
tree_scratch

[[ ! -e $tree ]] || keep_own_work
source=${1:-}
[[ -n $source ]] || source=$("$TOP/scripts/fetch.sh")
[[ -d $source || -f $source && -f ${source%.tar.xz}.sha256 ]] ||
	die "SOURCE $source is nothing that scripts/fetch.sh prints; set LINUX to use a tree of your own."
base_from "$source"
state=$(series_state "$base")
if [[ -e $tree ]] && up_to_date "$state"; then
	say "apply: $tree is up to date"
	exit 0
fi

mapfile -t patches < <(printf '%s' "$names" | sed "s,^,$TOP/patches/,")
say "[2/3] applying ${#patches[@]} patches"
am_series "$scratch" "$base_repo" "$base" "${patches[@]}"
[[ -z $am_failed ]] ||
	die "$am_failed; make the patch fit this kernel, or use another (known good ones: KNOWN_GOOD in scripts/base.env)."
commit=$(plain_git -C "$scratch" rev-parse HEAD)

say "[3/3] writing $tree"
if [[ -e $tree ]]; then
	lock build # not under a running one
	objects "$tree"
	echo "$commit" >"$applied.next"
	plain_git -C "$tree" checkout -q -B series "$commit" ||
		die "$tree could not be brought up to date (above); put that right and run this again."
	plain_git -C "$tree" update-ref refs/tags/base "$base"
	tree_record "$state" "$commit"
	rm "$applied.next"
else
	[[ -d $new ]] || need_space "$BUILD" 3 "the kernel's work tree"
	plain_git init -q -b series "$new"
	objects "$new"
	plain_git -C "$new" update-ref refs/tags/base "$base"
	if [[ -f $BUILD/.base.index ]]; then
		mv "$BUILD/.base.index" "$new/.git/index"
		plain_git -C "$new" update-ref HEAD "$base"
	fi
	plain_git -C "$new" checkout -q -B series "$commit"
	echo "$state $commit" >"$new/.git/series-applied"
	mv "$new" "$tree"
	tree_record "$state" "$commit"
fi
say "apply: $tree has the ${#patches[@]} patches of the series, tree $(<"$BUILD/linux.tree")"
