#!/bin/bash
# The tests execute nine tenths of the lines of each file that the series adds, and of each function that it touches; writes Documentation/results/coverage.tsv.
# Green: scripts/lib.sh scripts/build.sh scripts/boot.sh selftests/config selftests/guest selftests/splat.deny selftests/splat.allow selftests/skip.allow selftests/gates selftests/hunt selftests/unreachable.tsv
set -euo pipefail
# shellcheck source=selftests/gates/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

# What gcov counts in all guests of these gates, of the tree's own tests, of the
# programs that hunt, and of the benchmark with buffers of drivers. Lines of
# selftests/unreachable.tsv, each with a reason, do not count; a file may have MAX of
# them.
gates=(boot-default driver-default kunit dma-default fail-nth)
goal=90 max=10

results=$TOP/Documentation/results/coverage.tsv
excused=$TOP/selftests/unreachable.tsv
command -v jq >/dev/null || die "jq is missing; run scripts/setup.sh check."

series=$BUILD/linux
export STATE=$STATE/coverage GCOV=$TMPDIR/gcov
mkdir -p "$STATE" "$GCOV"
own_tree HEAD
linux=$STATE/linux

# Files of the kernel that are compiled on x86-64, with an object each, or headers.
# What is inlined before gcc adds the counters has none of its own.
mapfile -t files < <(touched '*.[ch]' ':!tools' ':!arch/arm64' ':!*uapi.h')
for file in "${files[@]}"; do
	[[ $file == *.c ]] || continue
	dir=${file%/*}
	while [[ ! -f $linux/$dir/Makefile && $dir == */* ]]; do
		dir=${dir%/*}
	done
	file=${file#"$dir/"}
	printf '%s\n' "GCOV_PROFILE_${file%.c}.o := y" "CFLAGS_${file%.c}.o += -fno-early-inlining" >>"$linux/$dir/Makefile"
done
# One that nothing calls, which has to be seen as such.
planted=$(git -C "$series" diff --name-only --diff-filter=A base HEAD -- '*.c' ':!tools' | tail -n 1)
printf '\nint hugetlb_planted(int i);\nint hugetlb_planted(int i)\n{\n\treturn i + 1;\n}\n' >>"$linux/$planted"

export BUILD=$STATE
"$TOP/scripts/build.sh" default

# A gate that fails has its own log; what it has executed counts all the same.
for gate in "${gates[@]}"; do
	say "coverage: the tests of $gate"
	file=$(find "$TOP/selftests/gates" -name "[0-9][0-9]-$gate.sh")
	mkdir "$TMPDIR/$gate"
	GATE=$gate TMPDIR=$TMPDIR/$gate TIMEOUT=1800 CONFIG=default bash "$file" >"$STATE/$gate.log" 2>&1 ||
		complain "the gate $gate fails on a kernel with gcov; see $STATE/$gate.log."
done
say "coverage: the programs that hunt"
hunt "$TMPDIR/overlay/hunt" bad_input elsewhere limits races
# races looks for broken pages, of which elsewhere leaves one: Documentation/testing.md.
(
	export OVERLAY=$TMPDIR/overlay MEM=4096 TIMEOUT=2400 KERNEL_ARGS="hugepages=128"
	boot_selftest default /hunt/elsewhere /hunt/bad_input /hunt/limits &&
		boot_selftest default "/hunt/races seconds 60"
) >"$STATE/hunt.log" 2>&1 ||
	complain "a program of selftests/hunt fails on a kernel with gcov; see $STATE/hunt.log."
# Of these the kernel says that they are unhandlable; the gates limits and elsewhere
# see to it that it says no more.
for program in elsewhere limits; do
	MEM=4096 KERNEL_ARGS="hugepages=128" "$TOP/scripts/boot.sh" -o "$TMPDIR/overlay" -- "/hunt/$program" unhandlable \
		>"$STATE/$program.log" 2>&1 || :
done
say "coverage: the tree's own tests"
(programs default hugetlb.list) >/dev/null 2>"$STATE/hugetlb.log" ||
	complain "the tests of hugetlb.list did not run; see $STATE/hugetlb.log."
(mm_list) >/dev/null 2>"$STATE/mm.log" || complain "the tests of mm.list did not run; see $STATE/mm.log."
say "coverage: the benchmark"
TIMEOUT=600 "$TOP/scripts/boot.sh" -- /kselftest/mm/page_huge_bench -m 4 -r 1 -p 2048 buffer >"$STATE/bench.log" 2>&1 ||
	complain "the benchmark fails on a kernel with gcov; see $STATE/bench.log."

# FILE LINE TIMES, for each boot, of its counters beside the notes of the compiler.
for tar in "$GCOV"/*.tar; do
	mkdir "$TMPDIR/data"
	tar -x -C "$TMPDIR/data" -f "$tar"
	find "$TMPDIR/data" -name '*.gcda' | while read -r data; do
		notes=${data#"$TMPDIR/data"}
		cp "${notes%.gcda}.gcno" "${data%.gcda}.gcno"
		gcov --json-format --stdout "$data"
	done | jq -r '.files[] | .file as $file | .lines[] | [$file, .line_number, .count] | @tsv'
	rm -r "$TMPDIR/data"
done | sed -E "s#^(\.\./linux|$linux)/##; s#^(.*/modules/)?page\.c#drivers/char/page.c#
	s#^(.*/modules/)?fail_heap_[a-z]*\.c#drivers/dma-buf/heaps/hugetlb_heap.c#" >"$TMPDIR/counts"

