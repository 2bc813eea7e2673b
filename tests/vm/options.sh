# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Mount options: given, shown, changed, wrong.
# lab: memory=6G append=guestmemfs=2G,memmap=2G$4G

mapped() { /job/tests/mapped "$@"; }
faults() { mapped faults "$1" 0x40000000 | cut -d' ' -f1; }
shown() { awk '$3 == "guestmemfs" { print $4; exit }' /proc/mounts; }

# The first word of the file that was there last.
peek() {
	insmod /job/guestmemfs_peek.ko at="$physical"
	rmmod guestmemfs_peek
	dmesg | sed -n 's/.*peek \([0-9a-f]*\)$/\1/p' | tail -n 1
}

# wrong TEXT MESSAGE OPTIONS: mount fails, and the log or mount's words say why.
wrong() {
	new_log >/dev/null
	refused "$1" "$2" bash -c "mount -t guestmemfs -o $3 none $mnt 2>&1; e=\$?; dmesg | tail -n 2; exit \$e"
}

# Physical address of a file's first block.
where() {
	io -r -c "fiemap -v" "$1" | awk 'NR == 3 { split($3, p, "."); print p[1] * 512 }'
}

stage1() {
	check "module: it loads" load
	mkdir -p $mnt /mnt/2
	wrong "no_such: it is refused" "no_such" no_such
	wrong "huge=always: it is refused" "Bad value for 'huge'" huge=always
	wrong "mode=17777: it is refused" "mode=17777 is more than 7777" mode=17777
	wrong "nr_inodes=0: it is refused" "nr_inodes=0 is not between 1 and 65536" nr_inodes=0
	wrong "nr_inodes=65537: it is refused" "nr_inodes=65537 is not between" nr_inodes=65537
	wrong "uid=lots: it is refused" "uid" uid=lots
	wrong "scrub=yes: it is refused" "scrub" scrub=yes
	check "wrong options: nothing is mounted" sh -c "! grep -q guestmemfs /proc/mounts"

	check "mount: succeeds with options" mount_g -o uid=12,gid=34,mode=750,nr_inodes=5,huge=pmd,scrub,sparse
	same "mount: shows its options" "rw,relatime,uid=12,gid=34,mode=750,nr_inodes=5,huge=pmd,scrub,sparse" "$(shown)"
	refused "second mount: nosparse beside sparse is refused" "mounted with other options already" \
		bash -c "mount -t guestmemfs -o nosparse none /mnt/2 2>&1; e=\$?; dmesg | tail -n 2; exit \$e"
	mount -o remount,nosparse $mnt
	same "mount: the root directory has uid, gid and mode" "12 34 750" "$(stat -c '%u %g %a' $mnt)"
	same "statfs: shows nr_inodes, less the root" "5 4" "$(stat -f -c '%c %d' $mnt)"
	check "nr_inodes=5: 4 files can be made beside the root" touch $mnt/1 $mnt/2 $mnt/3 $mnt/4
	refused "nr_inodes=5: one more file is ENOSPC" "No space left" touch $mnt/5
	refused "nr_inodes=5: one more file without a name is ENOSPC" "No space left" /job/tests/tmpfile $mnt $mnt/5
	check "nr_inodes=5: a hard link needs no inode" ln $mnt/1 $mnt/5
	refused "nr_inodes: fewer than are in use is refused at remount" \
		"nr_inodes=4 is less than the 5 in use" \
		bash -c "mount -o remount,nr_inodes=4 $mnt 2>&1; e=\$?; dmesg | tail -n 2; exit \$e"
	check "nr_inodes: can be raised" mount -o remount,nr_inodes=6 $mnt
	check "nr_inodes: raised, one more file can be made" touch $mnt/6
	refused "uid=: remount is refused" "use chown and chmod" \
		bash -c "mount -o remount,uid=77 $mnt 2>&1; e=\$?; dmesg | tail -n 2; exit \$e"
	same "remount: the other options stay" "rw,relatime,uid=12,gid=34,mode=750,nr_inodes=6,huge=pmd,scrub" "$(shown)"

	check "second mount: succeeds without options" mount -t guestmemfs none /mnt/2
	umount /mnt/2
	check "second mount: succeeds with the same options" mount -t guestmemfs -o huge=pmd,scrub,nosparse none /mnt/2
	umount /mnt/2
	refused "second mount: other options are refused" "mounted with other options already" \
		bash -c "mount -t guestmemfs -o huge=never none /mnt/2 2>&1; e=\$?; dmesg | tail -n 2; exit \$e"
	same "second mount: a refused one changes no option" "rw,relatime,uid=12,gid=34,mode=750,nr_inodes=6,huge=pmd,scrub" "$(shown)"

	rm $mnt/6
	truncate -s 1G $mnt/big
	mapped fill $mnt/big 1
	check "huge=pmd: 1 GiB takes 513 faults at most, no last-level tables" \
		few_faults 513 $mnt/big 0x40000000
	same "huge=pmd: 1 GiB takes 512 faults" 512 "$(faults $mnt/big)"
	check "huge=pud: remount succeeds" mount -o remount,huge=pud $mnt
	check "huge=pud: 1 GiB takes 1 fault" few_faults 1 $mnt/big 0x40000000
	check "huge=pud: 1 GiB takes 1 fault where mmap() puts it" few_faults 1 $mnt/big
	check "huge=never: remount succeeds" mount -o remount,huge=never $mnt
	same "huge=never: a block takes 512 faults" 32768 \
		"$(truncate -s 128M $mnt/big; faults $mnt/big)"
	check "remount: succeeds with ro" mount -o remount,ro $mnt
	refused "read-only: a file cannot be made" "Read-only" touch $mnt/7
	mount -o remount,rw $mnt

	mount -o remount,huge=pud $mnt
	physical=$(where $mnt/big)
	mapped fill $mnt/big 99
	umount $mnt
	check "nr_inodes: mount succeeds with fewer than the tree has" mount_g -o nr_inodes=2
	check "nr_inodes: with fewer than the tree has, all are there" test -e $mnt/5
	refused "nr_inodes: with fewer than the tree has, a new file is ENOSPC" "No space left" \
		touch $mnt/8
	same "scrub: it is off in the next mount" "rw,relatime,nr_inodes=2" "$(shown)"
	same "scrub: a file in use is not zeroed" "$(mapped word 99)" "$(peek)"
	rm $mnt/big
	same "no scrub: a free block keeps its contents" "$(mapped word 99)" "$(peek)"
	mount -o remount,scrub,nr_inodes=10 $mnt
	truncate -s 128M $mnt/big
	mapped fill $mnt/big 99
	physical=$(where $mnt/big)
	same "scrub: a file in use is not zeroed after remount" "$(mapped word 99)" "$(peek)"
	rm $mnt/big
	same "scrub: the last close zeroes the block" 0000000000000000 "$(peek)"
}
