# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# A pool mounted with pages: what that adds, and what stays as it is without.
# lab: memory=7G limit=4500M kernels=kho,debian-6.12,debian-7 append=guestmemfs=3G,memmap=3G$4G
# lab-debug: limit=9G

# The largest entry that can map folios of 2 MiB.
PAGES=pmd
[[ $(uname -r) != 6.12.* ]] || PAGES=pud
export PAGES

. /job/tests/mappings.sh
# works PROGRAM OPERATION [RESULT]: as on tmpfs, or with RESULT.
works() {
	local there want
	there=$(perform "$1" "$2" /tmp/limits)
	if [[ $there = skip:* ]]; then
		skip "$2: ends as on tmpfs" "${there#skip: }"
		return
	fi
	want=${3:-$there}
	same "$2: ends with $want, and with $there on tmpfs" "$want" "$(perform "$1" "$2" $mnt/limits)"
}

operations() {
	local op
	echo core >/proc/sys/kernel/core_pattern
	echo 0 >/proc/sys/kernel/core_uses_pid
	for op in direct-read direct-write io-uring-buffers vmsplice msg-zerocopy xdp-umem \
		process-vm-readv process-vm-writev ptrace-peek proc-pid-mem proc-pid-mem-write \
		futex mutex semaphore core-dump futex-private buffered-read pidfd-getfd; do
		works pages $op
	done
	# The kernel does not move what is a device's memory to it.
	works pages move-pages ENOENT
	modprobe kvm_amd 2>/dev/null
	works kvm nested
	if [[ $kernel = debug ]]; then
		skip "vhost-scsi: ends as on tmpfs" "the locks of vhost-scsi and configfs in 7.3 are at odds"
	else
		works vhost vhost-scsi
	fi
	for op in populate-read populate-write dontneed cold pageout dofork guard-install \
		mremap-dontunmap mremap-grow map-populate mincore discard qemu-advice; do
		works limits $op
	done
	works limits userfaultfd EINVAL
	# 6.12 has such memory in special mappings alone.
	if [[ $PAGES = pud ]]; then
		works limits wp-async EINVAL
		works limits dodump EINVAL
		works limits mlock "VmLck 0, ok"
		works limits map-locked "VmLck 0, ok"
	else
		for op in wp-async dodump mlock map-locked; do works limits $op; done
	fi
	rm -f $mnt/limits /tmp/limits
}

status() { cat "/sys/fs/guestmemfs/guestmemfs/$1"; }
withheld() { [[ $(status blocks_withheld) = "$1" ]]; }

# pin FILE OFFSET: until unpin.
pin() {
	rm -f /tmp/pin /tmp/held
	mkfifo /tmp/pin
	/job/tests/pin "$1" "$2" </tmp/pin >/tmp/held 2>&1 &
	exec 8>/tmp/pin
	soon test -s /tmp/held
	same "pin: a page of a file can be a buffer of io_uring" held "$(cat /tmp/held)"
}

# dma TEXT: it is written to the page that is pinned.
dma() {
	echo "$1" >&8
	soon grep -q "written $1" /tmp/held
}

unpin() {
	exec 8>&-
	wait %%
}

