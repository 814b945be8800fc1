#!/bin/bash
# export.sh: the same commits give the same files, whatever git is configured
# to do, and every refusal. On a kernel of five files.
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

# commit FILE LINE SUBJECT [BODY]: in the work tree.
commit() {
	sed -i "$2s/.*/$3/" "$tree/$1"
	git -C "$tree" commit -qa -m "$3" ${4:+-m "$4"}
}

# snapshot: everything that export.sh writes.
snapshot() {
	(cd "$repo" && find patches series MAINTAINERS.snippet -type f 2>/dev/null | sort | xargs md5sum)
	cat "$BUILD/linux.tree"
}

refuses "no work tree" "is not there; run scripts/apply.sh first" "$export"
ok "apply" "$apply"
ok "nothing to export" "$export"
is "gives no patch" "$(cd "$repo" && find patches -type f)" ""

### the first export
commit mm/hugetlb.c 30 "mm: one" "Why it is so."
git -C "$tree" mv drivers/char/mem.c drivers/char/page.c
chmod +x "$tree/drivers/char/page.c"
git -C "$tree" commit -qam "char: two"
sed -i 's/^Z$/PAGE HUGE DEVICE\nM:\tTester <t@example.org>\nF:\tdrivers\/char\/page.c\n\nZ/' "$tree/MAINTAINERS"
git -C "$tree" commit -qam "MAINTAINERS: three"
ok "export" "$export"
is "series" "$(<"$repo/series")" "$(printf '%s\n' 0001-mm-one.patch 0002-char-two.patch 0003-MAINTAINERS-three.patch)"
is "MAINTAINERS.snippet" "$(<"$repo/MAINTAINERS.snippet")" "$(printf 'PAGE HUGE DEVICE\nM:\tTester <t@example.org>\nF:\tdrivers/char/page.c')"
is "the id of the tree" "$(<"$BUILD/linux.tree")" "$(git -C "$tree" rev-parse 'HEAD^{tree}')"
patch=$(<"$repo/patches/0002-char-two.patch")
like "no commit id" "$patch" "^From 0000000000000000000000000000000000000000 "
is "no number, no signature, no rename, no sign-off" "$(grep -c -E '^Subject: \[PATCH [0-9]|^-- $|^rename|^Signed-off-by' <<<"$patch")" 0
like "12 digits" "$patch" "index [0-9a-f]{12}\.\.0{12}"
like "modes" "$patch" "new file mode 100755"
before=$(snapshot)
head=$(git -C "$tree" rev-parse HEAD)
ok "again" "$export"
like "says that nothing changed" "$err" "nothing changed, 3 patches"
is "nothing changes" "$(snapshot)" "$before"
printf '[format]\n\tsignoff = true\n\tnumbered = true\n\tpretty = fuller\n\tattach = x\n\tsubjectPrefix = RFC\n\tcoverLetter = true\n\tthread = true\n\toutputDirectory = /nonexistent\n[diff]\n\talgorithm = patience\n\tnoprefix = true\n\tcontext = 9\n\trenames = copies\n\tmnemonicPrefix = true\n[core]\n\tquotePath = false\n\tabbrev = 7\n' >"$T/gitconfig"
mkdir -p "$T/xdg/git"
echo '* -diff' >"$T/xdg/git/attributes"
GIT_CONFIG_GLOBAL=$T/gitconfig XDG_CONFIG_HOME=$T/xdg GIT_EXTERNAL_DIFF=/bin/false GIT_DIFF_OPTS=-u9 \
	ok "whatever git is configured to do" "$export"
is "nothing changes" "$(snapshot)" "$before"
cat "$T/gitconfig" >>"$tree/.git/config"
ok "in the work tree too" "$export"
is "nothing changes" "$(snapshot)" "$before"
sed -i '/^\[format\]/,$d' "$tree/.git/config"

### round trip
ok "apply finds nothing to do" "$apply"
like "as it says" "$err" "is up to date"
mv "$BUILD" "$T/build.away"
ok "a fresh tree" "$apply"
ok "exported" "$export"
is "nothing changes" "$(snapshot)" "$before"
if command -v quilt >/dev/null; then
	git -C "$LINUX" worktree add -q --detach "$T/quilt" master
	ln -s "$repo/patches" "$repo/series" "$T/quilt/"
	is "quilt sees all patches" "$(cd "$T/quilt" && quilt series | wc -l)" 3
	# shellcheck disable=SC2016 # for the inner shell
	ok "quilt pushes them without fuzz" bash -c 'cd "$1" && QUILT_PATCHES=patches quilt push -a --fuzz=0' - "$T/quilt"
	rm -rf "$T/quilt/patches" "$T/quilt/series" "$T/quilt/.pc"
	git -C "$T/quilt" add -A
	is "and gives the same tree" "$(git -C "$T/quilt" write-tree)" "$(<"$BUILD/linux.tree")"
else
	skip "quilt" "quilt is not installed"
fi

head=$(git -C "$tree" rev-parse HEAD)

