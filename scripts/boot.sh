#!/bin/bash
# boot.sh [-c CONFIG] [-o OVERLAY]... [-- COMMAND ARGS]: boot the kernel of
# build/CONFIG (default: default) in QEMU with a small user space, and run
# COMMAND in it as root.
#
# The guest's root is busybox and bash, then build/CONFIG/overlay (modules, and
# the mm selftests in /kselftest), then each directory OVERLAY, all copied in.
# COMMAND's output, stdout and stderr, comes out on stdout, byte by byte; the
# kernel's console goes to the log. Without COMMAND: a shell, on a terminal.
#
# Exit status: COMMAND's own (126, 127: it cannot be run, it was not found;
# 128+N: it died of signal N), or, whatever COMMAND said,
#   120   the guest was not started: bad usage, nothing built, QEMU failed
#   121   the kernel panicked, or the guest went down by itself
#   122   TIMEOUT passed
#   123   the kernel complained: a line of its console matches
#         selftests/splat.deny and nothing in selftests/splat.allow or SPLATS
#
# Environment:
#   MEM          the guest's memory in MiB (default: 8192; 12288 for debug, whose
#                checks leave less room for pages of 1 GiB)
#   CPUS         its processors (default: 2)
#   NUMA         its nodes, each with a part of both (default: 2)
#   TIMEOUT      seconds until a guest is taken for hung (default: 300)
#   KERNEL_ARGS  more kernel arguments; with "hugepages" in them the default
#                pools (2 pages of 1 GiB, 128 of 2 MiB) are not set up
#   QEMU_ARGS    more QEMU arguments
#   ICOUNT       1: emulated, and a nanosecond of the guest is one instruction,
#                of all its processors together; for scripts/bench.sh
#   MEMFD        1: the guest's memory is shared memory, in which a plugin of QEMU
#                finds it; for scripts/bench.sh
#   GCOV         a directory: what gcov has counted in the guest goes there, a tar
#   SPLATS       a file with more lines as in selftests/splat.allow, for this guest
#   LOG          where the console goes (default: build/CONFIG/boot.log)
#   BUILD, CACHE as in lib.sh
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

fail() {
	printf 'boot.sh: error: %s\n' "$*" >&2
	exit 120
}

config=default
overlays=()
while getopts :c:o: opt; do
	case $opt in
	c) config=$OPTARG ;;
	o) overlays+=("$OPTARG") ;;
	*) fail "unknown option or missing value '-$OPTARG'; say boot.sh [-c CONFIG] [-o OVERLAY]... [-- COMMAND ARGS]." ;;
	esac
done
shift $((OPTIND - 1))

mem=${MEM:-$([[ $config == debug ]] && echo 12288 || echo 8192)} cpus=${CPUS:-2} nodes=${NUMA:-2} limit=${TIMEOUT:-300}
[[ ${ICOUNT:-} =~ ^1?$ ]] || fail "ICOUNT is 1 or not set."
[[ ${MEMFD:-} =~ ^1?$ ]] || fail "MEMFD is 1 or not set."
[[ ! ${GCOV:-} || -d $GCOV ]] || fail "GCOV is '$GCOV', which is no directory."
for number in "$mem" "$cpus" "$nodes" "$limit"; do
	[[ $number =~ ^[1-9][0-9]*$ ]] ||
		fail "'$number' is no number; MEM (MiB), CPUS, NUMA and TIMEOUT (seconds) are whole numbers from 1."
done
((nodes <= cpus)) || fail "$nodes NUMA nodes need at least $nodes processors; raise CPUS or lower NUMA."
((mem / nodes >= 256)) || fail "MEM=$mem is too little for $nodes nodes; give each at least 256 MiB."

(need_linux_x86) || exit 120
[[ $config =~ ^(default|debug|kcsan)$ ]] ||
	fail "unknown CONFIG '$config'; say default, debug or kcsan."
out=$BUILD/$config
[[ -f $out/arch/x86/boot/bzImage && -d $out/overlay && -f $out/tree ]] ||
	fail "there is no finished $config kernel in $out; run scripts/build.sh $config first."
for overlay in ${overlays[@]+"${overlays[@]}"}; do
	[[ -d $overlay ]] || fail "OVERLAY $overlay is no directory."
done
for list in "$TOP/selftests/splat.deny" "$TOP/selftests/splat.allow" ${SPLATS:+"$SPLATS"}; do
	[[ -f $list ]] || fail "$list is missing; a boot without it proves nothing, restore it with git."
