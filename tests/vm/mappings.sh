# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Contents, offsets, EOF, zeroing, and how files are mapped.
# lab: memory=7G append=guestmemfs=3G,memmap=3G$4G

mapped() { /job/tests/mapped "$@"; }

stage1() {
	start
	truncate -s 16M $mnt/a
	check "new blocks are zero" mapped zero $mnt/a
	check "fill" mapped fill $mnt/a 1
	same "sum is stable" "$(mapped sum $mnt/a)" "$(mapped sum $mnt/a)"
	check "write by one offset" mapped poke $mnt/a 0x4ff0 hello-across-a-page
	check "read by another" mapped peek $mnt/a 0x4ff4 o-across
	check "offset in the last block" mapped poke $mnt/a 0xffe000 end
	check "which the first has not" sh -c "! /job/tests/mapped peek $mnt/a 0 end 2>/dev/null"

	for size in 1 4095 4096 4097 2097151 2097152 2097153 5000000; do
		truncate -s 0 $mnt/e
		truncate -s $size $mnt/e
		check "EOF at $size" mapped eof $mnt/e
	done
	for size in 100 4096 2097152 3000001; do
		truncate -s 0 $mnt/t
		truncate -s 6M $mnt/t
		check "shrink to $size and grow again" mapped shrink $mnt/t $size
	done
	truncate -s 0 $mnt/g
	truncate -s 100 $mnt/g
	check "write past EOF in EOF's page" mapped poke $mnt/g 200 stale
	truncate -s 8192 $mnt/g
	check "is not there after growing" mapped zero $mnt/g

	rm $mnt/a $mnt/e $mnt/t $mnt/g
	truncate -s 1800M $mnt/all
	check "no owner sees another's data" mapped zero $mnt/all
	mapped fill $mnt/all 7
	rm $mnt/all
	truncate -s 1G $mnt/big
	check "nor when all was used" mapped zero $mnt/big
	rm $mnt/big

	truncate -s 1G $mnt/big
	check "1 GiB touched first: 512 faults at most, no last-level tables" \
		mapped faults $mnt/big 0x40000000 512
	report info "first touch: $(mapped faults $mnt/big 0x200000 512)"
	check "1 GiB again, aligned to a PUD: 1 fault" \
		mapped faults $mnt/big 0x40000000 1
	report info "PUD-aligned: $(mapped faults $mnt/big 0x40000000 1)"
	check "truncate what a PUD maps" mapped halve $mnt/big
	if [[ -e /sys/kernel/mm/transparent_hugepage/enabled ]]; then
		thp=/sys/kernel/mm/transparent_hugepage/enabled
		was=$(sed 's/.*\[\(.*\)\].*/\1/' $thp)
		echo never >$thp
		check "THP off makes no difference" \
			mapped faults $mnt/big 0x40000000 512
		echo "$was" >$thp
	fi
	rm $mnt/big
	truncate -s 1G $mnt/big
	check "a block is punched: the others stay mapped" mapped punched $mnt/big 1
	rm $mnt/big
	fallocate -l 1G $mnt/big
	check "unless a PUD maps them" mapped punched $mnt/big 512
	rm $mnt/big
	fallocate -l 1G $mnt/big
	check "fallocated: 1 fault at once" mapped faults $mnt/big 0x40000000 1
	check "parts of what a PUD maps: munmap, mprotect, fork, mremap, truncate" \
		mapped pud $mnt/big
	rm $mnt/big
	fallocate -l 1G $mnt/big
	check "mremap() in one process takes no entry from another" mapped moved $mnt/big
	rm $mnt/big
	fallocate -l 2G $mnt/big
	check "what one does with its part does not harm another" mapped other $mnt/big
	truncate -s 1G $mnt/big
	check "not aligned to a block: it works all the same" \
		mapped unaligned $mnt/big
	rm $mnt/big

	truncate -s 16M $mnt/p
	check "truncate, punch, zero and allocate against faults" mapped race $mnt/p 5
	truncate -s 16M $mnt/p
	check "fork copies no entries" mapped forked $mnt/p
	check "soft-dirty" mapped softdirty $mnt/p
	check "madvise, MAP_FIXED" mapped advise $mnt/p
	truncate -s 0 $mnt/p
	truncate -s 16M $mnt/p
	check "mprotect, munmap, fork, mremap of parts" mapped parts $mnt/p
	rm $mnt/p
	same "all blocks are free again" "$(stat -f -c %b $mnt)" "$(stat -f -c %f $mnt)"
}
