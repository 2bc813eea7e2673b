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
	check "mmap heeds the offset" mapped poke $mnt/a 0x400000 offset
	check "so does another" mapped peek $mnt/a 0x400000 offset
	check "which is not at 0" bash -c "! /job/tests/mapped peek $mnt/a 0 offset 2>/dev/null"
	truncate -s 5000000 $mnt/a
	check "mmap heeds EOF" mapped eof $mnt/a

	mapped fill $mnt/a 2
	before=$(io -r -c "fiemap -v" $mnt/a | awk 'NR == 3 { print $3 }' | sed 's/\.\..*//')
	truncate -s 16M $mnt/a
	same "truncate grows from the end, not from block 0" "$before" \
		"$(io -r -c "fiemap -v" $mnt/a | awk 'NR == 3 { print $3 }' | sed 's/\.\..*//')"
	same "and in one run" 1 "$(printf '%s\0' $mnt/a | /job/tests/runs | grep -o '+' | wc -l)"
	check "and keeps the contents" mapped range $mnt/a 0 4999992 2
	truncate -s 2M $mnt/a
	same "truncate shrinks" 1022 "$(free_blocks)"
	refused "truncate that fails" "No space left" truncate -s 2G $mnt/a
	same "is rolled back" "2097152 1022" "$(stat -c %s $mnt/a) $(free_blocks)"

	rm $mnt/a
	same "unlink frees blocks" 1023 "$(free_blocks)"
	refused "a negative error is one" "No space left" truncate -s 2G $mnt/a
	truncate -s 512M $mnt/a
	mapped fill $mnt/a 3
	rm $mnt/a
	truncate -s 2046M $mnt/a
	check "memory is zeroed between owners" mapped zero $mnt/a
	same "files of more than 1 GiB" 2145386496 "$(stat -c %s $mnt/a)"
	same "the allocator ends where the region does" 0 "$(free_blocks)"
	refused "not a block later" "No space left" truncate -s 1 $mnt/b
	rm $mnt/a
	same "statfs tells the truth" 1023 "$(free_blocks)"

	mkdir -p /mnt/2
	mount -t guestmemfs none /mnt/2
	truncate -s 4M /mnt/2/two
	same "two mounts, one allocator" 1021 "$(free_blocks)"
	check "and one tree" test -e $mnt/two
	umount /mnt/2
	refused "no mount in a user namespace" "denied" unshare -Urm mount -t guestmemfs none /tmp

	mapped fill $mnt/two 5
	echo 1 >/sys/fs/guestmemfs/active
	refused "no unlink while frozen" "busy" rm -f $mnt/two
	next_stage
}

# No mount, not even the module: the second kexec in a row.
stage2() {
	check "load without mounting" load
	next_stage
}

stage3() {
	start
	check "a second kexec without a mount loses nothing" mapped range $mnt/two 0 4194304 5
}
