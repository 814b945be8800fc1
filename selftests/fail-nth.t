#!/bin/bash
# selftests/hunt: which calls have to fail, and whether they have.
set -euo pipefail
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
hunt=$TOP/selftests/hunt
tab=$(printf '\t')

# A tree with a file that is changed in one place, and one that is added.
linux=$BUILD/linux
mkdir -p "$BUILD"
fake_kernel "$linux"
cat >"$linux/mm/old.c" <<'X'
void *kmalloc(int size);
int same(void)
{
	return !!kmalloc(1);
}

int other(void)
{
	if (!kmalloc(2))
		return 1;
	return 2;
}
X
git -C "$linux" add -A
git -C "$linux" commit -qm "old"
git -C "$linux" tag base
sed -i 's/kmalloc(2)/kmalloc(3)/' "$linux/mm/old.c"
cat >"$linux/lib/new.c" <<'X'
void *vmalloc(int size);
void *kmalloc(int size);
int kfree(void *p);
static inline __attribute__((always_inline)) void *inlined(void)
{
	return vmalloc(1);
}

int added(void *p)
{
	if (!kmalloc(1) || !inlined())
		return kfree(p) + 1;
	return 0;
}
X
echo 'void *kmalloc(int size); int missing(void) { return !!kmalloc(1); }' >"$linux/lib/config_off.c"
mkdir -p "$linux/tools"
cp "$linux/lib/new.c" "$linux/tools/test.c"
git -C "$linux" add -A
git -C "$linux" commit -qm "new"
mkdir -p "$T/a/mm" "$T/b/lib" "$T/b/mm" "$T/b/tools"
for object in a/mm/old b/lib/new b/tools/test; do
	gcc -O2 -fno-pic -c -o "$T/$object.o" "$linux/${object#?/}.c" || bail "no compiler"
done
: >"$T/b/mm/old.o"

ok "calls are found" "$hunt/fail_sites.sh" "$T/a" "$T/b"
cp "$T/.out" "$T/sites"
is "those of what is added, inlined or not, and of what is changed; not what frees, nor what is not built" \
	"$(cut -f2- "$T/sites" | sort)" \
	"added${tab}kmalloc${tab}lib/new.c
added${tab}vmalloc${tab}lib/new.c
other${tab}kmalloc${tab}mm/old.c"
# What the processor would push is what is printed.
key=$(awk -F'\t' '$3 == "vmalloc" { print $1 }' "$T/sites")
next=$(objdump -dr --no-show-raw-insn "$T/b/lib/new.o" | awk '
	/<added>:/ { start = $1 } /vmalloc/ { found = 1; next } found { sub(":", "", $1); print $1; exit }')
is "with the address that they return to" "$key" "added+0x$next"
refuses "no objects" "say fail_sites.sh" "$hunt/fail_sites.sh"

# A module's first and last function have two names, of which a stack has their own.
cat >"$linux/lib/new.c" <<'X'
void *kmalloc(int size);
static int new_exit(void)
{
	return !!kmalloc(1);
}
int cleanup_module(void) __attribute__((alias("new_exit")));
X
git -C "$linux" commit -qam "new, a module"
gcc -O2 -fno-pic -c -o "$T/b/lib/new.o" "$linux/lib/new.c" || bail "no compiler"
ok "calls of a module" "$hunt/fail_sites.sh" "$T/a" "$T/b"
like "by its function's own name" "$out" "new_exit\+0x[0-9a-f]+${tab}new_exit${tab}kmalloc"

# What has failed
printf 'f+0x10\tf\tkmalloc\ta.c\nf+0x20\tf\tkmalloc\ta.c\ng+0x5\tg\tregister\tb.c\n' >"$T/sites"
hit() {
	printf 'hit\tscenario\toperation\t1\t%s\t%s \n' "$1" "$2"
}
{
	hit ENOMEM "allocation slab+0x1 f+0x10 g+0x5 entry+0x9"
	hit 0 "allocation slab+0x1 f+0x20 entry+0x9"
	hit ENOMEM "register g+0x5 entry+0x9"
	echo "# nothing"
} >"$T/output"
: >"$T/none"
export UNREACHED=$T/none
ok "all have failed" "$hunt/fail_check.sh" "$T/sites" "$T/output"
like "and it is said" "$err" "3 of 3 sites failed, 0 cannot"
is "how often, and of themselves, and with what" "$out" \
	"a.c${tab}f${tab}kmalloc${tab}1${tab}0${tab}ENOMEM
a.c${tab}f${tab}kmalloc${tab}1${tab}0${tab}0
b.c${tab}g${tab}register${tab}2${tab}1${tab}ENOMEM"
grep -v 'f+0x20' "$T/output" >"$T/less"
status "one has not" 1 "$hunt/fail_check.sh" "$T/sites" "$T/less"
like "which" "$err" "f: its call of kmalloc \(f\+0x20\) has not failed"
printf 'g\tregister\t1\tnever\n' >"$T/unreached"
UNREACHED=$T/unreached status "one has that cannot" 1 "$hunt/fail_check.sh" "$T/sites" "$T/output"
grep -v 'g+0x5' "$T/output" >"$T/less"
hit 0 "allocation f+0x10" >>"$T/less"
UNREACHED=$T/unreached ok "one that cannot need not" "$hunt/fail_check.sh" "$T/sites" "$T/less"
like "and is counted apart" "$err" "2 of 3 sites failed, 1 cannot"
printf 'f\tkmalloc\t1\tnever\n' >"$T/unreached"
grep -v 'f+0x20' "$T/output" >"$T/less"
UNREACHED=$T/unreached ok "one of two that cannot" "$hunt/fail_check.sh" "$T/sites" "$T/less"
grep -v 'f+0x' "$T/output" >"$T/less"
UNREACHED=$T/unreached status "and the other one has not either" 1 "$hunt/fail_check.sh" "$T/sites" "$T/less"
printf 'gone\tregister\t1\tnever\n' >"$T/unreached"
UNREACHED=$T/unreached status "one that cannot, and is no call any more" 1 "$hunt/fail_check.sh" "$T/sites" "$T/output"
status "nothing has failed" 1 "$hunt/fail_check.sh" "$T/sites" "$T/none"
done_testing
