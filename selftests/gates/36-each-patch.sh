#!/bin/bash
# Each patch builds, with those before it: default kernel and selftests.
# Green: series scripts/lib.sh scripts/build.sh selftests/config selftests/gates/lib.sh
set -euo pipefail
# shellcheck source=selftests/gates/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

mapfile -t commits < <(git -C "$BUILD/linux" rev-list --reverse base..HEAD)
last=${commits[-1]}
# A directory of its own beside the kernel's, as build.sh expects it: what the
# default kernel left in ccache is found again.
for commit in "${commits[@]}"; do
	own_tree "$commit"
	git -C "$STATE/linux" log -1 --format=%s
	# Nothing of a document is compiled.
	! git -C "$STATE/linux" diff --quiet "$commit^" "$commit" -- . ':!Documentation' ':!MAINTAINERS' || continue
	BUILD=$STATE "$TOP/scripts/build.sh" default ||
		die "the kernel does not build with this patch the last one; fix that patch in build/linux and export."
done

# A patch that does not build is seen.
file=$(touched 'drivers/*.c' 'mm/*.c' 'fs/*.c' | head -n 1)
echo '#error planted' >>"$STATE/linux/$file"
if BUILD=$STATE "$TOP/scripts/build.sh" default 2>"$TMPDIR/planted"; then
	die "a planted error in $file does not stop the build, so it proves nothing; see scripts/build.sh."
fi
grep -q 'planted' "$TMPDIR/planted" || {
	cat "$TMPDIR/planted"
	die "the build stopped for another reason than the planted error (above)."
}
own_tree "$last"
