#!/bin/bash
# The tree's own hugetlb selftests say the same as on the unpatched kernel (selftests/expected).
# Boots: yes
# Green: scripts/lib.sh scripts/build.sh scripts/boot.sh selftests/config selftests/guest selftests/splat.deny selftests/splat.allow selftests/expected selftests/gates/lib.sh selftests/gates/overlay
set -euo pipefail
# shellcheck source=selftests/gates/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

expected=$TOP/selftests/expected/hugetlb-unpatched.txt
[[ -s $expected ]] || die "$expected is missing; scripts/test.sh unpatched writes it."
"$TOP/scripts/build.sh" default
programs default hugetlb.list >"$TMPDIR/list"
diff -u <(grep -v '^#' "$expected") "$TMPDIR/list" ||
	die "the patched kernel (+) does not do as the unpatched one (-); look at the test's own output above."
echo "$(grep -c ': pass$' "$TMPDIR/list") programs and $(grep -c ': ok ' "$TMPDIR/list") tests in them pass; these prove nothing, they pass on neither kernel:"
grep -E '^[^:]*: (skip|fail|no end)|: not ok |# SKIP' "$TMPDIR/list" || echo none
