# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Programs that expect what tmpfs does: each call is made here and on a tmpfs, and the
# results are compared.
# lab: memory=4G cpus=1 kernels=debian-6.12,debian-7

expect() { /job/tests/expect "$@" 2>&1; }

# alike TEXT COMMAND...: the same result on both, and one that the kernel knows how to give.
# %s in an argument is the mount point.
alike() {
	local text=$1 theirs
	shift
	theirs=$(cd /mnt/t && "${@//%s//mnt/t}" 2>&1)
	case $theirs in
	*"Function not implemented"*|mount:*)
		skip "$text" "not on $kernel: ${theirs%%$'\n'*}" ;;
	*)
		same "$text" "$theirs" "$(cd $mnt && "${@//%s/$mnt}" 2>&1)" ;;
	esac
}

leases() {
	alike "leases: files and directories take them as on tmpfs" expect leases .
	same "leases: a file takes them" "file: read: ok, write: ok" "$(expect leases $mnt | cut -d';' -f1)"
	alike "leases: a second open breaks one" expect lease-break broken
	rm -f $mnt/leased $mnt/broken
}

# Where a size ends: s_maxbytes is 64 TiB on guestmemfs, and all that loff_t can
# hold on tmpfs, where only the end of fallocate() can be beyond it. ext4, which ends at
# 16 TiB, refuses truncate() beyond it, too.
limits() {
	local beyond="truncate: File too large, ftruncate: File too large, fallocate: File too large, size 0"
	same "limits: ext4 refuses sizes beyond its s_maxbytes" "$beyond" "$(expect maxbytes /job/a $((17 << 40)))"
	same "limits: guestmemfs refuses sizes beyond 64 TiB" "$beyond" "$(expect maxbytes $mnt/a $(((64 << 40) + 1)))"
	same "limits: tmpfs takes such a size" "truncate: ok, ftruncate: ok, fallocate: ok, size $((17 << 40))" \
		"$(expect maxbytes /mnt/t/a $((17 << 40)))"
	rm /job/a /mnt/t/a $mnt/a
	alike "limits: sizes that are negative or overflow fail as on tmpfs" expect overflow a
	alike "limits: RLIMIT_FSIZE is EFBIG and SIGXFSZ as on tmpfs" expect fsize a
	same "limits: RLIMIT_FSIZE refuses truncate() on guestmemfs" "truncate: File too large, SIGXFSZ" "$(cd $mnt && expect fsize a | head -n 1)"
	# The limit is one of a file's size, which stays. tmpfs refuses all the same.
	same "limits: ext4 allocates beyond RLIMIT_FSIZE if the size is kept" "fallocate: ok" "$(expect fsize-keep /job/a)"
	same "limits: guestmemfs allocates beyond RLIMIT_FSIZE if the size is kept" \
		"fallocate: ok" "$(expect fsize-keep $mnt/a)"
	same "limits: tmpfs does not allocate beyond RLIMIT_FSIZE" "fallocate: File too large, SIGXFSZ" "$(expect fsize-keep /mnt/t/a)"
	rm /job/a
	mount -o remount,fileio $mnt
	alike "limits: write() beyond RLIMIT_FSIZE ends as on tmpfs" expect fsize-write a
	mount -o remount,nofileio $mnt
	rm $mnt/a /mnt/t/a
}

# The pool has 1152 MiB, of which files can have 1150. A file can be larger, with holes.
sizes() {
	local most=$((64 << 20))
	refused "size: truncate beyond the pool is ENOSPC" "No space left" truncate -s 1153M $mnt/a
	refused "size: the whole pool is ENOSPC" "No space left" truncate -s 1152M $mnt/a
	refused "size: fallocate beyond the pool is ENOSPC" "No space left" fallocate -l 1153M $mnt/a
	refused "size: fallocate of the whole pool is ENOSPC" "No space left" fallocate -l 1152M $mnt/a
	refused "size: zeroing beyond 64 TiB is EFBIG" "File too large" fallocate -z -o 64T -l 4096 $mnt/a
	mount -o remount,fileio $mnt
	refused "size: write beyond 64 TiB is EFBIG" "File too large" io -c "pwrite ${most}m 4096" $mnt/a
	check "size: write up to 64 TiB succeeds" io -c "pwrite $((most - 1))m 1m" $mnt/a
	mount -o remount,nofileio $mnt
	truncate -s 4M $mnt/b
	refused "size: copy beyond 64 TiB is EFBIG" "File too large" \
		io -c "copy_range -s 0 -d ${most}m -l 4096 $mnt/b" $mnt/a
	same "size: SEEK_HOLE finds the end of the largest file" "HOLE $((64 << 40))" \
		"$(io -r -c "seek -h $((most - 1))m" $mnt/a | tail -n 1 | tr '\t' ' ')"
	same "size: the largest file has one block" 1 "$(($(stat -c %b $mnt/a) / 4096))"
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
	(cd source && stat -c '%n %u %g %a' -- * | sort)
	(cd idmapped && stat -c '%n %u %g %a' -- * | sort)
	umount idmapped
	rm -r source idmapped
}

