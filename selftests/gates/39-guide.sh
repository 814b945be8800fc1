#!/bin/bash
# A module written from the guide alone, selftests/guide, builds against the default kernel and does all seven steps; no counter changes.
# Boots: yes
# Green: scripts/lib.sh scripts/build.sh scripts/boot.sh selftests/guide selftests/config selftests/guest selftests/splat.deny selftests/splat.allow selftests/skip.allow selftests/gates/lib.sh selftests/gates/overlay
set -euo pipefail
# shellcheck source=selftests/gates/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

"$TOP/scripts/build.sh" default
cp -r "$TOP/selftests/guide" "$TMPDIR/guide"
mkdir -p "$TMPDIR/overlay/guide"
make -s -C "$BUILD/linux" O="$BUILD/default" ARCH=x86 LOCALVERSION= W=1 M="$TMPDIR/guide" modules ||
	die "the module does not build; has the guide, or an interface it tells of, changed?"
cp "$TMPDIR/guide/guide_buffer.ko" "$TMPDIR/overlay/guide/"
gcc -static -O2 -Wall -Wextra -Werror -o "$TMPDIR/overlay/guide/guide_buffer_test" "$TMPDIR/guide/guide_buffer_test.c"

status=0
TIMEOUT=${TIMEOUT:-600} "$TOP/scripts/boot.sh" -o "$TOP/selftests/gates/overlay" -o "$TMPDIR/overlay" -- \
	/gate/counters.sh bash -c 'insmod /guide/guide_buffer.ko && /guide/guide_buffer_test && rmmod guide_buffer' \
	>"$TMPDIR/tap" || status=$?
cat "$TMPDIR/tap"
((status == 0)) || die "it ended with $status (99: a counter changed; 120 to 123: see scripts/boot.sh)."
check_tap "$TMPDIR/tap"
