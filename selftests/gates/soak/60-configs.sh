#!/bin/bash
# What the series touches compiles without a warning in each configuration of selftests/config/configs.tsv, with gcc and clang, on seven architectures, and lacks no symbol; writes Documentation/results/configs.tsv.
# Green: scripts/lib.sh selftests/config selftests/gates/lib.sh
set -euo pipefail
# shellcheck source=selftests/gates/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

# Built with CONFIG_WERROR: the files that the series touches, those of the kernel's
# core that include <linux/hugetlb.h> and its like, all of the touched directories
# where the list says "whole", and a link where it says vmlinux. Elsewhere the symbols
# of the touched files are looked for among what was built: one that is used and not
# there, or used by a module and not exported, is what a link would stop at.
# A configuration that was good on this series is not built again, so an interrupted
# run goes on where it stopped.
list=$TOP/selftests/config/configs.tsv
fragments=$TOP/selftests/config
results=$TOP/Documentation/results/configs.tsv
work=$STATE/configs
linux=$STATE/linux
known=$work/symbols.$TREE

# Directories whose condition is in the makefile above, not in their own.
declare -A needs=([arch/powerpc/mm/nohash]=PPC_MMU_NOHASH [arch/powerpc/mm/book3s32]=PPC_BOOK3S_32
	[arch/powerpc/mm/book3s64]=PPC_BOOK3S_64
	[fs/proc]=PROC_FS [drivers/dma-buf]=DMA_SHARED_BUFFER [drivers/dma-buf/heaps]=DMABUF_HEAPS)
declare -A prefixes=(
	[x86_64]="" [i386]="" [arm64]=aarch64-linux-gnu- [riscv]=riscv64-linux-gnu- [s390]=s390x-linux-gnu-
	[powerpc]=powerpc64le-linux-gnu- [arm]=arm-linux-gnueabihf-
)

