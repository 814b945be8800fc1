#!/bin/bash
# Writes selftests/expected/mm-unpatched.txt: what the tree's other tests of mm say on the kernel without the series, twice.
set -euo pipefail
# shellcheck source=selftests/gates/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

expected=$TOP/selftests/expected/mm-unpatched.txt
own_tree base
export BUILD=$STATE
"$TOP/scripts/build.sh" default
for run in first second; do
	mm_list >"$TMPDIR/said"
	LC_ALL=C sort "$TMPDIR/said" >"$TMPDIR/$run"
done
# A test that does not say the same twice is none to compare with, nor is one that
# did not on this kernel before: two runs do not show each.
kernel="# linux $(make -s -C "$BUILD/linux" kernelversion), tree $(git -C "$BUILD/linux" rev-parse 'HEAD^{tree}')"
{
	LC_ALL=C comm -3 "$TMPDIR/first" "$TMPDIR/second" | tr -d '\t' | test_names
	! grep -qsxF "$kernel" "$expected" || sed -n 's/^# unstable: //p' "$expected"
} | LC_ALL=C sort -u >"$TMPDIR/unstable"
paste <(test_names <"$TMPDIR/first") "$TMPDIR/first" |
	awk -F'\t' 'FILENAME != "-" { unstable[$1]; next } !($1 in unstable) { print $2 }' "$TMPDIR/unstable" - >"$TMPDIR/stable"
grep -q ': ok ' "$TMPDIR/stable" || die "not one test passes twice, so there is nothing to compare with; look at what they said above."
mkdir -p "${expected%/*}"
{
	echo "# What the tree's own tests of mm, but those of hugetlb-unpatched.txt, say on the"
	echo "# kernel without the series, in two runs that agreed; and those that did not, there"
	echo "# or before."
	echo "# Written by the gate \"unpatched-mm\" of scripts/test.sh, not by hand."
	echo "$kernel"
	sed 's/^/# unstable: /' "$TMPDIR/unstable"
	cat "$TMPDIR/stable"
} >"$TMPDIR/new"
mv "$TMPDIR/new" "$expected"
grep '^# unstable: ' "$expected" || :
echo "$(wc -l <"$TMPDIR/stable") results that agree, $(wc -l <"$TMPDIR/unstable") tests that are unstable"
