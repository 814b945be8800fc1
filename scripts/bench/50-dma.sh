# shellcheck shell=bash disable=SC2034,SC2154 # see lib.sh
# Memory for a device: dma-bufs of the heaps of huge pages, beside those of the system
# and of CMA, and udmabuf; and memory of a program's own, pinned and mapped. Sourced
# by scripts/bench.sh.

# A program's own pages have a guest without CMA, out of which base pages would be
# moved to be pinned, and with a device for VFIO, behind an IOMMU. Interrupts are not
# remapped.
pools="default_hugepagesz=2M hugepagesz=2M hugepages=528 hugepagesz=1G hugepages=1"
for run in a b; do
	say "run $run: dma-bufs"
	devices=
	counted "$BUILD" "$run" 7168 "$pools cma=1088M" -m 1024 -r 2 dma
	say "run $run: memory of a program's own"
	devices="-device intel-iommu -device edu"
	counted "$BUILD" "g$run" 7168 "$pools intel_iommu=on vfio_iommu_type1.allow_unsafe_interrupts=1" \
		-m 1024 -r 2 own
	tail -n +2 "$out/g$run.tsv" >>"$out/$run.tsv"
done
tables dma '^(page-huge|heap hugetlb.*)$'

{
	printf 'Guest instructions, tree %s\n' "$(tree_of "$BUILD")"
	printf '(-icount shift=0, -cpu max,-erms,-fsrm, one processor: no caches, no TLB)\n\n'
	printf '1 GiB of each. Touched is what has to be to have all of it mapped: each base\n'
	printf 'page of CMA, else each 2 MiB or 1 GiB. Devices of lib/test_hugetlb_dma take segments\n'
	printf 'of any length; VFIO is type1, behind an IOMMU. Whose pages are adjacent is chance, and\n'
	printf 'in the entries; VFIO looks at each base page of them. Other sizes are in dma.tsv.\n\n'
	awk -F'\t' -v OFS='\t' '
		NR == 1 { print "memory", "page kB", "operation", "instructions", "clearing", "each", "faults" }
		NR > 1 && $5 == 1024 && $7 == "ns" {
			printf "%s\t%s\t%s\t%.0f\t%.0f\t%.0f\t%s\n", $3, $4, $6, $9, $13, $9 / $8, $12
		}' "$out/all.tsv" | column -t -s "$TAB"
	printf '\nEntries of the scatterlist, for 1 GiB:\n'
	awk -F'\t' 'NR > 1 && $5 == 1024 && $7 == "entries" { printf "    %s, pages of %s kB, %s: %.0f\n", $3, $4, $6, $9 }' "$out/all.tsv"
	printf '\n'
	awk -F'\t' "$goal_functions"'
	NR > 1 && $5 == 1024 && $7 == "ns" { v[$3, $4, $6] = $9 }
	NR > 1 && $5 == 1024 && $7 == "entries" { n[$3, $4] = $9 }
	function ready(memory, page) {
		return v[memory, page, "map"] == "" ? "" : v[memory, page, "map"] + v[memory, page, "touch"]
	}
	# The best of the others; each of them has to be there.
	function best(   i, least, one) {
		for (i = 1; i <= nr; i++) {
			one = ready(peers[i], i < nr ? M : G)
			if (one == "")
				return ""
			if (least == "" || one < least)
				least = one
		}
		return least
	}
	END {
		M = 2048; G = 1048576
		nr = split("heap system;heap default_cma_region;udmabuf;udmabuf", peers, ";")
		note = "the best of system, CMA, and udmabuf of pages of 2 MiB and of 1 GiB"
		goal("map and touch, 1 GiB pages: heap hugetlb / best peer", ratio(ready("heap hugetlb-1048576kB", G), best()), 0.01, note)
		goal("map and touch, 2 MiB pages: heap hugetlb / best peer", ratio(ready("heap hugetlb-2048kB", M), best()), 0.2, note)
		goal("attach and map, entries of one page of 1 GiB", figure(n["heap hugetlb-1048576kB", G]), 1, "a run is an entry; the selftests compare the two for buffers of any shape")
		goal("attach and map, entries of a contiguous buffer of pages of 2 MiB", figure(n["heap hugetlb-2048kB-contig", M]), 1, "if it does not go across 4 GiB")
		p = "VFIO map"
		note = "base pages just allocated, which are often adjacent, and of which none has to be moved"
		goal(p ", own pages of 2 MiB / 4 KiB", ratio(v["MAP_HUGETLB", M, p], v["base pages", 4, p]), 0.05, note)
		goal(p ", own pages of 1 GiB / 4 KiB", ratio(v["MAP_HUGETLB", G, p], v["base pages", 4, p]), 0.05, note)
	}' "$out/all.tsv" | goals
	comparisons
} >"$out/files/dma.txt"
