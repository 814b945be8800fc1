#!/bin/bash
# The tests of the scripts and of the gates themselves, with planted faults, pass.
# Needs: tree
# Green: scripts selftests series
set -euo pipefail
# shellcheck source=selftests/gates/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cd "$TOP"
# Those that need a kernel are the gate "detect". The longest begin.
mapfile -t tests < <(find selftests -maxdepth 1 -name '*.t' ! -name 'boot*.t' ! -name 'build.t' -printf '%s %p\n' |
	sort -rn | cut -d ' ' -f 2)
run_tests ${tests[@]+"${tests[@]}"}
