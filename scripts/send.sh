#!/bin/bash
# send.sh [--reflect | --send]: prepare the mails of the series, and send them.
#
# Writes build/outgoing: the cover letter (Documentation/cover-letter.txt, whose
# first line has the prefix and the version, with the shortlog and the diffstat)
# and a mail for each patch, a reply to it, To and Cc those whom get_maintainer.pl
# names for that patch going by the MAINTAINERS of the base, and the lists of
# MAINTAINERS.snippet. A line {Documentation/results/FILE} in the cover letter
# stands for that file. Nothing is prepared when a static gate (scripts/test.sh
# --static) fails.
#
# Without an option nothing is sent, and no identity is needed. Otherwise git
# send-email sends, as it is configured, one mail a run; who has to give a
# password for each wants a credential helper.
#   --reflect   to the sender alone; To and Cc are X-To and X-Cc there
#   --send      to everybody. Asks before it adds the sender's Signed-off-by, and
#               sends nothing without it
# When --send ends before all is sent, the same command goes on with what is in
# build/outgoing, where addresses may be edited meanwhile. When all is sent, it
# is moved to build/sent-vN.
#
# Environment: BUILD, CACHE; LINUX as for apply.sh.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/tree.sh
. "$TOP/scripts/tree.sh"

out=$BUILD/outgoing
progress=$out/progress
cover=$TOP/Documentation/cover-letter.txt

case $#${1:-} in
0) mode=dry ;;
1--reflect | 1--send) mode=${1#--} ;;
*) die "unknown argument; say send.sh, send.sh --reflect or send.sh --send." ;;
esac

# report: each mail, sent or not; sets left, the number of those that were not.
report() {
	local mail
	left=0
	for mail in "$out"/*.patch; do
		if grep -qxF "sent ${mail##*/}" "$progress"; then
			echo "sent      ${mail##*/}"
		else
			echo "NOT SENT  ${mail##*/}"
			left=$((left + 1))
		fi
	done
}

