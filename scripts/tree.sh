# shellcheck shell=bash
# The work tree build/linux, for those who make it, change it and read it.
# Sourced, never run.
#
# In build/linux: the tag "base" is the kernel without the series, the branch
# "series" is where the series is applied. .git/series-applied has one line,
# "STATE COMMIT": what was applied or exported last, and the commit it gave;
# .git/series-applied.next has the commit that is being moved to.

tree=$BUILD/linux
applied=$tree/.git/series-applied

# series_state BASE: changes when the base or a patch of the series does.
series_state() {
	local names
	names=$(series)
	(
		echo "$1"
		cd "$TOP/patches" 2>/dev/null || exit 0
		[[ -z $names ]] || tr '\n' '\0' <<<"$names" | xargs -0 sha256sum
	) | sha256sum | cut -d ' ' -f 1
}

# tree_changes: what is not committed in build/linux, one file a line.
tree_changes() {
	plain_git -C "$tree" -c core.quotePath=false status --porcelain -uall --no-renames | cut -c 4-
}

# tree_idle: nothing is half done in build/linux.
tree_idle() {
	local state
	for state in rebase-merge rebase-apply MERGE_HEAD CHERRY_PICK_HEAD REVERT_HEAD; do
		[[ ! -e $tree/.git/$state ]] ||
			die "a rebase, am, merge, pick or revert is not finished in $tree; finish or abort it there first."
	done
}

# tree_record STATE COMMIT
tree_record() {
	local id
	id=$(plain_git -C "$tree" rev-parse "$2^{tree}")
	echo "$1 $2" >"$applied.tmp"
	mv "$applied.tmp" "$applied"
	echo "$id" >"$BUILD/.linux.tree.tmp"
	mv "$BUILD/.linux.tree.tmp" "$BUILD/linux.tree"
}

# am_series DIR OBJECTS BASE PATCH...: apply patch files to BASE in DIR, a new
# repository that borrows the objects of OBJECTS, a git directory. Only the
# files that the patches touch are checked out. Sets am_failed, empty when all
# is well, else what is wrong.
am_series() {
	local dir=$1 objects=$2 base=$3 patch n file
	shift 3
	am_failed=
	rm -rf "$dir"
	plain_git init -q "$dir"
	echo "$objects/objects" >"$dir/.git/objects/info/alternates"
	[[ ! -f $objects/shallow ]] || cp "$objects/shallow" "$dir/.git/"
	plain_git -C "$dir" update-ref HEAD "$base"
	plain_git -C "$dir" read-tree HEAD
	for patch in "$@"; do
		[[ $(grep -c '^From [0-9a-f]\{40\} ' "$patch") == 1 ]] || {
			am_failed="${patch##*/} is not one patch as git format-patch writes it"
			return 0
		}
	done
	(($# > 0)) || return 0
	# The same series gives the same commits everywhere.
	if ! GIT_COMMITTER_NAME=linux-page-huge GIT_COMMITTER_EMAIL=apply@localhost \
		plain_git -C "$dir" am --no-3way --keep-cr --whitespace=nowarn --patch-format=mbox \
		--committer-date-is-author-date "$@" >"$dir/.git/am.log" 2>&1; then
		n=$(cat "$dir/.git/rebase-apply/next" 2>/dev/null || echo 1)
		patch=${!n}
		file=$(sed -n -e 's/^error: patch failed: \(.*\):[0-9]*$/\1/p' -e 's/^error: \(.*\): \(does not\|already\) exist.*/\1/p' \
			"$dir/.git/am.log" | head -n 1)
		if [[ -n $file ]]; then
			am_failed="${patch##*/} does not apply to $file"
		else
			# shellcheck disable=SC2034 # for the caller
			am_failed="${patch##*/} does not apply ($(grep -v -e '^Applying' -e '^hint' "$dir/.git/am.log" | head -n 1))"
		fi
	fi
}

# Debian's .gitignore hides every file that git does not know yet, and git add
# in build/linux would pass over new ones. On stdin and stdout: without that.
unhide() {
	sed -e '\,^/\*$,d' -e '\,^!/debian/$,d'
}

# tree_scratch: sets scratch and new, directories that are gone at the end.
tree_scratch() {
	scratch_base=
	scratch=$BUILD/.apply
	new=$BUILD/.linux.new
	trap 'rm -rf "$scratch" "$new" "$BUILD/.base.index" ${scratch_base:+"$scratch_base"}' EXIT
	rm -rf "$scratch" "$new" "$BUILD/.base.index"
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

# objects TREE: the base, and what is in $scratch from it to $commit, into TREE.
objects() {
	copy_base "$1/.git"
	plain_git -C "$scratch" rev-list --objects "$base..$commit" |
		plain_git -C "$scratch" pack-objects -q --stdout |
		plain_git -C "$1" unpack-objects -q
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
