#!/bin/bash
# bench.sh: both kernels are built and measured, a goal that is missed or cannot
# be checked is seen, results are written whole or not at all.
set -euo pipefail
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
repo=$T/repo
test_repo "$repo"
bench=$repo/scripts/bench.sh
export T
cat >"$repo/scripts/build.sh" <<'END'
#!/bin/bash
echo "build $BUILD" >>"$T/steps"
mkdir -p "$BUILD/default/overlay/kselftest/mm"
echo "tree-of-${BUILD##*/} key" >"$BUILD/default/tree"
for program in page_huge_bench hugetlb_heap_bench; do
	[[ -e $T/no-$program ]] || install -m 755 /dev/null "$BUILD/default/overlay/kselftest/mm/$program"
done
END
cat >"$repo/scripts/boot.sh" <<'END'
#!/bin/bash
echo "boot $BUILD ${ICOUNT:-}" >>"$T/steps"
[[ ! -e $T/broken ]] || exit 121
case $* in
*/hugetlb_heap_bench*) cat "$T/dma" ;;
*) cat "$T/figures" ;;
esac
END
figures() {
	printf '%s\t%s\t%s\t%s\n' \
		page-huge read 512 1000 page-huge "munmap after read" 512 400 \
		page-huge write 512 266000 page-huge "write after read" 512 266500 \
		MAP_HUGETLB read 512 266000 MAP_HUGETLB "munmap after read" 512 1300 \
		MAP_HUGETLB write 512 266000 MAP_HUGETLB "fork after write" 512 1500 \
		MAP_HUGETLB "munmap after write" 512 1300 THP read 512 2600 \
		MAP_HUGETLB-1G read 1 134000000
}
figures >"$T/figures"
dma() {
	local kind
	for kind in system CMA udmabuf-2048kB udmabuf-1048576kB; do
		printf '%s\tmmap and touch\t0\t100000000\n' "$kind"
	done
	printf '%s\t%s\t%s\t%s\n' \
		hugetlb-2048kB "mmap and touch" 0 1000000 hugetlb-1048576kB "mmap and touch" 0 9000 \
		hugetlb-2048kB "attach and map" 512 9000 hugetlb-2048kB-contig "attach and map" 1 9000 \
		hugetlb-1048576kB "attach and map" 1 900 own-vfio-4kB "pin and map" 0 100000000 \
		own-vfio-2048kB "pin and map" 0 1000000 own-vfio-1048576kB "pin and map" 0 1000000
}
dma >"$T/dma"
results=$repo/Documentation/results

refuses "an unknown part" "say bench.sh \[zero-page" "$bench" all
for program in page_huge_bench hugetlb_heap_bench; do
	: >"$T/no-$program"
	refuses "a series without $program" "brings no page_huge_bench or hugetlb_heap_bench" "$bench"
	rm -r "$T/no-$program" "$BUILD/default"
done
fake_kernel "$BUILD/linux"
rm "$T/steps"
refuses "a tree without a base" "make it with scripts/apply.sh" "$bench"
git -C "$BUILD/linux" tag base
: >"$T/broken"
refuses "a guest that panics" "the guest failed with 121" "$bench"
ok "no results of it" test ! -e "$results/zero-page.tsv"
rm "$T/broken" "$T/steps"
ok "goals that are met" "$bench"
is "both kernels, one after the other" "$(xargs <"$T/steps")" \
	"build $BUILD build $BUILD/baseline boot $BUILD 1 boot $BUILD/baseline 1 boot $BUILD 1"
is "each figure with its tree" "$(cut -f1,2 "$results/zero-page.tsv" | sort | uniq -c | xargs)" \
	"11 baseline tree-of-baseline 1 kernel tree 11 series tree-of-${BUILD##*/}"
is "the base is the base" "$(git -C "$BUILD/baseline/linux" rev-parse HEAD)" "$(git -C "$BUILD/linux" rev-parse base)"
is "each goal has a result" "$(grep -c 'at most .*: met)' "$results/zero-page.txt")" 10
sed -i 's/^page-huge\tread\t512\t1000/page-huge\tread\t512\t9000/' "$T/figures"
status "a goal that is missed" 1 "$bench"
like "it is named" "$out" "read: page-huge / MAP_HUGETLB: .*MISSED"
figures >"$T/figures"
is "each figure of a buffer with its tree" "$(cut -f1 "$results/dma.tsv" | sort | uniq -c | xargs)" \
	"1 tree 12 tree-of-${BUILD##*/}"
is "each goal of a buffer has a result" "$(grep -c 'at most .*: met)' "$results/dma.txt")" 6
sed -i 's/^hugetlb-1048576kB\tmmap and touch\t0\t9000/hugetlb-1048576kB\tmmap and touch\t0\t9000000/' "$T/dma"
status "a goal of a buffer that is missed" 1 "$bench"
like "it is named, too" "$out" "pages of 1 GiB / best peer: .*MISSED"
dma | grep -v CMA >"$T/dma"
status "a peer that is not there" 1 "$bench"
like "what cannot be compared is named" "$out" "pages of 2 MiB / best peer: - .*not checked"
dma >"$T/dma"
rm "$T/steps" "$results"/*
ok "one part" "$bench" dma
is "of the one kernel" "$(xargs <"$T/steps")" "build $BUILD boot $BUILD 1"
is "and no other results" "$(cd "$results" && xargs <<<"$(ls)")" "dma.tsv dma.txt"
figures | grep -v THP >"$T/figures"
status "a figure that is not there" 1 "$bench"
like "its goal is named" "$out" "THP zero page: - .*not checked"

done_testing
