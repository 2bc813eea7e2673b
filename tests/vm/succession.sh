# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What can follow each other on a host: kernels, regions, loads and resets. After each, the
# tree, its extents and its contents are what they were, or the module says why not. On debug:
# beside.sh does the same on the other kernels.
# lab: memory=4G kernels=debug with=debian-6.12,debian-7 seconds=1500
# lab: cpus=1 reboot=yes limit=4500M
# lab-debug: limit=9G

active=/sys/fs/guestmemfs/active
status=/sys/fs/guestmemfs/guestmemfs
# Below each region that a stage has.
old_kexec=$((4992 * 1048576 - 1))
other=debian-6.12
[[ $kernel != "$other" ]] || other=debian-7

# arrive TEXT: a kernel takes over what was remembered.
arrive() {
	check "$1: the module loads" load
	check "$1: the tree mounts" mount_g
	compare "$1"
	check "$1: a file with holes has its data" /job/tests/mapped peek $mnt/d/untouched 20000000 'in the midst'
	same "$1: sysfs counts files and blocks as the tree does" \
		"$(find $mnt -mindepth 1 -printf '%i\n' | sort -u | wc -l) $(stat -f -c '%b %f %S' $mnt) $(($(stat -f -c '%b - %f' $mnt)))" \
		"$(cd $status && paste -d " " files blocks blocks_free block_size blocks_used)"
}

# How many slots of the head are sealed.
sealed() {
	local slot n=0
	for slot in 0 1; do
		insmod /job/guestmemfs_peek.ko at=$((4992 * 1048576 + slot * 1048576 + 8)) || return
		rmmod guestmemfs_peek
		! dmesg | grep 'peek ' | tail -n 1 | grep -q 'peek 6c616573' || n=$((n + 1))
	done
	echo $n
}

# poke_head OFFSET WORD: change 32 bits of both slots, while nobody has the region.
poke_head() {
	local slot
	for slot in 0 1; do
		insmod /job/guestmemfs_peek.ko at=$((5120 * 1048576 + slot * 1048576 + $1)) set="$2"
		rmmod guestmemfs_peek
	done
}

# refuses TEXT PATTERN [PARAMETER]: no mount, one line that says why, the same in
# sysfs.
refuses() {
	new_log >/dev/null
	check "$1: the module loads" load "${@:3}"
	refused "$1: the mount is refused" "$2" mount_says
	same "$1: one line of the log says so" 1 "$(new_log | grep -c 'image is quarantined')"
	same "$1: the state is quarantined" quarantined "$(cat $status/state)"
	check "$1: the reason is in sysfs" grep -q "$2" $status/quarantine
}

# mount(8) of today shows what the kernel said; older ones leave it in the log.
mount_says() {
	mount_g && return
	dmesg | tail -n 1
	return 1
}

files() {
	mkdir -p $mnt/d
	for i in 1 2 3 4; do
		truncate -s $((i * 5000000)) $mnt/d/f$i
		/job/tests/mapped fill $mnt/d/f$i "$((i + ${1:-0}))"
	done
	rm $mnt/d/f2
	truncate -s 40M $mnt/d/untouched
	fallocate -p -o 4M -l 6M $mnt/d/untouched
	/job/tests/mapped poke $mnt/d/untouched 20000000 'in the midst'
	ln $mnt/d/f1 $mnt/hard
	setfattr -n user.test -v "value ${1:-0}" $mnt/d/f3
}

