#!/bin/bash
# Every function that the series exports has kernel-doc, and kernel-doc says nothing new about the touched files.
# Static: yes
# Needs: tree
set -euo pipefail
# shellcheck source=selftests/gates/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cd "$BUILD/linux"
tool=./scripts/kernel-doc

# findings TREE FILE...: what it says of these files there, without line numbers.
findings() {
	local tree=$1
	shift
	for file; do
		[[ ! -f $tree/$file ]] || "$tool" -none -Wall "$tree/$file" 2>&1 || :
	done | sed -E "s|$tree/||g; s/:[0-9]+:?/:/g" | sort
}
mapfile -t files < <(touched '*.c' '*.h' ':!tools')
((${#files[@]})) || die "the series touches no C file of the kernel; is it applied?"
mapfile -t old < <(git ls-tree -r --name-only base -- "${files[@]}")
git archive base "${old[@]}" | tar -x -C "$TMPDIR"
findings "$TMPDIR" "${files[@]}" >"$TMPDIR/base"
findings "$PWD" "${files[@]}" >"$TMPDIR/series"
comm -13 "$TMPDIR/base" "$TMPDIR/series" >"$TMPDIR/new"
[[ ! -s $TMPDIR/new ]] || {
	cat "$TMPDIR/new"
	complain "these are new in the series; mend the kernel-doc in build/linux and export."
}

exports=0
while IFS=: read -r file name; do
	# Data has none.
	grep -qE "^[^#/ 	].*\<$name\(" "$file" || continue
	exports=$((exports + 1))
	"$tool" -rst -function "$name" "$file" >"$TMPDIR/doc" 2>/dev/null || :
	grep -q "$name" "$TMPDIR/doc" || {
		complain "$file exports $name() without kernel-doc; write what it does, takes and returns."
	}
done < <(git diff --no-ext-diff -U0 base HEAD -- '*.c' | sed -n -E \
	-e 's|^\+\+\+ b/||;T add;h;b' -e ':add' \
	-e '/^\+EXPORT_SYMBOL/{s/.*\(([a-z0-9_]+).*/\1/;G;s/(.*)\n(.*)/\2:\1/p}')

((!bad))
echo "${#files[@]} files, $exports exported functions"
