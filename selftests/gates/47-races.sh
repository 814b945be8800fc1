#!/bin/bash
# Processes do all that can be done to huge pages, at random and at once, while the pool, cgroups, modules and processes come and go: 90 seconds on the debug and on the default kernel. No splat, no foreign or lost data, no counter changes. The debug kernel sees bad-input's calls, too.
# Boots: yes
# Green: scripts/lib.sh scripts/build.sh scripts/boot.sh selftests/config selftests/guest selftests/splat.deny selftests/splat.allow selftests/skip.allow selftests/gates/lib.sh selftests/gates/overlay selftests/hunt
set -euo pipefail
# shellcheck source=selftests/gates/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# A small machine boots sooner, and no pages of 1 GiB: they take minutes to clear.
export OVERLAY=$TMPDIR/overlay MEM=3072 KERNEL_ARGS="hugepages=128" \
	QEMU_ARGS="-cpu max,-erms,-fsrm,-la57,-pdpe1gb"
for config in default debug; do
	"$TOP/scripts/build.sh" "$config"
done
hunt "$OVERLAY/hunt" bad_input races
boot_selftest default "/hunt/races seconds 90"
boot_selftest debug /hunt/bad_input "env LIMIT=300 /hunt/races seconds 90"
