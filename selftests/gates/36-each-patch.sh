#!/bin/bash
# Each patch builds, with those before it, in a kernel of what the series touches; so do the selftests that it adds or changes.
# Green: series scripts/lib.sh scripts/build.sh selftests/config selftests/gates/lib.sh
set -euo pipefail
# shellcheck source=selftests/gates/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# The whole of a small configuration with the first patch; with each of the others
# what it changes, what the series touches and includes a header that it changes,
# and the link. A header that breaks a file which no patch touches breaks it in the
# last step too: all patches together are built whole, as default and as debug, with
# all selftests of mm, by the gates that boot.
linux=$STATE/linux
out=$STATE/small
tests=$STATE/small-selftests
mapfile -t commits < <(git -C "$BUILD/linux" rev-list --reverse base..HEAD)
last=${commits[-1]}
mapfile -t kernel_files < <(touched '*.c' ':!tools')
mapfile -t headers < <(touched '*.h' ':!tools')
mapfile -t test_files < <(touched 'tools/testing/selftests/*/*.c')

# same COMMIT PATH...: does the patch leave them as they are?
same() {
	git -C "$linux" diff --quiet "$1^" "$1" -- "${@:2}"
}

# spare COMMIT: a header that the patch changes is old to make, and what the series
# touches and includes it is compiled again.
spare() {
	local header file object
	for header in "${headers[@]}"; do
		! same "$1" "$header" || continue
		[[ -f $linux/$header ]] || continue
		touch -r "$linux/COPYING" "$linux/$header"
		# Or the next checkout writes it anew.
		git -C "$linux" update-index "$header"
		for file in "${kernel_files[@]}"; do
			object=$out/${file%.c}.o
			[[ ! -f $object ]] || ! grep -qF "$header" "${object%/*}/.${object##*/}.cmd" || rm "$object"
		done
	done
}

# selftests COMMIT: those of the series, as far as they are there. Their Makefiles
# do not track headers: all of them afresh when the patch changes one.
selftests() {
	local dir file name programs
	for dir in $(printf '%s\n' "${test_files[@]%/*}" | sort -u); do
		programs=()
		for file in "${test_files[@]}"; do
			name=${file##*/}
			name=${name%.c}
			if [[ ${file%/*} == "$dir" && -f $linux/$file ]] &&
				grep -qE "^TEST_GEN_[A-Z_]+ *[+:]?=.*\<$name\>" "$linux/$dir/Makefile"; then
				programs+=("$tests/${dir##*/}/$name")
				same "$1" "$dir/*.h" '*uapi*' || rm -f "${programs[-1]}"
			fi
		done
		((${#programs[@]})) || continue
		mkdir -p "$tests/${dir##*/}"
		# What the Makefile names is there; and these are built.
		if ! mk -n all >/dev/null || ! mk "${programs[@]}"; then
			die "the selftests do not build with this patch the last one; fix that patch in build/linux and export."
		fi
		echo "selftests: ${programs[*]##*/}"
	done
}
mk() {
	make -s -C "$linux/$dir" OUTPUT="$tests/${dir##*/}" KHDR_INCLUDES="-isystem $out/usr/include" -j"$(nproc)" "$@"
}

rm -rf "$tests"
own_tree "${commits[0]}"
for header in "${headers[@]}"; do
	# Old to make since the last time.
	[[ ! -f $linux/$header ]] || touch "$linux/$header"
done
for commit in "${commits[@]}"; do
	own_tree "$commit"
	start=$SECONDS
	[[ $commit == "${commits[0]}" ]] || spare "$commit"
	git -C "$linux" log -1 --format=%s
	# Nothing of a document is compiled.
	same "$commit" . ':!Documentation' ':!MAINTAINERS' ':!tools/testing/selftests' ||
		BUILD=$STATE "$TOP/scripts/build.sh" small ||
		die "the kernel does not build with this patch the last one; fix that patch in build/linux and export."
	if ! same "$commit" tools '*uapi*'; then
		make -s -C "$linux" O="$out" ARCH=x86 headers
		selftests "$commit"
	fi
	echo "$((SECONDS - start)) s"
done

for file in "${kernel_files[@]}"; do
	[[ -f $out/${file%.c}.o ]] ||
		die "$file is not part of the small configuration; add its option to selftests/config/small.config."
done
for file in "${test_files[@]}"; do
	file=${file#tools/testing/selftests/}
	# A program, or one more source of one.
	[[ -x $tests/${file%.c} ]] ||
		grep -qE "^\\\$\(OUTPUT\)/.*:.* ${file##*/}( |$)" "$linux/tools/testing/selftests/${file%/*}/Makefile" ||
		die "selftests/$file is not built; is it in the Makefile beside it?"
done

# A patch that does not build is seen.
file=$(touched 'drivers/*.c' 'mm/*.c' 'fs/*.c' | head -n 1)
echo '#error planted' >>"$linux/$file"
if BUILD=$STATE "$TOP/scripts/build.sh" small 2>"$TMPDIR/planted"; then
	die "a planted error in $file does not stop the build, so it proves nothing; see scripts/build.sh."
fi
grep -q 'planted' "$TMPDIR/planted" || {
	cat "$TMPDIR/planted"
	die "the build stopped for another reason than the planted error (above)."
}
file=${test_files[0]}
echo '#error planted' >>"$linux/$file"
if (selftests "$last") 2>"$TMPDIR/planted"; then
	die "a planted error in $file does not stop the build of the selftests, so it proves nothing; look at its Makefile."
fi
grep -q 'error planted' "$TMPDIR/planted" || {
	cat "$TMPDIR/planted"
	die "the build of the selftests stopped for another reason than the planted error (above)."
}
own_tree "$last"
