#!/bin/bash
# apply.sh: the work tree, kept when it should be, and every refusal. On a
# kernel of five files.
set -euo pipefail
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

repo=$T/repo
test_repo "$repo"
apply=$repo/scripts/apply.sh
export=$repo/scripts/export.sh
tree=$BUILD/linux
export LINUX=$T/kernel
fake_kernel "$LINUX"

# commit DIR FILE LINE SUBJECT: a commit that makes that line the subject.
commit() {
	local dir=$1 file=$2 line=$3 subject=$4
	sed -i "${line}s/.*/$subject/" "$dir/$file"
	git -C "$dir" commit -qam "$subject"
}

# leftovers: what apply.sh leaves in the build directory beside its results.
leftovers() {
	find "$BUILD" -mindepth 1 -maxdepth 1 ! -name linux ! -name linux.tree ! -name base.git \
		! -name '.*.lock' -printf '%f '
}

mtime() {
	stat -c %y "$1"
}

### the first time
git -C "$LINUX" checkout -q -b work
commit "$LINUX" mm/hugetlb.c 30 "mm: one"
printf 'new\n' >"$LINUX/drivers/char/page.c"
chmod +x "$LINUX/drivers/char/page.c"
git -C "$LINUX" add -A
git -C "$LINUX" commit -qm "char: two"
commit "$LINUX" drivers/char/mem.c 10 "char: three"
mkdir "$repo/patches"
git -C "$LINUX" format-patch -q --zero-commit -N -o "$repo/patches" master
wanted=$(git -C "$LINUX" rev-parse 'HEAD^{tree}')
git -C "$LINUX" checkout -q master
printf '# group\n\n0001-mm-one.patch # first\n  0002-char-two.patch\n# more\n0003-char-three.patch\n' >"$repo/series"

refuses "too many arguments" "usage: " "$apply" a b
refuses "a SOURCE that is nothing" "SOURCE --help is nothing that scripts/fetch.sh prints" "$apply" --help
ok "apply" "$apply"
is "gives the tree of the series" "$(git -C "$tree" rev-parse 'HEAD^{tree}')" "$wanted"
is "whose id is written" "$(cat "$BUILD/linux.tree")" "$wanted"
is "on the base" "$(git -C "$tree" rev-parse base)" "$(git -C "$LINUX" rev-parse HEAD)"
is "on the branch series" "$(git -C "$tree" symbolic-ref HEAD)" refs/heads/series
is "with modes" "$(git -C "$tree" ls-files -s drivers/char/page.c | cut -d ' ' -f 1)" 100755
is "clean" "$(git -C "$tree" status --porcelain)" ""
is "the author is kept" "$(git -C "$tree" log -1 --format='%an <%ae> %ad')" "$(git -C "$LINUX" log -1 --format='%an <%ae> %ad' work)"
is "nothing else is left" "$(leftovers)" ""
is "the user's tree has no trace of it" "$(git -C "$LINUX" status --porcelain; git -C "$LINUX" worktree list | wc -l)" 1
ok "it needs neither the user's tree" git -C "$tree" fsck --no-dangling
ok "nor any other" test ! -e "$tree/.git/objects/info/alternates"

### nothing to do
before=$(mtime "$tree/mm/hugetlb.c")
first=$(git -C "$tree" rev-parse HEAD)
ok "again" "$apply"
like "says that nothing is to be done" "$err" "is up to date"
is "changes nothing" "$(mtime "$tree/mm/hugetlb.c") $(git -C "$tree" rev-parse HEAD)" "$before $first"
BUILD=$T/build2 ok "in a second place" "$apply"
is "the commits have the same ids" "$(git -C "$T/build2/linux" rev-parse HEAD)" "$first"
printf '[commit]\n\tgpgsign = true\n[am]\n\tthreeWay = true\n[apply]\n\twhitespace = error\n[core]\n\tautocrlf = true\n' >"$T/gitconfig"
GIT_CONFIG_GLOBAL=$T/gitconfig GIT_DIR=/nonexistent BUILD=$T/build3 ok "whatever git is configured to do" "$apply"
is "the commits have the same ids" "$(git -C "$T/build3/linux" rev-parse HEAD)" "$first"
(unset GIT_AUTHOR_NAME GIT_AUTHOR_EMAIL GIT_COMMITTER_NAME GIT_COMMITTER_EMAIL EMAIL
	HOME=$T/home BUILD=$T/build4 "$apply") >"$T/log" 2>&1 || cat "$T/log" >&2
is "without a git identity" "$(git -C "$T/build4/linux" rev-parse HEAD 2>/dev/null)" "$first"

