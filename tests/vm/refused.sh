# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Images that must be refused: nothing is touched until -o discard.
# lab: memory=4G cpus=1 kernels=kho seconds=900

# plant COMMAND...: publish a tree, withdraw it, let COMMAND change the image
# in /job/planted, hand that over instead, and jump.
plant() {
	[[ -e $mnt/keep ]] || truncate -s 4M $mnt/keep
	/job/tests/mapped fill $mnt/keep 5
	echo 1 >/sys/kernel/kho/active
	cp /sys/kernel/debug/kho/out/sub_fdts/guestmemfs /job/planted
	echo 0 >/sys/kernel/kho/active
	file=$(dtc -I dtb -O dts /job/planted 2>/dev/null |
		sed -n '/inode@/h; /extents/ { x; s/.*\(inode@[0-9a-f]*\).*/\1/p; x }' |
		head -n 1)
	check "plant: $*" "$@"
	check "planted" insmod /job/guestmemfs_plant.ko
	next_stage
}

# published: copy what KHO has got, and withdraw it.
published() {
	echo 1 >/sys/kernel/kho/active
	cp /sys/kernel/debug/kho/out/sub_fdts/guestmemfs /job/planted
	cp /sys/kernel/debug/kho/out/sub_fdts/guestmemfs-record /job/planted-record
	echo 0 >/sys/kernel/kho/active
}

# look PATTERN: refused for that reason, and nothing of it lost.
look() {
	new_log >/dev/null
	check "load" load
	logs "refused: $1" "quarantined: .*($1)"
	if mount_g 2>/tmp/err; then
		report "not ok" "mounted in spite of: $1"
	else
		report ok "mount refused"
	fi
	same "its reason is in one line of the log" 1 \
		"$(dmesg | grep -c 'guestmemfs: the last kernel.s image is quarantined')"
	refused "rmmod would lose it" "in use" rmmod guestmemfs
}

discard() {
	check "discard" mount_g -o discard
	same "an empty tree" 0 "$(find $mnt -mindepth 1 | wc -l)"
	truncate -s 1G $mnt/all
	check "and clean blocks" /job/tests/mapped zero $mnt/all
	rm $mnt/all
}

# leave_later SEED: copy what KHO has got, and leave a later tree in the head.
leave_later() {
	published
	rm $mnt/keep
	truncate -s 6M $mnt/later
	/job/tests/mapped fill $mnt/later "$1"
	remember
	umount $mnt
}

stage1() {
	start
	plant sed -i s/guestmemfs-v1/guestmemfs-v9/ /job/planted
}

stage2() {
	# What KHO brought is still there when loading fails.
	new_log >/dev/null
	check "another filesystem has the name" insmod /job/guestmemfs_peek.ko rival=1
	refused "the module does not load" "busy" load
	logs "and says why" "cannot register the filesystem"
	rmmod guestmemfs_peek
	look "version is not guestmemfs-v1"
	discard
	plant fdtput -t x /job/planted / incompatible-features 0 1
}

stage3() {
	look "features this module does not know"
	discard
	plant truncate -s -100 /job/planted
}

stage4() {
	look "not a whole"
	discard
	plant eval 'fdtput -t x /job/planted /$file extents 0 23f 2'
}

stage5() {
	look "leaves the region"
	# Not discarded: it goes on to the next kernel as it is.
	next_stage
}

stage6() {
	look "leaves the region"
	discard
	plant fdtput -t x /job/planted / next-inode 0 1
}

stage7() {
	look "out of order"
	discard
	plant dd if=/dev/urandom of=/job/planted bs=1k count=3
}

stage8() {
	look "not a whole"
	discard
	plant eval 'fdtput -t x /job/planted /inode@1 inodes 0 777'
}

stage9() {
	look "inode that is not there"
	discard
	truncate -s 8M $mnt/keep
	/job/tests/mapped fill $mnt/keep 8
	/job/tests/mapped sum $mnt/keep >/job/sum
	# A good image, but a smaller region; then the right one again.
	next_stage "" "" "$(sed 's/guestmemfs=1152M/guestmemfs=512M/' /proc/cmdline)"
}

stage10() {
	look "another region"
	next_stage "" "" "$(sed 's/guestmemfs=512M/guestmemfs=1152M/' /proc/cmdline)"
}

stage11() {
	start
	same "the right region again: nothing was lost" "$(cat /job/sum)" \
		"$(/job/tests/mapped sum $mnt/keep)"
	next_stage
}

# After the last stage's checks: the region's head has the tree, KHO a bad copy of it.
stage12() {
	start
	truncate -s 8M $mnt/keep
	/job/tests/mapped fill $mnt/keep 8
	remember
	published
	printf 'x' | dd of=/job/planted bs=1 seek=300 conv=notrunc 2>/dev/null
	check "plant a damaged copy" insmod /job/guestmemfs_plant.ko record=/job/planted-record
	next_stage
}

stage13() {
	new_log >/dev/null
	check "load" load
	logs "a damaged copy: the region's image is taken" "KHO's copy of the image is damaged"
	mount_g
	compare "a damaged copy"
	leave_later 9
	check "plant an old copy" insmod /job/guestmemfs_plant.ko record=/job/planted-record
	next_stage
}

stage14() {
	new_log >/dev/null
	check "load" load
	logs "an old copy: the region's image is taken" "copy of the image is not later than the region's"
	mount_g
	compare "an old copy"
	rm $mnt/later
	truncate -s 4M $mnt/keep
	leave_later 10
	# As a module of 0.1 leaves it, whose head is at least as new.
	check "plant an old copy without a record" insmod /job/guestmemfs_plant.ko
	next_stage
}

stage15() {
	start
	compare "an old copy without a record: the region's image is taken"
}
