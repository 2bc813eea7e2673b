# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# reboot(2) with the text that kernel_kexec() uses is a reboot like any other: the head
# is wiped.
# lab: memory=4G cpus=1 kernels=kho,debian-6.12 reboot=yes

stage1() {
	start
	truncate -s 8M $mnt/a
	/job/tests/mapped fill $mnt/a 1
	check "publish: succeeds" bash -c "echo 1 >/sys/fs/guestmemfs/active"
	echo 2 >/job/stage
	sync
	echo "=== kexec" >/dev/ttyS0
	/job/tests/restart "kexec reboot"
	sleep 60
}

stage2() {
	new_log >/dev/null
	start
	same "restart: the head was wiped" "" "$(new_log | grep -E 'reset|took over')"
	same "restart: no files come back" 0 "$(find $mnt -mindepth 1 | wc -l)"
}
