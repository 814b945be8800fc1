#!/bin/bash
# Write the commits of build/linux, from the tag base to HEAD, to patches/ and
# series, and the id of their tree to build/linux.tree. Nothing changes when
# nothing changed. Comments in series stay before the patches they precede. An
# entry that the series adds to MAINTAINERS goes to MAINTAINERS.snippet.
#
#   scripts/export.sh
#
# Environment: BUILD.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/tree.sh
. "$TOP/scripts/tree.sh"

# new_series OLD NAMES: the new series, with OLD's comments. A patch is known
# by its name without the number; comments of one that is gone go to the patch
# that took its place if that is new, else to the next one that is left.
new_series() {
	awk '
		function slug(name) { sub(/^[0-9]+-/, "", name); return name }
		FNR == NR { names[++n] = $0; place[slug($0)] = n; next }
		/^[[:space:]]*(#|$)/ { held = held $0 "\n"; next }
		{
			name = $0
			if (match(name, /[[:space:]]*#.*/)) {
				tail = substr(name, RSTART)
				name = substr(name, 1, RSTART - 1)
			} else
				tail = ""
			gsub(/[[:space:]]/, "", name)
			tails[slug(name)] = tail
			old[++m] = slug(name)
			was[slug(name)] = 1
			comment[m] = held
			held = ""
		}
		END {
			carry = ""
			for (i = 1; i <= m; i++) {
				carry = carry comment[i]
				if (carry == "")
					continue
				if (old[i] in place)
					at = place[old[i]]
				else if (i <= n && !(slug(names[i]) in was))
					at = i
				else
					continue
				text[at] = text[at] carry
				carry = ""
			}
			for (i = 1; i <= n; i++)
				printf "%s%s%s\n", text[i], names[i], tails[slug(names[i])]
			printf "%s%s", carry, held
		}' "$2" "$1"
}

# same_commits: what the new patches give when they are applied is what was
# exported, messages included.
same_commits() {
	local format='%an <%ae> %ad%n%B'
	am_series "$scratch/am" "$tree/.git" "$base" "${patches[@]}"
	[[ -z $am_failed ]] ||
		die "the exported patches do not apply again: $am_failed; look for lines in its message that git am takes for a patch."
	plain_git -C "$tree" log --reverse --format="$format" "$base..HEAD" >"$scratch/had"
	plain_git -C "$scratch/am" log --reverse --format="$format" "$base..HEAD" >"$scratch/got"
	cmp -s "$scratch/had" "$scratch/got" ||
		die "a commit message or author does not survive git am: $(diff "$scratch/had" "$scratch/got" | grep '^[<>]' | head -n 1); change that line."
	[[ $(plain_git -C "$tree" rev-parse "HEAD^{tree}") == $(plain_git -C "$scratch/am" rev-parse "HEAD^{tree}") ]] ||
		die "the exported patches give another tree than $tree; see what git format-patch cannot carry."
}

(($# == 0)) || die "too many arguments; usage: scripts/export.sh"
[[ -f $applied ]] || die "$tree is not there; run scripts/apply.sh first."
lock apply-or-export
tree_idle
[[ ! -f $applied.next ]] || die "scripts/apply.sh was interrupted; run it again first."
change=$(tree_changes | head -n 1)
[[ -z $change ]] ||
	die "$tree has changes that are not committed ($change); commit them or move them away."
base=$(plain_git -C "$tree" rev-parse 'refs/tags/base^{commit}')
head=$(plain_git -C "$tree" rev-parse HEAD)
plain_git -C "$tree" merge-base --is-ancestor "$base" "$head" ||
	die "HEAD of $tree is not built on the tag base; rebase it onto base."
[[ -z $(plain_git -C "$tree" rev-list --merges "$base..$head") ]] ||
	die "there is a merge between base and HEAD in $tree; rebase to make the history straight."
(($(plain_git -C "$tree" rev-list --count "$base..$head") < 500)) ||
	die "there are hundreds of commits between base and HEAD in $tree; if it moved to another kernel, move the tag there: git tag -f base COMMIT"
fixup=$(plain_git -C "$tree" log --format=%s "$base..$head" | grep -m 1 -E '^(fixup|squash|amend)! ' || true)
[[ -z $fixup ]] ||
	die "there is a commit '$fixup'; run in $tree: git rebase -i --autosquash base"
lost=$(plain_git -C "$tree" log --format='%x01%s%n%b' "$base..$head" |
	awk '/^\001/ { subject = substr($0, 2) } /^---$/ { print subject; exit }')
[[ -z $lost ]] ||
	die "the message of '$lost' has a line '---', and git am drops what follows; move that to the cover letter."

scratch=$BUILD/.export
trap 'rm -rf "$scratch"' EXIT
rm -rf "$scratch"
mkdir "$scratch"

# In a repository of its own, so that no configuration changes the patches.
plain_git init -q "$scratch/git"
echo "$tree/.git/objects" >"$scratch/git/.git/objects/info/alternates"
[[ ! -f $tree/.git/shallow ]] || cp "$tree/.git/shallow" "$scratch/git/.git/"
mkdir "$scratch/patches"
(cd "$tree" && plain_git --git-dir="$scratch/git/.git" --work-tree="$tree" format-patch -q \
	--zero-commit --no-signature --no-numbered --abbrev=12 --no-renames --diff-algorithm=myers \
	--no-signoff --no-thread --no-cover-letter --no-attach --no-base \
	-o "$scratch/patches" "$base..$head")
shopt -s nullglob
patches=("$scratch"/patches/*.patch)
same_commits

# The tag may have moved to another kernel since; the series must not have.
read -r have was <"$applied"
state=$(series_state "$(plain_git -C "$tree" rev-parse "$was~$(series | wc -l)^{commit}")" 2>/dev/null) || state=broken
printf '%s\n' "${patches[@]##*/}" | sed '/^$/d' >"$scratch/names"
new_series <(cat "$TOP/series" 2>/dev/null) "$scratch/names" >"$scratch/series"
plain_git -C "$tree" diff --unified=0 --diff-algorithm=myers "$base" "$head" -- MAINTAINERS |
	sed -n -e '/^+++/d' -e 's/^+//p' | sed -e '/./,$!d' | sed -e :a -e '/^\n*$/{$d;N;ba' -e '}' >"$scratch/snippet"

# put FILE TARGET: replace TARGET if FILE differs, in one step.
put() {
	cmp -s "$1" "$2" && return 0
	cp "$1" "$2.new"
	mv "$2.new" "$2"
	changed=1
}

changed=
gone=()
for patch in "$TOP"/patches/*.patch; do
	[[ -e $scratch/patches/${patch##*/} ]] || gone+=("$patch")
done
for patch in "${patches[@]}"; do
	cmp -s "$patch" "$TOP/patches/${patch##*/}" || changed=1
done
if [[ -n $changed || ${#gone[@]} -gt 0 ]] && [[ $state != "$have" ]]; then
	die "patches/ or series changed since build/linux was made from them, and exporting would undo that; put your commits on a branch of their own, run scripts/apply.sh, and rebase them."
fi
# Short, and not to be interrupted half way.
trap '' INT TERM HUP
mkdir -p "$TOP/patches"
for patch in "${patches[@]}"; do
	put "$patch" "$TOP/patches/${patch##*/}"
done
((${#gone[@]} == 0)) || { rm "${gone[@]}" && changed=1; }
[[ ! -s $scratch/series && ! -e $TOP/series ]] || put "$scratch/series" "$TOP/series"
[[ ! -s $scratch/snippet ]] || put "$scratch/snippet" "$TOP/MAINTAINERS.snippet"
tree_record "$(series_state "$base")" "$head"
if [[ -n $changed ]]; then
	say "export: ${#patches[@]} patches, tree $(<"$BUILD/linux.tree")"
else
	say "export: nothing changed, ${#patches[@]} patches, tree $(<"$BUILD/linux.tree")"
fi
