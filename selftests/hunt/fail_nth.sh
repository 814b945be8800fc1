#!/bin/bash
# fail_nth.sh: run fail_nth in the guest, all of it, then parts of it with faults that
# it has to see. It is in /fail with what it needs.
#
# Exit status: 0 when all is well; 99 a counter changed; anything else: see the output.
set -euo pipefail
cd /fail

wrong() {
	echo "Bail out! $*"
	exit 1
}

insmod modules/fail_call.ko
while read -r name value; do
	echo "$name $value" >/sys/kernel/debug/fail_call/functions ||
		wrong "the kernel has no function $name to let fail; see selftests/hunt/fail_nth.functions"
done < <(grep -v '^#' functions)

# Allocations of every kind, and not a word about it. What kmemleak keeps about an
# object is not the object.
for cache in /sys/kernel/slab/*; do
	[[ $cache == */kmemleak_object ]] || echo 1 >"$cache/failslab"
done
cd /sys/kernel/debug
echo Y >failslab/cache-filter
echo N >failslab/ignore-gfp-wait
echo N >fail_page_alloc/ignore-gfp-wait
echo N >fail_page_alloc/ignore-gfp-highmem
echo 0 >fail_page_alloc/min-order
echo 0 >failslab/verbose
echo 0 >fail_page_alloc/verbose

cd /sys/fs/cgroup
echo "+hugetlb +memory" >cgroup.subtree_control
mkdir fail_nth
echo $$ >fail_nth/cgroup.procs
echo 2 >/sys/kernel/mm/hugepages/hugepages-2048kB/nr_overcommit_hugepages
cd /fail

status=0
/gate/counters.sh ./fail_nth sites "$(<wanted)" || status=$?
((status == 0)) || exit "$status"

# planted WHAT SAID SCENARIO [wrong]: this is seen, and SAID is why.
planted() {
	local what=$1 said=$2
	shift 2
	echo "### $what"
	! ./fail_nth sites 0 "$@" >/tmp/planted || wrong "$what was not seen"
	cat /tmp/planted
	grep -Eq "^# $1: .*$said" /tmp/planted || wrong "$what was taken for something else"
}
# forgotten FUNCTION WHAT SAID SCENARIO: the same, with a way back that leaves out FUNCTION.
forgotten() {
	echo "$1 0" >/sys/kernel/debug/fail_call/skipped
	planted "${@:2}"
	echo "none 0" >/sys/kernel/debug/fail_call/skipped
}
planted "an error that is not expected" "ENOMEM after allocation" plain_buffers wrong
forgotten hugetlb_free_pages_immediate "a page that is not given back" \
	"/fresh_hugepages was" driver_fresh
forgotten hugetlb_cgroup_uncharge_cgroup "a charge of a cgroup that stays" \
	"/hugetlb.2MB.current was" driver_fresh
forgotten hugetlb_unreserve_pages "a reservation that is lost" \
	"/resv_hugepages was" driver_pool
