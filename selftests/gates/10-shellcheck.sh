#!/bin/bash
# The shell scripts, the tests and the init of the guest: shellcheck finds nothing.
set -euo pipefail
# shellcheck source=selftests/gates/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cd "$TOP"
# Every file that is a shell script by its name or by its first line.
mapfile -t files < <(find .ci scripts selftests -type f | sort | while read -r file; do
	if [[ $file == *.sh || $file == *.t ]] || head -n 1 "$file" | grep -qaE '^#!.*\<(ba|da)?sh\>'; then
		printf '%s\n' "$file"
	fi
done)
((${#files[@]})) || die "there is no shell script; is $TOP the repository?"
shellcheck -x "${files[@]}"

for file in "${files[@]}"; do
	case $file in
	*/lib.sh | *.t) ;;
	scripts/*.sh | selftests/gates/*.sh)
		# Sourced files begin with a directive for shellcheck, not with #!.
		head -n 1 "$file" | grep -q '^# shellcheck shell=' && continue
		grep -q '^set -euo pipefail$' "$file" || die "$file does not say 'set -euo pipefail'; add it."
		;;
	esac
done
echo "${#files[@]} files"
