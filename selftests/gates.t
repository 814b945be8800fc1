#!/bin/bash
# The gates that need no kernel build, on a tiny kernel and a tiny series: each
# passes on what is right and fails on a planted fault. (w1-sparse and
# each-patch plant a fault themselves, each time they run.)
#
# Environment: BUILD, where a kernel tree is that has checkpatch; CACHE.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/lib.sh"

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
count=0

# green WHAT GATE [TEXT]: in the copy the gate passes, and says TEXT.
# red WHAT GATE TEXT: it fails, and says TEXT.
green() { verdict 0 "$@"; }
red() { verdict 1 "$@"; }
verdict() {
	local want=$1 what=$2 gate=$3 text=${4:-} status=0
	count=$((count + 1))
	(cd "$copy" && PATH=$copy/bin:$PATH scripts/test.sh "$gate") >"$tmp/out" 2>&1 </dev/null || status=$?
	cat "$copy/build/test/$gate.log" >>"$tmp/out" 2>/dev/null || :
	if ((status == want)) && grep -qF -- "$text" "$tmp/out"; then
		echo "ok $count - $gate: $what"
	else
		echo "not ok $count - $gate: $what"
		echo "# wanted status $want and '$text', got status $status and:"
		sed 's/^/#   /' "$tmp/out"
	fi
}

[[ -f $BUILD/linux/scripts/checkpatch.pl ]] ||
	die "there is no kernel tree in $BUILD/linux; run scripts/apply.sh first."

# A kernel as small as fetch.sh and checkpatch take one for.
# shellcheck source=scripts/base.env
. "$TOP/scripts/base.env"
kernel=$tmp/kernel
mkdir -p "$kernel"/{Documentation,arch,include,drivers/char,fs,init,ipc,kernel,lib,mm,scripts/coccinelle/misc} \
	"$kernel"/tools/{docs,lib/python,testing/selftests/mm}
touch "$kernel"/{COPYING,CREDITS,Kbuild,Kconfig,README} \
	"$kernel"/{arch,drivers/char,include,fs,init,ipc,kernel,lib}/empty
# So many that git keeps them in a pack, as it does a kernel's.
for n in {1..120}; do
	echo "$n" >"$kernel/Documentation/$n"
done
IFS=. read -r version patchlevel sublevel <<<"${BASE_VERSION%%-*}"
printf 'VERSION = %s\nPATCHLEVEL = %s\nSUBLEVEL = %s\nEXTRAVERSION =\n' \
	"$version" "$patchlevel" "${sublevel:-0}" >"$kernel/Makefile"
printf '// SPDX-License-Identifier: GPL-2.0\nint huge;\n' >"$kernel/mm/hugetlb.c"
printf 'ONE THING\nM:\tSomebody <somebody@localhost>\nS:\tMaintained\nF:\tmm/hugetlb.c\n' >"$kernel/MAINTAINERS"
printf '# SPDX-License-Identifier: GPL-2.0\nTEST_GEN_FILES := old\n' >"$kernel/tools/testing/selftests/mm/Makefile"
printf '*\n!*.c\n!Makefile\n!.gitignore\n' >"$kernel/tools/testing/selftests/mm/.gitignore"
cp "$BUILD/linux/scripts"/{checkpatch.pl,get_maintainer.pl,spelling.txt,const_structs.checkpatch} "$kernel/scripts"
cp "$BUILD/linux/scripts/coccinelle/misc/semicolon.cocci" "$kernel/scripts/coccinelle/misc"
cp -P "$BUILD/linux/scripts/kernel-doc" "$kernel/scripts"
cp -L "$BUILD/linux/tools/docs/kernel-doc" "$kernel/tools/docs"
cp -r "$BUILD/linux/tools/lib/python/kdoc" "$kernel/tools/lib/python"
find "$kernel" -name __pycache__ -exec rm -rf {} +
export GIT_AUTHOR_NAME=tester GIT_AUTHOR_EMAIL=tester@localhost
export GIT_COMMITTER_NAME=tester GIT_COMMITTER_EMAIL=tester@localhost
git init -q "$kernel"
git -C "$kernel" add -A
git -C "$kernel" commit -qm "tiny kernel"

