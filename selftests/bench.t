#!/bin/bash
# bench.sh: both kernels are built and measured, a goal that is missed or cannot be
# checked is seen, and so is what got worse and what two runs do not agree on;
# results are written whole or not at all. Guests and plugins are stand-ins.
# shellcheck disable=SC2016 # awk has variables of its own
set -euo pipefail
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
repo=$T/repo
test_repo "$repo"
bench=$repo/scripts/bench.sh
export T NATIVE=no
cat >"$repo/scripts/setup.sh" <<'END'
#!/bin/bash
echo "setup $*" >>"$T/steps"
END
cat >"$repo/scripts/build.sh" <<'END'
#!/bin/bash
echo "build ${BUILD##*/}" >>"$T/steps"
mkdir -p "$BUILD/default/overlay/kselftest/mm"
echo "tree-of-${BUILD##*/} key" >"$BUILD/default/tree"
: >"$BUILD/default/System.map"
[[ -e $T/no-program ]] || { printf '#!/bin/sh\n' >"$BUILD/default/overlay/kselftest/mm/page_huge_bench"; chmod +x "$BUILD/default/overlay/kselftest/mm/page_huge_bench"; }
END
# What page_huge_bench and the plugins would say. $T/edit changes figures: an awk
# program, with the number of the boot in "boot".
cat >"$repo/scripts/boot.sh" <<'END'
#!/bin/bash
boot=$(($(cat "$T/boots" 2>/dev/null || echo 0) + 1))
echo $boot >"$T/boots"
while [[ $1 != -- ]]; do shift; done
echo "boot ${BUILD##*/} ${ICOUNT:-}${MEMFD:+ $MEMFD} ${*: -1}" >>"$T/steps"
[[ ! -e $T/broken ]] || exit 121
series=1
[[ $BUILD != */baseline ]] || series=0
awk -v OFS='\t' -v args="$*" -v series="$series" '
function row(part, memory, page, mib, op, unit, count, least, faults) {
	print id++, part, memory, page, mib, op, unit, count, 3, least, least, least, faults
}
function memory(name, page, read, write, zap,   n, mib) {
	for (mib = 4; mib <= 1024; mib *= 16) {
		n = mib * 1024 / page
		if (n < 1)
			continue
		row("memory", name, page, mib, "mmap", "ns", 1, 5000, 0)
		row("memory", name, page, mib, "read", "ns", n, n * read, n)
		row("memory", name, page, mib, "read again", "ns", n, n * 7, 0)
		row("memory", name, page, mib, "munmap after read", "ns", n, n * (read > 100000 ? zap : int(zap / 3)), 0)
		row("memory", name, page, mib, "write", "ns", n, n * write, n)
		row("memory", name, page, mib, "page tables", "bytes", 1, 4096, 0)
		row("memory", name, page, mib, "write again", "ns", n, n * 7, 0)
		row("memory", name, page, mib, "fork after write", "ns", n, n * 500, 0)
		row("memory", name, page, mib, "write after fork", "ns", n, n * 800000, n)
		row("memory", name, page, mib, "munmap after write", "ns", n, n * zap, 0)
		row("memory", name, page, mib, "write after read", "ns", n, n * 266000, n)
	}
}
function buffer(name, page, touch, step, map,   n, mib) {
	for (mib = 4; mib <= 1024; mib *= 16) {
		n = mib * 1024 / step
		if (n < 1)
			continue
		row("buffer", name, page, mib, "map", "ns", 1, map * mib, 0)
		row("buffer", name, page, mib, "touch", "ns", n, n * touch, n)
		row("buffer", name, page, mib, "touch, populated", "ns", n, n * 7, name == "sample" ? 0 : n)
		row("buffer", name, page, mib, "page tables", "bytes", 1, page == 2048 ? 4096 : 0, 0)
		row("buffer", name, page, mib, "second process: map", "ns", 1, 6000, 0)
		row("buffer", name, page, mib, "second process: touch", "ns", n, n * 7, 1)
	}
}
function dma(name, page, map) {
	row("dma", name, page, 1024, "map", "ns", 1, map, 0)
	row("dma", name, page, 1024, "touch", "ns", 1, name ~ /1048576/ ? 10 : 7000, 0)
}
function access(name, page, misses,   i, p, np, mib) {
	np = split("sequential,strided,random,pointer chase,packet ring", p, ",")
	for (mib = 1; mib <= 1024; mib *= 4)
		for (i = 1; i <= np; i++) {
			print id, 1, 1000, page == 4 ? 1000 : 0, page == 2048 ? 1000 : 0, (page > 2048 ? 1000 : 0), misses, misses, misses, 0 > "misses"
			row("access", name, page, mib, p[i], "ns", 1000, 5000, 0)
		}
}
BEGIN {
	id = 0
	print "id", "part", "memory", "page_kb", "mib", "operation", "unit", "count", "rounds", "least", "median", "greatest", "faults"
	if (args ~ /-p 1048576 memory$/) {
		memory("page-huge", 1048576, 134000000, 134000000, 8000)
	} else if (args ~ /memory$/) {
		if (series)
			memory("page-huge", 2048, 1300, 266000, 1000)
		memory("MAP_HUGETLB", 2048, 266000, 266000, 1000)
		memory("THP", 2048, 2300, 270000, 15000)
		memory("base pages", 4, 1100, 3000, 1000)
	} else if (args ~ /-p 1048576 buffer/) {
		buffer("sample", 1048576, 1400, 1048576, 6)
		buffer("udmabuf", 1048576, 5000000, 1048576, 6)
	} else if (args ~ /dma$/) {
		np = split("system;default_cma_region;hugetlb-2048kB;hugetlb-2048kB-contig;hugetlb-1048576kB", heaps, ";")
		for (i = 1; i <= np; i++)
			dma("heap " heaps[i], heaps[i] ~ /1048576/ ? 1048576 : 2048, heaps[i] ~ /hugetlb/ ? 1000 : 100000)
		dma("udmabuf", 2048, 100000)
		dma("udmabuf", 1048576, 100000)
		row("dma", "heap hugetlb-2048kB-contig", 2048, 1024, "attach and map", "entries", 1, 1, 0)
		row("dma", "heap hugetlb-1048576kB", 1048576, 1024, "attach and map", "entries", 1, 1, 0)
	} else if (args ~ /own$/) {
		row("own", "MAP_HUGETLB", 2048, 1024, "VFIO map", "ns", 512, 1000000, 0)
		row("own", "MAP_HUGETLB", 1048576, 1024, "VFIO map", "ns", 1, 1000000, 0)
		row("own", "base pages", 4, 1024, "VFIO map", "ns", 262144, 100000000, 0)
	} else if (args ~ /buffer/) {
		buffer("sample", 2048, 1400, 2048, 6)
		buffer("sample, base pages", 2048, 2200, 4, 6)
		buffer("remap_pfn_range", 2048, 7, 2048, 10000)
		buffer("vmf_insert_pfn_pmd", 2048, 1100, 2048, 6)
		buffer("udmabuf", 2048, 10000, 2048, 6)
		row("describe", "fresh huge pages", 2048, 1024, "scatterlist", "entries", 1, 16, 0)
	} else if (args ~ /access$/) {
		print "id", "times", "accesses", "of_4k", "of_2m", "of_1g", "l1_misses", "misses", "loads", "flushes" > "misses"
		access("page-huge", 2048, 1)
		access("base pages", 4, 500)
		access("MAP_HUGETLB", 2048, 1)
		access("sample", 2048, 1)
		access("sample, base pages", 2048, 500)
	} else if (args ~ /scale$/) {
		row("scale", "page-huge", 2048, 1024, "read, 1 thread", "ns", 512, 500, 512)
		row("scale", "MAP_HUGETLB", 2048, 1024, "read, 1 thread", "ns", 512, 1000, 512)
	}
	print "# not there: heap"
}' >"$T/figures"
awk -F'\t' -v OFS='\t' -v boot="$boot" "$(cat "$T/edit" 2>/dev/null || echo '{ print }')" "$T/figures"
if [[ ${QEMU_ARGS:-} == *count.so* && ! -e $T/no-counts ]]; then
	awk -F'\t' -v OFS='\t' 'NR == 1 { print "id", "times", "function", "instructions" }
		$7 == "ns" && $10 / $8 > 100000 && $4 == 2048 { print $1, 3, "__clear_pages_unrolled", 3 * ($10 - $8 * 3000) }
		$7 == "ns" { print $1, 3, "handle_mm_fault", 3 * $8 * 100 }' "$T/figures" >counts
