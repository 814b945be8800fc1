#!/bin/bash
# The KUnit suite of the driver API passes on the default kernel, with pages of every size; no counter changes.
# Boots: yes
# Green: scripts/lib.sh scripts/build.sh scripts/boot.sh selftests/config selftests/guest selftests/splat.deny selftests/splat.allow selftests/skip.allow selftests/gates/lib.sh selftests/gates/overlay
set -euo pipefail
# shellcheck source=selftests/gates/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

boot_selftest default "/gate/kunit.sh hugetlb_driver"
