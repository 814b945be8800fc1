#!/bin/bash
# The selftests of /dev/page-huge with pages of 2 MiB on the debug kernel: KASAN, lockdep, DEBUG_VM, page-table check and kmemleak find nothing.
# Boots: yes
# Green: scripts/lib.sh scripts/build.sh scripts/boot.sh selftests/config selftests/guest selftests/splat.deny selftests/splat.allow selftests/skip.allow selftests/gates/lib.sh selftests/gates/overlay
set -euo pipefail
# shellcheck source=selftests/gates/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# A processor without pages of 1 GiB, which take minutes to clear and to poison.
# They have their turn in the soak gate debug-long.
export QEMU_ARGS="-cpu max,-erms,-fsrm,-la57,-pdpe1gb" KERNEL_ARGS="hugepages=128"
boot_selftest debug ./page_huge ./page_huge_ops ./page_huge_gup ./page_huge_zero
