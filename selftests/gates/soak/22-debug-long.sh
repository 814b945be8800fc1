#!/bin/bash
# The same as boot-debug with pages of 1 GiB too, each test in a boot of its own.
set -euo pipefail
# shellcheck source=selftests/gates/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

export TIMEOUT=1800
for test in ./page_huge ./page_huge_ops ./page_huge_gup ./page_huge_zero; do
	boot_selftest debug "$test"
done
