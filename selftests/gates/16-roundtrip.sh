#!/bin/bash
# A fresh apply and export give series and patches/ back, byte for byte.
# Static: yes
# Needs: tree
set -euo pipefail
# shellcheck source=selftests/gates/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

repo=$TMPDIR/repo
mkdir "$repo"
cp -a "$TOP/scripts" "$TOP/series" "$TOP/patches" "$repo"
export BUILD=$TMPDIR/build
"$repo/scripts/apply.sh"
[[ $(<"$BUILD/linux.tree") == "$TREE" ]] ||
	die "a fresh apply gives the tree $(<"$BUILD/linux.tree"), not $TREE; is build/linux what was exported?"

for round in first second; do
	"$repo/scripts/export.sh"
	diff -r "$TOP/patches" "$repo/patches" ||
		die "the $round export changes patches/ (above); run scripts/export.sh and look at git diff."
	diff "$TOP/series" "$repo/series" ||
		die "the $round export changes series (above); run scripts/export.sh and look at git diff."
	[[ $(<"$BUILD/linux.tree") == "$TREE" ]] || die "the $round export changes linux.tree; it must not."
done
