# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Programs that expect what tmpfs does: each call is made here and on a tmpfs, and the
# results are compared.
# lab: memory=4G cpus=1

expect() { /job/tests/expect "$@" 2>&1; }

# alike TEXT COMMAND...: the same result on both. %s in an argument is the mount point.
alike() {
	local text=$1
	shift
	same "$text" "$(cd /mnt/t && "${@//%s//mnt/t}" 2>&1)" "$(cd $mnt && "${@//%s/$mnt}" 2>&1)"
}

leases() {
	alike "leases: files and directories as on tmpfs" expect leases .
	same "leases: a file takes them" "file: read: ok, write: ok" "$(expect leases $mnt | cut -d';' -f1)"
	alike "leases: a second open breaks one" expect lease-break broken
	rm -f $mnt/leased $mnt/broken
}

# The region has 1152 MiB, of which files can have 1150.
sizes() {
	refused "size: truncate beyond the region is EFBIG" "File too large" truncate -s 1153M $mnt/a
	refused "size: one byte beyond it, too" "File too large" truncate -s $(((1152 << 20) + 1)) $mnt/a
	refused "size: the whole region is ENOSPC" "No space left" truncate -s 1152M $mnt/a
	refused "size: fallocate beyond the region is EFBIG" "File too large" fallocate -l 1153M $mnt/a
	refused "size: fallocate of the whole region is ENOSPC" "No space left" fallocate -l 1152M $mnt/a
	refused "size: zeroing beyond the region is EFBIG" "File too large" fallocate -z -o 1152M -l 4096 $mnt/a
	mount -o remount,fileio $mnt
	refused "size: write beyond the region is EFBIG" "File too large" io -c "pwrite 1152m 4096" $mnt/a
	check "size: write just below its end" io -c "pwrite 1151m 4096" $mnt/a
	mount -o remount,nofileio $mnt
	truncate -s 4M $mnt/b
	refused "size: copy beyond the region is EFBIG" "File too large" \
		io -c "copy_range -s 0 -d 1152m -l 4096 $mnt/b" $mnt/a
	same "size: SEEK_HOLE finds the end of the largest file" "HOLE $((1152 << 20))" \
		"$(truncate -s 1150M $mnt/a; fallocate -p -o 0 -l 1150M $mnt/a; truncate -s 1152M $mnt/a; io -r -c 'seek -h 1151m' $mnt/a | tail -n 1 | tr '\t' ' ')"
	rm $mnt/a $mnt/b
}

# Owners 0 to 999 in the filesystem are 1000 to 1999 in the idmapped mount.
idmapped() {
	mkdir -m 777 source idmapped
	mount --bind -o X-mount.idmap=b:0:1000:1000 source idmapped || return
	setpriv --reuid 1000 --regid 1001 --clear-groups bash -c '
		cd idmapped
		touch file; mkdir dir; ln -s file link; mkfifo fifo
		chmod 640 file; chgrp 1001 file
		setfattr -n user.note -v 1 file
		chown 1003 file
		touch ../source/direct'
	touch idmapped/root
	chown 1005:1006 idmapped/dir
	chown 5:6 idmapped/dir
	mknod idmapped/device c 0 0
	ls idmapped | sort
	(cd source && stat -c '%n %u %g %a' -- * | sort)
	(cd idmapped && stat -c '%n %u %g %a' -- * | sort)
	umount idmapped
	rm -r source idmapped
}

# An O_TMPFILE has an owner, too.
idmapped_tmpfile() {
	mkdir -m 777 source idmapped
	mount --bind -o X-mount.idmap=b:0:1000:1000 source idmapped || return
	setpriv --reuid 1000 --regid 1001 --clear-groups /job/tests/expect tmpfile idmapped named
	stat -c '%u %g' source/named
	umount idmapped
	rm -r source idmapped
}

idmaps() {
	alike "idmap: owners in an idmapped mount as on tmpfs" idmapped
	alike "idmap: the owner of an O_TMPFILE" idmapped_tmpfile
	same "idmap: a new file's owner is mapped" "0 1" "$(cd $mnt && idmapped_tmpfile 2>&1)"
}

stage1() {
	start
	mkdir -p /mnt/t
	check "tmpfs" mount -t tmpfs none /mnt/t
	leases
	sizes
	idmaps
}
