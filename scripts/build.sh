#!/bin/bash
# build.sh [CONFIG]: build the kernel of build/linux, and its selftests of mm and
# of dma-buf heaps.
#
# CONFIG is "default" (a kernel that boots in seconds), "debug" (the same with
# KASAN, lockdep and the checks of mm), "kcsan" (the default one with KCSAN) or
# "small" (what the series touches, only to see that it builds: nothing is made to
# boot). They are fragments of selftests/config merged over tinyconfig; every option
# they ask for is checked to have survived. The work tree is build/linux as it is,
# committed or not, and stays clean. Nothing changed means nothing to do.
#
# Result, in build/CONFIG:
#   arch/x86/boot/bzImage   the kernel (small: vmlinux, and nothing of the rest)
#   overlay/                what goes over the guest's root: lib/modules, and
#                           the selftests with their libraries in /kselftest
#   tree                    what it was built from
#
# Environment:
#   BUILD   where everything is built (default: build)
#   JOBS    compilers at a time (default: the number of processors)
#   GCOV    set: with gcov, for the files for which a Makefile asks for it
# ccache is used where it is installed.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

fragments=$TOP/selftests/config
config=${1:-default}
jobs=${JOBS:-$(nproc)}
linux=$BUILD/linux
out=$BUILD/$config
ksft=$BUILD/kselftest

(($# <= 1)) || die "too many arguments; say build.sh [CONFIG]."
case $config in
default) merge=("$fragments/default.config") ;;
debug | kcsan) merge=("$fragments/default.config" "$fragments/$config.config") ;;
small) merge=("$fragments/small.config") ;;
*) die "unknown CONFIG '$config'; say default, debug, kcsan or small." ;;
esac
[[ ! ${GCOV:-} ]] || merge+=("$fragments/gcov.config")
kernel=arch/x86/boot/bzImage steps=4
[[ $config != small ]] || kernel=vmlinux steps=2
need_linux_x86
[[ -e $linux/.git ]] ||
	die "there is no kernel tree in $linux; run scripts/apply.sh first."
"$TOP/scripts/setup.sh" build
lock build
need_space "$BUILD" 3 "building a kernel"

# Builds on two machines, and today and tomorrow, give the same bytes.
export KBUILD_BUILD_TIMESTAMP='1970-01-01' KBUILD_BUILD_USER=builder \
	KBUILD_BUILD_HOST=builder LC_ALL=C
unset -v ARCH CROSS_COMPILE LLVM KBUILD_OUTPUT MAKEFLAGS O
use_ccache

tmp=$(mktemp -d "$BUILD/.build.XXXXXX")
trap 'rm -rf "$tmp"' EXIT

# The tree id of the files as they are, new and changed ones included.
git_dir=$(git -C "$linux" rev-parse --absolute-git-dir)
cp "$git_dir/index" "$tmp/index"
tree=$(GIT_INDEX_FILE=$tmp/index git -C "$linux" add -A &&
	GIT_INDEX_FILE=$tmp/index git -C "$linux" write-tree) ||
	die "cannot read the state of $linux with git; look at what 'git -C $linux status' says."

