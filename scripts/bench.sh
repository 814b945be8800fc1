#!/bin/bash
# bench.sh [PART...]: what huge pages cost and what they save, side by side, on the
# kernel of build/linux and on the kernel without the series. Without a PART: all
# of them, in order. A part is a file of scripts/bench; its results are
# Documentation/results/PART.txt, for people, and PART.tsv, for programs.
#
#   memory   mmap, first and second touch, fork, munmap, in guest instructions
#   buffer   a driver's buffer, pinning and what describes it, the same way
#   tlb      misses of a model of a TLB, for patterns of access; and what the same
#            patterns take on the machine that this runs on
#   scale    two threads beside one, in time
#   dma      memory for a device, mapped to it and to user space, in instructions
#   plots    pictures of what the others found
#   goals    all goals in one table
#
# Under -icount shift=0 a nanosecond of the guest's clock is one instruction, those
# of an interrupt in between included: every operation is done several times, and
# the least counts; and all is done twice. Figures of two runs that are more than
# 0.1% apart are listed. Instructions are all that is counted: no caches, no TLB,
# no contention, no memory bandwidth. The processor is without fast string
# instructions, which would clear a page in one. It takes 10 GiB of memory, and with
# the kernels built about half an hour.
#
# Exit status: 0; 1 when a goal is missed or could not be checked, or when
# something of ours takes over 2% more than the committed figures say. The latter
# is accepted with REASON, which is written beside each such figure.
#
# Environment:
#   RESULTS   where the results go (default: Documentation/results)
#   REASON    why what takes longer than it did is to
#   NATIVE    no: nothing is measured on this machine itself; else, as root, its pool
#             of 2 MiB pages gets 520 more for that time
#   BUILD, CACHE as in lib.sh; JOBS as in build.sh
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=scripts/bench/lib.sh
. "$TOP/scripts/bench/lib.sh"

results=${RESULTS:-$TOP/Documentation/results}
[[ $results == /* ]] || results=$PWD/$results
parts=()
for file in "$TOP"/scripts/bench/[0-9]*.sh; do
	part=${file##*/[0-9][0-9]-}
	parts+=("${part%.sh}")
done
wanted=("$@")
(($# > 0)) || wanted=("${parts[@]}")
for part in "${wanted[@]}"; do
	[[ " ${parts[*]} " == *" $part "* ]] ||
		die "unknown part '$part'; the parts are ${parts[*]}."
done
[[ ${REASON:-} != *$'\t'* && ${REASON:-} != *$'\n'* ]] || die "REASON is one line without tabs."

"$TOP/scripts/setup.sh" boot
"$TOP/scripts/setup.sh" bench
say "the kernel of $BUILD/linux"
"$TOP/scripts/build.sh" default
bench=$BUILD/default/overlay/kselftest/mm/page_huge_bench
[[ -x $bench ]] ||
	die "the kernel in $BUILD/linux brings no page_huge_bench; go back to the whole series with scripts/apply.sh."

tmp=$(mktemp -d "$BUILD/.bench.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
mkdir -p "$tmp/overlay/bench" "$tmp/out" "$results"
cp "$bench" "$TOP/scripts/bench/guest" "$tmp/overlay/bench/"

missed=0
for part in "${parts[@]}"; do
	[[ " ${wanted[*]} " == *" $part "* ]] || continue
	out=$tmp/out/$part
	mkdir -p "$out/files"
	say "bench: $part"
	# A part writes all it has into $out/files. Not with ||, which would make
	# it go on after an error.
	set +e
	(
		set -e
		# shellcheck source=/dev/null
		. "$TOP/scripts/bench/"[0-9][0-9]-"$part.sh"
	)
	status=$?
	set -e
	((status == 0)) || exit 1
	[[ ! -f $out/files/$part.txt ]] || cat "$out/files/$part.txt"
	[[ ! -f $out/missed ]] || missed=1
	cp "$out/files/"* "$results/"
done
exit "$missed"
