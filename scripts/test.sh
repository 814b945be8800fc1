#!/bin/bash
# test.sh [--list] [--static | --soak] [GATE...]: run the gates of a submission.
#
# Without GATE all of them: those that boot guests, which keep one processor busy,
# in the order of their numbers, and beside them the others, in theirs. With GATE
# those, one at a time.
#   --list   name every gate and say what it proves
#   --static those that look at the patches and boot nothing
#   --soak   the long ones too; one that has passed on this series is not run
#            again, so an interrupted run goes on where it stopped
# A gate is a file of selftests/gates (the long ones: selftests/gates/soak).
# Its second line says what it proves; then lines it may have:
#   # Static: yes        one of --static
#   # Needs: tree       the series is applied before it runs
#   # Boots: yes        it boots guests; its STATE is its own kind's
#   # Green: PATH...    a pass counts for as long as the series and the content
#                       of these paths are the same; unless it is named. A long
#                       gate without it depends on what it is started by
# It passes with 0 and skips with 77, the reason its last line of output, which
# must match its line in selftests/skip.allow. Anything else is a failure.
#
# Exit status: 0 only when every gate passed, or skipped for an allowed reason.
# Output of the gates: build/test/GATE.log. Results of the long ones:
# Documentation/results/soak.tsv, with the tree id of the series.
#
# Environment:
#   BUILD   where everything is built (default: build)
#   CACHE, LINUX   see fetch.sh
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

gates=$TOP/selftests/gates
state=$BUILD/test
results=$TOP/Documentation/results/soak.tsv

name_of() {
	local name=${1##*/}
	name=${name%.sh}
	printf '%s\n' "${name#[0-9][0-9]-}"
}

# header FILE WORD: what the gate's header says after "# WORD: ".
header() {
	sed -n "2,/^[^#]/s/^# $2: //p" "$1"
}

list=0 soak=0 static=0 named=()
for arg; do
	case $arg in
	--list) list=1 ;;
	--soak) soak=1 ;;
	--static) static=1 ;;
	-*) die "unknown option '$arg'; say test.sh [--list] [--static | --soak] [GATE...]." ;;
	*) named+=("$arg") ;;
	esac
done

ordinary=("$gates"/[0-9][0-9]-*.sh)
long=("$gates"/soak/[0-9][0-9]-*.sh)

