# shellcheck shell=bash
# What the gates share; sourced, never run. The caller has set -euo pipefail.
#
# test.sh sets: GATE (this gate's name), TREE (tree id of the applied series), KEY
# (a digest of what a pass of this gate depends on, see Green in test.sh),
# STATE (where gates may keep things between runs), TMPDIR (gone afterwards).
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"
: "${GATE:?run gates with scripts/test.sh}" "${TREE?}" "${KEY=}" "${STATE:?}" "${TMPDIR:?}"

# Of several machines of a gate, the one that check_tap is about.
GATE_MACHINE=

# complain TEXT: the gate goes on, and ends with ((bad == 0)).
bad=0
complain() {
	say "$*"
	# shellcheck disable=SC2034 # for the gate
	bad=1
}

# Files that the series changes or adds and that match the pathspecs.
touched() {
	git -C "$BUILD/linux" diff --name-only --no-renames --diff-filter=d base HEAD -- "$@"
}

# A tree of the gates' own in $STATE/linux, at COMMIT of build/linux. Files that
# are the same keep their time, so what was built there stays built.
own_tree() {
	local commit
	commit=$(git -C "$BUILD/linux" rev-parse "$1^{commit}")
	if ! git -C "$STATE/linux" rev-parse -q --verify HEAD >/dev/null 2>&1; then
		rm -rf "$STATE/linux"
		git clone -q --shared --no-checkout "$BUILD/linux" "$STATE/linux"
	fi
	git -C "$STATE/linux" fetch -q "$BUILD/linux" "$commit"
	git -C "$STATE/linux" checkout -q --force --detach "$commit"
	# What mm's selftests find out of libraries stays: all of them depend on it.
	git -C "$STATE/linux" clean -qfdx -e 'local_config.*'
}

# change_kernel OPTIONS...: the default kernel of the series but for these, which
# scripts/config knows, in the gates' own $BUILD from here on. Makes bzImage and
# modules; mk TARGETS makes more.
change_kernel() {
	own_tree HEAD
	# Where the gate each-patch has built nearly all of it.
	BUILD=$STATE
	"$TOP/scripts/build.sh" default
	# From here on it is not what build.sh has built.
	echo "changed: $*" >"$BUILD/default/tree"
	use_ccache
	"$BUILD/linux/scripts/config" --file "$BUILD/default/.config" "$@"
	mk olddefconfig
	mk bzImage modules
}
mk() {
	make -s -C "$BUILD/linux" O="$BUILD/default" ARCH=x86 CC="$cc" -j"$(nproc)" "$@"
}

# skip_why GATE REASON: why selftests/skip.allow has that for the gate, if it does.
skip_why() {
	local pattern why _
	while IFS=$'\t' read -r _ pattern why; do
		[[ ! $2 =~ ^($pattern)$ ]] || { printf '%s\n' "$why"; return; }
	done < <(grep "^$1"$'\t' "$TOP/selftests/skip.allow")
	return 1
}

