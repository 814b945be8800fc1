#!/bin/bash
# fetch.sh [VERSION | --list]: get the kernel that the series is made against,
# verified, and print where it is: a tarball, an unpacked tree or a git tree.
# VERSION (7.2, or 7.2.13): another one, in place of the base the newest of
# Debian's linux-source packages of it, or LINUX. --list prints for each such
# package its newest version and its name. Tried in this order: LINUX, an
# earlier download, Debian's linux-source package of the pinned version (if it
# is gone: the nearest newer one that the series applies to), the tag from
# kernel.org. The pins are in base.env.
#
# Environment:
#   LINUX          a git tree (its HEAD counts) or an unpacked tree to use
#   LINUX_GIT_URL  where the tag is cloned from
#   CACHE          where downloads are kept
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/base.env
. "$TOP/scripts/base.env"
# shellcheck source=scripts/apt.sh
. "$TOP/scripts/apt.sh"

# in_source PATH FILE: print a file of an unpacked or git tree.
in_source() {
	if [[ -e $1/Kconfig ]]; then
		cat "$1/$2" 2>/dev/null
	else
		plain_git -C "$1" show "HEAD:$2" 2>/dev/null
	fi
}

# The version that a kernel's Makefile gives, on stdin; nothing for others.
version() {
	awk '$2 == "=" && NR < 12 { v[$1] = $3 }
		END {
			if (v["VERSION"] != "" && v["PATCHLEVEL"] != "")
				print v["VERSION"] "." v["PATCHLEVEL"] \
					(v["SUBLEVEL"] + 0 ? "." v["SUBLEVEL"] : "") v["EXTRAVERSION"]
		}'
}

# of_wanted VERSION: is it the wanted one, or one of the wanted series?
of_wanted() {
	[[ $1 == "$wanted" || $1 == "$wanted".* ]]
}

# check_version VERSION WHAT: the same stable series as a known good version.
check_version() {
	local good
	if [[ -n $wanted ]]; then
		of_wanted "$1" || die "$2 is linux $1, not $wanted; give a tree of that version, or unset LINUX."
		return 0
	fi
	for good in $KNOWN_GOOD; do
		[[ $1 != "$good" ]] || return 0
	done
	for good in $KNOWN_GOOD; do
		if [[ $1 == "${good%.*}" || $1 == "${good%.*}".* ]]; then
			say "fetch: $2 is $1; the series is known to be good on $KNOWN_GOOD, going on"
			return 0
		fi
	done
	die "$2 is linux $1; the series is for another version; give one that is known good ($KNOWN_GOOD), or add it to KNOWN_GOOD in scripts/base.env to try it."
}

# use_linux: the tree that the user names.
use_linux() {
	local path version kind top
	path=$(realpath -e -- "$LINUX" 2>/dev/null) || path=
	[[ -d $path ]] ||
		die "LINUX=$LINUX is not a directory; give a git tree or an unpacked tree of linux $KNOWN_GOOD."
	if top=$(plain_git -C "$path" rev-parse --show-toplevel 2>/dev/null) && [[ $top == "$path" ]] ||
		[[ $(plain_git -C "$path" rev-parse --is-bare-repository 2>/dev/null) == true ]]; then
		kind="git tree"
		plain_git -C "$path" rev-parse -q --verify 'HEAD^{commit}' >/dev/null ||
			die "LINUX=$LINUX is a git tree without a commit; check out linux $KNOWN_GOOD there."
		version=$(plain_git -C "$path" show HEAD:Makefile 2>/dev/null | version)
		plain_git -C "$path" cat-file -e HEAD:mm/hugetlb.c 2>/dev/null || version=
	else
		kind="unpacked tree"
		version=$([[ ! -f $path/Makefile ]] || version <"$path/Makefile")
		[[ -f $path/mm/hugetlb.c ]] || version=
	fi
	[[ -n $version ]] ||
		die "LINUX=$LINUX is no kernel source; give a git tree or an unpacked tree of linux $KNOWN_GOOD."
	check_version "$version" "LINUX=$LINUX"
	if [[ $kind == "git tree" && $top == "$path" ]] &&
		[[ -n $(plain_git -C "$path" status --porcelain -uno) ]]; then
		say "fetch: $path has changes that are not committed; only what is committed counts"
	fi
	if in_source "$path" lib/dump_stack.c | grep -q LINUX_PACKAGE_ID; then
		kind="$kind of linux $version with Debian's patches"
	elif [[ $version == *.*.* ]]; then
		kind="$kind of linux $version, a stable release going by its Makefile"
	else
		kind="$kind of linux $version, mainline going by its Makefile"
	fi
	say "fetch: $path: $kind"
	echo "$path"
	exit 0
}

