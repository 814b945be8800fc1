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
export PATH="$CACHE/tools/bin:$PATH"

# Progress, on stderr: stdout is for results.
say() {
	printf '%s\n' "$*" >&2
}

# One clear sentence that says what to do next, and the end.
die() {
	printf '%s: error: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# writable DIR: DIR is there and can be written to.
writable() {
	if ! mkdir -p "$1" 2>/dev/null || [[ ! -w $1 ]]; then
		die "cannot write to $1; make it writable or choose another place (BUILD, CACHE)."
	fi
}

# lock NAME: only one NAME at a time in this checkout, until this script and
# its children end. A script called by the holder takes it as held.
lock() {
	local name=$1 var=LPH_LOCK_${1//[^a-zA-Z0-9]/_} fd
	[[ ${!var:-} == "$BUILD" ]] && return 0
	writable "$BUILD"
	command -v flock >/dev/null ||
		die "flock is missing; install the package util-linux."
	exec {fd}>>"$BUILD/.$name.lock"
	flock -n "$fd" ||
		die "another $name is running in this checkout; wait for it to end, or use a second checkout."
	export "$var=$BUILD"
}

# lock_cache: one user of the cache at a time, of all checkouts; waits.
lock_cache() {
	[[ ${LPH_CACHE_LOCK:-} == "$CACHE" ]] && return 0
	local fd
	writable "$CACHE"
	exec {fd}>>"$CACHE/.lock"
	if ! flock -n "$fd"; then
		say "waiting for another checkout to be done with $CACHE"
		flock "$fd"
	fi
	export LPH_CACHE_LOCK=$CACHE
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
	writable "$dir"
	free=$(df -Pk "$dir" | awk 'NR == 2 { print $4 }')
	((free >= gb * 1024 * 1024)) ||
		die "$what needs $gb GB in $dir but only $((free / 1024 / 1024)) GB are free; make room or choose another place (BUILD, CACHE)."
}

# use_ccache: sets cc, the compiler, found again by ccache where that is installed,
# in another checkout too. Not in ccache's depend mode, which takes a file that
# .incbin names for the one that it knew: the kernel in a bzImage is one.
use_ccache() {
	# shellcheck disable=SC2034 # for the caller
	cc=gcc
	# shellcheck disable=SC2034
	! command -v ccache >/dev/null || cc="ccache gcc"
	export CCACHE_BASEDIR=$BUILD CCACHE_NOHASHDIR=1 CCACHE_NODEPEND=1
	unset -v CCACHE_DEPEND
}

# plain_git ARGS: git as it behaves for somebody who has configured nothing,
# on a repository that the environment does not choose.
plain_git() {
	(
		# shellcheck disable=SC2046 # a list of variable names
		unset $(git rev-parse --local-env-vars) GIT_EXTERNAL_DIFF GIT_DIFF_OPTS
		export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
		export GIT_ATTR_NOSYSTEM=1 GIT_TERMINAL_PROMPT=0
		exec git -c core.attributesFile=/dev/null -c core.excludesFile=/dev/null \
			-c core.hooksPath=/dev/null -c safe.directory='*' -c gc.auto=0 "$@"
	)
}

# series: the patches of the series, one file name a line, checked against
# patches/. No series file is a series of no patches.
series() {
	local names=() name
	if [[ -e $TOP/series ]]; then
		mapfile -t names < <(sed -e 's/[[:space:]]*#.*//' -e 's/^[[:space:]]*//' -e 's/[[:space:]]*$//' \
			-e '/^$/d' "$TOP/series")
	fi
	name=$(printf '%s\n' "${names[@]}" | sort | uniq -d | head -n 1)
	[[ -z $name ]] || die "series names $name twice; remove one of the two lines."
	for name in "${names[@]}"; do
		[[ $name != *[[:space:]/]* ]] ||
			die "series has the line '$name'; write one file name of patches/ a line, without options."
		[[ -f $TOP/patches/$name ]] ||
			die "series names $name but patches/$name is not there; restore it or remove the line."
	done
	for name in "$TOP"/patches/*.patch; do
		[[ -e $name ]] || continue
		name=${name##*/}
		[[ " ${names[*]} " == *" $name "* ]] ||
			die "patches/$name is not in series; add a line for it or remove the file."
	done
	((${#names[@]} == 0)) || printf '%s\n' "${names[@]}"
}
