#!/bin/bash
# On which kernels the series is good: each linux-source that Debian has and the base; writes Documentation/results/bases.tsv. Fails if one of KNOWN_GOOD is bad.
set -euo pipefail
# shellcheck source=selftests/gates/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
# shellcheck source=scripts/base.env
. "$TOP/scripts/base.env"

# Good: every patch applies without fuzz, the default kernel builds and boots, and
# the selftests pass. Bad: the patch that does not apply, or what failed. What was
# good, or did not apply, with this series is not tried again, so an interrupted
# run goes on where it stopped.
results=$TOP/Documentation/results/bases.tsv
mkdir -p "${results%/*}"
touch "$results"
unset LINUX
export BUILD=$STATE/bases
mkdir -p "$BUILD"

# try SOURCE: sets result and why.
try() {
	local test log=$BUILD/bases.log
	result=bad
	# The last lines of apply.sh and of the others are sentences.
	why=$("$TOP/scripts/apply.sh" "$1" 2>&1 >/dev/null | tail -n 1) || :
	why=${why#apply.sh: error: }
	why=${why%%; make the patch fit*}
	[[ $why != apply:* ]] || why=
	[[ -z $why ]] || return 0
	if ! "$TOP/scripts/build.sh" default >"$log" 2>&1; then
		why="does not build: $(grep -m 1 'error:' "$log" | cut -c 1-120)"
		return 0
	fi
	for test in boot-default:page_huge boot-default:page_huge_ops boot-default:page_huge_gup \
		boot-default:page_huge_zero driver-default:hugetlb_driver \
		dma-default:hugetlb_heap dma-default:hugetlb_heap_map; do
		# In a subshell, where a failure ends it and not the gate. What may be
		# skipped, and the pools, are those of the gate that runs it each time.
		if ! (
			GATE=${test%:*}
			[[ $GATE != dma-default ]] ||
				export KERNEL_ARGS="page_table_check=on default_hugepagesz=2M hugepagesz=2M hugepages=128 hugepagesz=1G hugepages=0:1,1:3"
			boot_selftest default "./${test#*:}"
		) >"$log" 2>&1; then
			why="${test#*:} fails: $(grep -m 1 -E '^(not ok|skip not allowed)|: error: ' "$log" | cut -c 1-120)"
			return 0
		fi
	done
	result=good
}

count=0 failed=0
"$TOP/scripts/fetch.sh" --list >"$TMPDIR/list"
# The base need not be among the newest.
grep -qxF "$BASE_DEB_VERSION $BASE_DEB_PACKAGE" "$TMPDIR/list" || echo "$BASE_DEB_VERSION $BASE_DEB_PACKAGE" >>"$TMPDIR/list"
while read -r deb _; do
	count=$((count + 1))
	version=${deb%%-*}
	if awk -F'\t' -v version="$deb" -v tree="$TREE" '$2 == version && $5 == tree &&
		($3 == "good" || $4 ~ /does not apply/) { found = 1 } END { exit !found }' "$results"; then
		say "$deb: seen with this series"
	else
		say "$deb: trying"
		if [[ $deb == "$BASE_DEB_VERSION" ]]; then
			source=$("$TOP/scripts/fetch.sh")
		else
			source=$("$TOP/scripts/fetch.sh" "$version")
		fi
		try "$source"
		{
			printf '# linux\tpackage version\tresult\twhat is bad\tof the series\tday\n'
			{
				awk -F'\t' -v version="$deb" '!/^#/ && $2 != version' "$results"
				printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$version" "$deb" "$result" "${why:--}" "$TREE" "$(date -u +%F)"
			} | sort -V
		} >"$results.new"
		mv "$results.new" "$results"
	fi
	for good in $KNOWN_GOOD; do
		if [[ $version == "$good" ]] && ! awk -F'\t' -v version="$deb" '$2 == version && $3 == "good" { found = 1 } END { exit !found }' "$results"; then
			say "$deb is one of KNOWN_GOOD in scripts/base.env, and is not good"
			failed=1
		fi
	done
done <"$TMPDIR/list"
cat "$results"
((!failed))
echo "$count kernels"
