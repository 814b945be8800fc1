# shellcheck shell=bash
# For the tests of this repository: TAP on stdout. Sourced by the *.t files,
# which are run from anywhere, by prove.
#
#   ok DESC CMD...               CMD succeeds
#   is DESC GOT WANTED           two strings are the same
#   like DESC TEXT REGEX         TEXT has a match of REGEX
#   status DESC N CMD...         CMD exits with N; its output in $out and $err
#   refuses DESC REGEX CMD...    CMD exits with 1 and one sentence that matches
#   skip DESC REASON             a test that cannot run here
#   bail REASON                  no use to go on
#   done_testing                 the plan, at the end
#   test_repo DIR                a copy of this repository's scripts, with an
#                                empty series
#   fake_kernel DIR [VERSION]    a git tree that passes for a kernel
#
# Sets TOP (this repository), T (a directory of the test's own, removed at the
# end), and BUILD and CACHE in it.

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
export BUILD=$T/build CACHE=$T/cache
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
export GIT_AUTHOR_NAME=Tester GIT_AUTHOR_EMAIL=tester@example.org
export GIT_COMMITTER_NAME=Tester GIT_COMMITTER_EMAIL=tester@example.org
unset LINUX LINUX_GIT_URL

tests=0
failed=0
out=
err=

result() {
	tests=$((tests + 1))
	if [[ $1 == 0 ]]; then
		echo "ok $tests - $2"
		return
	fi
	failed=$((failed + 1))
	echo "not ok $tests - $2"
	shift 2
	printf '%s\n' "$@" | sed 's/^/# /'
}

# capture CMD...: its status in $code, its output in $out and $err.
capture() {
	code=0
	"$@" >"$T/.out" 2>"$T/.err" || code=$?
	out=$(tr -d '\0' <"$T/.out")
	err=$(tr -d '\0' <"$T/.err")
}

ok() {
	local desc=$1
	shift
	capture "$@"
	result "$code" "$desc" "exit status $code from: $*" "$out" "$err"
}

is() {
	if [[ $2 == "$3" ]]; then
		result 0 "$1"
	else
		result 1 "$1" "got:    $2" "wanted: $3"
	fi
}

like() {
	if [[ $2 =~ $3 ]]; then
		result 0 "$1"
	else
		result 1 "$1" "got:    $2" "wanted: $3"
	fi
}

status() {
	local desc=$1 want=$2
	shift 2
	capture "$@"
	if [[ $code == "$want" ]]; then
		result 0 "$desc"
	else
		result 1 "$desc" "exit status $code, wanted $want, from: $*" "$out" "$err"
	fi
}

refuses() {
	local desc=$1 regex=$2 errors
	shift 2
	capture "$@"
	errors=$(grep ': error: ' <<<"$err" || true)
	if [[ $code == 1 && $errors =~ $regex && $(wc -l <<<"$errors") == 1 ]]; then
		result 0 "$desc"
	else
		result 1 "$desc" "exit status $code, wanted 1 and: $regex" "$out" "$err"
	fi
}

skip() {
	tests=$((tests + 1))
	echo "ok $tests - $1 # SKIP $2"
}

bail() {
	echo "Bail out! $*"
	exit 1
}

done_testing() {
	echo "1..$tests"
	[[ $failed == 0 ]]
}

test_repo() {
	mkdir -p "$1"
	cp -r "$TOP/scripts" "$1/"
	: >"$1/series"
}

fake_kernel() {
	local dir=$1 version=${2:-7.3.4} v p s
	IFS=. read -r v p s <<<"$version"
	mkdir -p "$dir"/{mm,drivers/char,lib}
	printf 'VERSION = %s\nPATCHLEVEL = %s\nSUBLEVEL = %s\nEXTRAVERSION =\n' "$v" "$p" "${s:-0}" >"$dir/Makefile"
	printf 'mainmenu "fake"\n' >"$dir/Kconfig"
	printf '*.o\n.*\n!.gitignore\n' >"$dir/.gitignore"
	seq 1 60 | sed 's/^/line /' >"$dir/mm/hugetlb.c"
	seq 1 40 | sed 's/^/char /' >"$dir/drivers/char/mem.c"
	printf 'A\nM:\ta@example.org\n\nZ\nM:\tz@example.org\n' >"$dir/MAINTAINERS"
	git init -q -b master "$dir"
	git -C "$dir" add -A
	git -C "$dir" commit -qm "Linux $version"
}
