#!/bin/bash
# Writes selftests/expected/hugetlb-unpatched.txt from a run on the kernel without the series.
set -euo pipefail
# shellcheck source=selftests/gates/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

expected=$TOP/selftests/expected/hugetlb-unpatched.txt
own_tree base
export BUILD=$STATE
"$TOP/scripts/build.sh" default
programs default hugetlb.list >"$TMPDIR/list"
# A test that does not say the same twice is none to compare with.
programs default hugetlb.list >"$TMPDIR/again"
diff -u "$TMPDIR/list" "$TMPDIR/again" ||
	die "two runs on the same kernel differ (above); take what is unstable out of selftests/gates/overlay/gate/hugetlb.list."
mkdir -p "${expected%/*}"
{
	echo "# What the tree's own hugetlb selftests say on the kernel without the series."
	echo "# Written by the gate \"unpatched\" of scripts/test.sh, not by hand."
	echo "# linux $(make -s -C "$BUILD/linux" kernelversion), tree $(git -C "$BUILD/linux" rev-parse 'HEAD^{tree}')"
	cat "$TMPDIR/list"
} >"$TMPDIR/new"
mv "$TMPDIR/new" "$expected"
