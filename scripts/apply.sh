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

# Debian's .gitignore hides every file that git does not know yet, and git add
# in build/linux would pass over new ones. On stdin and stdout: without that.
unhide() {
	sed -e '\,^/\*$,d' -e '\,^!/debian/$,d'
}

# import REPO DIR: commit the files of DIR, a clean tree, to REPO, a bare
# repository. The same files give the same commit everywhere.
import() {
	local repo=$1 dir=$2 id
	rm -f "$repo/index.lock"
	# Straight into a pack, not into 90,000 files.
	plain_git --git-dir="$repo" --work-tree="$dir" -c core.bigFileThreshold=1 \
		-c core.compression=1 -c core.autocrlf=false -c advice.addEmbeddedRepo=false add -A -f .
	if [[ -f $dir/.gitignore ]]; then
		id=$(unhide <"$dir/.gitignore" | plain_git --git-dir="$repo" hash-object -w --stdin)
		plain_git --git-dir="$repo" update-index --cacheinfo "100644,$id,.gitignore"
	fi
	id=$(plain_git --git-dir="$repo" write-tree)
	id=$(GIT_AUTHOR_NAME=linux-page-huge GIT_AUTHOR_EMAIL=base@localhost \
		GIT_COMMITTER_NAME=linux-page-huge GIT_COMMITTER_EMAIL=base@localhost \
		GIT_AUTHOR_DATE='1700000000 +0000' GIT_COMMITTER_DATE='1700000000 +0000' \
		plain_git --git-dir="$repo" commit-tree "$id" -m "linux, as unpacked")
	plain_git --git-dir="$repo" update-ref refs/heads/base "$id"
	plain_git --git-dir="$repo" repack -d -q
}

# base_from SOURCE: sets base_repo, a bare repository with the base kernel, and
# base, the commit.
base_from() {
	local source=$1 key
	if [[ -f $source ]]; then
		key=$(cut -c 1-16 "${source%.tar.xz}.sha256")
		base_repo=$CACHE/base-$key.git
		if [[ ! -d $base_repo ]]; then
			lock_cache
		fi
		if [[ ! -d $base_repo ]]; then
			need_space "$CACHE" 1 "a copy of the base kernel"
			need_space "$BUILD" 3 "the kernel's work tree"
			say "[1/3] unpacking ${source##*/}"
			# Where it becomes the work tree, if there is none yet.
			mkdir "$new"
			tar -xJf "$source" -C "$new" --strip-components=1 --no-same-owner ||
				die "$source could not be unpacked; make room in $BUILD, or remove that file to get it again."
			say "[1/3] importing it into git"
			scratch_base=$CACHE/tmp.base
			rm -rf "$scratch_base"
			plain_git init -q --bare "$scratch_base"
			if [[ -f $new/.gitignore ]]; then
				unhide <"$new/.gitignore" >"$new/.gitignore.new"
				mv "$new/.gitignore.new" "$new/.gitignore"
			fi
			import "$scratch_base" "$new"
			mv "$scratch_base/index" "$BUILD/.base.index"
			mv "$scratch_base" "$base_repo"
		fi
		base=$(plain_git --git-dir="$base_repo" rev-parse base)
		return
	fi
	# A tree of the user's: nothing is written there, nothing of it is needed
	# after this.
	base_repo=$BUILD/base.git
	if [[ $(cat "$base_repo/source" 2>/dev/null) != "$source" ]]; then
		rm -rf "$base_repo"
		plain_git init -q --bare "$base_repo"
		echo "$source" >"$base_repo/source"
	fi
	if [[ -e $source/.git || -f $source/HEAD ]]; then
		base=$(plain_git -C "$source" rev-parse 'HEAD^{commit}')
		if ! plain_git --git-dir="$base_repo" rev-parse -q --verify refs/heads/base >/dev/null ||
			[[ $(plain_git --git-dir="$base_repo" rev-parse refs/heads/base) != "$base" ]]; then
			need_space "$BUILD" 1 "a copy of the base commit"
			say "[1/3] copying the base commit from $source"
			plain_git --git-dir="$base_repo" -c fetch.unpackLimit=1 fetch -q --no-tags --depth 1 "file://$source" HEAD
			plain_git --git-dir="$base_repo" update-ref refs/heads/base "$base"
		fi
	else
		[[ ! -e $source/.config && ! -e $source/vmlinux ]] ||
			die "$source was built in; run make mrproper there, or give a git tree."
		need_space "$BUILD" 1 "a copy of the base kernel"
		say "[1/3] importing $source into git"
		import "$base_repo" "$source"
		base=$(plain_git --git-dir="$base_repo" rev-parse base)
	fi
}

# copy_base REPO: the base's objects to REPO, a git directory, as hard links
# where that is possible: the cache may be removed at any time.
copy_base() {
	local from=$base_repo/objects/pack to=$1/objects/pack file
	mkdir -p "$to"
	for file in "$from"/*.pack "$from"/*.idx; do
		[[ ! -e $to/${file##*/} ]] || continue
		ln "$file" "$to/" 2>/dev/null || {
			cp "$file" "$to/tmp_copy"
			mv "$to/tmp_copy" "$to/${file##*/}"
		}
	done
	[[ ! -f $base_repo/shallow ]] || cat "$base_repo/shallow" >>"$1/shallow"
}

# finish_move: an earlier run was interrupted while it changed build/linux.
finish_move() {
	local next others
	[[ -f $applied.next ]] || return 0
	next=$(<"$applied.next")
	others=$(comm -23 <(tree_changes | sort) \
		<(plain_git -C "$tree" -c core.quotePath=false diff --no-renames --name-only HEAD "$next" | sort) | head -n 1)
	[[ -z $others ]] ||
		die "an earlier run was interrupted and $tree has changes of yours since ($others); move them away and run this again."
	say "apply: finishing an interrupted run"
	rm -f "$tree/.git/index.lock"
	plain_git -C "$tree" checkout -q -f -B series "$next"
	echo "interrupted $next" >"$applied"
	rm "$applied.next"
}

# keep_own_work: refuse if build/linux has anything that is not in patches/.
keep_own_work() {
	local commit head changes
	[[ -f $applied ]] ||
		die "$tree is there but scripts/apply.sh did not make it; move it away."
	tree_idle
	finish_move
	changes=$(tree_changes | head -n 1)
	[[ -z $changes ]] ||
		die "$tree has changes that are not committed ($changes); commit them there and run scripts/export.sh, or move them away."
	read -r _ commit <"$applied"
	for head in HEAD refs/heads/series; do
		plain_git -C "$tree" rev-parse -q --verify "$head" >/dev/null || continue
		plain_git -C "$tree" merge-base --is-ancestor "$head" "$commit" ||
			die "$tree has commits that were not exported; run scripts/export.sh, or put them on a branch of their own and go back with: git switch -C series $commit"
	done
}

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
scratch_base=
scratch=$BUILD/.apply
new=$BUILD/.linux.new
trap 'rm -rf "$scratch" "$new" "$BUILD/.base.index" ${scratch_base:+"$scratch_base"}' EXIT
rm -rf "$scratch" "$new" "$BUILD/.base.index"

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

# objects TREE: the new commits into TREE.
objects() {
	copy_base "$1/.git"
	plain_git -C "$scratch" rev-list --objects "$base..$commit" |
		plain_git -C "$scratch" pack-objects -q --stdout |
		plain_git -C "$1" unpack-objects -q
}

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
