#!/bin/bash
# The tree's other tests of mm (userfaultfd, cow, gup, mremap, THP, KSM and the rest) say the same as on the unpatched kernel (selftests/expected).
set -euo pipefail
# shellcheck source=selftests/gates/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

expected=$TOP/selftests/expected/mm-unpatched.txt
[[ -s $expected ]] || die "$expected is missing; scripts/test.sh unpatched-mm writes it."
grep -v '^#' "$expected" >"$TMPDIR/expected"
sed -n 's/^# unstable: //p' "$expected" >"$TMPDIR/unstable"

"$TOP/scripts/build.sh" default
mm_list >"$TMPDIR/said"
LC_ALL=C sort "$TMPDIR/said" >"$TMPDIR/sorted"
paste <(test_names <"$TMPDIR/sorted") "$TMPDIR/sorted" |
	awk -F'\t' 'FILENAME != "-" { unstable[$1]; next } !($1 in unstable) { print $2 }' "$TMPDIR/unstable" - >"$TMPDIR/list"

same() {
	diff -u "$1" "$TMPDIR/list"
}
same "$TMPDIR/expected" ||
	die "the patched kernel (+) does not do as the unpatched one (-); look at the test's own output above."
# Seen to see: one test said something else.
sed '0,/: ok /s//: not ok /' "$TMPDIR/expected" >"$TMPDIR/planted"
! same "$TMPDIR/planted" >/dev/null || die "a planted difference was not seen; the comparison above proves nothing."

echo "$(grep -c ': pass$' "$TMPDIR/list") programs and $(grep ': ok ' "$TMPDIR/list" | grep -vc '# SKIP') tests in them pass on both kernels."
echo "These prove nothing, they pass on neither:"
grep -E '^[^:]*: (skip|fail|no end)|: not ok |# SKIP' "$TMPDIR/list" || echo none
echo "These neither, on one kernel they do not say the same each time:"
grep . "$TMPDIR/unstable" || echo none
