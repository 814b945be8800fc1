#!/bin/bash
# Each fault of selftests/mutations, put into the kernel, turns the test named in it red; writes Documentation/results/mutations.tsv.
set -euo pipefail
# shellcheck source=selftests/gates/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

# A mutation is a diff with a head of its own:
#   # trap: N         of the table in Documentation/traps.md
#   # what: ...       the handling that is taken out
#   # config: NAME    default, or debug for what only a check of that kernel sees
#   # test: ...       what to run in the guest, where the mm selftests are
# One that was red on this series is not tried again, so an interrupted run goes
# on where it stopped.
results=$TOP/Documentation/results/mutations.tsv
field() {
	sed -n "s/^# $2: //p" "$1"
}
mkdir -p "${results%/*}"
touch "$results"

bad=0 count=0
files=("$TOP"/selftests/mutations/*.diff)
for file in "${files[@]}"; do
	name=$(basename "$file" .diff)
	count=$((count + 1))
	key=$TREE$'\t'$(sha256sum <"$file" | cut -c1-12)
	if grep -qF "$name"$'\t'"red"$'\t'"$key" "$results"; then
		say "[$count/${#files[@]}] $name: was red on this series"
		continue
	fi
	say "[$count/${#files[@]}] $name: $(field "$file" what)"
	config=$(field "$file" config)
	own_tree HEAD
	git -C "$STATE/linux" apply "$file" ||
		die "$file does not apply; bring it up to date with the series."
	BUILD=$STATE "$TOP/scripts/build.sh" "${config:=default}"
	status=0
	# shellcheck disable=SC2016 # expanded in the guest
	BUILD=$STATE TIMEOUT=${TIMEOUT:-300} "$TOP/scripts/boot.sh" -c "$config" -o "$TOP/selftests/gates/overlay" -- \
		bash -c 'cd /kselftest/mm && exec /gate/counters.sh bash -c "$1"' - "$(field "$file" test)" \
		>"$STATE/mutation.$name.log" 2>&1 || status=$?
	# 120: the guest did not even start, which says nothing about the test.
	case $status in
	0) result=green ;;
	120) die "the guest did not start; see $STATE/mutation.$name.log." ;;
	*) result=red ;;
	esac
	[[ $result == red ]] || { bad=1; say "$name: the test stays green"; }
	{
		printf '# mutation\tresult\ttree of the series\tof the diff\ttrap\tstatus\ttest\twhat is taken out\n'
		{
			awk -F'\t' -v name="$name" '!/^#/ && $1 != name' "$results"
			printf '%s\t%s\t%s\t%s\t%d\t%s\t%s\n' "$name" "$result" "$key" "$(field "$file" trap)" \
				"$status" "$(field "$file" test)" "$(field "$file" what)"
		} | sort
	} >"$results.new"
	mv "$results.new" "$results"
done
own_tree HEAD
exit "$bad"
