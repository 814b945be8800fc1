#!/bin/bash
# The gate arches, with compilers and emulators that are none: what it does not take
# for a pass, and what it does not do twice.
set -euo pipefail
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

repo=$T/repo
test_repo "$repo"
mkdir -p "$repo"/{Documentation/results,selftests/mutations} "$T/bin"
cp -a "$TOP/selftests"/{gates,config,hunt,skip.allow,splat.deny,splat.allow} "$repo/selftests/"
printf '#!/bin/bash\n' >"$repo/scripts/setup.sh"
export BUILD=$repo/build PATH=$T/bin:$PATH
linux=$BUILD/linux
fake_kernel "$linux"
mkdir -p "$linux/kernel/configs" "$linux/tools/testing/selftests/mm"
echo CONFIG_EXPERT=y >"$linux/kernel/configs/tiny-base.config"
echo all: >"$linux/tools/testing/selftests/mm/Makefile"
git -C "$linux" add -A
git -C "$linux" commit -qm "what is built"
git -C "$linux" tag base
cat >"$repo/selftests/mutations/mutations.diff" <<'END'
--- a/mm/hugetlb.c
+++ b/mm/hugetlb.c
@@ -1,2 +1,3 @@
 line 1
+mutation
 line 2
END

# make: a configuration of what was asked for but for $LOST, and empty files.
cat >"$T/bin/make" <<'END'
#!/bin/bash
for word; do
	[[ $word != O=* ]] || out=${word#O=}
	[[ $word != /*/arches/*/selftests/* ]] || : >"$word"
done
[[ "$*" != *allnoconfig* ]] ||
	awk -F= '/^CONFIG/ { set[$1] = $2 } END { for (name in set) print name "=" set[name] }' "$KCONFIG_ALLCONFIG" |
		sed "s/^\(CONFIG_${LOST:-NONE}\)=.*/# \1 is not set/" >"$out/.config"
END
# The emulator: $T/said on the port for each command, and $T/console.
cat >"$T/bin/qemu-system-aarch64" <<END
#!/bin/bash
echo "\$*" >>"$T/booted"
for word; do
	case \$word in
	file:*)
		cp "$T/console" "\${word#file:}"
		grep -o ' hugepages=[0-9]*' <<<"\$*" | sed "s/ hugepages=\(.*\)/HugeTLB: registered \1 MiB page size, pre-allocated \${NONE:-\1} pages/" >>"\${word#file:}"
		;;
	*path=*) port=\${word#*path=} ;;
	esac
done
fault=
[[ "\$*" != *hugetlb_mutation* || \${BLIND:-} ]] || fault="not "
while read -r command; do
	echo "### \$command"
	if [[ \$command == kunit* ]]; then
		printf '%s\n' "    ok 1 setup" "\${KUNIT:-ok 1 hugetlb_driver}"
	else
		printf '%s\n' "TAP version 13" "1..\$(wc -l <<<"\${SAYS-}")" "\${fault}\${SAYS:-ok 1 it}"
	fi
	echo "### \$command: \${STATUS:-0}"
done <"\$(dirname "$BUILD/test/arches/x")/\$(cat "$T/name")/root/tests" >"\$port"
[[ \${CUT:-} ]] || echo "### done" >>"\$port"
END
cp "$T/bin/qemu-system-aarch64" "$T/bin/qemu-system-riscv64"
for prefix in aarch64 riscv64; do
	cat >"$T/bin/$prefix-linux-gnu-gcc" <<-'END'
		#!/bin/bash
		while (($#)); do
			[[ $1 != -o ]] || : >"$2"
			shift
		done
	END
done
chmod +x "$T"/bin/* "$repo/scripts/setup.sh"
# Which machine is booted, the emulator is not told.
sed -i "s,^boot() {,&\n\techo \"\$1\" >\"$T/name\"," "$repo/selftests/gates/soak/66-arches.sh"

gate() {
	mkdir -p "$T/tmp" "$BUILD/test"
	: >"$T/booted"
	GATE=arches TREE=1234 STATE=$BUILD/test TMPDIR=$T/tmp \
		bash "$repo/selftests/gates/soak/66-arches.sh" 2>&1
}
afresh() {
	rm -f "$repo/Documentation/results/arches.tsv"
}

echo "[    0.0] Linux" >"$T/console"
ok "all pass" gate
is "three machines and the planted fault" "$(wc -l <"$T/booted")" 4
like "the results" "$(<"$repo/Documentation/results/arches.tsv")" $'riscv64\tpage_huge\t1\t0\tgood\t1234'
ok "asked again" gate
is "the planted fault alone" "$(wc -l <"$T/booted")" 1

BLIND=1 status "a planted fault that is not seen" 1 gate
like "says so" "$out" "proves nothing"
afresh
SAYS="not ok 1 it" status "a test that fails" 1 gate
like "is named" "$out" "arm64-64k: /tests.d/page_huge does not pass"
like "is in the results" "$(<"$repo/Documentation/results/arches.tsv")" $'arm64\tpage_huge\t0\t0\tbad'
afresh
STATUS=99 status "a counter that changed" 1 gate
afresh
SAYS="ok 1 it # SKIP no reason" status "a skip that is not allowed" 1 gate
afresh
SAYS="ok 1 it # SKIP no way back (CONFIG_HWPOISON_INJECT)" status "a skip that another machine may have" 1 gate
like "is named for those that may not" "$(grep -c $'page_huge\t.*bad' "$repo/Documentation/results/arches.tsv") $(grep -c $'^riscv64\tpage_huge\t.*good' "$repo/Documentation/results/arches.tsv")" "^2 1$"
page_huge() {
	awk -F'\t' '$2 == "page_huge" { print $1, $5 }' "$repo/Documentation/results/arches.tsv" | sort | paste -sd ' '
}
afresh
SAYS=$'ok 1 a.2_root.it # SKIP no way back (CONFIG_HWPOISON_INJECT)\nok 2 a.2_nobody.it # SKIP needs root' \
	status "a variant that the machine cannot have either" 1 gate
is "counts for that machine" "$(page_huge)" "arm64 bad arm64-64k bad riscv64 good"
afresh
SAYS="ok 1 a.2_nobody.it # SKIP needs root" status "a variant where no other has passed" 1 gate
is "counts nowhere" "$(page_huge)" "arm64 bad arm64-64k bad riscv64 bad"
afresh
SAYS=$'ok 1 a.2_root.it\nok 2 a.2_nobody.it # SKIP needs root' ok "a variant where another has passed" gate
# kunit [SKIP]: of a test with two variants, the second of which is skipped.
kunit() {
	printf '%s\n' "    # Subtest: suite" "    1..1" "        # Subtest: case" "        1..2" \
		"        ok 1 2048kB${1-}" "        ok 2 1048576kB # SKIP no adjacent pages of hugepages-1048576kB" "    ok 1 case" "ok 1 suite"
}
afresh
KUNIT=$(kunit) ok "a variant of a KUnit test where another has passed" gate
afresh
KUNIT=$(kunit " # SKIP no room for two pages of hugepages-2048kB") status "one where none has" 1 gate
like "is named" "$out" "has not passed in the same run: ok 3 - suite.case.1048576kB"
afresh
KUNIT="not ok 1 hugetlb_driver" status "a KUnit suite that fails" 1 gate
afresh
CUT=1 status "a guest that goes down" 1 gate
like "says so" "$out" "did not get to its end"
afresh
NONE=0 status "a size without pages" 1 gate
like "is named" "$out" "has not all of the pages"
afresh
echo "[    1.0] WARNING: mm/hugetlb.c" >"$T/console"
status "a splat" 1 gate
like "is shown" "$out" "complained"
echo "[    0.0] Linux" >"$T/console"
ok "the same without it" gate
is "is tried on all three again" "$(wc -l <"$T/booted")" 4
afresh
LOST=TEST_HUGETLB status "an option of the series that is lost" 1 gate
like "is named" "$out" "CONFIG_TEST_HUGETLB=y did not survive"
LOST=VIRTIO_CONSOLE status "an option of the machine that is lost" 1 gate
like "is named" "$out" "CONFIG_VIRTIO_CONSOLE=y did not survive"
done_testing
