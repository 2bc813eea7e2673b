# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Mounting and everything that is done to names.
# lab: memory=4G

stage1() {
	start
	same "f_type" 676d6673 "$(stat -f -c %t $mnt)"
	same "root directory's mode" 700 "$(stat -c %a $mnt)"
	check "create" touch $mnt/a
	check "mkdir" mkdir $mnt/d
	check "symlink" ln -s a $mnt/s
	same "readlink" a "$(readlink $mnt/s)"
	check "mknod, fifo" mkfifo $mnt/p
	check "mknod, device" mknod $mnt/c c 1 3
	check "device node works" sh -c "echo x >$mnt/c"
	check "hard link" ln $mnt/a $mnt/d/h
	same "nlink" 2 "$(stat -c %h $mnt/a)"
	check "rename over directories" mv $mnt/d/h $mnt/h
	check "rename replaces" mv $mnt/h $mnt/s
	same "what it replaced is gone" "$(stat -c %i $mnt/a)" "$(stat -c %i $mnt/s)"
	refused "rmdir of a directory in use" "not empty" \
		sh -c "touch $mnt/d/x && rmdir $mnt/d"
	check "exchange" /job/tests/exchange $mnt/a $mnt/d
	check "what was a directory" test -f $mnt/d -a -d $mnt/a -a -f $mnt/a/x
	check "exchange back" /job/tests/exchange $mnt/a $mnt/d
	check "readdir" test "$(find $mnt -mindepth 1 | wc -l)" = 6
	check "chmod" chmod 640 $mnt/a
	check "chown" chown 12:34 $mnt/a
	same "mode and owner" 640,12,34 "$(stat -c %a,%u,%g $mnt/a)"
	check "utimes" touch -d '2001-02-03 04:05:06.789' $mnt/a
	same "times" 981173106.789 "$(stat -c %.3Y $mnt/a)"
	touch -d '2001-02-03' $mnt/a
	# coreutils' truncate opens the file.
	check "truncate() by name: succeeds" perl -e 'truncate($ARGV[0], 0x200000) or die $!' $mnt/a
	check "truncate() by name: changes mtime" test "$(stat -c %Y $mnt/a)" -gt 1000000000
	check "unlink" rm $mnt/s
	refused "unlinked" "No such file" stat $mnt/s
	refused "no read" "Invalid argument" cat $mnt/d/x
	refused "no write" "Invalid argument" dd if=/dev/zero of=$mnt/a count=1
	refused "mount option" "Unknown parameter 'no_such'" \
		sh -c "mount -t guestmemfs -o no_such none /mnt/g 2>&1; dmesg | tail -n 3; false"
	refused "unprivileged user namespace" "denied" \
		unshare -Urm mount -t guestmemfs none /tmp

	mkdir -p /mnt/2
	check "second mount" mount -t guestmemfs none /mnt/2
	same "shows the same tree" "$(describe $mnt)" "$(describe /mnt/2)"
	before=$(describe $mnt)
	umount /mnt/2
	check "umount" umount $mnt
	check "rmmod while there are files" rmmod guestmemfs
	start
	same "the tree is as it was" "$before" "$(describe $mnt)"
	rm -r ${mnt:?}/*
	umount $mnt
	check "rmmod" rmmod guestmemfs
	check "load again" load
	check "nothing is left in /proc/iomem" test "$(grep -c guestmemfs /proc/iomem)" = 1
	rmmod guestmemfs
	mount -t tmpfs none /lib/modules
	mkdir -p "/lib/modules/$(uname -r)"
	cp /job/guestmemfs.ko "/lib/modules/$(uname -r)/"
	depmod -a 2>/dev/null
	check "mount loads the module" mount_g
	check "as it should" grep -q '^guestmemfs ' /proc/modules
}
