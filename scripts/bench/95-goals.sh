# shellcheck shell=bash disable=SC2154 # see lib.sh
# All goals of all parts that have results, in one table, narrow enough for a mail.
# Sourced by scripts/bench.sh.

for file in "$TOP"/scripts/bench/[0-9]*.sh; do
	part=${file##*/[0-9][0-9]-}
	part=${part%.sh}
	case $part in
	plots | goals | scale) continue ;;
	esac
	if [[ -f $results/$part.txt ]]; then
		sed -nE "s/^(.*): ([^ ]+) \((at most [^ ]+: (met|MISSED|not checked))\)$/$part\t\1\t\2\t(\3)/p" "$results/$part.txt"
	else
		printf '%s\tall of this part\t-\tnot measured\n' "$part"
	fi
done >"$out/goals"
grep -q -v 'not measured$' "$out/goals" || die "there are no results in $results; run scripts/bench.sh with the other parts first."
awk -F'\t' '
	$1 != part { part = $1; printf "%s%s:\n", (NR > 1 ? "\n" : ""), part }
	{
		start = sprintf("%10s %-20s", $3, $4)
		line = ""
		n = split($2, words, " ")
		for (i = 1; i <= n; i++) {
			if (length(start line " " words[i]) > 75) {
				print start line
				start = sprintf("%31s", "")
				line = "  "
			}
			line = line " " words[i]
		}
		print start line
	}' "$out/goals" >"$out/files/goals.txt"
