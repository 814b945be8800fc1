#!/bin/bash
# Threads of two processes race for the zero page of /dev/page-huge, 10,000 rounds on the default kernel and 1,000 on the debug kernel; no splat, no counter changes.
set -euo pipefail
# shellcheck source=selftests/gates/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

export TIMEOUT=3600
boot_selftest default "env PAGE_HUGE_ZERO_ROUNDS=10000 ./page_huge_zero -t races"
boot_selftest debug "env PAGE_HUGE_ZERO_ROUNDS=1000 ./page_huge_zero -t races"
