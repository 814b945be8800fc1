#!/bin/bash
# fail_check.sh SITES OUTPUT: has each call of SITES failed in OUTPUT?
#
# SITES is what fail_sites.sh prints, OUTPUT what fail_nth prints. A call that
# selftests/hunt/fail_sites.unreached names need not have failed, and must not have.
# Prints a table, one line a call: file, function, what it calls, how often it
# failed in all, how often because it was made to itself (and not an allocation
# somewhere below it), and with which errors of the operation. Its last line, on
# stderr, is "N of N sites".
#
# Environment:
#   UNREACHED   in place of selftests/hunt/fail_sites.unreached
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"

(($# == 2)) || die "say fail_check.sh SITES OUTPUT."
unreached=${UNREACHED:-$TOP/selftests/hunt/fail_sites.unreached}

awk -F'\t' -v OFS='\t' '
FILENAME == ARGV[1] && !/^#/ && NF {
	reason[$1, $2] = $3
	stale[$1 " " $2]
}
FILENAME == ARGV[2] {
	order[++sites] = $1
	name[$1] = $4 OFS $2 OFS $3
	site[$1] = $2 SUBSEP $3
	failed[$1] = made[$1] = 0
}
FILENAME == ARGV[3] && $1 == "hit" {
	n = split($6, frame, " ")
	for (i = 2; i <= n; i++) {
		if (!(frame[i] in failed) || last[frame[i]] == FNR)
			continue
		last[frame[i]] = FNR
		failed[frame[i]]++
		if (i == 2 && frame[1] != "allocation")
			made[frame[i]]++
		if (!((frame[i], $5) in seen)) {
			seen[frame[i], $5]
			errors[frame[i]] = errors[frame[i]] " " $5
		}
	}
}
END {
	for (i = 1; i <= sites; i++) {
		key = order[i]
		split(site[key], part, SUBSEP)
		delete stale[part[1] " " part[2]]
		if (failed[key]) {
			print name[key], failed[key], made[key], substr(errors[key], 2)
			count++
			# Of several calls of the same, some can be out of reach.
			if (site[key] in reason)
				reached[site[key]]++
		} else if (site[key] in reason) {
			print name[key], 0, 0, "not reached: " reason[site[key]]
			not_reached[site[key]]
			left++
		} else {
			print name[key], 0, 0, "MISSED"
			printf "%s: %s calls %s (%s), which has not failed\n", part[1], part[1], part[2], key >"/dev/stderr"
			bad = 1
		}
	}
	for (key in reached)
		if (!(key in not_reached)) {
			split(key, part, SUBSEP)
			printf "%s: the call of %s has failed, and fail_sites.unreached says that it cannot\n", part[1], part[2] >"/dev/stderr"
			bad = 1
		}
	for (key in stale) {
		printf "%s: no such call any more; take the line out of fail_sites.unreached\n", key >"/dev/stderr"
		bad = 1
	}
	printf "%d of %d sites failed, %d cannot\n", count, sites - left, left >"/dev/stderr"
	exit bad || !count
}' "$unreached" "$1" "$2"
