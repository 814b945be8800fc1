#!/bin/bash
# build.sh: refuses what it cannot do, loses no option, does nothing twice.
# Where build/linux is not there, what needs it fails.
set -euo pipefail
kernel=${BUILD:-}
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
kernel=${kernel:-$TOP/build}
[[ -d $kernel/linux && -f $kernel/default/tree ]] ||
	bail "no default kernel in $kernel; run scripts/apply.sh and scripts/build.sh first"
repo=$T/repo
test_repo "$repo"
mkdir "$repo/selftests"
cp -r "$TOP/selftests/config" "$repo/selftests/"
build=$repo/scripts/build.sh

refuses "an unknown CONFIG" "'nonsense'; say default, debug or small" "$build" nonsense
refuses "two CONFIGs" "too many" "$build" default debug
refuses "no work tree" "run scripts/apply.sh first" "$build"
mkdir "$BUILD"
fake_kernel "$BUILD/linux"
refuses "a tree that does not build" "failed; the whole log is" "$build"
ok "the log is there" test -s "$BUILD/default.failed.log"
ok "nothing claims to be built" test ! -e "$BUILD/default/tree"
ok "nothing half-made is left" test -z "$(ls -d "$BUILD"/.build.?????? 2>/dev/null)"
refuses "two builds at once" "another build is running" flock "$BUILD/.build.lock" "$build"

if [[ -w /proc/sys/kernel/hostname ]] && mkdir "$T/small" && mount -t tmpfs -o size=8m tmpfs "$T/small"; then
	git clone -q "$BUILD/linux" "$T/small/linux"
	BUILD=$T/small refuses "too little room" "needs .* GB in .*; make room" "$build"
	umount "$T/small"
else
	skip "too little room" "no root, no small file system"
fi

rm -rf "$BUILD/linux"
ln -s "$kernel/linux" "$BUILD/linux"
before=$(git -C "$kernel/linux" status --porcelain)
printf 'CONFIG_NO_SUCH_OPTION=y\n# CONFIG_PRINTK is not set\n# CONFIG_64BIT is not set\nCONFIG_64BIT=y\n' \
	>>"$repo/selftests/config/default.config"
sed -i '/^CONFIG_MEMORY_FAILURE=y/d' "$repo/selftests/config/default.config"
refuses "options that do not survive" "did not survive" "$build"
is "each is named, those that do are not" \
	"$(grep '^\(# \)\?CONFIG_' <<<"$err" | grep -v 'PRINTK_TIME\|_CONSOLE\|EARLY_PRINTK' | xargs)" \
	"CONFIG_HWPOISON_INJECT=y CONFIG_NO_SUCH_OPTION=y"
is "the work tree is as it was" "$(git -C "$kernel/linux" status --porcelain)" "$before"

# A kernel is packed by .incbin, into a source that says no more than its size.
cat >"$T/assemble" <<'END'
set -euo pipefail
. "$1/scripts/lib.sh"
cd "$2"
export CCACHE_DIR=$2/ccache CCACHE_DEPEND=1
use_ccache
printf '.incbin "blob"\n' >blob.S
printf '%s' "$3" >blob
$cc -MMD -c -o blob.o blob.S
objcopy -O binary -j .text blob.o blob.out
cat blob.out
END
assembled() {
	bash "$T/assemble" "$TOP" "$T" "$1"
}
if command -v ccache >/dev/null; then
	is "a file to include" "$(assembled old)" old
	is "another of the same size" "$(assembled new)" new
else
	skip "files that are included" "no ccache"
fi

unset CACHE
export BUILD=$kernel
ok "the real one, up to date" "$TOP/scripts/build.sh"
start=${EPOCHREALTIME/./}
ok "asked again" "$TOP/scripts/build.sh" default
took=$(((${EPOCHREALTIME/./} - start) / 1000000))
like "says so" "$err" "nothing changed"
ok "takes seconds ($took s)" test "$took" -lt 30

done_testing
