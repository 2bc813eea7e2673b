# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Inode numbers run out: creating fails, and the module's own image is accepted.
# lab: memory=4G cpus=1 kernels=kho seconds=300

stage1() {
	start
	touch $mnt/first
	echo 1 >/sys/kernel/kho/active
	cp /sys/kernel/debug/kho/out/sub_fdts/guestmemfs /job/planted
	echo 0 >/sys/kernel/kho/active
	# One number is left below the largest next-inode.
	umount $mnt
	rmmod guestmemfs
	# A whole image in the head would go before the copy: take the magic from both slots.
	for slot in 0 1; do
		insmod /job/guestmemfs_peek.ko at=$(((4992 + slot) << 20)) set=0
		rmmod guestmemfs_peek
	done
	check "image: its next-inode can be changed" \
		fdtput -t x /job/planted / next-inode 7ffffffe ffffffff
	check "image: it can be planted" insmod /job/guestmemfs_plant.ko
	next_stage
}

stage2() {
	start
	check "numbers: a file can have the last one" touch $mnt/last
	same "numbers: the last file has the last one" $((0x7ffffffeffffffff)) \
		"$(stat -c %i $mnt/last)"
	refused "numbers: a file after the last one is ENOSPC" "No space left" touch $mnt/beyond
	refused "numbers: a directory after the last one is ENOSPC" "No space left" \
		mkdir $mnt/beyond
	refused "numbers: a symbolic link after the last one is ENOSPC" "No space left" \
		ln -s target $mnt/beyond
	check "numbers: without one left the tree can be frozen" \
		sh -c "echo 1 >/sys/fs/guestmemfs/active"
	check "numbers: without one left the tree can be thawed" \
		sh -c "echo 0 >/sys/fs/guestmemfs/active"
	umount $mnt
	rmmod guestmemfs
	start
	same "numbers: the module's own image comes back" "first last" "$(cd $mnt && echo *)"
	refused "numbers: none is left after the image comes back" "No space left" touch $mnt/beyond
}
