#!/bin/bash
# scripts/test.sh itself, with gates made for the purpose.
set -euo pipefail
# shellcheck source=selftests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

repo=$T/repo
mkdir -p "$repo/selftests/gates/soak"
cp -a "$TOP/scripts" "$repo"
# What is tested here is neither the installing nor the applying.
printf '#!/bin/bash\n' >"$repo/scripts/setup.sh"
cat >"$repo/scripts/apply.sh" <<'END'
#!/bin/bash
set -euo pipefail
top=$(dirname "$0")/..
[[ ! -e $top/broken ]] || { echo "0001-a.patch does not apply to mm/a.c"; exit 1; }
cat "$top/tree" >"$BUILD/linux.tree"
END
chmod +x "$repo"/scripts/*.sh
echo 1111111111111111111111111111111111111111 >"$repo/tree"

# gate FILE HEADER BODY...
gate() {
	local file=$repo/selftests/gates/$1.sh header=$2
	shift 2
	printf '%s\n' '#!/bin/bash' "# Says something." "${header:-set -u}" 'set -euo pipefail' "$@" >"$file"
}
gate 10-good '' 'echo fine'
gate 20-bad '' 'echo what is wrong' 'exit 3'
gate 30-idle '' 'echo no such thing here' 'exit 77'
# shellcheck disable=SC2016 # for the gates
{
	gate 40-kernel '# Green: input' 'echo "$TREE" >>"$TOP/ran"' 'ls "$TMPDIR"'
	sed -i 's|"\$TOP/ran"|'"$repo/ran|" "$repo/selftests/gates/40-kernel.sh"
	gate soak/10-long '' "echo \"\$TREE\" >>$repo/ran; echo 3 rounds" "[[ ! -e $repo/worse ]]"
}
echo one >"$repo/input"
printf '# gate\n' >"$repo/selftests/skip.allow"

run() { (cd "$repo" && scripts/test.sh "$@"); }
last() { tail -n 1 <<<"$out"; }
ran() { [[ ! -f $repo/ran ]] || wc -l <"$repo/ran"; }
results=$repo/Documentation/results/soak.tsv

status "--list names every gate" 0 run --list
is "and says which are long" "$out" "$(printf '%-20s Says something.%s\n' good '' bad '' idle '' kernel '' long ' (soak)')"
refuses "a gate that does not exist" "there is no gate 'nosuch'" run nosuch
refuses "an option that does not exist" "unknown option '--fast'" run --fast

status "a gate that passes" 0 run good
is "its closing line" "$(last)" "1 passed, 0 failed, 0 skipped"
status "a gate that fails" 1 run bad
is "its closing line" "$(last)" "0 passed, 1 failed, 0 skipped"
like "its output is shown" "$out" "    what is wrong"
status "a skip for a reason that is not allowed fails" 1 run idle
is "its closing line" "$(last)" "0 passed, 1 failed, 0 skipped"
printf 'idle\tno such .* here\tit is not needed\n' >>"$repo/selftests/skip.allow"
status "a skip for a reason that is allowed" 0 run idle
is "its closing line" "$(last)" "0 passed, 0 failed, 1 skipped"
printf 'good\tno such .* here\tit is not needed\n' >"$repo/selftests/skip.allow"
status "a skip that is allowed to another gate fails" 1 run idle
printf 'idle\tno such .* here\tit is not needed\n' >"$repo/selftests/skip.allow"

status "all gates run after one has failed" 1 run
is "the closing line of all" "$(last)" "2 passed, 1 failed, 1 skipped"
like "a long gate that never ran is named" "$out" "soak  long .* never run"
is "the kernel's gate ran" "$(ran)" 1
rm "$repo/selftests/gates/20-bad.sh"
status "without the one that fails" 0 run
is "what was seen green on this tree is not run again" "$(ran)" 1
status "it is when it is named" 0 run kernel
is "so it ran" "$(ran)" 2
echo two >"$repo/input"
status "another input" 0 run
is "it ran again" "$(ran)" 3
echo 2222222222222222222222222222222222222222 >"$repo/tree"
status "another series" 0 run
is "it ran again on that" "$(ran) $(tail -n 1 "$repo/ran")" "4 $(cat "$repo/tree")"
sed -i '4s/$/; false/' "$repo/selftests/gates/40-kernel.sh"
status "another gate" 1 run
sed -i '4s/; false$//' "$repo/selftests/gates/40-kernel.sh"
status "a failure is not remembered as green" 0 run
rm "$repo/ran"

touch "$repo/broken"
status "a series that does not apply fails what needs it" 1 run
is "the closing line" "$(last)" "1 passed, 1 failed, 1 skipped"
like "and says so" "$out$err" "0001-a.patch does not apply"
rm "$repo/broken"

touch "$repo/worse"
status "a long gate that fails" 1 run --soak
like "is recorded as such" "$(cat "$results")" "long	fail	2222"
rm "$repo/worse"
status "the long ones" 0 run --soak
is "it ran again, the others did not" "$(ran)" 2
like "the result has the tree of the series" "$(grep '^long' "$results")" "^long	pass	$(cat "$repo/tree")	20"
like "and what it said last" "$(grep "^long" "$results")" "	3 rounds$"
is "one line for each" "$(grep -c '^long' "$results")" 1
status "the long ones again" 0 run --soak
is "what has passed is not run again" "$(ran)" 2
status "the ordinary ones" 0 run
like "the long result is reported" "$out" "soak  long .* pass on .*, on this series"
before=$(ran)
echo 'echo more' >>"$repo/selftests/gates/soak/10-long.sh"
status "the ordinary ones when the long gate is another" 0 run
like "its result is stale" "$out" "soak  long .* stale: pass on .*, but its files have changed"
status "the long ones" 0 run --soak
is "it ran again" "$(ran)" $((before + 1))
sed -i '2a # Green: input' "$repo/selftests/gates/soak/10-long.sh"
status "with a file that it depends on" 0 run --soak
status "the long ones again" 0 run --soak
is "are not run again" "$(ran)" $((before + 2))
echo three >"$repo/input"
status "the long ones with another file" 0 run --soak
like "run again" "$(tail -n 2 "$repo/ran" | sort | uniq -c)" " 2 $(cat "$repo/tree")"
echo 3333333333333333333333333333333333333333 >"$repo/tree"
status "the ordinary ones on another series" 0 run
like "the long result is stale" "$out" "soak  long .* stale: pass on .*, seen on tree 222222222222, the series is 333333333333"
is "the closing line is the last" "$(last)" "2 passed, 0 failed, 1 skipped"
before=$(ran)
status "the long ones on another series" 0 run --soak
is "they run again" "$(ran)" $((before + 1))

gate 20-static '# Static: yes' 'echo fine'
status "the static ones" 0 run --static
is "are those alone" "$(grep -c '^ok' <<<"$out") $(last)" "1 1 passed, 0 failed, 0 skipped"
refuses "--static and --soak" "say one of them" run --static --soak
rm "$repo/selftests/gates/20-static.sh"

# Two at once, and one that is ended.
mkfifo "$T/begun"
gate 50-wait '' "echo begun >$T/begun" "sleep $$.5"
(cd "$repo" && exec scripts/test.sh wait) >"$T/first" 2>&1 &
first=$!
read -r _ <"$T/begun"
refuses "two in one checkout" "another test is running in this checkout" run good
kill -TERM "$first"
wait "$first" || :
is "what an ended run had started is ended" "$(pgrep -r S,R,D -f "sleep $$.5")" ""
ok "and nothing half-made is left" bash -c "[[ ! -e $BUILD/test/tmp ]]"
gate 50-wait '' 'echo fine'
status "the next run starts" 0 run wait

# Those that boot guests and those that do not, at once: each waits for the other.
mkfifo "$T/there" "$T/back"
gate 60-boots '# Boots: yes' "echo begun >$T/there" "read -r _ <$T/back"
gate 61-looks '' "read -r _ <$T/there" "echo begun >$T/back"
status "gates that boot, and gates beside them" 0 timeout 60 "$repo/scripts/test.sh"
is "all are counted" "$(last)" "5 passed, 0 failed, 1 skipped"
gate 60-boots '# Boots: yes' 'exit 1'
gate 61-looks '' 'exit 1'
status "a failure of each" 1 run
is "both are counted" "$(last)" "3 passed, 2 failed, 1 skipped"
is "and named" "$(tail -n 2 <<<"$out" | head -n 1)" "failed: boots looks"
gate 60-boots '# Boots: yes' "echo begun >$T/begun" "sleep $$.5"
gate 61-looks '' "echo begun >$T/there" "sleep $$.5"
(cd "$repo" && exec scripts/test.sh) >"$T/first" 2>&1 &
first=$!
read -r _ <"$T/begun"
read -r _ <"$T/there"
kill -TERM "$first"
wait "$first" || :
is "what an ended run had started beside each other is ended" "$(pgrep -r S,R,D -f "sleep $$.5")" ""

done_testing
