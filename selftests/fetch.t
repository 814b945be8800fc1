#!/bin/bash
# fetch.sh: every way to get the kernel, and every way that can fail. Debian's
# archive is a small signed one made here, and kernel.org a bare repository.
set -euo pipefail
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

repo=$T/repo
test_repo "$repo"
fetch=$repo/scripts/fetch.sh
dead=http://127.0.0.1:9
kernel=$T/kernel
fake_kernel "$kernel"

# A machine with one apt source, the archive below, and nothing on kernel.org.
export APT_CONFIG=$T/apt.conf BASE_KEYRING=$T/keyring.gpg LINUX_GIT_URL=file://$T/kernel.org
archive=$T/archive
cat >"$APT_CONFIG" <<END
Dir::Etc::sourcelist "$T/machine.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::parts "/dev/null";
Dir::Etc::main "/dev/null";
END
echo "deb file:$archive trixie main" >"$T/machine.list"
chmod 755 "$T"

for tool in gpg dpkg-deb dpkg-scanpackages; do
	command -v "$tool" >/dev/null || bail "$tool is missing; run scripts/setup.sh check"
done
mkdir -m 700 "$T/gpg"
gpg -q --homedir "$T/gpg" --batch --passphrase '' --quick-gen-key archive@example.org ed25519 2>/dev/null
gpg -q --homedir "$T/gpg" --export >"$BASE_KEYRING"
trap 'gpgconf --homedir "$T/gpg" --kill all; rm -rf "$T"' EXIT

