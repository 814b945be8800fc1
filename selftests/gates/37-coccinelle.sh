#!/bin/bash
# The tree's own coccinelle scripts find nothing in the touched files that they do not find in the base, but what selftests/coccinelle.ignore has.
# Static: yes
# Green: selftests/gates/lib.sh selftests/coccinelle.ignore
set -euo pipefail
# shellcheck source=selftests/gates/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# Seconds for a script; one of some 75 takes many minutes for mm/hugetlb.c.
limit=180
cd "$BUILD/linux"
mapfile -t files < <(touched '*.c' ':!tools')
((${#files[@]})) || die "the series touches no C file of the kernel; is it applied?"
mkdir "$TMPDIR"/{base,series,said}
git archive HEAD "${files[@]}" | tar -x -C "$TMPDIR/series"
mapfile -t old < <(git ls-tree -r --name-only base -- "${files[@]}")
git archive base "${old[@]}" | tar -x -C "$TMPDIR/base"

# check SCRIPT: what it reports, of the base only when it reports something.
check() {
	local tree said name=${1#scripts/coccinelle/} files options
	read -ra options < <(sed -n 's|^// *Options: *||p' "$BUILD/linux/$1"; echo)
	for tree in series base; do
		said=$TMPDIR/said/${name//\//_}.$tree
		cd "$TMPDIR/$tree"
		mapfile -t files < <(find . -name '*.c' -printf '%P\n')
		: >"$said.all"
		if ((${#files[@]})) && ! timeout "$limit" spatch --very-quiet --no-show-diff -D report --cocci-file "$BUILD/linux/$1" \
			${options[@]+"${options[@]}"} "${files[@]}" >"$said.all" 2>&1; then
			echo "$name" >>"$TMPDIR/failed"
			return 0
		fi
		# One line each, without line numbers.
		sed -n -E '/^[^ :]+\.c:[0-9]+:/{s/:[0-9]+:[0-9-]+:/:/; s/lines? [0-9]+/line/g; p}' "$said.all" | sort >"$said"
		[[ -s $TMPDIR/said/${name//\//_}.series ]] || return 0
	done
	comm -23 "${said%.base}.series" "$said" | sed "s|^|$name: |" >"${said%.base}.new"
}
export -f check
export limit
find scripts/coccinelle -name '*.cocci' | sort >"$TMPDIR/scripts"
[[ -s $TMPDIR/scripts ]] || die "there are no coccinelle scripts in build/linux; is it a kernel tree?"
# shellcheck disable=SC2016 # expanded by the bash that xargs starts
xargs -d '\n' -n 1 -P "$(nproc)" bash -euo pipefail -c 'check "$1"' - <"$TMPDIR/scripts"

touch "$TMPDIR/failed"
failed=$(wc -l <"$TMPDIR/failed") count=$(wc -l <"$TMPDIR/scripts")
((failed * 4 < count)) || {
	cat "$TMPDIR"/said/*.all | sort | uniq -c | sort -rn | head
	die "$failed of $count coccinelle scripts did not run; is the package coccinelle installed? scripts/setup.sh check installs it."
}
find "$TMPDIR/said" -name '*.new' -exec cat {} + | sort >"$TMPDIR/new"
while IFS=$'\t' read -r script file reason; do
	[[ $reason ]] || die "coccinelle.ignore: $script $file has no reason; give one."
	grep -qF "$script: $file:" "$TMPDIR/new" ||
		die "coccinelle.ignore: $script $file is not needed any more; take it out."
	grep -vF "$script: $file:" "$TMPDIR/new" >"$TMPDIR/left" || :
	mv "$TMPDIR/left" "$TMPDIR/new"
done < <(grep -v '^#' "$TOP/selftests/coccinelle.ignore")
[[ ! -s $TMPDIR/new ]] || {
	cat "$TMPDIR/new"
	die "these are new in the series; mend them in build/linux and export."
}
echo "$count scripts, ${#files[@]} files, nothing new; cannot report, or not in $limit seconds:"
cat "$TMPDIR/failed"
