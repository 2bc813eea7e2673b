# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# fallocate, holes, extents, O_TMPFILE, attributes and flags; and all of it in
# the next kernel.
# lab: memory=4G

mapped() { /job/tests/mapped "$@"; }

# pieces FROM TO: punch 64 KiB pieces of the block at 2 MiB, one by one.
pieces() {
	local i
	for i in $(seq "$1" "$2"); do
		fallocate -p -o $((0x200000 + i * 65536)) -l 65536 $mnt/a || return
	done
}

# A block is freed when all of it has been punched, and it is empty.
in_pieces() {
	mapped fill $mnt/a 5
	check "punch in pieces: all but the last succeed" pieces 0 30
	same "punch in pieces: the block stays before the last" 4 "$(blocks $mnt/a)"
	mapped poke $mnt/a 0x200000 again
	check "punch in pieces: the last succeeds" pieces 31 31
	same "punch in pieces: a block that was written again stays" 4 "$(blocks $mnt/a)"
	check "punch in pieces: it has what was written" mapped peek $mnt/a 0x200000 again
	check "punch in pieces: all once more succeeds" pieces 0 31
	same "punch in pieces: the block is free" 3 "$(blocks $mnt/a)"
	check "punch in pieces: it reads as zeroes" mapped range $mnt/a 0x200000 0x200000 zero
	mapped fill $mnt/a 5
	pieces 0 15
	truncate -s 3M $mnt/a
	same "punch in pieces: a truncate in between leaves the block" 2 "$(blocks $mnt/a)"
	check "punch in pieces: the rest before EOF succeeds" pieces 0 15
	same "punch in pieces: the block of EOF is free" 1 "$(blocks $mnt/a)"
	truncate -s 8M $mnt/a
	fallocate -l 8M $mnt/a
	mapped fill $mnt/a 5
	truncate -s 2M $mnt/a
	fallocate -n -o 2M -l 6M $mnt/a
	check "punch in pieces: one beyond EOF succeeds" pieces 1 1
	same "punch in pieces: blocks beyond EOF stay" 4 "$(blocks $mnt/a)"
	truncate -s 8M $mnt/a
	mapped fill $mnt/a 5
}

free_blocks() { stat -f -c %f $mnt; }
blocks() { echo $(($(stat -c %b "$1") / 4096)); }
# Offset, length and flags of each extent, in blocks of 2 MiB.
extents() {
	io -r -c "fiemap -v" "$1" | awk 'NR > 2 && $3 != "hole" { print $2, $NF }'
}

