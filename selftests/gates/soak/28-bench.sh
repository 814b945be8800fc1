#!/bin/bash
# What huge pages cost in guest instructions meets its goals, and is no more than 2% over the committed figures; so do the misses of a model of a TLB.
# Needs: tree
set -euo pipefail
# shellcheck source=selftests/gates/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

# Nothing of this machine is changed, and the committed results are not.
NATIVE=no RESULTS=$STATE/results "$TOP/scripts/bench.sh" memory buffer tlb dma
