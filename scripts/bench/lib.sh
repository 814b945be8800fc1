# shellcheck shell=bash
# What the parts of scripts/bench.sh share; sourced by it, and they after it, each
# in a shell of its own.
#
# Given to a part:
#   $tmp       a directory for all parts: $tmp/overlay/bench is /bench in a guest
#   $out       a directory of its own
#   $out/files what it puts there are its results
#   $results   where those of others are
#
# shellcheck disable=SC2034,SC2153,SC2154 # set by bench.sh, or used by the parts
TAB=$'\t'

# need_baseline: the kernel without the series is built, in $baseline.
baseline=$BUILD/baseline
need_baseline() {
	local commit
	commit=$(git -C "$BUILD/linux" rev-parse -q --verify 'base^{commit}') ||
		die "$BUILD/linux has no tag base; make it with scripts/apply.sh."
	if [[ ! -e $baseline/linux/.git ]]; then
		mkdir -p "$baseline"
		git clone -q --shared --no-checkout "$BUILD/linux" "$baseline/linux"
	fi
	git -C "$baseline/linux" fetch -q "$BUILD/linux" "$commit"
	git -C "$baseline/linux" checkout -q --force --detach "$commit"
	BUILD=$baseline "$TOP/scripts/build.sh" default
}

# plugin NAME: $tmp/NAME.so, of scripts/bench/NAME.c.
plugin() {
	[[ -f $CACHE/tools/qemu/qemu-plugin.h ]] ||
		die "the header for plugins of QEMU is missing; run scripts/setup.sh bench, or put qemu-plugin.h into $CACHE/tools/qemu."
	[[ -f $tmp/$1.so ]] ||
		gcc -Wall -Wextra -Wno-unused-parameter -Werror -O2 -fPIC -shared \
			-I"$CACHE/tools/qemu" "$TOP/scripts/bench/$1.c" -o "$tmp/$1.so"
}

# guest BUILD FILE [NAME=VALUE...] -- COMMAND...: in a guest, its output in FILE.
# QEMU runs in $tmp, so that what it is given there has short names.
guest() {
	local build=$1 file=$2 settings=()
	shift 2
	while [[ $1 != -- ]]; do
		settings+=("$1")
		shift
	done
	shift
	(cd "$tmp" && env BUILD="$build" CPUS=1 NUMA=1 TIMEOUT=1800 "${settings[@]}" \
		"$TOP/scripts/boot.sh" -c default -o "$tmp/overlay" -- "$@") >"$file" ||
		die "the guest failed with $?; its console is $build/default/boot.log. It said: $(head -c 500 "$file")"
	[[ -s $file ]] || die "page_huge_bench printed nothing."
}

# counted BUILD NAME MEM POOLS ARGS...: page_huge_bench ARGS, in instructions:
# $out/NAME.tsv, with those of clearing and copying, $out/NAME.functions with all,
# and $out/NAME.absent. $devices are more arguments of QEMU. Mappings are at the same addresses each time: which page
# tables are there before depends on that.
counted() {
	local build=$1 name=$2 mem=$3 pools=$4
	shift 4
	plugin count
	cp "$build/default/System.map" "$tmp/System.map"
	guest "$build" "$out/$name.all" ICOUNT=1 MEM="$mem" \
		KERNEL_ARGS="nokaslr norandmaps udmabuf.size_limit_mb=4096 $pools" \
		QEMU_ARGS="-plugin ./count.so,map=System.map,out=counts ${devices:-}" \
		-- /bench/guest "$@"
	grep -v '^#' "$out/$name.all" >"$out/$name.figures"
	grep '^#' "$out/$name.all" >"$out/$name.absent" || :
	[[ -s $tmp/counts ]] || die "the plugin wrote nothing; QEMU has to be one that loads plugins, as Debian's does."
	awk -f "$TOP/scripts/bench/classes.awk" -f "$TOP/scripts/bench/join.awk" \
		-v functions="$out/$name.functions" "$tmp/counts" "$out/$name.figures" >"$out/$name.tsv"
	rm "$tmp/counts"
}

# same_twice A B: one table of two runs, of all that is in the first: the lesser of
# both, and how far they are apart, in percent; nothing, where the second has none.
# The list of those further apart than 0.1% is $out/apart.
same_twice() {
	awk -F'\t' -v OFS='\t' -v apart="$out/apart" '
	function key() { return $1 FS $2 FS $3 FS $4 FS $5 FS $6 }
	FNR == 1 { if (NR > 1) print "part", "memory", "page_kb", "mib", "operation", "unit", "count", "least", "apart", "greatest", "faults", "clearing", "copying"; next }
	NR == FNR { second[key()] = $8; next }
	!(key() in second) { $8 = $8 OFS ""; print; next }
	{
		other = second[key()]
		least = $8 < other ? $8 : other
		diff = $8 == other || !least ? 0 : 100 * ($8 > other ? $8 - other : other - $8) / least
		$8 = least OFS sprintf("%.3f", diff)
		print
		n++
		if (diff > 0.1)
			printf "%s, pages of %s kB, %s MiB, %s: %.2f%% of %.0f %s\n", $2, $3, $4, $5, diff, least, $6 > apart
	}' "$2" "$1"
	[[ -f $out/apart ]] || : >"$out/apart"
}

