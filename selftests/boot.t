#!/bin/bash
# boot.sh on the default kernel, which scripts/build.sh has built: what a
# command says comes back exactly, and a panic, a hang and a splat are seen.
set -euo pipefail
kernel=${BUILD:-} cache=${CACHE:-}
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
BUILD=${kernel:-$TOP/build}
unset CACHE MEM CPUS NUMA TIMEOUT KERNEL_ARGS QEMU_ARGS ICOUNT MEMFD
[[ -z $cache ]] || export CACHE=$cache
[[ -f $BUILD/default/tree ]] || bail "no default kernel in $BUILD; run scripts/build.sh first"
export LOG=$T/console TIMEOUT=120
boot=$TOP/scripts/boot.sh

like_err() {
	like "$1" "$err" "$2"
}

# Before a guest is started
status "an unknown option" 120 "$boot" -x
like_err "is named" "unknown option .*'-x'"
status "an unknown CONFIG" 120 "$boot" -c nonsense -- true
like_err "is named, with those there are" "'nonsense'; say default, debug or kcsan"
status "an OVERLAY that is not there" 120 "$boot" -o "$T/none" -- true
status "a MEM that is no number" 120 env MEM=4G "$boot" -- true
like_err "says what it wants" "'4G' is no number"
status "more nodes than processors" 120 env CPUS=1 NUMA=2 "$boot" -- true
status "ICOUNT that is not 1" 120 env ICOUNT=2 "$boot" -- true
status "MEMFD that is not 1" 120 env MEMFD=2 "$boot" -- true
status "nothing built" 120 env BUILD="$T/empty" "$boot" -- true
like_err "says what to run" "run scripts/build.sh default first"
status "no COMMAND and no terminal" 120 "$boot" </dev/null
status "QEMU does not start" 120 env QEMU_ARGS="-device nonsense" "$boot" -- true
like_err "and its own words are shown" "nonsense.*is not a valid device"
repo=$T/repo
test_repo "$repo"
cp -r "$TOP/selftests" "$repo/"
rm "$repo/selftests/splat.deny"
status "a missing list of splats" 120 "$repo/scripts/boot.sh" -- true
like_err "is named" "splat.deny is missing"

