#!/bin/bash
# The same as races for MINUTES (default: 30) on the debug kernel and a third of it on the default one; and faults planted in a driver (selftests/hunt/planted.diff) and in the kernel (mutations.tsv there) are seen. Writes Documentation/results/races.tsv and races-faults.tsv.
# Green: scripts/lib.sh scripts/build.sh scripts/boot.sh selftests/config selftests/guest selftests/splat.deny selftests/splat.allow selftests/skip.allow selftests/gates/lib.sh selftests/gates/overlay selftests/hunt selftests/mutations
set -euo pipefail
# shellcheck source=selftests/gates/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

# Environment, for a longer look, or for one of the kernels or the faults alone:
#   MINUTES   how long the debug kernel runs
#   PARTS     some of "default debug planted mutations"
minutes=${MINUTES:-30}
results=$TOP/Documentation/results/races.tsv
dir=$TOP/selftests/hunt
export OVERLAY=$TMPDIR/overlay MEM=3072 KERNEL_ARGS="hugepages=128" \
	QEMU_ARGS="-cpu max,-erms,-fsrm,-la57,-pdpe1gb"
touch "$results"

# replace FILE HEADER LINE: LINE takes the place of the one whose first column is
# the same.
replace() {
	{
		printf '%s\n' "$2"
		{
			awk -F'\t' -v name="${3%%$'\t'*}" '!/^#/ && $1 != name' "$1"
			printf '%s\n' "$3"
		} | sort
	} >"$1.new"
	mv "$1.new" "$1"
}

# race CONFIG SECONDS: so long, and what came of it.
race() {
	local config=$1 status=0 rounds operations failures seed seconds
	# Where it is called, errors do not end it.
	"$TOP/scripts/build.sh" "$config" || return 1
	hunt "$OVERLAY/hunt" races || return 1
	: >"$TMPDIR/said"
	# Not to end here if it dies: what came of it is written first.
	(TIMEOUT=$(($2 * 3 + 300)) boot_selftest "$config" "env LIMIT=300 /hunt/races seconds $2") || status=$?
	IFS=$'\t' read -r seed rounds operations failures seconds < <(sed -nE \
		's/^# races: SEED=(.*) rounds=(.*) operations=(.*) failures=(.*) seconds=(.*)$/\1\t\2\t\3\t\4\t\5/p' \
		"$TMPDIR/said") || seed=unknown rounds=0 operations=0 failures=1 seconds=0
	# Less than the gate does is not its result.
	((minutes >= 30)) || return "$status"
	replace "$results" $'# kernel\ttree of the series\tday\trounds\toperations\tfailures\tseed\tseconds' \
		"$(printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s' "$config" "$TREE" "$(date -u +%F)" \
			"$rounds" "$operations" "$failures" "$seed" "$seconds")"
	return "$status"
}

# Faults of a driver, each with the kind that it is of.
declare -A faults=([leak]=leak [lock]=race [reservation]=reservation [zero]=stale)
planted() {
	local fault status
	"$TOP/scripts/build.sh" default
	hunt "$OVERLAY/hunt" races
	for fault in "${!faults[@]}"; do
		plant "$fault" default "$OVERLAY/hunt/$fault.ko"
	done
	# Each in a boot of its own: what it leaves is wrong.
	for fault in "${!faults[@]}"; do
		! red_before "driver-$fault" "$(digest "$dir/planted.diff")" || continue
		status=0
		# shellcheck disable=SC2016 # expanded in the guest
		TIMEOUT=700 "$TOP/scripts/boot.sh" -o "$OVERLAY" -- bash -c \
			'cp "/hunt/$1.ko" /lib/modules/*/kernel/lib/test_hugetlb.ko && /hunt/races seconds 180' - "$fault" \
			>"$STATE/hunt.driver-$fault.log" 2>&1 || status=$?
		seen "driver-$fault" "${faults[$fault]}" "$(digest "$dir/planted.diff")" "$status" \
			"/hunt/races seconds 180" "PLANTED_$fault of selftests/hunt/planted.diff"
	done
}

# digest FILE...: of the faults in them, and of what has to see them
digest() {
	{
		cat "$@"
		echo "$KEY"
	} | sha256sum | cut -c1-12
}

