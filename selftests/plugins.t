#!/bin/bash
# The plugins of scripts/bench, loaded by a stand-in for QEMU: what they count, what
# a TLB of the geometry that was given does, and that page tables that QEMU does not
# go by are seen.
set -euo pipefail
cache=${CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/linux-page-huge}
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
header=$cache/tools/qemu
[[ -f $header/qemu-plugin.h ]] || bail "no qemu-plugin.h in $header; run scripts/setup.sh bench first"
for name in count tlb; do
	gcc -Wall -Wextra -Wno-unused-parameter -Werror -O1 -g -fPIC -shared -I"$header" \
		"$TOP/scripts/bench/$name.c" -o "$T/$name.so" || bail "$name.c does not build"
done
gcc -Wall -Wextra -Wno-unused-parameter -Werror -O1 -g -rdynamic -I"$header" "$TOP/selftests/plugins/qemu.c" -o "$T/qemu" ||
	bail "qemu.c does not build"

printf '%s\n' "0000000000000010 D not_text" "ffffffff81000000 T first" "ffffffff81000000 T alias" \
	"ffffffff81000010 t second" "ffffffff81000100 T _etext" "ffffffff82000000 D data" >"$T/map"

# qemu PLUGIN ARG... <what happens: its output, without the header line, in $out
qemu() {
	local plugin=$1
	shift
	rm -f "$T/out"
	cat >"$T/script"
	capture "$T/qemu" "$T/$plugin.so" "$@" out="$T/out" <"$T/script"
	if [[ $code == 0 ]]; then
		out=$(tail -n +2 "$T/out")
	fi
}

# Counting
qemu count map="$T/map" <<-'X'
	run ffffffff81000000 7
	begin 3
	run ffffffff81000000 5
	run ffffffff8100000e 4
	run 400000 11
	run ffffffffc0000000 2
	end 3
	run ffffffff81000000 9
	begin 3
	run ffffffff81000020 1
	end 3
X
is "instructions, by function, of all times; across a border; the mark's own is of the user's" \
	"$(LC_ALL=C sort -t "$(printf "\t")" -k3,3 <<<"$out" | xargs)" \
	"3 2 [module] 2 3 2 [user] 13 3 2 first 7 3 2 second 3"
qemu count map="$T/map" </dev/null
is "no mark, nothing" "$code:$out" "0:"
qemu count map="$T/none" </dev/null
is "no System.map is an error" "$code" 1
like "that is named" "$err" "none: No such file"
qemu count map=/etc/passwd </dev/null
like "a file that is something else, too" "$code $err" "^1 .*is no System.map"

