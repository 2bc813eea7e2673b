# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Command lines and parameters that are wrong, and the region's seclusion.
# lab: memory=6G cpus=1 append=memmap=1G$4G

# no_load TEXT PATTERN PARAMETER: loading fails with one line in the log.
no_load() {
	new_log >/dev/null
	if insmod /job/guestmemfs.ko ${3:+"$3"} 2>/dev/null; then
		fail "$1: loading fails with one line in the log" "success"
		rmmod guestmemfs
		return
	fi
	dmesg | tail -n +$(($(cat /tmp/log-seen) + 1)) | grep -a 'guestmemfs: ' |
		grep -v taint >/tmp/lines
	same "$1: loading fails with one line in the log" 1 "$(wc -l </tmp/lines)"
	logs "$1: the log says why" "$2"
}

# pageless PROGRAM OPERATION: it does not work on a mapping of the region.
pageless() {
	local ended
	ended=$("/job/tests/$1" "$2" $mnt/b)
	check "$2: is refused for a mapping of the region (${ended:-no answer})" \
		test "${ended:-ok}" != ok
	rm -f $mnt/b
}

stage1() {
	new_log >/dev/null
	no_load "no region" "no pool: boot with guestmemfs=SIZE"
	no_load "malformed region=" "region=lots: is not .NAME:.SIZE" region=lots
	no_load "region= without room in memmap=" "region=2G: no memmap=" region=2G
	no_load "region= with trailing junk" "is not .NAME:.SIZE" region=1G@4Gx
	no_load "region= with an unaligned address" "not aligned" region=512M@0x100001000
	no_load "region= with an unaligned size" "not aligned" region=0x10000001@4G
	no_load "region of size 0" "is not .NAME:.SIZE" region=0@4G
	no_load "region without room for files" "too small" region=2M@4G
	no_load "region in the kernel's memory" "is memory the kernel uses" region=512M@5G
	no_load "region partly in the kernel's memory" "is memory the kernel uses" region=2G@4G
	no_load "region where no memory is" "is not memory" region=1G@64G
	no_load "region beyond the machine's addresses" "beyond what this machine" \
		region=1G@0xffff000000000000
	no_load "region that wraps around" "beyond the last address" region=0xffffffffffe00000@4G
	no_load "region larger than an image describes" "larger than the 64 TiB" region=65T@4G
	insmod /job/guestmemfs_peek.ko at=0x120000000 claim=4096
	no_load "region of which another driver has a part" "another driver has claimed a part of" \
		region=1G@4G
	rmmod guestmemfs_peek
	check "region=1G: the module loads" load region=1G
	same "region=1G: it takes the address of memmap=" 0x40000000@0x100000000 \
		"$(cut -d " " -f 1 /sys/fs/guestmemfs/guestmemfs/windows)"
	check "rmmod: succeeds" rmmod guestmemfs
	check "region=1G@4G: the module loads" load region=1G@4G
	same "sysfs: only root has free runs counted" "400 444" \
		"$(stat -c %a /sys/fs/guestmemfs/guestmemfs/{largest_free,blocks_free} | xargs)"
	check "/proc/iomem: has the region" grep -q '100000000-13fffffff : guestmemfs' /proc/iomem
	same "PAT: has one write-back entry for the region" "PAT: [mem 0x0000000100000000-0x0000000140000000] write-back" \
		"$(grep -m1 0x0000000100000000-0x0000000140000000 /sys/kernel/debug/x86/pat_memtype_list)"
	mount_g
	truncate -s 64M $mnt/a
	/job/tests/mapped fill $mnt/a 1
	check "PAT: has no other mode for any part of the region" \
		sh -c "! grep -E '0x00000001[0-3]' /sys/kernel/debug/x86/pat_memtype_list | grep -v write-back"
	check "vmallocinfo: no mapping of the region stays" \
		sh -c "! grep -E 'phys=0x0*1[0-3][0-9a-f]{7} ' /proc/vmallocinfo"
	if [[ -e /sys/kernel/debug/page_tables/kernel ]]; then
		same "direct map: has none of the region" 0 "$(/job/tests/directmap 0x100000000 0x40000000)"
		check "direct map: has RAM, as the test can see" \
			test "$(/job/tests/directmap 0x140000000 0x40000000)" -gt 0
	else
		skip "direct map: has none of the region" "$kernel does not show page tables"
	fi
	ADDRESS=0x100000000 harness secluded
	for op in process-vm-readv proc-pid-mem proc-pid-mem-write vmsplice direct-read; do
		pageless pages $op
	done
	pageless limits userfaultfd
	rm $mnt/a
	umount $mnt
	refused "resources: no other driver can claim a part of the region" "busy" \
		insmod /job/guestmemfs_peek.ko at=0x120000000 claim=4096
	rmmod guestmemfs
	check_kmemleak

	# The same by the kernel's command line needs other boots.
	echo 2 >/job/stage
	next_cmdline "guestmemfs=2G memmap=1G\$4G"
}

next_cmdline() {
	local base
	base=$(sed 's/memmap=[^ ]*//g; s/guestmemfs=[^ ]*//g' /proc/cmdline)
	kexec -s -l /job/vmlinuz --initrd=/job/initrd --command-line="$base $1"
	sync
	echo "=== kexec" >/dev/ttyS0
	kexec -e
	sleep 60
}

stage2() {
	new_log >/dev/null
	no_load "guestmemfs= larger than memmap=" "no memmap=.* holds it"
	echo 3 >/job/stage
	next_cmdline "guestmemfs=512M memmap=1G\$0x100100000"
}

stage3() {
	new_log >/dev/null
	no_load "region in a section shared with the kernel" "multiples of 128 MiB"
	echo 4 >/job/stage
	next_cmdline "guestmemfs=512M memmap=1M\$4G memmap=1023M\$0x100100000"
}

stage4() {
	check "aligned up: the module loads" load
	check "aligned up: the region begins with the first whole block" \
		grep -q '100200000-1201fffff : guestmemfs' /proc/iomem
	mount_g
	same "aligned up: the tree has all whole blocks" 255 "$(stat -f -c %b $mnt)"
}
