#!/bin/bash
# The selftest of /dev/page-huge passes 20 times in a row on the debug kernel, in one boot.
set -euo pipefail
# shellcheck source=selftests/gates/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

TIMEOUT=7200
boot_selftest debug "/gate/repeat.sh 20 ./page_huge"