stage1() {
	start
	same "new region: its generation is 0, and it is unmounted" "0 unmounted" "$(cat $status/generation) $(umount $mnt; cat $status/state)"
	mount_g
	# Where kexec_load(2) would put the next kernel: the region's last blocks.
	truncate -s $((($(stat -f -c %f $mnt) - 32) * 2))M $mnt/most
	truncate -s 64M $mnt/last
	rm $mnt/most
	/job/tests/mapped fill $mnt/last 9
	files
	mkdir -p /mnt/2 /mnt/3
	mount -t guestmemfs none /mnt/2
	mount -t guestmemfs none /mnt/3
	check "active 1: can be written" bash -c "echo 1 >$active"
	same "active 1: the tree is frozen" frozen "$(cat $status/state)"
	check "active 0: can be written" bash -c "echo 0 >$active"
	rm $mnt/d/f1
	truncate -s 7M $mnt/d/later
	/job/tests/mapped fill $mnt/d/later 7
	/job/tests/churn $mnt 9 30 &
	sleep 0.5
	check "writer: runs" kill -0 $!
	check "active 1: can be written again beside mounts and writers" \
		bash -c "echo 1 >$active"
	sleep 0.5
	check "writer: still runs when frozen" kill -0 $!
	# What it tries to make, and is refused, has an inode for a moment.
	kill -9 $!
	wait $! 2>/dev/null
	remember
	# One that tries to is there when the kernel is left.
	/job/tests/churn $mnt 9 30 &
	next_stage
}

stage2() {
	arrive "kexec after active 1, 0, 1"
	rm -f $mnt/a[0-9] $mnt/b[0-9]
	rmdir $mnt/a[0-9] 2>/dev/null
	remember
	umount $mnt
	mount_g
	compare "tree after umount and mount"
	umount $mnt
	check "rmmod: succeeds with files" rmmod guestmemfs
	arrive "insmod again"
	same "insmod again: the tree is not frozen" 0 "$(cat $active)"
	check "insmod again: an image is sealed" test "$(sealed)" -gt 0
	touch $mnt/new
	same "first change: no image is sealed" 0 "$(sealed)"
	remember
	umount $mnt
	rmmod guestmemfs
	next_stage
}

stage3() {
	# This kernel never loads the module, nor does the next, which is another.
	next_kernel $other
}

# KHO may be built in and off.
stage4() {
	next_kernel "$kernel" "$(sed 's/kho=on//' /proc/cmdline)"
}

stage5() {
	arrive "kexec over two kernels without the module"
	same "carriers: the region alone, without KHO" region "$(cat $status/carriers)"
	rm $mnt/new
	files 10
	remember
	# Without active, into another kernel.
	next_kernel $other
}

stage6() {
	arrive "kexec from $kernel to $(uname -r)"
	rm -r $mnt/d
	files 20
	remember
	check "active 1: can be written" bash -c "echo 1 >$active"
	next_kernel "$kernel" "$(cat /proc/cmdline) kho=on"
}

stage7() {
	arrive "kexec back to $kernel"
	next_stage "" "" "$(sed 's/memmap=[^ ]*//' /proc/cmdline)"
}

stage8() {
	new_log >/dev/null
	check "no memmap=: the module does not load" sh -c "! insmod /job/kernels/$kernel/guestmemfs.ko"
	logs "no memmap=: the log says what is missing" "no memmap=.* holds it"
	# What was in that memory is anybody's now. So begin again.
	next_stage "" "" "$(cat /proc/cmdline) memmap=1152M\$4992M"
}

stage9() {
	# The kernel without memmap= may have loaded this one into the midst of it.
	if ! load 2>/dev/null && [[ ! -e /job/again ]]; then
		touch /job/again
		echo 8 >/job/stage
		next_stage
	fi
	check "memmap= again: the module loads" test -d /sys/module/guestmemfs
	if ! mount_g; then
		check "memmap= again: a tree that does not mount has a reason in sysfs" \
			grep -q . $status/quarantine
		check "discard: mounts" mount_g -o discard
	fi
	rm -rf ${mnt:?}/*
	files
	remember
	check "active 1: can be written" bash -c "echo 1 >$active"
	next_region 1024M
}

# next_region SIZE[@ADDR]: the same kernel, with another region in the same
# memory; without an address it begins where the memory does.
next_region() {
	next_stage "" "" "$(sed "s/guestmemfs=[^ ]*/guestmemfs=$1/" /proc/cmdline)"
}

stage10() {
	refuses "smaller region" "another pool"
	next_region 1152M
}

stage11() {
	arrive "the right region again"
	next_region 1024M
}

stage12() {
	refuses "smaller region, without active" "another pool"
	check "discard: mounts" mount_g -o discard
	same "discard: the tree is empty" 0 "$(find $mnt -mindepth 1 | wc -l)"
	files 30
	remember
	check "active 1: can be written" bash -c "echo 1 >$active"
	next_region 1152M
}

