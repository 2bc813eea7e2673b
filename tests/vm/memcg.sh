# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# A task at its memory cgroup's limit changes files without a charge under our locks.
# lab: memory=4G kernels=debian-6.12 seconds=300

cgroup=/sys/fs/cgroup/tenant

# Every second block of the region is free.
fragment() {
	local i
	for i in $(seq 575); do
		truncate -s 2M $mnt/f$i
	done
	for i in $(seq 1 2 575); do
		rm $mnt/f$i
	done
}

stage1() {
	if ! grep -q cgroup2 /proc/filesystems; then
		skip "memcg: its limit holds for metadata" "$kernel has no control groups"
		return
	fi
	start
	mountpoint -q /sys/fs/cgroup || mount -t cgroup2 cgroup2 /sys/fs/cgroup
	echo +memory >/sys/fs/cgroup/cgroup.subtree_control
	mkdir $cgroup
	fragment
	echo max >$cgroup/memory.max
	check "memcg: fallocate of 288 fragments succeeds" \
		/job/tests/nomemory $cgroup fallocate $mnt/g $((576 << 20))
	same "memcg: the file has its blocks" $((288 * 4096)) "$(stat -c %b $mnt/g)"
	echo max >$cgroup/memory.max
	check "memcg: an attribute can be set" /job/tests/nomemory $cgroup setxattr $mnt/g 4000
	same "memcg: the OOM killer had no work" 0 \
		"$(awk '$1 == "oom_kill" { print $2 }' $cgroup/memory.events)"
	check "memcg: the file reads as zeroes" /job/tests/mapped zero $mnt/g
}