# A copy of this repository with a series of three patches, made as a developer
# makes them; then a fresh copy of that for each case.
tiny=$tmp/tiny
mkdir -p "$tiny/selftests"/{gates/soak,mutations} "$tiny/Documentation" "$tiny/patches" "$tiny/bin" "$tmp/cache"
cp -a "$TOP/.ci" "$TOP/scripts" "$tiny"
cp -a "$TOP/selftests"/{gates,guest} "$tiny/selftests"
printf '# mutation\ttrap\n10\t-\n' >"$tiny/selftests/mutations/list.tsv"
echo "| 1. It grows | it is kept small | 10: what is tiny |" >"$tiny/Documentation/traps.md"
for file in skip.allow checkpatch.ignore coccinelle.ignore; do
	grep '^#' "$TOP/selftests/$file" >"$tiny/selftests/$file"
done
: >"$tiny/series"
ln -s "$CACHE/tools" "$tmp/cache/tools"
export LINUX=$kernel CACHE=$tmp/cache
unset BUILD

quiet() {
	"$@" >"$tmp/log" 2>&1 || {
		cat "$tmp/log" >&2
		die "'$*' failed (above), so the gates cannot be tested."
	}
}
commit() {
	git -C "$1/build/linux" add -A
	git -C "$1/build/linux" commit -qm "$2" -m "So that there is something to look at in the test of the gates."
}
quiet "$tiny/scripts/apply.sh"
linux=$tiny/build/linux
printf '// SPDX-License-Identifier: GPL-2.0\nint tiny;\n' >"$linux/mm/tiny.c"
sed -i 's/huge/huge_page/' "$linux/mm/hugetlb.c"
commit "$tiny" "mm: add tiny"
printf '#!/bin/sh\n# SPDX-License-Identifier: GPL-2.0\ntrue\n' >"$linux/scripts/tiny.sh"
chmod +x "$linux/scripts/tiny.sh"
commit "$tiny" "scripts: add tiny.sh"
printf '\nTINY\nM:\tTester <tester@localhost>\nS:\tMaintained\nF:\tmm/tiny.c\nF:\tscripts/tiny.sh\n' >>"$linux/MAINTAINERS"
commit "$tiny" "MAINTAINERS: add tiny"
printf '### %s\n\nIt adds.\n\n' "mm: add tiny" "scripts: add tiny.sh" "MAINTAINERS: add tiny" >"$tiny/Documentation/reading-guide.md"
tail -n 5 "$linux/MAINTAINERS" >"$tiny/MAINTAINERS.snippet"
quiet "$tiny/scripts/export.sh"
printf '000[12]-*\tFILE_PATH_CHANGES\tMAINTAINERS comes last\n' >>"$tiny/selftests/checkpatch.ignore"
rm -rf "$tiny/build"

copy=$tmp/copy
fresh() {
	rm -rf "$copy"
	cp -a "$tiny" "$copy"
}
first=$(head -n 1 < <(sed '/^#/d; /^$/d' "$tiny/series"))

fresh
green "a right script" shellcheck
# shellcheck disable=SC2016 # it is to be found
printf '\nunquoted() {\n\techo $1\n}\n' >>"$copy/scripts/apt.sh"
red "a variable without quotes" shellcheck SC2086
fresh
sed -i 's/^set -euo pipefail$//' "$copy/scripts/export.sh"
red "a script that goes on after errors" shellcheck "does not say"

