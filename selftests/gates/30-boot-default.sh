#!/bin/bash
# The default kernel is built, boots, and passes the selftests of /dev/page-huge; no counter changes.
# Boots: yes
# Green: scripts/lib.sh scripts/build.sh scripts/boot.sh selftests/config selftests/guest selftests/splat.deny selftests/splat.allow selftests/skip.allow selftests/gates/lib.sh selftests/gates/overlay
set -euo pipefail
# shellcheck source=selftests/gates/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# Each by itself, where its skips are seen; then as a developer of mm runs them.
boot_selftest default ./page_huge ./page_huge_ops ./page_huge_gup ./page_huge_zero
boot_selftest default ./ksft_page_huge.sh
