#!/bin/bash
# The default kernel is built, boots, and passes the selftest of /dev/page-huge; no counter changes.
# Green: scripts/lib.sh scripts/build.sh scripts/boot.sh selftests/config selftests/guest selftests/splat.deny selftests/splat.allow selftests/skip.allow selftests/gates/lib.sh selftests/gates/overlay
set -euo pipefail
# shellcheck source=selftests/gates/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

boot_selftest default ./page_huge
# As a developer of mm runs it.
boot_selftest default ./ksft_page_huge.sh
