# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What the guestmemfs RFC of 2024 got wrong, each by name.
# lab: memory=6G append=guestmemfs=2G,memmap=2G$4G

mapped() { /job/tests/mapped "$@"; }
free_blocks() { stat -f -c %f $mnt; }

stage1() {
	start
	truncate -s 8M $mnt/a
	mapped fill $mnt/a 1
	check "mmap offset: a write goes there" mapped poke $mnt/a 0x400000 offset
	check "mmap offset: another mapping finds it there" mapped peek $mnt/a 0x400000 offset
	check "mmap offset: what was written there is not at 0" bash -c "! /job/tests/mapped peek $mnt/a 0 offset 2>/dev/null"
	truncate -s 5000000 $mnt/a
	harness eof -v 5000000

	mapped fill $mnt/a 2
	before=$(io -r -c "fiemap -v" $mnt/a | awk 'NR == 3 { print $3 }' | sed 's/\.\..*//')
	truncate -s 16M $mnt/a
	same "truncate: grows from the end, not from block 0" "$before" \
		"$(io -r -c "fiemap -v" $mnt/a | awk 'NR == 3 { print $3 }' | sed 's/\.\..*//')"
	same "truncate: grows in one run" 1 "$(printf '%s\0' $mnt/a | /job/tests/runs | grep -o '+' | wc -l)"
	check "truncate: growing keeps the contents" mapped range $mnt/a 0 4999992 2
	truncate -s 2M $mnt/a
	same "truncate: shrinking frees blocks" 1022 "$(free_blocks)"
	refused "truncate beyond free space: is ENOSPC" "No space left" truncate -s 2G $mnt/a
	same "truncate beyond free space: is rolled back" "2097152 1022" "$(stat -c %s $mnt/a) $(free_blocks)"

	rm $mnt/a
	same "unlink: frees blocks" 1023 "$(free_blocks)"
	refused "truncate of a new file beyond free space: is ENOSPC" "No space left" truncate -s 2G $mnt/a
	truncate -s 512M $mnt/a
	mapped fill $mnt/a 3
	rm $mnt/a
	truncate -s 2046M $mnt/a
	check "reuse: freed blocks read as zeroes" mapped zero $mnt/a
	same "size: a file can have more than 1 GiB" 2145386496 "$(stat -c %s $mnt/a)"
	same "allocator: no block is free in a full region" 0 "$(free_blocks)"
	refused "allocator: one block more is ENOSPC" "No space left" truncate -s 1 $mnt/b
	rm $mnt/a
	same "statfs: all blocks are free after unlink" 1023 "$(free_blocks)"

	mkdir -p /mnt/2
	mount -t guestmemfs none /mnt/2
	truncate -s 4M /mnt/2/two
	same "two mounts: they share one allocator" 1021 "$(free_blocks)"
	check "two mounts: they share one tree" test -e $mnt/two
	umount /mnt/2
	refused "user namespace: the mount is refused" "denied" \
		unshare -Urm mount -t guestmemfs none /tmp

	mapped fill $mnt/two 5
	echo 1 >/sys/fs/guestmemfs/active
	refused "frozen: unlink is EBUSY" "busy" rm -f $mnt/two
	next_stage
}

# No mount, not even the module: the second kexec in a row.
stage2() {
	check "second kernel: the module loads without a mount" load
	next_stage
}

stage3() {
	start
	check "third kernel: contents are as they were" mapped range $mnt/two 0 4194304 5
}