# make_deb PACKAGE VERSION TREE
make_deb() {
	local dir=$T/deb file=$1_${2//[^a-z0-9.]/_}_all.deb
	rm -rf "$dir"
	mkdir -p "$dir/DEBIAN" "$dir/usr/src" "$archive/pool"
	tar -cJf "$dir/usr/src/$1.tar.xz" -C "$3" --exclude=.git --transform "s,^\.,$1," .
	cat >"$dir/DEBIAN/control" <<-END
		Package: $1
		Version: $2
		Architecture: all
		Maintainer: A <a@example.org>
		Description: fake
	END
	dpkg-deb -b "$dir" "$archive/pool/$file" >/dev/null
	sha256sum "$archive/pool/$file" | cut -d ' ' -f 1
}

# publish SUITE: index the pool and sign.
publish() {
	local dists=$archive/dists/$1 arch
	arch=$(dpkg --print-architecture)
	mkdir -p "$dists/main/binary-$arch"
	(cd "$archive" && dpkg-scanpackages -m pool 2>/dev/null) >"$dists/main/binary-$arch/Packages"
	{
		printf 'Suite: %s\nCodename: %s\nComponents: main\nArchitectures: %s\n' "$1" "$1" "$arch"
		# a mirror that lags: expired, but signed
		printf 'Date: %s\nValid-Until: %s\nSHA256:\n' "$(date -uR -d '9 days ago')" "$(date -uR -d yesterday)"
		(cd "$dists" && for file in main/binary-*/Packages; do
			echo " $(sha256sum "$file" | cut -d ' ' -f 1) $(stat -c %s "$file") $file"
		done)
	} >"$dists/Release"
	rm -f "$dists/InRelease"
	gpg -q --homedir "$T/gpg" --batch --clearsign -o "$dists/InRelease" "$dists/Release"
}

pin() {
	sed -i -e "s/^BASE_DEB_VERSION=.*/BASE_DEB_VERSION='$1'/" \
		-e "s/^BASE_DEB_SHA256=.*/BASE_DEB_SHA256=$2/" "$repo/scripts/base.env"
}

# leftovers: what is in the cache.
leftovers() {
	find "$CACHE" -mindepth 1 -maxdepth 1 ! -name .lock -printf '%f\n' | sort | tr '\n' ' '
}

### a tree of the user's
LINUX=$kernel ok "LINUX, a git tree" "$fetch"
is "is printed, alone" "$out" "$kernel"
like "what it is is said" "$err" "git tree of linux 7.3.4, a stable release"
echo change >>"$kernel/mm/hugetlb.c"
LINUX=$kernel ok "LINUX with changes" "$fetch"
like "only what is committed counts" "$err" "not committed; only what is committed counts"
git -C "$kernel" checkout -q .
mkdir "$T/unpacked"
git -C "$kernel" archive HEAD | tar -x -C "$T/unpacked"
LINUX=$T/unpacked ok "LINUX, an unpacked tree" "$fetch"
like "what it is is said" "$err" "unpacked tree of linux 7.3.4"
mkdir -p "$T/unpacked/lib"
echo 'LINUX_PACKAGE_ID' >"$T/unpacked/lib/dump_stack.c"
LINUX=$T/unpacked ok "LINUX with Debian's patches" "$fetch"
like "Debian's patches are seen" "$err" "with Debian's patches"
LINUX=$T/nowhere refuses "LINUX that is not there" "is not a directory; give .* 7.3.4" "$fetch"
mkdir "$T/empty"
LINUX=$T/empty refuses "LINUX that is no kernel" "is no kernel source; give .* 7.3.4" "$fetch"
git init -q "$T/empty"
LINUX=$T/empty refuses "LINUX, a git tree without a commit" "without a commit" "$fetch"
fake_kernel "$T/old" 6.1.12
LINUX=$T/old refuses "LINUX, the wrong version" "is linux 6.1.12; .*known good .7.3.4." "$fetch"
fake_kernel "$T/later" 7.3.9
LINUX=$T/later ok "LINUX, a later one of the same series" "$fetch"
like "is not among the known good, which is said" "$err" "is 7.3.9; the series is known to be good on 7.3.4"

### no network
old_list=$(<"$T/machine.list")
echo "deb $dead/debian trixie main" >"$T/machine.list"
refuses "no network" "could not be had \(Debian: .*git clone: .*check the network, or set LINUX" "$fetch"
is "nothing is left of it" "$(leftovers)" ""
: >"$T/machine.list"
refuses "no apt source" "no apt source is configured" "$fetch"
echo "$old_list" >"$T/machine.list"

### Debian
sha=$(make_deb linux-source-7.3 7.3.4-1 "$kernel")
publish forky
pin 7.3.4-1 "$(printf 'x' | sha256sum | cut -d ' ' -f 1)"
refuses "a package with the wrong checksum" "does not have the pinned checksum" "$fetch"
is "is not kept" "$(leftovers)" ""
pin 7.3.4-1 "$sha"
mv "$BASE_KEYRING" "$BASE_KEYRING.away"
: >"$BASE_KEYRING"
refuses "an archive that somebody else signed" "could not be had" "$fetch"
mv "$BASE_KEYRING.away" "$BASE_KEYRING"
mkdir -p "$CACHE/tmp.fetch" && echo half >"$CACHE/tmp.fetch/half"
ok "Debian's package, in the second suite tried, after an interrupted run" "$fetch"
is "is in the cache" "$out" "$CACHE/linux-source-7.3_7.3.4-1.tar.xz"
like "what it is is said" "$err" "the stable release with Debian's patches"
is "and nothing else" "$(leftovers)" "linux-source-7.3_7.3.4-1.sha256 linux-source-7.3_7.3.4-1.tar.xz "
is "it is the kernel" "$(tar -xOf "$out" linux-source-7.3/mm/hugetlb.c | md5sum)" "$(md5sum <"$kernel/mm/hugetlb.c")"
mv "$archive" "$archive.away"
ok "again, without the archive" "$fetch"
is "comes from the cache" "$out" "$CACHE/linux-source-7.3_7.3.4-1.tar.xz"
mv "$archive.away" "$archive"
printf 'x' | dd of="$out" bs=1 seek=100 conv=notrunc status=none
tar_file=$out
ok "a damaged download" "$fetch"
like "is said" "$err" "is damaged; getting it again"
ok "and got again" xz -t "$tar_file"

### two at once
rm -f "$CACHE"/linux-source*
"$fetch" >"$T/one" 2>/dev/null &
"$fetch" >"$T/two" 2>/dev/null &
wait
is "two at once, the first" "$(cat "$T/one")" "$tar_file"
is "two at once, the second" "$(cat "$T/two")" "$tar_file"

### interrupted, as by Ctrl-C, while it waits for the archive
rm -f "$CACHE"/linux-source*
mkfifo "$T/fifo"
mkdir "$T/slow"
printf '#!/bin/bash\ncase $* in *download*) echo >"%s"; exec /bin/sleep 100;; esac\nexec /usr/bin/apt-get "$@"\n' "$T/fifo" >"$T/slow/apt-get"
chmod +x "$T/slow/apt-get"
PATH=$T/slow:$PATH setsid "$fetch" >/dev/null 2>&1 &
pid=$!
read -r _ <"$T/fifo"
kill -TERM -- "-$pid"
wait "$pid" || true
is "an interrupted run leaves nothing" "$(leftovers)" ""

### the pinned version is gone
pin 7.3.2-1 "$sha"
git -C "$kernel" checkout -q -b changed
sed -i 's/line 30$/line thirty/' "$kernel/mm/hugetlb.c"
git -C "$kernel" commit -qam "change"
git -C "$kernel" checkout -q master
sed -i 's/line 50$/line fifty/' "$kernel/mm/hugetlb.c"
git -C "$kernel" commit -qam "fits the changed one only"
mkdir "$repo/patches"
git -C "$kernel" format-patch -q -1 --zero-commit -o "$repo/patches"
git -C "$kernel" reset -q --hard HEAD^
(cd "$repo/patches" && ls) >"$repo/series"
# 7.3.4-1 has no line 50, 7.3.4-2 has, 7.3.5-1 is farther away
sed '/^line 50$/d' -i "$kernel/mm/hugetlb.c"
make_deb linux-source-7.3 7.3.4-1 "$kernel" >/dev/null
git -C "$kernel" checkout -q .
make_deb linux-source-7.3 7.3.4-2 "$kernel" >/dev/null
sed -i 's/line 10$/line ten/' "$kernel/mm/hugetlb.c"
make_deb linux-source-7.3 7.3.5-1 "$kernel" >/dev/null
git -C "$kernel" checkout -q .
publish forky
ok "the pinned version is gone" "$fetch"
is "the nearest newer one that the series applies to" "$out" "$CACHE/linux-source-7.3_7.3.4-2.tar.xz"
like "which is said" "$err" "linux-source-7.3_7.3.2-1 is gone from Debian; linux-source-7.3_7.3.4-2 is used"
ok "no other candidate is kept" test ! -e "$CACHE/linux-source-7.3_7.3.4-1.tar.xz"
mv "$archive" "$archive.away"
ok "again, without the archive" "$fetch"
like "it is said again" "$err" "7.3.2-1 is gone from Debian; linux-source-7.3_7.3.4-2 is used"
mv "$archive.away" "$archive"
rm -rf "$CACHE"
rm "$archive/pool/"*7.3.[45]_[25]_all.deb "$archive/pool/"*7.3.5* 2>/dev/null || true
pin 7.3.9-1 "$sha"
refuses "gone, and no newer one" "no longer has 7.3.9-1 nor a newer one" "$fetch"

### another version
refuses "an argument that is nothing" "unknown argument; say fetch.sh, fetch.sh VERSION" "$fetch" latest
LINUX=$T/old ok "LINUX of another version, asked for" "$fetch" 6.1
is "is printed" "$out" "$T/old"
LINUX=$T/old refuses "LINUX of yet another" "is linux 6.1.12, not 7.4" "$fetch" 7.4
rm -rf "$CACHE"
make_deb linux-source-7.4 7.4.1-1 "$T/later" >/dev/null
make_deb linux-source-7.4 7.4.3-1 "$T/later" >/dev/null
publish forky
ok "a list" "$fetch" --list
is "has the newest of each" "$out" "$(printf '%s\n' '7.3.4-1 linux-source-7.3' '7.4.3-1 linux-source-7.4')"
ok "another version" "$fetch" 7.4
is "is the newest of it" "$out" "$CACHE/linux-source-7.4_7.4.3-1.tar.xz"
is "and no substitute for the base" "$(grep -c "gone from Debian" <<<"$err")" 0
ok "an older one, to the letter" "$fetch" 7.4.1
is "is that" "$out" "$CACHE/linux-source-7.4_7.4.1-1.tar.xz"
refuses "one that there is not" "there is no linux-source of 6.6 in Debian" "$fetch" 6.6
mv "$archive" "$archive.away"
ok "without the archive" "$fetch" 7.4
is "the newest that is here" "$out" "$CACHE/linux-source-7.4_7.4.3-1.tar.xz"
mv "$archive.away" "$archive"
rm -rf "$CACHE" "$archive"/pool/*7.4*
publish forky

### kernel.org
git clone -q --bare "$kernel" "$T/kernel.org"
refuses "a repository without the tag" "git clone: .*v7.3.4" "$fetch"
git -C "$T/kernel.org" tag v7.3.4
ok "the tag, cloned" "$fetch"
is "is in the cache" "$out" "$CACHE/linux-v7.3.4.git"
like "what it is is said" "$err" "the tag v7.3.4 of file:"
rm -rf "$T/kernel.org"
ok "again, without the repository" "$fetch"
is "comes from the cache" "$out" "$CACHE/linux-v7.3.4.git"

### disk
if [[ $EUID == 0 ]] && mkdir "$T/small" && mount -t tmpfs -o size=1m none "$T/small" 2>/dev/null; then
	CACHE=$T/small refuses "disk full" "needs 2 GB in $T/small but only 0 GB are free" "$fetch"
	mount -o remount,ro "$T/small"
	CACHE=$T/small refuses "a cache that cannot be written" "cannot write to $T/small" "$fetch"
	umount "$T/small"
else
	skip "disk full" "cannot mount a small file system here"
	skip "a cache that cannot be written" "cannot mount a file system here"
fi
done_testing
