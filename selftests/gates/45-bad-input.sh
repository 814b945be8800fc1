#!/bin/bash
# Each argument of the new calls, ioctls and parameters at its edges, as root and as nobody, gives the errno that is documented and changes no counter; with pages of 2 MiB and 1 GiB on the default kernel.
# Boots: yes
# Green: scripts/lib.sh scripts/build.sh scripts/boot.sh selftests/config selftests/guest selftests/splat.deny selftests/splat.allow selftests/skip.allow selftests/gates/lib.sh selftests/gates/overlay selftests/hunt
set -euo pipefail
# shellcheck source=selftests/gates/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

"$TOP/scripts/build.sh" default
hunt "$TMPDIR/overlay/hunt" bad_input

# The same with a wrong row in its table, which has to be seen.
planted=$TMPDIR/planted
cp -r "$TOP/selftests/hunt" "$planted"
sed -i '/"whence", "99", BOTH(EINVAL), run_lseek/s/EINVAL/ENXIO/' "$planted/bad_input_table.h"
! cmp -s "$planted/bad_input_table.h" "$TOP/selftests/hunt/bad_input_table.h" ||
	die "the row of lseek that is to be made wrong is not in bad_input_table.h; choose another one here."
HUNT=$planted hunt "$TMPDIR/overlay/hunt/planted" bad_input

# shellcheck disable=SC2016 # expanded in the guest
red='/hunt/planted/bad_input lseek >/tmp/out; [[ $? == 1 ]] && [[ $(grep -c "^not ok" /tmp/out) == $(grep -c "lseek of /dev/page-huge .*: whence = 99: " /tmp/out) ]] && ! grep "^not ok" /tmp/out | grep -v "lseek of /dev/page-huge .*: whence = 99: " || printf "not "; echo "ok 1 - a wrong row is seen in a table with such"; echo 1..1'
OVERLAY=$TMPDIR/overlay MEM=12288 KERNEL_ARGS="hugepages=64 hugepagesz=1G hugepages=8" \
	boot_selftest default /hunt/bad_input "$red"
