# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Kernels where mbind(MPOL_MF_STRICT) on a huge entry oopses: who gets such entries.
# lab: memory=4G kernels=debian-6.12

faults() { /job/tests/mbind $mnt/a "$@" 2>&1; }

stage1() {
	new_log >/dev/null
	check "huge_needs_admin=1: the module loads" load huge_needs_admin=1
	logs "huge_needs_admin=1: the log has a security warning and what helps" \
		"security: .*6\.12\.118.*mbind.*huge_needs_admin=0"
	check "tree: it mounts" mount_g
	truncate -s 16M $mnt/a
	chmod 755 $mnt
	chmod 666 $mnt/a
	same "huge_needs_admin=1: root gets huge entries" 8 "$(faults)"
	same "huge_needs_admin=1: others get no huge entries" 4096 "$(faults 1000)"
	check "huge_needs_admin: it can be set to 0" \
		bash -c "echo 0 >/sys/module/guestmemfs/parameters/huge_needs_admin"
	same "huge_needs_admin=0: others get huge entries" 8 "$(faults 1000)"
	umount $mnt
	check "rmmod: succeeds" rmmod guestmemfs

	new_log >/dev/null
	start
	same "fixed kernel: huge_needs_admin is N" N \
		"$(cat /sys/module/guestmemfs/parameters/huge_needs_admin)"
	new_log >/tmp/log
	check "fixed kernel: the log says nothing of mbind()" sh -c "! grep -q mbind /tmp/log"
	same "fixed kernel: mbind() of huge entries works for others than root" 8 "$(faults 1000)"
}