fi
END
results=$repo/Documentation/results
edit() {
	cat >"$T/edit"
}
steps() {
	rm -f "$T/steps" "$T/boots"
}
for name in count tlb; do
	echo "int nothing;" >"$repo/scripts/bench/$name.c"
done

refuses "an unknown part" "unknown part 'all'; the parts are memory" "$bench" all
REASON=$'a\tb' refuses "a REASON with tabs" "REASON is one line" "$bench"
: >"$T/no-program"
refuses "a series without the program" "brings no page_huge_bench" "$bench"
rm "$T/no-program"
fake_kernel "$BUILD/linux"
refuses "a tree without a base" "make it with scripts/apply.sh" "$bench" memory
git -C "$BUILD/linux" tag base
refuses "no header for the plugins" "run scripts/setup.sh bench" "$bench" memory
mkdir -p "$CACHE/tools/qemu"
: >"$CACHE/tools/qemu/qemu-plugin.h"
: >"$T/broken"
refuses "a guest that panics" "the guest failed with 121" "$bench" memory
ok "no results of it" test ! -e "$results/memory.tsv"
rm "$T/broken"
: >"$T/no-counts"
refuses "a QEMU without plugins" "the plugin wrote nothing" "$bench" memory
rm "$T/no-counts"

steps
ok "goals that are met" "$bench"
is "what is done, in order" "$(xargs <"$T/steps")" \
	"setup boot setup bench build build build baseline boot build 1 memory boot build 1 memory boot build 1 memory boot build 1 memory boot baseline 1 memory boot build 1 pin boot build 1 pin boot build 1 pin boot build 1 pin boot build 1 1 access boot build scale boot build 1 dma boot build 1 own boot build 1 dma boot build 1 own"
