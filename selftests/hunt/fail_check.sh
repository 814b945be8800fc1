#!/bin/bash
# fail_check.sh SITES OUTPUT: has each call of SITES failed in OUTPUT?
#
# SITES is what fail_sites.sh prints, OUTPUT what fail_nth prints. A call that
# selftests/hunt/fail_sites.unreached names must not have failed, and of several of the
# same just as many as it says.
# Prints a table, one line a call: file, function, what it calls, how often it
# failed in all, how often because it was made to itself (and not an allocation
# somewhere below it), and with which errors of the operation. Its last line, on
# stderr, is how many sites failed, of how many, and how many cannot.
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
	cannot[$1 " " $2] = $3
	reason[$1 " " $2] = $4
	calls[$1 " " $2] = silent[$1 " " $2] = 0
}
FILENAME == ARGV[2] {
	order[++sites] = $1
	name[$1] = $4 OFS $2 OFS $3
	site[$1] = $2 " " $3
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
		what = site[key]
		if (what in reason)
			calls[what]++
		if (failed[key]) {
			print name[key], failed[key], made[key], substr(errors[key], 2)
			count++
		} else if (what in reason && silent[what]++ < cannot[what]) {
			print name[key], 0, 0, "not reached: " reason[what]
			left++
		} else {
			print name[key], 0, 0, "MISSED"
			split(what, part, " ")
			printf "%s: its call of %s (%s) has not failed\n", part[1], part[2], key >"/dev/stderr"
			bad = 1
		}
	}
	for (what in reason)
		if (!calls[what]) {
			printf "%s: no such call any more; take the line out of fail_sites.unreached\n", what >"/dev/stderr"
			bad = 1
		} else if (silent[what] < cannot[what]) {
			printf "%s: has failed, and fail_sites.unreached says that it cannot\n", what >"/dev/stderr"
			bad = 1
		}
	printf "%d of %d sites failed, %d cannot\n", count, sites, left >"/dev/stderr"
	exit bad || !count
}' "$unreached" "$1" "$2"