fresh
green "a right series" series "3 patches"
sed -i "/$first/d" "$copy/series"
red "a patch that is not in series" series "$first is not in series"
fresh
rm "$copy/patches/$first"
red "a patch that is missing" series "$first is not there"
fresh
sed -i 's/^---$/Signed-off-by: Some One <one@localhost>\n---/' "$copy/patches/$first"
red "a sign-off" series "has a sign-off"
fresh
sed -i "s|^So that|In $copy, so that|" "$copy/patches/$first"
red "a path of this machine" series "a place of this machine"
fresh
sed -i 's/tiny.c/huge.c/' "$copy/MAINTAINERS.snippet"
red "another MAINTAINERS.snippet" series "is not what the series adds"
fresh
sed -i 's/add tiny.sh/tiny.sh/' "$copy/Documentation/reading-guide.md"
red "a patch that is not in the reading guide" series "+scripts: add tiny.sh"
fresh
echo "| 10. It grows | it is kept small | 10b: what is tiny, 110 times |" >"$copy/Documentation/traps.md"
red "a fault that is nowhere" series "the fault 10 of selftests/mutations"
fresh
tac "$copy/series" >"$copy/series.new"
mv "$copy/series.new" "$copy/series"
red "another order" series

# For am, round trip and quilt: an apply.sh that gives another tree.
wrong_apply() {
	mv "$copy/scripts/apply.sh" "$copy/scripts/right.sh"
	# shellcheck disable=SC2016 # for that script
	printf '%s\n' '#!/bin/bash' 'set -euo pipefail' '. "$(dirname "$0")/lib.sh"' '"$TOP/scripts/right.sh" "$@"' \
		'git -C "$BUILD/linux" rev-parse "base^{tree}" >"$BUILD/linux.tree"' >"$copy/scripts/apply.sh"
	chmod +x "$copy/scripts/apply.sh"
}

fresh
green "a right series" am "3 patches"
sed -i 's/^-int huge;$/-int hugs;/' "$copy/patches/$first"
red "a patch that does not apply" am "does not apply"
fresh
wrong_apply
red "an apply.sh that gives another tree" am "one of them is wrong"

fresh
green "a right series" roundtrip
sed -i 's/^ mm\/tiny.c    *|/ mm\/tiny.c |/' "$copy/patches/$first"
red "white space in a patch, edited by hand" roundtrip "changes patches/"
fresh
sed -i 's/$/ /' "$copy/series"
red "a series that export writes otherwise" roundtrip "changes series"

fresh
green "a right series" quilt "3 patches"
quilt=$(command -v quilt)
# shellcheck disable=SC2016 # for the wrapper
printf '#!/bin/bash\n%s "$@"; status=$?; [[ " $* " != *" push "* ]] || chmod -x scripts/tiny.sh; exit $status\n' \
	"$quilt" >"$copy/bin/quilt"
chmod +x "$copy/bin/quilt"
red "a mode that gets lost" quilt "mode change 100755 => 100644 scripts/tiny.sh"
# shellcheck disable=SC2016 # for the wrapper
printf '#!/bin/bash\n[[ " $* " == *" series "* ]] || exec %s "$@"\n' "$quilt" >"$copy/bin/quilt"
red "a quilt that sees no series" quilt "quilt series lists 0 patches, the series has 3"
fresh
wrong_apply
red "an apply.sh that gives another tree" quilt "is not git's"

fresh
green "right patches" checkpatch "3 patches"
quiet "$copy/scripts/apply.sh"
printf 'int  tiny_two ;\n' >>"$copy/build/linux/mm/tiny.c"
commit "$copy" "mm: tiny: have two"
quiet "$copy/scripts/export.sh"
red "a blank before a semicolon" checkpatch "WARNING:SPACING"
printf '0004-*\tSPACING\tit is meant to be seen\n' >>"$copy/selftests/checkpatch.ignore"
green "an exception with a reason" checkpatch "4 patches"
printf '0004-*\tSPACING\n' >>"$copy/selftests/checkpatch.ignore"
red "an exception without a reason" checkpatch "has no reason"
fresh
printf '0003-*\tLONG_LINE\tthere was one once\n' >>"$copy/selftests/checkpatch.ignore"
red "an exception that is not needed" checkpatch "not needed any more"