done
(($#)) || [[ -t 0 && -t 1 ]] ||
	fail "no COMMAND, and no terminal for a shell; say boot.sh -- COMMAND ARGS."
"$TOP/scripts/setup.sh" boot || exit 120
mkdir -p "$CACHE" 2>/dev/null || fail "cannot write to $CACHE; set CACHE to a directory you can write to."
[[ -w $out ]] || fail "cannot write to $out; make it writable or set BUILD to another directory."
log=${LOG:-$out/boot.log}
[[ $log == */* ]] || log=./$log

tmp=$(mktemp -d "$out/.boot.XXXXXX") || fail "cannot write to $out; is the disk full?"
qemu_pid=
# shellcheck disable=SC2317 # called by the traps
cleanup() {
	[[ -z $qemu_pid ]] || kill "$qemu_pid" 2>/dev/null || :
	wait || :
	rm -rf "$tmp"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# The guest's root: busybox, and what the kernel's selftests need and busybox
# has not, or not in full, all from this machine.
root=$tmp/root
mkdir -p "$root"/{bin,sbin,usr/bin,usr/sbin,etc,root,home,proc,sys,dev,tmp,run,mnt,var/tmp,lib64}
chmod 1777 "$root/tmp" "$root/var/tmp"
busybox=$(command -v busybox)
cp "$busybox" "$root/bin/busybox"
"$busybox" --list-full | while read -r applet; do
	[[ $applet == bin/busybox ]] || ln -sf /bin/busybox "$root/$applet"
done
for program in bash setpriv tr ps pgrep killall; do
	rm -f "$root"/{bin,usr/bin}/"$program"
	cp -L "$(type -P "$program")" "$root/bin/$program" || fail "$program is missing; run scripts/setup.sh boot."
	ldd "$root/bin/$program" | grep -o '/[^ ]*\.so[^ ]*' | while read -r lib; do
		[[ -e $root$lib ]] || install -D "$(readlink -f "$lib")" "$root$lib"
	done
done
cp "$TOP/selftests/guest/init" "$root/init"
cp "$TOP/selftests/guest/sudo" "$root/usr/bin/sudo"
printf '%s\n' 'root:x:0:0:root:/root:/bin/bash' \
	'nobody:x:65534:65534:nobody:/tmp:/bin/bash' >"$root/etc/passwd"
printf '%s\n' 'root:x:0:' 'nogroup:x:65534:' >"$root/etc/group"

# Later archives are laid over earlier ones.
archive() {
	(cd "$1" && find . -mindepth 1 -print0 | LC_ALL=C sort -z |
		cpio --null --create --format=newc --owner=+0:+0 --reproducible --quiet)
}
{
	archive "$root"
	for overlay in "$out/overlay" ${overlays[@]+"${overlays[@]}"}; do
		archive "$overlay"
	done
	if (($#)); then
		mkdir "$tmp/cmd"
		printf '%s\0' "$@" >"$tmp/cmd/cmd"
		archive "$tmp/cmd"
	fi
} >"$tmp/initrd" || fail "cannot write the guest's root in $out; is the disk full?"

qemu=(qemu-system-x86_64 -no-user-config -nodefaults -display none -no-reboot -M q35)

# KVM only where this kernel is seen to run on it: without a root file system
# it panics, and with that the guest ends. The answer holds until the next boot
# of this machine.
accelerate() {
	local seen answer=tcg
	seen=$CACHE/kvm.$(cat /proc/sys/kernel/random/boot_id)
	if [[ ! -f $seen ]]; then
		if [[ -r /dev/kvm && -w /dev/kvm ]] &&
			timeout 10 "${qemu[@]}" -accel kvm -cpu max -smp 2 -m 512 \
				-kernel "$out/arch/x86/boot/bzImage" -append "console=ttyS0 panic=-1" \
				-serial "file:$tmp/kvm" </dev/null >/dev/null 2>&1 &&
			grep -q "Kernel panic - not syncing: VFS" "$tmp/kvm"; then
			answer=kvm
		fi
		rm -f "$CACHE"/kvm.*
		echo "$answer" >"$tmp/answer"
		mv "$tmp/answer" "$seen"
	fi
	cat "$seen"
}
accel=tcg thread=multi
if [[ ${ICOUNT:-} ]]; then
	thread=single
	qemu+=(-icount "shift=0")
else
	accel=$(accelerate)
fi
# Emulated, a processor with fast string instructions clears memory byte by byte.
# With page tables of five levels an interrupt at the wrong moment of boot, while
# identify_cpu() has the features cleared, makes KASAN take the upper half of the
# addresses for none (seen once with 7.3.4, in some 100 boots).
if [[ $accel == kvm ]]; then
	qemu+=(-accel kvm -cpu max -m "$mem")
else
	qemu+=(-accel "tcg,thread=$thread" -cpu "max,-erms,-fsrm,-la57" -m "$mem")
fi

# Memory and processors in equal parts. A processor is a socket: two of one
# socket on different nodes make the kernel warn.
qemu+=(-smp "$cpus,sockets=$cpus")
backend=ram
[[ ! ${MEMFD:-} ]] || backend=memfd
for ((node = 0; node < nodes; node++)); do
	size=$((mem * (node + 1) / nodes - mem * node / nodes))
	first=$((cpus * node / nodes)) last=$((cpus * (node + 1) / nodes - 1))
	qemu+=(-object "memory-backend-$backend,id=mem$node,size=${size}M"
		-numa "node,nodeid=$node,memdev=mem$node,cpus=$first-$last")
done

append="console=ttyS0 panic=-1"
if [[ ${KERNEL_ARGS:-} != *hugepages* ]]; then
	append+=" default_hugepagesz=2M hugepagesz=2M hugepages=128 hugepagesz=1G"
	# kmemleak takes the 1 GiB pages of boot time for data and reads through
	# them at each scan, half a minute: init allocates them later.
	[[ $config == debug ]] && append+=" GIGANTIC=2" || append+=" hugepages=2"
fi
# An emulated processor may wait long for a real one: that is no stall.
[[ $accel == kvm ]] || append+=" rcupdate.rcu_cpu_stall_timeout=60 watchdog_thresh=30"
append+=" ${KERNEL_ARGS:-}"
qemu+=(-kernel "$out/arch/x86/boot/bzImage" -initrd "$tmp/initrd" -append "$append")

# Without ioeventfd a write to a port is in its file when the guest goes on, so
# nothing is lost when the guest powers off.
: >"$tmp/output"
: >"$tmp/status"
: >"$tmp/console"
read -ra extra <<<"${QEMU_ARGS:-}"
ended=0
if (($#)); then
	qemu+=(-serial "file:$tmp/console" -device "virtio-serial-pci,ioeventfd=off")
	ports=(output status)
	[[ ! ${GCOV:-} ]] || ports+=(gcov)
	for port in "${ports[@]}"; do
		qemu+=(-chardev "file,id=$port,path=$tmp/$port"
			-device "virtserialport,chardev=$port,name=$port")
	done
	# Nothing survives this script, however it ends.
	setpriv --pdeathsig TERM timeout -k 5 "$limit" "${qemu[@]}" ${extra[@]+"${extra[@]}"} \
		</dev/null 2>"$tmp/errors" >&2 &
	qemu_pid=$!
	# Ends when QEMU has, with all that was written; in the background, or a
	# signal would wait for it.
	tail -c +1 -f -s 0.1 --pid="$qemu_pid" "$tmp/output" 2>/dev/null &
	wait "$qemu_pid" || ended=$?
	wait || :
	qemu_pid=
else
	qemu+=(-chardev "stdio,id=console,mux=on,signal=off,logfile=$tmp/console" -serial chardev:console)
	echo 0 >"$tmp/status"
	say "a shell in the guest; leave it with exit, or kill the guest with Ctrl-a x"
	"${qemu[@]}" ${extra[@]+"${extra[@]}"} 2>"$tmp/errors" || ended=$?
fi

mkdir -p "${log%/*}" 2>/dev/null || :
[[ ! -s $tmp/gcov ]] || cp "$tmp/gcov" "$(mktemp --suffix=.tar "$GCOV/boot.XXXXXX")" ||
	fail "cannot write to $GCOV; is the disk full?"
cp "$tmp/console" "$log" || fail "cannot write the console to $log; choose another place with LOG."

bad() {
	printf 'boot.sh: error: %s The console is in %s.\n' "$2" "$log" >&2
	exit "$1"
}

if [[ ! -s $tmp/console ]] && ((ended != 124 && ended != 137)); then
	cat "$tmp/errors" >&2
	fail "QEMU ended with $ended before the guest printed anything; see its message above and QEMU_ARGS."
fi
if grep -a "Kernel panic - not syncing" "$tmp/console" >"$tmp/hits"; then
	tr -d '\r' <"$tmp/hits" >&2
	bad 121 "the kernel panicked."
fi
if ((ended == 124 || ended == 137)); then
	printf 'last line of the console: %s\n' "$(tail -n 1 "$tmp/console" | tr -d '\r')" >&2
	bad 122 "the guest was not done after $limit seconds (TIMEOUT)."
fi
if ((ended)); then
	cat "$tmp/errors" >&2
	fail "QEMU ended with $ended; see its message above and QEMU_ARGS."
fi
grep -v -e '^#' -e '^$' "$TOP/selftests/splat.deny" >"$tmp/deny"
grep -hv -e '^#' -e '^$' "$TOP/selftests/splat.allow" ${SPLATS:+"$SPLATS"} | cut -f1 >"$tmp/allow" || :
if grep -a -n -E -f "$tmp/deny" "$tmp/console" | grep -a -v -E -f "$tmp/allow" >"$tmp/hits"; then
	head -n 20 "$tmp/hits" | tr -d '\r' >&2
	bad 123 "the kernel complained (COMMAND's own status: $(cat "$tmp/status"))."
fi
status=$(<"$tmp/status")
[[ $status =~ ^[0-9]+$ ]] || bad 121 "the guest went down before COMMAND had ended."
exit "$status"
