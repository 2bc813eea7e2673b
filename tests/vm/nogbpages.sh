# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# A CPU without 1 GiB pages: files are mapped by 2 MiB pages at most.
# lab: memory=7G append=guestmemfs=3G,memmap=3G$4G kernels=kho,debian-6.12 cpu=pdpe1gb=off

shown() { awk '$3 == "guestmemfs" { print $4; exit }' /proc/mounts; }

stage1() {
	check "the CPU has no 1 GiB pages" sh -c "! grep -qw pdpe1gb /proc/cpuinfo"
	start
	same "the mount says so" "rw,relatime,huge=pmd" "$(shown)"
	fallocate -l 1G $mnt/big
	check "a GiB, aligned: 512 faults" /job/tests/mapped faults $mnt/big 0x40000000 512
	check "wherever mmap() puts it" /job/tests/mapped anywhere $mnt/big 512
	check "parts of it: munmap, mprotect, fork, mremap, truncate" /job/tests/mapped pud $mnt/big
	new_log >/dev/null
	check "huge=pud is taken for huge=pmd" mount -o remount,huge=pud $mnt
	same "and shown so" "rw,relatime,huge=pmd" "$(shown)"
	check "a second mount with huge=pud is the same" mount_g -o huge=pud
	umount $mnt
	check "huge=never" mount -o remount,huge=never $mnt
	same "is shown" "rw,relatime,huge=never" "$(shown)"
}
