#!/bin/bash
# The selftests pass where free memory is poisoned and slabs are checked (page_poison=1 slab_debug, debug kernel), and where it is cleared when it is freed (init_on_free=1, default kernel).
set -euo pipefail
# shellcheck source=selftests/gates/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

page_huge=(./page_huge ./page_huge_ops ./page_huge_gup ./page_huge_zero)
driver=(./hugetlb_driver ./hugetlb_driver_admin ./hugetlb_driver_gup ./hugetlb_driver_ops
	./hugetlb_driver_pages ./hugetlb_unmap_private "/gate/kunit.sh hugetlb_driver")
heap=(./hugetlb_heap ./hugetlb_heap_map)

passed=0
# try GATE CONFIG TEST...: with the skips that this gate may have.
try() {
	local -x GATE=$1
	shift
	boot_selftest "$@"
	passed=$((passed + $(grep -c "^ok" "$TMPDIR/said")))
}

# crash CONFIG WHAT REGEX: LKDTM does this; the console, or the command, says that
# it was seen.
crash() {
	"$TOP/scripts/build.sh" "$1"
	# shellcheck disable=SC2016 # expanded in the guest
	LOG=$TMPDIR/console "$TOP/scripts/boot.sh" -c "$1" -- bash -c \
		'cat /sys/kernel/slab/kmalloc-64/{poison,red_zone}; echo $0 >/sys/kernel/debug/provoke-crash/DIRECT' "$2" \
		>"$TMPDIR/said" 2>&1 || :
	grep -a "$3" "$TMPDIR/said" "$TMPDIR/console" || {
		cat "$TMPDIR/said"
		die "$2 is not seen on the $1 kernel with $KERNEL_ARGS, so this boot would prove nothing."
	}
}

# A processor without pages of 1 GiB, as in the other gates of the debug kernel.
export QEMU_ARGS="-cpu max,-erms,-fsrm,-la57,-pdpe1gb" KERNEL_ARGS="hugepages=128 page_poison=1 slab_debug=FZP" TIMEOUT=3000
crash debug WRITE_BUDDY_AFTER_FREE "pagealloc: memory corruption"
[[ $(grep -c '^1$' "$TMPDIR/said") == 2 ]] || die "slabs are not poisoned with $KERNEL_ARGS; has SLUB other arguments now?"
try boot-debug debug "${page_huge[@]}"
try driver-debug debug "${driver[@]}"
try dma-debug debug "${heap[@]}"

# With pages of 1 GiB, in the pools of the gates that these tests are of.
unset QEMU_ARGS
export KERNEL_ARGS="init_on_free=1"
crash default READ_BUDDY_AFTER_FREE "Memory correctly poisoned (0)"
try boot-default default "${page_huge[@]}"
for test in "${driver[@]:0:6}"; do
	try driver-default default "$test"
done
try kunit default "${driver[6]}"
KERNEL_ARGS+=" page_table_check=on default_hugepagesz=2M hugepagesz=2M hugepages=128 hugepagesz=1G hugepages=0:1,1:3" \
	try dma-default default "${heap[@]}"
echo "$passed tests"
