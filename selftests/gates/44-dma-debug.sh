#!/bin/bash
# DMA buffers of huge pages of 2 MiB on the debug kernel, with QEMU's edu device behind a strict IOMMU: KASAN, lockdep, DEBUG_VM, the checks of the DMA API and kmemleak find nothing; no counter changes.
# Boots: yes
# Green: scripts/lib.sh scripts/build.sh scripts/boot.sh selftests/config selftests/guest selftests/splat.deny selftests/splat.allow selftests/skip.allow selftests/gates/lib.sh selftests/gates/overlay
set -euo pipefail
# shellcheck source=selftests/gates/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# A processor without pages of 1 GiB, as in driver-debug; the default kernel has
# them, in dma-default.
export QEMU_ARGS="-cpu max,-erms,-fsrm,-la57,-pdpe1gb -device intel-iommu -device edu,dma_mask=0xffffffffffffffff"
export KERNEL_ARGS="hugepages=128 intel_iommu=on iommu.strict=1 test_hugetlb_dma.edu_dma_bits=64"
boot_selftest debug ./hugetlb_heap ./hugetlb_heap_map ./hugetlb_heap_dma
