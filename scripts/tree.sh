# shellcheck shell=bash
# The work tree build/linux, for apply.sh and export.sh. Sourced, never run.
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
