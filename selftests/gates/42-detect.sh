#!/bin/bash
# build.sh and boot.sh tell right from wrong: a deliberate panic, hang, WARN, KASAN report and leak are seen.
# Boots: yes
# Green: scripts selftests/build.t selftests/boot.t selftests/boot-debug.t selftests/lib.sh selftests/config selftests/guest selftests/splat.deny selftests/splat.allow
set -euo pipefail
# shellcheck source=selftests/gates/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

"$TOP/scripts/build.sh" default
"$TOP/scripts/build.sh" debug
cd "$TOP"
# One at a time: they wait for guests, and for hangs of them.
JOBS=1 run_tests selftests/build.t selftests/boot.t selftests/boot-debug.t
