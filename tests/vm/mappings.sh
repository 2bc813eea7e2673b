# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Contents, offsets, EOF, zeroing, and how files are mapped.
# lab: memory=7G append=guestmemfs=3G,memmap=3G$4G

gmem() { /job/tests/gmem "$@"; }

stage1() {
	start
	truncate -s 16M $mnt/a
	check "new blocks are zero" gmem zero $mnt/a
	check "fill" gmem fill $mnt/a 1
	same "sum is stable" "$(gmem sum $mnt/a)" "$(gmem sum $mnt/a)"
	check "write by one offset" gmem poke $mnt/a 0x4ff0 hello-across-a-page
	check "read by another" gmem peek $mnt/a 0x4ff4 o-across
	check "offset in the last block" gmem poke $mnt/a 0xffe000 end
	check "which the first has not" sh -c "! /job/tests/gmem peek $mnt/a 0 end 2>/dev/null"

	for size in 1 4095 4096 4097 2097151 2097152 2097153 5000000; do
		truncate -s 0 $mnt/e
		truncate -s $size $mnt/e
		check "EOF at $size" gmem eof $mnt/e
	done
	for size in 100 4096 2097152 3000001; do
		truncate -s 0 $mnt/t
		truncate -s 6M $mnt/t
		check "shrink to $size and grow again" gmem shrink $mnt/t $size
	done
	truncate -s 0 $mnt/g
	truncate -s 100 $mnt/g
	check "write past EOF in EOF's page" gmem poke $mnt/g 200 stale
	truncate -s 8192 $mnt/g
	check "is not there after growing" gmem zero $mnt/g

	rm $mnt/a $mnt/e $mnt/t $mnt/g
	truncate -s 1800M $mnt/all
	check "no owner sees another's data" gmem zero $mnt/all
	gmem fill $mnt/all 7
	rm $mnt/all
	truncate -s 1G $mnt/big
	check "nor when all was used" gmem zero $mnt/big
	rm $mnt/big

	truncate -s 1G $mnt/big
	check "1 GiB touched first: 512 faults at most, no last-level tables" \
		gmem faults $mnt/big 0x40000000 512
	report info "first touch: $(gmem faults $mnt/big 0x200000 512)"
	check "1 GiB again, aligned to a PUD: 1 fault" \
		gmem faults $mnt/big 0x40000000 1
	report info "PUD-aligned: $(gmem faults $mnt/big 0x40000000 1)"
	check "truncate what a PUD maps" gmem halve $mnt/big
	if [[ -e /sys/kernel/mm/transparent_hugepage/enabled ]]; then
		thp=/sys/kernel/mm/transparent_hugepage/enabled
		was=$(sed 's/.*\[\(.*\)\].*/\1/' $thp)
		echo never >$thp
		check "THP off makes no difference" \
			gmem faults $mnt/big 0x40000000 512
		echo "$was" >$thp
	fi
	rm $mnt/big
	truncate -s 1G $mnt/big
	check "a block is punched: the others stay mapped" gmem punched $mnt/big 1
	rm $mnt/big
	fallocate -l 1G $mnt/big
	check "unless a PUD maps them" gmem punched $mnt/big 512
	rm $mnt/big
	fallocate -l 1G $mnt/big
	check "fallocated: 1 fault at once" gmem faults $mnt/big 0x40000000 1
	check "parts of what a PUD maps: munmap, mprotect, fork, mremap, truncate" \
		gmem pud $mnt/big
	rm $mnt/big
	fallocate -l 1G $mnt/big
	check "mremap() in one process takes no entry from another" gmem moved $mnt/big
	rm $mnt/big
	fallocate -l 2G $mnt/big
	check "what one does with its part does not harm another" gmem other $mnt/big
	truncate -s 1G $mnt/big
	check "not aligned to a block: it works all the same" \
		gmem unaligned $mnt/big
	rm $mnt/big

	truncate -s 16M $mnt/p
	check "truncate, punch, zero and allocate against faults" gmem race $mnt/p 5
	truncate -s 16M $mnt/p
	check "fork copies no entries" gmem forked $mnt/p
	check "soft-dirty" gmem softdirty $mnt/p
	check "madvise, MAP_FIXED" gmem advise $mnt/p
	truncate -s 0 $mnt/p
	truncate -s 16M $mnt/p
	check "mprotect, munmap, fork, mremap of parts" gmem parts $mnt/p
	rm $mnt/p
	same "all blocks are free again" "$(stat -f -c %b $mnt)" "$(stat -f -c %f $mnt)"
}
