#!/bin/bash
# Huge pages of drivers on the debug kernel, and the KUnit suite there: KASAN, lockdep, DEBUG_VM and kmemleak find nothing; no counter changes.
# Green: scripts/lib.sh scripts/build.sh scripts/boot.sh selftests/config selftests/guest selftests/splat.deny selftests/splat.allow selftests/skip.allow selftests/gates/lib.sh selftests/gates/overlay
set -euo pipefail
# shellcheck source=selftests/gates/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# A boot for each: what the one has left of memory in one piece is not the
# other's affair.
for test in hugetlb_driver hugetlb_driver_admin hugetlb_driver_gup hugetlb_driver_ops \
	hugetlb_driver_pages hugetlb_unmap_private; do
	boot_selftest debug "./$test"
done
boot_selftest debug "/gate/kunit.sh hugetlb_driver"
