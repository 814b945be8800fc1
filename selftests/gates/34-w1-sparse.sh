#!/bin/bash
# W=1, with gcc and with clang, and sparse say nothing about the touched files that they do not say about the base.
# Static: yes
# Green: scripts/lib.sh scripts/build.sh scripts/setup.sh selftests/config selftests/gates/lib.sh
set -euo pipefail
# shellcheck source=selftests/gates/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# Kernel code only: what is under tools/ has rules of its own.
mapfile -t files < <(touched '*.c' ':!tools')
((${#files[@]})) || die "the series touches no C file of the kernel; is it applied?"
# A header is seen through the files that include it.
linux=$STATE/linux
PATH=$CACHE/tools/bin:$PATH
clang="clang-19"
use_ccache

"$TOP/scripts/build.sh" default
config=$BUILD/default/.config

# warnings COMPILER FILE...: what W=1 says, with gcc sparse too, without line numbers.
warnings() {
	local objects=() file out=$STATE/w1 how=("CC=$cc" C=1)
	if [[ $1 == clang ]]; then
		out=$STATE/w1-clang
		how=("CC=${cc/%gcc/$clang}")
	fi
	shift
	for file; do
		[[ ! -f $linux/$file ]] || objects+=("${file%.c}.o")
	done
	((${#objects[@]})) || return 0
	cmp -s "$config" "$out/.config.from" || {
		mkdir -p "$out"
		cp "$config" "$out/.config"
		cp "$config" "$out/.config.from"
	}
	make -s -C "$linux" O="$out" ARCH=x86 "${how[0]}" olddefconfig >/dev/null
	make -s -C "$linux" O="$out" ARCH=x86 "${how[0]}" -j"$(nproc)" prepare >"$TMPDIR/log" 2>&1 || {
		tail -n 20 "$TMPDIR/log" >&2
		die "the kernel's headers cannot be made (above); does scripts/build.sh work?"
	}
	(cd "$out" && rm -f "${objects[@]}")
	make -s -C "$linux" O="$out" ARCH=x86 "${how[@]}" W=1 -j"$(nproc)" "${objects[@]}" >"$TMPDIR/log" 2>&1 || {
		tail -n 20 "$TMPDIR/log" >&2
		die "the touched files cannot be compiled (above); fix them in build/linux and export."
	}
	for file in "${objects[@]}"; do
		[[ -f $out/$file ]] || die "$file is not part of the default configuration; add its option to selftests/config."
	done
	grep -E ': (warning|error|note):|^(warning|error):' "$TMPDIR/log" |
		sed -E "s|$linux/||g; s|^(\.\./)+[a-z0-9]*/||; s/:[0-9]+(:[0-9]+)?:/:/g" | sort -u || :
}

found=
for compiler in gcc clang; do
	own_tree base
	warnings "$compiler" "${files[@]}" >"$TMPDIR/base"
	own_tree HEAD
	warnings "$compiler" "${files[@]}" >"$TMPDIR/series"

	# It is seen to look, on a fault of each kind in the last of the files.
	cat >>"$linux/${files[-1]}" <<-'END'
		void planted_w1(void) { }
		int planted_sparse(int __user *p);
		int planted_sparse(int __user *p) { return *p; }
	END
	warnings "$compiler" "${files[-1]}" >"$TMPDIR/planted"
	git -C "$linux" checkout -q -- "${files[-1]}"
	grep -q 'planted_w1.*-Wmissing-prototypes' "$TMPDIR/planted" ||
		die "W=1 with $compiler does not see a planted fault, so it proves nothing; is it the one that scripts/setup.sh check installs?"
	[[ $compiler == clang ]] || grep -q 'dereference of noderef expression' "$TMPDIR/planted" ||
		die "sparse does not see a planted fault, so it proves nothing; run scripts/setup.sh check, it builds one that is new enough."

	comm -13 "$TMPDIR/base" "$TMPDIR/series" >"$TMPDIR/new"
	[[ ! -s $TMPDIR/new ]] || {
		cat "$TMPDIR/new"
		die "with $compiler these are new in the series; fix them in build/linux and export."
	}
	found+=", $(wc -l <"$TMPDIR/base") findings on the base with $compiler"
done
echo "${#files[@]} files$found, none new"
