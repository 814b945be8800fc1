#!/bin/bash
# On a kernel without transparent huge pages there is no zero page, and the selftests of /dev/page-huge pass.
set -euo pipefail
# shellcheck source=selftests/gates/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

change_kernel -d TRANSPARENT_HUGEPAGE
! grep -q '^CONFIG_TRANSPARENT_HUGEPAGE=' "$BUILD/default/.config" ||
	die "something selects TRANSPARENT_HUGEPAGE; find it with menuconfig in the default configuration."

for test in page_huge page_huge_ops page_huge_gup page_huge_zero; do
	status=0
	TIMEOUT=900 "$TOP/scripts/boot.sh" -o "$TOP/selftests/gates/overlay" -- \
		bash -c "cd /kselftest/mm && /gate/counters.sh ./$test" >"$TMPDIR/tap" || status=$?
	cat "$TMPDIR/tap"
	((status == 0)) || die "$test ended with $status (99: a counter changed; 120 to 123: see scripts/boot.sh)."
	check_tap "$TMPDIR/tap"
done
