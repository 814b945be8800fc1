#!/bin/bash
# quilt pushes the whole series without fuzz and gives git's tree, modes included.
# Static: yes
# Needs: tree
set -euo pipefail
# shellcheck source=selftests/gates/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

dir=$TMPDIR/linux
export GIT_DIR GIT_INDEX_FILE=$TMPDIR/index
GIT_DIR=$(git -C "$BUILD/linux" rev-parse --absolute-git-dir)
git read-tree base
# Of the tree the files that the patches name; what else they make is found.
mkdir "$dir"
series | sed "s|^|$TOP/patches/|" | xargs -d '\n' sed -n 's|^diff --git a/.* b/||p' | sort -u >"$TMPDIR/named"
xargs -d '\n' git ls-files -- <"$TMPDIR/named" | git checkout-index -q --prefix="$dir/" --stdin
cd "$dir"
# Both links: with patches alone, quilt series prints nothing and is content.
ln -s "$TOP/patches" patches
ln -s "$TOP/series" series
want=$(series | wc -l)
have=$(quilt --quiltrc - series | wc -l)
((have == want)) || die "quilt series lists $have patches, the series has $want; check the lines of series."
quilt --quiltrc - push -a -q --fuzz=0 || die "quilt cannot push the series; see above which patch."
have=$(quilt --quiltrc - applied | wc -l)
((have == want)) || die "quilt applied $have of $want patches; check the lines of series."

rm -rf .pc patches series
find . ! -type d -printf '%P\n' | sort -u - "$TMPDIR/named" |
	GIT_WORK_TREE=$dir git update-index --add --remove --stdin
made=$(git write-tree)
if [[ $made != "$TREE" ]]; then
	git diff --stat --summary "$TREE" "$made"
	die "quilt's tree (above: from git's to quilt's) is not git's; export the series again."
fi
echo "$want patches, tree $made"
