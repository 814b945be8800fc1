#!/bin/bash
# git am of the series on a pristine tree gives the tree that apply.sh made.
# Static: yes
# Needs: tree
set -euo pipefail
# shellcheck source=selftests/gates/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

git clone -q --shared --no-checkout "$BUILD/linux" "$TMPDIR/linux"
cd "$TMPDIR/linux"
# The index is the pristine tree; git am takes the files that it needs from it.
git update-ref --no-deref HEAD "$(git -C "$BUILD/linux" rev-parse 'base^{commit}')"
git read-tree HEAD
mapfile -t patches < <(series)
# The command of the README, in a user's own tree.
git -c user.name=tester -c user.email=tester@localhost am -q --no-3way "${patches[@]/#/$TOP/patches/}" ||
	die "git am does not apply the series on a pristine tree; see above which patch, and export again."
[[ $(git rev-parse 'HEAD^{tree}') == "$TREE" ]] ||
	die "git am gives the tree $(git rev-parse 'HEAD^{tree}'), apply.sh gave $TREE; one of them is wrong."
[[ $(git rev-list --count base..HEAD) == "${#patches[@]}" ]] ||
	die "git am made $(git rev-list --count base..HEAD) commits of ${#patches[@]} patches; split the files."
echo "${#patches[@]} patches, tree $TREE"