holes() {
	check "fallocate: succeeds" fallocate -l 8M $mnt/a
	same "fallocate: gives the file its size" 8388608 "$(stat -c %s $mnt/a)"
	same "fallocate: gives the file its blocks" 4 "$(blocks $mnt/a)"
	same "fallocate: its blocks are written, so that they need no zeroing" "[0..16383]: 0x1" "$(extents $mnt/a)"
	check "fallocate: its blocks read as zeroes" mapped zero $mnt/a
	mapped fill $mnt/a 5
	sum=$(mapped sum $mnt/a)
	check "KEEP_SIZE: succeeds" fallocate -n -o 8M -l 4M $mnt/a
	same "KEEP_SIZE: keeps the size and adds blocks" "8388608 6" "$(stat -c %s $mnt/a) $(blocks $mnt/a)"
	same "KEEP_SIZE: keeps the contents" "$sum" "$(mapped sum $mnt/a)"
	check "KEEP_SIZE: the file can grow into its blocks" truncate -s 11M $mnt/a
	same "KEEP_SIZE: growing into its blocks takes no more" 6 "$(blocks $mnt/a)"
	check "KEEP_SIZE: succeeds beyond EOF" fallocate -n -o 12M -l 4M $mnt/a
	check "KEEP_SIZE: truncate to the same size succeeds" truncate -s 11M $mnt/a
	same "KEEP_SIZE: truncate to the same size frees what is beyond EOF" 6 "$(blocks $mnt/a)"
	truncate -s 8M $mnt/a
	same "KEEP_SIZE: truncate to a smaller size frees blocks" 4 "$(blocks $mnt/a)"

	free=$(free_blocks)
	check "punch: of a block succeeds" fallocate -p -o 2M -l 2M $mnt/a
	same "punch: its block is free" $((free + 1)) "$(free_blocks)"
	same "punch: SEEK_DATA finds the rest" "0 4194304" "$(io -r -c 'seek -d 0' -c 'seek -d 2m' $mnt/a | awk 'NR > 1 && $1 == "DATA" { printf "%s%s", s, $2; s = " " }')"
	same "punch: SEEK_HOLE finds the hole" "HOLE 2097152" "$(io -r -c 'seek -h 0' $mnt/a | tail -n 1 | tr '\t' ' ')"
	same "punch: SEEK_HOLE finds the end of the file" "HOLE 8388608" "$(io -r -c 'seek -h 4m' $mnt/a | tail -n 1 | tr '\t' ' ')"
	check "punch: what is before it is as it was" mapped range $mnt/a 0 2097152 5
	check "punch: what is after it is as it was" mapped range $mnt/a 4194304 4194304 5
	check "hole: reads as zeroes" mapped range $mnt/a 2097152 2097152 zero
	same "hole: gets a block when it is touched" 4 "$(blocks $mnt/a)"
	mapped fill $mnt/a 5
	check "punch of parts of blocks: succeeds" fallocate -p -o 3M -l 2M $mnt/a
	same "punch of parts of blocks: frees none" 4 "$(blocks $mnt/a)"
	check "punch of parts of blocks: its range reads as zeroes" mapped range $mnt/a 3145728 2097152 zero
	check "punch of parts of blocks: what is before it is as it was" mapped range $mnt/a 0 3145728 5
	check "punch of parts of blocks: what is after it is as it was" mapped range $mnt/a 5242880 3145728 5
	check "punch within a block: succeeds" fallocate -p -o 100 -l 200 $mnt/a
	check "punch within a block: its range reads as zeroes" mapped range $mnt/a 104 192 zero
	check "punch within a block: what is after it is as it was" mapped range $mnt/a 304 4096 5
	in_pieces
	truncate -s 7M $mnt/a
	check "punch beyond EOF: succeeds" fallocate -p -o 6M -l 1G $mnt/a
	same "punch beyond EOF: frees the block of EOF" 3 "$(blocks $mnt/a)"
	same "punch beyond EOF: leaves the size" 7340032 "$(stat -c %s $mnt/a)"
	check "punch up to s_maxbytes: succeeds" fallocate -p -o 1150M -l $(((64 << 20) - 1150))M $mnt/a
	refused "punch beyond s_maxbytes: is EFBIG" "File too large" fallocate -p -o 64T -l 1G $mnt/a

	truncate -s 8M $mnt/a
	mapped fill $mnt/a 5
	check "ZERO_RANGE: succeeds" fallocate -z -o 1M -l 4M $mnt/a
	same "ZERO_RANGE: keeps its blocks" 4 "$(blocks $mnt/a)"
	same "ZERO_RANGE: whole blocks are unwritten in FIEMAP" "[0..4095]: 0x0,[4096..8191]: 0x800,[8192..16383]: 0x1" "$(extents $mnt/a | paste -sd,)"
	check "ZERO_RANGE: its range reads as zeroes" mapped range $mnt/a 1048576 4194304 zero
	check "ZERO_RANGE: what is after it is as it was" mapped range $mnt/a 5242880 3145728 5
	check "ZERO_RANGE beyond EOF: succeeds" fallocate -z -o 9M -l 1M $mnt/a
	same "ZERO_RANGE beyond EOF: grows the file to its end" 10485760 "$(stat -c %s $mnt/a)"
	refused "fallocate beyond free space: is ENOSPC" "No space left" \
		fallocate -o 0 -l 1152M $mnt/a
	same "fallocate beyond free space: changes neither size nor blocks" "10485760 5" "$(stat -c %s $mnt/a) $(blocks $mnt/a)"
	refused "COLLAPSE_RANGE: is EOPNOTSUPP" "not supported" fallocate -c -o 2M -l 2M $mnt/a
	refused "INSERT_RANGE: is EOPNOTSUPP" "not supported" fallocate -i -o 2M -l 2M $mnt/a
	refused "RLIMIT_FSIZE: fallocate beyond it is EFBIG" "File too large" sh -c "trap '' XFSZ; ulimit -f 16; fallocate -l 20M $mnt/l"
	rm -f $mnt/a $mnt/l
	same "in the end: all blocks are free" 575 "$(free_blocks)"
}

extent_list() {
	truncate -s 6M $mnt/e
	physical=$(io -r -c "fiemap -v" $mnt/e | awk 'NR == 3 { split($3, p, "."); print p[1] * 512 }')
	same "FIEMAP: physical addresses are in the region" 1 \
		$((physical >= $(region) && physical < $(region) + (1 << 30)))
	same "FIEMAP: blocks of truncate() are unwritten" "[0..12287]: 0x801" "$(extents $mnt/e)"
	chmod 755 $mnt
	chmod 644 $mnt/e
	same "FIEMAP: shows no address without CAP_SYS_ADMIN" "0..12287 0x803" \
		"$(setpriv --reuid 65534 --regid 65534 --clear-groups xfs_io -r -c 'fiemap -v' $mnt/e | awk 'NR == 3 { print $3, $NF }')"
	chmod 700 $mnt
	rm $mnt/e
}

tmpfiles() {
	check "O_TMPFILE: succeeds, with blocks" /job/tests/tmpfile $mnt $mnt/linked
	same "O_TMPFILE: linkat() gives it a name" 4194304 "$(stat -c %s $mnt/linked)"
	same "O_TMPFILE: blocks of one without a name are freed" 573 "$(free_blocks)"
	check "hard link: succeeds" ln $mnt/linked $mnt/again
	rm $mnt/linked
	check "hard link: the other name keeps the contents" mapped peek $mnt/again 0 tmpfile
}

