#!/bin/bash
# run.sh: from a clean checkout to /dev/page-huge at work, in one command.
#
# Installs what is missing, gets the kernel, applies the series, builds it,
# boots it in QEMU and runs a program in it that uses /dev/page-huge, with
# pages of 2 MiB and of 1 GiB. About 10 minutes on two processors the first
# time, under a minute when nothing changed. Root, or a user who may use sudo.
#
# Environment: LINUX (scripts/fetch.sh), JOBS (scripts/build.sh), BUILD and
# CACHE (scripts/lib.sh), and those of scripts/boot.sh.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

(($# == 0)) || die "it takes no arguments; what can be set is in its first lines."
need_linux_x86
lock run

step() {
	say "[$1] $2 ($((SECONDS / 60)) min $((SECONDS % 60)) s so far)"
}

step 1/5 "installing what is missing"
"$TOP/scripts/setup.sh" base build boot
step 2/5 "getting the kernel"
source=$("$TOP/scripts/fetch.sh")
step 3/5 "applying the series"
"$TOP/scripts/apply.sh" "$source"
step 4/5 "building"
"$TOP/scripts/build.sh"
step 5/5 "booting it in QEMU"

demo=/kselftest/mm/page_huge_demo
[[ -x $BUILD/default/overlay$demo ]] ||
	die "the kernel in $BUILD/linux brings no page_huge_demo; go back to the whole series with scripts/apply.sh."

cat <<'E2'

What follows happens inside a small virtual machine that runs the new kernel.

A computer hands out its memory in pages, most of the time of 4 KiB. For big
buffers that is a lot of pages to look up. Processors know bigger ones too,
2 MiB and 1 GiB: "huge pages". Linux keeps them in pools, one for each size.
/dev/page-huge is a file from which any program can map such pages: open it,
call mmap(), and use the memory.

E2
status=0
# Each size in turn; both are tried.
# shellcheck disable=SC2016 # the guest's shell expands it
"$TOP/scripts/boot.sh" -- bash -c '
	status=0
	for device in /dev/page-huge /dev/page-huge-1048576kB; do
		echo "== $device =="
		"$0" "$device" || status=1
		echo
	done
	exit $status' "$demo" || status=$?
((status == 0)) ||
	die "the demonstration failed with status $status (scripts/boot.sh says what 120 to 123 mean); the guest's console is $BUILD/default/boot.log."
say "done in $((SECONDS / 60)) min $((SECONDS % 60)) s; next: scripts/test.sh, or scripts/boot.sh for a shell in that kernel"
