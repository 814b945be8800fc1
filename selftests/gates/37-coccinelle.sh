#!/bin/bash
# The tree's own coccinelle scripts find nothing in the touched files that they do not find in the base, but what selftests/coccinelle.ignore has.
# Static: yes
# Green: selftests/gates/lib.sh selftests/coccinelle.ignore
set -euo pipefail
# shellcheck source=selftests/gates/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

ignore=$TOP/selftests/coccinelle.ignore
cd "$BUILD/linux"
mapfile -t files < <(touched '*.c' ':!tools')
((${#files[@]})) || die "the series touches no C file of the kernel; is it applied?"
mkdir "$TMPDIR"/{base,series,said}
git archive HEAD "${files[@]}" | tar -x -C "$TMPDIR/series"
mapfile -t old < <(git ls-tree -r --name-only base -- "${files[@]}")
git archive base "${old[@]}" | tar -x -C "$TMPDIR/base"

# check SCRIPT: what it reports, of the base only when it reports something. One
# that does not end in ten minutes on a busy machine does not end.
check() {
	local tree said name=${1#scripts/coccinelle/} files options
	read -ra options < <(sed -n 's|^// *Options: *||p' "$BUILD/linux/$1"; echo)
	for tree in series base; do
		said=$TMPDIR/said/${name//\//_}.$tree
		cd "$TMPDIR/$tree"
		mapfile -t files < <(find . -name '*.c' -printf '%P\n')
		: >"$said.all"
		if ((${#files[@]})) && ! timeout 600 spatch --very-quiet --no-show-diff -D report --cocci-file "$BUILD/linux/$1" \
			${options[@]+"${options[@]}"} "${files[@]}" >"$said.all" 2>&1; then
			{ echo "$name:"; tail -n 5 "$said.all"; } >"$TMPDIR/said/${name//\//_}.failed"
			return 0
		fi
		# One line each, without line numbers.
		sed -n -E '/^[^ :]+\.c:[0-9]+:/{s/:[0-9]+:[0-9-]+:/:/; s/lines? [0-9]+/line/g; p}' "$said.all" | sort >"$said"
		[[ -s $TMPDIR/said/${name//\//_}.series ]] || return 0
	done
	comm -23 "${said%.base}.series" "$said" | sed "s|^|$name: |" >"${said%.base}.new"
}
export -f check

grep -v '^#' "$ignore" >"$TMPDIR/ignore" || :
awk -F'\t' '$2 == "*" { print "scripts/coccinelle/" $1 }' "$TMPDIR/ignore" | sort >"$TMPDIR/left-out"
find scripts/coccinelle -name '*.cocci' | sort >"$TMPDIR/all"
gone=$(comm -13 "$TMPDIR/all" "$TMPDIR/left-out")
[[ -z $gone ]] || die "coccinelle.ignore: there is no $gone; take it out."
# What takes longest begins.
comm -23 "$TMPDIR/all" "$TMPDIR/left-out" |
	awk '/null\/deref_null/ { print "0 " $0; next } { print "1 " $0 }' | sort -s -k 1,1 | cut -d ' ' -f 2 >"$TMPDIR/scripts"
[[ -s $TMPDIR/scripts ]] || die "there are no coccinelle scripts in build/linux; is it a kernel tree?"
# shellcheck disable=SC2016 # expanded by the bash that xargs starts
xargs -d '\n' -n 1 -P "$(nproc)" bash -euo pipefail -c 'check "$1"' - <"$TMPDIR/scripts"

find "$TMPDIR/said" -name '*.failed' -exec cat {} + >"$TMPDIR/failed"
[[ ! -s $TMPDIR/failed ]] || {
	cat "$TMPDIR/failed"
	die "these coccinelle scripts did not run; is the package coccinelle installed (scripts/setup.sh check)? One that cannot is left out by a line in selftests/coccinelle.ignore."
}
find "$TMPDIR/said" -name '*.new' -exec cat {} + | sort >"$TMPDIR/new"
while IFS=$'\t' read -r script file reason; do
	[[ $reason ]] || die "coccinelle.ignore: $script $file has no reason; give one."
	[[ $file != '*' ]] || continue
	grep -qF "$script: $file:" "$TMPDIR/new" ||
		die "coccinelle.ignore: $script $file is not needed any more; take it out."
	grep -vF "$script: $file:" "$TMPDIR/new" >"$TMPDIR/rest" || :
	mv "$TMPDIR/rest" "$TMPDIR/new"
done <"$TMPDIR/ignore"
[[ ! -s $TMPDIR/new ]] || {
	cat "$TMPDIR/new"
	die "these are new in the series; mend them in build/linux and export."
}
echo "$(wc -l <"$TMPDIR/scripts") scripts, ${#files[@]} files, nothing new; left out:"
sed 's|^scripts/coccinelle/||' "$TMPDIR/left-out"