# An O_TMPFILE has an owner, too.
idmapped_tmpfile() {
	mkdir -m 777 source idmapped
	mount --bind -o X-mount.idmap=b:0:1000:1000 source idmapped || return
	setpriv --reuid 1000 --regid 1001 --clear-groups /job/tests/tmpfile idmapped idmapped/named
	stat -c '%u %g' source/named
	umount idmapped
	rm -r source idmapped
}

# A caller whom the mount does not map replaces a file, and would leave a whiteout. tmpfs
# gives it owner -1, which no image may have.
idmapped_whiteout() {
	mkdir -m 777 source idmapped
	touch source/a source/b
	mount --bind -o X-mount.idmap=b:0:1000:1000 source idmapped || return
	setpriv --reuid 3000 --regid 3000 --clear-groups \
		/job/tests/expect whiteout idmapped/a idmapped/b
	umount idmapped
	(cd source && stat -c '%n %u' -- *)
	rm -r source idmapped
}

idmaps() {
	chmod 755 $mnt /mnt/t
	alike "idmap: owners in an idmapped mount are as on tmpfs" idmapped
	alike "idmap: the owner of an O_TMPFILE is as on tmpfs" idmapped_tmpfile
	same "idmap: the owner of an O_TMPFILE is mapped" "0 1" \
		"$(cd $mnt && idmapped_tmpfile 2>&1)"
	same "idmap: a whiteout whose owner is not mapped is EOVERFLOW" \
		"whiteout: Value too large for defined data type a 0 b 0" \
		"$(cd $mnt && idmapped_whiteout 2>&1 | xargs)"
	chmod 700 $mnt
}

used() { stat -f -c '%c - %d' .; }

whiteouts() {
	mkdir w w/full w/empty w/dir
	touch w/a w/b w/c w/full/x
	expect whiteout w/a w/new
	expect whiteout w/b w/c
	expect whiteout w/dir w/empty
	expect whiteout w/empty w/full
	expect whiteout w/new w/new
	expect whiteout w/none w/new
	find w -printf '%p %y %m %n %U\n' | sort
	stat -c '%n %t,%T' w/a w/b w/dir
	rm -r w
}

overlays() {
	mkdir -p lower upper work merged
	echo 1 >lower/gone
	echo 2 >lower/moved
	mkdir lower/dir
	mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work overlay merged || return
	rm merged/gone
	mv merged/moved merged/to
	mv merged/dir merged/dir2
	echo 3 >merged/new
	mv merged/new merged/gone
	(cd merged && grep . -r . | sort)
	find upper -printf '%P %y\n' | sort
	umount merged
	rm -r lower upper work merged
}

# The tree has room for one name, and for one more by the rename alone.
whiteouts_without_room() {
	local nr
	touch $mnt/a $mnt/b
	nr=$(($(cd $mnt && used)))
	mount -o remount,nr_inodes=$nr $mnt
	same "whiteout: without a free inode it is ENOSPC" "whiteout: No space left on device" "$(expect whiteout $mnt/a $mnt/b)"
	same "whiteout: one that fails leaves both names" "$nr 2" "$(($(cd $mnt && used))) $(find $mnt -type f | wc -l)"
	mount -o remount,nr_inodes=$((nr + 1)) $mnt
	same "whiteout: with one free inode it succeeds" "whiteout: ok" \
		"$(expect whiteout $mnt/a $mnt/b)"
	mount -o remount,nr_inodes=65536 $mnt
	echo 1 >/sys/fs/guestmemfs/active
	same "whiteout: in a frozen tree it is EBUSY" "whiteout: Device or resource busy" "$(expect whiteout $mnt/b $mnt/c)"
	echo 0 >/sys/fs/guestmemfs/active
	rm $mnt/a $mnt/b
}