if ((list)); then
	for file in "${ordinary[@]}" "${long[@]}"; do
		mark=
		[[ $file != "$gates"/soak/* ]] || mark=" (soak)"
		printf '%-20s %s%s\n' "$(name_of "$file")" "$(sed -n '2s/^# //p' "$file")" "$mark"
	done
	exit 0
fi

run=()
if ((${#named[@]})); then
	for name in "${named[@]}"; do
		found=
		for file in "${ordinary[@]}" "${long[@]}"; do
			[[ $(name_of "$file") != "$name" ]] || found=$file
		done
		[[ $found ]] || die "there is no gate '$name'; test.sh --list names them all."
		run+=("$found")
	done
elif ((static)); then
	((!soak)) || die "--static and --soak are two things; say one of them."
	for file in "${ordinary[@]}"; do
		[[ -z $(header "$file" Static) ]] || run+=("$file")
	done
else
	run=("${ordinary[@]}")
	((!soak)) || run+=("${long[@]}")
fi

need_linux_x86
lock test
mkdir -p "$state/green"
rm -rf "$state/tmp"
say "test.sh: preparing"
"$TOP/scripts/setup.sh"

# A lane's: its gate. The run's: its lanes.
pids=()
# shellcheck disable=SC2329 # called by the traps
stop() {
	local pid
	trap - INT TERM EXIT
	for pid in "${pids[@]}"; do
		{ kill -TERM -- "-$pid" && wait "$pid"; } 2>/dev/null || :
	done
	[[ $BASHPID != "$$" ]] || rm -rf "$state/tmp"
	exit "$1"
}
traps() {
	trap 'stop $?' EXIT
	trap 'stop 130' INT
	trap 'stop 143' TERM
}
traps

# The tree id of the series, once it is applied; nothing when it cannot be.
tree=
tree_tried=
need_tree() {
	if [[ -z $tree_tried ]]; then
		tree_tried=1
		say "test.sh: applying the series"
		if "$TOP/scripts/apply.sh" >"$state/apply.log" 2>&1; then
			tree=$(<"$BUILD/linux.tree")
		else
			say "$(tail -n 5 "$state/apply.log" | sed 's/^/    /')"
		fi
	fi
	[[ $tree ]]
}

# needs_tree FILE: does it want the series applied?
needs_tree() {
	[[ $1 == "$gates"/soak/* ]] || grep -q '^# \(Needs: tree\|Green: \)' "$1"
}

# green_key FILE: what a pass of the gate was seen on, when that counts again.
green_key() {
	local paths known=() path
	read -ra paths <<<"$(header "$1" Green)"
	if ((!${#paths[@]})); then
		[[ $1 == "$gates"/soak/* ]] || return 0
		paths=(scripts/{lib,build,boot}.sh selftests/{config,guest,gates/lib.sh,gates/overlay,skip.allow,splat.deny,splat.allow})
	fi
	for path in "${paths[@]}"; do
		[[ ! -e $TOP/$path ]] || known+=("$path")
	done
	printf '%s ' "$tree"
	(cd "$TOP" && find "${1#"$TOP"/}" "${known[@]}" -type f -print0 | sort -z | xargs -0 sha256sum) |
		sha256sum | cut -d' ' -f1
}

# skip_allowed NAME REASON
skip_allowed() {
	local gate pattern _
	while IFS=$'\t' read -r gate pattern _; do
		[[ $gate == "$1" && $2 =~ ^($pattern)$ ]] && return 0
	done < <(grep -v '^#' "$TOP/selftests/skip.allow")
	return 1
}

soak_line() {
	[[ -f $results ]] || return 0
	awk -F'\t' -v gate="$1" '$1 == gate' "$results"
}

# soak_record NAME RESULT SECONDS KEY SAID
soak_record() {
	mkdir -p "${results%/*}"
	{
		printf '# gate\tresult\ttree of the series\tday\tseconds\tof its files\tits last line\n'
		{
			[[ ! -f $results ]] || awk -F'\t' -v gate="$1" '!/^#/ && $1 != gate' "$results"
			printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$1" "$2" "$tree" "$(date -u +%F)" "$3" "$4" "${5//$'\t'/ }"
		} | sort
	} >"$results.new"
	mv "$results.new" "$results"
}

passed=0 failed=0 skipped=0
# For one, which knows the name.
fail() {
	failed=$((failed + 1))
	echo "$name" >>"$state/tmp/failed"
}

# one FILE: run that gate, or say why not, and count it.
one() {
	local file=$1 name log key='' of is_soak=0 own=$state tmp start status took result reason seen day files _
	name=$(name_of "$file")
	log=$state/$name.log
	[[ $file != "$gates"/soak/* ]] || is_soak=1
	if needs_tree "$file"; then
		if [[ -z $tree ]]; then
			fail
			printf 'FAIL  %-18s       the series does not apply: %s\n' "$name" "$state/apply.log"
			return
		fi
		key=$(green_key "$file")
	fi
	of=${key#* }
	of=${of:0:12}
	if ((!${#named[@]})); then
		if ((is_soak)); then
			IFS=$'\t' read -r _ result seen day _ files _ <<<"$(soak_line "$name")"
			if [[ $result == pass && $seen == "$tree" && $files == "$of" ]]; then
				passed=$((passed + 1))
				printf 'ok    %-18s %4d s (seen on this series, %s)\n' "$name" 0 "$day"
				return
			fi
		elif [[ $key && -f $state/green/$name && $(<"$state/green/$name") == "$key" ]]; then
			passed=$((passed + 1))
			printf 'ok    %-18s %4d s (seen on this series before)\n' "$name" 0
			return
		fi
	fi

	say "$name ..."
	[[ -z $(header "$file" Boots) ]] || own=$state/boots
	tmp=$state/tmp/$name
	mkdir -p "$own" "$tmp"
	rm -f "$state/green/$name"
	start=$SECONDS
	status=0
	# In a process group of its own, so that it can be ended whole.
	set -m
	GATE=$name TREE=$tree KEY=$of STATE=$own TMPDIR=$tmp bash "$file" >"$log" 2>&1 </dev/null &
	pids=("$!")
	set +m
	wait "${pids[0]}" || status=$?
	pids=()
	rm -rf "$tmp"
	took=$((SECONDS - start))

	case $status in
	0)
		result=pass
		passed=$((passed + 1))
		printf 'ok    %-18s %4d s\n' "$name" "$took"
		[[ -z $key ]] || printf '%s\n' "$key" >"$state/green/$name"
		;;
	77)
		result=skip
		reason=$(tail -n 1 "$log")
		if skip_allowed "$name" "$reason"; then
			skipped=$((skipped + 1))
			printf 'skip  %-18s %4d s %s\n' "$name" "$took" "$reason"
		else
			result=fail
			fail
			printf 'FAIL  %-18s %4d s skipped, for a reason that selftests/skip.allow does not have: %s\n' \
				"$name" "$took" "$reason"
		fi
		;;
	*)
		result=fail
		fail
		# In one piece: another lane has something to say too.
		printf 'FAIL  %-18s %4d s status %d, %s:\n%s\n' "$name" "$took" "$status" "$log" \
			"$(tail -n 40 "$log" | sed 's/^/    /')"
		;;
	esac
	((!is_soak)) || soak_record "$name" "$result" "$took" "$of" "$(tail -n 1 "$log")"
}

# lane NAME FILE...: one gate after the other; how many did what is in a file.
lane() {
	local name=$1 file
	shift
	pids=()
	traps
	for file; do
		one "$file"
	done
	echo "$passed $failed $skipped" >"$state/tmp/$name.counts"
}

boots=() others=() after=()
for file in "${run[@]}"; do
	! needs_tree "$file" || need_tree || :
	if ((${#named[@]})) || [[ $file == "$gates"/soak/* ]]; then
		after+=("$file")
	elif [[ $(header "$file" Boots) ]]; then
		boots+=("$file")
	else
		others+=("$file")
	fi
done
mkdir -p "$state/tmp"
set -m
lane boots "${boots[@]}" &
pids+=("$!")
lane others "${others[@]}" &
pids+=("$!")
set +m
wait "${pids[@]}" || :
pids=()
for name in boots others; do
	read -r ok bad idle <"$state/tmp/$name.counts" ||
		die "a part of the run was ended from outside; run it again."
	passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + idle))
done
for file in "${after[@]}"; do
	one "$file"
done

# What is known of the long gates on this series.
if ((!soak && !static && !${#named[@]})); then
	for file in "${long[@]}"; do
		name=$(name_of "$file")
		IFS=$'\t' read -r _ result seen day _ files _ <<<"$(soak_line "$name")"
		of=
		[[ -z $tree ]] || of=$(green_key "$file")
		of=${of#* }
		if [[ -z $result ]]; then
			printf 'soak  %-18s never run; scripts/test.sh --soak runs it\n' "$name"
		elif [[ $seen != "$tree" ]]; then
			printf 'soak  %-18s stale: %s on %s, seen on tree %.12s, the series is %.12s\n' \
				"$name" "$result" "$day" "$seen" "${tree:-unknown}"
		elif [[ $files != "${of:0:12}" ]]; then
			printf 'soak  %-18s stale: %s on %s, on this series, but its files have changed\n' "$name" "$result" "$day"
		else
			printf 'soak  %-18s %s on %s, on this series\n' "$name" "$result" "$day"
		fi
	done
fi

# Again, for who sees the end only.
((!failed)) || printf 'failed: %s\n' "$(sort "$state/tmp/failed" | xargs)"
printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
((!failed))