# planted FILE LINE...: a fourth patch, which adds these lines.
planted() {
	local file=$1
	shift
	fresh
	quiet "$copy/scripts/apply.sh"
	printf '%s\n' "$@" >>"$copy/build/linux/$file"
	commit "$copy" "mm: add a fault"
	quiet "$copy/scripts/export.sh"
}
fresh
green "right patches" noise "3 patches"
planted mm/tiny.c 'int two; '
red "white space at the end of a line" noise "trailing whitespace"
planted mm/tiny.c ''
red "an empty line at the end" noise "new blank line at EOF"
planted mm/tiny.c 'int two;'
git -C "$copy/build/linux" commit -q --amend -m $'mm: two\n\nMend it.\n\nFixes: 123456789abc ("mm:\none") Cc: stable@localhost'
quiet "$copy/scripts/export.sh"
red "trailers in one line" noise "the trailers of 'mm: two' run together"
planted tools/testing/selftests/mm/Makefile 'TEST_GEN_FILES += tiny'
green "a test program that is ignored" noise
planted tools/testing/selftests/mm/.gitignore '!tiny_*'
printf 'TEST_GEN_FILES += tiny_two\n' >>"$copy/build/linux/tools/testing/selftests/mm/Makefile"
commit "$copy" "selftests/mm: add tiny_two"
quiet "$copy/scripts/export.sh"
red "a test program that is not" noise "builds tiny_two, which no .gitignore has"

planted mm/tiny.c '/**' ' * tiny_two() - two' ' * Return: 2' ' */' 'int tiny_two(void)' '{' '	return 2;' '}' 'EXPORT_SYMBOL_GPL(tiny_two);'
green "an export with kernel-doc" kernel-doc "1 exported functions"
planted mm/tiny.c 'int tiny_two(void)' '{' '	return 2;' '}' 'EXPORT_SYMBOL_GPL(tiny_two);'
red "an export without" kernel-doc "exports tiny_two() without kernel-doc"
planted mm/tiny.c '/**' ' * tiny_two() - two' ' * @no: such' ' */' 'static int tiny_two(void)' '{' '	return 2;' '}'
red "kernel-doc of a parameter that is not there" kernel-doc "these are new in the series"

fresh
green "a right entry" maintainers "2 new files"
planted mm/other.c '// SPDX-License-Identifier: GPL-2.0'
red "a file that nobody maintains" maintainers "adds mm/other.c and no entry"
planted MAINTAINERS 'F:	mm/gone.c'
red "an entry for a file that is not there" maintainers "no file matches"
planted MAINTAINERS '' 'TINY' 'M:	Tester <tester@localhost>' 'S:	Maintained' 'F:	mm/tiny.c'
red "an entry twice" maintainers "duplicate section header"

fresh
green "right patches" coccinelle "1 scripts, 2 files"
planted mm/tiny.c 'void f(void)' '{' '	if (tiny) {' '		tiny = 0;' '	};' '}'
red "what a script finds" coccinelle "semicolon.cocci: mm/tiny.c: Unneeded semicolon"
printf 'misc/semicolon.cocci\tmm/tiny.c\tit is meant to be seen\n' >>"$copy/selftests/coccinelle.ignore"
green "an exception with a reason" coccinelle
fresh
printf 'misc/semicolon.cocci\tmm/tiny.c\tthere was one once\n' >>"$copy/selftests/coccinelle.ignore"
red "an exception that is not needed" coccinelle "not needed any more"
fresh
printf '#!/bin/bash\nexit 1\n' >"$copy/bin/spatch"
chmod +x "$copy/bin/spatch"
red "a coccinelle that does not work" coccinelle "these coccinelle scripts did not run"
printf 'misc/semicolon.cocci\t*\tit does not work\n' >>"$copy/selftests/coccinelle.ignore"
red "no script that is not left out" coccinelle "there are no coccinelle scripts"
fresh
printf 'misc/gone.cocci\t*\tit did not work\n' >>"$copy/selftests/coccinelle.ignore"
red "a script left out that is not there" coccinelle "there is no scripts/coccinelle/misc/gone.cocci"

