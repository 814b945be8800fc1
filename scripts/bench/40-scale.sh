# shellcheck shell=bash disable=SC2154 # see lib.sh
# One thread and two that populate one mapping, or each its own, on two processors:
# in time, which instructions cannot tell. Nothing here is a goal. Sourced by
# scripts/bench.sh.

guest "$BUILD" "$out/all" CPUS=2 MEM=4096 \
	KERNEL_ARGS="default_hugepagesz=2M hugepagesz=2M hugepages=520" \
	-- /bench/guest -m 1024 -r 5 -p 2048 scale
grep '^#' "$out/all" >"$out/scale.absent" || :
grep -v '^#' "$out/all" | cut -f2- >"$out/files/scale.tsv"
{
	printf 'Populating 1 GiB of 2 MiB pages, tree %s: milliseconds,\n' "$(tree_of "$BUILD")"
	printf 'the median of 5, in QEMU with two processors; what else the machine did is in it.\n\n'
	awk -F'\t' -v OFS='\t' '
		NR == 1 { print "operation", "memory", "median", "least", "greatest", "/ MAP_HUGETLB", "/ 1 thread"; next }
		{ n++; op[n] = $5; memory[n] = $2; median[n] = $10; least[n] = $9; greatest[n] = $11; of[$2, $5] = $10 }
		END {
			for (i = 1; i <= n; i++) {
				one = op[i]; sub(/,.*/, ", 1 thread", one)
				h = of["MAP_HUGETLB", op[i]]; t = of[memory[i], one]
				printf "%s\t%s\t%.2f\t%.2f\t%.2f\t%s\t%.2f\n", op[i], memory[i], median[i] / 1e6, least[i] / 1e6, greatest[i] / 1e6, h ? sprintf("%.2f", median[i] / h) : "-", median[i] / t
			}
		}' "$out/files/scale.tsv" >"$out/table"
	{
		head -n 1 "$out/table"
		tail -n +2 "$out/table" | sort -s -t "$TAB" -k1,1
	} | column -t -s "$TAB"
	sort -u "$out/scale.absent" | sed 's/^# //'
} >"$out/files/scale.txt"
