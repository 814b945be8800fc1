#!/bin/bash
# No noise in the patches: white space, trailers that run together, test programs that git would show as new files.
# Static: yes
# Needs: tree
set -euo pipefail
# shellcheck source=selftests/gates/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cd "$BUILD/linux"
# It takes the line under a title of seven letters for what a conflict leaves.
git diff --no-ext-diff --check base HEAD | grep -v -E '^Documentation/.*: leftover conflict marker$' >"$TMPDIR/check" || :
[[ ! -s $TMPDIR/check ]] || {
	cat "$TMPDIR/check"
	complain "the series adds white space that nobody wants (above); take it out in build/linux and export."
}

# In the last paragraph of a message each line is one trailer, or none is.
while read -r commit; do
	subject=$(git log -1 --format=%s "$commit")
	git log -1 --format=%B "$commit" >"$TMPDIR/message"
	! grep -nE '[[:space:]]$' "$TMPDIR/message" || complain "'$subject' has white space at the end of a line (above)."
	# shellcheck disable=SC2016 # for awk
	awk '
		/^$/ { empty = 1; next }
		empty { n = empty = 0 }
		{ line[++n] = $0 }
		END {
			trailer = "(Fixes|Cc|Link|Closes|[A-Z][a-z]+(-[a-z]+)*-by): "
			for (i = 1; i <= n; i++) {
				if (line[i] ~ "^" trailer || line[i] ~ "^[A-Z][A-Za-z-]+: ")
					good++
				if (line[i] ~ " " trailer)
					middle++
			}
			exit middle || (good && good < n)
		}' "$TMPDIR/message" ||
		complain "the trailers of '$subject' run together or are broken; write one a line, however long."
done < <(git rev-list --reverse base..HEAD)

# What the selftests build is ignored by git where it is built.
while IFS=: read -r file names; do
	for name in $names; do
		[[ $name =~ ^[a-z0-9_]+$ ]] || continue
		git check-ignore -q --no-index "${file%/*}/$name" ||
			complain "$file builds $name, which no .gitignore has; add it there."
	done
done < <(git diff --no-ext-diff -U0 base HEAD -- 'tools/testing/*/Makefile' | sed -n -E \
	-e 's|^\+\+\+ b/||;T add;h;b' -e ':add' \
	-e '/^\+TEST_(GEN|CUSTOM)_[A-Z_]*(PROGS|FILES)[A-Z_]* *[+:]?=/{s/^[^=]*= *//;G;s/(.*)\n(.*)/\2:\1/p}')

((!bad))
echo "$(git rev-list --count base..HEAD) patches"
