#!/bin/bash
# rebase.sh: what applies, what git can merge, what breaks, each told by name;
# nothing is lost. On kernels of five files.
set -euo pipefail
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

repo=$T/repo
test_repo "$repo"
rebase=$repo/scripts/rebase.sh
apply=$repo/scripts/apply.sh
export=$repo/scripts/export.sh
tree=$BUILD/linux

# commit DIR FILE LINE SUBJECT: a commit that makes that line the subject.
commit() {
	sed -i "${3}s/.*/$4/" "$1/$2"
	git -C "$1" commit -qam "$4"
}
old=$T/old
fake_kernel "$old" 7.3.4
git -C "$old" checkout -q -b work
commit "$old" mm/hugetlb.c 30 "mm: one"
commit "$old" drivers/char/mem.c 10 "char: two"
commit "$old" mm/hugetlb.c 50 "mm: three"
mkdir "$repo/patches"
git -C "$old" format-patch -q --zero-commit --no-signature -N --abbrev=12 -o "$repo/patches" master
(cd "$repo/patches" && ls) >"$repo/series"
git -C "$old" checkout -q master

# kernel DIR VERSION: a later one, without history in common, by its Makefile.
kernel() {
	rm -rf "$1"
	fake_kernel "$1" "$2"
}
state() {
	git -C "$tree" rev-parse HEAD base
	git -C "$tree" status --porcelain
	cat "$repo/series" "$repo"/patches/* | md5sum
}

refuses "no version" "usage: scripts/rebase.sh VERSION" "$rebase"
refuses "no work tree" "is not there; run scripts/apply.sh first" "$rebase" 7.4
LINUX=$old ok "apply" "$apply"
refuses "no version at all" "usage: scripts/rebase.sh VERSION" "$rebase" next
refuses "what linux-source is not of" "usage: scripts/rebase.sh VERSION" "$rebase" 7.5-rc1
kernel "$T/new" 7.5.0
LINUX=$T/new refuses "a tree of another version" "is linux 7.5, not 7.4" "$rebase" 7.4
echo mine >>"$tree/mm/hugetlb.c"
LINUX=$T/new refuses "changes of one's own" "changes that are not committed" "$rebase" 7.5
git -C "$tree" checkout -q .
commit "$tree" mm/hugetlb.c 5 "mine"
LINUX=$T/new refuses "commits of one's own" "has commits that were not exported" "$rebase" 7.5
git -C "$tree" reset -q --hard HEAD^
before=$(state)

### something breaks
kernel "$T/new" 7.4.0
commit "$T/new" mm/hugetlb.c 30 "other"
LINUX=$T/new refuses "a base on which a patch breaks" "1 of 3 patches do not fit linux 7.4 .*rebase --onto base-7.4 base" "$rebase" 7.4
is "it is named, with the file; those after it are tried" "$out" "$(printf '%s\n' 'BROKE     0001-mm-one.patch: mm/hugetlb.c ' \
	'applied   0002-char-two.patch' 'applied   0003-mm-three.patch')"
is "nothing changes" "$(state)" "$before"
is "the new base is there" "$(git -C "$tree" show base-7.4:mm/hugetlb.c | sed -n 30p)" "other"
git -C "$T/new" rm -q drivers/char/mem.c
git -C "$T/new" commit -qm "gone"
LINUX=$T/new refuses "a base that has lost a file" "2 of 3 patches" "$rebase" 7.4
like "the file is named" "$out" "BROKE     0002-char-two.patch: drivers/char/mem.c"
is "nothing changes" "$(state)" "$before"

### it fits, partly with git's help
kernel "$T/new" 7.4.2
sed -i '1i above' "$T/new/drivers/char/mem.c"
sed -i '47s/.*/near/' "$T/new/mm/hugetlb.c"
git -C "$T/new" commit -qam "7.4.2"
LINUX=$T/new ok "a base that is somewhat different" "$rebase" 7.4
is "an offset applies, a change near by is merged" "$out" "$(printf '%s\n' 'applied   0001-mm-one.patch' \
	'applied   0002-char-two.patch' 'merged    0003-mm-three.patch')"
is "the tree is on the new base" "$(git -C "$tree" rev-parse 'base^{tree}') $(git -C "$tree" rev-list --count base..series)" \
	"$(git -C "$T/new" rev-parse 'HEAD^{tree}') 3"
is "with both changes" "$(sed -n '47p;50p' "$tree/mm/hugetlb.c" | xargs) $(sed -n 11p "$tree/drivers/char/mem.c")" \
	"near mm: three char: two"
is "clean" "$(git -C "$tree" status --porcelain)" ""
ok "no borrowed objects" git -C "$tree" fsck --no-dangling
is "patches/ is as it was" "$(state | tail -n 1)" "$(tail -n 1 <<<"$before")"
LINUX=$T/new refuses "apply.sh does not throw it away" "has commits that were not exported" "$apply"
ok "export" "$export"
like "writes the patches anew" "$err" "export: 3 patches"
LINUX=$T/new refuses "a base that base.env does not know" "the series is for another version" "$apply"
sed -i 's/^KNOWN_GOOD=.*/KNOWN_GOOD="7.3.4 7.4.2"/' "$repo/scripts/base.env"
LINUX=$T/new ok "apply, once it does" "$apply"
like "finds it in place" "$err" "is up to date"
LINUX=$T/new ok "again" "$rebase" 7.4
is "all of it applies" "$(cut -d ' ' -f 1 <<<"$out" | sort -u)" applied
is "nothing is left" "$(find "$BUILD" -mindepth 1 -maxdepth 1 ! -name linux ! -name linux.tree ! -name base.git ! -name '.*.lock')" ""
done_testing
