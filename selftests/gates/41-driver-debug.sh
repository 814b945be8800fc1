#!/bin/bash
# Huge pages of drivers of 2 MiB on the debug kernel, selftests and KUnit suite: KASAN, lockdep, DEBUG_VM and kmemleak find nothing; no counter changes.
# Boots: yes
# Green: scripts/lib.sh scripts/build.sh scripts/boot.sh selftests/config selftests/guest selftests/splat.deny selftests/splat.allow selftests/skip.allow selftests/gates/lib.sh selftests/gates/overlay
set -euo pipefail
# shellcheck source=selftests/gates/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# A processor without pages of 1 GiB, which take minutes to clear and to poison.
# They have their turn in the soak gate driver-long.
export QEMU_ARGS="-cpu max,-erms,-fsrm,-la57,-pdpe1gb" KERNEL_ARGS="hugepages=128"
boot_selftest debug ./hugetlb_driver ./hugetlb_driver_admin ./hugetlb_driver_gup ./hugetlb_driver_ops \
	./hugetlb_driver_pages ./hugetlb_unmap_private "/gate/kunit.sh hugetlb_driver"