# The series' own options, each from the step on that defines it.
defined=$(sed -n -E 's/^(# )?CONFIG_([A-Za-z0-9_]+).*/\2/p' "$fragments/series.config" | paste -s -d '|')
defined=" $({ git -C "$linux" grep -hE --untracked "^(menu)?config ($defined)$" -- '*Kconfig*' || :; } | sed 's/.* //' | xargs) "
while read -r line; do
	option=${line#*CONFIG_}
	option=${option%%[ =]*}
	[[ $defined != *" $option "* ]] || echo "$line"
done < <(grep -E '^(# )?CONFIG_' "$fragments/series.config") >"$tmp/series.config"
merge+=("$tmp/series.config")
stamp="$tree $(cat "${merge[@]}" "$0" | sha256sum | cut -d' ' -f1) $(gcc --version | head -n1)"

if [[ -f $out/tree && $(<"$out/tree") == "$stamp" && -f $out/$kernel ]]; then
	say "$config kernel: nothing changed"
	exit 0
fi

# run WHAT CMD...: CMD ends at its first error, which is shown.
run() {
	local what=$1 status
	shift
	# Not with ||, which would make a function go on after an error.
	set +e
	(
		set -e
		"$@"
	) >"$tmp/log" 2>&1
	status=$?
	set -e
	((status == 0)) || {
		grep -E -i -m 20 'error|warning|undefined|No space' "$tmp/log" >&2 || tail -n 20 "$tmp/log" >&2
		mv "$tmp/log" "$BUILD/$config.failed.log"
		if grep -q "No space left on device" "$BUILD/$config.failed.log"; then
			die "the disk is full; make room in $BUILD and run it again."
		fi
		die "$what failed; the whole log is $BUILD/$config.failed.log."
	}
}

mk() {
	make -C "$linux" O="$out" ARCH=x86 LOCALVERSION= CC="$cc" -j"$jobs" "$@"
}

mkdir -p "$out"
rm -f "$out/tree"

say "[1/$steps] $config kernel: configuration"
# tinyconfig is allnoconfig with the first three.
configure() {
	local tiny=(kernel/configs/tiny-base.config kernel/configs/tiny.config arch/x86/configs/tiny.config)
	cp -p "$out/.config" "$tmp/config.old" 2>/dev/null || :
	(cd "$linux" && ARCH=x86 scripts/kconfig/merge_config.sh -n -Q -O "$out" "${tiny[@]}" "${merge[@]}")
	# Same configuration, same time stamp: make need not look again.
	! cmp -s "$out/.config" "$tmp/config.old" || touch -r "$tmp/config.old" "$out/.config"
}

# lost_options: none that the fragments ask for may be missing.
lost_options() {
	local lost=() line option
	while read -r line; do
		option=${line#\# }
		option=${option%%[ =]*}
		# A later fragment has the last word.
		line=$(cat "${merge[@]}" | grep -E "^(# )?$option(=| is not set)" | tail -n1)
		case $line in
		"#"*) ! grep -q "^$option=" "$out/.config" || lost+=("$line") ;;
		*) grep -qxF "$line" "$out/.config" || lost+=("$line") ;;
		esac
	done < <(cat "${merge[@]}" | grep -E '^(# )?CONFIG_[A-Za-z0-9_]+(=| is not set)')
	if ((${#lost[@]})); then
		rm -f "$out/.config"
		printf '%s\n' "${lost[@]}" >&2
		die "these options did not survive in the $config configuration; add what they depend on to ${fragments#"$TOP"/}, or drop them."
	fi
}

# It follows from these, and takes seconds.
config_key() {
	{
		GIT_INDEX_FILE=$tmp/index git -C "$linux" ls-files -s -- '*Kconfig*' Makefile 'arch/x86/Makefile*' \
			scripts 'kernel/configs' 'arch/x86/configs'
		cat "${merge[@]}" "$0"
		gcc --version
		cat "$out/.config"
	} | sha256sum
}
if [[ ! -f $out/.config || ! -f $out/config.key || $(<"$out/config.key") != "$(config_key)" ]]; then
	run "merging the configuration" configure
	lost_options
	config_key >"$out/config.key"
fi

say "[2/$steps] $config kernel: compiling (minutes the first time)"
run "building the $config kernel" mk "${kernel##*/}" modules

# finish: the result is there, and what it was built from is said.
finish() {
	echo "$stamp" >"$tmp/tree"
	mv "$tmp/tree" "$out/tree"
	say "$config kernel: $out/$kernel"
}
[[ $config != small ]] || {
	finish
	exit 0
}

say "[3/$steps] $config kernel: selftests"
# They do not depend on the configuration: built once for all of them. Their
# Makefile does not track headers, so any change but to one test's own source
# starts afresh.
selftests() {
	local key
	GIT_INDEX_FILE=$tmp/index git -C "$linux" ls-files -s -- include/uapi 'arch/x86/include/uapi' \
		tools/include tools/testing/selftests mm/gup_test.h >"$tmp/sources"
	! cmp -s "$tmp/sources" "$ksft/sources" || return 0
	key=$(grep -v "	tools/testing/selftests/mm/[^/]*\.c$" "$tmp/sources" | sha256sum)
	if [[ ! -f $ksft/key || $(<"$ksft/key") != "$key" ]]; then
		rm -rf "$ksft"
		mkdir -p "$ksft"
	fi
	rm -rf "$ksft/install" "$ksft/sources"
	make -C "$linux" O="$ksft" ARCH=x86 -j"$jobs" headers
	# KDIR: no module is built inside the work tree.
	make -C "$linux/tools/testing/selftests" O="$ksft" KDIR=/nonexistent \
		TARGETS="mm dmabuf-heaps" FORCE_TARGETS=1 KSFT_INSTALL_PATH="$ksft/install" -j"$jobs" install
	find "$ksft/install" -type f -perm /111 ! -name '*.*' -exec strip {} + 2>/dev/null || :
	echo "$key" >"$ksft/key"
	cp "$tmp/sources" "$ksft/sources"
}
run "building the selftests" selftests

say "[4/$steps] $config kernel: what goes over the guest's root"
overlay() {
	local root=$tmp/overlay lib
	mkdir -p "$root"
	cp -a "$ksft/install" "$root/kselftest"
	# The libraries that the tests were linked with, and the one that the C
	# library loads itself when a thread is cancelled.
	find "$root/kselftest" -type f -perm /111 ! -name '*.*' -exec ldd {} + 2>/dev/null |
		grep -o '/[^ ]*\.so[^ ]*' | sed 'p; s/libc\.so.*/libgcc_s.so.1/' | sort -u >"$tmp/libs" || :
	while read -r lib; do
		install -D "$(readlink -f "$lib")" "$root$lib"
	done <"$tmp/libs"
	if grep -q '=m$' "$out/.config"; then
		mk -s INSTALL_MOD_PATH="$root" INSTALL_MOD_STRIP=1 modules_install
		rm -f "$root"/lib/modules/*/build "$root"/lib/modules/*/source
	fi
	rm -rf "$out/overlay"
	mv "$root" "$out/overlay"
}
run "collecting what goes over the guest's root" overlay

finish
