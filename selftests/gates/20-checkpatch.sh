#!/bin/bash
# checkpatch --strict finds nothing in any patch but what selftests/checkpatch.ignore has.
# Static: yes
# Needs: tree
set -euo pipefail
# shellcheck source=selftests/gates/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

ignore=$TOP/selftests/checkpatch.ignore
mapfile -t patches < <(series)
dictionary=$(dpkg -L codespell | grep '/data/dictionary.txt$') ||
	die "codespell's dictionary is missing; install the package codespell."
cd "$BUILD/linux"
# The sign-off is left to who sends it.
check() {
	./scripts/checkpatch.pl --strict --codespell --codespellfile="$dictionary" --no-signoff \
		--show-types --terse "$TOP/patches/$1" >"$TMPDIR/$1.out" 2>&1 ||
		grep -q '^total: .* lines checked$' "$TMPDIR/$1.out" || touch "$TMPDIR/$1.failed"
}
export -f check
export dictionary TOP TMPDIR
# shellcheck disable=SC2016 # expanded by the bash that xargs starts
printf '%s\0' "${patches[@]}" | xargs -0 -n 1 -P "$(nproc)" bash -c 'check "$1"' -
for patch in "${patches[@]}"; do
	out=$TMPDIR/$patch.out
	[[ ! -e $TMPDIR/$patch.failed ]] || {
		cat "$out"
		die "checkpatch did not finish on $patch; see above."
	}
	! grep 'No codespell typos' "$out" || die "checkpatch has no dictionary; install the package codespell."
	while IFS= read -r line; do
		type=$(sed -E 's/^.*: (ERROR|WARNING|CHECK):([A-Z_]+): .*$/\2/' <<<"$line")
		allowed=
		while IFS=$'\t' read -r glob what _; do
			# shellcheck disable=SC2053 # a glob is meant
			if [[ $patch == $glob && $type == "$what" ]]; then
				allowed=1
				printf '%s\t%s\n' "$glob" "$what" >>"$TMPDIR/used"
			fi
		done < <(grep -v '^#' "$ignore")
		[[ $allowed ]] || {
			printf '%s\n' "$line"
			bad=1
		}
	done < <(grep -E ': (ERROR|WARNING|CHECK):' "$out")
done
touch "$TMPDIR/used"
while IFS=$'\t' read -r glob what reason; do
	[[ $reason ]] || complain "checkpatch.ignore: $glob $what has no reason; give one."
	grep -qxF "$glob"$'\t'"$what" "$TMPDIR/used" ||
		complain "checkpatch.ignore: $glob $what is not needed any more; take it out."
done < <(grep -v '^#' "$ignore")
((!bad))
echo "${#patches[@]} patches"