### the series changed
cp -r "$repo/patches" "$T/patches"
cp "$repo/series" "$T/series"
sed -i 's/^+char: three/+char: 3/' "$repo/patches/0003-char-three.patch"
before=$(mtime "$tree/mm/hugetlb.c")
ok "a patch changed" "$apply"
is "is applied" "$(sed -n 10p "$tree/drivers/char/mem.c")" "char: 3"
is "other files are not touched" "$(mtime "$tree/mm/hugetlb.c")" "$before"
rm "$repo/patches/0003-char-three.patch"
sed -i /three/d "$repo/series"
ok "a patch removed" "$apply"
is "is gone" "$(git -C "$tree" rev-list --count base..HEAD) $(sed -n 10p "$tree/drivers/char/mem.c")" "2 char 10"
cp "$T/patches/"* "$repo/patches/"
cp "$T/series" "$repo/series"
ok "and back" "$apply"
is "gives the same commits" "$(git -C "$tree" rev-parse HEAD)" "$first"

### bad series
: >"$repo/patches/0009-stray.patch"
refuses "a patch that is not in series" "patches/0009-stray.patch is not in series" "$apply"
rm "$repo/patches/0009-stray.patch"
echo 0007-lost.patch >>"$repo/series"
refuses "a series with a missing patch" "series names 0007-lost.patch but patches/0007-lost.patch is not there" "$apply"
echo 0001-mm-one.patch >"$repo/series"
cat "$T/series" >>"$repo/series"
refuses "a patch twice" "series names 0001-mm-one.patch twice" "$apply"
sed 's/^0003.*/& -p1/' "$T/series" >"$repo/series"
refuses "a line with options" "one file name of patches/ a line" "$apply"
cp "$T/series" "$repo/series"
echo "not a patch" >"$repo/patches/0003-char-three.patch"
refuses "a patch that is none" "0003-char-three.patch is not one patch" "$apply"
cp "$T/patches/"* "$repo/patches/"
sed -i 's/^ char 9$/ char nine/' "$repo/patches/0003-char-three.patch"
refuses "a patch that does not apply" "0003-char-three.patch does not apply to drivers/char/mem.c" "$apply"
cp "$T/patches/"* "$repo/patches/"
is "all that left the tree as it was" "$(git -C "$tree" rev-parse HEAD) $(git -C "$tree" status --porcelain)" "$first "
is "and nothing behind" "$(leftovers)" ""
BUILD=$T/build5 LINUX=$T/empty
mkdir "$T/empty"
refuses "no kernel" "is no kernel source" "$apply"
export LINUX=$T/kernel BUILD=$T/build5
git -C "$LINUX" rm -q drivers/char/mem.c
git -C "$LINUX" commit -qm "no mem.c"
refuses "a kernel that lacks a file" "0003-char-three.patch does not apply to drivers/char/mem.c" "$apply"
is "no tree is left" "$(leftovers)$(find "$BUILD" -name 'linux*')" ""
git -C "$LINUX" reset -q --hard HEAD^
export BUILD=$T/build

### offset, but no fuzz
git -C "$LINUX" checkout -q -b offset
sed -i '1i above' "$LINUX/mm/hugetlb.c"
git -C "$LINUX" commit -qam "offset"
ok "a base on which a patch applies with an offset" "$apply"
is "is moved to" "$(git -C "$tree" rev-parse base) $(sed -n 31p "$tree/mm/hugetlb.c")" "$(git -C "$LINUX" rev-parse HEAD) mm: one"
commit "$LINUX" mm/hugetlb.c 34 "near"
refuses "a base on which it would need fuzz" "0001-mm-one.patch does not apply to mm/hugetlb.c" "$apply"
git -C "$LINUX" checkout -q master
ok "and back" "$apply"

### work of one's own
commit "$tree" mm/hugetlb.c 50 "mine"
mine=$(git -C "$tree" rev-parse HEAD)
refuses "a commit of one's own" "has commits that were not exported; run scripts/export.sh" "$apply"
is "is still there" "$(git -C "$tree" rev-parse HEAD)" "$mine"
git -C "$tree" checkout -q --detach base
refuses "also when it is not checked out" "has commits that were not exported" "$apply"
git -C "$tree" checkout -q series
ok "exported" "$export"
ok "it is applied" "$apply"
like "and nothing is to be done" "$err" "is up to date"
echo mine >>"$tree/mm/hugetlb.c"
refuses "a change that is not committed" "changes that are not committed \(mm/hugetlb.c\)" "$apply"
git -C "$tree" checkout -q .
echo mine >"$tree/mm/mine.c"
refuses "a new file" "changes that are not committed \(mm/mine.c\)" "$apply"
rm "$tree/mm/mine.c"
: >"$tree/mm/mine.o"
ok "a file that git ignores does not matter" "$apply"
git -C "$tree" commit -q --amend -m "mine, better"
refuses "a changed message" "has commits that were not exported" "$apply"
git -C "$tree" branch mine
git -C "$tree" switch -q -C series "$mine"
ok "put on a branch of their own" "$apply"
ok "the commits are kept" git -C "$tree" rev-parse mine
GIT_SEQUENCE_EDITOR='sed -i 1s/pick/edit/' git -C "$tree" rebase -q -i HEAD^ 2>/dev/null
refuses "a rebase half way" "a rebase, am, merge, pick or revert is not finished" "$apply"
git -C "$tree" rebase --abort
ok "aborted" "$apply"
mkdir -p "$T/build6/linux"
BUILD=$T/build6 refuses "a directory that is something else" "scripts/apply.sh did not make it; move it away" "$apply"