# use_tarball NAME: an earlier download, if it is there and whole.
use_tarball() {
	[[ -f $CACHE/$1.tar.xz ]] || return 0
	if ! (cd "$CACHE" && sha256sum --status -c "$1.sha256" 2>/dev/null); then
		say "fetch: $CACHE/$1.tar.xz is damaged; getting it again"
		rm -f "$CACHE/$1.tar.xz" "$CACHE/$1.sha256"
		return 0
	fi
	say "fetch: $1: Debian's source package, the stable release with Debian's patches"
	[[ $1 == "$pinned" || -n $wanted ]] || say "fetch: $pinned is gone from Debian; $1 is used in its place"
	echo "$CACHE/$1.tar.xz"
	exit 0
}

# use_clone: an earlier clone. git checks its own objects.
use_clone() {
	local version
	[[ -d $clone ]] || return 0
	version=$(plain_git -C "$clone" show HEAD:Makefile | version)
	check_version "${version:-unknown}" "$clone"
	say "fetch: $clone: the tag $BASE_TAG of $LINUX_GIT_URL, $(plain_git -C "$clone" rev-parse HEAD)"
	echo "$clone"
	exit 0
}

# get_deb PACKAGE VERSION [SHA256]: download from Debian into the cache.
get_deb() {
	local package=$1 version=$2 sha=${3:-} name=$1_$2 deb
	rm -rf "$tmp/deb"
	mkdir "$tmp/deb"
	(cd "$tmp/deb" && apt_private apt-get -q download "$package=$version" >&2) || return 1
	deb=$(compgen -G "$tmp/deb/*.deb")
	if [[ -n $sha ]] && ! sha256sum --status -c <<<"$sha  $deb"; then
		echo "E: $package $version does not have the pinned checksum" >>"$APT_ROOT/log"
		return 1
	fi
	dpkg-deb --fsys-tarfile "$deb" |
		tar -xO "./usr/src/$package.tar.xz" >"$tmp/$name.tar.xz" || {
		echo "E: $package $version could not be unpacked in $CACHE" >>"$APT_ROOT/log"
		return 1
	}
	rm -rf "$tmp/deb"
	(cd "$tmp" && sha256sum "$name.tar.xz" >"$CACHE/$name.sha256")
	mv "$tmp/$name.tar.xz" "$CACHE/"
}

# candidates: version and name of every linux-source of the suites, oldest first.
candidates() {
	apt_private apt-cache search --names-only '^linux-source-[0-9.]+$' | cut -d ' ' -f 1 |
		while read -r package; do
			apt_private apt-cache madison "$package" |
				awk -F ' *[|] *' '{ print $2, $1 }'
		done | sed 's/ *$//' | sort -V -u
}

# all_suites: sets up apt for all of them.
all_suites() {
	local suite
	{ command -v apt-get && command -v dpkg-deb; } >/dev/null ||
		die "no apt here; set LINUX to a tree of another version."
	apt_root "$tmp/apt"
	for suite in $BASE_SUITES; do
		apt_suite deb "$suite" || say "fetch: no mirror of this machine has $suite"
	done
	[[ -s $APT_ROOT/sources.list ]] || why+=("$(apt_error)")
}

