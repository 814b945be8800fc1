#!/bin/bash
# The same on the debug kernel: KASAN, lockdep, DEBUG_VM, page-table check and kmemleak find nothing.
# Green: scripts/lib.sh scripts/build.sh scripts/boot.sh selftests/config selftests/guest selftests/splat.deny selftests/splat.allow selftests/skip.allow selftests/gates/lib.sh selftests/gates/overlay
set -euo pipefail
# shellcheck source=selftests/gates/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

for test in ./page_huge ./page_huge_ops ./page_huge_gup ./page_huge_zero; do
	boot_selftest debug "$test"
done
