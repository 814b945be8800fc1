#!/bin/bash
# On a kernel without transparent huge pages there is no zero page, and the selftests of /dev/page-huge pass.
set -euo pipefail
# shellcheck source=selftests/gates/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

own_tree HEAD
# The default kernel but for this; build.sh would put it back.
BUILD=$STATE
out=$BUILD/default
"$TOP/scripts/build.sh" default
echo "without transparent huge pages" >"$out/tree"
cc=gcc
! command -v ccache >/dev/null || cc="ccache gcc"
export CCACHE_BASEDIR=$BUILD CCACHE_NOHASHDIR=1
"$BUILD/linux/scripts/config" --file "$out/.config" -d TRANSPARENT_HUGEPAGE
for target in olddefconfig bzImage; do
	make -s -C "$BUILD/linux" O="$out" ARCH=x86 LOCALVERSION= CC="$cc" -j"$(nproc)" "$target"
done
! grep -q '^CONFIG_TRANSPARENT_HUGEPAGE=' "$out/.config" ||
	die "something selects TRANSPARENT_HUGEPAGE; find it with menuconfig in the default configuration."

for test in page_huge page_huge_ops page_huge_gup page_huge_zero; do
	status=0
	TIMEOUT=900 "$TOP/scripts/boot.sh" -o "$TOP/selftests/gates/overlay" -- \
		bash -c "cd /kselftest/mm && /gate/counters.sh ./$test" >"$TMPDIR/tap" || status=$?
	cat "$TMPDIR/tap"
	((status == 0)) || die "$test ended with $status (99: a counter changed; 120 to 123: see scripts/boot.sh)."
	check_tap "$TMPDIR/tap"
done
