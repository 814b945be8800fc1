#!/bin/bash
# send.sh: mails that git send-email delivers to a server on loopback, and that
# b4 and git am take from the mailbox; who gets what; every refusal, and every
# way to stop half way. On a tiny kernel.
#
# Environment: BUILD, where a kernel tree is that has get_maintainer.pl.
set -euo pipefail
kernel_build=${BUILD:-$(dirname "${BASH_SOURCE[0]}")/../build}
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

get_maintainer=$kernel_build/linux/scripts/get_maintainer.pl
[[ -f $get_maintainer ]] ||
	bail "there is no kernel tree in $kernel_build/linux; run scripts/apply.sh first"
# python3 may be another one, without Debian's packages.
{ /usr/bin/python3 -c 'import aiosmtpd' && command -v b4; } >/dev/null ||
	bail "b4 or python3-aiosmtpd is missing; run scripts/setup.sh check"

repo=$T/repo
test_repo "$repo"
send=$repo/scripts/send.sh
out_dir=$BUILD/outgoing
mkdir -p "$repo/selftests/gates/soak" "$repo/Documentation"
# What is tested here is not the installing. A gate of our own.
printf '#!/bin/bash\n' >"$repo/scripts/setup.sh"
printf '%s\n' '#!/bin/bash' '# Says something.' '# Static: yes' 'set -euo pipefail' \
	"[[ ! -e $T/unfit ]] || { echo 'trailing noise'; exit 1; }" >"$repo/selftests/gates/10-fit.sh"
printf '%s\n' '#!/bin/bash' '# Boots something.' 'set -euo pipefail' "touch $T/booted" >"$repo/selftests/gates/30-boot.sh"
: >"$repo/selftests/skip.allow"
printf 'HUGE TESTS\nL:\thome@example.org\n' >"$repo/MAINTAINERS.snippet"

# cover SUBJECT [LINE...]
cover() {
	printf '%s\n' "Subject: $1" '' 'What it is for.' "${@:2}" '' 'The end.' >"$repo/Documentation/cover-letter.txt"
}
cover "[RFC PATCH] Huge tests"

### a kernel with maintainers, and a series of three patches by somebody else
export LINUX=$T/kernel
fake_kernel "$LINUX"
mkdir -p "$LINUX"/{Documentation,arch,include,fs,init,ipc,kernel,scripts}
touch "$LINUX"/{COPYING,CREDITS,Kbuild,README} "$LINUX"/{Documentation,arch,include,fs,init,ipc,kernel,lib}/empty
cp "$get_maintainer" "$LINUX/scripts/"
cat >"$LINUX/MAINTAINERS" <<'END'
List of maintainers

CHAR DEVICES
M:	"Char (the Elder)" <char@example.org>
S:	Maintained
F:	drivers/char/

HUGE PAGES
M:	Hüge Maintainer <huge@example.org>
R:	Reviewer <reviewer@example.org>
L:	linux-mm@example.org
S:	Maintained
F:	mm/

THE REST
L:	linux-kernel@example.org
S:	Buried alive in reporters
F:	*
F:	*/
END
git -C "$LINUX" add -A
git -C "$LINUX" commit -qm "Linux 7.3.4, with people"
git -C "$LINUX" checkout -q -b work
# commit FILE LINE SUBJECT BODY
commit() {
	sed -i "$2s/.*/$3/" "$LINUX/$1"
	git -C "$LINUX" add -A
	git -C "$LINUX" commit -q --author="Author <author@example.org>" -m "$3" -m "$4"
}
commit mm/hugetlb.c 30 "mm: one" $'It was wrong, in Zürich too.\nFrom here on it is right.\n\nCc: stable@example.org'
printf 'new\n' >"$LINUX/drivers/char/page.c"
chmod +x "$LINUX/drivers/char/page.c"
commit drivers/char/mem.c 10 "char: two" "There was none."
printf '\nTINY\nM:\tNobody Yet <noreply@example.org>\nS:\tMaintained\nF:\tmm/hugetlb.c\n' >>"$LINUX/MAINTAINERS"
commit mm/hugetlb.c 50 "mm: three" "There were two."
mkdir "$repo/patches"
git -C "$LINUX" format-patch -q --zero-commit --no-signature -N -o "$repo/patches" master
(cd "$repo/patches" && ls) >"$repo/series"
wanted=$(git -C "$LINUX" rev-parse 'work^{tree}')
git -C "$LINUX" checkout -q master
base=$(git -C "$LINUX" rev-parse master)

