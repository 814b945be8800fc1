#!/bin/bash
# tests.sh COMMAND...: run each COMMAND in the guest, where the mm selftests are,
# all of them even after one failed. What it prints begins with a line
# "### COMMAND"; the counters of huge pages are compared around each.
#
# Exit status: that of the first that failed; 99 when a counter changed.
set -euo pipefail
cd /kselftest/mm

first=0
for command; do
	printf '### %s\n' "$command"
	status=0
	/gate/counters.sh bash -c "$command" || status=$?
	((status == 0)) || printf '# %s ended with %d\n' "$command" "$status"
	((first)) || first=$status
done
exit "$first"