# The columns of tlb: id times accesses of_4k of_2m of_1g l1_misses misses loads flushes
tlb() {
	qemu tlb low=0x4000000 "$@"
}
mapped() {
	local i
	for ((i = 0; i < 64; i++)); do
		printf 'page %x %x 4k\n' $((0x10000000 + i * 4096)) $((0x1000000 + i * 4096))
	done
	for ((i = 0; i < 16; i++)); do
		printf 'page %x %x 2m\n' $((0x40000000 + i * 0x200000)) $((0x2000000 + (i & 7) * 0x200000))
	done
	printf 'page %x 0 1g\n' $((0x80000000)) $((0xc0000000)) $((0x100000000))
}
# Four entries of 4 KiB in two sets, two of 2 MiB, one of 1 GiB
small=(l1=4x2:2x2:1x1 l2=8x4:2x2)
tlb "${small[@]}" < <(mapped; printf '%s\n' "begin 1" "read 10000000 4 1000" "read 10000000 4 1000" "end 1")
is "what fits misses once" "$out" "$(printf '1\t1\t8\t8\t0\t0\t4\t4\t16\t0')"
tlb "${small[@]}" < <(mapped; printf '%s\n' "begin 1" "read 10000000 6 1000" "read 10000000 6 1000" "end 1")
is "what does not, again, in the first level; the second has it" "$out" "$(printf '1\t1\t12\t12\t0\t0\t12\t6\t24\t0')"
tlb "${small[@]}" < <(mapped; printf '%s\n' "begin 1" "read 10000000 16 1000" "read 10000000 16 1000" "end 1")
is "nor the second" "$out" "$(printf '1\t1\t32\t32\t0\t0\t32\t32\t128\t0')"
tlb "${small[@]}" < <(mapped; printf '%s\n' "begin 1" "read 10000000 3 2000" "read 10000000" "end 1")
is "one set is full, the other is not" "$(cut -f7 <<<"$out")" 4
tlb "${small[@]}" < <(mapped; printf '%s\n' "begin 1" "read 10000000 2 2000" "read 10000000" "read 10004000" "read 10000000" "read 10002000" "end 1")
is "the least recently used goes" "$(cut -f7 <<<"$out")" 4
tlb "${small[@]}" < <(mapped; printf '%s\n' "begin 2" "read 40000000 512 1000" "read 80001000 3 2000000" "end 2")
is "larger pages are seen as such" "$out" "$(printf '2\t1\t515\t0\t512\t3\t2\t2\t5\t0')"
tlb "${small[@]}" < <(mapped; printf '%s\n' "begin 1" "read 40000000 3 200000" "read 40000000 3 200000" "end 1")
is "2 MiB and 4 KiB share the second level" "$(cut -f7,8 <<<"$out" | xargs)" "6 3"
tlb "${small[@]}" < <(mapped; printf '%s\n' "begin 1" "read 80000000 3 40000000" "read 80000000 3 40000000" "end 1")
is "1 GiB has its own" "$(cut -f7,8 <<<"$out" | xargs)" "6 6"
tlb < <(mapped; printf '%s\n' "begin 1" "read 10000000 64 1000" "read 10000000 64 1000" "read 40000000 16 200000" "end 1")
is "the default geometry has room for 64" "$(cut -f7 <<<"$out")" 80
tlb "${small[@]}" < <(mapped; printf '%s\n' "read 10000000" "begin 1" "read 10000000" "kread 10001000" "kread ffffffff81000000" "cr3" "read 10000000" "invlpg" "read 10000000" "end 1" "begin 1" "read 10000000" "end 1" "read 10001000")
is "between marks, by the user, and what the kernel invalidates" "$out" "$(printf '1\t2\t4\t4\t0\t0\t4\t4\t16\t2')"
tlb "${small[@]}" < <(mapped; printf '%s\n' "begin 1" "read 10000000" "end 1" "unmap 10000000" "page 10000000 1005000 4k" "begin 2" "read 10000000" "end 2")
is "another page at the same address" "$(cut -f7 <<<"$out" | xargs)" "1 1"
tlb "${small[@]}" < <(mapped; printf '%s\n' "moved 10003000 1004000" "begin 1" "read 10003000" "end 1")
is "page tables that QEMU does not go by" "$code" 1
like "are named" "$err" "no page tables that lead from 0x10003000 to 0x1004000"
is "and leave no figures" "$([[ -e $T/out ]] && echo there)" ""
tlb l1=5x2:2x2:1x1 </dev/null
like "a geometry that cannot be" "$code $err" "^1 .*5x2.* is no ENTRIESxWAYS"

# And by QEMU itself: a hundred loads, in a loop of three instructions.
cat >"$T/guest.S" <<'X'
	.code32
	.long 0x1badb002, 0, -0x1badb002
	.globl _start
_start:
	mov $marks + 5 - 0x48504231, %eax
	movb 0x48504231(%eax), %cl
	mov $100, %ecx
1:	mov marks, %edx
	dec %ecx
	jnz 1b
	mov $marks + 5 - 0x48504232, %eax
	movb 0x48504232(%eax), %cl
	mov $0x604, %dx
	mov $0x2000, %ax
	outw %ax, %dx
2:	hlt
	jmp 2b
	.bss
	.balign 65536
marks:	.space 65536
X
gcc -m32 -nostdlib -static -Wl,-Ttext=0x100000,--build-id=none "$T/guest.S" -o "$T/guest" || bail "the guest does not build"
cd "$T"
for icount in "" "-icount shift=0"; do
	rm -f "$T/out"
	# shellcheck disable=SC2086 # two words, or none
	capture timeout 60 qemu-system-x86_64 -M q35 -accel tcg $icount -no-user-config -nodefaults -display none -m 64 \
		-kernel "$T/guest" -plugin ./count.so,map=map,out=out
	is "QEMU itself${icount:+ with $icount} ends well" "$code:$err" "0:"
	is "and counts the same" "$(tail -n +2 "$T/out" | xargs)" "5 1 [user] 303"
done

done_testing
