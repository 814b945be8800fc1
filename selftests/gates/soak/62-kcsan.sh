#!/bin/bash
# On a kernel with KCSAN the selftests pass, and random calls of several processes, with pages of 2 MiB, and no data race is in a function that the series adds or changes; others are counted: Documentation/results/kcsan.tsv.
# Green: scripts/lib.sh scripts/build.sh scripts/boot.sh selftests/config selftests/guest selftests/splat.deny selftests/splat.allow selftests/skip.allow selftests/gates/lib.sh selftests/gates/overlay selftests/hunt
set -euo pipefail
# shellcheck source=selftests/gates/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

# A race is of the series when one of its two accesses is in a function that the
# series adds or changes, inlined or not. Those of other functions are mainline's.
results=$TOP/Documentation/results/kcsan.tsv
base=$(git -C "$BUILD/linux" rev-parse base)
own_tree HEAD
export BUILD=$STATE
linux=$STATE/linux
out=$STATE/kcsan
# A processor without pages of 1 GiB, as in the gates of the debug kernel. More
# accesses are watched than by default, and for longer: an emulated processor is slow.
cpu="-cpu max,-erms,-fsrm,-la57,-pdpe1gb"
watch="hugepages=128 kcsan.skip_watch=1000 kcsan.udelay_task=100"
edu="-device intel-iommu -device edu,dma_mask=0xffffffffffffffff"
strict="intel_iommu=on iommu.strict=1 test_hugetlb_dma.edu_dma_bits=64"

# functions: the functions of the kernel that the series adds or changes, each after
# its file. In the kernel's style one begins with its name in the first column, and its
# body with a brace there.
functions() {
	local file
	while read -r file; do
		git -C "$linux" diff -U0 "$base" HEAD -- "$file" |
			sed -n -E 's/^@@ [^+]*\+([0-9]+)(,([0-9]+))? @@.*/\1 \3/p' |
			awk -v file="$file" '
				NR == FNR { first[++n] = $1; last[n] = $1 + ($2 == "" ? 0 : $2 ? $2 - 1 : 1); next }
				inside && !/^}/ { next }
				/^{/ { inside = 1; next }
				inside && /^}/ {
					inside = 0
					if (match(head, /SYSCALL_DEFINE[0-9]\([a-z0-9_]+/))
						name = "__do_sys_" substr(head, RSTART + 16, RLENGTH - 16)
					else if (match(head, /[A-Za-z0-9_]+\(/))
						name = substr(head, RSTART, RLENGTH - 1)
					else
						name = ""
					for (i = 1; i <= n && name; i++)
						if (first[i] <= FNR && last[i] >= start) {
							print file " " name
							name = ""
						}
					head = ""
					next
				}
				/^$|^#|^}|^\/\*|^ \*|;[ \t]*$/ { head = ""; next }
				/^[A-Za-z_]|^[ \t]/ {
					if (head == "")
						start = FNR
					head = head " " $0
				}
			' - "$linux/$file"
	done < <(git -C "$linux" diff --name-only --no-renames --diff-filter=d "$base" HEAD -- '*.c' '*.h' ':!tools') |
		sort -u
}

# inlined FRAME: sets where to the functions that this line of a stack is in, each after
# its file, the innermost first.
inlined() {
	local frame=$1 object=$out/vmlinux
	if [[ $frame =~ \[([a-z0-9_]+)\] ]]; then
		object=$out/$(grep -hE "/${BASH_REMATCH[1]//_/[-_]}\.o$" "$out/modules.order")
		object=${object%.o}.ko
		frame=${frame%% *}
	fi
	if [[ ! ${said[$frame]-} ]]; then
		said[$frame]=$("$linux/scripts/faddr2line" "$object" "$frame" 2>"$TMPDIR/faddr2line" |
			sed -n -E "s#^( *\(inlined by\) )?([A-Za-z0-9_]+)[A-Za-z0-9_.]* at ($out/\.\./linux/|$linux/)?([^:]*):.*#\4 \2#p")
		[[ ${said[$frame]} ]] || {
			cat "$TMPDIR/faddr2line" >&2
			die "scripts/faddr2line does not find $frame in $object (above), so it is not known whose race it is."
		}
	fi
	where=${said[$frame]}
}
declare -A said=()

# races CONSOLE: each race that was reported, its two accesses in two columns; what
# the console cuts off or mixes up is a race of two unknown ones.
races() {
	tr -d '\r' <"$1" | sed -E 's/^\[ *[0-9.]+\] ?//' | awk '
		/^BUG: KCSAN: / { if (on) print a "\t" b; on = 1; a = b = "?"; next }
		on && /^race at unknown origin/ { b = "unknown" }
		on && / to 0x[0-9a-f]+ of [0-9]+ bytes by / { top = 1; next }
		on && top && /^ [A-Za-z0-9_.]+\+0x/ { if (a == "?") a = substr($0, 2); else b = substr($0, 2); top = 0 }
		on && /^Reported by Kernel Concurrency Sanitizer/ { print a "\t" b; on = 0 }
		END { if (on) print a "\t" b }
	'
}

# boot GATE SETTING... -- TEST...: the tests in one boot, with the skips that GATE may
# have. Adds to $TMPDIR/tests and $TMPDIR/races.
boot() {
	local settings=() command ok status=0 tap=$TMPDIR/tap
	local -x GATE=$1
	shift
	while [[ $1 != -- ]]; do
		settings+=("$1")
		shift
	done
	shift
	env TIMEOUT=3000 LOG="$TMPDIR/console" QEMU_ARGS="$cpu" KERNEL_ARGS="$watch" "${settings[@]}" \
		"$TOP/scripts/boot.sh" -c kcsan -o "$TOP/selftests/gates/overlay" -o "$TMPDIR/overlay" -- \
		/gate/tests.sh "$@" >"$TMPDIR/said" 2>"$TMPDIR/err" || status=$?
	cat "$TMPDIR/said" "$TMPDIR/err"
	grep -q 'kcsan: enabled early' "$TMPDIR/console" || die "KCSAN is not at work; see $out/.config."
	if ((status == 123)); then
		# The data races are judged here, everything else by the lists.
		grep -v -e '^#' -e '^$' "$TOP/selftests/splat.deny" >"$TMPDIR/deny"
		grep -v -e '^#' -e '^$' "$TOP/selftests/splat.allow" | cut -f1 >"$TMPDIR/allow" || :
		! grep -a -v 'BUG: KCSAN: ' "$TMPDIR/console" | grep -a -E -f "$TMPDIR/deny" | grep -a -v -E -f "$TMPDIR/allow" ||
			die "the kernel complained of something else than data races (above)."
		status=$(sed -n 's/.*own status: \([0-9]*\)).*/\1/p' "$TMPDIR/err")
	fi
	[[ $status =~ ^([0-9]|[1-9][0-9]|1[01][0-9])$ ]] || die "$* ended with ${status:-no status}."
	((status == 0)) || complain "$* ended with $status (99: a counter changed)."
	for command; do
		awk -v want="### $command" '/^### / { on = $0 == want; next } on' "$TMPDIR/said" >"$tap"
		say "$command"
		check_tap "$tap" || complain "$command does not pass"
		ok=$(grep -c '^ok' "$tap" || :)
		printf 'test\t%s\t%d\t-\n' "$command" "$ok" >>"$TMPDIR/tests"
	done
	races "$TMPDIR/console" >>"$TMPDIR/races"
}

# judge: the races of $TMPDIR/races as lines of the results.
judge() {
	local one first mine names
	while IFS=$'\t' read -r -a pair; do
		mine=no names=()
		for one in "${pair[@]}"; do
			case $one in
			*+0x*)
				inlined "$one"
				first=${where%%$'\n'*}
				names+=("${first#* }")
				! grep -qxF -f "$TMPDIR/functions" <<<"$where" || mine=yes
				;;
			unknown) names+=(unknown) ;;
			*) names+=("?") mine=yes ;;
			esac
		done
		printf '%s\t%s\n' "$(printf '%s\n' "${names[@]}" | sort | paste -s -d / | sed 's,/, / ,')" "$mine"
	done <"$TMPDIR/races" | sort | uniq -c | sed -E 's/^ *([0-9]+) ([^\t]*)/race\t\2\t\1/'
}

