#!/bin/bash
# fail_nth.sh: run fail_nth in the guest, all of it, then twice with a fault that it
# has to see. It is in /fail with what it needs.
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
/gate/counters.sh ./fail_nth sites || status=$?
((status == 0)) || exit "$status"

echo "### an error that is not expected"
! ./fail_nth sites plain_buffers wrong || wrong "an error that was not expected was not seen"
echo "### a page that is not given back"
echo "hugetlb_free_pages_immediate 0" >/sys/kernel/debug/fail_call/skipped
! ./fail_nth sites driver_fresh || wrong "a leak on the way back from an error was not seen"