# FILE NEW FUNCTION FIRST LAST TOUCHED: the functions of each file. In kernel style
# their name and their last line begin in the first column.
for file in "${files[@]}"; do
	new=0
	git -C "$series" cat-file -e "base:$file" 2>/dev/null || new=1
	git -C "$series" diff -U0 base HEAD -- "$file" | awk -v file="$file" -v new="$new" '
		FILENAME == "-" {
			if (match($0, /^@@ [^+]*\+[0-9]+(,[0-9]+)?/)) {
				split(substr($0, 1, RLENGTH), part, "+")
				n = split(part[2], at, ",") > 1 ? at[2] : 1
				for (i = 0; i < (n ? n : 2); i++)
					changed[at[1] + i]
			}
			next
		}
		/^[A-Za-z_][^;]*\(/ && !/;[ \t]*$/ {
			name = substr($0, 1, index($0, "(") - 1)
			sub(/.*[ *]/, "", name)
			first = FNR
		}
		/^{/ { inside = name != "" }
		/^}/ && inside {
			touched = 0
			for (i = first; i <= FNR; i++)
				touched += i in changed
			print file "\t" new "\t" name "\t" first "\t" FNR "\t" (touched > 0)
			inside = 0
			name = ""
		}' - "$linux/$file"
done >"$TMPDIR/functions"

touch "$excused"
(cd "$linux" && awk -F'\t' -v goal="$goal" -v max="$max" -v planted=hugetlb_planted -v results="$TMPDIR/results" '
	function trim(text) {
		gsub(/[ \t]+/, " ", text)
		gsub(/^ | $/, "", text)
		return text
	}
	function bad(text) {
		print "BAD: " text
		failed = 1
	}
	function row(file, unit, lines, hit, excused) {
		share = lines > excused ? 100 * hit / (lines - excused) : 100
		printf "%s\t%s\t%d\t%d\t%d\t%.1f\n", file, unit, lines, hit, excused, share >results
		if (share < goal)
			bad(file " " unit ": " hit " of " lines - excused " lines are executed, that is less than " goal "%")
	}
	FILENAME ~ /counts$/ { count[$1, $2] += $3; seen[$1]; next }
	FILENAME ~ /unreachable.tsv$/ {
		if ($0 ~ /^#/ || $0 == "")
			next
		if (NF != 4)
			bad("unreachable.tsv: a line is a file, a function, the text and a reason: " $0)
		excuse[$1, $2, trim($3)]++
		why[$1, $2, trim($3)] = $4
		if (++excuses[$1] > max)
			bad($1 ": more than " max " lines that are excused")
		next
	}
	{
		file = $1
		if (file != last) {
			last = file
			order[++files] = file
			new[file] = $2
		}
		if ($2 || $6) {
			n = ++functions[file]
			name[file, n] = $3; first[file, n] = $4; end[file, n] = $5
		}
	}
	END {
		for (f = 1; f <= files; f++) {
			file = order[f]
			split("", text)
			for (lines = 0; (getline line <file) > 0; )
				text[++lines] = line
			close(file)
			all = allhit = allexcused = 0
			for (n = 1; n <= functions[file]; n++) {
				lines = hit = without = 0
				for (i = first[file, n]; i <= end[file, n]; i++) {
					if (!((file, i) in count))
						continue
					key = file SUBSEP name[file, n] SUBSEP trim(text[i])
					lines++
					if (count[file, i]) {
						hit++
					} else if (used[key] < excuse[key]) {
						without++
						used[key]++
						let_off[++offs] = sprintf("%s:%d %s: %s: %s", file, i, name[file, n], trim(text[i]), why[key])
					} else {
						missed[++misses] = sprintf("%s:%d %s: %s", file, i, name[file, n], trim(text[i]))
					}
				}
				if (name[file, n] == planted) {
					seen_planted = lines && !hit
					misses -= lines - hit
					continue
				}
				if (!lines) {
					silent[++silences] = file " " name[file, n]
					continue
				}
				all += lines; allhit += hit; allexcused += without
				if (!new[file])
					row(file, name[file, n], lines, hit, without)
			}
			if (new[file] && all)
				row(file, "-", all, allhit, allexcused)
			if (!(file in seen) && file !~ /\.h$/)
				bad(file ": gcov has nothing to say about it; is it built in the default configuration?")
		}
		for (key in excuse) {
			if (excuse[key] && used[key] < excuse[key]) {
				split(key, part, SUBSEP)
				bad("unreachable.tsv: " part[1] " " part[2] ": \"" part[3] "\" is executed, or is not there")
			}
		}
		if (!seen_planted)
			bad("a function that nothing calls was not seen; the counts prove nothing")
		print "Lines that no test executes:"
		for (i = 1; i <= misses; i++)
			print missed[i]
		print "Lines that cannot be executed, and why:"
		for (i = 1; i <= offs; i++)
			print let_off[i]
		print "Functions that gcov knows no line of, being compiled out or inlined:"
		for (i = 1; i <= silences; i++)
			print silent[i]
		exit failed
	}' "$TMPDIR/counts" "$excused" "$TMPDIR/functions") >"$TMPDIR/report" || bad=1
{
	printf '# lines executed by the tests, tree of the series %s\n' "$TREE"
	printf '# file\tfunction (-: the whole file is new)\tlines\texecuted\tunreachable\tpercent\n'
	cat "$TMPDIR/results"
} >"$TMPDIR/new"
mkdir -p "${results%/*}"
mv "$TMPDIR/new" "$results"
grep -v '^BAD: ' "$TMPDIR/report"
expand -t 48,88,96,104,112 "$results"
grep '^BAD: ' "$TMPDIR/report" || :
((bad == 0))