is "the base is the base" "$(git -C "$BUILD/baseline/linux" rev-parse HEAD)" "$(git -C "$BUILD/linux" rev-parse base)"
is "each kernel's figures" "$(cut -f1 "$results/memory.tsv" | sort -u | xargs)" "baseline kernel series"
like "its tree is named" "$(cat "$results/memory.txt")" "tree tree-of-build.*tree tree-of-baseline"
is "each goal of memory has a result" "$(grep -c 'at most .*: met)' "$results/memory.txt")" 17
is "each of buffer" "$(grep -c 'at most .*: met)' "$results/buffer.txt")" 10
is "each of dma" "$(grep -c 'at most .*: met)' "$results/dma.txt")" 6
is "each of tlb" "$(grep -c 'at most .*: met)' "$results/tlb.txt")" 6
is "clearing is apart" "$(awk -F'\t' '$3 == "MAP_HUGETLB" && $5 == 1024 && $6 == "write" && $1 == "series" { print ($9 - $13) / $8 }' "$results/memory.tsv")" 3000
is "what is beside it has its functions" "$(awk -F'\t' '$2 == "MAP_HUGETLB" && $4 == 1024 && $5 == "write" { print $7, $8 }' "$results/memory-functions.tsv" | xargs)" "__clear_pages_unrolled 263000.0 handle_mm_fault 100.0"
like "two runs agree" "$(cat "$results/memory.txt")" "Two runs: ([0-9]+) of .* figures agree to 0.1%\."
like "what was not there is said" "$(cat "$results/buffer.txt")" "not there: heap"
is "all goals are in one table" "$(grep -c ': met)' "$results/goals.txt")" 39
is "it is no wider than a mail" "$(grep -c '.\{77\}' "$results/goals.txt")" 0
for name in first-use buffer tlb fault-parts; do
	ok "the picture $name" test -s "$results/$name.svg" -a -s "$results/$name.png"
done

# miss DESC REGEX PART: PART fails, and says so.
miss() {
	steps
	status "$1" 1 "$bench" "$3"
	like "it is named" "$out" "$2"
}
edit <<<'$3 == "page-huge" && $6 == "read" { $10 *= 3 } { print }'
miss "a goal that is missed" "read: page-huge / MAP_HUGETLB: .*MISSED" memory
edit <<<'$3 != "THP"'
miss "a figure that is not there" "THP zero page: - .*not checked" memory
edit <<<'$3 == "sample" && $6 == "touch, populated" { $13 = 1 } { print }'
miss "a fault after populate" "2 MiB pages: faults: 1 .*MISSED" buffer
edit <<<'$3 != "heap default_cma_region"'
miss "a peer that is not there" "2 MiB pages: heap hugetlb / best peer: - .*not checked" dma
edit <<<'{ print }'

# What was measured is committed
ok "all is well again" "$bench" memory buffer
git init -q "$repo"
git -C "$repo" add -A
git -C "$repo" commit -qm "results"
edit <<<'$3 == "sample" && $6 == "touch" { $10 = int($10 * 1.03) } { print }'
miss "what got 3% worse" "sample, pages of 2048 kB, 1024 MiB, touch: 738304, was 716800" buffer
miss "is not forgotten" "More than 2% over the committed" buffer
steps
REASON="a test" ok "with a reason it is taken" "$bench" buffer
is "which is written beside it" "$(awk -F'\t' '$3 == "sample" && $4 == 2048 && $5 == 1024 && $6 == "touch" { print $NF }' "$results/buffer.tsv")" "a test"
git -C "$repo" commit -qam "worse"
ok "what is committed is what counts" "$bench" buffer
is "and the reasons stay" "$(grep -c 'a test' "$results/buffer.tsv")" 2
edit <<<'$3 == "sample" && $6 == "touch" { $10 = int($10 * 1.03) } $3 == "vmf_insert_pfn_pmd" { $10 *= 2 } { print }'
ok "what is not ours may get worse" "$bench" buffer
edit <<<'$3 == "sample" && $6 == "touch" && boot == 3 { $10 = int($10 * 1.01) } { print }'
steps
ok "two runs that do not agree" "$bench" buffer
like "are told of" "$out" "figures agree to 0.1%; these do not:"$'\n'"    sample, .*: 1.00% of"

done_testing
