#!/bin/bash
# The tree's own ways to run the tests work: kselftest-install and run_vmtests.sh with the categories of huge pages, run_kselftest.sh, kunit.py.
set -euo pipefail
# shellcheck source=selftests/gates/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

own_tree HEAD
export BUILD=$STATE
linux=$STATE/linux
"$TOP/scripts/build.sh" default

say "official: make kselftest-install TARGETS=mm"
mkdir -p "$TMPDIR/overlay"
make -s -C "$linux" O="$BUILD/default" -j"$(nproc)" kselftest-install \
	TARGETS=mm FORCE_TARGETS=1 KSFT_INSTALL_PATH="$TMPDIR/overlay/official" >"$TMPDIR/install.log" 2>&1 || {
	tail -n 20 "$TMPDIR/install.log"
	die "make kselftest-install fails (above)."
}

# run_kselftest.sh wants more of timeout than busybox has.
install -D "$(type -P timeout)" "$TMPDIR/overlay/usr/bin/timeout"

# official DIR COMMAND...: in a guest, where the tests were installed; its TAP is
# right. The scripts open /dev/stdout again, which the port of the guest is not for.
official() {
	local status=0
	# shellcheck disable=SC2016 # expanded in the guest
	TIMEOUT=900 "$TOP/scripts/boot.sh" -o "$TOP/selftests/gates/overlay" -o "$TMPDIR/overlay" -- \
		bash -c 'set -o pipefail; cd "$1" && shift && "$@" 2>&1 | cat' - "$@" >"$TMPDIR/tap" || status=$?
	cat "$TMPDIR/tap"
	shift
	((status == 0)) || { say "$* ended with $status"; return 1; }
	# What the tests in a program say is indented, or a comment; there it is no skip.
	! grep -E '^ok .*# (SKIP|XFAIL)' "$TMPDIR/tap" || { say "$* has run next to nothing"; return 1; }
	check_tap "$TMPDIR/tap"
}

# By itself that make says ARCH=x86, and tools/testing/selftests/mm/Makefile leaves
# out write_to_hugetlbfs then, which two tests of hugetlb need: these as build.sh has
# them, from "make -C tools/testing/selftests install". They resize pools, whose pages
# of 1 GiB are on other nodes afterwards.
official /kselftest/mm bash run_vmtests.sh -t hugetlb || complain "run_vmtests.sh -t hugetlb is not green."
for category in page_huge hugetlb_driver; do
	official /official/mm /gate/counters.sh bash run_vmtests.sh -t "$category" || complain "run_vmtests.sh -t $category is not green."
done
official /official /gate/counters.sh ./run_kselftest.sh -t mm:ksft_page_huge.sh || complain "run_kselftest.sh -t mm:ksft_page_huge.sh is not green."

# Seen to see: a test that fails.
printf '#!/bin/sh\nexit 1\n' >"$TMPDIR/overlay/official/mm/page_huge"
! official /official/mm bash run_vmtests.sh -t page_huge >/dev/null ||
	complain "run_vmtests.sh does not see a test that fails."

# It asks QEMU for KVM first, and hangs where that is there but broken: it does not
# see it when boot.sh has found that no guest runs on it.
hide=()
[[ $(cat "$CACHE"/kvm.*) == kvm ]] || hide=(unshare --mount sh -c 'mount --bind /dev/null /dev/kvm && exec "$@"' -)
[[ -e /dev/kvm ]] || hide=()
use_ccache
kunit() {
	(cd "$linux" && "${hide[@]}" tools/testing/kunit/kunit.py run --arch=x86_64 --jobs="$(nproc)" \
		--build_dir="$BUILD/kunit" --kunitconfig="$TOP/selftests/config/kunit.config" \
		--make_options="CC=$cc" --kernel_args=hugepages=16 --timeout=600 "$@")
}
say "official: kunit.py run"
kunit hugetlb_driver >"$TMPDIR/kunit" 2>&1 || complain "kunit.py run is not green."
cat "$TMPDIR/kunit"
# There are 16 pages of 2 MiB, one node, and no pages of 1 GiB.
passed=$(sed -n -E 's/.*Testing complete. Ran [0-9]+ tests: passed: ([0-9]+).*/\1/p' "$TMPDIR/kunit")
((${passed:-0} >= 100)) || complain "kunit.py ran next to no tests."
if kunit no_such_suite >"$TMPDIR/none" 2>&1 || ! grep -q 'Ran 0 tests\|Could not find any' "$TMPDIR/none"; then
	tail -n 5 "$TMPDIR/none"
	complain "kunit.py does not see that a suite is not there."
fi
((bad == 0))
echo "run_vmtests.sh, run_kselftest.sh and kunit.py: $(grep -o "Ran [0-9]* tests: passed: [0-9]*" "$TMPDIR/kunit")"
