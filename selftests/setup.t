#!/bin/bash
# setup.sh: quick when all is there, clear when it cannot install.
set -euo pipefail
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

repo=$T/repo
test_repo "$repo"
setup=$repo/scripts/setup.sh

# A PATH of the usual commands without sudo; dpkg-query says that
# nothing is installed.
bin=$T/bin
mkdir "$bin"
for cmd in /usr/bin/* /bin/*; do
	[[ -e $bin/${cmd##*/} || ${cmd##*/} == @(sudo|apt-get|dpkg-query) ]] || ln -s "$cmd" "$bin/"
done
# fake CMD: a stand-in for CMD, on stdin.
fake() {
	rm -f "$bin/$1"
	{
		echo '#!/bin/bash'
		cat
	} >"$bin/$1"
	chmod +x "$bin/$1"
}
with_bin() {
	PATH=$bin "$@"
}

ok "the base group is there or can be had" "$setup" base
start=${EPOCHREALTIME/./}
ok "asked again" "$setup" base
took=$(((${EPOCHREALTIME/./} - start) / 1000))
ok "takes less than half a second ($took ms)" test "$took" -lt 500
is "and says nothing" "$out$err" ""

refuses "unknown group" "unknown group 'nonsense'; the groups are" "$setup" nonsense

ok "no apt: names the packages, goes on" with_bin "$setup" base
like "it named them" "$err" "no apt here.*quilt"

fake dpkg-query <<<"exit 1"
fake apt-get <<'END'
echo "$@" >>"$T/apt.log"
case $* in *install*) exit "${INSTALL:-0}" ;; esac
END
export T
INSTALL=100 refuses "a failed installation" "could not install: .*quilt.*check the network" with_bin "$setup" base
ok "an installation" with_bin "$setup" base
like "installs the packages of the group" "$(tail -n 1 "$T/apt.log")" "install .*quilt"

if [[ $EUID == 0 ]] && command -v setpriv >/dev/null; then
	chmod 755 "$T"
	mkdir -m 777 "$T/user-cache"
	CACHE=$T/user-cache refuses "no root and no sudo" "not root and no sudo; as root run: apt-get install .*quilt" \
		with_bin setpriv --reuid=65534 --regid=65534 --clear-groups "$setup" base
	fake sudo <<<"exit 1"
	CACHE=$T/user-cache refuses "sudo refuses" "sudo refused; as root run: apt-get install .*quilt" \
		with_bin setpriv --reuid=65534 --regid=65534 --clear-groups "$setup" base
	rm "$bin/sudo"
else
	skip "no root and no sudo" "needs root to become another user"
	skip "sudo refuses" "needs root to become another user"
fi

# All is installed, but the header for QEMU's plugins is in its source only.
fake dpkg-query <<'END'
case $* in
*source:Version*) cat "$T/version" ;;
*) shift 2; printf '%s:installed ' "$@" ;;
esac
END
echo 1:9.9-1 >"$T/version"
fake apt-get <<'END'
case $* in
*print-uris*) echo "'http://mirror.invalid/debian/dists/x/InRelease' x" ;;
*" source --download-only "*) [[ -e $T/no-source ]] || : >qemu.dsc; echo "$@" >>"$T/apt.log" ;;
esac
END
fake dpkg-source <<'END'
mkdir -p tree/include/qemu
echo header >tree/include/qemu/qemu-plugin.h
END
: >"$T/no-source"
refuses "no source of QEMU" "source of QEMU 1:9.9-1 could not be downloaded.*put its include" with_bin "$setup" bench
ok "and no header" test ! -e "$CACHE/tools/qemu/qemu-plugin.h"
rm "$T/no-source"
ok "the header from the source of the QEMU that is installed" with_bin "$setup" bench
like "of that version" "$(tail -n 1 "$T/apt.log")" "source .*qemu=1:9.9-1"
is "it is there" "$(cat "$CACHE/tools/qemu/qemu-plugin.h")" header
rm "$T/apt.log"
ok "asked again" with_bin "$setup" bench
ok "it is not got again" test ! -e "$T/apt.log"
echo 1:10.0-1 >"$T/version"
ok "another QEMU" with_bin "$setup" bench
like "another header" "$(tail -n 1 "$T/apt.log")" "source .*qemu=1:10.0-1"

fake uname <<'END'
case $1 in -s) echo Darwin ;; -m) echo x86_64 ;; esac
END
refuses "not Linux" "this is Darwin, not Linux" with_bin "$setup"
fake uname <<'END'
case $1 in -s) echo Linux ;; -m) echo aarch64 ;; esac
END
refuses "not x86-64" "this machine is aarch64, not x86-64" with_bin "$setup"
done_testing
