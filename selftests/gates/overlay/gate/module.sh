#!/bin/bash
# module.sh MODULE: load it in the guest, run the selftest of /dev/page-huge,
# and unload it, which an open device must prevent. What it prints is TAP.
set -euo pipefail

wrong() {
	echo "Bail out! $*"
	exit 1
}

[[ ! -e /dev/page-huge ]] || wrong "/dev/page-huge is there without the module $1"
modprobe "$1" || wrong "$1 cannot be loaded"
exec 3</dev/page-huge || wrong "there is no /dev/page-huge with the module $1"
! rmmod "$1" 2>/dev/null || wrong "$1 was unloaded while /dev/page-huge was open"
exec 3<&-

status=0
(cd /kselftest/mm && /gate/counters.sh ./page_huge) || status=$?

rmmod "$1" || wrong "$1 cannot be unloaded"
! compgen -G "/dev/page-huge*" >/dev/null || wrong "/dev/page-huge is there after $1 was unloaded"
modprobe "$1" || wrong "$1 cannot be loaded again"
exit "$status"