fresh
printf 'echo 1..1; echo ok 1\n' >"$copy/selftests/one.t"
green "a right test" scripts
printf 'echo 1..1; echo not ok 1\n' >"$copy/selftests/two.t"
red "a test that fails" scripts "two.t failed"
printf 'echo 1..1; echo ok 1; exit 3\n' >"$copy/selftests/two.t"
red "a test that ends with a status" scripts "its status is 3"
printf 'echo "1..1"; echo "ok 1 # SKIP no time"\n' >"$copy/selftests/two.t"
red "a test that skips what it may not" scripts "skip not allowed"

# The gates that boot: what the guest would say comes from a file.
guest() {
	fresh
	mkdir -p "$copy/build/default/overlay/kselftest/mm" "$copy/selftests/config"
	install /dev/null "$copy/build/default/overlay/kselftest/mm/page_huge"
	chmod +x "$copy/build/default/overlay/kselftest/mm/page_huge"
	printf '#!/bin/bash\n' >"$copy/scripts/build.sh"
	cat >"$copy/scripts/boot.sh" <<-END
		#!/bin/bash
		while [[ \$1 != -- ]]; do shift; done
		if [[ \$2 == /gate/tests.sh ]]; then
			for command in "\${@:3}"; do
				[[ \$command == "\${SILENT:-}" ]] || { echo "### \$command"; cat "$copy/said"; }
			done
		else
			cat "$copy/said"
		fi
		exit $1
	END
	touch "$copy/selftests"/splat.{deny,allow}
	mkdir -p "$copy/selftests/expected"
	shift
	printf '%s\n' "$@" >"$copy/said"
}
guest 0 "TAP version 13" 1..2 "ok 1 one" "ok 2 two"
green "all tests pass" boot-default
guest 1 "TAP version 13" 1..2 "ok 1 one" "not ok 2 two"
red "a test that fails" boot-default "ended with 1"
guest 0 "TAP version 13" 1..2 "ok 1 one" "not ok 2 two"
red "a test that fails, with status 0" boot-default "Failed test:  2"
guest 0 "TAP version 13" 1..3 "ok 1 one" "ok 2 two"
red "fewer tests than planned" boot-default "Bad plan"
guest 0 "TAP version 13" "ok 1 one"
red "no plan" boot-default "no plan"
guest 0
red "no tests" boot-default "no plan"
guest 0 "TAP version 13" 1..1 "ok 1 one"
SILENT=./page_huge_ops red "one of several that says nothing" boot-default "no plan"
guest 99 "TAP version 13" 1..1 "ok 1 one"
red "a counter that changed" boot-default "a counter changed"
guest 123 "TAP version 13" 1..1 "ok 1 one"
red "a splat" boot-default "ended with 123"
guest 0 "TAP version 13" 1..2 "ok 1 one" "ok 2 two # SKIP no pages"
red "a skip for a reason that is not on the list" boot-default "skip not allowed"
printf 'boot-default\tno pages\tthere are none\n' >>"$copy/selftests/skip.allow"
green "a skip for a reason that is" boot-default "skip allowed"
luck='boot-default\tno luck\tthe same test has some in the same run\n'
guest 0 "TAP version 13" 1..2 "ok 1 t.small.two" "ok 2 t.large.one # SKIP no luck"
# shellcheck disable=SC2059 # it has tabs
printf "$luck" >>"$copy/selftests/skip.allow"
red "a skip of what has not passed elsewhere" boot-default "not passed in the same run"
guest 0 "TAP version 13" 1..2 "ok 1 t.small.one" "ok 2 t.large.one # SKIP no luck"
# shellcheck disable=SC2059 # the same
printf "$luck" >>"$copy/selftests/skip.allow"
green "a skip of what has" boot-default "skip allowed"
guest 0 "TAP version 13" "1..0 # SKIP no device"
red "a suite that skips itself" boot-default "skip not allowed"
guest 0 "TAP version 13" 1..1 "ok 1 one"
rm "$copy/build/default/overlay/kselftest/mm/page_huge"
red "a series without the selftest" boot-default "brings no selftest"

