# shellcheck shell=bash disable=SC2154 # see lib.sh
# Pictures of what the other parts found, as SVG and as PNG, from the tables that are
# in the results. Documentation/results/README.md shows and explains them. Sourced by
# scripts/bench.sh.

command -v gnuplot >/dev/null || die "gnuplot is missing; run scripts/setup.sh bench."
# Each kind of memory has a colour, in all pictures
declare -A colour=(
	["page-huge"]="#0072b2" ["page-huge, 1 GiB"]="#56b4e9"
	["MAP_HUGETLB"]="#d55e00" ["MAP_HUGETLB, 1 GiB"]="#e69f00"
	["THP"]="#009e73" ["base pages"]="#555555"
	["sample"]="#cc0000" ["sample, 1 GiB"]="#ff8888" ["sample, base pages"]="#999999"
	["remap_pfn_range"]="#0072b2" ["vmf_insert_pfn_pmd"]="#009e73"
	["vm_map_pages"]="#cc79a7" ["udmabuf"]="#e69f00" ["udmabuf, 1 GiB"]="#bb9900"
	["heap system"]="#999933" ["heap hugetlb-2048kB"]="#aa00aa"
	["heap hugetlb-1048576kB, 1 GiB"]="#dd88dd"
)

# lines TABLE [legend]: the plot command of a table "memory, x, y", one curve for each
# kind of memory, in the order in which they come; writes a file for each. Where they
# are the same, one mark is in the other. With legend: the names, and no curves.
lines() {
	local table=$1 name n=0 list=() marks=(4 6 8 12 10 14 1 2 3) data
	awk -F'\t' '!seen[$1]++ { print $1 }' "$table" >"$table.names"
	while read -r name; do
		n=$((n + 1))
		awk -F'\t' -v name="$name" '$1 == name { print $2, $3 }' "$table" >"$table.$n"
		data="'$table.$n' using 1:2"
		[[ ${2:-} != legend ]] || data="NaN"
		list+=("$data with linespoints lw 2 pt ${marks[(n - 1) % 9]} ps $(awk -v n="$n" 'BEGIN { print (n < 5 ? 2.6 - n * 0.3 : 1.3) }') lc rgb '${colour[$name]:-#000000}' title '$name' noenhanced")
	done <"$table.names"
	((n > 0)) || die "$table has nothing to draw; run scripts/bench.sh with the parts memory, buffer and tlb first."
	local IFS=,
	printf 'plot %s\n' "${list[*]}"
}

# draw NAME WIDTH HEIGHT: the picture that the commands on stdin draw, twice.
draw() {
	local commands
	commands=$(cat)
	{
		printf "set terminal svg size %d,%d font 'sans,13' background '#ffffff'\nset output '%s'\n" "$2" "$3" "$out/files/$1.svg"
		printf '%s\nunset multiplot\n' "$commands"
		printf "set terminal pngcairo size %d,%d font 'sans,10' background '#ffffff'\nset output '%s'\n" "$2" "$3" "$out/files/$1.png"
		printf '%s\nunset multiplot\n' "$commands"
	} >"$out/$1.gnuplot"
	gnuplot "$out/$1.gnuplot" 2>"$out/$1.errors" ||
		die "gnuplot failed on $1: $(grep -v '^$' "$out/$1.errors" | tail -n 1)"
}

axes="set grid lc rgb '#dddddd'
set key outside right top spacing 1.3
set logscale x 4
set xlabel 'size of the mapping, MiB'
set tmargin 2.5"

named='function named(memory, page) { return memory (page == 1048576 ? ", 1 GiB" : "") }'

if [[ -f $results/memory.tsv ]]; then
	for op in read write; do
		awk -F'\t' -v OFS='\t' -v op="$op" "$named"'
			NR > 1 && $1 == "series" && $7 == "ns" && $6 == "mmap" { map[$3, $4, $5] = $9 }
			NR > 1 && $1 == "series" && $7 == "ns" && $6 == op { print named($3, $4), $5, ($9 + map[$3, $4, $5]) / 1e6 }
		' "$results/memory.tsv" >"$out/$op"
	done
	{
		printf "set multiplot layout 2,1\n%s\nset logscale y\nset format y '10^{%%T}'\nset ylabel 'million instructions'\n" "$axes"
		printf "set title 'mmap() and a read of each page'\n"
		lines "$out/read"
		printf "set title 'mmap() and a write to each page'\n"
		lines "$out/write"
	} | draw first-use 900 900
fi

if [[ -f $results/buffer.tsv ]]; then
	awk -F'\t' -v OFS='\t' "$named"'
		# The same as others
		$3 ~ /-contig$/ || $3 ~ /base pages/ && $4 == 1048576 { next }
		NR > 1 && $2 == "buffer" && $6 == "map" { map[$3, $4, $5] = $9 }
		NR > 1 && $2 == "buffer" && $6 == "touch" { print named($3, $4), $5, ($9 + map[$3, $4, $5]) / 1e6 }
	' "$results/buffer.tsv" >"$out/buffer"
	{
		printf "%s\nset logscale y\nset format y '10^{%%T}'\nset ylabel 'million instructions'\n" "$axes"
		printf "set title 'A buffer of a driver: map it, and touch it until it is all mapped'\n"
		lines "$out/buffer"
	} | draw buffer 900 560