# The server and the sender. The author is not the sender.
server=$T/server
start_server() {
	rm -rf "$server"
	mkdir "$server"
	setsid /usr/bin/python3 "$TOP/selftests/smtpd.py" "$server" >"$T/smtpd.log" 2>&1 &
	smtpd=$!
	until [[ -s $server/port ]]; do
		kill -0 "$smtpd" 2>/dev/null || bail "the SMTP server does not start: $(cat "$T/smtpd.log")"
		sleep 0.1
	done
	export GIT_CONFIG_GLOBAL=$T/gitconfig
	# What would change who gets it is configured too.
	printf '[user]\n\tname = Sender\n\temail = sender@example.org\n[sendemail]\n\tsmtpServer = 127.0.0.1\n\tsmtpServerPort = %s\n\tto = wrong@example.org\n\tcc = wrong@example.org\n\tbcc = wrong@example.org\n\tccCmd = echo wrong@example.org #\n\tchainReplyTo = true\n[format]\n\tsignOff = true\n\tsubjectPrefix = WRONG\n' \
		"$(<"$server/port")" >"$GIT_CONFIG_GLOBAL"
}
stop_server() {
	kill "$smtpd" 2>/dev/null || :
	wait "$smtpd" 2>/dev/null || :
}
trap 'stop_server; rm -rf "$T"' EXIT
unset GIT_AUTHOR_NAME GIT_AUTHOR_EMAIL GIT_COMMITTER_NAME GIT_COMMITTER_EMAIL EMAIL
says() {
	local answer=$1
	shift
	printf '%s\n' "$answer" | "$@"
}
# received HEADER: that header of all mails, in the order in which they came.
received() {
	/usr/bin/python3 -c '
import email, email.header, sys
for file in sys.argv[2:]:
    mail = email.message_from_binary_file(open(file, "rb"))
    print(" ".join(str(email.header.make_header(email.header.decode_header(mail[sys.argv[1]] or "-"))).split()))' \
		"$1" "$server"/box/new/*
}
mails() {
	find "$server/box/new" -type f | wc -l
}
start_server
identity=$GIT_CONFIG_GLOBAL

### bad usage
refuses "an unknown option" "unknown argument; say send.sh" "$send" --now
refuses "two options" "unknown argument" "$send" --reflect --send

### dry: no identity, nothing is sent
export GIT_CONFIG_GLOBAL=/dev/null
ok "without an option" "$send"
like "To and Cc are shown" "$out" $'0002-char-two.patch\nSubject: .*\nTo: .*<char@example.org>\nCc: home@example.org,\n    linux-kernel@example.org'
like "nothing is sent, which is said" "$err" "nothing was sent; the mails are in $out_dir"
is "as the server knows" "$(mails)" 0
is "the mails" "$(cd "$out_dir" && ls)" "$(printf '%s\n' 0000-cover-letter.patch 0001-mm-one.patch 0002-char-two.patch 0003-mm-three.patch)"
is "have a prefix and numbers" "$(grep -h '^Subject:' "$out_dir"/*)" \
	"$(printf 'Subject: [RFC PATCH %s\n' '0/3] Huge tests' '1/3] mm: one' '2/3] char: two' '3/3] mm: three')"
is "no sign-off" "$(grep -c '^Signed-off-by' "$out_dir"/* | grep -v ':0$')" ""
like "the cover letter has its text, a list of patches and a diffstat" "$(cat "$out_dir/0000-cover-letter.patch")" \
	"What it is for.*The end.*Author \(3\):.*mm/hugetlb.c *\| *4"
like "the base is named" "$(cat "$out_dir/0000-cover-letter.patch")" "base-commit: $base"
like "also on the terminal" "$err" "base-commit $base, Linux 7.3.4, with people"
ok "static gates ran, those that boot did not" test ! -e "$T/booted"
refuses "--reflect without an identity" "git does not know who you are; say so with git config" "$send" --reflect
refuses "--send without an identity" "git does not know who you are" "$send" --send
export GIT_CONFIG_GLOBAL=$identity
ok "without an option, with an identity" "$send"
like "a sender who is not the author is warned" "$err" "warning: you are Sender <sender@example.org>, and the author .*Author <author@example.org>"
is "no sign-off either" "$(grep -c '^Signed-off-by' "$out_dir"/* | grep -v ':0$')" ""