renames() {
	local before
	before=$(cd $mnt && used)
	alike "whiteout: names, kinds and links are as on tmpfs" whiteouts
	whiteouts_without_room
	same "whiteout: all inodes are free again" "$before" "$(cd $mnt && used)"
	modprobe overlay 2>/dev/null
	grep -q overlay /proc/filesystems || { skip "overlayfs: the upper directory is as on tmpfs" "$kernel has no overlayfs"; return; }
	mount -o remount,fileio $mnt
	new_log >/dev/null
	alike "overlayfs: the upper directory is as on tmpfs" overlays
	same "overlayfs: it misses nothing" "" "$(new_log | grep 'overlayfs: .*upper fs')"
	mount -o remount,nofileio $mnt
}

handles() {
	alike "handles: they lead to what they do on tmpfs" expect handles
	# AT_HANDLE_CONNECTABLE came with 6.13.
	if [[ $kernel = debian-6.12 ]]; then
		touch $mnt/a
		skip "handles: one with the parent leads to the file" \
			"$kernel has no AT_HANDLE_CONNECTABLE"
	else
		same "handles: one with the parent leads to the file" "24 bytes: the same" \
			"$(cd $mnt && touch a && expect parents a)"
	fi
	alike "fanotify: names and directories are reported as on tmpfs" expect fanotify
	rm $mnt/a
}

# Size and blocks of files that were made larger, and of a copy by cp.
sparse_copies() {
	truncate -s 4M a
	/job/tests/mapped fill a 1
	truncate -s 1G a
	cp a b
	truncate -s 10M d
	stat -c '%n %s %b' a b d
	cmp -n 5000000 a b
	rm a b d
}

sparse() {
	local free
	free=$(stat -f -c %f $mnt)
	refused "nosparse: cp of a hole at a file's end needs its blocks" "No space left" \
		sh -c "truncate -s 600M $mnt/a && fallocate -p -o 0 -l 600M $mnt/a && truncate -s 1100M $mnt/a &&
			fallocate -p -o 0 -l 1100M $mnt/a && truncate -s 100M $mnt/full && cp $mnt/a $mnt/b"
	rm $mnt/?* -r
	check "sparse: remount succeeds" mount -o remount,sparse,fileio $mnt
	same "sparse: it is shown in /proc/mounts" sparse "$(grep -o 'sparse' /proc/mounts)"
	alike "sparse: sizes and blocks are as on tmpfs" sparse_copies
	truncate -s 1G $mnt/a
	/job/tests/mapped poke $mnt/a 0x400000 here
	check "sparse: copy_file_range of holes succeeds" io -f -c "copy_range -s 0 -d 0 -l 800m $mnt/a" $mnt/b
	same "sparse: copy_file_range leaves holes" "838860800 4096" "$(stat -c '%s %b' $mnt/b)"
	check "sparse: copy_file_range copies the data" /job/tests/mapped peek $mnt/b 0x400000 here
	rm $mnt/a $mnt/b
	same "sparse: growing takes no blocks" "$free" "$(truncate -s 1152M $mnt/a; stat -f -c %f $mnt)"
	check "sparse: a hole can be written" /job/tests/mapped poke $mnt/a 0x40000000 here
	same "sparse: a write to a hole takes one block" $((free - 1)) "$(stat -f -c %f $mnt)"
	fallocate -l 4M $mnt/b
	same "sparse: fallocate allocates its blocks" $((free - 3)) "$(stat -f -c %f $mnt)"
	rm $mnt/a $mnt/b
	check "sparse: 3000 random operations end as on tmpfs" /job/tests/twin $mnt/f /mnt/t/f 3000 20261126
	rm $mnt/f /mnt/t/f
	mount -o remount,nosparse,nofileio $mnt
	same "nosparse: sparse is not shown in /proc/mounts" "" "$(grep -o 'sparse' /proc/mounts)"
	same "nosparse: growing takes blocks" $((free - 5)) "$(truncate -s 10M $mnt/a; stat -f -c %f $mnt)"
	rm $mnt/a
}

copies() {
	truncate -s 900M $mnt/a
	refused "copy: without room for all of it is ENOSPC" "No space left" cp $mnt/a $mnt/b
	rm $mnt/a $mnt/b
	truncate -s 500M $mnt/a
	/job/tests/mapped fill $mnt/a 7
	same "copy: a balloon can punch the source" "punched meanwhile" "$(expect punch-source $mnt/a $mnt/b)"
	check "copy: what was copied before and after a punch is right" /job/tests/mapped range $mnt/b 2097152 522190848 7
	truncate -s 4M $mnt/a $mnt/b
	/job/tests/mapped fill $mnt/a 8
	/job/tests/mapped fill $mnt/b 8
	same "copy: two in opposite directions end" "done" "$(expect cross-copies $mnt/a $mnt/b)"
	check "copy: two in opposite directions leave the contents" \
		/job/tests/mapped range $mnt/a 0 4194304 8
	rm $mnt/a $mnt/b
}

