#!/bin/bash
# The tree's own test of dma-buf heaps, patched, says on the series without the heaps of huge pages what it says, unpatched, on the kernel without the series.
set -euo pipefail
# shellcheck source=selftests/gates/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

# said FILE: with the heap of the system and one of CMA; the order in which a
# directory is read is nobody's promise, and how many files a test has open before
# one that looks for a leak is not what that is about.
said() {
	local status=0
	KERNEL_ARGS="cma=64M" TIMEOUT=600 "$TOP/scripts/boot.sh" -- \
		/kselftest/dmabuf-heaps/dmabuf-heap >"$TMPDIR/tap" || status=$?
	cat "$TMPDIR/tap"
	((status < 120)) || die "the test could not be run: boot.sh ended with $status, its first lines say what that means."
	{
		echo "status $status"
		grep -E '^(TAP|1\.\.|ok|not ok|# (Testing|Totals))' "$TMPDIR/tap" | sed -E 's/^(ok|not ok) [0-9]+/\1/; s/before=([0-9]+) after=\1$/as many as before/' | sort
	} >"$1"
	(($(grep -c '^ok' "$1") > 10)) || die "the test said next to nothing, so it proves nothing."
}

own_tree base
BUILD=$STATE "$TOP/scripts/build.sh" default
BUILD=$STATE said "$TMPDIR/unpatched"

change_kernel -d DMABUF_HEAPS_HUGETLB
! grep -q '^CONFIG_DMABUF_HEAPS_HUGETLB=' "$BUILD/default/.config" ||
	die "something selects DMABUF_HEAPS_HUGETLB; find it with menuconfig in the default configuration."
said "$TMPDIR/patched"
diff -u "$TMPDIR/unpatched" "$TMPDIR/patched" ||
	die "the patched test (+) does not say what the unpatched one (-) does; look at its output above."
