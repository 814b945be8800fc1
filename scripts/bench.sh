#!/bin/bash
# bench.sh [zero-page|dma]...: what a huge page costs, in guest instructions, side by side: of
# /dev/page-huge, MAP_HUGETLB and THP, on the kernel of build/linux, and of
# MAP_HUGETLB and THP on the kernel without the series (zero-page); what a DMA
# buffer of 1 GiB costs, of the heaps of huge pages, of those of the system and
# CMA, and of udmabuf, and memory of a program's own given to a device (dma). Both,
# when none is named. Builds the kernels where that is not done (build/default,
# build/baseline), and writes tables for people and for programs, zero-page.txt and
# .tsv, dma.txt and .tsv, in Documentation/results.
#
# Under -icount shift=0 a nanosecond of the guest's clock is one instruction, those
# of an interrupt in between included: every operation is done several times, and
# the least counts. Instructions are all that is counted: no caches, no TLB, no
# contention, no memory bandwidth. The processor is without fast string
# instructions, which would clear a page in one. It takes 7 GiB of memory, and with
# the kernels built about ten minutes.
#
# Exit status: 0; 1 when a goal is missed or could not be checked.
#
# Environment:
#   RESULTS   where the results go (default: Documentation/results)
#   BUILD, CACHE as in lib.sh; JOBS as in build.sh
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

