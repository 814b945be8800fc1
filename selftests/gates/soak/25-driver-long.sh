#!/bin/bash
# The same as driver-debug with pages of 1 GiB too; and on the default kernel as a developer of mm runs them, in one boot.
set -euo pipefail
# shellcheck source=selftests/gates/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

export TIMEOUT=1800
boot_selftest default ./ksft_hugetlb_driver.sh
for test in ./hugetlb_driver ./hugetlb_driver_admin ./hugetlb_driver_gup ./hugetlb_driver_ops \
	./hugetlb_driver_pages ./hugetlb_unmap_private "/gate/kunit.sh hugetlb_driver"; do
	boot_selftest debug "$test"
done
