#!/bin/bash
# Install what the other scripts need, on Debian.
#
#   scripts/setup.sh [GROUP...]
#
# GROUP: base (get the kernel, apply and export patches), build, boot, check,
# send (mail the series). Without a GROUP: all of them. Root, or a user who may use sudo.
#
# Environment: CACHE, where the tools go that Debian 12 does not have (sparse).
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
	[check]="shellcheck codespell perl ccache gcc libc6-dev make gpg gpg-agent python3-sphinx python3-yaml
		b4 python3-aiosmtpd coccinelle"
	[send]="git-email libmailtools-perl libemail-valid-perl libauthen-sasl-perl libio-socket-ssl-perl libnet-smtp-ssl-perl"
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

need_linux_x86
groups=("$@")
(($# > 0)) || groups=(base build boot check send)
wanted=()
for group in "${groups[@]}"; do
	[[ -n ${packages[$group]:-} ]] ||
		die "unknown group '$group'; the groups are base, build, boot, check and send."
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
((${#todo[@]} > 0)) || [[ -n $need_sparse ]] || exit 0

# Two checkouts may set up at once: one after the other.
lock_cache
mapfile -t todo < <(missing)
((${#todo[@]} == 0)) || install_packages "${todo[@]}"
[[ -z $need_sparse ]] || sparse_good || install_sparse
