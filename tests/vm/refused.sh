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
	check "image: it can be changed by $*" "$@"
	check "image: it can be planted" insmod /job/guestmemfs_plant.ko
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
	check "module: it loads" load
	logs "image refused as '$1': the log says so" "quarantined: .*($1)"
	if mount_g 2>/tmp/err; then
		fail "image refused as '$1': the mount fails" "success"
	else
		report ok "image refused as '$1': the mount fails"
	fi
	same "image refused as '$1': one line of the log says so" 1 \
		"$(dmesg | grep -c 'guestmemfs: pool guestmemfs: the last kernel.s image is quarantined')"
	refused "image refused as '$1': rmmod, which would lose it, is EBUSY" "in use" \
		rmmod guestmemfs
}

discard() {
	check "discard: the mount succeeds" mount_g -o discard
	same "discard: the tree is empty" 0 "$(find $mnt -mindepth 1 | wc -l)"
	truncate -s 1G $mnt/all
	check "discard: blocks read as zeroes" /job/tests/mapped zero $mnt/all
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
	plant sed -i s/guestmemfs-v2/guestmemfs-v9/ /job/planted
}

stage2() {
	# What KHO brought is still there when loading fails.
	new_log >/dev/null
	check "name guestmemfs: another filesystem can have it" \
		insmod /job/guestmemfs_peek.ko rival=1
	refused "name guestmemfs: the module does not load if it is taken" "busy" load
	logs "name guestmemfs: the log says that it is taken" "cannot register the filesystem"
	rmmod guestmemfs_peek
	look "version is neither guestmemfs-v2 nor guestmemfs-v1"
	discard
	plant fdtput -t x /job/planted / incompatible-features 0 2
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
	look "is not of one window"
	# Not discarded: it goes on to the next kernel as it is.
	next_stage
}

stage6() {
	look "is not of one window"
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
	look "another pool"
	next_stage "" "" "$(sed 's/guestmemfs=512M/guestmemfs=1152M/' /proc/cmdline)"
}

stage11() {
	start
	same "the right region again: contents are as they were" "$(cat /job/sum)" \
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
	check "damaged copy: it can be planted" \
		insmod /job/guestmemfs_plant.ko record=/job/planted-record
	next_stage
}

stage13() {
	new_log >/dev/null
	check "module: it loads" load
	logs "damaged copy: the region's image is taken" "KHO's copy of the image is damaged"
	mount_g
	compare "tree beside a damaged copy"
	leave_later 9
	check "old copy: it can be planted" \
		insmod /job/guestmemfs_plant.ko record=/job/planted-record
	next_stage
}

stage14() {
	new_log >/dev/null
	check "module: it loads" load
	logs "old copy: the region's image is taken" "copy of the image is not later than the region's"
	mount_g
	compare "tree beside an old copy"
	rm $mnt/later
	truncate -s 4M $mnt/keep
	leave_later 10
	# As a module of 0.1 leaves it, whose head is at least as new.
	check "old copy without a record: it can be planted" insmod /job/guestmemfs_plant.ko
	next_stage
}

stage15() {
	start
	compare "tree beside an old copy without a record"
}
