#!/bin/bash
# run.sh: the steps in their order; the first that fails ends it.
set -euo pipefail
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
repo=$T/repo
test_repo "$repo"
run=$repo/scripts/run.sh
export T
for step in setup fetch apply build boot; do
	cat >"$repo/scripts/$step.sh" <<END
#!/bin/bash
echo "$step \${1:-} " >>"\$T/steps"
[[ $step != fetch ]] || echo /the/source
[[ \$FAIL != $step ]] || { echo "$step.sh: error: it broke; mend it." >&2; exit \${WITH:-1}; }
END
done
mkdir -p "$BUILD/default/overlay/kselftest/mm"
demo=$BUILD/default/overlay/kselftest/mm/page_huge_demo
export FAIL=none

refuses "arguments" "no arguments" "$run" now
refuses "two at once" "another run is running" flock "$BUILD/.run.lock" "$run"
refuses "a series without the demonstration" "page_huge_demo" "$run"
touch "$demo"
chmod +x "$demo"
rm "$T/steps"
ok "all steps" "$run"
is "in their order" "$(grep -o '^[a-z]* ' "$T/steps" | xargs)" "setup fetch apply build boot"
ok "what was fetched is applied" grep -q "^apply /the/source" "$T/steps"
for FAIL in setup fetch apply build; do
	refuses "$FAIL fails" "^$FAIL.sh: error: it broke; mend it.$" "$run"
	is "nothing is done after it" "$(tail -n1 "$T/steps" | cut -d' ' -f1)" "$FAIL"
done
FAIL=boot WITH=123 status "the guest fails" 1 "$run"
like "its status is said" "$err" "failed with status 123"

done_testing
