# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Private mappings: copy on write, who may not be there at the same time, and
# the page cache they are made of.
# lab: memory=4G limit=4500M
# lab-debug: limit=9G

p=$mnt/p
cached() { /job/tests/mapped cached $p; }

# A read-only mount does not change when a hole is read. DIR TYPE
hole() {
	local before free
	truncate -s 8M "$1/hole"
	[[ $2 != guestmemfs ]] || fallocate -p -o 4M -l 2M "$1/hole"
	mount -o remount,ro "$1"
	before=$(stat -c %b "$1/hole") free=$(stat -f -c %f "$1")
	check "$2, read-only: a hole reads as zeroes by a shared mapping" \
		/job/tests/private hole "$1/hole"
	[[ $2 != guestmemfs ]] ||
		same "$2, read-only: a hole that was read stays a hole" "$before $free" "$(stat -c %b "$1/hole") $(stat -f -c %f "$1")"
	mount -o remount,rw "$1"
}

rdonly() {
	local status before
	mkdir -p /mnt/tmpfs
	mount -t tmpfs none /mnt/tmpfs
	hole /mnt/tmpfs tmpfs
	hole $mnt guestmemfs
	umount /mnt/tmpfs
	# Mapped by pfns, since the file was open for writing, before the mount was read-only.
	/job/tests/mapped poke $mnt/hole 0 x
	before=$(stat -c %b $mnt/hole)
	rm -f /tmp/held /tmp/go
	mkfifo /tmp/go
	(soon test -s /tmp/held; mount -o remount,ro $mnt; echo) >/tmp/go &
	status=$(/job/tests/private watch-hole $mnt/hole </tmp/go >/tmp/held 2>&1; echo $?)
	same "remount read-only: a hole mapped before is SIGBUS" 135 "$status"
	wait $!
	same "remount read-only: a hole mapped before stays a hole" "$before" \
		"$(stat -c %b $mnt/hole)"
	mount -o remount,rw $mnt
	rm $mnt/hole
}

stage1() {
	start
	truncate -s 8M $p
	check "private mapping: it is copied on write" /job/tests/private cow $p
	check "private mapping: it and a shared one exclude each other" /job/tests/private busy $p
	check "private mapping: it shows nothing stale" /job/tests/private stale $p
	check "private mapping: fallocate and truncate are ETXTBSY beside it" \
		/job/tests/private change $p
	check "shared mapping to read: it counts as a private one" /job/tests/private readers $p
	truncate -s 0 $p
	truncate -s 8M $p
	check "shared mapping to read: it excludes private ones beside a writer" \
		/job/tests/private watch $p
	rdonly
	truncate -s 8M $p
	check "private mapping: O_DIRECT, process_vm_readv, vmsplice, mlock succeed" \
		/job/tests/private pages $p
	check "private mapping: it has 2 MiB folios, mapped by PMDs" /job/tests/private huge $p

	check "page cache: it can be dropped while it is made one huge folio" \
		/job/tests/collapse $p 10
	holding /job/tests/private hold $p
	same "page cache: it has what was read" 8388608 "$(cached)"
	truncate -s 8M $mnt/q
	refused "private mapping: copy_file_range() to its file is ETXTBSY" "Text file busy" \
		io -c "copy_range -l 4096 $mnt/q" $p
	kill $!
	wait $! 2>/dev/null
	same "page cache: it stays for the next process" 8388608 "$(cached)"
	echo 1 >/proc/sys/vm/drop_caches
	same "page cache: it can be dropped" 0 "$(cached)"
	truncate -s 900M $mnt/big
	/job/tests/mapped fill $mnt/big 3
	want=$(/job/tests/mapped sum $mnt/big)
	p=$mnt/big
	same "private mapping: a large file has its contents" "$want" "$(/job/tests/mapped private-sum $p)"
	check "page cache: it has the large file" test "$(cached)" -gt 900000000
	free=$(awk '/MemFree/ { print int($2 / 1024) }' /proc/meminfo)
	check "memory pressure: more memory than is free can be used" /job/tests/hog $((free + 300))
	report info "900 MiB cached, $free MiB free before the pressure; $(($(cached) >> 20)) MiB cached after"
	check "memory pressure: it evicts the large file" test "$(cached)" -lt 943718400
	same "memory pressure: an evicted file is read again" "$want" "$(/job/tests/mapped private-sum $p)"
	echo 1 >/sys/fs/guestmemfs/active
	echo 1 >/proc/sys/vm/drop_caches
	same "frozen: a private mapping reads the file" "$want" "$(/job/tests/mapped private-sum $p)"
	echo 0 >/sys/fs/guestmemfs/active
	check "umount: succeeds with pages cached" umount $mnt
	check "tree: it mounts" mount_g
	same "umount and mount: contents are as they were" "$want" "$(/job/tests/mapped sum $p)"
}
