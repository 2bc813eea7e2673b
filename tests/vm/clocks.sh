# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# A wall clock that does not agree with the time-stamp counter after a kexec, as after
# a reset that no kernel noticed: nothing is believed, nothing is lost.
# lab: memory=4G cpus=1 kernels=kho append=guestmemfs=1152M,memmap=1152M$4992M,kho=off

status=/sys/fs/guestmemfs/guestmemfs

# shift_clock SECONDS: put the wall clock forward.
shift_clock() {
	date -s "@$(($(date +%s) + $1))" >/dev/null
}

# refuses TEXT: because of the clocks.
refuses() {
	new_log >/dev/null
	check "$1: the module loads" load
	logs "$1: a line of the log says why" \
		"quarantined: since then -?[0-9]+ s by the wall clock, [0-9]+ s by the TSC"
	same "$1: the image is quarantined" quarantined "$(cat $status/state)"
	if mount_g 2>/dev/null; then
		fail "$1: the mount is refused" "success"
	else
		report ok "$1: the mount is refused"
	fi
}

stage1() {
	start
	truncate -s 8M $mnt/a
	/job/tests/mapped fill $mnt/a 1
	remember
	check "publish: succeeds" bash -c "echo 1 >$status/active"
	next_stage
}

stage2() {
	shift_clock $((3 * 86400))
	refuses "clock 3 days ahead"
	# The kernel is replaced while it is quarantined.
	next_stage
}

stage3() {
	shift_clock $((3 * 86400))
	refuses "clock 3 days ahead, one kernel later"
	rmmod guestmemfs
	shift_clock $((-6 * 86400))
	refuses "clock 3 days behind"
	rmmod guestmemfs
	shift_clock $((3 * 86400))
	start
	compare "tree at the right time again"
	umount $mnt
	rmmod guestmemfs
	# A boot goes on to accept an image that it has accepted.
	shift_clock $((3 * 86400))
	start
	compare "tree in a boot that has accepted it, at a wrong time"
	# The time when it is unmounted is what the next kernel goes by.
	shift_clock $((-3 * 86400))
	umount $mnt
	rmmod guestmemfs
	next_stage
}

stage4() {
	# The tree has not changed since the first kernel, but loading has dated it anew.
	start
	compare "tree in the next kernel, clock set before umount"
}