stage13() {
	refuses "larger region" "another pool"
	next_region 1024M
}

stage14() {
	arrive "the right region once more"
	next_region 1024M@5G
}

# KHO knows that the region was somewhere else; else nobody does before the old
# head is in the midst of the new region.
stage15() {
	check "region moved up: the module loads" load
	if [[ $(cat $status/carriers) = *kho* ]]; then
		refused "region moved up: the mount is refused" "another pool" mount_says
		check "discard: mounts" mount_g -o discard
	else
		check "region moved up: the tree mounts" mount_g
	fi
	same "discard: the tree is empty" 0 "$(find $mnt -mindepth 1 | wc -l)"
	files 40
	remember
	next_region 1024M@5056M
}

stage16() {
	refuses "region moved down, with its old head in the midst" "another pool"
	next_region 1024M@5G
}

stage17() {
	arrive "region where it was last"
	umount $mnt
	rmmod guestmemfs
	poke_head 8 3
	refuses "head of version 3" "of version 3, not 2"
	rmmod guestmemfs
	poke_head 8 2
	arrive "head of version 2 again"
	umount $mnt
	rmmod guestmemfs
	# The word of the seal that says that it is whole, in both slots: as a crash
	# leaves it.
	poke_head 12 $((0x6f70656e))
	refuses "head after a crash" "did not leave an image"
	rmmod guestmemfs
	poke_head 12 $((0x7365616c))
	arrive "head sealed again"
	umount $mnt
	rmmod guestmemfs
	poke_head 12 $((0x6f70656e))
	refuses "head after a second crash" "did not leave an image"
	rmmod guestmemfs
	refuses "head after a second crash, loaded again" "did not leave an image"
	check "discard: mounts" mount_g -o discard
	same "discard: the tree is empty" 0 "$(find $mnt -mindepth 1 | wc -l)"
	same "discard: quarantined no more" mounted "$(cat $status/state)"
	same "discard: no reason in sysfs" "" "$(cat $status/quarantine)"
	files
	umount $mnt
	rmmod guestmemfs
	poke_head 4196 1
	refuses "damaged image" "checksum is wrong"
	check "discard: mounts over a damaged image" mount_g -o discard
	files
	remember
	check "active 1: can be written before a reset" bash -c "echo 1 >$active"
	echo 18 >/job/stage
	sync
	echo "=== kexec" >/dev/ttyS0
	echo b >/proc/sysrq-trigger
	sleep 60
}

stage18() {
	new_log >/dev/null
	check "after a reset: the module loads" load
	logs "reset: the log says that the image is wiped" "before the machine was reset"
	check "after a reset: the tree mounts" mount_g
	same "after a reset or shutdown: nothing comes back" 0 "$(find $mnt -mindepth 1 | wc -l)"
	# What this boot sealed is not forgotten, nor given up for another region=.
	files
	remember
	umount $mnt
	rmmod guestmemfs
	refuses "another region= in the same boot" "another pool" region=1024M@4992M
	rmmod guestmemfs
	arrive "the right region= again"
	rm -r ${mnt:?}/*
	umount $mnt
	rmmod guestmemfs
	# Not later, either.
	next_stage
}

stage19() {
	start
	same "kexec after a reset: nothing comes back" 0 "$(find $mnt -mindepth 1 | wc -l)"
	check "kexec after a reset: all of the region can be had" truncate -s 1G $mnt/all
	check "kexec after a reset: all blocks read as zeroes" /job/tests/mapped zero $mnt/all
	rm $mnt/all
	# A boot by firmware takes long, and what wipes the head is the same everywhere.
	[[ $kernel != debian-* ]] || return
	files
	check "active 1: can be written before a shutdown" bash -c "echo 1 >$active"
	echo 20 >/job/stage
	sync
	echo "=== kexec" >/dev/ttyS0
	busybox reboot -f
	sleep 60
}

stage20() {
	new_log >/dev/null
	start
	same "shutdown: the head was wiped before it" "" "$(new_log | grep -E 'reset|took over')"
	same "after a reset or shutdown: nothing comes back" 0 "$(find $mnt -mindepth 1 | wc -l)"
}
