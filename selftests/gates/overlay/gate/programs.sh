#!/bin/bash
# programs.sh LIST: run the programs of the file LIST beside this one in the guest,
# where the mm selftests are, one by one, and print a line for each program and for
# each test in it: what it said. Their output as it is comes on lines that begin
# with "| ".
set -euo pipefail
list=$(dirname "$0")/$1
cd /kselftest/mm

# Every program finds the same pools.
pools() {
	local pool
	for pool in /sys/kernel/mm/hugepages/hugepages-*; do
		[[ $(<"$pool/nr_overcommit_hugepages") == 0 ]] || echo 0 >"$pool/nr_overcommit_hugepages"
		[[ $pool != *-2048kB || $(<"$pool/nr_hugepages") == 128 ]] || echo 128 >"$pool/nr_hugepages"
	done
}

while read -r program args; do
	pools
	name=${program#./}${args:+ $args}
	# On the console too, or a splat there would be nobody's.
	printf '<5>%s\n' "$name" >/dev/kmsg
	start=$SECONDS
	status=0
	# shellcheck disable=SC2086 # the arguments are words
	timeout -k 5 300 "$program" $args >/tmp/out 2>&1 </dev/null || status=$?
	sed 's/^/| /' /tmp/out
	printf '| %s: status %d after %d s\n' "$name" "$status" "$((SECONDS - start))"
	case $status in
	0) result=pass ;;
	4) result=skip ;;
	124 | 137) result="no end" ;;
	*) result="fail $status" ;;
	esac
	# The tests in it, when it speaks TAP; one of pagemap_ioctl has figures in its name.
	printf '%s: %s\n' "$name" "$result"
	sed -nE "s/^(ok|not ok) [0-9]+ *-? *(.*)$/\1 \2/p" /tmp/out |
		sed -E 's/ Extra pages .*//; s/[[:space:]]+$//' | LC_ALL=C sort |
		sed "s|^|$name: |"
done < <(grep -v -e '^#' -e '^$' "$list")
