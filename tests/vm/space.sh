# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Running out of blocks, giving them back, and what the module costs.
# lab: memory=4G seconds=500

# Blocks that files can have: of the 1152 MiB one block is the head.
all=575

free_blocks() { stat -f -c %f $mnt; }

# Bytes that the module's own calls allocated, by the kernel's own account.
held() {
	awk '/\[guestmemfs\]/ { n += $1 } END { print n + 0 }' /proc/allocinfo
}

# What an image holds has its bounds, too: the head's slots. It is creating that
# fails, never freezing.
metadata() {
	local room i x=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
	rm -r ${mnt:?}/*
	room=$(stat -f -c %d $mnt)
	check "empty tree: 1 GiB has room for some 2,000 inodes" \
		test "$room" -gt 2000 -a "$room" -lt 2300
	for i in 1 2 3 4 5 6; do
		x=$x$x
	done
	touch $mnt/a $mnt/b
	ln $mnt/a $mnt/c
	mv -f $mnt/a $mnt/b
	/job/tests/exchange $mnt/b $mnt/c
	ln -s target $mnt/s
	mv -f $mnt/s $mnt/c
	mkdir $mnt/d $mnt/e
	mv -T $mnt/d $mnt/e
	mknod $mnt/null c 1 3
	setfattr -n user.a -v 1 $mnt/b
	setfattr -n user.a -v 12345 $mnt/b
	setfattr -n user.b -v 1 $mnt/b
	setfattr -x user.a $mnt/b
	refused "attributes: one beyond the room is ENOSPC" "No space left" \
		setfattr -n user.c -v "${x:0:4090}" $mnt/b
	refused "attributes: removing one that is not there is ENODATA" "No such attribute" setfattr -x user.a $mnt/b
	xfs_io -T -c stat $mnt >/dev/null
	rm -r ${mnt:?}/*
	same "attributes: a removed one takes no room" "$room" "$(stat -f -c %d $mnt)"

	i=0
	while ln -s "${x:0:4000}" $mnt/s$i 2>/tmp/err; do
		i=$((i + 1))
	done
	check "full tree: a long symbolic link after $i others is ENOSPC" \
		grep -q "No space left" /tmp/err
	i=0
	while mkdir $mnt/d$i 2>/dev/null; do
		i=$((i + 1))
	done
	while setfattr -n user.$((i += 1)) -v "${x:0:15}" $mnt/d0 2>/tmp/err; do
		:
	done
	check "full tree: an attribute is ENOSPC" grep -q "No space left" /tmp/err
	refused "full tree: a hard link is ENOSPC" "No space left" sh -c "touch $mnt/d0/x && ln $mnt/d0/x $mnt/d0/y"
	check "full tree: can be frozen" bash -c "echo 1 >/sys/fs/guestmemfs/active"
	check "full tree: its image fits into a slot" \
		test "$(cat /sys/fs/guestmemfs/guestmemfs/image_size)" -le $((1048576 - 4096))
	report info "full: an image of $(cat /sys/fs/guestmemfs/guestmemfs/image_size) bytes, its slot has $((1048576 - 4096))"
	umount $mnt
	rmmod guestmemfs
	start
	check "full tree: comes back full" sh -c "! touch $mnt/d0/x $mnt/d0/y"
	check "full tree: can be emptied" sh -c "rm -r $mnt/*"
	same "full tree: emptied, all its room is back" "$room" "$(stat -f -c %d $mnt)"

	# A name is charged by its length; a longer one needs more room.
	(cd $mnt && seq -f 'file-%05g' 9999 | xargs touch 2>/dev/null)
	i=$(find $mnt -mindepth 1 | wc -l)
	check "short names: more than 4900 files fit ($i), where df -i says 2272" test "$i" -gt 4900
	refused "short names: with no room a longer one is ENOSPC" "No space left" \
		mv $mnt/file-00001 "$mnt/${x:0:255}"
	same "short names: the file has its old name" "1 0" \
		"$(find $mnt -name file-00001 | wc -l) $(find $mnt -name 'xx*' | wc -l)"
	check "short names: one of the same length can be given" mv $mnt/file-00001 $mnt/elif-00001
	check "short names: one can replace another" mv $mnt/elif-00001 $mnt/file-00002
	check "short names: then there is room for a longer one" mv $mnt/file-00003 "$mnt/${x:0:200}"
	check "short names: an exchange needs no room" \
		/job/tests/exchange $mnt/file-00004 "$mnt/${x:0:200}"
	check "short names: the full tree can be frozen" bash -c "echo 1 >/sys/fs/guestmemfs/active"
	echo 0 >/sys/fs/guestmemfs/active
	find $mnt -mindepth 1 -delete
	same "short names: emptied, all its room is back" "$room" "$(stat -f -c %d $mnt)"
	touch $mnt/for-rm
}

stage1() {
	start
	same "statfs: shows all blocks" $all "$(stat -f -c %b $mnt)"
	same "statfs: shows blocks of 2 MiB" 2097152 "$(stat -f -c %S $mnt)"
	truncate -s 600M $mnt/a
	same "truncate: takes its blocks at once" $((all - 300)) "$(free_blocks)"
	same "truncate: st_blocks has them" $((300 * 4096)) "$(stat -c %b $mnt/a)"
	refused "truncate beyond free space: is ENOSPC" "No space left" truncate -s 1152M $mnt/a
	refused "truncate of a second file beyond free space: is ENOSPC" "No space left" truncate -s 600M $mnt/b
	refused "truncate beyond any region: is EFBIG" "File too large" truncate -s 4E $mnt/b
	same "truncate that failed: the size is as it was" "629145600 $((300 * 4096))" "$(stat -c '%s %b' $mnt/a)"
	same "truncate that failed: free space is as it was" $((all - 300)) "$(free_blocks)"
	/job/tests/mapped fill $mnt/a 3
	sum=$(/job/tests/mapped sum $mnt/a)
	refused "truncate of a full file: is ENOSPC" "No space left" truncate -s 1152M $mnt/a
	same "truncate of a full file: keeps the contents" "$sum" "$(/job/tests/mapped sum $mnt/a)"
	truncate -s 10M $mnt/a
	same "truncate: shrinking frees blocks" $((all - 5)) "$(free_blocks)"
	holding /job/tests/mapped hold $mnt/a
	rm $mnt/a
	same "unlink: a mapped file keeps its blocks" $((all - 5)) "$(free_blocks)"
	kill $!
	wait $! 2>/dev/null
	same "unlink: the last close frees them" $all "$(free_blocks)"

	for i in $(seq $all); do
		truncate -s 2M $mnt/f$i
	done
	refused "full region: one block more is ENOSPC" "No space left" truncate -s 1 $mnt/g
	for i in $(seq 1 2 $all); do
		rm $mnt/f$i
	done
	check "fragments: a file can have 288" truncate -s 576M $mnt/g
	check "fragments: they read as zeroes" /job/tests/mapped zero $mnt/g
	for i in $(seq 2 2 $all); do
		rm $mnt/f$i
	done
	check "fragments: the file grows" truncate -s $((all * 2))M $mnt/g
	refused "fragments: growth beyond free space is ENOSPC" "No space left" truncate -s $((all * 2 + 1))M $mnt/g
	rm $mnt/g
	same "in the end: all blocks are free" $all "$(free_blocks)"

	metadata
	rm -r ${mnt:?}/*
	if [[ -e /proc/allocinfo ]]; then
		truncate -s 1G $mnt/ram
		/job/tests/mapped fill $mnt/ram 1
		report info "held for 1 GiB with one file: $(held) bytes, module text and data $(cat /sys/module/guestmemfs/coresize) bytes"
		check "memory: the module holds less than 64 KiB for a file of 1 GiB" \
			test "$(held)" -gt 0 -a "$(held)" -lt 65536
	fi
}
