#!/bin/bash
# On the debug kernel, with two nodes: huge pages of /dev/page-huge, of drivers and of heaps where there are few or none (pool, overcommit, cgroups, strict overcommit, locked memory, cpuset and memory policy), and when pool, cgroup, page or memory block goes: the documented error, and counters as before. A planted driver that keeps a reservation is seen.
# Green: scripts/lib.sh scripts/build.sh scripts/boot.sh selftests/config selftests/guest selftests/splat.deny selftests/splat.allow selftests/skip.allow selftests/gates/lib.sh selftests/gates/overlay selftests/hunt
set -euo pipefail
# shellcheck source=selftests/gates/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

# The same number of pages on both nodes, and few: they are all taken again and again.
export OVERLAY=$TMPDIR/overlay MEM=3072 KERNEL_ARGS="hugepages=0:32,1:32" \
	QEMU_ARGS="-cpu max,-erms,-fsrm,-la57,-pdpe1gb"
"$TOP/scripts/build.sh" debug
hunt "$OVERLAY/hunt" limits
boot_selftest debug /hunt/limits

# Of the zero page the kernel says that it is unhandlable: that, and nothing else.
status=0
"$TOP/scripts/boot.sh" -c debug -o "$OVERLAY" -- /hunt/limits unhandlable >"$TMPDIR/zero" 2>"$TMPDIR/console" ||
	status=$?
cat "$TMPDIR/zero" "$TMPDIR/console"
check_tap "$TMPDIR/zero"
if ((status != 123)) || grep -v 'Memory failure: 0x[0-9a-f]*: unhandlable page' "$TMPDIR/console" |
	grep -v "the kernel complained (COMMAND's own status: 0)"; then
	die "soft offline of the zero page has the status $status, and should have 123 and say that the page is unhandlable."
fi

# A driver that keeps a reservation, once.
plant reservation debug "$OVERLAY/hunt/planted.ko"
status=0
TIMEOUT=300 "$TOP/scripts/boot.sh" -c debug -o "$OVERLAY" -- bash -c \
	'cp /hunt/planted.ko /lib/modules/*/kernel/lib/test_hugetlb.ko && /hunt/limits "two nodes: driver, reserved"' \
	>"$TMPDIR/reserved" 2>&1 || status=$?
cat "$TMPDIR/reserved"
if ((status != 1)) || ! grep -q '^# counters: .*/resv_hugepages 0 -> [1-9]' "$TMPDIR/reserved"; then
	die "a reservation that stays is not seen: the status of limits is $status, and should be 1, for the number of resv_hugepages."
fi
