# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# A CPU without 1 GiB pages: files are mapped by 2 MiB pages at most.
# lab: memory=7G append=guestmemfs=3G,memmap=3G$4G kernels=kho,debian-6.12 cpu=pdpe1gb=off

shown() { awk '$3 == "guestmemfs" { print $4; exit }' /proc/mounts; }

stage1() {
	check "CPU: it has no 1 GiB pages" sh -c "! grep -qw pdpe1gb /proc/cpuinfo"
	start
	same "mount: shows huge=pmd" "rw,relatime,huge=pmd" "$(shown)"
	fallocate -l 1G $mnt/big
	check "1 GiB, aligned: takes 512 faults at most" few_faults 512 $mnt/big 0x40000000
	check "1 GiB where mmap() puts it: takes 512 faults at most" few_faults 512 $mnt/big
	rm $mnt/big
	harness entries -f gib
	new_log >/dev/null
	check "huge=pud: is taken for huge=pmd" mount -o remount,huge=pud $mnt
	same "huge=pud: is shown as huge=pmd" "rw,relatime,huge=pmd" "$(shown)"
	check "huge=pud: a second mount with it is the same" mount_g -o huge=pud
	umount $mnt
	check "huge=never: remount succeeds" mount -o remount,huge=never $mnt
	same "huge=never: is shown" "rw,relatime,huge=never" "$(shown)"
}
