#!/bin/bash
# /dev/page-huge as a module: it builds, loads, passes its selftest, and unloads when nobody has it open.
# Green: scripts/lib.sh scripts/build.sh scripts/boot.sh selftests/config selftests/guest selftests/splat.deny selftests/splat.allow selftests/skip.allow selftests/gates/lib.sh selftests/gates/overlay
set -euo pipefail
# shellcheck source=selftests/gates/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

change_kernel -m DEV_PAGE_HUGE
grep -qx CONFIG_DEV_PAGE_HUGE=m "$BUILD/default/.config" ||
	die "CONFIG_DEV_PAGE_HUGE cannot be m; see its entry in drivers/char/Kconfig of the series."
mk INSTALL_MOD_PATH="$TMPDIR/overlay" modules_install
module=$(find "$TMPDIR/overlay" -path '*/drivers/char/*.ko' -printf '%f\n')
[[ $module == *.ko && $module != *$'\n'* ]] ||
	die "one module is expected of drivers/char, there is: ${module:-none}; see its Makefile in the series."

status=0
TIMEOUT=${TIMEOUT:-900} "$TOP/scripts/boot.sh" -o "$TOP/selftests/gates/overlay" -o "$TMPDIR/overlay" -- \
	/gate/module.sh "${module%.ko}" >"$TMPDIR/tap" || status=$?
cat "$TMPDIR/tap"
((status == 0)) || die "it ended with $status (99: a counter changed; 120 to 123: see scripts/boot.sh)."
check_tap "$TMPDIR/tap"