# committed FILE: the figures of the last commit, or those that are there.
committed() {
	git -C "$TOP" show "HEAD:./Documentation/results/$1" 2>/dev/null ||
		cat "$TOP/Documentation/results/$1" 2>/dev/null || :
}

# not_worse NAME KEY: compares $out/all.tsv with the committed NAME.tsv: what is
# ours (its memory matches KEY), over 2% and over 20 instructions each more, is
# listed in $out/worse; $out/files/NAME.tsv gets a last column with reasons. Less
# than 1 GiB is not compared: an interrupt is 2% of it, or a page table that was there.
not_worse() {
	local name=$1 ours=$2
	: >"$out/worse"
	awk -F'\t' -v OFS='\t' -v ours="$ours" -v worse="$out/worse" -v why="${REASON:-}" '
	FILENAME == ARGV[1] { if (FNR > 1) { old[$1, $2, $3, $4, $5, $6, $7] = $9; reason[$1, $2, $3, $4, $5, $6, $7] = $NF }; next }
	FNR == 1 { print $0, "reason"; next }
	{
		key = $1 SUBSEP $2 SUBSEP $3 SUBSEP $4 SUBSEP $5 SUBSEP $6 SUBSEP $7
		text = key in reason ? reason[key] : ""
		if ($1 == "series" && $3 ~ ours && $7 == "ns" && $5 >= 1024 && key in old && $9 > old[key] * 1.02 && $9 - old[key] > 20 * $8) {
			if (why != "")
				text = why
			else
				printf "%s, pages of %s kB, %s MiB, %s: %.0f, was %.0f\n", $3, $4, $5, $6, $9, old[key] > worse
		}
		print $0, text
	}' <(committed "$name.tsv") "$out/all.tsv" >"$out/files/$name.tsv"
}

# functions NAME: those of 1 GiB, as results.
functions() {
	local files=("$out/a.functions")
	[[ ! -f $out/ga.functions ]] || files+=("$out/ga.functions")
	{
		head -n 1 "$out/a.functions"
		awk -F'\t' 'FNR > 1 && $4 == 1024' "${files[@]}"
	} >"$out/files/$1-functions.tsv"
}

# tables NAME REGEX: $out/all.tsv and the results of two runs a and b of the one
# kernel; what is ours matches REGEX.
tables() {
	same_twice "$out/a.tsv" "$out/b.tsv" >"$out/two"
	awk -v OFS='\t' 'NR == 1 { print "kernel", $0; next } { print "series", $0 }' "$out/two" >"$out/all.tsv"
	not_worse "$1" "$2"
	functions "$1"
}

# For the awk programs that write what goals reads.
goal_functions='
	function goal(name, val, bound, note) {
		printf "%s\t%s\t%s\t%s\n", name, val == "-" ? "-" : sprintf(val == int(val) ? "%d" : "%.5g", val), bound, note
	}
	function figure(a) { return a == "" ? "-" : a }
	function ratio(a, b) { return a == "" || b == "" || !b ? "-" : a / b }'

# goals: reads name, figure ("-": not to be had), bound (none: only shown), note,
# separated by tabs; prints each with its result, and remembers a miss.
goals() {
	local name figure bound note result
	# A tab would swallow the empty fields.
	while IFS=$'\037' read -r name figure bound note; do
		result=
		if [[ -n $bound ]]; then
			if [[ $figure == - ]]; then
				result="not checked"
			elif awk -v f="$figure" -v b="$bound" 'BEGIN { exit !(f + 0 <= b + 0) }'; then
				result=met
			else
				result=MISSED
			fi
			[[ $result == met ]] || : >"$out/missed"
			result=" (at most $bound: $result)"
		fi
		printf '%s: %s%s\n' "$name" "$figure" "$result"
		[[ -z $note ]] || printf '    %s\n' "$note"
	done < <(tr '\t' '\037')
}

tree_of() {
	cut -d' ' -f1 "$1/default/tree"
}

# comparisons: what two runs, and the committed figures, say; for the end of a text.
comparisons() {
	local n all
	all=$(awk -F'\t' 'NR > 1 && $10 != ""' "$out/all.tsv" | wc -l)
	n=$(wc -l <"$out/apart")
	printf '\nTwo runs: %d of %d figures agree to 0.1%%' $((all - n)) "$all"
	if ((n == 0)); then
		printf '.\n'
	else
		printf '; these do not:\n'
		sed 's/^/    /' "$out/apart"
	fi
	if [[ -s $out/worse ]]; then
		printf '\nMore than 2%% over the committed figures (REASON says that it is meant):\n'
		sed 's/^/    /' "$out/worse"
		: >"$out/missed"
	else
		printf 'Nothing of ours takes over 2%% more than the committed figures say.\n'
	fi
	sort -u "$out"/*.absent | sed 's/^# //'
}