# What a command says
args=("a b" "" $'two\nlines' '"q"' "it's" '*' "\$HOME" "\\" $'\t' 'ä' -n)
ok "a command with odd arguments" "$boot" -- printf '[%s]' "${args[@]}" end
is "gets them as they are" "$out" "$(printf '[%s]' "${args[@]}" end)"
mkdir -p "$T/one/kselftest" "$T/two"
head -c 3000000 /dev/urandom >"$T/one/blob"
printf '\r\n\0\xff\004no newline' >>"$T/one/blob"
echo one >"$T/one/which"
echo two >"$T/two/which"
echo mine >"$T/one/kselftest/run_kselftest.sh"
status "a command's status, with two overlays" 7 "$boot" -o "$T/one" -o "$T/two" -- bash -c '
	cat /which /kselftest/run_kselftest.sh >&2
	grep -h . /sys/kernel/mm/hugepages/*/nr_hugepages | sort -n | xargs
	ls -d /sys/devices/system/node/node[0-9]* | wc -l
	id -u
	sudo -u nobody id -u
	exit 7'
is "the later overlay is on top, both over the first; stderr comes too; both pools, two nodes, root" \
	"$(xargs <<<"$out")" "two mine 2 128 2 0 65534"
blob() {
	"$boot" -o "$T/one" -- cat /blob >"$T/blob" && cmp "$T/blob" "$T/one/blob"
}
ok "much output comes, byte by byte" blob
status "a command that is not there" 127 "$boot" -- /no/such/command
status "a command that dies" 137 "$boot" -- bash -c 'kill -9 $$'
ok "other memory, processors and nodes" \
	env MEM=1024 CPUS=3 NUMA=3 KERNEL_ARGS="hugepages=5 quiet" "$boot" -- bash -c '
	nproc; ls -d /sys/devices/system/node/node[0-9]* | wc -l
	cat /proc/sys/vm/nr_hugepages; grep -c quiet /proc/cmdline'
is "are as asked" "$(xargs <<<"$out")" "3 3 5 1"

# What goes wrong in the guest
status "a panic" 121 "$boot" -- bash -c 'echo c >/proc/sysrq-trigger'
like_err "is shown" "Kernel panic - not syncing: sysrq"
ok "the console is in the log" grep -q "Run /init" "$LOG"
status "a guest that goes down by itself" 121 "$boot" -- poweroff -f
status "a WARN, though the command says 0" 123 "$boot" -- \
	bash -c 'echo WARNING >/sys/kernel/debug/provoke-crash/DIRECT'
like_err "is shown, with the command's own status" "WARNING: .*lkdtm.*own status: 0"
status "an oops, whatever the command says" 123 "$boot" -- \
	bash -c '(echo EXCEPTION >/sys/kernel/debug/provoke-crash/DIRECT); exit 3'
cp "$TOP/selftests/splat.deny" "$repo/selftests/"
# With ccache the place in the tree is told from where the compiler runs.
printf 'WARNING: (\.\./linux/)?drivers/misc/lkdtm/\ta test\n' >"$T/splats"
ok "a WARN that SPLATS has" env SPLATS="$T/splats" "$repo/scripts/boot.sh" -- \
	bash -c 'echo WARNING >/sys/kernel/debug/provoke-crash/DIRECT'
cat "$T/splats" >>"$repo/selftests/splat.allow"
ok "a WARN that splat.allow has" "$repo/scripts/boot.sh" -- \
	bash -c 'echo WARNING >/sys/kernel/debug/provoke-crash/DIRECT'
SECONDS=0
status "a hang" 122 env TIMEOUT=15 "$boot" -- sleep 1000
like_err "is said, with the console's last line" "last line of the console: .*not done after 15 seconds"
ok "soon after the limit" test "$SECONDS" -lt 25

# interrupted SIGNAL: the guest runs, then boot.sh gets SIGNAL.
interrupted() {
	local marker=marker=$$-$1 pid
	: >"$T/here"
	KERNEL_ARGS=$marker "$boot" -- bash -c 'echo here; sleep 1000' >"$T/here" 2>/dev/null &
	pid=$!
	tail -f -c +1 --pid="$pid" "$T/here" | grep -q -m1 here
	pgrep -f "qemu.*$marker" >/dev/null || return 1
	kill -"$1" "$pid"
	wait "$pid" || :
	# A killed one takes its guest along a moment later.
	timeout 20 tail -f --pid="$(pgrep -o -f "qemu.*$marker" || echo 999999999)" /dev/null
	! pgrep -f "qemu.*$marker"
}
ok "interrupted, nothing goes on" interrupted TERM
ok "killed, nothing goes on" interrupted KILL
rm -rf "$BUILD"/default/.boot.*

# Two at once
both() {
	local first second
	LOG=$T/first "$boot" -- echo first >"$T/1" &
	first=$!
	LOG=$T/second "$boot" -- echo second >"$T/2" &
	second=$!
	wait "$first" && wait "$second" && [[ $(<"$T/1") == first && $(<"$T/2") == second ]]
}
ok "two guests side by side" both

# A shell
shell() {
	local pid
	mkfifo "$T/keys"
	script -qec "$boot" /dev/null <"$T/keys" >"$T/screen" &
	pid=$!
	exec 3>"$T/keys"
	tail -f -c +1 --pid="$pid" "$T/screen" | grep -q -m1 "Run /init"
	# shellcheck disable=SC2016 # for the guest
	printf 'echo seen-$((6 * 7))\nexit\n' >&3
	wait "$pid"
	exec 3>&-
	grep -q seen-42 "$T/screen"
}
ok "a shell on a terminal" shell

# KVM only where the kernel is seen to run on it.
mkdir "$T/bin"
real=$(command -v qemu-system-x86_64)
cat >"$T/bin/qemu-system-x86_64" <<END
#!/bin/bash
[[ "\$*" == *"-accel kvm"* ]] || exec $real "\$@"
END
chmod +x "$T/bin/qemu-system-x86_64"
ok "where a guest does not run on KVM" env CACHE="$T/cache" PATH="$T/bin:$PATH" "$boot" -- true
is "it is not used" "$(cat "$T"/cache/kvm.*)" tcg

done_testing
