# shellcheck shell=bash disable=SC2154 # see lib.sh
# A driver's buffer, mapped with huge pages and the other ways that there are; what
# describes it; and pinning. Sourced by scripts/bench.sh.

# Pages of 1 GiB have a guest of their own, where there is contiguous memory.
for run in a b; do
	say "run $run: 2 MiB pages"
	counted "$BUILD" "$run" 6144 "default_hugepagesz=2M hugepagesz=2M hugepages=528" -m 1024 -r 2 -p 4 -p 2048 buffer describe pin
	say "run $run: 1 GiB pages"
	counted "$BUILD" "g$run" 8192 "default_hugepagesz=2M hugepagesz=2M hugepages=0 hugepagesz=1G hugepages=1" -m 1024 -r 2 -p 1048576 buffer describe pin
	tail -n +2 "$out/g$run.tsv" >>"$out/$run.tsv"
done
tables buffer '^(sample|sample, base pages|fresh huge pages|huge pages of the pool|page-huge|heap hugetlb.*)$'

{
	printf 'Guest instructions, tree %s\n' "$(tree_of "$BUILD")"
	printf '(-icount shift=0, -cpu max,-erms,-fsrm, one processor: no caches, no TLB)\n\n'
	printf 'A buffer of 1 GiB at a multiple of that. Touched is what has to be to have all of\n'
	printf 'it mapped: each base page where they are mapped one by one, else each 2 MiB or\n'
	printf '1 GiB. Setting up the sample is loading it. Other sizes are in buffer.tsv.\n\n'
	awk -F'\t' -v OFS='\t' '
		NR == 1 { print "part", "memory", "page kB", "operation", "instructions", "clearing", "each", "faults" }
		NR > 1 && $5 == 1024 && $7 == "ns" {
			printf "%s\t%s\t%s\t%s\t%.0f\t%.0f\t%.0f\t%s\n", $2, $3, $4, $6, $9, $13, $9 / $8, $12
		}' "$out/all.tsv" | column -t -s "$TAB"
	printf '\nFor 1 GiB:\n'
	awk -F'\t' 'NR > 1 && $5 == 1024 && $7 != "ns" { printf "    %s, pages of %s kB: %s: %.0f %s\n", $3, $4, $6, $9, $7 }' "$out/all.tsv"
	printf '\n'
	awk -F'\t' "$goal_functions"'
	NR > 1 && $5 == 1024 && $2 == "buffer" { v[$3, $4, $6] = $9; each[$3, $4, $6] = $9 / $8; faults[$3, $4, $6] = $12 }
	function ready(memory, page) {
		return v[memory, page, "map"] == "" ? "" : v[memory, page, "map"] + v[memory, page, "touch"]
	}
	END {
		S = "sample"; M = 2048; G = 1048576; other = "second process: "
		ours = ready(S, M); big = ready(S, G)
		goal("map and touch, 2 MiB pages: sample / its base pages", ratio(ours, ready(S ", base pages", M)), 0.01, "")
		goal("map and touch, 2 MiB pages: sample / remap_pfn_range", ratio(ours, ready("remap_pfn_range", M)), 0.15, "")
		goal("map and touch, 2 MiB pages: sample / udmabuf", ratio(ours, ready("udmabuf", M)), 0.15, "of a memfd of the same pages")
		goal("map and touch, 2 MiB pages: sample / vm_map_pages", ratio(ours, ready("vm_map_pages", M)), "", "")
		goal("map and touch, 2 MiB pages: heap hugetlb-2048kB / heap system", ratio(ready("heap hugetlb-2048kB", M), ready("heap system", M)), "", "")
		goal("map and touch, 1 GiB pages: sample / remap_pfn_range", ratio(big, ready("remap_pfn_range", M)), 0.01, "")
		goal("map and touch, 1 GiB pages: sample / udmabuf", ratio(big, ready("udmabuf", G)), 0.01, "of a memfd of the same pages")
		goal("touch, a page: sample / vmf_insert_pfn_pmd", ratio(each[S, M, "touch"], each["vmf_insert_pfn_pmd", M, "touch"]), "", "what the difference is, is told under Driver faults in README.md")
		goal("touch after populate, 2 MiB pages: faults", figure(faults[S, M, "touch, populated"]), 0, "")
		goal("touch after populate, 1 GiB pages: faults", figure(faults[S, G, "touch, populated"]), 0, "")
		a = v[S, M, other "map"]; b = v[S, M, other "touch"]
		goal("map and touch, a second process / the first", ratio(a == "" ? "" : a + b, ours), 0.05, "it finds the page table of the first")
		goal("page tables of 1 GiB of 2 MiB pages, bytes", figure(v[S, M, "page tables"]), 4096, "")
		goal("page tables of a 1 GiB page, bytes", figure(v[S, G, "page tables"]), 0, "below those that are there for all")
	}' "$out/all.tsv" | goals
	comparisons
} >"$out/files/buffer.txt"
