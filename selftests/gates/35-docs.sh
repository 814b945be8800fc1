#!/bin/bash
# Sphinx builds the documents that the series touches, with all that they include, without a warning.
# Static: yes
# Green: selftests/gates/lib.sh
set -euo pipefail
# shellcheck source=selftests/gates/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

own_tree HEAD
# A book of its own: with the books that they are in, it takes half an hour. The
# directory is as deep as theirs, for what they include by a relative path.
book=$STATE/linux/Documentation/gatebook
mapfile -t files < <(touched 'Documentation/*.rst' | grep -v '/index\.rst$')
build() {
	local out=$TMPDIR/docs.$1
	shift
	rm -rf "$book"
	mkdir -p "$book"
	cp "$@" "$book/"
	{
		printf '%s\n' 'The series' '==========' '' '.. toctree::' ''
		for file; do
			printf '   %s\n' "$(basename "$file" .rst)"
		done
	} >"$book/index.rst"
	make -s -C "$STATE/linux" O="$out" SPHINXDIRS=gatebook htmldocs >"$out.log" 2>&1 || {
		tail "$out.log"
		die "sphinx failed; is python3-sphinx installed? scripts/setup.sh check installs it."
	}
	for file; do
		[[ -s $out/Documentation/output/gatebook/$(basename "$file" .rst).html ]] ||
			die "sphinx made no page of $file; see above."
	done
	# It would draw with graphviz, of which there is nothing here.
	! grep -E 'WARNING|ERROR|warning:|error:' "$out.log" | grep -v 'dot(1) not found'
}

build series "${files[@]/#/$STATE/linux/}" || die "sphinx has found faults (above); mend them in build/linux."

# A document that is wrong is seen.
# shellcheck disable=SC2016 # no command, but how sphinx quotes
printf '%s\n' 'Wrong' '=====' '' ':ref:`no-such-label`' '' '.. kernel-doc:: mm/no-such-file.c' >"$TMPDIR/wrong.rst"
! build wrong "$TMPDIR/wrong.rst" || die "sphinx says nothing about a document that is wrong, so it proves nothing."
rm -rf "$book"
printf '%s\n' "${files[@]}"