fi

if [[ -f $results/tlb.tsv ]]; then
	{
		printf "set multiplot layout 3,2\n%s\nset xlabel 'accessed, MiB'\nset ylabel 'misses an access'\nset yrange [0:*]\n" "$axes"
		printf 'set key off\n'
		for pattern in sequential strided random "pointer chase" "packet ring"; do
			awk -F'\t' -v OFS='\t' -v p="$pattern" "$named"'NR > 1 && $4 == p { print named($1, $2), $3, $10 / $13 }' "$results/tlb.tsv" >"$out/${pattern// /-}"
			# Nothing but zeroes has no range
			printf "set title '%s'\n" "$pattern"
			printf 'set yrange [0:%s]\n' "$(awk -F'\t' '$3 > max { max = $3 } END { print (max > 0.01 ? max * 1.1 : 0.01) }' "$out/${pattern// /-}")"
			lines "$out/${pattern// /-}"
		done
		# The last place is for the names, of all.
		printf "unset title\nunset border\nunset tics\nunset xlabel\nunset ylabel\nset key inside center center\nset yrange [0:1]\nset xrange [1:2]\n"
		lines "$out/packet-ring" legend
		printf "set border\nset tics\nset xrange [*:*]\n"
	} | draw tlb 1200 1100
fi

if [[ -f $results/native.tsv ]]; then
	awk -F'\t' -v OFS='\t' '
		NR > 1 && $1 == "MAP_HUGETLB" && $2 == 2048 { huge[$3, $4] = $6 }
		NR > 1 && $1 == "base pages" { base[$3, $4] = $6; keys[++n] = $3 SUBSEP $4 }
		END {
			for (i = 1; i <= n; i++) {
				split(keys[i], k, SUBSEP)
				if (huge[k[1], k[2]])
					print k[2], k[1], base[k[1], k[2]] / huge[k[1], k[2]]
			}
		}' "$results/native.tsv" >"$out/native"
	{
		printf "%s\nset xlabel 'accessed, MiB'\nset ylabel 'base pages / 2 MiB pages'\nset yrange [0:*]\n" "$axes"
		printf "set title 'Time of an access on the machine of the test, MAP_HUGETLB, not the series' noenhanced\n"
		lines "$out/native" | sed "s/lc rgb '#000000' //g"
	} | draw native 900 480
fi

functions=()
for file in "$results/memory-functions.tsv" "$results/buffer-functions.tsv"; do
	[[ ! -f $file ]] || functions+=("$file")
done
if ((${#functions[@]})); then
	awk -F'\t' -v OFS='\t' '
		function bar(label) {
			if (!(label in seen)) { seen[label] = 1; bars[++nb] = label }
			if ($6 != "clearing" && $6 != "copying") sum[label, $6] += $8
			else cleared[label] += $8
		}
		FNR == 1 { next }
		$1 == "memory" && $3 == 2048 && $5 == "read" { bar($2 ", read") }
		$1 == "memory" && $3 == 2048 && $5 == "write" { bar($2 ", write") }
		$1 == "buffer" && $3 == 2048 && $5 == "touch" && $2 ~ /^(sample|sample, base pages|vmf_insert_pfn_pmd)$/ { bar($2) }
		END {
			nc = split("user space;entry and exit;finding the mapping;hugetlb and drivers;page cache;locks;page tables;allocating and accounting;the rest", classes, ";")
			printf "what"
			for (c = 1; c <= nc; c++) printf "\t%s", classes[c]
			printf "\n"
			for (i = 1; i <= nb; i++) {
				label = bars[i]
				if (cleared[label] >= 1) label = label sprintf(" (+ %.0fk clearing)", cleared[label] / 1000)
				printf "\"%s\"", label
				for (c = 1; c <= nc; c++) printf "\t%.1f", sum[bars[i], classes[c]]
				printf "\n"
			}
		}' "${functions[@]}" >"$out/parts"
	{
		cat <<-PLOT
			set style data histograms
			set style histogram rowstacked
			set style fill solid 0.9 border rgb '#ffffff'
			set boxwidth 0.7
			set datafile separator tab
			set grid ytics lc rgb '#dddddd'
			set key outside right top invert
			set xtics noenhanced rotate by -35 nomirror
			set bmargin 11
			set ylabel 'instructions a fault'
			set title 'A page fault by part, without clearing (2 MiB; the base pages of the sample: 4 KiB)'
			set linetype 2 lc rgb '#999999'
			set linetype 3 lc rgb '#e69f00'
			set linetype 4 lc rgb '#56b4e9'
			set linetype 5 lc rgb '#d55e00'
			set linetype 6 lc rgb '#f0e442'
			set linetype 7 lc rgb '#0072b2'
			set linetype 8 lc rgb '#009e73'
			set linetype 9 lc rgb '#cc79a7'
			set linetype 10 lc rgb '#444444'
			plot for [i=2:10] '$out/parts' using i:xtic(1) lt i title columnheader(i) noenhanced
		PLOT
	} | draw fault-parts 1100 640
fi
printf 'Pictures: %s\n' "$(cd "$out/files" && echo ./*.svg | sed 's|\./||g')" >"$out/plots"
cat "$out/plots" >&2
