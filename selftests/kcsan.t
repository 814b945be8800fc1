#!/bin/bash
# The gate kcsan, with a guest and a kernel that are none: whose race it is, and what
# it does not take for a pass.
set -euo pipefail
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

repo=$T/repo
test_repo "$repo"
mkdir -p "$repo"/{Documentation/results,selftests/hunt}
printf '%%:\n\t@:\n' >"$repo/selftests/hunt/Makefile"
cp -a "$TOP/selftests/gates" "$TOP/selftests"/{skip.allow,splat.deny,splat.allow} "$repo/selftests/"
export BUILD=$repo/build
linux=$BUILD/linux

# Two functions, one of which the series changes.
fake_kernel "$linux"
cat >"$linux/mm/hugetlb.c" <<'END'
/* Huge pages */
static int old(void)
{
	return 1;
}

static vm_fault_t hugetlb_no_page(struct address_space *mapping,
				  struct vm_fault *vmf)
{
	return 2;
}
END
mkdir -p "$linux/scripts"
cat >"$linux/scripts/faddr2line" <<'END'
#!/bin/bash
echo "$2:"
case $2 in
hugetlb_no_page+*) echo "hugetlb_no_page at ${1%/*}/../linux/mm/hugetlb.c:10" ;;
old+0x1/*) echo "old at mm/hugetlb.c:4" ;;
old+0x2/*) printf '%s\n' "list_add at include/linux/list.h:4" " (inlined by) old at mm/hugetlb.c:4" ;;
outer+*) printf '%s\n' "hugetlb_no_page at mm/hugetlb.c:10" " (inlined by) outer at mm/memory.c:7" ;;
other+*) echo "hugetlb_no_page at drivers/other.c:10" ;;
in_module+*) [[ $1 != *samples/hugetlb/hugetlb-sample.ko ]] || echo "in_module at samples/hugetlb.c:1" ;;
esac
END
chmod +x "$linux/scripts/faddr2line"
git -C "$linux" add -A
git -C "$linux" commit -qm "pristine"
git -C "$linux" tag base
sed -i 's/return 2/return 3/' "$linux/mm/hugetlb.c"
git -C "$linux" commit -qam "mm/hugetlb: return 3"

cat >"$repo/scripts/build.sh" <<'END'
#!/bin/bash
mkdir -p "$BUILD/kcsan"
echo samples/hugetlb/hugetlb-sample.o >"$BUILD/kcsan/modules.order"
END
cat >"$repo/scripts/setup.sh" <<'END'
#!/bin/bash
END
# What the first boot says on its console is in $T/console, the others say nothing.
cat >"$repo/scripts/boot.sh" <<END
#!/bin/bash
while [[ \$1 != -- ]]; do shift; done
echo "[    0.1] kcsan: enabled early" >"\$LOG"
if grep -q planted_race "$BUILD/test/linux/mm/hugetlb.c"; then
	[[ \${BLIND:-} ]] || cat "$T/planted" >>"\$LOG"
else
	cat "$T/console" >>"\$LOG"
	: >"$T/console"
fi
for command in "\${@:3}"; do
	printf '### %s\nTAP version 13\n1..1\n%sok 1 it\n' "\$command" "\${NOT:-}"
done
grep -q "BUG:\|WARNING:" "\$LOG" || exit \${SAYS:-0}
echo "boot.sh: error: the kernel complained (COMMAND's own status: \${SAYS:-0})." >&2
exit 123
END
chmod +x "$repo"/scripts/*.sh

# race FRAME [FRAME]: a report of the kernel's.
race() {
	printf '[    1.0] %s\n' "BUG: KCSAN: data-race in ${1%%+*}" ""
	if (($# == 2)); then
		printf '[    1.0] %s\n' "write to 0xffff888000000000 of 8 bytes by task 70 on cpu 1:" " $1" " caller+0x1/0x9" ""
		printf '[    1.0] %s\n' "read (marked) to 0xffff888000000000 of 8 bytes by interrupt on cpu 0:" " $2" " caller+0x2/0x9" ""
	else
		printf '[    1.0] %s\n' "race at unknown origin, with read to 0xffff888000000000 of 8 bytes by task 70 on cpu 1:" " $1" ""
	fi
	printf '[    1.0] %s\n' "value changed: 0x0 -> 0x1" "" "Reported by Kernel Concurrency Sanitizer on:"
}
race "hugetlb_no_page+0x1/0x9" "hugetlb_no_page+0x5/0x9" >"$T/planted"

gate() {
	mkdir -p "$T/tmp" "$BUILD/test"
	GATE=kcsan TREE=1234 STATE=$BUILD/test TMPDIR=$T/tmp \
		bash "$repo/selftests/gates/soak/62-kcsan.sh" 2>&1
}
races() {
	sed -n 's/^race\t//p' "$repo/Documentation/results/kcsan.tsv"
}

: >"$T/console"
ok "no race" gate
like "counts none" "$out" "0 data races"
like "the tests are in the results" "$(<"$repo/Documentation/results/kcsan.tsv")" $'test\t./page_huge\t1\t-\t1234'

{
	race "old+0x1/0x9" "old+0x2/0x9"
	race "old+0x2/0x9" "old+0x1/0x9"
	race "in_module+0x1/0x9 [hugetlb_sample]"
	race "other+0x1/0x9" "old+0x1/0x9"
} >"$T/console"
ok "races of mainline" gate
is "are counted" "$(races)" "hugetlb_no_page / old	1	no	1234
in_module / unknown	1	no	1234
list_add / old	2	no	1234"

race "old+0x1/0x9" "hugetlb_no_page+0x1/0x9" >"$T/console"
status "a race of the series" 1 gate
like "is named" "$out" "hugetlb_no_page / old.*yes"
race "outer+0x1/0x9" "old+0x1/0x9" >"$T/console"
status "a race of the series, inlined" 1 gate
{
	race "old+0x1/0x9" "old+0x2/0x9"
	race "old+0x1/0x9" "old+0x2/0x9" | head -n 3
} >"$T/console"
status "a report that is cut off" 1 gate
race "lost+0x1/0x9" "old+0x2/0x9" >"$T/console"
status "a function that is not found" 1 gate
like "is named" "$out" "does not find lost"
echo "[    1.0] WARNING: mm/hugetlb.c:4" >"$T/console"
status "another complaint" 1 gate
like "is shown" "$out" "WARNING: mm"
: >"$T/console"
NOT="not " SAYS=1 status "a test that fails" 1 gate
like "is named" "$out" "./page_huge does not pass"
BLIND=1 status "a planted race that is not seen" 1 gate
like "says so" "$out" "proves nothing"
done_testing