# identity: sets sender and email, empty where git is not told who the user is.
identity() {
	sender=$(git -C "$tree" -c user.useConfigOnly=true var GIT_COMMITTER_IDENT 2>/dev/null |
		sed 's/>.*/>/') || sender=
	email=${sender##*<}
	email=${email%>}
	[[ -n $sender || $mode == dry ]] ||
		die "git does not know who you are; say so with git config --global user.name and user.email."
}

# ask_signoff: by their own word only.
ask_signoff() {
	local answer=
	cat >&2 <<-END
		Add this to each patch?

		    Signed-off-by: $sender

		With it you certify that you may pass the patch on, as it says in the
		Developer's Certificate of Origin in Documentation/process/submitting-patches.rst.
	END
	read -r -p "yes or no: " answer || :
	[[ $answer == yes ]] && signoff=--signoff && return
	[[ $mode == reflect ]] ||
		die "without your Signed-off-by nobody can take the patches, so nothing was sent; say yes to add it, or have them sent by who does."
	say "send: no sign-off is added"
}

# cover_text: the body of the cover letter, with the results that it names.
cover_text() {
	local line file
	while IFS= read -r line; do
		if [[ $line =~ ^\{(Documentation/results/[^/{}]+)\}$ ]]; then
			file=$TOP/${BASH_REMATCH[1]}
			if [[ -f $file ]]; then
				fold -s -w 76 "$file" | sed 's/ *$//'
				continue
			fi
			[[ $mode != send ]] ||
				die "the cover letter wants ${BASH_REMATCH[1]}, which is not there; make it (scripts/bench.sh), or take the line out."
			line="(${BASH_REMATCH[1]} is to be here, and has not been made)"
		fi
		printf '%s\n' "$line"
	done < <(sed 1,2d "$cover")
	[[ -n $official ]] || printf '\nBased on Linux %s. No commit is named, because the tree was made\nfrom files and not from the official history.\n' "$version"
}

# addresses ROLES: of what get_maintainer.pl says on stdin, those who have, or
# with "!" do not have, such a role.
addresses() {
	local invert=()
	[[ $1 != '!'* ]] || invert=(-v)
	{ grep ${invert[@]+"${invert[@]}"} -E "[(,](${1#!})[:,)]" || :; } | sed -E 's/^(.*>|[^ ]+) \(.*$/\1/'
}

# header NAME ADDRESS...: a header with all of them, one a line.
header() {
	local name=$1
	shift
	(($#)) || return 0
	printf '%s: %s' "$name" "$1"
	shift
	(($# == 0)) || printf ',\n    %s' "$@"
	printf '\n'
}

# address MAIL TO CC: put the addresses of the files TO and CC into its header.
address() {
	local to cc
	mapfile -t to < <(sort -u "$2")
	mapfile -t cc < <(sort -u "$3" | grep -vxFf "$2")
	((${#to[@]})) || { to=(${cc[@]+"${cc[@]}"}) && cc=(); }
	((${#to[@]})) || die "nobody is responsible for ${1##*/}; see what get_maintainer.pl says of it."
	{ header To "${to[@]}" && header Cc ${cc[@]+"${cc[@]}"}; } >"$scratch/header"
	awk -v header="$scratch/header" \
		'!done && /^$/ { while ((getline line <header) > 0) print line; done = 1 } 1' "$1" >"$scratch/addressed"
	mv "$scratch/addressed" "$1"
}

prepare() {
	local mail commit subject rest prefix base official version args=() authors signoff=''
	"$TOP/scripts/apply.sh"
	say "send: running the static gates, which takes minutes; $BUILD/.send.gates says how far it is"
	"$TOP/scripts/test.sh" --static >"$BUILD/.send.gates" 2>&1 || {
		grep -v '^ok' "$BUILD/.send.gates" >&2
		die "a gate rejects the series (above), so it is not fit to be sent; mend it, export, and run this again."
	}

	[[ -f $cover ]] || die "Documentation/cover-letter.txt is not there; restore it with git."
	subject=$(head -n 1 "$cover")
	[[ $subject =~ ^Subject:\ \[(RFC\ )?PATCH(\ v([0-9]+))?\]\ [^\ ] && -z $(sed -n 2p "$cover") ]] ||
		die "the first line of Documentation/cover-letter.txt has to be 'Subject: [RFC PATCH v2] ...' or the like, the second empty."
	number=${BASH_REMATCH[3]:-1}
	rest=${subject#*] }
	prefix=${subject%%]*}
	prefix=${prefix#*[}
	((number == 1)) || grep -q "^v$number:" "$cover" ||
		die "Documentation/cover-letter.txt says v$number and not what changed; add a line 'v$number: ...' to its changelog."
	[[ $mode != send || ! -e $BUILD/sent-v$number ]] ||
		die "v$number was sent already (build/sent-v$number); raise the version in the first line of Documentation/cover-letter.txt and add to its changelog."

	identity
	authors=$(git -C "$tree" log --format='%an <%ae>' base..HEAD | sort -u)
	if [[ -n $sender && $authors != "$sender" ]]; then
		say "send: warning: you are $sender, and the author of the patches is not, or not always:"
		say "$authors"
		say "send: each such mail will begin with a line From: that names the author"
	fi
	[[ $mode == dry ]] || ask_signoff

	base=$(git -C "$tree" rev-parse 'base^{commit}')
	version=$(git -C "$tree" show base:Makefile |
		awk '$2 == "=" && NR < 6 { v[$1] = $3 } END { print v["VERSION"] "." v["PATCHLEVEL"] (v["SUBLEVEL"] + 0 ? "." v["SUBLEVEL"] : "") v["EXTRAVERSION"] }')
	official=
	if git -C "$tree" cat-file commit "$base" | sed '/^$/q' | grep -q '^parent '; then
		official=1
		say "send: base-commit $base, $(git -C "$tree" log -1 --format=%s "$base")"
		args=(--base="$base")
	else
		say "send: no base-commit: the base, Linux $version, was made from files and not from official history"
	fi

	say "send: writing the mails"
	plain_git init -q -b series "$scratch/git"
	echo "$tree/.git/objects" >"$scratch/git/.git/objects/info/alternates"
	[[ ! -f $tree/.git/shallow ]] || cp "$tree/.git/shallow" "$scratch/git/.git/"
	plain_git -C "$scratch/git" update-ref refs/heads/series "$(git -C "$tree" rev-parse HEAD)"
	cover_text >"$scratch/text"
	plain_git -C "$scratch/git" config branch.series.description "$rest"$'\n\n'"$(<"$scratch/text")"
	mkdir "$scratch/mails"
	GIT_COMMITTER_NAME=${sender%% <*} GIT_COMMITTER_EMAIL=${email:-nobody@localhost} \
		plain_git -C "$scratch/git" format-patch -q --numbered --subject-prefix="$prefix" --thread=shallow \
		--cover-letter --cover-from-description=subject --signature="" --no-renames --abbrev=12 \
		${signoff:+"$signoff"} ${args[@]+"${args[@]}"} -o "$scratch/mails" "$base..series"

	git -C "$tree" show base:MAINTAINERS >"$scratch/MAINTAINERS"
	: >"$scratch/all.to"
	: >"$scratch/all.cc"
	for mail in "$scratch"/mails/*.patch; do
		[[ $mail != */0000-* ]] || continue
		# It complains where a commit that is mended is not in the history.
		(cd "$tree" && ./scripts/get_maintainer.pl --nogit --nogit-fallback --mpath="$scratch/MAINTAINERS" "$mail") \
			>"$scratch/who" 2>"$scratch/complaints" || {
			cat "$scratch/complaints" >&2
			die "get_maintainer.pl fails on ${mail##*/} (above); is build/linux a kernel tree?"
		}
		addresses 'maintainer|supporter' <"$scratch/who" >"$scratch/to"
		addresses '!maintainer|supporter' <"$scratch/who" >"$scratch/cc"
		commit=$(sed -n '1s/^From \([0-9a-f]*\) .*/\1/p' "$mail")
		git -C "$tree" log -1 --format='%(trailers:key=Cc,valueonly)' "$commit" | sed '/^$/d' >>"$scratch/cc"
		# Where the series is at home, all of it is wanted.
		sed -n 's/^L:[[:blank:]]*//p' "$TOP/MAINTAINERS.snippet" >>"$scratch/cc"
		cat "$scratch/to" >>"$scratch/all.to"
		cat "$scratch/cc" >>"$scratch/all.cc"
		address "$mail" "$scratch/to" "$scratch/cc"
	done
	# Who reads a patch wants to know what it is part of. Stable is for fixes.
	sed -i '/stable@/d' "$scratch/all.cc"
	address "$scratch/mails/0000-cover-letter.patch" "$scratch/all.to" "$scratch/all.cc"
	rm -rf "$out"
	mv "$scratch/mails" "$out"
}

# send_one MAIL: ends well if the server took it.
send_one() {
	local said args=()
	if [[ $mode == reflect ]]; then
		# One a line: git send-email folds To and Cc, and nothing else.
		awk '/^$/ { body = 1 }
			!body && /^[^ \t]/ { name = $0 ~ /^(To|Cc):/ ? "X-" substr($0, 1, 3) : "" }
			!body && name { sub(/^(To|Cc):/, ""); sub(/,$/, ""); sub(/^ */, name " ") }
			1' "$1" >"$scratch/mail"
		set -- "$scratch/mail"
		args=(--to="$sender")
	fi
	# Who gets it is in the mail alone, whatever is configured. The commands
	# say nothing: without one for To it would ask. Its status is 0 also when
	# it was interrupted.
	said=$(cd "$tree" && LC_ALL=C git send-email --quiet --from="$sender" --no-to --no-cc --no-bcc \
		${args[@]+"${args[@]}"} --to-cmd=true --cc-cmd=true \
		--suppress-cc=author --suppress-cc=self --suppress-cc=body --no-thread --no-format-patch \
		--no-annotate --confirm=never --8bit-encoding=UTF-8 "$1" </dev/null) && grep -q '^Sent ' <<<"$said"
}

deliver() {
	local mail name ended=
	trap 'ended=interrupted' INT TERM HUP
	for mail in "$out"/*.patch; do
		[[ -z $ended ]] || break
		name=${mail##*/}
		! grep -qxF "sent $name" "$progress" || continue
		! grep -qxF "trying $name" "$progress" ||
			say "send: $name was on its way when an earlier run ended; it may come twice, with the same Message-ID"
		echo "trying $name" >>"$progress"
		if send_one "$mail"; then
			echo "sent $name" >>"$progress"
		elif [[ -z $ended ]]; then
			sed -i '$d' "$progress"
			ended="$name was not taken (above)"
		fi
	done
	report
	((left == 0)) ||
		die "$ended; $left mails were not sent. Mend the cause$([[ $mode == reflect ]] || echo ", or To and Cc in $out,") and run scripts/send.sh --$mode again."
}

need_linux_x86
"$TOP/scripts/setup.sh" base
lock send
scratch=$BUILD/.send
trap 'rm -rf "$scratch" "$BUILD/.send.gates"' EXIT
rm -rf "$scratch"
mkdir "$scratch"

[[ $mode == dry ]] || "$TOP/scripts/setup.sh" send
if [[ -f $progress && $(head -n 1 "$progress") == send\ * && $mode == send ]]; then
	read -r _ number <"$progress"
	identity
	say "send: going on with what an earlier run has not sent; nothing is prepared anew"
elif [[ -f $progress && $(head -n 1 "$progress") == send\ * ]]; then
	report
	die "$out is being sent, and not all was (above); go on with scripts/send.sh --send, or remove that directory to give up what is left."
else
	prepare
	if [[ $mode == dry ]]; then
		for mail in "$out"/*.patch; do
			printf '\n%s\n' "${mail##*/}"
			awk '/^$/ { exit } /^[^ \t]/ { show = /^(Subject|To|Cc):/ } show' "$mail"
		done
		say "send: nothing was sent; the mails are in $out"
		exit 0
	fi
	echo "$mode $number" >"$progress"
fi
deliver
if [[ $mode == send ]]; then
	# In this order: what was sent must not be sent again.
	mv "$out" "$BUILD/sent-v$number"
	rm "$BUILD/sent-v$number/progress"
	say "send: all was sent; the mails are in $BUILD/sent-v$number"
else
	rm "$progress"
	say "send: all was sent, to you alone"
fi