parts=("$@")
(($#)) || parts=(zero-page dma)
for part in "${parts[@]}"; do
	[[ $part == zero-page || $part == dma ]] ||
		die "unknown part '$part'; say bench.sh [zero-page|dma]..."
done
results=${RESULTS:-$TOP/Documentation/results}
[[ $results == /* ]] || results=$PWD/$results
# MiB, and how often: more changes nothing a page but how long it takes.
touched=1024
rounds=5

say "the kernel of $BUILD/linux"
"$TOP/scripts/build.sh" default
bench=$BUILD/default/overlay/kselftest/mm/page_huge_bench
[[ -x $bench && -x ${bench%/*}/hugetlb_heap_bench ]] ||
	die "the kernel in $BUILD/linux brings no page_huge_bench or hugetlb_heap_bench; go back to the whole series with scripts/apply.sh."

tmp=$(mktemp -d "$BUILD/.bench.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
mkdir -p "$results"
tree=$(cut -d' ' -f1 "$BUILD/default/tree")
missed=0

# table FIELDS FILE GOALS: for people.
table() {
	cut -f"$1" "$2" | column -t -s $'\t'
	printf '\n'
	# A tab would swallow the empty fields.
	while IFS=$'\037' read -r name figure bound result note; do
		printf '%s: %s' "$name" "$figure"
		[[ -z $bound ]] || printf ' (at most %s: %s)' "$bound" "$result"
		printf '\n'
		[[ -z $note ]] || printf '    %s\n' "$note"
	done < <(tr '\t' '\037' <"$3")
}

# measure BUILD FILE
measure() {
	BUILD=$1 ICOUNT=1 CPUS=1 NUMA=1 MEM=6144 TIMEOUT=900 \
		KERNEL_ARGS="default_hugepagesz=2M hugepagesz=2M hugepages=$((touched / 2 + 16)) hugepagesz=1G hugepages=1" \
		"$TOP/scripts/boot.sh" -c default -o "$tmp/overlay" -- \
		/bench/page_huge_bench "$touched" "$rounds" >"$2" ||
		die "the guest failed with $?; its console is $1/default/boot.log."
	[[ -s $2 ]] || die "page_huge_bench printed nothing."
}

# rows BUILD NAME
rows() {
	awk -v OFS='\t' -v tree="$(cut -d' ' -f1 "$1/default/tree")" -v kernel="$2" \
		'{ print kernel, tree, $0 }' "$tmp/$2"
}

zero_page() {
	local baseline commit
	say "the kernel without the series"
	baseline=$BUILD/baseline
	commit=$(git -C "$BUILD/linux" rev-parse -q --verify 'base^{commit}') ||
		die "$BUILD/linux has no tag base; make it with scripts/apply.sh."
	if [[ ! -e $baseline/linux/.git ]]; then
		mkdir -p "$baseline"
		git clone -q --shared --no-checkout "$BUILD/linux" "$baseline/linux"
	fi
	git -C "$baseline/linux" fetch -q "$BUILD/linux" "$commit"
	git -C "$baseline/linux" checkout -q --force --detach "$commit"
	BUILD=$baseline "$TOP/scripts/build.sh" default
	mkdir -p "$tmp/overlay/bench"
	cp "$bench" "$tmp/overlay/bench/"
	say "counting its instructions"
	measure "$BUILD" "$tmp/series"
	say "counting those without the series"
	measure "$baseline" "$tmp/baseline"

	{
		printf 'kernel\ttree\tkind\toperation\tpages\tinstructions_per_page\tgreatest\n'
		rows "$BUILD" series
		rows "$baseline" baseline
	} >"$tmp/tsv"

	# The goals: name, figure, bound; a figure that cannot be had is "-".
	awk -F'\t' '
	NR > 1 { v[$1, $3, $4] = $6 }
	function ratio(a, b) { return a == "" || b == "" || !b ? "-" : a / b }
	function goal(name, figure, bound, note) {
		result = figure == "-" ? "not checked" : figure <= bound ? "met" : "MISSED"
		printf "%s\t%s\t%s\t%s\t%s\n", name, figure == "-" ? "-" : sprintf("%.4f", figure), bound, result, note
	}
	END {
		s = "series"; b = "baseline"; D = "page-huge"; H = "MAP_HUGETLB"; G = H "-1G"
		dr = v[s, D, "read"]; hr = v[s, H, "read"]; hw = v[s, H, "write"]
		# What grows with the size is clearing; the rest is what a page costs.
		perbyte = v[s, G, "read"] == "" ? "" : (v[s, G, "read"] - hr) / (1024 - 2)
		rest = perbyte == "" ? "" : hr - 2 * perbyte
		printf "fault of MAP_HUGETLB without clearing\t%s\t\t\tinstructions; by the difference of a page of 1 GiB and one of 2 MiB, so with the loop over base pages in the part of clearing\n", rest == "" ? "-" : sprintf("%d", rest)
		goal("read: page-huge / MAP_HUGETLB", ratio(dr, hr), 0.01, "most of the latter is clearing, which real processors do faster than by the instruction")
		goal("read: page-huge / MAP_HUGETLB without clearing", ratio(dr, rest), 0.5, "as above")
		goal("read: page-huge / THP zero page", ratio(dr, v[s, "THP", "read"]), 0.7, "the first fault, which allocates the zero page, is not in it")
		goal("munmap after read: page-huge / MAP_HUGETLB", ratio(v[s, D, "munmap after read"], v[s, H, "munmap after read"]), 0.5, "no TLB flush is counted")
		goal("write: page-huge / MAP_HUGETLB", ratio(v[s, D, "write"], hw), 1.005, "almost all of both is clearing")
		goal("write after read: page-huge / (write + zero-page fault)", ratio(v[s, D, "write after read"] + dr, v[s, D, "write"] + dr), 1.05, "the TLB flush of the zero page is not counted")
		goal("read, MAP_HUGETLB: series / baseline", ratio(hr, v[b, H, "read"]), 1.002, "almost all of both is clearing")
		goal("write, MAP_HUGETLB: series / baseline", ratio(hw, v[b, H, "write"]), 1.002, "almost all of both is clearing")
		f = v[b, H, "fork after write"]; m = v[b, H, "munmap after write"]
		goal("fork, MAP_HUGETLB: series - baseline, instructions a page", f == "" ? "-" : v[s, H, "fork after write"] - f, 20, "whatever fork() does beside the pages is spread over them")
		goal("munmap, MAP_HUGETLB: series - baseline, instructions a page", m == "" ? "-" : v[s, H, "munmap after write"] - m, 20, "")
	}' "$tmp/tsv" >"$tmp/goals"
	! grep -q -e MISSED -e 'not checked' "$tmp/goals" || missed=1
	{
		printf 'Guest instructions a page, %s MiB in pages of 2 MiB, one run, the least of %s rounds, tree %s\n' \
			"$touched" "$rounds" "$tree"
		printf '(-icount shift=0, -cpu max,-erms,-fsrm, one processor: no caches, no TLB)\n\n'
		table 1,3,4,6,7 "$tmp/tsv" "$tmp/goals"
	} >"$tmp/table"
	cat "$tmp/table"
	mv "$tmp/tsv" "$results/zero-page.tsv"
	mv "$tmp/table" "$results/zero-page.txt"
}

dma() {
	say "counting the instructions of DMA buffers"
	# One device, behind an IOMMU, for VFIO. Interrupts are not remapped.
	# shellcheck disable=SC2016 # the guest's shell expands it
	ICOUNT=1 CPUS=1 NUMA=1 MEM=7168 TIMEOUT=1800 \
		QEMU_ARGS="-device intel-iommu -device edu" \
		KERNEL_ARGS="default_hugepagesz=2M hugepagesz=2M hugepages=528 hugepagesz=1G hugepages=1 cma=1088M udmabuf.size_limit_mb=1024 intel_iommu=on vfio_iommu_type1.allow_unsafe_interrupts=1" \
		"$TOP/scripts/boot.sh" -c default -- bash -c '
			edu=$(grep -l 0x11e8 /sys/bus/pci/devices/*/device)
			edu=${edu%/device}
			echo vfio-pci >"$edu/driver_override"
			echo "${edu##*/}" >/sys/bus/pci/drivers_probe
			group=$(readlink "$edu/iommu_group")
			modprobe test_hugetlb_dma
			exec /kselftest/mm/hugetlb_heap_bench 1024 "${group##*/}"' >"$tmp/dma" ||
		die "the guest failed with $?; its console is $BUILD/default/boot.log."
	[[ -s $tmp/dma ]] || die "hugetlb_heap_bench printed nothing."

	{
		printf 'tree\tkind\tstep\tentries\tinstructions\n'
		sed "s/^/$tree\t/" "$tmp/dma"
	} >"$tmp/tsv"
	awk -F'\t' '
	NR > 1 { v[$2, $3] = $5; n[$2, $3] = $4 }
	function ratio(a, b) { return a == "" || b == "" || !b ? "-" : a / b }
	function goal(name, figure, bound, note) {
		result = figure == "-" ? "not checked" : figure <= bound ? "met" : "MISSED"
		printf "%s\t%s\t%s\t%s\t%s\n", name, figure == "-" ? "-" : sprintf("%.6g", figure), bound, result, note
	}
	# Each of them has to be there.
	function best(step,   i, least) {
		for (i = 1; i <= nr; i++) {
			if (v[peers[i], step] == "")
				return ""
			if (least == "" || v[peers[i], step] + 0 < least)
				least = v[peers[i], step] + 0
		}
		return least
	}
	END {
		nr = split("system CMA udmabuf-2048kB udmabuf-1048576kB", peers, " ")
		t = "mmap and touch"
		note = "the best of system, CMA and udmabuf; the loop that touches is left out, the same for all"
		goal(t ", pages of 1 GiB / best peer", ratio(v["hugetlb-1048576kB", t], best(t)), 0.01, note)
		goal(t ", pages of 2 MiB / best peer", ratio(v["hugetlb-2048kB", t], best(t)), 0.2, note)
		m = "attach and map"
		goal(m ", entries of one page of 1 GiB", n["hugetlb-1048576kB", m] == "" ? "-" : n["hugetlb-1048576kB", m], 1, "a run is an entry; the selftests compare the two for buffers of any shape")
		goal(m ", entries of a contiguous buffer of pages of 2 MiB", n["hugetlb-2048kB-contig", m] == "" ? "-" : n["hugetlb-2048kB-contig", m], 1, "if it does not go across 4 GiB")
		p = "pin and map"
		note = "VFIO type1, behind an IOMMU; base pages just allocated, which are often adjacent"
		goal(p ", own pages of 2 MiB / 4 KiB", ratio(v["own-vfio-2048kB", p], v["own-vfio-4kB", p]), 0.05, note)
		goal(p ", own pages of 1 GiB / 4 KiB", ratio(v["own-vfio-1048576kB", p], v["own-vfio-4kB", p]), 0.05, note)
	}' "$tmp/tsv" >"$tmp/goals"
	! grep -q -e MISSED -e 'not checked' "$tmp/goals" || missed=1
	{
		printf 'Guest instructions, a buffer of 1 GiB, the least of five, one run, tree %s\n' "$tree"
		printf '(-icount shift=0, -cpu max,-erms,-fsrm, one processor: no caches, no TLB;\n'
		printf 'most of allocate is clearing; own-*: memory of a program, by VFIO type1 or by\n'
		printf 'lib/test_hugetlb_dma; entries: those of the scatterlist that the device gets)\n\n'
		table 2-5 "$tmp/tsv" "$tmp/goals"
	} >"$tmp/table"
	cat "$tmp/table"
	mv "$tmp/tsv" "$results/dma.tsv"
	mv "$tmp/table" "$results/dma.txt"
}

for part in "${parts[@]}"; do
	case $part in
	zero-page) zero_page ;;
	dma) dma ;;
	esac
done
exit "$missed"