functions >"$TMPDIR/functions"
say "$(wc -l <"$TMPDIR/functions") functions are of the series"
"$TOP/scripts/build.sh" kcsan
hunt "$TMPDIR/overlay/hunt" races
: >"$TMPDIR/tests"
: >"$TMPDIR/races"

boot boot-debug -- ./page_huge ./page_huge_ops ./page_huge_gup ./page_huge_zero
boot driver-debug -- ./hugetlb_driver ./hugetlb_driver_admin ./hugetlb_driver_gup ./hugetlb_driver_ops \
	./hugetlb_driver_pages ./hugetlb_unmap_private "/gate/kunit.sh hugetlb_driver"
boot dma-debug QEMU_ARGS="$cpu $edu" KERNEL_ARGS="$watch $strict" -- ./hugetlb_heap ./hugetlb_heap_map ./hugetlb_heap_dma
boot races MEM=3072 -- "env LIMIT=300 /hunt/races seconds 180"
judge >"$TMPDIR/judged"
{
	printf '# what\tname\ttests passed, or times seen\tof the series\ttree of the series\n'
	cat "$TMPDIR/tests" "$TMPDIR/judged" | sed "s/\$/\t$TREE/"
} >"$TMPDIR/results"
! grep $'\tyes$' "$TMPDIR/judged" || complain "these data races are in functions of the series; look for them in the output above."

# A race is seen to be seen.
say "planted: a data race"
# Many times a fault: of a thousand accesses one is watched.
awk -v loop="\textern unsigned long planted_race;\n\n\tfor (int i = 0; i < 10000; i++) {\n\t\tplanted_race++;\n\t\tbarrier();\n\t}" '
	{ print }
	/^static vm_fault_t hugetlb_no_page\(/ { here = 1 }
	here && /^{/ { print loop; here = 0 }
	END { print "unsigned long planted_race;" }
' "$linux/mm/hugetlb.c" >"$TMPDIR/planted.c"
cp "$TMPDIR/planted.c" "$linux/mm/hugetlb.c"
(($(grep -c planted_race "$linux/mm/hugetlb.c") == 3)) || die "there is no hugetlb_no_page() any more; plant the race elsewhere."
"$TOP/scripts/build.sh" kcsan
: >"$TMPDIR/races"
boot zero-races -- "./page_huge_zero -t races"
git -C "$linux" checkout -q -- mm/hugetlb.c
judge | grep -E $'^race\thugetlb_no_page .*\tyes$' ||
	die "a planted data race is not seen, so the gate proves nothing."
mkdir -p "${results%/*}"
mv "$TMPDIR/results" "$results"
((bad == 0))
echo "$(grep -c '^race' "$TMPDIR/judged" || :) data races, none with an access in a function of the series"
