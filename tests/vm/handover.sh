# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Across three kexecs: everything comes back, with and without active, with and
# without a mount in between.
# lab: memory=4G cpus=1 kernels=kho,debian-6.12,debian-7 seconds=700

stage1() {
	start
	umask 022
	truncate -s 1G $mnt/earlier
	/job/tests/mapped fill $mnt/earlier 42
	rm $mnt/earlier
	mkdir -p $mnt/vms/one/two
	for i in 1 2 3 4 5 6; do
		truncate -s $((i * 3000000)) $mnt/vms/ram$i
		/job/tests/mapped fill $mnt/vms/ram$i $i
	done
	# Holes in the region, and files in more than one piece.
	rm $mnt/vms/ram2 $mnt/vms/ram4
	for i in $(seq 40); do
		truncate -s 1 $mnt/vms/small$i
	done
	rm $mnt/vms/small*[13579]
	check "fill: a file of 500 MiB can be made" truncate -s 500M $mnt/vms/untouched
	check "fill: a file of all but 14 blocks, in pieces, can be made" \
		truncate -s $((($(stat -f -c %f $mnt) - 14) * 2))M $mnt/vms/one/pieces
	/job/tests/mapped poke $mnt/vms/one/pieces 300000000 'far out'
	touch "$mnt/vms/a name with spaces, ümläuts and "$'\n'" a newline"
	touch "$mnt/$(printf 'n%.0s' $(seq 255))"
	ln $mnt/vms/ram1 $mnt/vms/one/two/hard
	ln -s ../one/two $mnt/vms/sym
	mkfifo $mnt/fifo
	mknod $mnt/null c 1 3
	setfattr -n user.of -v 'an attribute' $mnt/vms/ram1
	setfattr -n trusted.of -v root $mnt/vms
	touch $mnt/vms/immutable $mnt/vms/log
	chattr +i $mnt/vms/immutable
	chattr +a $mnt/vms/log
	chmod 2751 $mnt/vms/one
	chmod 4640 $mnt/vms/ram3
	chown 1000:2000 $mnt/vms/ram3
	touch -d '1985-10-26 01:20:00.123456789' $mnt/vms/ram3
	touch -d '2040-01-01' $mnt/vms/one
	# A directory that is older than the one it is in.
	mkdir $mnt/late
	mv $mnt/vms/one $mnt/late/one
	truncate -s 4M $mnt/open
	holding /job/tests/mapped hold $mnt/open
	holding /job/tests/mapped hold $mnt/vms/ram5
	named=$!
	rm $mnt/open
	kill -STOP $named
	remember
	# The file that is open has no name: its blocks are free in the next kernel.
	sed -i "s/^free [0-9]* /free $(($(stat -f -c %f $mnt) + 2)) /" /job/tree
	sed -i "s/^inodes .*/inodes $(($(stat -f -c '%c - %d' $mnt) - 1))/" /job/tree
	check "publish: succeeds" bash -c 'echo 1 >/sys/kernel/kho/active'
	check "fill: a file has several extents" bash -c \
		"dtc -q -I dtb -O dts /sys/fs/guestmemfs/guestmemfs/image |
		grep -qE 'extents = <(0x[0-9a-f]+ ){5,}'"
	next_stage
}

stage2() {
	new_log >/dev/null
	check "module: it loads" load
	logs "module: it takes the tree over from $carrier" "took over [0-9]* inodes from $carrier"
	check "tree: it mounts" mount_g
	compare "tree after a kexec"
	check "next kernel: unwritten blocks read as zeroes" /job/tests/mapped zero $mnt/vms/untouched
	remember
	check "next kernel: the tree is not frozen" touch $mnt/second
	ino=$(stat -c %i $mnt/second)
	check "next kernel: no inode number is used twice" test \
		"$(find $mnt -inum "$ino" | wc -l)" = 1
	check "next kernel: a new file gets no old data" sh -c \
		"truncate -s 20M $mnt/second && /job/tests/mapped zero $mnt/second"
	/job/tests/mapped fill $mnt/second 99
	remember
	check "rmmod: succeeds, since the region has the files" \
		sh -c "umount $mnt; rmmod guestmemfs"
	start
	compare "tree after rmmod and load"
	remember
	# No active: the reboot notifier publishes.
	next_stage
}

stage3() {
	# No mount here: the image goes on as it is.
	check "third kernel: the module loads, without a mount" load
	next_stage
}

stage4() {
	start
	compare "tree after kexecs without active and without a mount"
	check "publish: succeeds" bash -c 'echo 1 >/sys/kernel/kho/active'
	umount $mnt
	check "unmounted: the image can be withdrawn" bash -c 'echo 0 >/sys/kernel/kho/active'
	check "unmounted: the image can be published" bash -c 'echo 1 >/sys/fs/guestmemfs/active'
	next_stage
}

stage5() {
	start
	compare "tree published while not mounted"
	refused "next kernel: an immutable file still is" "not permitted" rm -f $mnt/vms/immutable
	chattr -i $mnt/vms/immutable
	chattr -a $mnt/vms/log
	rm -r ${mnt:?}/*
	umount $mnt
	check "empty tree: rmmod succeeds" rmmod guestmemfs
	start
	same "next kernel: an image that was taken over does not come back" 0 \
		"$(find $mnt -mindepth 1 | wc -l)"
	truncate -s 1G $mnt/all
	check "next kernel: all blocks read as zeroes" /job/tests/mapped zero $mnt/all
}
