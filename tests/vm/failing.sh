# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Every slab allocation that an operation does fails once: what fails changes nothing.
# Without KHO: kho_add_subtree() itself warns when it has no memory for debugfs.
# lab: memory=4G kernels=debug append=guestmemfs=1152M,memmap=1152M$4992M,kho=off

all() {
	local op out
	for op in "$@"; do
		out=$(/job/tests/failing $mnt "$op" 2>&1)
		same "$op: each allocation that fails changes nothing" 0 $?
		report info "$(paste -sd';' <<<"$out")"
		echo "$out" >>/tmp/out
	done
}

stage1() {
	# Allocations that may sleep, too; and no stack for each.
	check "failslab: it can be set up" sh -c "cd /sys/kernel/debug/failslab &&
		echo N >ignore-gfp-wait && echo 0 >verbose"
	start
	truncate -s 2M $mnt/file
	/job/tests/mapped fill $mnt/file 1
	truncate -s 64M $mnt/file
	fallocate -p -o 2M -l 62M $mnt/file
	touch $mnt/old
	all create mkdir symlink link mknod rename tmpfile setxattr truncate fallocate punch fault \
		touch freeze thaw
	check "fault: it waits for memory and does not fail" \
		grep -q 'touch: [1-9][0-9]* allocations, 0 times' /tmp/out
	check "create: it fails without memory" grep -q 'create: .* [1-9][0-9]* times' /tmp/out
	sums $mnt >/dev/null	# fills the holes
	remember
	umount $mnt
	mkdir -p /mnt/failing
	mnt=/tmp all mount
	mount_g
	compare "tree after mounts that failed"
	check "publish: succeeds" bash -c "echo 1 >/sys/fs/guestmemfs/active"
	next_stage
}

stage2() {
	start
	compare "tree after a kexec"
}