# check_tap FILE: every test in this TAP passed, as many as planned, and each
# skip is for a reason that selftests/skip.allow has for this gate, or for it and
# GATE_MACHINE. Where that says "in the same run", the same test has passed in
# another variant, unless one was skipped for what the machine has not.
check_tap() {
	local bad=0 line reason why test machine=${GATE_MACHINE:+$GATE-$GATE_MACHINE} skips=() lacks=" "
	prove --merge -Q --exec cat "$1" || bad=1
	grep -q '^1\.\.[0-9]' "$1" || { say "no plan: the test did not get that far"; bad=1; }
	mapfile -t skips < <(grep -iE '^(ok|1\.\.0).*# *skip' "$1")
	for line in "${skips[@]}"; do
		[[ ! $machine ]] || ! skip_why "$machine" "$(reason_of "$line")" >/dev/null ||
			lacks+="$(variants_of "$line") "
	done
	for line in "${skips[@]}"; do
		reason=$(reason_of "$line")
		test=$(variants_of "$line")
		if [[ $machine ]] && skip_why "$machine" "$reason" >/dev/null; then
			say "skip allowed: $line"
		elif ! why=$(skip_why "$GATE" "$reason"); then
			say "skip not allowed: $line"
			bad=1
		elif [[ $why == *"in the same run"* && $lacks != *" $test "* ]] && ! grep -qE "^ok [0-9]+ $test *$" "$1"; then
			say "skip not allowed, it has not passed in the same run: $line"
			bad=1
		else
			say "skip allowed: $line"
		fi
	done
	return "$bad"
}
reason_of() {
	sed -E 's/^.*# *[Ss][Kk][Ii][Pp] *//' <<<"$1"
}
# variants_of LINE: a regular expression for that test in all variants. The harness of
# kselftest has fixture.variant.test; KUnit "- suite.test.variant", whose sizes vary.
variants_of() {
	local name=${1%% # *}
	if [[ $name =~ ^ok\ [0-9]+\ (-\ .*)$ ]]; then
		sed -E 's/[.]/\\./g; s/[0-9]+kB/[0-9]+kB/' <<<"${BASH_REMATCH[1]%% }"
	else
		printf '%s\n' "[^ ]*\.${name##*.}"
	fi
}

# hunt DIR PROGRAM...: programs of selftests/hunt, or of the copy in HUNT, in DIR.
# build.sh has made the headers.
hunt() {
	local dir=$1
	shift
	make -s -C "${HUNT:-$TOP/selftests/hunt}" O="$dir" LINUX="$BUILD/linux" \
		HEADERS="$BUILD/kselftest/usr/include" "${@/#/$dir/}"
}

# plant FAULT CONFIG FILE: the module test_hugetlb of that kernel, with a fault of
# selftests/hunt/planted.diff, in FILE. build.sh has built the kernel.
plant() {
	local dir=$TMPDIR/planted/$1
	mkdir -p "$dir/lib" "${3%/*}"
	cp "$BUILD"/linux/lib/test_hugetlb{.c,_uapi.h} "$dir/lib"
	patch -s -d "$dir" -p1 <"$TOP/selftests/hunt/planted.diff" ||
		die "planted.diff does not apply any more; bring it up to date with lib/test_hugetlb.c."
	printf 'obj-m := test_hugetlb.o\nccflags-y := -DPLANTED_%s\n' "$1" >"$dir/lib/Kbuild"
	make -s -C "$BUILD/linux" O="$BUILD/$2" ARCH=x86 LOCALVERSION= M="$dir/lib" modules
	cp "$dir/lib/test_hugetlb.ko" "$3"
}

# boot_selftest CONFIG COMMAND...: build that kernel, run each COMMAND where its mm
# selftests are, all in one boot, and check the TAP of each and that no counter
# changed. The directory OVERLAY goes into the guest as well.
boot_selftest() {
	local config=$1 command status=0 bad=0
	shift
	# Errors do not end it where the gate asks how it went.
	"$TOP/scripts/build.sh" "$config" || die "the $config kernel cannot be built (above)."
	[[ -x $BUILD/$config/overlay/kselftest/mm/page_huge ]] ||
		die "the series brings no selftest page_huge; see tools/testing/selftests/mm/Makefile in it."
	TIMEOUT=${TIMEOUT:-900} "$TOP/scripts/boot.sh" -c "$config" -o "$TOP/selftests/gates/overlay" \
		${OVERLAY:+-o "$OVERLAY"} -- /gate/tests.sh "$@" >"$TMPDIR/said" || status=$?
	cat "$TMPDIR/said"
	if ((status)); then
		# Again, for who sees the end only.
		grep -A 1 '^not ok' "$TMPDIR/said" || :
		die "$* ended with $status on the $config kernel (99: a counter changed; 120 to 123: see scripts/boot.sh)."
	fi
	for command; do
		awk -v want="### $command" '/^### / { on = $0 == want; next } on' "$TMPDIR/said" >"$TMPDIR/tap"
		say "$command"
		check_tap "$TMPDIR/tap" || bad=1
	done
	return "$bad"
}

# programs CONFIG LIST: what the tree's own programs that selftests/gates/overlay/gate/LIST
# names, and the tests in them, say on that kernel: a line each.
programs() {
	local status=0
	# The C library loads this one itself, when a thread is cancelled.
	install -D "$(gcc -print-file-name=libgcc_s.so.1)" "$TMPDIR/libs/lib/x86_64-linux-gnu/libgcc_s.so.1"
	TIMEOUT=${TIMEOUT:-1500} "$TOP/scripts/boot.sh" -c "$1" -o "$TOP/selftests/gates/overlay" -o "$TMPDIR/libs" -- \
		/gate/programs.sh "$2" >"$TMPDIR/all" || status=$?
	cat "$TMPDIR/all" >&2
	((status == 0)) || die "the tests could not be run: boot.sh ended with $status, its first lines say what that means."
	grep -v '^| ' "$TMPDIR/all"
}

# mm_list: the same of mm.list, without pages of 1 GiB, which take minutes to copy,
# and with the processors that the test "migration" wants.
mm_list() {
	CPUS=3 QEMU_ARGS="-cpu max,-erms,-fsrm,-la57,-pdpe1gb" KERNEL_ARGS="hugepages=128" TIMEOUT=2400 \
		programs default mm.list
}

# test_names: of such lines, which test it is, without what it said.
test_names() {
	sed -E 's/: (pass|skip|no end|fail [0-9]+)$//; t; s/: (ok|not ok) /: /; s/ *# SKIP.*//'
}

# run_tests FILE...: tests of this repository, as many at a time as there are
# processors or JOBS says, each with all of its output when it fails.
run_tests() {
	local bad=0 file status out not_ok=()
	(($#)) || die "there are no tests to run; is $TOP the repository?"
	# shellcheck disable=SC2016 # expanded by the bash that xargs starts
	printf '%s\0' "$@" | xargs -0 -n 1 -P "${JOBS:-$(nproc)}" bash -c '
		out=$TMPDIR/${1##*/}
		status=0
		bash "$1" >"$out.tap" 2>"$out.err" || status=$?
		echo "$status" >"$out.status"' -
	for file; do
		out=$TMPDIR/${file##*/}
		status=$(<"$out.status")
		say "$file"
		if ! check_tap "$out.tap" || ((status)); then
			bad=1
			grep -v '^ok' "$out.tap" || :
			cat "$out.err"
			say "$file failed, its status is $status"
			not_ok+=("$(grep '^not ok' "$out.tap" | sed "s,^,$file: ,")")
		fi
	done
	# Again, for who sees the end only.
	((!bad)) || printf '%s\n' "${not_ok[@]}"
	return "$bad"
}
