# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The real module of 0.1: this one reads what it left, and it leaves alone what this one left.
# In a region of this size the heads of the versions differ, and their second slots are in
# different places.
# lab: memory=23G cpus=1 append=guestmemfs=17G,memmap=17G$4G module=0.1 seconds=900
# lab-debug: memory=4G append=guestmemfs=1152M,memmap=1152M$4992M

old=/job/kernels/$kernel/guestmemfs-0.1.ko
status=/sys/fs/guestmemfs/guestmemfs
# Below the region.
old_kexec=$(($(sed -n 's/.*memmap=[^ ]*\$\([^ ]*\).*/\1/p' /proc/cmdline | numfmt --from=iec) - 1))

files() {
	local i
	mkdir -p $mnt/d/e
	for i in 1 2 3 4; do
		truncate -s $((i * 5000000)) $mnt/d/f$i
		/job/tests/mapped fill $mnt/d/f$i "$((i + $1))"
	done
	# In two pieces, with a hole, and with blocks that nothing was written to.
	rm $mnt/d/f2
	truncate -s 40M $mnt/d/untouched
	fallocate -p -o 4M -l 6M $mnt/d/untouched
	/job/tests/mapped poke $mnt/d/untouched 20000000 'in the midst'
	ln $mnt/d/f1 $mnt/hard
	ln -s ../f1 $mnt/d/e/sym
	mkfifo $mnt/d/fifo
	mknod $mnt/null c 1 3
	setfattr -n user.test -v "value $1" $mnt/d/f3
	touch "$mnt/$(printf 'n%.0s' $(seq 255))"
	chmod 2751 $mnt/d
	chmod 4640 $mnt/d/f3
	chown 1000:2000 $mnt/d/f3
	touch -d '1985-10-26 01:20:00.123456789' $mnt/d/f4
}

# A block is the head's in 0.1 for each 16 GiB, here for each 32 GiB.
blocks_more() {
	local size
	size=$(cut -d @ -f 1 $status/windows)
	echo $(((size >> 34) - (size >> 35)))
}

# The file that has the block behind this version's head, and where in it that is.
find_second() {
	local address=$(($(region) + 2097152))
	(cd $mnt && find . -type f -print0 | /job/tests/runs) | awk -v address=$address '{
		for (i = 2; i <= NF; i++) {
			split($i, run, /[+@]/)
			if (run[3] <= address && address < run[3] + run[2])
				printf "%s %.0f\n", $1, run[1] + address - run[3]
		}
	}'
}

# arrive TEXT: this module has what was remembered under 0.1.
arrive() {
	check "$1: the module loads" load
	check "$1: the tree mounts" mount_g
	compare "$1" "$(blocks_more)"
	check "$1: a file with holes has its data" \
		/job/tests/mapped peek $mnt/d/untouched 20000000 'in the midst'
}

stage1() {
	if [[ ! -e $old ]]; then
		skip "0.1: its files are read" "this tree does not have the commit that its module is built from"
		return
	fi
	check "0.1: the module loads" insmod $old
	check "0.1: the tree mounts" mount_g
	files 0
	remember
	check "0.1: the tree can be published" bash -c 'echo 1 >/sys/kernel/kho/active'
	next_stage
}

stage2() {
	local file at
	new_log >/dev/null
	arrive "kexec from 0.1"
	logs "kexec from 0.1: $carrier brings the tree" "took over [0-9]* inodes from $carrier"
	check "kexec from 0.1: blocks that were not written read as zeroes" \
		/job/tests/mapped range $mnt/d/untouched 0 4194304 zero
	if [[ $(blocks_more) != 0 ]]; then
		truncate -s $(($(stat -f -c %f $mnt) * 2))M $mnt/all
		read -r file at <<<"$(find_second)"
		same "what was the head of 0.1: a file can have it" ./all: "$file"
		check "what was the head of 0.1: it reads as zeroes" \
			/job/tests/mapped range $mnt/all "$at" 2097152 zero
		rm $mnt/all
	else
		skip "what was the head of 0.1: a file can have it" "of this region the head is as large here"
	fi
	rm $mnt/d/f4
	truncate -s 30M $mnt/new
	/job/tests/mapped fill $mnt/new 30
	# Both slots get a seal of this version.
	umount $mnt
	check "tree of 0.1, changed: it mounts again" mount_g
	touch $mnt/newer
	remember
	umount $mnt
	rmmod guestmemfs
	check "tree of 0.1, changed: the module loads again" load
	mount_g
	compare "tree of 0.1, changed"
	check "tree of 0.1, changed: it can be published" bash -c 'echo 1 >/sys/kernel/kho/active'
	next_stage
}

stage3() {
	check "kexec to 0.1: its module loads" insmod $old
	refused "kexec to 0.1: it refuses the tree of a later version" version mount_g
	next_stage
}

stage4() {
	check "kexec back from 0.1: the module loads" load
	check "kexec back from 0.1: the tree mounts" mount_g
	compare "kexec back from 0.1"
	next_stage
}

# The head is of version 1 again, and beside it may be a slot 1 of version 2.
stage5() {
	check "kexec to 0.1 again: its module loads" insmod $old
	check "kexec to 0.1 again: it can discard the tree" mount_g -o discard
	same "kexec to 0.1 again: then the tree is empty" 0 "$(find $mnt -mindepth 1 | wc -l)"
	files 10
	remember
	next_stage
}

stage6() {
	arrive "kexec from a 0.1 that discarded a tree"
	rm $mnt/d/f1 $mnt/hard
	truncate -s 12M $mnt/d/last
	/job/tests/mapped fill $mnt/d/last 12
	remember
	umount $mnt
	check "rmmod: succeeds" rmmod guestmemfs
	check "load again: succeeds" load
	check "load again: the tree mounts" mount_g
	compare "load again"
	next_stage
}

stage7() {
	start
	compare "kexec, long after 0.1"
}
