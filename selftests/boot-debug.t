#!/bin/bash
# boot.sh on the debug kernel, which "scripts/build.sh debug" has built: what
# its checks find is seen.
set -euo pipefail
kernel=${BUILD:-} cache=${CACHE:-}
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
BUILD=${kernel:-$TOP/build}
unset CACHE MEM CPUS NUMA TIMEOUT KERNEL_ARGS QEMU_ARGS
[[ -z $cache ]] || export CACHE=$cache
[[ -f $BUILD/debug/tree ]] || bail "no debug kernel in $BUILD; run scripts/build.sh debug first"
export LOG=$T/console
boot=$TOP/scripts/boot.sh

# A guest without pages of 1 GiB starts sooner.
small=(env MEM=2048 KERNEL_ARGS=hugepages=1)
status "a KASAN report, though the command says something else" 123 "${small[@]}" "$boot" -c debug -- \
	bash -c 'echo WRITE_AFTER_FREE >/sys/kernel/debug/provoke-crash/DIRECT; exit 5'
like "is shown" "$err" "BUG: KASAN: .*own status: 5"
status "leaked memory, though the command says 0" 123 "${small[@]}" "$boot" -c debug -- \
	bash -c 'modprobe kmemleak-test && rmmod kmemleak-test'
like "is shown" "$err" "kmemleak: .* new suspected memory leaks"
ok "a guest without fault, with both pools" "$boot" -c debug -- \
	bash -c 'grep -h . /sys/kernel/mm/hugepages/*/nr_hugepages'
is "is none" "$(sort -n <<<"$out" | xargs)" "2 128"

done_testing