# The table of bases, of three kernels: one on which a patch does not apply, and
# two on which all do.
bases() {
	guest "$@"
	mkdir -p "$copy/build/test/bases"
	cp -a "$copy/build/default" "$copy/build/test/bases"
	cat >"$copy/scripts/fetch.sh" <<-END
		#!/bin/bash
		case \${1:-} in
		--list) printf '%s\n' '6.1.2-1 linux-source-6.1' '9.9.9-1 linux-source-9.9' ;;
		6.1.2) echo "$tmp/old" ;;
		*) echo "$kernel" ;;
		esac
	END
}
git clone -q "$kernel" "$tmp/old"
sed -i 's/int huge/int tiny/' "$tmp/old/mm/hugetlb.c"
git -C "$tmp/old" commit -qam "old"
bases 0 "TAP version 13" 1..1 "ok 1 one"
green "bad ones that are not said to be good" bases "6.1.2	6.1.2-1	bad	$first does not apply to mm/hugetlb.c"
green "what was tried" bases "9.9.9-1: seen with this series"
bases 1 "TAP version 13" 1..1 "not ok 1 one"
red "a test that fails on a good one" bases "is one of KNOWN_GOOD in scripts/base.env, and is not good"
red "which is in the table" bases "bad	page_huge fails: not ok 1 one"

guest 0 "one: pass" "| anything" "one: ok a" "two: skip"
printf '# written\none: pass\none: ok a\ntwo: skip\n' >"$copy/selftests/expected/hugetlb-unpatched.txt"
green "the same as without the series" hugetlb "two: skip"
printf 'one: fail 1\none: not ok a\ntwo: skip\n' >"$copy/said"
red "a test that fails with the series only" hugetlb "+one: not ok a"
printf 'one: pass\none: ok a\n' >"$copy/said"
red "a test that is gone" hugetlb "-two: skip"
guest 122 "one: pass"
printf 'one: pass\n' >"$copy/selftests/expected/hugetlb-unpatched.txt"
red "a guest that hangs" hugetlb "ended with 122"

guest 0 "one: pass" "| anything" "one: ok a" "two: skip" "two: not ok b"
printf '# unstable: two: b\none: ok a\none: pass\ntwo: skip\n' >"$copy/selftests/expected/mm-unpatched.txt"
green "the same as without the series" others "1 programs and 1 tests in them pass on both kernels"
green "a test that is unstable without the series" others "two: b"
printf 'one: fail 1\none: not ok a\ntwo: skip\ntwo: ok b\n' >"$copy/said"
red "a test that fails with the series only" others "+one: not ok a"
printf 'one: pass\none: ok a\n' >"$copy/said"
red "a test that is gone" others "-two: skip"
printf 'one: fail 1\n' | tee "$copy/said" >"$copy/selftests/expected/mm-unpatched.txt"
red "a list in which nothing passes" others "a planted difference was not seen"

# The same twice, but for what the second boot says.
guest 0 "one: pass" "one: ok a" "one: ok b" "one: ok b" "two: fail 1"
printf '#!/bin/bash\necho 7.3.4\n' >"$copy/bin/make"
chmod +x "$copy/bin/make"
echo "sed -i '0,/ok b/s//not ok b/' \"$copy/said\"" >>"$copy/scripts/build.sh"
sed -i "s|^exit|sed -i 's/one: not ok b/one: ok b/' \"$copy/said\"\nexit|" "$copy/scripts/boot.sh"
green "a test that does not say the same twice" unpatched-mm "3 results that agree, 1 tests that are unstable"
green "which is named" unpatched-mm "# unstable: one: b"
echo "# unstable: two" >>"$copy/selftests/expected/mm-unpatched.txt"
green "nor one that did not before" unpatched-mm "2 results that agree, 2 tests that are unstable"

