# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# read() and write(), which need an option, and copies, which do not.
# lab: memory=6G seconds=900

mapped() { /job/tests/mapped "$@"; }

without() {
	truncate -s 5M $mnt/a
	mapped fill $mnt/a 1
	sum=$(mapped sum $mnt/a)
	refused "no read" "Invalid argument" cat $mnt/a
	refused "no write" "Invalid argument" dd if=/dev/zero of=$mnt/a count=1 conv=notrunc
	refused "no sendfile" "Invalid argument" io -f -c "sendfile -i $mnt/a 0 4096" /tmp/out
	refused "no copy to another filesystem" "Invalid argument" cp $mnt/a /tmp/out
	refused "no execution" "Invalid argument" sh -c "chmod +x $mnt/a && $mnt/a"
	same "the file is as it was" "$sum" "$(mapped sum $mnt/a)"
	check "cp inside the region" cp $mnt/a $mnt/b
	same "has copied all" "$sum" "$(mapped sum $mnt/b)"
	check "parts: from the middle to beyond EOF" \
		io -f -c "copy_range -s 1000001 -d 3000003 -l 2000000 $mnt/a" $mnt/c
	same "the size" 5000003 "$(stat -c %s $mnt/c)"
	check "a hole before it" mapped range $mnt/c 0 2999992 zero
	check "within one file" io -c "copy_range -s 0 -d 2097152 -l 2097152 $mnt/a" $mnt/a
	cmp_at $mnt/a 0 2097152 2097152
	refused "onto itself" "Invalid argument" \
		io -c "copy_range -s 0 -d 1000 -l 2000 $mnt/a" $mnt/a
	same "past EOF there is nothing" 5242880 "$(io -c "copy_range -s 10485760 -d 0 -l 4096 $mnt/a" $mnt/b; stat -c %s $mnt/b)"
	truncate -s 900M $mnt/full
	refused "no room for a copy" "No space left" cp $mnt/full $mnt/d
	rm $mnt/?
	rm $mnt/full
}

# cmp_at FILE A B LENGTH: two parts of it are equal.
cmp_at() {
	check "its parts are equal" mapped equal "$@"
}

with() {
	check "remount with fileio" mount -o remount,fileio $mnt
	same "it is shown" fileio "$(grep -o fileio /proc/mounts)"
	head -c 5000000 /dev/urandom >/tmp/blob
	check "write" cp /tmp/blob $mnt/blob
	check "read" cmp /tmp/blob $mnt/blob
	refused "no O_DIRECT" "Invalid argument" \
		dd if=$mnt/blob of=/dev/null bs=2M count=1 iflag=direct
	same "what was read is not cached" 0 "$(mapped cached $mnt/blob)"
	check "append" sh -c "cat /tmp/blob >>$mnt/blob"
	same "is at the end" 10000000 "$(stat -c %s $mnt/blob)"
	check "sendfile and splice" sh -c "xfs_io -f -c 'sendfile -i $mnt/blob 0 5000000' /tmp/out && cmp /tmp/blob /tmp/out"
	check "execute" sh -c "cp /bin/busybox $mnt/busybox && $mnt/busybox true"
	holding /job/tests/private hold $mnt/blob
	refused "not what is private to somebody" "Text file busy" \
		dd if=/dev/zero of=$mnt/blob count=1 conv=notrunc
	check "but read it" cmp -n 5000000 /tmp/blob $mnt/blob
	kill $!
	wait $! 2>/dev/null
	refused "beyond the region" "File too large" dd if=/dev/zero of=$mnt/big bs=1M seek=1200 count=1
	refused "a bad buffer" "Bad address" mapped bad-buffer $mnt/busybox
	touch $mnt/self
	check "from a mapping of itself" mapped self-write $mnt/self
	echo 1 >/sys/fs/guestmemfs/active
	refused "frozen: no write" "busy" dd if=/dev/zero of=$mnt/blob count=1 conv=notrunc
	refused "no copy" "busy" cp $mnt/blob $mnt/busybox
	check "but read" cmp -n 5000000 /tmp/blob $mnt/blob
	echo 0 >/sys/fs/guestmemfs/active
	rm -f $mnt/?*
	mkdir -p /mnt/t
	mount -t tmpfs -o size=100M none /mnt/t
	# All of them on one kernel: what they can find is mostly ours.
	n=20000
	[[ $kernel != kho ]] || n=100000
	check "$n random operations as on tmpfs" /job/tests/twin $mnt/f /mnt/t/f $n 20261122
	check "fio with verification" fio --name=v --filename=$mnt/fio --size=64M --bs=64k \
		--rw=randwrite --ioengine=psync --verify=crc32c --output=/tmp/fio
	check "remount without" mount -o remount,nofileio $mnt
	refused "no read any more" "Invalid argument" cat $mnt/f
	same "statfs" 0 "$(rm $mnt/*; echo $(($(stat -f -c '%b - %f' $mnt))))"
}

stage1() {
	start
	without
	with
}
