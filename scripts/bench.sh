#!/bin/bash
# bench.sh: what a huge page costs, in guest instructions, side by side: of
# /dev/page-huge, MAP_HUGETLB and THP, on the kernel of build/linux; and of
# MAP_HUGETLB and THP on the kernel without the series. Builds both where that is
# not done (build/default and build/baseline), and writes a table for people and
# one for programs, Documentation/results/zero-page.txt and .tsv.
#
# Under -icount shift=0 a nanosecond of the guest's clock is one instruction, those
# of an interrupt in between included: every operation is done several times, and
# the least counts. Instructions are all that is counted: no caches, no TLB, no
# contention, no memory bandwidth. The processor is without fast string
# instructions, which would clear a page in one. It takes 5 GiB of memory, and with
# the kernels built about five minutes.
#
# Exit status: 0; 1 when a goal is missed or could not be checked.
#
# Environment:
#   RESULTS   where the results go (default: Documentation/results)
#   BUILD, CACHE as in lib.sh; JOBS as in build.sh
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

(($# == 0)) || die "too many arguments; say bench.sh."
results=${RESULTS:-$TOP/Documentation/results}
[[ $results == /* ]] || results=$PWD/$results
# MiB, and how often: more changes nothing a page but how long it takes.
touched=1024
rounds=5

say "[1/4] the kernel of $BUILD/linux"
"$TOP/scripts/build.sh" default
bench=$BUILD/default/overlay/kselftest/mm/page_huge_bench
[[ -x $bench ]] ||
	die "the kernel in $BUILD/linux brings no page_huge_bench; go back to the whole series with scripts/apply.sh."

say "[2/4] the kernel without the series"
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

tmp=$(mktemp -d "$BUILD/.bench.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
mkdir -p "$tmp/overlay/bench"
cp "$bench" "$tmp/overlay/bench/"

# measure BUILD FILE
measure() {
	BUILD=$1 ICOUNT=1 CPUS=1 NUMA=1 MEM=6144 TIMEOUT=900 \
		KERNEL_ARGS="default_hugepagesz=2M hugepagesz=2M hugepages=$((touched / 2 + 16)) hugepagesz=1G hugepages=1" \
		"$TOP/scripts/boot.sh" -c default -o "$tmp/overlay" -- \
		/bench/page_huge_bench "$touched" "$rounds" >"$2" ||
		die "the guest failed with $?; its console is $1/default/boot.log."
	[[ -s $2 ]] || die "page_huge_bench printed nothing."
}
say "[3/4] counting its instructions"
measure "$BUILD" "$tmp/series"
say "[4/4] counting those without the series"
measure "$baseline" "$tmp/baseline"

mkdir -p "$results"
# rows BUILD NAME
rows() {
	awk -v OFS='\t' -v tree="$(cut -d' ' -f1 "$1/default/tree")" -v kernel="$2" \
		'{ print kernel, tree, $0 }' "$tmp/$2"
}
{
	printf 'kernel\ttree\tkind\toperation\tpages\tinstructions_per_page\tgreatest\n'
	rows "$BUILD" series
	rows "$baseline" baseline
} >"$tmp/tsv"

# The goals: name, figure, bound; a figure that cannot be had is "-".
missed=0
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
		"$touched" "$rounds" "$(cut -d' ' -f1 "$BUILD/default/tree")"
	printf '(-icount shift=0, -cpu max,-erms,-fsrm, one processor: no caches, no TLB)\n\n'
	cut -f1,3,4,6,7 "$tmp/tsv" | column -t -s $'\t'
	printf '\n'
	# A tab would swallow the empty fields.
	while IFS=$'\037' read -r name figure bound result note; do
		printf '%s: %s' "$name" "$figure"
		[[ -z $bound ]] || printf ' (at most %s: %s)' "$bound" "$result"
		printf '\n'
		[[ -z $note ]] || printf '    %s\n' "$note"
	done < <(tr '\t' '\037' <"$tmp/goals")
} >"$tmp/table"
cat "$tmp/table"
mv "$tmp/tsv" "$results/zero-page.tsv"
mv "$tmp/table" "$results/zero-page.txt"
exit "$missed"