# A block that somebody pins gets to no other file.
pins() {
	local free
	same "pins: none is left" 0 "$(status blocks_withheld)"
	free=$(stat -f -c %f $mnt)
	truncate -s 8M $mnt/a
	/job/tests/mapped fill $mnt/a 1
	pin $mnt/a 0x200000
	check "pin: what is written to the buffer is in the file" dma in-the-file
	check "pin: the file has it" /job/tests/mapped peek $mnt/a 0x200000 in-the-file
	fallocate -p -o 2M -l 2M $mnt/a
	same "punch: a block that is pinned is withheld" 1 "$(status blocks_withheld)"
	same "punch: statfs does not call it free" $((free - 4)) "$(stat -f -c %f $mnt)"
	same "punch: it is in no file" 3 "$(status blocks_used)"
	check "punch: the hole reads as zeroes" /job/tests/mapped range $mnt/a 0x200000 0x200000 zero
	rm $mnt/a
	same "unlink: the other blocks are free" $((free - 1)) "$(stat -f -c %f $mnt)"
	truncate -s $(((free - 1) * 2))M $mnt/all
	/job/tests/mapped fill $mnt/all 2
	refused "withheld: the block is not there to allocate" "No space left" \
		fallocate -o $(((free - 1) * 2))M -l 2M $mnt/all
	sum=$(/job/tests/mapped sum $mnt/all)
	check "withheld: what is written to it" dma in-no-file
	same "withheld: is in no other file" "$sum" "$(/job/tests/mapped sum $mnt/all)"
	refused "withheld: write 0 does not release what is pinned" "No space left" \
		sh -c "echo 0 >/sys/fs/guestmemfs/guestmemfs/blocks_withheld
			fallocate -o $(((free - 1) * 2))M -l 2M $mnt/all"
	unpin
	# io_uring lets its buffers go when the process has ended.
	check "unpin: the block is free" soon withheld 0
	check "unpin: it can be allocated" truncate -s $((free * 2))M $mnt/all
	check "unpin: it reads as zeroes" /job/tests/mapped range $mnt/all \
		$(((free - 1) << 21)) 0x200000 zero
	rm $mnt/all
}

# The pages stay for as long as somebody pins one, whatever is mounted.
unmounted() {
	truncate -s 4M $mnt/a
	/job/tests/mapped fill $mnt/a 3
	sum=$(/job/tests/mapped sum $mnt/a)
	pin $mnt/a 0
	check "umount: succeeds while a block is pinned" umount $mnt
	logs "umount: the log tells of the pin" "1 blocks are still pinned"
	same "umount: the pages stay" 1 "$(status pages)"
	refused "rmmod: is EBUSY" "in use" rmmod guestmemfs
	refused "mount without pages: says how many are pinned" "1 blocks of pool guestmemfs are still pinned" \
		mount_g
	check "mount with pages: succeeds" mount_g -o pages
	same "mount with pages: the contents are there" "$sum" "$(/job/tests/mapped sum $mnt/a)"
	rm $mnt/a
	same "unlink: the block is withheld" 1 "$(status blocks_withheld)"
	umount $mnt
	check "mount with pages: succeeds again" mount_g -o pages
	same "mount with pages: the block is withheld as before" 1 "$(status blocks_withheld)"
	umount $mnt
	unpin
	check "unpin: the pages go by themselves" soon eval '[[ $(status pages) = 0 ]]'
	check "mount without pages: succeeds" mount_g
	same "mount without pages: no block is withheld" 0 "$(status blocks_withheld)"
	refused "remount: pages cannot be added" "mounted without pages" mount -o remount,pages $mnt
	refused "mount: nor by a second one" "mounted without pages, and stays so" \
		mount -t guestmemfs -o pages guestmemfs /var/tmp
	umount $mnt
	check "tree: it mounts with pages" mount_g -o pages
	refused "remount: pages cannot be taken away" "mounted with pages" mount -o remount,nopages $mnt
	check "remount: another option can be given" mount -o remount,sparse $mnt
	mount -o remount,nosparse $mnt
}

# The kernel warns if one thread's entry surprises the other.
guards() {
	local n
	truncate -s 2M $mnt/guards
	/job/tests/mapped fill $mnt/guards 1
	n=$(/job/tests/guards $mnt/guards 5)
	case $n in
	skip:*)
		skip "guards: a fault beside MADV_GUARD_INSTALL enters a page" "${n#skip: }" ;;
	*)
		check "guards: a fault beside MADV_GUARD_INSTALL enters a page" test "${n:-0}" -gt 0
		report info "$n guards were installed" ;;
	esac
	rm $mnt/guards
}

private() {
	local t
	truncate -s 8M $mnt/p
	for t in cow busy stale change readers; do
		check "private mapping: $t" /job/tests/private $t $mnt/p
	done
	truncate -s 0 $mnt/p
	truncate -s 8M $mnt/p
	for t in watch pages huge collapse; do
		check "private mapping: $t" /job/tests/private $t $mnt/p
	done
	# All of it is written.
	/job/tests/mapped fill $mnt/p 1
	holding /job/tests/private hold $mnt/p
	same "private mapping: the page cache stays empty" 0 "$(/job/tests/mapped cached $mnt/p)"
	kill $!
	wait $! 2>/dev/null
	check "private mapping: MADV_COLLAPSE does it no harm" /job/tests/collapse $mnt/p 3
	rm $mnt/p
}

