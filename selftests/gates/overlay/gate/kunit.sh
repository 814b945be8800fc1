#!/bin/bash
# kunit.sh SUITE...: run these KUnit suites in the guest; print what they say as
# one TAP, as ktap.awk has it.
set -euo pipefail

dir=/sys/kernel/debug/kunit
mountpoint -q /sys/kernel/debug 2>/dev/null || mount -t debugfs none /sys/kernel/debug 2>/dev/null || :

for suite; do
	[[ -e $dir/$suite/run ]] || {
		echo "Bail out! the kernel has no KUnit suite $suite" >&3
		exit 1
	}
	echo run >"$dir/$suite/run"
	cat "$dir/$suite/results"
done 3>&1 >/tmp/ktap
sed 's/^/# /' /tmp/ktap

awk -f /gate/ktap.awk /tmp/ktap >/tmp/tap || { echo "Bail out! no results"; exit 1; }
cat /tmp/tap
! grep -q '^not ok' /tmp/tap
