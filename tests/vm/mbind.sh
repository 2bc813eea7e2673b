# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Kernels where mbind(MPOL_MF_STRICT) on a huge entry oopses: who gets such entries.
# lab: memory=4G kernels=debian-6.12

faults() { /job/tests/mbind $mnt/a "$@" 2>&1; }

stage1() {
	new_log >/dev/null
	check "load, told that the kernel has the fault" load huge_needs_admin=1
	logs "the log says that this is about security, and what helps" \
		"security: .*6\.12\.118.*mbind.*huge_needs_admin=0"
	check "mount" mount_g
	truncate -s 16M $mnt/a
	chmod 755 $mnt
	chmod 666 $mnt/a
	same "root gets huge entries" 8 "$(faults)"
	same "others get none" 4096 "$(faults 1000)"
	check "until the administrator says otherwise" \
		bash -c "echo 0 >/sys/module/guestmemfs/parameters/huge_needs_admin"
	same "then they do" 8 "$(faults 1000)"
	umount $mnt
	check "unload" rmmod guestmemfs

	new_log >/dev/null
	start
	same "this kernel has the fix" N "$(cat /sys/module/guestmemfs/parameters/huge_needs_admin)"
	new_log >/tmp/log
	check "and the log says nothing" sh -c "! grep -q mbind /tmp/log"
	same "mbind() of huge entries works, for others than root too" 8 "$(faults 1000)"
}
