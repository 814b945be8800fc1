#!/bin/bash
# repeat.sh ROUNDS COMMAND [ARGS]: run COMMAND that often in the guest, where
# the mm selftests are; each round is a test, its own output comes as comments.
set -euo pipefail
cd /kselftest/mm

rounds=$1
shift
echo "TAP version 13"
echo "1..$rounds"
failed=0
for ((round = 1; round <= rounds; round++)); do
	status=0
	/gate/counters.sh "$@" >/tmp/out 2>&1 || status=$?
	sed 's/^/# /' /tmp/out
	if ((status)); then
		failed=1
		printf 'not '
	fi
	echo "ok $round round $round, status $status"
done
exit "$failed"
