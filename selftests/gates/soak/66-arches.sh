#!/bin/bash
# On arm64, with base pages of 4K and of 64K, and on riscv64 a kernel boots, and the selftests of /dev/page-huge, of drivers and of the heaps pass with the pages that these have; writes Documentation/results/arches.tsv.
# Green: scripts/lib.sh selftests/config/small.config selftests/config/series.config selftests/config/arches.config selftests/splat.deny selftests/splat.allow selftests/skip.allow selftests/gates/lib.sh selftests/gates/overlay/gate/ktap.awk selftests/hunt/arch_init.c selftests/hunt/page_huge_mte.c selftests/mutations
set -euo pipefail
# shellcheck source=selftests/gates/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

# Cross-built, emulated, with an init in C (selftests/hunt/arch_init.c) and static
# tests: there is no other user space. A machine that was good on this series is not
# tried again, so an interrupted run goes on where it stopped.
results=$TOP/Documentation/results/arches.tsv
fragments=$TOP/selftests/config
linux=$STATE/linux
tests=(page_huge page_huge_ops page_huge_gup page_huge_zero hugetlb_driver_ops hugetlb_driver_gup
	hugetlb_driver_pages hugetlb_unmap_private hugetlb_heap hugetlb_heap_map)

# machine NAME: what it is made of. One node, and pages of each size but those that
# do not fit.
machine() {
	options=() own=() memory=8192
	case $1 in
	arm64*)
		arch=arm64 prefix=aarch64-linux-gnu- image=Image
		emulator=(qemu-system-aarch64 -M "virt,mte=on" -cpu "max,pauth-impdef=on")
		pools="default_hugepagesz=2M hugepagesz=64K hugepages=256 hugepagesz=2M hugepages=96 hugepagesz=32M hugepages=8 hugepagesz=1G hugepages=2"
		own=(page_huge_mte)
		;;
	riscv64)
		arch=riscv prefix=riscv64-linux-gnu- image=Image
		# With Svnapot there are pages of 64K, which mainline maps wrong: Documentation/testing.md.
		emulator=(qemu-system-riscv64 -M virt -cpu rv64)
		pools="default_hugepagesz=2M hugepagesz=2M hugepages=96 hugepagesz=1G hugepages=2"
		;;
	esac
	if [[ $1 == arm64-64k ]]; then
		options=(CONFIG_ARM64_64K_PAGES=y)
		pools="default_hugepagesz=2M hugepagesz=2M hugepages=96 hugepagesz=512M hugepages=2"
	fi
	out=$STATE/arches/$1
}
mk() {
	use_ccache
	make -s -C "$linux" O="$out" ARCH="$arch" CROSS_COMPILE="$prefix" CC="${cc/%gcc/${prefix}gcc}" -j"${JOBS:-$(nproc)}" "$@"
}

# build: the kernel, its headers for programs, the tests and the init.
build() {
	local line option test dir=tools/testing/selftests/mm
	mkdir -p "$out/root/tests.d" "$out/selftests"
	cat "$linux/kernel/configs/tiny-base.config" "$fragments"/{small,series,arches}.config >"$TMPDIR/all.config"
	printf '%s\n' "${options[@]}" >>"$TMPDIR/all.config"
	cp -p "$out/.config" "$TMPDIR/before" 2>/dev/null || : >"$TMPDIR/before"
	KCONFIG_ALLCONFIG=$TMPDIR/all.config mk allnoconfig >"$TMPDIR/log" 2>&1 || {
		tail -n 5 "$TMPDIR/log"
		die "the kernel cannot be configured for $1 (above)."
	}
	! cmp -s "$out/.config" "$TMPDIR/before" || touch -r "$TMPDIR/before" "$out/.config"
	# What an architecture has not, such as pages with memory errors, is not named at all.
	while read -r line; do
		option=${line%%=*}
		grep -qxF "$line" "$out/.config" || ! grep -q "^# $option is not set" "$out/.config" ||
			die "$line did not survive in the configuration for $1; add what it depends on to ${fragments#"$TOP"/}/arches.config."
	done < <(grep -h '=y$' "$fragments"/{small,arches}.config)
	for line in $(sed -n 's/=.*/=y/p' "$fragments/series.config") "${options[@]}"; do
		grep -qxF "$line" "$out/.config" ||
			die "$line did not survive in the configuration for $1; add what it depends on to ${fragments#"$TOP"/}/arches.config."
	done
	mk "$image" headers
	for test in "${tests[@]}"; do
		rm -f "$out/selftests/$test"
	done
	make -s -C "$linux/$dir" ARCH="$arch" CROSS_COMPILE="$prefix" LDFLAGS=-static OUTPUT="$out/selftests" \
		KHDR_INCLUDES="-isystem $out/usr/include" -j"${JOBS:-$(nproc)}" "${tests[@]/#/$out/selftests/}"
	cp "${tests[@]/#/$out/selftests/}" "$out/root/tests.d/"
	"${prefix}gcc" -static -O2 -Wall -Wextra -Werror -o "$out/root/init" "$TOP/selftests/hunt/arch_init.c"
	for test in "${own[@]}"; do
		"${prefix}gcc" -static -O2 -Wall -Wextra -Werror -march=armv8.5-a+memtag \
			-o "$out/root/tests.d/$test" "$TOP/selftests/hunt/$test.c"
	done
}

