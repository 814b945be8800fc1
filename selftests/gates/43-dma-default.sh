#!/bin/bash
# DMA buffers of huge pages on the default kernel, with QEMU's edu device: 4 GiB behind a strict IOMMU, VFIO, without an IOMMU, the tree's own test of dma-buf heaps; no counter changes.
# Boots: yes
# Green: scripts/lib.sh scripts/build.sh scripts/boot.sh selftests/config selftests/guest selftests/splat.deny selftests/splat.allow selftests/skip.allow selftests/gates/lib.sh selftests/gates/overlay
set -euo pipefail
# shellcheck source=selftests/gates/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

iommu="-device intel-iommu -device edu,dma_mask=0xffffffffffffffff"
strict="intel_iommu=on iommu.strict=1 test_hugetlb_dma.edu_dma_bits=64"

pools="default_hugepagesz=2M hugepagesz=2M hugepages=64 hugepagesz=1G"

# Two nodes, with pages of 2 MiB on both, and adjacent ones of 1 GiB on one, whose
# users page_table_check counts.
KERNEL_ARGS="page_table_check=on ${pools/=64/=128} hugepages=0:1,1:3" \
	boot_selftest default ./hugetlb_heap ./hugetlb_heap_map
# One node, and memory of which 5 GiB in one piece go across a multiple of 4 GiB.
export NUMA=1
KERNEL_ARGS="$strict $pools hugepages=7" MEM=12288 QEMU_ARGS=$iommu boot_selftest default ./hugetlb_heap_dma
# Interrupts are not remapped here: it is up to who trusts the device to allow it.
# The test module, which has the device before, lets it go.
KERNEL_ARGS="intel_iommu=on test_hugetlb_dma.edu_dma_bits=64 vfio_iommu_type1.allow_unsafe_interrupts=1 iommufd.allow_unsafe_interrupts=1 $pools hugepages=1" \
	MEM=4096 QEMU_ARGS=$iommu boot_selftest default "./hugetlb_heap_dma -t transfers" ./hugetlb_vfio
# Without an IOMMU: a device with 32 bits, and nothing above 4 GiB; and one whose
# data goes through a bounce buffer, since the pages are.
some="./hugetlb_heap_dma -t attach -t out_of_reach -t transfers -t transfers_of_own_pages -t iommu"
KERNEL_ARGS="test_hugetlb_dma.edu_dma_bits=32 $pools hugepages=1" \
	MEM=2800 QEMU_ARGS="-device edu,dma_mask=0xffffffff" boot_selftest default "$some"
KERNEL_ARGS="test_hugetlb_dma.edu_dma_bits=32 default_hugepagesz=2M hugepagesz=2M hugepages=1:64" NUMA=2 MEM=6144 \
	QEMU_ARGS="-device edu,dma_mask=0xffffffff" boot_selftest default "${some/ -t iommu} -t written_while_mapped -t read_while_written"
# Every heap that there can be.
KERNEL_ARGS="cma=64M $pools hugepages=1" MEM=6144 boot_selftest default ../dmabuf-heaps/dmabuf-heap