attributes() {
	touch $mnt/x
	ln -s x $mnt/y
	check "setfattr: sets a user attribute" setfattr -n user.colour -v green $mnt/x
	check "setfattr: sets a trusted attribute" setfattr -n trusted.note -v 1 $mnt/x
	check "setfattr: sets a security attribute" setfattr -n security.label -v secret $mnt/x
	check "setfattr: sets a trusted attribute of a symbolic link" \
		setfattr -h -n trusted.t -v 2 $mnt/y
	check "setfattr: sets a user attribute of a directory" setfattr -n user.d -v d $mnt
	same "getfattr: shows the value" green "$(getfattr --only-values -n user.colour $mnt/x 2>/dev/null)"
	check "setfattr: replaces a value" setfattr -n user.colour -v red $mnt/x
	same "getfattr: shows the new value" red "$(getfattr --only-values -n user.colour $mnt/x 2>/dev/null)"
	same "getfattr: lists all" "security.label trusted.note user.colour" \
		"$(getfattr -m - $mnt/x 2>/dev/null | grep -v '^#' | sort | xargs)"
	refused "getfattr: is ENODATA if it is not there" "No such attribute" getfattr -n user.none $mnt/x
	refused "setfattr -x: is ENODATA if it is not there" "No such attribute" setfattr -x user.none $mnt/x
	check "setfattr -x: removes one" setfattr -x trusted.note $mnt/x
	refused "setfattr: is ENOSPC beyond 4 KiB" "No space left" \
		setfattr -n user.big -v "$(head -c 5000 /dev/zero | tr '\0' x)" $mnt/x
	same "setfattr: one that fails leaves the others" red "$(getfattr --only-values -n user.colour $mnt/x 2>/dev/null)"
	refused "setfattr: a POSIX ACL is EOPNOTSUPP" "not supported" setfattr -n system.posix_acl_access \
		-v 0x0200000001000600ffffffff04000400ffffffff20000400ffffffff $mnt/x
	refused "setfattr: another namespace is EOPNOTSUPP" "not supported" setfattr -n system.x -v 1 $mnt/x
	check "setfattr: sets an empty value" setfattr -n user.empty $mnt/x

	check "chattr +i: succeeds" chattr +i $mnt/x
	same "chattr +i: lsattr shows it" ----i "$(lsattr $mnt/x | cut -c1-5)"
	refused "immutable: truncate is EPERM" "not permitted" truncate -s 2M $mnt/x
	refused "immutable: unlink is EPERM" "not permitted" rm -f $mnt/x
	refused "immutable: setfattr is EPERM" "not permitted" setfattr -n user.more -v 1 $mnt/x
	refused "chattr +c: is EOPNOTSUPP" "not supported" chattr +c $mnt/again
	check "chattr +a: succeeds for a directory" sh -c "mkdir $mnt/log && chattr +a $mnt/log"
	check "append only: a name can be added" touch $mnt/log/1
	refused "append only: unlink of a name is EPERM" "not permitted" rm $mnt/log/1
	same "append only: lsattr shows it" "--a--" "$(lsattr -d $mnt/log | cut -c4-8 | tr -d '\n')"
}

describe_more() {
	describe $mnt
	find $mnt | sort | xargs getfattr -dh -m - --absolute-names
	lsattr -R $mnt 2>/dev/null | sort
	for f in $mnt/again $mnt/sparse; do io -r -c "fiemap -v" $f; done
}

frozen() {
	echo 1 >/sys/fs/guestmemfs/active || return
	refused "frozen: fallocate is EBUSY" "busy" fallocate -l 4M $mnt/sparse
	refused "frozen: punch is EBUSY" "busy" fallocate -p -o 0 -l 2M $mnt/sparse
	refused "frozen: O_TMPFILE is EBUSY" "busy" /job/tests/tmpfile $mnt $mnt/never
	refused "frozen: setfattr is EBUSY" "busy" setfattr -n user.x -v 1 $mnt/again
	refused "frozen: chattr is EBUSY" "busy" chattr +a $mnt/again
	check "frozen: SEEK_HOLE and FIEMAP go on" io -r -c "seek -h 0" -c "fiemap" $mnt/sparse
}

stage1() {
	start
	holes
	extent_list
	tmpfiles
	attributes
	fallocate -l 8M $mnt/sparse
	mapped fill $mnt/sparse 9
	fallocate -p -o 2M -l 2M $mnt/sparse
	fallocate -n -o 10M -l 4M $mnt/sparse
	frozen
	describe_more >/job/before
	mapped sparse-sum $mnt/sparse >/job/sum
	next_stage
}

stage2() {
	start
	describe_more >/job/after
	same "next kernel: holes, extents beyond EOF, attributes and flags are as they were" "" \
		"$(diff /job/before /job/after)"
	same "next kernel: contents are as they were" "$(cat /job/sum)" "$(mapped sparse-sum $mnt/sparse)"
	refused "next kernel: an immutable file still is" "not permitted" rm -f $mnt/x
	check "next kernel: it can be made mutable and removed" sh -c "chattr -i $mnt/x && rm $mnt/x"
	check "next kernel: a file grows into blocks beyond EOF" truncate -s 14M $mnt/sparse
	same "next kernel: growing allocates the blocks that are missing" 6 "$(blocks $mnt/sparse)"
}