### comments
printf '# the core\n0001-mm-one.patch\n\n# devices\n# many\n0002-char-two.patch # last week\n# people\n0003-MAINTAINERS-three.patch\n# end\n' >"$repo/series"
ok "export with comments in series" "$export"
like "nothing changed" "$err" "nothing changed"
is "they are kept" "$(tail -n 1 "$repo/series")" "# end"
git -C "$tree" checkout -q -B series HEAD^
commit Kconfig 1 "new: zero"
git -C "$tree" cherry-pick "$head" >/dev/null
ok "a new patch in between" "$export"
is "comments stay before their patches" "$(<"$repo/series")" \
	"$(printf '# the core\n0001-mm-one.patch\n\n# devices\n# many\n0002-char-two.patch # last week\n0003-new-zero.patch\n# people\n0004-MAINTAINERS-three.patch\n# end')"
ok "the old name is gone" test ! -e "$repo/patches/0003-MAINTAINERS-three.patch"
git -C "$tree" reset -q --hard HEAD^
git -C "$tree" commit -q --amend -m "new: name"
git -C "$tree" cherry-pick "$head" >/dev/null
git -C "$tree" reset -q --hard HEAD^
ok "a patch renamed and one removed" "$export"
is "the comments are not lost" "$(<"$repo/series")" \
	"$(printf '# the core\n0001-mm-one.patch\n\n# devices\n# many\n0002-char-two.patch # last week\n0003-new-name.patch\n# people\n# end')"
git -C "$tree" switch -q -C series "$head"
ok "back to three" "$export"

### refusals leave everything as it was
before=$(snapshot)
good=$(git -C "$tree" rev-parse HEAD)
refuses "too many arguments" "usage: " "$export" x
echo x >>"$tree/Kconfig"
refuses "a change that is not committed" "changes that are not committed \(Kconfig\)" "$export"
git -C "$tree" checkout -q .
echo x >"$tree/mm/new.c"
refuses "a new file" "changes that are not committed \(mm/new.c\)" "$export"
rm "$tree/mm/new.c"
commit Kconfig 1 "fixup! mm: one"
refuses "a fixup" "a commit 'fixup! mm: one'; .*git rebase -i --autosquash base" "$export"
git -C "$tree" reset -q --hard "$good"
commit Kconfig 1 "notes" "$(printf 'Body.\n---\nv2: better')"
refuses "text below ---" "the message of 'notes' has a line '---'" "$export"
git -C "$tree" reset -q --hard "$good"
commit Kconfig 1 "[tag] subject"
refuses "a subject that am shortens" "does not survive git am: .*\[tag\] subject" "$export"
git -C "$tree" reset -q --hard "$good"
commit Kconfig 1 "diff" "$(printf 'Body.\n\ndiff --git a/Kconfig b/Kconfig\n\nmore')"
refuses "a message that am cuts" "(does not survive git am|do not apply again)" "$export"
git -C "$tree" reset -q --hard "$good"
git -C "$tree" commit -q --allow-empty -m "empty"
refuses "an empty commit" "(do not apply again|does not survive)" "$export"
git -C "$tree" reset -q --hard "$good"
git -C "$tree" checkout -q -b side base
commit Kconfig 1 "side"
git -C "$tree" checkout -q series
git -C "$tree" merge -q --no-edit side
refuses "a merge" "a merge between base and HEAD" "$export"
git -C "$tree" reset -q --hard "$good"
git -C "$tree" checkout -q --orphan other
git -C "$tree" commit -q -m "other"
refuses "another history" "not built on the tag base" "$export"
git -C "$tree" checkout -q series
GIT_SEQUENCE_EDITOR='sed -i 1s/pick/edit/' git -C "$tree" rebase -q -i HEAD^ 2>/dev/null
refuses "a rebase half way" "a rebase, am, merge, pick or revert is not finished" "$export"
git -C "$tree" rebase --abort
commit Kconfig 1 "mine"
cp "$repo/patches/0001-mm-one.patch" "$T/one"
sed -i 's/^+mm: one/+mm: 1/' "$repo/patches/0001-mm-one.patch"
refuses "patches that somebody else changed meanwhile" "patches/ or series changed since" "$export"
cp "$T/one" "$repo/patches/0001-mm-one.patch"
git -C "$tree" reset -q --hard "$good"
exec 8>>"$BUILD/.apply-or-export.lock"
flock 8
refuses "two runs at once" "another apply-or-export is running" "$export"
exec 8>&-
is "nothing changed by any of them" "$(snapshot)" "$before"
is "nothing is left behind" "$(find "$BUILD" -mindepth 1 -maxdepth 1 ! -name linux ! -name linux.tree ! -name base.git ! -name '.*.lock')" ""
ok "and all is well" "$export"
like "nothing changed" "$err" "nothing changed"
### another kernel underneath
patches=$(cat "$repo"/patches/*.patch | grep -v '^index ')
git -C "$tree" checkout -q -b newer base
sed -i "s/^SUBLEVEL.*/SUBLEVEL = 5/" "$tree/Makefile"
git -C "$tree" commit -qam "next release"
git -C "$tree" rebase -q --onto newer base series
git -C "$tree" tag -f base newer >/dev/null
ok "after the tag has moved" "$export"
is "the patches are the same" "$(cat "$repo"/patches/*.patch | grep -v '^index ')" "$patches"

done_testing
