# shellcheck shell=bash disable=SC2154 # see lib.sh
# Memory that a program gets from the kernel: /dev/page-huge beside MAP_HUGETLB,
# transparent huge pages and base pages; and MAP_HUGETLB with the series and
# without it. Sourced by scripts/bench.sh.

# What is larger than 1 GiB takes long, and is in one run only.
need_baseline
pool2m="default_hugepagesz=2M hugepagesz=2M hugepages"
say "[1/5] 2 MiB pages, first run"
counted "$BUILD" a 10240 "$pool2m=2064" -m 4096 -r 2 -p 4 -p 2048 memory
say "[2/5] second run"
counted "$BUILD" b 6144 "$pool2m=1040" -m 1024 -r 2 -p 4 -p 2048 memory
say "[3/5] 1 GiB pages"
counted "$BUILD" ga 6144 "$pool2m=0 hugepagesz=1G hugepages=4" -m 4096 -r 1 -p 1048576 memory
say "[4/5] second run"
counted "$BUILD" gb 6144 "$pool2m=0 hugepagesz=1G hugepages=4" -m 1024 -r 1 -p 1048576 memory
say "[5/5] without the series"
counted "$baseline" base 6144 "$pool2m=1040" -m 1024 -r 2 -p 4 -p 2048 memory
tail -n +2 "$out/ga.tsv" >>"$out/a.tsv"
tail -n +2 "$out/gb.tsv" >>"$out/b.tsv"
same_twice "$out/a.tsv" "$out/b.tsv" >"$out/two"
awk -F'\t' -v OFS='\t' '
	FNR == 1 { if (NR == 1) print "kernel", $0; next }
	NR == FNR { print "series", $0; next }
	{ $8 = $8 OFS ""; print "baseline", $0 }' "$out/two" "$out/base.tsv" >"$out/all.tsv"
not_worse memory '^page-huge$'
functions memory

{
	printf 'Guest instructions, tree %s;\n' "$(tree_of "$BUILD")"
	printf 'without the series: tree %s\n' "$(tree_of "$baseline")"
	printf '(-icount shift=0, -cpu max,-erms,-fsrm, one processor: no caches, no TLB)\n\n'
	printf 'Of 1 GiB, for each page. Other sizes, from 4 MiB to 4 GiB, are in memory.tsv;\nmore than 1 GiB is measured in one run only, and 4 GiB are not in the tables here.\n\n'
	awk -F'\t' -v OFS='\t' '
		NR == 1 { print "kernel", "memory", "page kB", "operation", "instructions", "clearing", "copying", "the rest", "faults" }
		NR > 1 && $5 == 1024 && $7 == "ns" {
			printf "%s\t%s\t%s\t%s\t%.0f\t%.0f\t%.0f\t%.0f\t%s\n", $1, $3, $4, $6, $9 / $8, $13 / $8, $14 / $8, ($9 - $13 - $14) / $8, $12
		}' "$out/all.tsv" | column -t -s "$TAB"
	printf '\nPage tables, bytes for 1 GiB:\n'
	awk -F'\t' 'NR > 1 && $5 == 1024 && $6 == "page tables" { printf "    %s, %s, pages of %s kB: %.0f\n", $1, $3, $4, $9 }' "$out/all.tsv"
	printf '\n'
	awk -F'\t' "$goal_functions"'
	NR > 1 && $5 == 1024 && $7 == "ns" { v[$1, $3, $4, $6] = $9 / $8; rest[$1, $3, $4, $6] = ($9 - $13 - $14) / $8 }
	function of(kernel, memory, op) { return v[kernel, memory, 2048, op] }
	function over(op,   a, b) {
		a = of("series", "MAP_HUGETLB", op); b = of("baseline", "MAP_HUGETLB", op)
		return a == "" || b == "" ? "-" : a - b
	}
	END {
		D = "page-huge"; H = "MAP_HUGETLB"; s = "series"; b = "baseline"; Z = "THP"
		r = of(s, D, "read")
		goal("read: page-huge / MAP_HUGETLB", ratio(r, of(s, H, "read")), 0.01, "most of the latter is clearing, which real processors do faster than by the instruction")
		goal("read: page-huge / MAP_HUGETLB without clearing", ratio(r, rest[s, H, 2048, "read"]), 0.5, "")
		goal("read: page-huge / THP zero page", ratio(r, of(s, Z, "read")), 0.7, "the first fault, which allocates the zero page, is not in it")
		goal("write: page-huge / MAP_HUGETLB", ratio(of(s, D, "write"), of(s, H, "write")), 1.005, "almost all of both is clearing")
		goal("write without clearing: page-huge / MAP_HUGETLB", ratio(rest[s, D, 2048, "write"], rest[s, H, 2048, "write"]), "", "")
		goal("write after read: page-huge / (write + zero-page fault)", ratio(of(s, D, "write after read") + r, of(s, D, "write") + r), 1.05, "the TLB flush of the zero page is not counted")
		goal("munmap after read: page-huge / MAP_HUGETLB", ratio(of(s, D, "munmap after read"), of(s, H, "munmap after read")), 0.5, "no TLB flush is counted")
		goal("munmap after write: page-huge / MAP_HUGETLB", ratio(of(s, D, "munmap after write"), of(s, H, "munmap after write")), 1.005, "")
		goal("fork: page-huge / MAP_HUGETLB", ratio(of(s, D, "fork after write"), of(s, H, "fork after write")), 1.01, "whatever fork() does beside the pages is spread over them")
		goal("read, MAP_HUGETLB: series / baseline", ratio(of(s, H, "read"), of(b, H, "read")), 1.002, "almost all of both is clearing")
		goal("write, MAP_HUGETLB: series / baseline", ratio(of(s, H, "write"), of(b, H, "write")), 1.002, "almost all of both is clearing")
		n = split("read again,munmap after read,write again,fork after write,write after fork,munmap after write,write after read", ops, ",")
		for (i = 1; i <= n; i++)
			goal(ops[i] ", MAP_HUGETLB: series - baseline, instructions a page", over(ops[i]), 20, "")
	}' "$out/all.tsv" | goals
	comparisons
} >"$out/files/memory.txt"
