# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What pages cost, for pools of 1, 4 and 16 GiB: memory, and time to mount; and what happens
# if the memory is not there.
# lab: memory=23G append=guestmemfs=one:1G@4G,guestmemfs=four:4G@5G,guestmemfs=sixteen:16G@9G,memmap=21G$4G

# Free memory, that of each CPU's lists included.
free_kib() {
	sync
	echo 3 >/proc/sys/vm/drop_caches
	awk '/^MemFree:/ { n += $2 } /^ +count:/ { n += $2 * 4 } END { print n }' \
		/proc/meminfo /proc/zoneinfo
}

# cost POOL GIB
cost() {
	local before mounted after begin end kib
	before=$(free_kib)
	begin=$(date +%s%N)
	check "$1: it mounts with pages" mount -t guestmemfs -o pages "$1" $mnt
	end=$(date +%s%N)
	mounted=$(free_kib)
	kib=$(((before - mounted) / $2))
	report info "$2 GiB: $kib KiB and $(((end - begin) / $2 / 1000000)) ms for each GiB"
	check "$1: pages cost 4.1 MiB for each GiB, or 16 where tail pages have their own" \
		eval '((kib < 4300 || (kib > 15000 && kib < 17000)))'
	umount $mnt
	after=$(free_kib)
	check "$1: the last unmount gives it back, but for $((before - after)) KiB" \
		test $((before - after)) -lt 2048
}

stage1() {
	local have i size=0
	mkdir -p $mnt
	check "module: it loads" load
	# Whatever is made once is there.
	mount -t guestmemfs -o pages one $mnt && umount $mnt
	cost one 1
	cost four 4
	cost sixteen 16
	mkdir -p /mnt/t
	mount -t tmpfs -o size=100% none /mnt/t
	# Less than 68 MiB, which is the least that its descriptors need.
	for i in 1 2 3 4 5 6; do
		have=$(awk '/^MemAvailable:/ { print int($2 / 1024) }' /proc/meminfo)
		[[ $have -gt 60 ]] || break
		size=$((size + have - 50))
		fallocate -l ${size}M /mnt/t/all
	done
	new_log >/dev/null
	refused "no memory: mount says where to look" "pool sixteen cannot have pages: the kernel log says why" \
		mount -t guestmemfs -o pages sixteen $mnt
	logs "no memory: the log says how much it takes" "no pages: their descriptors need (68|272) MiB, and [0-9]+ MiB are available"
	rm /mnt/t/all
	check "no memory: it mounts when there is some" mount -t guestmemfs -o pages sixteen $mnt
	umount $mnt
}
