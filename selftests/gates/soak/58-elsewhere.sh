#!/bin/bash
# Functions of others in which the series changes a line do what they did and what is new in them, on the default and the debug kernel: cachestat, SysRq m, DAMON, mbind, userfaultfd, fork, mremap, fallocate, pagemap and smaps, mmap, memory_failure. A wrong number of pages is seen.
# Green: scripts/lib.sh scripts/build.sh scripts/boot.sh selftests/config selftests/guest selftests/splat.deny selftests/splat.allow selftests/skip.allow selftests/gates/lib.sh selftests/gates/overlay selftests/hunt
set -euo pipefail
# shellcheck source=selftests/gates/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

# With "hugepages" the pool has no pages of 1 GiB, but the size is there.
export OVERLAY=$TMPDIR/overlay MEM=4096 KERNEL_ARGS="hugepages=128"
for config in default debug; do
	"$TOP/scripts/build.sh" "$config"
done
hunt "$OVERLAY/hunt" elsewhere

# The same with a number of pages that is wrong, which has to be seen.
planted=$TMPDIR/planted
cp -r "$TOP/selftests/hunt" "$planted"
sed -i 's/stat\.cache == 6 &&/stat.cache == 7 \&\&/' "$planted/elsewhere.c"
! cmp -s "$planted/elsewhere.c" "$TOP/selftests/hunt/elsewhere.c" ||
	die "the count of cachestat() that is to be made wrong is not in elsewhere.c; choose another one here."
HUNT=$planted hunt "$OVERLAY/hunt/planted" elsewhere

# shellcheck disable=SC2016 # expanded in the guest
red='echo 1..1; /hunt/planted/elsewhere cachestat >/tmp/out; [[ $? == 1 ]] && grep -q "^not ok .*cachestat" /tmp/out || printf "not "; echo "ok 1 - a wrong number is seen"'
boot_selftest default /hunt/elsewhere "$red"
TIMEOUT=1800 boot_selftest debug /hunt/elsewhere

# Of memory of its own the kernel says that it is unhandlable: that, and nothing else.
status=0
"$TOP/scripts/boot.sh" -c debug -o "$TOP/selftests/gates/overlay" -o "$OVERLAY" -- \
	/gate/counters.sh /hunt/elsewhere unhandlable >"$TMPDIR/kernel" 2>"$TMPDIR/console" || status=$?
cat "$TMPDIR/kernel" "$TMPDIR/console"
check_tap "$TMPDIR/kernel"
if ((status != 123)) || grep -v 'Memory failure: 0x[0-9a-f]*: unhandlable page' "$TMPDIR/console" |
	grep -v "the kernel complained (COMMAND's own status: 0)"; then
	die "errors in pages of the kernel have the status $status, and should have 123 and say that the pages are unhandlable."
fi