# boot NAME ARGS TEST...: what the tests say is in $TMPDIR/said. Fails if the kernel
# or the emulator does.
boot() {
	local name=$1 args=$2 console=$out/boot.log status=0 dir pages
	shift 2
	printf '%s\n' "$@" >"$out/root/tests"
	for dir in proc sys dev tmp; do
		mkdir -p "$out/root/$dir"
	done
	(cd "$out/root" && find . -mindepth 1 | cpio --create --format=newc --owner=+0:+0 --quiet) >"$TMPDIR/initrd"
	: >"$TMPDIR/said"
	setpriv --pdeathsig TERM timeout -k 5 2400 "${emulator[@]}" -no-user-config -nodefaults -display none -no-reboot \
		-smp 2 -m $memory -kernel "$out/arch/$arch/boot/$image" -initrd "$TMPDIR/initrd" \
		-append "console=ttyAMA0 console=ttyS0 earlycon oops=panic panic=-1 rdinit=/init page_table_check=on $pools $args" \
		-serial "file:$console" -device virtio-serial-pci \
		-chardev "file,id=output,path=$TMPDIR/said" -device virtserialport,chardev=output,name=output \
		</dev/null || status=$?
	cat "$TMPDIR/said"
	grep -v -e '^#' -e '^$' "$TOP/selftests/splat.deny" >"$TMPDIR/deny"
	grep -v -e '^#' -e '^$' "$TOP/selftests/splat.allow" | cut -f1 >"$TMPDIR/allow" || :
	if grep -a -E -f "$TMPDIR/deny" "$console" | grep -a -v -E -f "$TMPDIR/allow"; then
		say "the kernel of $name complained (above); the console is in $console"
		return 1
	fi
	if ((status)) || ! grep -qx '### done' "$TMPDIR/said"; then
		tail -n 5 "$console"
		say "the guest of $name did not get to its end, QEMU's status is $status; the console is in $console"
		return 1
	fi
	# A size without pages would be skipped, in every test. Two consoles may have said it.
	pages=$(grep -oP ' hugepages=\K.*?(?= |$)' <<<" $pools" | sort)
	if [[ $pages != "$(grep -a -oE 'registered .* pre-allocated [1-9][0-9]* pages' "$console" | sort -u |
		awk '{ print $(NF-1) }' | sort)" ]]; then
		grep -a HugeTLB: "$console" || :
		say "$name has not all of the pages of $pools"
		return 1
	fi
}

# passed COMMAND: it did, and skipped only what it may.
passed() {
	awk -v want="### $1" '/^### / { on = $0 == want; next } on' "$TMPDIR/said" >"$TMPDIR/tap"
	say "$1"
	grep -qxF "### $1: 0" "$TMPDIR/said" && check_tap "$TMPDIR/tap"
}

"$TOP/scripts/setup.sh" build boot check cross
own_tree HEAD
mkdir -p "${results%/*}"
touch "$results"
key=$TREE$'\t'$KEY
for name in arm64 riscv64 arm64-64k; do
	machine "$name"
	GATE_MACHINE=$name
	commands=("${tests[@]/#//tests.d/}" "${own[@]/#//tests.d/}" "kunit hugetlb_driver")
	if (($(grep -c "^$name"$'\t.*\tgood\t'"$key" "$results") == ${#commands[@]})); then
		say "$name: was good on this series"
		continue
	fi
	say "$name: building"
	build "$name"
	say "$name: booting"
	whole=good
	boot "$name" "" "${commands[@]}" || whole=bad bad=1
	: >"$TMPDIR/lines"
	for command in "${commands[@]}"; do
		result=$whole
		if [[ $command == kunit* ]]; then
			awk -v want="### $command" '/^### / { on = $0 == want; next } on' "$TMPDIR/said" |
				awk -f "$TOP/selftests/gates/overlay/gate/ktap.awk" >"$TMPDIR/tap" || :
			say "$command"
			check_tap "$TMPDIR/tap" || result=bad
		else
			passed "$command" || result=bad
		fi
		[[ $result == good ]] || complain "$name: $command does not pass"
		printf '%s\t%s\t%d\t%d\t%s\t%s\n' "$name" "${command##*/}" \
			"$(grep -E '^ *ok ' "$TMPDIR/tap" | grep -vc '# SKIP' || :)" "$(grep -cE '^ *ok .*# SKIP' "$TMPDIR/tap" || :)" \
			"$result" "$key" >>"$TMPDIR/lines"
	done
	{
		printf '# machine\ttest\tpassed\tskipped\tresult\ttree of the series\tof the gate\n'
		{
			awk -F'\t' -v name="$name" '!/^#/ && $1 != name' "$results"
			cat "$TMPDIR/lines"
		} | sort
	} >"$results.new"
	mv "$results.new" "$results"
done

# A fault is seen there.
say "planted: a fault of selftests/mutations"
machine arm64
git -C "$linux" apply "$TOP/selftests/mutations/mutations.diff" ||
	die "mutations.diff does not apply any more; bring it up to date with the series."
build arm64
boot arm64 hugetlb_mutation=16 /tests.d/page_huge || :
grep -q '^not ok' "$TMPDIR/said" ||
	die "all users of /dev/page-huge map one file, and the selftest does not see it, so it proves nothing."
own_tree HEAD
((bad == 0))
awk -F'\t' '!/^#/ { machines += !seen[$1]++; tests += $3 } END { print tests " tests on " machines " machines" }' "$results"
