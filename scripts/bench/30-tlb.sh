# shellcheck shell=bash disable=SC2154 # see lib.sh
# What a TLB does with patterns of access: a model of one, fed by the guest's own
# accesses and page tables; and, to see whether it points the right way, what the
# same patterns take on this machine, which has nothing of the series. Sourced by
# scripts/bench.sh.

mem=6144
plugin tlb
say "[1/2] misses of the model"
# q35 puts below 4 GiB what fits below 2.75 GiB, and 2 GiB of what does not.
low=$((2 << 30))
guest "$BUILD" "$out/guest.all" ICOUNT=1 MEMFD=1 MEM="$mem" \
	KERNEL_ARGS="default_hugepagesz=2M hugepagesz=2M hugepages=520 hugepagesz=1G hugepages=1" \
	QEMU_ARGS="-plugin ./tlb.so,low=$low,out=misses" \
	-- /bench/guest -m 1024 -r 1 -n 262144 access
grep -v '^#' "$out/guest.all" >"$out/guest.figures"
grep '^#' "$out/guest.all" >"$out/guest.absent" || :
[[ -s $tmp/misses ]] || die "the plugin wrote nothing; QEMU has to be one that loads plugins, as Debian's does."
awk -F'\t' -v OFS='\t' '
	FNR == 1 { if (NR == 1) print "memory", "page_kb", "mib", "pattern", "accesses", "of_4k", "of_2m", "of_1g", "l1_misses", "misses", "loads", "flushes", "count"; next }
	NR == FNR { id = $1; $1 = $2 = ""; sub(/^\t\t/, ""); seen[id] = $0; next }
	$1 in seen { print $3, $4, $5, $6, seen[$1], $8 }' "$tmp/misses" "$out/guest.figures" >"$out/files/tlb.tsv"

# The pool is filled for this, and put back.
native() {
	local pool=/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages old
	say "[2/2] on this machine"
	: >"$out/native.tsv"
	if [[ ${NATIVE:-} == no ]]; then
		say "not wanted"
		return 0
	fi
	if [[ ! -w $pool ]]; then
		say "no huge pages in this machine's pool, and no root to put some there: not measured"
		return 0
	fi
	old=$(<"$pool")
	# shellcheck disable=SC2064 # as it is now
	trap "echo $old >$pool" EXIT
	echo $((old + 520)) >"$pool"
	if (($(<"$pool") < old + 512)); then
		say "no memory for 1 GiB of huge pages on this machine: not measured"
		return 0
	fi
	"$bench" -m 1024 -r 5 -o "$out/native.tsv" access >/dev/null 2>"$out/native.errors" ||
		die "page_huge_bench failed on this machine: $(tail -n 1 "$out/native.errors")"
}
(native)
if [[ -s $out/native.tsv ]]; then
	awk -F'\t' -v OFS='\t' 'NR == 1 { print "memory", "page_kb", "mib", "pattern", "count", "least_ns", "median_ns", "greatest_ns"; next }
		{ print $3, $4, $5, $6, $8, $10, $11, $12 }' "$out/native.tsv" >"$out/files/native.tsv"
fi