### interrupted while it changes the tree
rm -rf "${repo:?}/patches"/*
cp "$T/patches/"* "$repo/patches/"
cp "$T/series" "$repo/series"
second=$(git -C "$tree" rev-parse HEAD)
ok "to an older series" "$apply"
git -C "$tree" rev-parse HEAD >"$tree/.git/series-applied.next"
git -C "$tree" checkout -q -B series "$second"
git -C "$tree" rev-parse "$second" >/dev/null
sed -i '50s/.*/half/' "$tree/mm/hugetlb.c"
: >"$tree/.git/index.lock"
echo yours >>"$tree/drivers/char/mem.c"
refuses "interrupted, and changed since" "interrupted and .* has changes of yours since \(drivers/char/mem.c\)" "$apply"
git -C "$tree" show HEAD:drivers/char/mem.c >"$tree/drivers/char/mem.c"
ok "interrupted half way" "$apply"
is "ends where it was going" "$(git -C "$tree" rev-parse 'HEAD^{tree}') $(git -C "$tree" status --porcelain)" "$wanted "

### two at once
exec 8>>"$BUILD/.apply-or-export.lock"
flock 8
refuses "two runs at once" "another apply-or-export is running in this checkout" "$apply"
exec 8>&-

sed -i 's/^+char: three/+char: 3/' "$repo/patches/0003-char-three.patch"
exec 8>>"$BUILD/.build.lock"
flock 8
refuses "while the tree is being built" "another build is running in this checkout" "$apply"
exec 8>&-
cp "$T/patches/"* "$repo/patches/"
ok "nothing was done" "$apply"
like "nothing is to be done" "$err" "is up to date"

### an unpacked tree
mkdir "$T/unpacked"
git -C "$LINUX" archive HEAD | tar -x -C "$T/unpacked"
export BUILD=$T/build7 LINUX=$T/unpacked
ok "on an unpacked tree" "$apply"
is "gives the same tree" "$(cat "$BUILD/linux.tree")" "$wanted"
is "which is not touched" "$(find "$LINUX" -newer "$BUILD/base.git/source" | tr '\n' ' ')" ""
ok "again" "$apply"
like "nothing is to be done" "$err" "is up to date"
sed -i '60s/.*/changed/' "$LINUX/mm/hugetlb.c"
ok "after a change in it" "$apply"
is "has the change" "$(sed -n 60p "$BUILD/linux/mm/hugetlb.c")" changed
unset LINUX

### a tarball
mkdir -p "$CACHE"
tar -cJf "$CACHE/k.tar.xz" -C "$T" --transform 's,^unpacked,linux-source-7.3,' unpacked
(cd "$CACHE" && sha256sum k.tar.xz >k.sha256)
export BUILD=$T/build8
ok "on a tarball" "$apply" "$CACHE/k.tar.xz"
like "it is imported" "$err" "importing"
is "gives the same tree" "$(cat "$BUILD/linux.tree")" "$(cat "$T/build7/linux.tree")"
is "clean" "$(git -C "$BUILD/linux" status --porcelain)$(leftovers)" ""
BUILD=$T/build9 ok "in a second checkout" "$apply" "$CACHE/k.tar.xz"
is "it is not imported again" "$(grep -c importing <<<"$err")" 0
is "the same commits" "$(git -C "$T/build9/linux" rev-parse HEAD)" "$(git -C "$BUILD/linux" rev-parse HEAD)"
rm -rf "$CACHE"
ok "they need no cache" git -C "$BUILD/linux" fsck --no-dangling

### a shallow clone
git clone -q --depth 1 "file://$T/kernel" "$T/shallow"
export BUILD=$T/build10 LINUX=$T/shallow
ok "on a shallow clone" "$apply"
is "gives the same tree" "$(cat "$BUILD/linux.tree")" "$wanted"
ok "and can be exported" "$export"
ok "twice" "$export"
like "nothing changed" "$err" "nothing changed"

### disk
export LINUX=$T/kernel
if [[ $EUID == 0 ]] && mkdir "$T/small" && mount -t tmpfs -o size=4m none "$T/small" 2>/dev/null; then
	BUILD=$T/small/build refuses "disk full" "needs [0-9] GB in $T/small/build but only 0 GB are free" "$apply"
	mount -o remount,ro "$T/small"
	BUILD=$T/small/build refuses "a place that cannot be written" "cannot write to" "$apply"
	umount "$T/small"
else
	skip "disk full" "cannot mount a small file system here"
	skip "a place that cannot be written" "cannot mount a file system here"
fi
done_testing