"$TOP/scripts/setup.sh" build check cross
own_tree HEAD
mkdir -p "$work" "${results%/*}"
touch "$results"
mapfile -t files < <(touched '*.c' ':!tools')
((${#files[@]})) || die "the series touches no C file of the kernel; is it applied?"
git -C "$linux" grep -hoE '^[[:space:]]*(menu)?config [A-Za-z0-9_]+' -- '*Kconfig*' | sed 's/.* //' >"$TMPDIR/options"

# The options that the series adds, and what they are when nothing else is said.
mapfile -t own < <(git -C "$linux" diff "$(git -C "$BUILD/linux" rev-parse base)" HEAD -- '*Kconfig*' |
	sed -n -E 's/^\+(menu)?config //p')
((${#own[@]})) || die "the series adds no option; is it applied?"

# ask ROW: sets the array wanted to what each option of the row, and of the series,
# has to be; arch, compiler and the others are set.
ask() {
	local word option
	IFS=$'\t' read -r name arch compiler from made options <<<"$1"
	declare -gA wanted=()
	for option in "${own[@]}"; do
		wanted[$option]=$(sed -n "s/^CONFIG_$option=//p" "$fragments/series.config")
		wanted[$option]=${wanted[$option]:-n}
	done
	wanted[WERROR]=y
	for word in ${options#-}; do
		if [[ $word == series=* ]]; then
			for option in "${own[@]}"; do
				wanted[$option]=${word#*=}
			done
		else
			wanted[${word%%=*}]=${word#*=}
		fi
	done
	out=$work/$arch-$compiler
	srcarch=${arch/%86_64/86}
	srcarch=${srcarch/i386/x86}
	use_ccache
	nm=${prefixes[$arch]-}nm
	kernel=("CROSS_COMPILE=${prefixes[$arch]-}" "CC=${cc/%gcc/${prefixes[$arch]-}gcc}")
	if [[ $compiler == clang ]]; then
		nm=llvm-nm-19
		kernel=("LLVM=-19" "CC=${cc/%gcc/clang-19}")
	fi
}
mk() {
	make -s -C "$linux" O="$out" ARCH="$arch" "${kernel[@]}" -j"${JOBS:-$(nproc)}" "$@"
}
# value OPTION: y, m, n, or what else it came out as.
value() {
	local value
	value=$(sed -n "s/^CONFIG_$1=//p" "$out/.config")
	echo "${value:-n}"
}

# Each of these sets why, if something is wrong.
first_error() {
	grep -m 1 -E '(error|ERROR): |undefined' "$TMPDIR/log" || tail -n 1 "$TMPDIR/log"
}

# configure: writes the configuration of the row, and looks whether it is the one that
# was asked for.
configure() {
	local option row=$TMPDIR/row.config
	mkdir -p "$out"
	for option in "${!wanted[@]}"; do
		if [[ ${wanted[$option]} == n ]]; then
			echo "# CONFIG_$option is not set"
		else
			echo "CONFIG_$option=${wanted[$option]}"
		fi
	done | LC_ALL=C sort >"$row"
	cp -p "$out/.config" "$TMPDIR/before" 2>/dev/null || : >"$TMPDIR/before"
	case $from in
	default | small)
		cat "$linux/kernel/configs/tiny-base.config" "$fragments"/{small,"$from",series}.config \
			"$row" >"$TMPDIR/all.config"
		KCONFIG_ALLCONFIG=$TMPDIR/all.config mk allnoconfig
		;;
	all*config)
		KCONFIG_ALLCONFIG=$row mk "$from"
		;;
	*)
		mk "$from"
		echo CONFIG_DEBUG_INFO_NONE=y |
			cat - "$fragments/small.config" "$fragments/series.config" "$row" >>"$out/.config"
		mk olddefconfig
		;;
	esac >"$TMPDIR/log" 2>&1 || {
		why="cannot be configured: $(tail -n 1 "$TMPDIR/log")"
		return 0
	}
	# Kbuild looks at time stamps.
	! cmp -s "$out/.config" "$TMPDIR/before" || touch -r "$TMPDIR/before" "$out/.config"
	for option in "${!wanted[@]}"; do
		grep -qx "$option" "$TMPDIR/options" || {
			why="there is no option $option"
			return 0
		}
		[[ $(value "$option") == "${wanted[$option]}" ]] || {
			why="$option came out as $(value "$option"), not as ${wanted[$option]}"
			return 0
		}
	done
}

# objects DIR: those that the configuration has of it, as its makefile says: "y" or "m",
# and the object.
objects() {
	local how object
	[[ ! ${needs[$1]-} || $(value "${needs[$1]}") != n ]] || return 0
	make -s -r -f - -C "$out" dir="$1" srctree="$linux" SRCARCH="$srcarch" <<-'END' >"$TMPDIR/made" 2>&1 || {
		all:
		FORCE:
		include include/config/auto.conf
		src := $(srctree)/$(dir)
		obj := $(dir)
		include $(src)/Makefile
		parts = $(foreach o,$(filter %.o,$(1)),$(or $(strip $($(o:.o=-objs)) $($(o:.o=-y)) $($(o:.o=-m))),$(o)))
		$(foreach o,$(sort $(call parts,$(obj-y))),$(info y $(dir)/$(o)))
		$(foreach o,$(sort $(call parts,$(obj-m))),$(info m $(dir)/$(o)))
		.PHONY: all FORCE
	END
		tail -n 1 "$TMPDIR/made" >&2
		die "$1/Makefile cannot be read by itself (above)."
	}
	while read -r how object; do
		[[ ! -f $linux/${object%.o}.c ]] || echo "$how $object"
	done <"$TMPDIR/made"
}

# compile: the objects, listed in $TMPDIR/objects, those of modules in
# $TMPDIR/modules too.
compile() {
	local dir goals
	{
		printf '%s\n' "${files[@]}"
		git -C "$linux" grep -lE 'include <linux/(hugetlb|hugetlb_driver).h>' -- \
			'*.c' ':!drivers' ':!security' ':!arch' ':!tools'
		git -C "$linux" grep -lE 'include <linux/hugetlb.h>' -- drivers/base drivers/dma-buf "arch/$srcarch/mm"
	} | sort -u >"$TMPDIR/of-interest"
	mk prepare >"$TMPDIR/log" 2>&1 || {
		why=$(first_error)
		return 0
	}
	while read -r dir; do
		while [[ ! -f $linux/$dir/Makefile ]]; do
			dir=${dir%/*}
		done
		echo "$dir"
	done < <(xargs -n 1 dirname <"$TMPDIR/of-interest") | sort -u >"$TMPDIR/dirs"
	while read -r dir; do
		objects "$dir"
	done <"$TMPDIR/dirs" | sort -u >"$TMPDIR/all"
	if [[ $made == whole ]]; then
		grep -E ' (mm|fs/hugetlbfs|fs/proc|drivers/dma-buf)/' "$TMPDIR/all" || :
	fi >"$TMPDIR/wanted"
	sed 's/\.c$/.o/' "$TMPDIR/of-interest" | awk 'NR == FNR { of[$0]; next } $2 in of' - "$TMPDIR/all" |
		sort -u - "$TMPDIR/wanted" >"$TMPDIR/goals"
	cut -d ' ' -f 2 "$TMPDIR/goals" >"$TMPDIR/objects"
	sed -n 's/^m //p' "$TMPDIR/goals" >"$TMPDIR/modules"
	mapfile -t goals <"$TMPDIR/objects"
	mk "${goals[@]}" >"$TMPDIR/log" 2>&1 || {
		why=$(first_error)
		return 0
	}
}

# symbols FILE: what these objects say of symbols.
symbols() {
	(cd "$out" && xargs -r "$nm" -A 2>/dev/null) <"$1"
}
defined() {
	awk '$(NF-1) ~ /^[ABCDGRSTVW]$/ { print $NF }' | sort -u
}
undefined() {
	awk '$(NF-1) == "U" { print $NF }' | sort -u
}

# link: the symbols of the touched files that are wanted are there, and what is to be
# linked can be.
link() {
	local missing
	symbols "$TMPDIR/objects" >"$TMPDIR/nm"
	defined <"$TMPDIR/nm" >"$TMPDIR/defined"
	missing=$(undefined <"$TMPDIR/nm" | comm -12 - "$known" | comm -23 - "$TMPDIR/defined" | xargs)
	[[ ! $missing ]] || {
		why="undefined: $missing"
		return 0
	}
	sed -n 's/.* __export_symbol_//p' "$TMPDIR/nm" | sort -u >"$TMPDIR/exported"
	missing=$(symbols "$TMPDIR/modules" | undefined | comm -12 - "$known" | comm -23 - "$TMPDIR/exported" | xargs)
	[[ ! $missing ]] || {
		why="not exported: $missing"
		return 0
	}
	[[ $made == vmlinux ]] || return 0
	local goals=(vmlinux)
	[[ $(value MODULES) == n ]] || goals+=(modules)
	mk "${goals[@]}" >"$TMPDIR/log" 2>&1 || why=$(first_error)
}

# try ROW: all of that.
try() {
	ask "$1"
	why=
	configure
	[[ $why ]] || compile
	[[ ! $why ]] || return 0
	mapfile -t built < <(for file in "${files[@]}"; do
		! grep -qxF "${file%.c}.o" "$TMPDIR/objects" || echo "$file"
	done)
	((${#built[@]})) || die "no file that the series touches is part of $name, so it proves nothing; look at $list."
	if [[ $arch-$compiler-$name == x86_64-gcc-full ]]; then
		((${#built[@]} == ${#files[@]})) ||
			die "only ${built[*]} are part of the configuration full; add to selftests/config what the others need."
		printf '%s\n' "${built[@]/%.c/.o}" >"$TMPDIR/touched"
		symbols "$TMPDIR/touched" | defined >"$known"
	fi
	link
}

record() {
	{
		printf '# configuration\tarchitecture\tcompiler\tresult\twhat is bad\tobjects\tof them touched\tmade\ttree of the series\tof the list\tconfiguration made\toptions\n'
		{
			# Those that the list still has, but for this one.
			awk -F'\t' -v this="$arch $compiler $name" '
				/^#/ { next }
				{ row = $2 " " $3 " " $1 }
				NR == FNR { listed[row]; next }
				row != this && row in listed
			' "$list" "$results"
			printf '%s\t%s\t%s\t%s\t%s\t%d\t%d\t%s\t%s\t%s\t%s\t%s\n' "$name" "$arch" "$compiler" \
				"$([[ $why ]] && echo bad || echo good)" "${why:--}" "$(wc -l <"$TMPDIR/objects")" \
				"${#built[@]}" "$made" "$TREE" "$key" "$(sha256sum <"$out/.config" | cut -c 1-12)" "$options"
		} | sort -t $'\t' -k 2,3 -k 1,1
	} >"$results.new"
	mv "$results.new" "$results"
}

mapfile -t rows < <(grep -v '^#' "$list")
count=0
for row in "${rows[@]}"; do
	count=$((count + 1))
	ask "$row"
	key=$({
		echo "$row"
		cat "${BASH_SOURCE[0]}" "$TOP"/{scripts,selftests/gates}/lib.sh "$fragments"/{default,small,series}.config
	} | sha256sum | cut -c 1-12)
	if [[ -f $known ]] && awk -F'\t' -v name="$name" -v arch="$arch" -v compiler="$compiler" -v tree="$TREE" -v key="$key" \
		'$1 == name && $2 == arch && $3 == compiler && $4 == "good" && $9 == tree && $10 == key { found = 1 } END { exit !found }' "$results"; then
		say "[$count/${#rows[@]}] $arch, $compiler, $name: was good on this series"
		continue
	fi
	say "[$count/${#rows[@]}] $arch, $compiler, $name"
	: >"$TMPDIR/objects"
	built=()
	try "$row"
	[[ ! $why ]] || complain "$arch, $compiler, $name: $why"
	record
done
# An option that something else decides gives the same kernel again.
twins=$(awk -F'\t' '!/^#/ { print $2, $3, $11 }' "$results" | sort | uniq -d)
[[ ! $twins ]] || complain "these configurations are made twice, so one of each proves nothing: $twins"

# It is seen to look.
planted() {
	local what=$1 row=$2 regex=$3 file=${4-}
	say "planted: $what"
	[[ ! $file ]] || cat >>"$linux/$file"
	try "$row"
	[[ ! $file ]] || git -C "$linux" checkout -q -- "$file"
	[[ $why =~ $regex ]] ||
		die "$what is not seen (what it says is: ${why:-good}), so the gate proves nothing."
}
full=${rows[0]}
without=$(grep -P '^no-hugetlbfs\tx86_64\tgcc\t' "$list")
symbol=$(echo fs/hugetlbfs/driver.o >"$TMPDIR/touched" && ask "$full" && symbols "$TMPDIR/touched" | defined | sed -n 1p)
planted "an error" "$full" "planted" mm/hugetlb_fresh.c <<<'#error planted'
planted "a warning" "$full" "planted_unused.*Werror" mm/hugetlb_fresh.c <<<'static int planted_unused;'
planted "a use of what is not built" "$without" "^undefined: $symbol$" mm/vmstat.c \
	<<<"asm(\".pushsection .rodata\\n.quad $symbol\\n.popsection\");"
planted "a use of what is not exported" "$full" "^not exported: hugetlb_fault$" lib/test_hugetlb.c \
	<<<"asm(\".pushsection .rodata\\n.quad hugetlb_fault\\n.popsection\");"
planted "an option that another one decides" "${full/%-/HUGETLBFS=n series=n HUGETLB_PAGE=y}" "^HUGETLB_PAGE came out as n"
planted "an option that is none" "${full/%-/HUGETLBFSS=n}" "there is no option HUGETLBFSS"
own_tree HEAD
((bad == 0))
echo "${#rows[@]} configurations"
