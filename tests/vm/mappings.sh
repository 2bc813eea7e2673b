# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Contents, offsets, EOF, zeroing, and how files are mapped.
# lab: memory=7G append=guestmemfs=3G,memmap=3G$4G

mapped() { /job/tests/mapped "$@"; }

contents() {
	truncate -s 16M $mnt/a
	check "new file: reads as zeroes" mapped zero $mnt/a
	check "new file: can be filled" mapped fill $mnt/a 1
	same "sum: it is stable" "$(mapped sum $mnt/a)" "$(mapped sum $mnt/a)"
	check "offset: one mapping can write across a page" mapped poke $mnt/a 0x4ff0 hello-across-a-page
	check "offset: another mapping reads it there" mapped peek $mnt/a 0x4ff4 o-across
	check "offset: the last block can be written" mapped poke $mnt/a 0xffe000 end
	check "offset: what is in the last block is not in the first" sh -c "! /job/tests/mapped peek $mnt/a 0 end 2>/dev/null"
	rm $mnt/a
	harness eof
	truncate -s 100 $mnt/g
	check "EOF: its page can be written past it" mapped poke $mnt/g 200 stale
	truncate -s 8192 $mnt/g
	check "EOF: what was past it is zero after growing" mapped zero $mnt/g
	rm $mnt/g

	truncate -s 1800M $mnt/all
	check "reuse: freed blocks read as zeroes" mapped zero $mnt/all
	mapped fill $mnt/all 7
	rm $mnt/all
	truncate -s 1G $mnt/big
	check "reuse: freed blocks read as zeroes when all were written" mapped zero $mnt/big
	rm $mnt/big
}

entries() {
	local thp=/sys/kernel/mm/transparent_hugepage/enabled was
	truncate -s 1G $mnt/big
	check "first touch of 1 GiB: takes 512 faults at most, no last-level tables" \
		few_faults 512 $mnt/big 0x40000000
	check "1 GiB again, aligned to a PUD: takes 1 fault at most" \
		few_faults 1 $mnt/big 0x40000000
	report info "1 GiB again, aligned to a PMD: faults, and KiB of page tables: $(mapped faults $mnt/big 0x200000)"
	truncate -s 512M $mnt/big
	truncate -s 1G $mnt/big
	if [[ -e $thp ]]; then
		was=$(sed 's/.*\[\(.*\)\].*/\1/' $thp)
		echo never >$thp
		check "THP off: it makes no difference" few_faults 512 $mnt/big 0x40000000
		echo "$was" >$thp
	else
		skip "THP off: it makes no difference" "$kernel cannot switch it off"
	fi
	rm $mnt/big
	fallocate -l 1G $mnt/big
	check "fallocated 1 GiB: takes 1 fault" few_faults 1 $mnt/big 0x40000000
	rm $mnt/big
	harness entries
}

stage1() {
	start
	contents
	entries
	harness vmas
	same "in the end: all blocks are free" "$(stat -f -c %b $mnt)" "$(stat -f -c %f $mnt)"
}
