#!/bin/bash
# Each fault of selftests/mutations, switched on in the kernel, turns the test named with it red, and none of them does when all are off; writes Documentation/results/mutations.tsv.
set -euo pipefail
# shellcheck source=selftests/gates/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

# mutations.diff goes on top of the series and adds the kernel argument
# hugetlb_mutation=NAME; list.tsv has the names, the kernel (debug where only its
# checks see it), further arguments of the kernel or, in capitals, settings of
# boot.sh, and the test. There is always an edu device, and an IOMMU that the
# kernel uses; intel_iommu=off is for a machine without.
# One that was red on this series is not tried again, so an interrupted run goes
# on where it stopped.
results=$TOP/Documentation/results/mutations.tsv
dir=$TOP/selftests/mutations
mkdir -p "${results%/*}"
touch "$results"
key=$TREE$'\t'$(cat "$dir"/mutations.diff "$dir"/list.tsv | sha256sum | cut -c1-12)

own_tree HEAD
git -C "$STATE/linux" apply "$dir/mutations.diff" ||
	die "mutations.diff does not apply any more; bring it up to date with the series."

# mutated NAME KERNEL ARGS TEST: its status.
mutated() {
	local status=0 limit=90 word args="hugetlb_mutation=$1" settings=()
	[[ $2 != debug ]] || limit=300
	for word in ${3#-}; do
		if [[ $word =~ ^[A-Z]+= ]]; then
			settings+=("$word")
		else
			args+=" $word"
		fi
	done
	# shellcheck disable=SC2016 # expanded in the guest
	env BUILD="$STATE" TIMEOUT=$limit KERNEL_ARGS="$args" \
		QEMU_ARGS="-device intel-iommu -device edu,dma_mask=0xffffffffffffffff" \
		${settings[@]+"${settings[@]}"} "$TOP/scripts/boot.sh" \
		-c "$2" -o "$TOP/selftests/gates/overlay" -- \
		bash -c 'cd /kselftest/mm && exec /gate/counters.sh bash -c "$1"' - "$4" \
		>"$STATE/mutation.$1.log" 2>&1 || status=$?
	((status != 120)) || die "the guest did not start; see $STATE/mutation.$1.log."
	return "$status"
}

bad=0 count=0
mapfile -t list < <(grep -v '^#' "$dir/list.tsv")
declare -A built=() green=()
for line in "${list[@]}"; do
	IFS=$'\t' read -r name trap kernel args test what <<<"$line"
	count=$((count + 1))
	if grep -qF "$name"$'\t'"red"$'\t'"$key" "$results"; then
		say "[$count/${#list[@]}] $name: was red on this series"
		continue
	fi
	say "[$count/${#list[@]}] $name: $what"
	if [[ -z ${built[$kernel]-} ]]; then
		BUILD=$STATE "$TOP/scripts/build.sh" "$kernel"
		built[$kernel]=1
	fi
	# A test that fails without any fault shows nothing.
	if [[ -z ${green[$kernel$args$test]-} ]]; then
		mutated none "$kernel" "$args" "$test" ||
			die "without a mutation '$test' ends with $?; see $STATE/mutation.none.log."
		green[$kernel$args$test]=1
	fi
	status=0
	mutated "$name" "$kernel" "$args" "$test" || status=$?
	result=red
	((status)) || { result=green bad=1; say "$name: '$test' stays green"; }
	{
		printf '# mutation\tresult\ttree of the series\tof the mutations\ttrap\tstatus\tkernel\tkernel arguments\ttest\twhat is taken out\n'
		{
			awk -F'\t' -v name="$name" '!/^#/ && $1 != name' "$results"
			printf '%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\t%s\n' "$name" "$result" "$key" "$trap" "$status" "$kernel" "$args" "$test" "$what"
		} | sort
	} >"$results.new"
	mv "$results.new" "$results"
done
own_tree HEAD
exit "$bad"