# A kernel that is a program, which gcov looks at.
counted() {
	guest 0 "TAP version 13" 1..1 "ok 1 one"
	planted mm/tiny.c "$@"
	printf '%s\n' "TAP version 13" 1..1 "ok 1 one" >"$copy/said"
	install -D /dev/null "$copy/build/test/coverage/default/overlay/kselftest/mm/page_huge"
	chmod +x "$copy/build/test/coverage/default/overlay/kselftest/mm/page_huge"
	mkdir -p "$copy/selftests/config" "$copy/selftests/expected" "$copy/selftests/hunt"
	printf '%%:\n\tinstall -D /dev/null $@\n' >"$copy/selftests/hunt/Makefile"
	# It compiles the modules of a kernel.
	printf '#!/bin/bash\n' >"$copy/selftests/gates/46-fail-nth.sh"
	cat >"$copy/scripts/build.sh" <<-'END'
		#!/bin/bash
		set -e
		[[ ! -x $BUILD/default/kernel ]] || exit 0
		mkdir -p "$BUILD/default/mm"
		cd "$BUILD/default"
		grep -qx 'GCOV_PROFILE_tiny.o := y' ../linux/mm/Makefile
		[[ ${GCOV:?} ]]
		echo 'int tiny_used(int i); int main(void) { return tiny_used(0); }' >main.c
		gcc -w --coverage -c ../linux/mm/tiny.c -o mm/tiny.o
		gcc -w -c main.c -o main.o
		gcc --coverage main.o mm/tiny.o -o kernel
	END
	cat >"$copy/scripts/boot.sh" <<-END
		#!/bin/bash
		set -e
		mkdir "\$BUILD/said"
		(cd "\$BUILD/default" && GCOV_PREFIX=\$BUILD/said ./kernel)
		tar -c -C "\$BUILD/said" -f "\$(mktemp --suffix=.tar "\$GCOV/XXXXXX")" .
		rm -r "\$BUILD/said"
		while [[ \$1 != -- ]]; do shift; done
		for command in "\${@:3}"; do
			echo "### \$command"
			cat "$copy/said"
		done
	END
}
used=('int tiny_used(int i)' '{' '	if (i > 5)' '		return 2;' '	i++;' '	i *= 2;' '	i += 3;' '	i *= 5;' '	i += 7;' '	i *= 11;' '	return i == 1000;' '}')
unused=('int tiny_unused(int i)' '{' '	return i + 1;' '}')
counted "${used[@]}"
green "nearly all is executed" coverage "mm/tiny.c:6 tiny_used: return 2;"
counted "${used[@]}" "${unused[@]}"
red "a function is not" coverage "mm/tiny.c -: 9 of 12 lines are executed"
printf 'mm/tiny.c\ttiny_unused\t%s\tnobody wants it\n' 'int tiny_unused(int i)' 'return i + 1;' >"$copy/selftests/unreachable.tsv"
green "a function that cannot be" coverage "mm/tiny.c:6 tiny_used: return 2;"
green "and why" coverage "tiny_unused: return i + 1;: nobody wants it"
printf 'mm/tiny.c\ttiny_used\ti++;\tno reason\n' >>"$copy/selftests/unreachable.tsv"
red "an executed line that is said to be unreachable" coverage '"i++;" is executed, or is not there'
counted "${used[@]:0:4}" "${used[@]:2}" "${unused[@]}"
printf 'mm/tiny.c\t%s\t%s\tnobody wants it\n' tiny_unused 'int tiny_unused(int i)' tiny_unused 'return i + 1;' tiny_used 'return 2;' \
	>"$copy/selftests/unreachable.tsv"
green "one of two lines that cannot be" coverage "tiny_used: return 2;: nobody wants it"
green "the other counts" coverage "14      10      3       90.9"
counted "${used[@]}"
sed -i 's/return tiny_used(0)/return hugetlb_planted(tiny_used(0)) - 1/' "$copy/scripts/build.sh"
red "a planted function that is executed" coverage "a function that nothing calls was not seen"

echo "1..$count"