# hwpoison BLOCK: its second page is bad.
hwpoison() {
	printf '%#x\n' $((base / 4096 + $1 * 512 + 1)) >/sys/kernel/debug/hwpoison/corrupt-pfn
}

# Pages that are bad: what others see is in badpages.c. No file gets their blocks any more.
bad_pages() {
	local all bad base free kho=/sys/kernel/debug/kho/out/sub_fdts/guestmemfs nr=11
	bad=/sys/fs/guestmemfs/guestmemfs/bad_pages
	base=$(status windows | sed 's/.*@\(0x[0-9a-f]*\) .*/\1/')
	free=$(stat -f -c %f $mnt)
	mount -o remount,fileio $mnt
	# That of an entry of 1 GiB has two.
	[[ $PAGES != pud ]] || nr=13
	harness badpages
	new_log >/dev/null
	same "bad pages: their blocks are withheld" $nr "$(status blocks_withheld)"
	modprobe hwpoison_inject 2>/dev/null
	check "bad pages: one is in a free block" hwpoison 1000
	logs "bad pages: the log has its address" "the page at $(printf '%#x' $((base + 1000 * 2097152 + 4096))) is bad"
	nr=$((nr + 1))
	same "bad pages: a free block is withheld at once" $nr "$(status blocks_withheld)"
	check "bad pages: one is in it that is known" hwpoison 1000
	same "bad pages: no block more is withheld" $nr "$(status blocks_withheld)"
	all=$(((free - nr) * 2))
	check "bad pages: all other blocks can be allocated" fallocate -l ${all}M $mnt/all
	refused "bad pages: one block more is ENOSPC" "No space left" \
		fallocate -l $((all + 2))M $mnt/all
	refused "bad pages: also after writing 0 to blocks_withheld" "No space left" \
		sh -c "echo 0 >/sys/fs/guestmemfs/guestmemfs/blocks_withheld
			fallocate -l $((all + 2))M $mnt/all"
	check "bad pages: all that was allocated can be written" /job/tests/mapped fill $mnt/all 7
	rm $mnt/all
	if [[ $kernel = kho ]]; then
		check "bad pages: the tree can be published" sh -c "echo 1 >/sys/kernel/kho/active"
		check "bad pages: one is in a free block while it is" hwpoison 1001
		nr=$((nr + 1))
		same "bad pages: KHO's copy has them all" "$(wc -l <$bad)" \
			"$(($(fdtget -t x $kho / bad-pages | wc -w) / 4))"
		echo 0 >/sys/kernel/kho/active
	fi
	umount $mnt
	check "bad pages: the tree mounts without pages" mount_g
	same "bad pages: their blocks are withheld as before" $nr "$(status blocks_withheld)"
}

stage1() {
	check "module: it loads" load
	check "tree: it mounts with pages" mount_g -o pages
	same "pages: sysfs says so" 1 "$(status pages)"
	operations
	contents
	truncate -s 1G $mnt/big
	check "first touch of 1 GiB: takes 512 faults at most, no last-level tables" \
		few_faults 512 $mnt/big 0x40000000
	[[ $PAGES != pud ]] || check "1 GiB again, aligned to a PUD: takes 1 fault at most" \
		few_faults 1 $mnt/big 0x40000000
	rm $mnt/big
	harness entries
	harness vmas
	private
	guards
	pins
	unmounted
	same "in the end: all blocks are free" "$(stat -f -c %b $mnt)" "$(stat -f -c %f $mnt)"
	same "in the end: none is withheld" 0 "$(status blocks_withheld)"
	bad_pages
	check "umount: succeeds" umount $mnt
	same "umount: the pages are gone" 0 "$(status pages)"
	check "rmmod: succeeds, whatever was refused before" rmmod guestmemfs
}
