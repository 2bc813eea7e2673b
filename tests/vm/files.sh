# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Mounting and everything that is done to names.
# lab: memory=4G

stage1() {
	start
	same "statfs: shows the f_type of guestmemfs" 676d6673 "$(stat -f -c %t $mnt)"
	same "root directory: has mode 700" 700 "$(stat -c %a $mnt)"
	check "create: succeeds" touch $mnt/a
	check "mkdir: succeeds" mkdir $mnt/d
	check "symlink: succeeds" ln -s a $mnt/s
	same "readlink: shows the target" a "$(readlink $mnt/s)"
	check "mknod: makes a fifo" mkfifo $mnt/p
	check "mknod: makes a device node" mknod $mnt/c c 1 3
	check "mknod: the device node works" sh -c "echo x >$mnt/c"
	check "link: succeeds" ln $mnt/a $mnt/d/h
	same "link: the file has two links" 2 "$(stat -c %h $mnt/a)"
	check "rename: moves to another directory" mv $mnt/d/h $mnt/h
	check "rename: replaces a name" mv $mnt/h $mnt/s
	same "rename: what it replaced is gone" "$(stat -c %i $mnt/a)" "$(stat -c %i $mnt/s)"
	refused "rmdir: is ENOTEMPTY" "not empty" \
		sh -c "touch $mnt/d/x && rmdir $mnt/d"
	check "RENAME_EXCHANGE: succeeds" /job/tests/exchange $mnt/a $mnt/d
	check "RENAME_EXCHANGE: file and directory have changed places" test -f $mnt/d -a -d $mnt/a -a -f $mnt/a/x
	check "RENAME_EXCHANGE: succeeds again" /job/tests/exchange $mnt/a $mnt/d
	check "readdir: shows all names" test "$(find $mnt -mindepth 1 | wc -l)" = 6
	check "chmod: succeeds" chmod 640 $mnt/a
	check "chown: succeeds" chown 12:34 $mnt/a
	same "stat: shows mode and owner" 640,12,34 "$(stat -c %a,%u,%g $mnt/a)"
	check "utimes: succeeds" touch -d '2001-02-03 04:05:06.789' $mnt/a
	same "stat: shows the times" 981173106.789 "$(stat -c %.3Y $mnt/a)"
	touch -d '2001-02-03' $mnt/a
	# coreutils' truncate opens the file.
	check "truncate() by name: succeeds" perl -e 'truncate($ARGV[0], 0x200000) or die $!' $mnt/a
	check "truncate() by name: changes mtime" test "$(stat -c %Y $mnt/a)" -gt 1000000000
	check "unlink: succeeds" rm $mnt/s
	refused "unlink: the name is gone" "No such file" stat $mnt/s
	refused "read(): is EINVAL" "Invalid argument" cat $mnt/d/x
	refused "write(): is EINVAL" "Invalid argument" dd if=/dev/zero of=$mnt/a count=1
	refused "mount: an unknown option is named" "Unknown parameter 'no_such'" \
		sh -c "mount -t guestmemfs -o no_such none /mnt/g 2>&1; dmesg | tail -n 3; false"
	refused "user namespace: the mount is refused" "denied" \
		unshare -Urm mount -t guestmemfs none /tmp

	mkdir -p /mnt/2
	check "second mount: succeeds" mount -t guestmemfs none /mnt/2
	same "second mount: shows the same tree" "$(describe $mnt)" "$(describe /mnt/2)"
	before=$(describe $mnt)
	umount /mnt/2
	check "umount: succeeds" umount $mnt
	check "rmmod: succeeds while there are files" rmmod guestmemfs
	start
	same "load and mount again: the tree is as it was" "$before" "$(describe $mnt)"
	rm -r ${mnt:?}/*
	umount $mnt
	check "rmmod: succeeds with an empty tree" rmmod guestmemfs
	check "load again: succeeds" load
	check "load again: /proc/iomem has the region once" test "$(grep -c guestmemfs /proc/iomem)" = 1
	rmmod guestmemfs
	mount -t tmpfs none /lib/modules
	mkdir -p "/lib/modules/$(uname -r)"
	cp /job/guestmemfs.ko "/lib/modules/$(uname -r)/"
	depmod -a 2>/dev/null
	check "mount: loads the module" mount_g
	check "mount: the module it needs is loaded" grep -q '^guestmemfs ' /proc/modules
}
