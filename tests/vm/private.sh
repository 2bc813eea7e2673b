# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Private mappings: copy on write, who may not be there at the same time, and
# the page cache they are made of.
# lab: memory=4G

p=$mnt/p
cached() { /job/tests/gmem cached $p; }

stage1() {
	start
	truncate -s 8M $p
	check "copy on write" /job/tests/private cow $p
	check "shared and private mappings exclude each other" /job/tests/private busy $p
	check "nothing stale is seen" /job/tests/private stale $p
	check "no punch, no truncate beside them" /job/tests/private change $p
	truncate -s 8M $p
	check "pages: O_DIRECT, process_vm_readv, vmsplice, mlock" /job/tests/private pages $p
	check "2 MiB folios, mapped by PMDs" /job/tests/private huge $p

	holding /job/tests/private hold $p
	same "what is read is cached" 8388608 "$(cached)"
	truncate -s 8M $mnt/q
	refused "no write beside it, by a copy" "Text file busy" \
		io -c "copy_range -l 4096 $mnt/q" $p
	kill $!
	wait $! 2>/dev/null
	same "and stays for the next" 8388608 "$(cached)"
	echo 1 >/proc/sys/vm/drop_caches
	same "but can go" 0 "$(cached)"
	truncate -s 900M $mnt/big
	/job/tests/gmem fill $mnt/big 3
	want=$(/job/tests/gmem sum $mnt/big)
	p=$mnt/big
	same "a large file, read through a private mapping" "$want" "$(/job/tests/gmem private-sum $p)"
	check "is cached" test "$(cached)" -gt 900000000
	free=$(awk '/MemFree/ { print int($2 / 1024) }' /proc/meminfo)
	check "memory pressure" /job/tests/gmem hog $((free + 300))
	report info "900 MiB cached, $free MiB free before the pressure; $(($(cached) >> 20)) MiB cached after"
	check "evicts it" test "$(cached)" -lt 943718400
	same "and it is read again" "$want" "$(/job/tests/gmem private-sum $p)"
	echo 1 >/sys/fs/guestmemfs/active
	echo 1 >/proc/sys/vm/drop_caches
	same "frozen, too" "$want" "$(/job/tests/gmem private-sum $p)"
	echo 0 >/sys/fs/guestmemfs/active
	check "umount with pages cached" umount $mnt
	check "mount" mount_g
	same "contents" "$want" "$(/job/tests/gmem sum $p)"
}
