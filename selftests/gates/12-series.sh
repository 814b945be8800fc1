#!/bin/bash
# series, patches/ and MAINTAINERS.snippet agree; no patch has what must not be sent.
# Needs: tree
set -euo pipefail
# shellcheck source=selftests/gates/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

bad=0
complain() {
	say "$*"
	bad=1
}

cd "$TOP"
series_lines >"$TMPDIR/series"
# A cover letter (0000-) is in patches/ but not in the series: git am rejects it.
find patches -type f ! -name '0000-*' -printf '%P\n' | sort >"$TMPDIR/files"
[[ -s $TMPDIR/series ]] || complain "series is empty; scripts/export.sh writes it."
sort -c "$TMPDIR/series" || complain "series is not in the order of the patches' numbers; export it again."
sort "$TMPDIR/series" | uniq -d | grep . && complain "series has these twice; export it again."
sort -u "$TMPDIR/series" | comm -3 - "$TMPDIR/files" >"$TMPDIR/diff"
[[ ! -s $TMPDIR/diff ]] ||
	complain "series (left) and patches/ (right) differ; run scripts/export.sh: $(<"$TMPDIR/diff")"

# A sign-off is a person's word, added by who sends. Nothing of this machine.
places=("$TOP" "$BUILD" "$CACHE")
[[ ! ${HOME:-/} =~ ^/.*[^/]$ ]] || places+=("$HOME/")
# shellcheck disable=SC2016 # apt's own dollar
mapfile -t hosts < <(apt-get indextargets --format '$(SITE)' 2>/dev/null | sed -E 's|^[a-z]+://||; s|[/:].*||' | sort -u)
while read -r patch; do
	[[ -f patches/$patch ]] || continue
	! grep -Hn '^Signed-off-by:' "patches/$patch" ||
		complain "patches/$patch has a sign-off; leave that to who sends it."
	grep -q '^Subject: \[PATCH' "patches/$patch" ||
		complain "patches/$patch is not from git format-patch; export it with scripts/export.sh."
	for word in "${places[@]}" ${hosts[@]+"${hosts[@]}"}; do
		[[ -z $word ]] || ! grep -HnF -- "$word" "patches/$patch" ||
			complain "patches/$patch names $word, a place of this machine; take it out."
	done
done <"$TMPDIR/series"

# The MAINTAINERS entry: the same lines here and in the series.
git -C "$BUILD/linux" diff --no-ext-diff -U0 base HEAD -- MAINTAINERS |
	sed -n -e '/^+++ /d' -e 's/^+//p' | sed '/^$/d' >"$TMPDIR/added"
sed '/^$/d' MAINTAINERS.snippet >"$TMPDIR/snippet" || complain "MAINTAINERS.snippet is missing; write it."
diff -u "$TMPDIR/snippet" "$TMPDIR/added" ||
	complain "MAINTAINERS.snippet (-) is not what the series adds to MAINTAINERS (+); make them the same."

((!bad))
echo "$(wc -l <"$TMPDIR/series") patches"
