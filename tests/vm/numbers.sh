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
	check "edit" fdtput -t x /job/planted / next-inode 7ffffffe ffffffff
	check "planted" insmod /job/guestmemfs_plant.ko
	next_stage
}

stage2() {
	start
	check "numbers: the last one" touch $mnt/last
	same "its number" $((0x7ffffffeffffffff)) "$(stat -c %i $mnt/last)"
	refused "numbers: no file after the last one" "No space left" touch $mnt/beyond
	refused "numbers: no directory" "No space left" mkdir $mnt/beyond
	refused "numbers: no link" "No space left" ln -s target $mnt/beyond
	check "numbers: freeze" sh -c "echo 1 >/sys/fs/guestmemfs/active"
	check "numbers: thaw" sh -c "echo 0 >/sys/fs/guestmemfs/active"
	umount $mnt
	rmmod guestmemfs
	start
	same "numbers: the module's own image comes back" "first last" "$(cd $mnt && echo *)"
	refused "numbers: still none left" "No space left" touch $mnt/beyond
}