# red_before NAME DIGEST: one that was red on this series is not tried again, so an
# interrupted run goes on where it stopped.
red_before() {
	grep -q "^$1"$'\t[a-z]*\tred\t'"$TREE"$'\t'"$2"$'\t' "$faults_tsv" || return 1
	say "$1: was red on this series"
}

# What a fault of each kind is to be seen by.
declare -A says=(
	[leak]='(free|fresh)_hugepages [0-9]+ ->' [reservation]='resv_hugepages [0-9]+ ->'
	# Who removes a cgroup waits for ever for its charges.
	[uncharge]='charges are left|not done after|hangs.*cgroup'
	[stale]="somebody else's data|is not zero"
	[race]="somebody else's data" [input]=': [^:]* and not E'
)

# seen NAME KIND DIGEST STATUS COMMAND WHAT: was the fault seen, and by what?
seen() {
	local result=red what
	(($4 != 120)) || die "the guest did not start; see $STATE/hunt.$1.log."
	what=$(grep -A1 -m1 '^not ok' "$STATE/hunt.$1.log" | tr '\t\n' '  ') || :
	# What the kernel itself has said
	what+=$(grep -m1 '^boot.sh: error' "$STATE/hunt.$1.log" | sed 's/ The console is in .*//') || :
	if (($4 == 0)); then
		result=green bad=1
		say "$1: '$5' stays green"
	elif [[ ! $what =~ ${says[$2]} ]]; then
		result=other bad=1
		say "$1: '$5' ends with $4, but not for that reason"
	fi
	what=${what:0:300}
	say "$1: $result: $what"
	replace "$faults_tsv" $'# fault\tkind\tresult\ttree of the series\tof the faults\tstatus\tcommand\twhat is taken out\twhat was seen' \
		"$(printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s' "$1" "$2" "$result" "$TREE" "$3" "$4" "$5" "$6" "$what")"
}

bad=0
faults_tsv=$TOP/Documentation/results/races-faults.tsv
touch "$faults_tsv"
for part in ${PARTS:-default debug planted mutations}; do
	case $part in
	default) race default $((minutes * 20)) || bad=1 ;;
	debug) race debug $((minutes * 60)) || bad=1 ;;
	planted) planted ;;
	mutations) ;;
	*) die "'$part' is none of default, debug, planted, mutations." ;;
	esac
done
# finish: a part of the gate, or less of it, is not recorded as the gate.
finish() {
	((bad == 0)) || exit 1
	[[ ! ${PARTS-} && $minutes -ge 30 ]] ||
		die "that was good, and a part of the gate; it passes without PARTS, and in 30 minutes or more."
	exit 0
}
[[ " ${PARTS:-mutations} " == *" mutations "* ]] || finish

# Faults that the programs have to see, switched on as in the gate mutations; those
# of hunt/mutations.diff are about races. What is wrong is found or it is not: some
# need many rounds.
own_tree HEAD
for diff in "$TOP/selftests/mutations/mutations.diff" "$dir/mutations.diff"; do
	git -C "$STATE/linux" apply "$diff" ||
		die "$diff does not apply any more; bring it up to date with the series."
done
BUILD=$STATE "$TOP/scripts/build.sh" default
BUILD=$STATE hunt "$OVERLAY/hunt" races limits bad_input

# mutated NAME COMMAND: its status
mutated() {
	local status=0
	BUILD=$STATE TIMEOUT=600 KERNEL_ARGS="$KERNEL_ARGS hugetlb_mutation=$1" \
		"$TOP/scripts/boot.sh" -o "$TOP/selftests/gates/overlay" -o "$OVERLAY" -- \
		/gate/counters.sh bash -c "$2" >"$STATE/hunt.$1.log" 2>&1 || status=$?
	return "$status"
}

key=$(digest "$TOP/selftests/mutations/mutations.diff" "$dir/mutations.diff")
declare -A green=()
while IFS=$'\t' read -r name kind command what <&3; do
	! red_before "$name" "$key" || continue
	say "$name: $what"
	if [[ -z ${green[$command]-} ]]; then
		mutated none "$command" || die "without a mutation '$command' ends with $?; see $STATE/hunt.none.log."
		green[$command]=1
	fi
	status=0
	mutated "$name" "$command" || status=$?
	seen "$name" "$kind" "$key" "$status" "$command" "$what"
done 3< <(grep -v '^#' "$dir/mutations.tsv")
own_tree HEAD
finish
