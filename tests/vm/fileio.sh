# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# read() and write(), which need an option, and copies, which do not.
# lab: memory=6G seconds=900

mapped() { /job/tests/mapped "$@"; }

without() {
	truncate -s 5M $mnt/a
	mapped fill $mnt/a 1
	sum=$(mapped sum $mnt/a)
	refused "nofileio: read() is EINVAL" "Invalid argument" cat $mnt/a
	refused "nofileio: write() is EINVAL" "Invalid argument" dd if=/dev/zero of=$mnt/a count=1 conv=notrunc
	refused "nofileio: sendfile() is EINVAL" "Invalid argument" io -f -c "sendfile -i $mnt/a 0 4096" /tmp/out
	refused "nofileio: a copy to another filesystem is EINVAL" "Invalid argument" cp $mnt/a /tmp/out
	refused "nofileio: execve() is EINVAL" "Invalid argument" sh -c "chmod +x $mnt/a && $mnt/a"
	same "nofileio: the file is as it was" "$sum" "$(mapped sum $mnt/a)"
	check "nofileio: cp inside the tree succeeds" cp $mnt/a $mnt/b
	same "nofileio: cp copies all" "$sum" "$(mapped sum $mnt/b)"
	check "copy_range: from the middle to beyond EOF succeeds" \
		io -f -c "copy_range -s 1000001 -d 3000003 -l 2000000 $mnt/a" $mnt/c
	same "copy_range: beyond EOF grows the file" 5000003 "$(stat -c %s $mnt/c)"
	check "copy_range: what it left out reads as zeroes" mapped range $mnt/c 0 2999992 zero
	check "copy_range: within one file succeeds" io -c "copy_range -s 0 -d 2097152 -l 2097152 $mnt/a" $mnt/a
	cmp_at $mnt/a 0 2097152 2097152
	refused "copy_range: onto itself is EINVAL" "Invalid argument" \
		io -c "copy_range -s 0 -d 1000 -l 2000 $mnt/a" $mnt/a
	same "copy_range: from beyond EOF copies nothing" 5242880 "$(io -c "copy_range -s 10485760 -d 0 -l 4096 $mnt/a" $mnt/b; stat -c %s $mnt/b)"
	truncate -s 900M $mnt/full
	refused "cp: without room it is ENOSPC" "No space left" cp $mnt/full $mnt/d
	rm $mnt/?
	rm $mnt/full
}

# cmp_at FILE A B LENGTH: two parts of it are equal.
cmp_at() {
	check "copy_range: copies the bytes" mapped equal "$@"
}

with() {
	check "fileio: remount succeeds" mount -o remount,fileio $mnt
	same "fileio: is shown in /proc/mounts" fileio "$(grep -o fileio /proc/mounts)"
	head -c 5000000 /dev/urandom >/tmp/blob
	check "fileio: cp to the file succeeds" cp /tmp/blob $mnt/blob
	check "fileio: the file can be read" cmp /tmp/blob $mnt/blob
	refused "fileio: O_DIRECT is EINVAL" "Invalid argument" \
		dd if=$mnt/blob of=/dev/null bs=2M count=1 iflag=direct
	same "fileio: read() leaves nothing in the page cache" 0 "$(mapped cached $mnt/blob)"
	check "fileio: append succeeds" sh -c "cat /tmp/blob >>$mnt/blob"
	same "fileio: append is at the end" 10000000 "$(stat -c %s $mnt/blob)"
	check "fileio: sendfile() copies the bytes" sh -c "xfs_io -f -c 'sendfile -i $mnt/blob 0 5000000' /tmp/out && cmp /tmp/blob /tmp/out"
	check "fileio: a program can be executed" sh -c "cp /bin/busybox $mnt/busybox && $mnt/busybox true"
	holding /job/tests/private hold $mnt/blob
	refused "fileio: write() is ETXTBSY beside a private mapping" "Text file busy" \
		dd if=/dev/zero of=$mnt/blob count=1 conv=notrunc
	check "fileio: read() goes on beside a private mapping" cmp -n 5000000 /tmp/blob $mnt/blob
	kill $!
	wait $! 2>/dev/null
	refused "fileio: write() beyond 64 TiB is EFBIG" "File too large" dd if=/dev/zero of=$mnt/big bs=1M seek=64M count=1
	harness buffers
	echo 1 >/sys/fs/guestmemfs/active
	refused "frozen: write() is EBUSY" "busy" dd if=/dev/zero of=$mnt/blob count=1 conv=notrunc
	refused "frozen: cp is EBUSY" "busy" cp $mnt/blob $mnt/busybox
	check "frozen: read() goes on" cmp -n 5000000 /tmp/blob $mnt/blob
	echo 0 >/sys/fs/guestmemfs/active
	rm -f $mnt/?*
	mkdir -p /mnt/t
	mount -t tmpfs -o size=100M none /mnt/t
	# All of them on one kernel: what they can find is mostly ours.
	n=20000
	[[ $kernel != kho ]] || n=100000
	check "fileio: $n random operations end as on tmpfs" \
		/job/tests/twin $mnt/f /mnt/t/f $n 20261122
	check "fio: its psync engine verifies what it wrote" \
		fio --name=v --filename=$mnt/fio --size=64M --bs=64k \
		--rw=randwrite --ioengine=psync --verify=crc32c --output=/tmp/fio
	check "nofileio: remount succeeds" mount -o remount,nofileio $mnt
	refused "nofileio: read() is EINVAL again" "Invalid argument" cat $mnt/f
	same "in the end: all blocks are free" 0 "$(rm $mnt/*; echo $(($(stat -f -c '%b - %f' $mnt))))"
}

stage1() {
	start
	without
	with
}
