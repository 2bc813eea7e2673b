# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Pages that the machine check handler calls bad, in a pool without page descriptors: who is
# told, and that no kernel gives them to a file again. The kernel's mce-inject logs an error as
# if the hardware had; nothing is bad in fact.
# lab: memory=4G kernels=debian-6.12,debian-7 with=debian-6.12,debian-7 seconds=700

sysfs=/sys/fs/guestmemfs/guestmemfs
inject=/sys/kernel/debug/mce-inject
other=debian-6.12
[[ $kernel != "$other" ]] || other=debian-7

# phys FILE OFFSET: where a byte of a file is, which has one extent.
phys() {
	local run
	run=$(printf '%s\0' "$1" | /job/tests/runs)
	echo $((${run##*@} + $2))
}

# fails ADDRESS: an uncorrected error of the memory controller, logged. VAL, UC, EN, ADDRV.
fails() {
	modprobe mce-inject
	echo sw >$inject/flags
	echo 0xb400000000080000 >$inject/status
	printf '%#x' "$1" >$inject/addr
	echo 4 >$inject/bank
}

# Addresses and times.
known() { cut -d ' ' -f 1,2 $sysfs/bad_pages; }
recorded() { grep -q "^$(printf '%#x' "$1") " $sysfs/bad_pages; }

stage1() {
	local a b n
	start
	same "record: it is empty" "" "$(cat $sysfs/bad_pages)"
	truncate -s 8M $mnt/a
	/job/tests/mapped fill $mnt/a 1
	a=$(phys $mnt/a 0x203000)
	b=$((a + 0x40000000))
	# One who wants to know, and one who does not.
	holding /job/tests/early $mnt/a 0x203000
	n=$!
	/job/tests/mapped hold $mnt/a >/tmp/other &
	soon test -s /tmp/other
	new_log >/dev/null
	# Of the memory that files have registered mm itself tells, before it is logged.
	if [[ $kernel = debian-7 ]]; then
		check "a file's page: memory_failure() knows it" \
			insmod /job/guestmemfs_peek.ko at=$a fail=1
		rmmod guestmemfs_peek
	else
		refused "a file's page: memory_failure() does not know it" "No such device" \
			insmod /job/guestmemfs_peek.ko at=$a fail=1
	fi
	check "a file's page: its error is injected" fails $((a + 64))
	check "a file's page: it is recorded" soon recorded $a
	logs "a file's page: the log has its address and its file" \
		"the page at $(printf '%#x' $a) is bad, in inode $(stat -c %i $mnt/a)"
	same "a file's page: the record has its file" \
		"$(printf '%#x' $a) file $(stat -c %i $mnt/a)" "$(cut -d ' ' -f 1,3- $sysfs/bad_pages)"
	check "a file's page: who wants to know gets SIGBUS with its address" \
		soon grep -q "^AO 0x203000 12$" /tmp/held
	check "a file's page: others go on" kill -0 %%
	kill %% $n 2>/dev/null
	wait 2>/dev/null
	same "a file's page: a new mapping gets SIGBUS" "sigbus" "$(/job/tests/early $mnt/a touch 0x203000)"
	same "a file's page: the others are there" "fine" "$(/job/tests/early $mnt/a touch 0x202000 0x204000 0 0x600000)"
	mount -o remount,fileio $mnt
	refused "a file's page: read() is EIO" "Input/output error" \
		dd if=$mnt/a bs=4096 skip=515 count=1 of=/dev/null
	mount -o remount,nofileio $mnt
	same "a file's page: a private mapping gets SIGBUS, too" "sigbus" \
		"$(/job/tests/early $mnt/a private 0x203000)"
	same "a file's page: a private mapping has the others" "fine" \
		"$(/job/tests/early $mnt/a private 0x202000 0x204000 0 0x3ff000 0x600000)"
	n=$(stat -f -c %f $mnt)
	check "a free page: its error is injected" fails $b
	check "a free page: it is recorded" soon recorded $b
	same "a free page: its block is not free any more" $((n - 1)) "$(stat -f -c %f $mnt)"
	check "a free page: an error beside it is injected" fails $((b + 0x1000))
	check "a free page: that is recorded" soon recorded $((b + 0x1000))
	same "a free page: it costs no other block" $((n - 1)) "$(stat -f -c %f $mnt)"
	check "frozen: writing 1 to active succeeds" sh -c "echo 1 >/sys/fs/guestmemfs/active"
	check "frozen: an error in a free page is injected" fails $((b + 0x200000))
	check "frozen: it is recorded" soon recorded $((b + 0x200000))
	cp $sysfs/image /job/image
	same "frozen: the published image has it" 4 \
		"$(fdtget -t x /job/image / bad-pages | wc -w | awk '{ print $1 / 4 }')"
	known >/job/bad-pages
	sums_but_bad >/job/sums
	next_kernel "$other"
}

# What the file has, apart from the bad page.
sums_but_bad() { /job/tests/early $mnt/a sum 0x203000; }

# All that is known is known still, and no file gets the blocks.
remembers() {
	local free good=0 i
	same "$1: all bad pages are known" "$(cat /job/bad-pages)" "$(known)"
	same "$1: the file is as it was, but for the page" "$(cat /job/sums)" "$(sums_but_bad)"
	same "$1: a mapping of the bad page gets SIGBUS" "sigbus" \
		"$(/job/tests/early $mnt/a touch 0x203000)"
	check "$1: the file has a bad block" has_bad $mnt/a
	free=$(stat -f -c %f $mnt)
	for i in 1 2 3; do
		truncate -s $((free * 2))M $mnt/all || break
		! has_bad $mnt/all || break
		rm $mnt/all
		good=$i
	done
	same "$1: all free blocks, three times, are good ones" 3 "$good"
	refused "$1: there are no more" "No space left" truncate -s $((free * 2 + 2))M $mnt/all
	rm -f $mnt/all
}

# Whether a block of a file has a bad page.
has_bad() {
	printf '%s\0' "$1" | /job/tests/runs | awk -v bad="$(cut -d ' ' -f 1 $sysfs/bad_pages | xargs printf '%d ')" '{
		n = split(bad, pages, " ")
		for (i = 2; i <= NF; i++) {
			split($i, run, /[+@]/)
			for (k = 1; k <= n; k++)
				found += pages[k] >= run[3] && pages[k] < run[3] + run[2]
		}
		exit !found }'
}

start_again() {
	rmmod guestmemfs
	load >/dev/null
	mount_g
}

# another TEXT: one more page fails, in the same block as the last one.
another() {
	local last
	last=$(tail -n 1 $sysfs/bad_pages | cut -d ' ' -f 1)
	check "$1: an error in another page is injected" fails $((last + 4096))
	check "$1: it is recorded" soon recorded $((last + 4096))
	known >/job/bad-pages
}

stage2() {
	start
	remembers "after a kexec to $(uname -r)"
	umount $mnt
	rmmod guestmemfs
	start
	remembers "after a reload"
	umount $mnt
	start_again
	# Nothing changes after the mount, so the head has the tree.
	another "mounted"
	umount $mnt
	start_again
	remembers "after one while it was mounted, and a reload"
	umount $mnt
	another "unmounted"
	start_again
	remembers "after one while it was unmounted, and a reload"
	next_kernel "$kernel"
}

stage3() {
	start
	remembers "back on $(uname -r)"
	rm $mnt/a
	same "unlink: the file's bad page is known still" "$(cat /job/bad-pages)" "$(known)"
	same "unlink: it is in no file" "" "$(grep file $sysfs/bad_pages)"
	same "unlink: 3 blocks are withheld" 3 "$(cat $sysfs/blocks_withheld)"
	known >/job/bad-pages
	umount $mnt
	rmmod guestmemfs
	opened
	check "crash: the module loads" load
	refused "crash: the mount is refused" "did not leave an image" mount_g
	discarded "crash"
	umount $mnt
	check "crash: the tree mounts again" start_again
	same "crash: all bad pages are known to the next image" "$(cat /job/bad-pages)" \
		"$(known)"
}

# What a crash after a change leaves: the seals in both slots are open.
opened() {
	local slot
	for slot in 0 1; do
		insmod /job/guestmemfs_peek.ko at=$(((4992 + slot) << 20 | 12)) set=$((0x6f70656e))
		rmmod guestmemfs_peek
	done
}

discarded() {
	check "$1: the tree mounts with -o discard" mount_g -o discard
	same "$1: all bad pages are known" "$(cat /job/bad-pages)" "$(known)"
	same "$1: their blocks are withheld" 3 "$(cat $sysfs/blocks_withheld)"
}
