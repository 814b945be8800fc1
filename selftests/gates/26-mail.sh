#!/bin/bash
# The mails that send.sh sends, received by a server on loopback, give through b4 and git am the tree and the messages of the series.
# Needs: tree
# Green: scripts/send.sh Documentation/cover-letter.txt selftests/smtpd.py series patches
set -euo pipefail
# shellcheck source=selftests/gates/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

source=$BUILD/linux
head=$(git -C "$source" rev-parse HEAD)
base=$(git -C "$source" rev-parse 'base^{commit}')

# A copy in which the gates have passed and the series is applied: that is for
# other gates. As much of a tree as get_maintainer.pl wants to see.
repo=$TMPDIR/repo
mkdir "$repo"
cp -a "$TOP/scripts" "$TOP/series" "$TOP/patches" "$TOP/Documentation" "$TOP/MAINTAINERS.snippet" "$repo"
for script in test apply; do
	printf '#!/bin/bash\n' >"$repo/scripts/$script.sh"
done
export BUILD=$TMPDIR/build
tree=$BUILD/linux
git clone -q --shared --no-checkout "$source" "$tree"
cd "$tree"
git update-ref --no-deref HEAD "$head"
git update-ref refs/tags/base "$base"
git read-tree HEAD
git ls-files -- ':(glob)*' scripts/get_maintainer.pl | git checkout-index -f --stdin
mkdir -p Documentation arch include drivers fs init ipc kernel lib

server=$TMPDIR/server
mkdir "$server"
/usr/bin/python3 "$TOP/selftests/smtpd.py" "$server" &
smtpd=$!
trap 'kill "$smtpd" 2>/dev/null || :' EXIT
for ((i = 0; i < 100; i++)); do
	[[ ! -s $server/port ]] || break
	sleep 0.1
done
[[ -s $server/port ]] || die "the SMTP server does not start (above); scripts/setup.sh check installs what it needs."
# shellcheck disable=SC2031 # another one than plain_git's
export GIT_CONFIG_GLOBAL=$TMPDIR/gitconfig
printf '[user]\n\tname = Sender\n\temail = sender@localhost.localdomain\n[sendemail]\n\tsmtpServer = 127.0.0.1\n\tsmtpServerPort = %s\n' \
	"$(<"$server/port")" >"$GIT_CONFIG_GLOBAL"
# --send would want figures that may not have been made; the mails are the same.
"$repo/scripts/send.sh" --reflect <<<yes
kill "$smtpd"

count=$(git rev-list --count "$base..$head")
[[ $(find "$server/box/new" -type f | wc -l) == $((count + 1)) ]] ||
	die "$(find "$server/box/new" -type f | wc -l) mails were received for $count patches and a cover letter; see above."
mkdir "$TMPDIR/b4"
cover=$(find "$server/box/new" -type f | sort | head -n 1)
id=$(sed -n -E 's/^Message-I[Dd]: <(.*)>$/\1/p' "$cover" | head -n 1)
HOME=$TMPDIR XDG_CACHE_HOME=$TMPDIR/cache b4 --offline-mode am -m "$server/box" -o "$TMPDIR/b4" "$id"

# On the pristine base, as somebody who has read them on the list.
git update-ref --no-deref HEAD "$base"
git read-tree HEAD
git ls-files -z --with-tree=HEAD | xargs -0 rm -f
git am -q "$TMPDIR"/b4/*.mbx || die "git am does not apply what b4 made of the mails; see above."
[[ $(git rev-parse 'HEAD^{tree}') == "$TREE" ]] ||
	die "the mails give the tree $(git rev-parse 'HEAD^{tree}'), apply.sh gave $TREE; see what got lost."
messages() {
	git log --reverse --format='%an <%ae>%n%B' "$1" | sed '/^Signed-off-by: Sender </d' | cat -s
}
diff -u <(messages "$base..$head") <(messages "$base..HEAD") ||
	die "a message or an author (-) does not survive the mail (+); change that line."
echo "$count patches, tree $TREE"
