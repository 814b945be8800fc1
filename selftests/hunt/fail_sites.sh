#!/bin/bash
# fail_sites.sh [--rest] OBJECTS...: the calls of the series that can fail for want of
# something, as they are in the compiled code of build/linux.
#
# Prints FUNCTION+0xOFFSET, FUNCTION, CALLEE, FILE for each, with tabs between: the
# return address of a call in a function that the series adds or changes (as git
# diff says; all of a file that it adds) to a function whose name matches
# fail_sites.callees. That is what a stack shows, whatever has been inlined.
#
# With --rest the names of what else these functions call, which nothing in
# fail_sites.callees matches and which is taken for what cannot fail.
#
# A function that the compiler has made no function of its own in its file is seen
# in those that it is inlined into.
#
# OBJECTS are directories, of which the first that has it has the object of a file.
# A file without one is not part of the kernel.
#
# Environment:
#   BUILD   where everything is built (default: build)
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"

rest=0
[[ ${1-} != --rest ]] || { rest=1; shift; }
(($#)) || die "say fail_sites.sh OBJECTS..., such as build/debug."
linux=$BUILD/linux
callees=$TOP/selftests/hunt/fail_sites.callees

# touched FILE OBJECT: the functions of it that the series adds or changes. Kernel
# style: a function begins with a line that is not indented, and ends with a
# brace of its own.
touched() {
	if ! git -C "$linux" cat-file -e "base:$1" 2>/dev/null; then
		nm "$2" | awk '$2 ~ /^[tT]$/ { sub(/\..*/, "", $3); print $3 }' | sort -u
		return
	fi
	git -C "$linux" diff -U0 base HEAD -- "$1" | awk '
		FNR == NR {
			if (/^@@/) {
				split(substr($3, 2), at, ",")
				n = 2 in at ? at[2] : 1
				# What is only taken away is at the line before.
				for (i = 0; i < (n ? n : 1); i++)
					changed[at[1] + i]
			}
			next
		}
		/^[A-Za-z_].*\(/ && !/;$/ && !/^(EXPORT_SYMBOL|DEFINE_|module_|MODULE_)/ {
			name = $0
			sub(/\(.*/, "", name)
			sub(/.*[ *]/, "", name)
		}
		FNR in changed && name != "" { print name }
		/^}/ { name = "" }
	' - "$linux/$1" | sort -u
}

while read -r file; do
	object=
	for dir; do
		[[ $object || ! -f $dir/${file%.c}.o ]] || object=$dir/${file%.c}.o
	done
	[[ $object ]] || continue
	# A stack has a module's first and last function by its own name, objdump by the
	# common one.
	common=$(objdump -t "$object" | awk '
		$2 == "l" && $3 == "F" { own[$1, $4] = $NF }
		$NF ~ /^(init|cleanup)_module$/ { at[$NF] = $1 SUBSEP $4 }
		END { for (name in at) print name, own[at[name]] }')
	objdump -dr --no-show-raw-insn "$object" |
		awk -v file="$file" -v rest="$rest" -v common="$common" -v functions="$(touched "$file" "$object")" '
		function hex(text,  i, value) {
			for (i = 1; i <= length(text); i++)
				value = value * 16 + index("0123456789abcdef", substr(text, i, 1)) - 1
			return value
		}
		function can_fail(name,  i) {
			for (i = 1; i <= patterns && name !~ pattern[i]; i++)
				;
			if (rest && i > patterns)
				print name
			return !rest && sign[i] == "+"
		}
		BEGIN {
			n = split(functions, list, "\n")
			for (i = 1; i <= n; i++)
				wanted[list[i]]
			n = split(common, list)
			for (i = 1; i < n; i += 2)
				own[list[i]] = list[i + 1]
		}
		FNR == NR {
			if (/^[-+] /) {
				sign[++patterns] = $1
				pattern[patterns] = "^(" $2 ")$"
			}
			next
		}
		/^[0-9a-f]+ <.*>:$/ {
			symbol = substr($2, 2, length($2) - 3)
			if (symbol in own)
				symbol = own[symbol]
			start = hex($1)
			name = symbol
			sub(/\..*/, "", name)
			callee = ""
			next
		}
		# A relocation: what the instruction before it calls
		/R_X86_64_(PLT32|PC32)/ {
			if (called) {
				callee = $3
				sub(/[-+]0x[0-9a-f]+$/, "", callee)
			}
			next
		}
		/^ *[0-9a-f]+:/ {
			address = $1
			sub(/:/, "", address)
			address = hex(address)
			# The instruction after a call
			if (callee != "" && name in wanted) {
				sub(/\..*/, "", callee)
				# What those of this file call is looked at there.
				if (!(callee in wanted) && can_fail(callee))
					printf "%s+0x%x\t%s\t%s\t%s\n", symbol, address - start, name, callee, file
			}
			callee = ""
			called = $2 == "call"
			if (called && match($0, /<[^+>]*>$/))
				callee = substr($0, RSTART + 1, RLENGTH - 2)
		}' "$callees" -
done < <(git -C "$linux" diff --name-only --no-renames --diff-filter=d base HEAD -- '*.c' \
	':!tools' ':!Documentation' ':!*/tests/*') | if ((rest)); then sort -u; else cat; fi
