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

fake uname <<'END'
case $1 in -s) echo Darwin ;; -m) echo x86_64 ;; esac
END
refuses "not Linux" "this is Darwin, not Linux" with_bin "$setup"
fake uname <<'END'
case $1 in -s) echo Linux ;; -m) echo aarch64 ;; esac
END
refuses "not x86-64" "this machine is aarch64, not x86-64" with_bin "$setup"
done_testing
