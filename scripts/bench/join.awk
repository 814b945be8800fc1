# Figures of page_huge_bench, and of its plugin count.so: one table, with the
# instructions of clearing and of copying beside all of them. To the file FUNCTIONS,
# those of each function that has 0.2% or more of what is not clearing or copying, for
# one of what was counted (a page, mostly).
BEGIN {
	FS = OFS = "\t"
	print "part", "memory", "page_kb", "mib", "operation", "unit", "count", "least", "greatest", "faults", "clearing", "copying"
	print "part", "memory", "page_kb", "mib", "operation", "class", "function", "instructions" > functions
}
FNR == 1 { next }
NR == FNR {
	kind = class($3)
	if (kind == "clearing" || kind == "copying")
		sum[$1, kind] += $4 / $2
	n[$1]++
	name[$1, n[$1]] = $3
	instructions[$1, n[$1]] = $4 / $2
	next
}
{
	timed = $7 == "ns"
	# Where something is cleared or copied, that is most of all. A stray instruction
	# for each page, which is seen elsewhere, is not that.
	for (i = 1; i <= split("clearing,copying", kinds, ","); i++)
		if (sum[$1, kinds[i]] < $10 / 10)
			sum[$1, kinds[i]] = 0
	print $2, $3, $4, $5, $6, $7, $8, $10, $12, timed ? $13 : "", timed ? sprintf("%.0f", sum[$1, "clearing"]) : "", timed ? sprintf("%.0f", sum[$1, "copying"]) : ""
	rest = $10 - sum[$1, "clearing"] - sum[$1, "copying"]
	for (i = 1; timed && i <= n[$1]; i++)
		if (instructions[$1, i] / $8 >= 0.5 && instructions[$1, i] >= rest / 500)
			printf "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%.1f\n", $2, $3, $4, $5, $6, class(name[$1, i]), name[$1, i], instructions[$1, i] / $8 > functions
}
