# shellcheck shell=bash
# What the scripts share; sourced, never run. The caller has set -euo pipefail.
#
# Sets:
#   TOP     top of this repository
#   BUILD   where everything is built (default: $TOP/build)
#   CACHE   downloads and base trees, shared by every checkout
#           (default: ${XDG_CACHE_HOME:-$HOME/.cache}/linux-page-huge)
# Honours:
#   BUILD, CACHE, XDG_CACHE_HOME, HOME

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
BUILD=${BUILD:-$TOP/build}
CACHE=${CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/linux-page-huge}
[[ $BUILD == /* ]] || BUILD=$PWD/$BUILD
[[ $CACHE == /* ]] || CACHE=$PWD/$CACHE
export BUILD CACHE

# Progress, on stderr: stdout is for results.
say() {
	printf '%s\n' "$*" >&2
}

# One clear sentence that says what to do next, and the end.
die() {
	printf '%s: error: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# lock NAME: only one NAME at a time in this checkout, until this script and
# its children end. A script called by the holder takes it as held.
lock() {
	local name=$1 var=LPH_LOCK_${1//[^a-zA-Z0-9]/_} fd
	[[ ${!var:-} == "$BUILD" ]] && return 0
	mkdir -p "$BUILD" 2>/dev/null && [[ -w $BUILD ]] ||
		die "cannot write to $BUILD; make it writable or set BUILD to another directory."
	command -v flock >/dev/null ||
		die "flock is missing; install the package util-linux."
	exec {fd}>>"$BUILD/.$name.lock"
	flock -n "$fd" ||
		die "another $name is running in this checkout; wait for it to end, or use a second checkout."
	export "$var=$BUILD"
}

# need_linux_x86: everything here needs Linux on x86-64.
need_linux_x86() {
	[[ $(uname -s) == Linux ]] ||
		die "this is $(uname -s), not Linux; use a Linux machine (Debian 12 is the one tested)."
	[[ $(uname -m) == x86_64 ]] ||
		die "this machine is $(uname -m), not x86-64; use an x86-64 one."
}

# need_space DIR GB WHAT: refuse early when DIR has less than GB gigabytes free.
need_space() {
	local dir=$1 gb=$2 what=$3 free
	mkdir -p "$dir" 2>/dev/null && [[ -w $dir ]] ||
		die "cannot write to $dir; make it writable or choose another place (BUILD, CACHE)."
	free=$(df -Pk "$dir" | awk 'NR == 2 { print $4 }')
	((free >= gb * 1024 * 1024)) ||
		die "$what needs $gb GB in $dir but only $((free / 1024 / 1024)) GB are free; make room or choose another place (BUILD, CACHE)."
}
