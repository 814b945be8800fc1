#!/bin/bash
# counters.sh COMMAND [ARGS]: run COMMAND in the guest; what the kernel counts
# of huge pages and of committed memory must be the same before and after.
#
# Exit status: COMMAND's; 99 when it succeeded but a counter changed.
set -euo pipefail

# One line a counter: name and value. Read by the shell itself, so that the
# reading changes nothing.
pools() {
	local file
	for file in /sys/kernel/mm/hugepages/*/{nr,free,resv,surplus,fresh}_hugepages \
		/sys/devices/system/node/node*/hugepages/*/{nr,free,surplus,fresh}_hugepages; do
		[[ ! -e $file ]] || printf '%s %s\n' "$file" "$(<"$file")"
	done
	grep -E '^(Huge|Hugetlb)' /proc/meminfo
	grep -E '^nr_hugetlb ' /proc/vmstat
}
committed() {
	awk '$1 == "Committed_AS:" { print $2 }' /proc/meminfo
}

before=$(pools)
committed_before=$(committed)
status=0
"$@" || status=$?
after=$(pools)
committed_after=$(committed)

if [[ $before != "$after" ]]; then
	printf '# counters of huge pages changed (- before, + after):\n'
	# In the form that busybox has.
	{ diff -U 0 <(echo "$before") <(echo "$after") || :; } | sed -n '/^---\|^+++/d; s/^[-+]/# &/p'
	((status)) || status=99
fi
# Less than the smallest huge page is this shell's own.
delta=$((committed_after - committed_before))
if ((delta <= -2048 || delta >= 2048)); then
	printf '# Committed_AS changed by %d kB\n' "$delta"
	((status)) || status=99
fi
printf '# counters: Committed_AS %+d kB, %d counters of huge pages compared\n' \
	"$delta" "$(wc -l <<<"$before")"
exit "$status"