### what is refused
touch "$T/unfit"
refuses "what a static gate rejects" "a gate rejects the series \(above\)" "$send" --send
like "with what it says" "$err" "trailing noise"
rm "$T/unfit"
cover "Huge tests"
refuses "a cover letter without a prefix" "has to be 'Subject: \[RFC PATCH v2\] ...'" "$send"
cover "[RFC PATCH v2] Huge tests"
refuses "a second version without a changelog" "says v2 and not what changed" "$send"
cover "[RFC PATCH] Huge tests" "{Documentation/results/figures.txt}"
ok "figures that are not there, dry" "$send"
like "are missed" "$(cat "$out_dir/0000-cover-letter.patch")" "figures.txt is to be here, and has not been made"
refuses "figures that are not there" "wants Documentation/results/figures.txt, which is not there" says yes "$send" --send
mkdir "$repo/Documentation/results"
echo "a page costs 17" >"$repo/Documentation/results/figures.txt"
ok "figures" "$send"
like "are in the cover letter" "$(cat "$out_dir/0000-cover-letter.patch")" $'\na page costs 17\n'
cover "[RFC PATCH] Huge tests"
refuses "no sign-off" "without your Signed-off-by nobody can take the patches" says no "$send" --send
refuses "'y' is no yes" "without your Signed-off-by" says y "$send" --send
# shellcheck disable=SC2016 # for the inner shell
refuses "nobody to ask" "without your Signed-off-by" bash -c '"$0" --send </dev/null' "$send"
refuses "two runs at once" "another send is running" flock "$BUILD/.send.lock" "$send"
is "nothing of it was sent" "$(mails)" 0

