#!/bin/bash
# The entry in MAINTAINERS: get_maintainer.pl --self-test finds nothing new, and every file that the series adds has one.
# Static: yes
# Needs: tree
set -euo pipefail
# shellcheck source=selftests/gates/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

linux=$TMPDIR/linux
git clone -q --shared --no-checkout "$BUILD/linux" "$linux"
cd "$linux"
git read-tree "$(git -C "$BUILD/linux" rev-parse HEAD)"
# As much of a tree as the script wants to see.
git ls-files -- ':(glob)*' scripts/get_maintainer.pl | git checkout-index -f --stdin
git -C "$BUILD/linux" diff --name-only --no-renames --diff-filter=A base HEAD >"$TMPDIR/files"
git checkout-index -f --stdin <"$TMPDIR/files"
mkdir -p Documentation arch include drivers fs init ipc kernel lib

# self_test KIND: without line numbers.
self_test() {
	./scripts/get_maintainer.pl --self-test="$1" | sed -E 's/:[0-9]+:/:/' | sort
}
self_test sections >"$TMPDIR/series"
git -C "$BUILD/linux" show base:MAINTAINERS >MAINTAINERS
self_test sections >"$TMPDIR/base"
# Patterns of the entry alone: those of all take minutes.
git -C "$BUILD/linux" diff --no-ext-diff -U0 base HEAD -- MAINTAINERS >"$TMPDIR/diff"
sed -n -e '/^+++ /d' -e 's/^+//p' "$TMPDIR/diff" >MAINTAINERS
[[ -s MAINTAINERS ]] || die "the series adds nothing to MAINTAINERS; add an entry."
self_test patterns >>"$TMPDIR/series"
comm -13 <(sort "$TMPDIR/base") <(sort "$TMPDIR/series") >"$TMPDIR/new"
[[ ! -s $TMPDIR/new ]] || {
	cat "$TMPDIR/new"
	complain "get_maintainer.pl says this of the entry; mend it in build/linux and export."
}

count=0
while read -r file; do
	count=$((count + 1))
	[[ $(./scripts/get_maintainer.pl --nogit --nogit-fallback -f "$file") == *@* ]] || {
		complain "the series adds $file and no entry in MAINTAINERS has it; add a line F:."
	}
done <"$TMPDIR/files"
((!bad))
echo "$count new files"