# In this table the model and the machine are side by side; what they have to
# agree on is the direction, where the model sees a difference worth the name.
{
	printf 'Misses of a model of a TLB for data, tree %s:\n' "$(tree_of "$BUILD")"
	printf 'first level 64 entries of 4 KiB (4-way), 32 of 2 MiB (4-way), 4 of 1 GiB;\n'
	printf 'second level 1536 of 4 KiB and 2 MiB (12-way), 16 of 1 GiB (4-way): the\n'
	printf 'geometry that is published of Skylake. It begins empty. Page sizes are those of\n'
	printf 'the page tables of the guest. For 1000 accesses, misses of both levels:\n\n'
	awk -F'\t' -v OFS='\t' '
		NR == 1 { print "pattern", "MiB", "memory", "page kB", "misses", "of the first level", "loads of page tables", "4 KiB", "2 MiB", "1 GiB" }
		NR > 1 && ($3 == 1 || $3 == 16 || $3 == 1024) {
			printf "%s\t%s\t%s\t%s\t%.2f\t%.2f\t%.2f\t%.0f%%\t%.0f%%\t%.0f%%\n", $4, $3, $1, $2, 1000 * $10 / $13, 1000 * $9 / $13, 1000 * $11 / $13, 100 * $6 / $5, 100 * $7 / $5, 100 * $8 / $5
		}' "$out/files/tlb.tsv" >"$out/table"
	{
		head -n 1 "$out/table"
		tail -n +2 "$out/table" | sort -t "$TAB" -s -k1,1 -k2,2n
	} | column -t -s "$TAB"
	if [[ -s $out/files/native.tsv ]]; then
		printf '\nThe same patterns on this machine (%s), which is not running\n' "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)"
		printf 'the series: MAP_HUGETLB against base pages, and nothing else. Nanoseconds an\n'
		printf 'access, the least of 5, and what the model says of misses for 1000 accesses. Beyond\n'
		printf '64 MiB no second level that is known to us has room for all base pages:\n\n'
		awk -F'\t' -v OFS='\t' '
			FNR == 1 { if (NR == 1) print "pattern", "MiB", "2 MiB pages", "base pages", "base / 2 MiB", "misses, 2 MiB", "misses, base"; next }
			NR == FNR { miss[$1, $2, $3, $4] = 1000 * $10 / $13; next }
			{ ns[$1, $2, $3, $4] = $6 / $5; if ($1 == "MAP_HUGETLB" && $2 == 2048) keys[++n] = $3 SUBSEP $4 }
			END {
				for (i = 1; i <= n; i++) {
					split(keys[i], k, SUBSEP)
					h = ns["MAP_HUGETLB", 2048, k[1], k[2]]; b = ns["base pages", 4, k[1], k[2]]
					if (b)
						printf "%s\t%s\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\n", k[2], k[1], h, b, b / h, miss["MAP_HUGETLB", 2048, k[1], k[2]], miss["base pages", 4, k[1], k[2]]
				}
			}' "$out/files/tlb.tsv" "$out/files/native.tsv" >"$out/both"
		{
			head -n 1 "$out/both"
			tail -n +2 "$out/both" | sort -t "$TAB" -s -k1,1 -k2,2n
		} | column -t -s "$TAB"
	fi
	printf '\n'
	{
		awk -F'\t' "$goal_functions"'
			NR > 1 { v[$1, $2, $3, $4] = $10 / $13; if ($3 > max) max = $3 }
			END {
				n = split("strided,random,pointer chase", p, ",")
				for (i = 1; i <= n; i++) {
					base = v["base pages", 4, max, p[i]]
					name = "misses, " p[i] ", " max " MiB: "
					goal(name "page-huge / base pages", ratio(v["page-huge", 2048, max, p[i]], base), 0.5, "")
					goal(name "sample / its base pages", ratio(v["sample", 2048, max, p[i]], v["sample, base pages", 2048, max, p[i]]), 0.5, "")
				}
			}' "$out/files/tlb.tsv"
		if [[ -s $out/both ]]; then
			awk -F'\t' '
				NR > 1 && $2 >= 64 && $7 - $6 > 100 {
					if (!($1 in n))
						order[++k] = $1
					n[$1]++
					sum[$1] += log($5)
				}
				END {
					for (i = 1; i <= k; i++) {
						p = order[i]
						printf "%s from 64 MiB on, this machine: 2 MiB pages / base pages\t%.3f\t1\tthe model has over 100 misses fewer of 1000 accesses; the direction is all that is compared\n", p, exp(-sum[p] / n[p])
					}
				}' "$out/both"
		else
			printf 'the direction on this machine\t-\t\tnot measured: it takes root, and 1 GiB of huge pages\n'
		fi
	} | goals
	sort -u "$out/guest.absent" | sed 's/^# //'
} >"$out/files/tlb.txt"