bad_memory() {
	truncate -s 4M $mnt/a
	/job/tests/mapped fill $mnt/a 9
	if ! insmod /job/guestmemfs_poison.ko; then
		skip "bad memory: read() is EIO" "$kernel has no kretprobes"
		rm $mnt/a
		return
	fi
	mount -o remount,fileio $mnt
	refused "bad memory: read() is EIO" "Input/output error" cat $mnt/a
	refused "bad memory: sendfile() is EIO" "Input/output error" io -f -c "sendfile -i $mnt/a 0 4096" /tmp/out
	refused "bad memory: copy_file_range() is EIO" "Input/output error" io -f -c "copy_range -s 0 -d 0 -l 1m $mnt/a" $mnt/b
	same "bad memory: a private mapping gets SIGBUS" "SIGBUS" "$(expect private-read $mnt/a)"
	rmmod guestmemfs_poison
	harness buffers -t an_unmapped_one_is_EFAULT
	check "bad memory: without it contents are as they were" /job/tests/mapped range $mnt/a 0 4194304 9
	same "bad memory: without it a private mapping reads the file" "read" \
		"$(expect private-read $mnt/a)"
	rm $mnt/a $mnt/b
	mount -o remount,nofileio $mnt
}

# Entries that PAT has for $1 and the 1152 MiB from there on, by cache mode.
memtypes() {
	sed -n 's/^PAT: \[mem 0x\([0-9a-f]*\)-0x[0-9a-f]*\] /\1 /p' /sys/kernel/debug/x86/pat_memtype_list |
		while read -r start mode; do
			((0x$start < $1 || 0x$start >= $1 + (1152 << 20))) || echo "$mode"
		done | sort | uniq -c | xargs
}

cache_modes() {
	local base
	base=$(region)
	same "cache mode: PAT has an entry for each GiB" "2 write-back" "$(memtypes $base)"
	umount $mnt
	rmmod guestmemfs
	same "cache mode: PAT has no entry without the module" "" "$(memtypes $base)"
	check "cache mode: the module loads again" load
	same "cache mode: PAT has the same entries after another load" "2 write-back" \
		"$(memtypes $base)"
	rmmod guestmemfs
	# A load that comes as far as to ask how this kernel was started, and gets no answer.
	mount --bind /dev/null /proc/sys/kernel/random/boot_id
	refused "cache mode: a load without an answer from boot_id fails" "" load
	umount /proc/sys/kernel/random/boot_id
	same "cache mode: a load that fails late leaves no entry" "" "$(memtypes $base)"
	start
}

# Where the handles of the last kernel lead: one file is still there.
remember_handles() {
	mkdir -p $mnt/dir
	touch $mnt/dir/kept $mnt/removed
	(cd $mnt && for f in dir dir/kept removed; do
		echo "$f $(expect handle $f) $(stat -c %i $f)"
	done) >/job/handles
	rm $mnt/removed
}

follow_handles() {
	local file handle ino
	while read -r file handle ino; do
		echo "$file: $(cd $mnt && expect follow "$handle" "$ino")"
	done </job/handles
}

stage1() {
	start
	cache_modes
	mkdir -p /mnt/t
	check "tmpfs: it mounts" mount -t tmpfs none /mnt/t
	leases
	limits
	sizes
	idmaps
	renames
	handles
	sparse
	copies
	bad_memory
	remember_handles
	echo 1 >/sys/fs/guestmemfs/active
	same "handles: they lead to the files that are left while frozen" \
		"dir: the same,dir/kept: the same,removed: Stale file handle" \
		"$(follow_handles | paste -sd,)"
	next_stage
}

stage2() {
	start
	touch $mnt/new
	same "handles: they lead to the files that are left after a kexec" "dir: the same,dir/kept: the same,removed: Stale file handle" \
		"$(follow_handles | paste -sd,)"
	umount $mnt
	mount_g
	same "handles: they lead to the files that are left after another mount" "dir: the same,dir/kept: the same,removed: Stale file handle" \
		"$(follow_handles | paste -sd,)"
}
