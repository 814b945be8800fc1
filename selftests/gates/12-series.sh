#!/bin/bash
# series, patches/, MAINTAINERS.snippet and the reading guide agree; no patch has what must not be sent.
# Static: yes
set -euo pipefail
# shellcheck source=selftests/gates/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cd "$TOP"
# Missing files, missing lines and lines that are no file name end it here. A
# cover letter is in neither: git am rejects it.
series >"$TMPDIR/series"
[[ -s $TMPDIR/series ]] || complain "series is empty; scripts/export.sh writes it."
sort -c "$TMPDIR/series" || complain "series is not in the order of the patches' numbers; export it again."

# A sign-off is a person's word, added by who sends. Nothing of this machine.
places=("$TOP" "$BUILD" "$CACHE")
[[ ! ${HOME:-/} =~ ^/.*[^/]$ ]] || places+=("$HOME/")
# shellcheck disable=SC2016 # apt's own dollar
mapfile -t hosts < <(apt-get indextargets --format '$(SITE)' 2>/dev/null | sed -E 's|^[a-z]+://||; s|[/:].*||' | sort -u)
while read -r patch; do
	! grep -Hn '^Signed-off-by:' "patches/$patch" ||
		complain "patches/$patch has a sign-off; leave that to who sends it."
	grep -q '^Subject: \[PATCH' "patches/$patch" ||
		complain "patches/$patch is not from git format-patch; export it with scripts/export.sh."
	for word in "${places[@]}" ${hosts[@]+"${hosts[@]}"}; do
		[[ -z $word ]] || ! grep -HnF -- "$word" "patches/$patch" ||
			complain "patches/$patch names $word, a place of this machine; take it out."
	done
done <"$TMPDIR/series"
# Each fault that the gate mutations has is in the last column of a table there, or
# in the words about trap 22.
awk -F'|' '/^\|/ { print $(NF - 1) } /^22 is/, /^$/' Documentation/traps.md >"$TMPDIR/faults"
while IFS=$'\t' read -r name _; do
	[[ $name == \#* ]] || grep -qE "(^|[^A-Za-z0-9_-])$name($|[^A-Za-z0-9_-])" "$TMPDIR/faults" ||
		complain "the fault $name of selftests/mutations/list.tsv is not in Documentation/traps.md; say there what it is of."
done <selftests/mutations/list.tsv

# Who reads it finds each patch in the guide, in the order of the series.
sed -n 's/^### //p' Documentation/reading-guide.md >"$TMPDIR/guide" || complain "Documentation/reading-guide.md is missing; write it."
while read -r patch; do
	git mailinfo /dev/null /dev/null <"patches/$patch" | sed -n 's/^Subject: //p'
done <"$TMPDIR/series" >"$TMPDIR/subjects"
diff -u "$TMPDIR/guide" "$TMPDIR/subjects" ||
	complain "Documentation/reading-guide.md (-) does not have the patches of the series (+), each with a title of its own, in their order; mend it."

# The MAINTAINERS entry: the same lines here and in the series.
"$TOP/scripts/apply.sh"
git -C "$BUILD/linux" diff --no-ext-diff -U0 base HEAD -- MAINTAINERS |
	sed -n -e '/^+++ /d' -e 's/^+//p' | sed '/^$/d' >"$TMPDIR/added"
sed '/^$/d' MAINTAINERS.snippet >"$TMPDIR/snippet" || complain "MAINTAINERS.snippet is missing; write it."
diff -u "$TMPDIR/snippet" "$TMPDIR/added" ||
	complain "MAINTAINERS.snippet (-) is not what the series adds to MAINTAINERS (+); make them the same."

((!bad))
echo "$(wc -l <"$TMPDIR/series") patches"
