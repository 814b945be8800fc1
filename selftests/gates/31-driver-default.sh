#!/bin/bash
# Huge pages of drivers on the default kernel: the sample, the test module, 1,000 rounds of a buffer's life at 2M and 10 at 1G; no counter changes.
# Boots: yes
# Green: scripts/lib.sh scripts/build.sh scripts/boot.sh selftests/config selftests/guest selftests/splat.deny selftests/splat.allow selftests/skip.allow selftests/gates/lib.sh selftests/gates/overlay
set -euo pipefail
# shellcheck source=selftests/gates/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# A boot for each: what the one has left of memory in one piece is not the
# other's affair.
for test in hugetlb_driver hugetlb_driver_admin hugetlb_driver_gup hugetlb_driver_ops \
	hugetlb_driver_pages hugetlb_unmap_private; do
	boot_selftest default "./$test"
done
