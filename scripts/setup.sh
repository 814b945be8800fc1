#!/bin/bash
# Install what the other scripts need, on Debian.
#
#   scripts/setup.sh [GROUP...]
#
# GROUP: base (get the kernel, apply and export patches), build, boot, check,
# bench, send (mail the series). Without a GROUP: all of them. Only when named:
# cross (compilers and emulators of other architectures). Root, or a user who may
# use sudo.
#
# Environment: CACHE, where the tools go that Debian 12 does not have (sparse), and
# the header for plugins of QEMU, which is only in its source package.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/base.env
. "$TOP/scripts/base.env"
# shellcheck source=scripts/apt.sh
. "$TOP/scripts/apt.sh"

declare -A packages=(
	[base]="git ca-certificates xz-utils patch quilt dpkg-dev"
	[build]="gcc libc6-dev make flex bison bc libelf-dev libssl-dev python3 kmod cpio rsync
		libcap-dev libnuma-dev liburing-dev"
	[boot]="qemu-system-x86 busybox-static cpio procps psmisc libcap2-bin"
	[bench]="gcc libc6-dev gnuplot-nox dpkg-dev"
	[check]="shellcheck codespell perl ccache gcc libc6-dev make gpg gpg-agent python3-sphinx python3-yaml
		b4 python3-aiosmtpd coccinelle clang-19 jq"
	[send]="git-email libmailtools-perl libemail-valid-perl libauthen-sasl-perl libio-socket-ssl-perl libnet-smtp-ssl-perl"
	[cross]="gcc-aarch64-linux-gnu gcc-riscv64-linux-gnu gcc-s390x-linux-gnu gcc-powerpc64le-linux-gnu
		gcc-arm-linux-gnueabihf clang-19 lld-19 llvm-19 libc6-dev-arm64-cross libc6-dev-riscv64-cross
		qemu-system-arm qemu-system-misc opensbi"
)

# Does this sparse know the C that the kernel is written in? The kernel's own
# scripts/checker-valid.sh skips one that does not, silently.
sparse_good() {
	local c='static inline int u(const int *q) { __typeof_unqual__(*q) v = *q; return v; }'
	command -v sparse >/dev/null && ! sparse - <<<"$c" 2>&1 | grep -q error
}

install_packages() {
	local sudo=()
	if ((EUID != 0)); then
		command -v sudo >/dev/null ||
			die "not root and no sudo; as root run: apt-get install $*"
		sudo=(sudo)
	fi
	say "setup: installing $*"
	"${sudo[@]}" true || die "sudo refused; as root run: apt-get install $*"
	"${sudo[@]}" apt-get -q update >&2 ||
		say "setup: the package lists could not be brought up to date, trying with the old ones"
	"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends \
		-o DPkg::Lock::Timeout=600 install "$@" >&2 ||
		die "apt-get could not install: $*; check the network, or install them by hand."
}

install_sparse() {
	local tmp=$CACHE/tmp.sparse suite
	mkdir -p "$CACHE/tools/bin"
	rm -rf "$tmp"
	trap 'rm -rf "$CACHE/tmp.sparse"' EXIT
	mkdir "$tmp" "$tmp/src"
	say "setup: building sparse from Debian's newer source package"
	apt_root "$tmp/apt"
	for suite in $SPARSE_SUITES; do
		if apt_suite deb-src "$suite" &&
			(cd "$tmp/src" && apt_private apt-get -qq source --download-only sparse >&2); then
			break
		fi
	done
	compgen -G "$tmp/src/*.dsc" >/dev/null ||
		die "sparse could not be downloaded ($(apt_error)); check the network, or install sparse 0.6.5 or newer."
	if ! (cd "$tmp/src" && dpkg-source --no-check -x ./*.dsc tree &&
		make -C tree -j"$(nproc)" CC=gcc sparse) >"$tmp/log" 2>&1; then
		tail -n 20 "$tmp/log" >&2
		die "sparse did not build (above); install sparse 0.6.5 or newer."
	fi
	mv "$tmp/src/tree/sparse" "$CACHE/tools/bin/sparse"
	rm -rf "$tmp"
	hash -r
	sparse_good || die "the sparse that was built is too old for this kernel; install sparse 0.6.5 or newer."
}

# The upstream version of the QEMU that is installed: its source package has the
# header that goes with it.
qemu_version() {
	dpkg-query -W -f='${source:Version}' qemu-system-x86 2>/dev/null
}

header_good() {
	[[ -f $CACHE/tools/qemu/qemu-plugin.h ]] &&
		[[ $(cat "$CACHE/tools/qemu/version" 2>/dev/null) == "$(qemu_version)" ]]
}

install_plugin_header() {
	local tmp=$CACHE/tmp.qemu version suite
	version=$(qemu_version) || die "no QEMU is installed; run scripts/setup.sh boot."
	rm -rf "$tmp"
	trap 'rm -rf "$CACHE/tmp.qemu"' EXIT
	mkdir -p "$tmp/apt" "$tmp/src" "$CACHE/tools/qemu"
	say "setup: getting the header for plugins from QEMU's source package"
	apt_root "$tmp/apt"
	suite=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
	for suite in "$suite" "$suite-updates" sid; do
		if apt_suite deb-src "$suite" &&
			(cd "$tmp/src" && apt_private apt-get -qq source --download-only "qemu=$version" >&2); then
			break
		fi
	done
	compgen -G "$tmp/src/*.dsc" >/dev/null ||
		die "the source of QEMU $version could not be downloaded ($(apt_error)); check the network, or put its include/qemu/qemu-plugin.h into $CACHE/tools/qemu and its version into the file version there."
	if ! (cd "$tmp/src" && dpkg-source --no-check --skip-patches -x ./*.dsc tree) >"$tmp/log" 2>&1; then
		tail -n 20 "$tmp/log" >&2
		die "the source of QEMU $version could not be unpacked (above); is the disk full?"
	fi
	cp "$tmp/src/tree/include/qemu/qemu-plugin.h" "$CACHE/tools/qemu/"
	echo "$version" >"$CACHE/tools/qemu/version"
	rm -rf "$tmp"
}

need_linux_x86
groups=("$@")
(($# > 0)) || groups=(base build boot check bench send)
wanted=()
for group in "${groups[@]}"; do
	[[ -n ${packages[$group]:-} ]] ||
		die "unknown group '$group'; the groups are base, build, boot, check, bench, send and cross."
	read -r -d '' -a more <<<"${packages[$group]}" || true
	wanted+=("${more[@]}")
done

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
	say "setup: no apt here; on your own system these Debian packages must be there under its names: ${wanted[*]}"
	exit 0
fi

missing() {
	local have
	have=" $(dpkg-query -W -f='${Package}:${db:Status-Status} ' "${wanted[@]}" 2>/dev/null || true) "
	for package in "${wanted[@]}"; do
		[[ $have == *" $package:installed "* ]] || echo "$package"
	done | sort -u
}

mapfile -t todo < <(missing)
need_sparse=
if [[ " ${groups[*]} " == *" check "* ]] && ! sparse_good; then
	need_sparse=1
fi
need_header=
if [[ " ${groups[*]} " == *" bench "* ]] && ! header_good; then
	need_header=1
fi
((${#todo[@]} > 0)) || [[ -n $need_sparse$need_header ]] || exit 0

# Two checkouts may set up at once: one after the other.
lock_cache
mapfile -t todo < <(missing)
((${#todo[@]} == 0)) || install_packages "${todo[@]}"
[[ -z $need_sparse ]] || sparse_good || install_sparse
[[ -z $need_header ]] || header_good || install_plugin_header