### to oneself
ok "--reflect" says yes "$send" --reflect
is "to the sender alone, all of it" "$(received X-Envelope-To | uniq -c | xargs)" "4 sender@example.org"
is "who would get it can be seen" "$(received X-Cc | sed -n 3p)" "home@example.org"
rm "$server"/box/new/*
ok "--reflect without a sign-off" says no "$send" --reflect
is "has none" "$(mails) $(cat "$server"/box/new/* | grep -c ^Signed-off-by)" "4 0"
rm "$server"/box/new/*

### to all
ok "--send" says yes "$send" --send
like "what it asks for is shown" "$err" "Signed-off-by: Sender <sender@example.org>.*Certificate of Origin"
is "what was sent is shown" "$out" "$(printf 'sent      %s\n' 0000-cover-letter.patch 0001-mm-one.patch 0002-char-two.patch 0003-mm-three.patch)"
is "in order" "$(received Subject)" "$(printf '[RFC PATCH %s\n' '0/3] Huge tests' '1/3] mm: one' '2/3] char: two' '3/3] mm: three')"
huge='home@example.org, huge@example.org, linux-kernel@example.org, linux-mm@example.org, reviewer@example.org'
is "to those who are responsible, of the base, and the lists" "$(received X-Envelope-To)" "$(printf '%s\n' \
	"char@example.org, $huge" "$huge, stable@example.org" "char@example.org, home@example.org, linux-kernel@example.org" \
	"$huge")"
is "maintainers To" "$(received To)" "$(printf '%s\n' \
	'"Char (the Elder)" <char@example.org>, Hüge Maintainer <huge@example.org>' 'Hüge Maintainer <huge@example.org>' \
	'"Char (the Elder)" <char@example.org>' 'Hüge Maintainer <huge@example.org>')"
is "from the sender" "$(received From | sort -u)" "Sender <sender@example.org>"
id=$(received Message-ID | sed -n 1p)
is "patches are replies to the cover letter" "$(received In-Reply-To)" "$(printf '%s\n' - "$id" "$id" "$id")"
is "and to nothing else" "$(received References)" "$(printf '%s\n' - "$id" "$id" "$id")"
ok "the mails are kept" test -f "$BUILD/sent-v1/0003-mm-three.patch"
refuses "the same version again" "v1 was sent already \(build/sent-v1\); raise the version" says yes "$send" --send

### taken from the mailbox
mkdir "$T/b4"
ok "b4 am" env HOME="$T" XDG_CACHE_HOME="$T/xdg" timeout 300 b4 --offline-mode am -m "$server/box" -o "$T/b4" "$id"
git clone -q -b master "$LINUX" "$T/theirs"
ok "git am of what it wrote" git -C "$T/theirs" am -q "$(compgen -G "$T/b4/*.mbx")"
is "gives the tree" "$(git -C "$T/theirs" rev-parse 'HEAD^{tree}')" "$wanted"
# messages TREE RANGE
messages() {
	git -C "$1" log --reverse --format='%an <%ae>%n%B' "$2" | grep -v '^Signed-off-by: Sender <sender@example.org>$' | cat -s
}
is "the authors and the messages" "$(messages "$T/theirs" origin/master..HEAD)" "$(messages "$LINUX" master..work)"
is "with the sign-off" "$(git -C "$T/theirs" log --format='%(trailers:key=Signed-off-by,valueonly,separator=)' origin/master..HEAD | uniq -c | xargs)" \
	"3 Sender <sender@example.org>"

### a second version
cover "[RFC PATCH v2] Huge tests" "v2: better."
rm "$server"/box/new/*
echo reviewer@example.org >"$server/refuse"
refuses "a refused recipient" "0000-cover-letter.patch was not taken \(above\); 4 mails were not sent" says yes "$send" --send
like "is named" "$err" "reviewer@example.org|no such user"
is "nothing came" "$(mails)" 0
sed -i 's/reviewer@/stable@/' "$server/refuse"
refuses "a recipient of the second mail is" "0001-mm-one.patch was not taken \(above\); 3 mails were not sent" "$send" --send
is "what was sent is told from what was not" "$out" "$(printf '%s\n' 'sent      0000-cover-letter.patch' \
	'NOT SENT  0001-mm-one.patch' 'NOT SENT  0002-char-two.patch' 'NOT SENT  0003-mm-three.patch')"
is "one came" "$(received Subject)" "[RFC PATCH v2 0/3] Huge tests"
refuses "meanwhile nothing else is prepared" "is being sent, and not all was \(above\)" "$send"
sed -i 's/stable@example.org/stable@elsewhere.org/' "$out_dir/0001-mm-one.patch"
stop_server
mv "$server/box/new" "$T/v2"
refuses "a dead server" "0001-mm-one.patch was not taken \(above\); 3 mails were not sent" "$send" --send
start_server
touch "$server/stall"
setsid "$send" --send >"$T/stopped" 2>&1 &
pid=$!
until [[ -e $server/stalled ]]; do sleep 0.1; done
kill -INT -- "-$pid" 2>/dev/null || :
kill -TERM -- "-$pid"
code=0
wait "$pid" || code=$?
is "an interrupted run ends with an error" "$code" 1
like "and tells what was sent" "$(cat "$T/stopped")" $'sent      0000-cover-letter.patch\nNOT SENT  0001.*interrupted; 3 mails were not sent'
rm "$server/stall"
stop_server
start_server
ok "it goes on" "$send" --send
like "and says what may come twice" "$err" "0001-mm-one.patch was on its way when an earlier run ended; it may come twice"
is "asks nothing again" "$(grep -c "Certificate of Origin" <<<"$err")" 0
mv "$T"/v2/* "$server/box/new/"
is "everything came once" "$(received Subject)" "$(printf '[RFC PATCH v2 %s\n' '0/3] Huge tests' '1/3] mm: one' '2/3] char: two' '3/3] mm: three')"
is "in one thread" "$(received In-Reply-To | sed 1d | sort -u)" "$(received Message-ID | sed -n 1p)"
like "to the address that was edited" "$(received X-Envelope-To | sed -n 2p)" "stable@elsewhere.org"
ok "and all is told" test -d "$BUILD/sent-v2"

# Killed after the last mail, before that was written down.
mv "$BUILD/sent-v2" "$out_dir"
{
	echo "send 2"
	(cd "$out_dir" && printf 'sent %s\n' *.patch)
} >"$T/progress"
mv "$T/progress" "$out_dir/"
ok "a run that was killed after the last mail" "$send" --send
is "sends nothing again" "$(mails)" 4
ok "and is done" test -d "$BUILD/sent-v2"

### git send-email alone is ended, which it calls a success; and a run is killed
cover "[RFC PATCH v3] Huge tests" "v3: best."
rm "$server"/box/new/*
echo yes >"$T/yes"
for signal in INT KILL; do
	rm -f "$server/stalled"
	touch "$server/stall"
	setsid "$send" --send <"$T/yes" >"$T/stopped" 2>&1 &
	pid=$!
	until [[ -e $server/stalled ]]; do sleep 0.1; done
	if [[ $signal == INT ]]; then
		mapfile -t mailers < <(pgrep -g "$pid" -f 'perl.*git-send-email')
		kill -INT "${mailers[@]}"
	else
		kill -KILL -- "-$pid"
	fi
	wait "$pid" 2>/dev/null || :
	if [[ $signal == INT ]]; then
		like "git send-email is ended" "$(cat "$T/stopped")" "0000-cover-letter.patch was not taken .*; 4 mails were not sent"
	fi
	rm "$server/stall"
	stop_server
	start_server
done
ok "it goes on" "$send" --send
like "and says what may come twice" "$err" "0000-cover-letter.patch was on its way"
is "everything came" "$(mails)" 4

### a base without history
fake_kernel "$T/files"
cp -r "$LINUX"/[!.]* "$T/files/"
git -C "$T/files" add -A
git -C "$T/files" commit -q --amend -m "as unpacked"
cover "[PATCH v4] Huge tests" "v4: mended."
LINUX=$T/files ok "a base that was made from files" "$send"
like "that is said" "$err" "no base-commit: the base, Linux 7.3.4, was made from files"
like "in the cover letter too" "$(cat "$out_dir/0000-cover-letter.patch")" "Based on Linux 7.3.4. No commit is named"
is "and there is none" "$(grep -c '^base-commit' "$out_dir"/* | grep -v ':0$')" ""

done_testing