# other: the newest linux-source of the wanted version; without the network
# the newest that is here.
other() {
	local version package name='' file
	say "fetch: looking for linux $wanted in Debian"
	all_suites
	while read -r version package; do
		! of_wanted "${version%%-*}" || name=${package}_$version
	done < <(candidates)
	if [[ -n $name ]]; then
		use_tarball "$name"
		say "fetch: downloading $name"
		get_deb "${name%%_*}" "${name#*_}" || why+=("$(apt_error)")
		use_tarball "$name"
	else
		while read -r file; do
			name=${file##*/}
			name=${name%.tar.xz}
			version=${name#*_}
			! of_wanted "${version%%-*}" || use_tarball "$name"
		done < <(compgen -G "$CACHE/linux-source-*.tar.xz" | sort -V -r)
	fi
	die "there is no linux-source of $wanted in Debian (${why[*]:-see scripts/fetch.sh --list}); set LINUX to a tree of that version."
}

from_debian() {
	local suite package version name
	if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
		why+=("no apt here for Debian's package")
		return 0
	fi
	say "[1/2] looking for $BASE_DEB_PACKAGE $BASE_DEB_VERSION in Debian"
	apt_root "$tmp/apt"
	for suite in $BASE_SUITES; do
		apt_suite deb "$suite" || continue
		if apt_private apt-cache madison "$BASE_DEB_PACKAGE" | grep -qF " $BASE_DEB_VERSION "; then
			say "[2/2] downloading it from $suite (150 MB)"
			get_deb "$BASE_DEB_PACKAGE" "$BASE_DEB_VERSION" "$BASE_DEB_SHA256" && return 0
			why+=("Debian: $(apt_error)")
			return 0
		fi
	done
	if [[ ! -s $APT_ROOT/sources.list ]]; then
		why+=("Debian: $(apt_error)")
		return 0
	fi
	# Gone: the nearest newer one that the series applies to.
	while read -r version package; do
		dpkg --compare-versions "${version:-0}" gt "$BASE_DEB_VERSION" || continue
		name=${package}_$version
		say "fetch: $pinned is gone from Debian; trying $name"
		get_deb "$package" "$version" || continue
		if BUILD=$tmp/try "$TOP/scripts/apply.sh" "$CACHE/$name.tar.xz" >&2; then
			echo "$name" >"$tmp/instead" && mv "$tmp/instead" "$instead"
			return 0
		fi
		rm -rf "$tmp/try" "$CACHE/$name.tar.xz" "$CACHE/$name.sha256"
	done < <(candidates)
	why+=("Debian no longer has $BASE_DEB_VERSION nor a newer one that the series applies to")
}

from_git() {
	say "fetch: cloning $BASE_TAG of $LINUX_GIT_URL (300 MB)"
	# With the user's own configuration: it may know a proxy.
	if (
		# shellcheck disable=SC2046 # a list of variable names
		unset $(git rev-parse --local-env-vars)
		GIT_TERMINAL_PROMPT=0 git clone --bare --depth 1 --branch "$BASE_TAG" \
			"$LINUX_GIT_URL" "$tmp/clone"
	) >&2 2>"$tmp/clone.log"; then
		mv "$tmp/clone" "$clone"
	else
		why+=("git clone: $(grep -E '^(fatal|error):' "$tmp/clone.log" | tail -n 1)")
	fi
}

need_linux_x86
[[ $# -le 1 && ${1:-} =~ ^(--list|[0-9]+(\.[0-9]+){1,2})?$ ]] ||
	die "unknown argument; say fetch.sh, fetch.sh VERSION (7.2 or 7.2.13) or fetch.sh --list."
wanted=${1:-}
"$TOP/scripts/setup.sh" base
[[ -z ${LINUX:-} || $wanted == --list ]] || use_linux

pinned=${BASE_DEB_PACKAGE}_$BASE_DEB_VERSION
instead=$CACHE/$pinned.instead
clone=$CACHE/linux-$BASE_TAG.git
use_cached() {
	use_tarball "$pinned"
	[[ ! -f $instead ]] || use_tarball "$(<"$instead")"
	use_clone
}
[[ -n $wanted ]] || use_cached

writable "$CACHE"
need_space "$CACHE" 2 "the kernel source"
lock_cache
[[ -n $wanted ]] || use_cached # another checkout may have got it meanwhile
tmp=$CACHE/tmp.fetch
rm -rf "$tmp"
trap 'rm -rf "$tmp"' EXIT
mkdir "$tmp"
why=()
case $wanted in
--list)
	all_suites
	candidates | awk '{ newest[$2] = $1 } END { for (name in newest) print newest[name], name }' | sort -V
	exit 0
	;;
?*) other ;;
esac
from_debian
use_cached
from_git
use_cached
die "the kernel source could not be had ($(printf '%s; ' "${why[@]}" | sed 's/; $//')); check the network, or set LINUX to a tree of linux $KNOWN_GOOD."
