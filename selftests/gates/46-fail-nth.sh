#!/bin/bash
# Every call of the series that can fail for want of memory fails once, in any place: a clean error, counters as before, no leak, no splat; writes Documentation/results/fail-nth.tsv.
# Boots: yes
# Green: scripts/lib.sh scripts/build.sh scripts/boot.sh selftests/hunt selftests/config selftests/guest selftests/splat.deny selftests/splat.allow selftests/skip.allow selftests/gates/lib.sh selftests/gates/overlay
set -euo pipefail
# shellcheck source=selftests/gates/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# The gate coverage has it run on another kernel, and counts what is executed there.
config=${CONFIG:-debug}
hunt=$TOP/selftests/hunt
results=$TOP/Documentation/results/fail-nth.tsv
"$TOP/scripts/build.sh" "$config"

# What is built in is a module here, so that it can be loaded again and again, and the
# heaps are two, since that one does not go. initcall_blacklist= goes by names.
mkdir "$TMPDIR/modules"
cp "$hunt/fail_call.c" "$TMPDIR/modules"
sed 's/page_huge_init/page_huge_load/' "$BUILD/linux/drivers/char/page.c" >"$TMPDIR/modules/page.c"
for name in first again; do
	sed 's/hugetlb_heap_init/hugetlb_heap_load/' "$BUILD/linux/drivers/dma-buf/heaps/hugetlb_heap.c" \
		>"$TMPDIR/modules/fail_heap_$name.c"
done
cat >"$TMPDIR/modules/Makefile" <<'X'
obj-m := fail_call.o page-huge.o fail_heap_first.o fail_heap_again.o
page-huge-y := page.o
X
[[ ! ${GCOV-} ]] || echo "GCOV_PROFILE := y" >>"$TMPDIR/modules/Makefile"
make -s -C "$BUILD/linux" O="$BUILD/$config" ARCH=x86 LOCALVERSION= M="$TMPDIR/modules" modules

# The code of those, and of the rest of the kernel.
install -D "$TMPDIR/modules/page.o" "$TMPDIR/objects/drivers/char/page.o"
install -D "$TMPDIR/modules/fail_heap_again.o" "$TMPDIR/objects/drivers/dma-buf/heaps/hugetlb_heap.o"
"$hunt/fail_sites.sh" "$TMPDIR/objects" "$BUILD/$config" >"$TMPDIR/sites"
say "Taken for calls that cannot fail, by their names:"
"$hunt/fail_sites.sh" --rest "$TMPDIR/objects" "$BUILD/$config" | paste -sd' ' | fold -sw 100

fail=$TMPDIR/overlay/fail
mkdir -p "$fail/modules"
cut -f1 "$TMPDIR/sites" >"$fail/sites"
awk -F'\t' -v sites="$(wc -l <"$TMPDIR/sites")" '!/^#/ { sites -= $3 } END { print sites }' \
	"$hunt/fail_sites.unreached" >"$fail/wanted"
[[ ! ${GCOV-} ]] || echo 0 >"$fail/wanted"
cp "$hunt/fail_nth.functions" "$fail/functions"
install "$hunt/fail_nth.sh" "$fail/run"
cp "$TMPDIR"/modules/*.ko "$BUILD/$config"/overlay/lib/modules/*/kernel/lib/test_hugetlb*.ko \
	"$BUILD/$config"/overlay/lib/modules/*/kernel/samples/hugetlb/*.ko "$fail/modules"
gcc -static -O2 -Wall -Wextra -Werror -I"$BUILD/linux/lib" -o "$fail/fail_nth" "$hunt/fail_nth.c"

# Pages of 1 GiB are known here, and there are none.
status=0
KERNEL_ARGS="hugepages=64 slab_nomerge rcupdate.rcu_expedited=1 intel_iommu=on iommu.strict=1 initcall_blacklist=page_huge_init,hugetlb_heap_init" \
	QEMU_ARGS="-cpu max,-erms,-fsrm,-la57 -device intel-iommu -device edu,dma_mask=0xffffffffffffffff" \
	SPLATS=$hunt/fail_nth.splats MEM=${MEM:-4096} TIMEOUT=${TIMEOUT:-900} "$TOP/scripts/boot.sh" -c "$config" \
	-o "$TOP/selftests/gates/overlay" -o "$TMPDIR/overlay" -- /fail/run >"$TMPDIR/output" || status=$?
# What has failed is in the table; the faults that were planted are no part of it.
sed '/^### /,$d' "$TMPDIR/output" >"$TMPDIR/said"
grep -v '^hit' "$TMPDIR/output"
((status == 0)) ||
	die "it ended with $status (99: a counter changed; 120 to 123: see scripts/boot.sh); the hits are those of $TMPDIR/output."
grep -v '^hit' "$TMPDIR/said" >"$TMPDIR/tap"
check_tap "$TMPDIR/tap"
[[ ! ${GCOV-} ]] || exit 0

status=0
"$hunt/fail_check.sh" "$TMPDIR/sites" "$TMPDIR/said" >"$TMPDIR/table" 2>"$TMPDIR/sum" || status=$?
cat "$TMPDIR/sum" >&2
((status == 0)) ||
	die "see above; a call that has not failed wants a scenario in selftests/hunt/fail_nth.c."
# A call that did not fail is seen.
last=$(grep '^hit' "$TMPDIR/said" | cut -f6 | tr ' ' '\n' | grep -Fxf "$fail/sites" | tail -n 1)
if grep -vF " $last " "$TMPDIR/said" >"$TMPDIR/less" && "$hunt/fail_check.sh" "$TMPDIR/sites" "$TMPDIR/less" &>/dev/null; then
	die "without the failures of $last all sites are there all the same: fail_check.sh does not look."
fi
# What was seen of this series before stays.
if ! grep -sqxF "# tree of the series: $TREE" "$results"; then
	{
		printf '# tree of the series: %s\n' "$TREE"
		printf '# file\tfunction\twhat it calls\tfailures\tof the call itself\terrors that a program got\n'
		sort "$TMPDIR/table"
	} >"$results"
fi
say "$(grep -c '^hit' "$TMPDIR/said") failures: $(tail -n 1 "$TMPDIR/sum"); see Documentation/results/fail-nth.tsv"
