# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# A pool of two windows: a file in both, and kexecs into kernels that have more windows, fewer,
# or the same in another order. Then lists of windows that are wrong.
# lab: memory=7G cpus=1 with=debian-6.12,debian-7 seconds=1000 limit=4500M
# lab: append=guestmemfs=1152M@4992M;1152M@7040M,memmap=1152M$4992M,memmap=1152M$7040M,memmap=256M$8320M
# lab-debug: limit=9G

status=/sys/fs/guestmemfs/guestmemfs
# Each of the first two has an aligned GiB.
a=1152M@4992M
b=1152M@7040M
c=256M@8320M
a_range=0x48000000@0x138000000
b_range=0x48000000@0x1b8000000
c_range=0x10000000@0x208000000
a_iomem=138000000-17fffffff
b_iomem=1b8000000-1ffffffff
c_iomem=208000000-217ffffff
large=$mnt/untouched-2G
old_kexec=$((4992 * 1048576 - 1))
other=debian-6.12
[[ $kernel != "$other" ]] || other=debian-7

with_windows() { sed "s/guestmemfs=[^ ]*/guestmemfs=$1/" /proc/cmdline; }

# windows_are TEXT RANGE...: in this order.
windows_are() {
	same "$1: sysfs has its windows in their order" "${*:2}" \
		"$(cut -d ' ' -f 1 $status/windows | xargs)"
}

iomem() { awk '/ : guestmemfs$/ { print $1 }' /proc/iomem | xargs; }

# Blocks and free blocks: of all windows, of all nodes, of the pool, and of the tree.
numbers() {
	local n
	n=$(stat -f -c '%b %f' $mnt)
	same "$1: windows, nodes, pool and tree agree on blocks and free ones" "$n $n $n $n" "$(
		awk '{ b += $3; f += $4 } END { printf "%d %d ", b, f }' $status/windows
		awk '{ b += $2; f += $3 } END { printf "%d %d ", b, f }' $status/nodes
		echo "$(cat $status/blocks $status/blocks_free | xargs) $n")"
}

# arrive TEXT [BLOCKS]: all is there, and so many blocks more.
arrive() {
	check "$1: the module loads" load
	check "$1: the tree mounts" mount_g
	compare "$@"
	check "$1: a file in both windows has its contents" /job/tests/marks check $large 1
	numbers "$1"
}

# absent TEXT WINDOW: the files are quarantined, since it is not there.
absent() {
	new_log >/dev/null
	check "$1: the module loads" load
	refused "$1: the mount is refused" "$2, which is absent" mount_g
	same "$1: the state is quarantined" quarantined "$(cat $status/state)"
	check "$1: the reason is in sysfs" grep -q "$2, which is absent" $status/quarantine
	same "$1: one line of the log says so" 1 "$(new_log | grep -c 'image is quarantined')"
}

files() {
	local i
	mkdir $mnt/d
	for i in 1 2 3 4; do
		truncate -s $((i * 5000000)) $mnt/d/f$i
		/job/tests/mapped fill $mnt/d/f$i $i
	done
	rm $mnt/d/f2
	ln $mnt/d/f1 $mnt/hard
}

# One window gets page descriptors, and the next one does not.
shortage() {
	if ! insmod /job/guestmemfs_shortage.ko; then
		skip "pages: without memory for the second window the mount fails" \
			"$kernel has no kprobes"
		return
	fi
	new_log >/dev/null
	umount $mnt
	refused "pages: without memory for the second window the mount fails" \
		"pool guestmemfs cannot have pages: the kernel log says why" mount_g -o pages
	logs "pages: the log names the window" "no pages for window $b_range: -ENOMEM"
	same "pages: the first window has none either" 0 "$(cat $status/pages)"
	rmmod guestmemfs_shortage
	check "pages: with memory both windows get them" mount_g -o pages
	same "pages: sysfs says so" 1 "$(cat $status/pages)"
	umount $mnt
	check "pages: the tree mounts without" mount_g
}

stage1() {
	start
	shortage
	windows_are "two windows" $a_range $b_range
	same "two windows: /proc/iomem has both" "$a_iomem $b_iomem" "$(iomem)"
	same "two windows: each has a block for itself" 1150 "$(stat -f -c %b $mnt)"
	numbers "two windows"
	check "file larger than a window: it can be made" truncate -s 2G $large
	same "file larger than a window: it has the aligned GiB of each" \
		"0+1073741824@5368709120 1073741824+1073741824@7516192768" \
		"$(printf '%s\0' $large | /job/tests/runs | cut -d ' ' -f 2-)"
	same "file larger than a window: sysfs counts the blocks of each" "63 63" \
		"$(awk '{ print $4 }' $status/windows | xargs)"
	check "file larger than a window: it can be written" /job/tests/marks write $large 1
	check "file larger than a window: each GiB has a PUD entry" few_faults 2 $large 0x40000000
	check "file larger than a window: it has its contents" /job/tests/marks check $large 1
	files
	refused "all windows together: no more than their blocks" "No space left" \
		truncate -s $((($(stat -f -c %f $mnt) + 1) * 2))M $mnt/more
	rm $mnt/more
	check "all windows together: a file can have all their blocks" \
		truncate -s $(($(stat -f -c %f $mnt) * 2))M $mnt/all
	same "all windows together: then none is free" 0 "$(stat -f -c %f $mnt)"
	rm $mnt/all
	numbers "after files"
	remember
	check "publish: succeeds" bash -c 'echo 1 >/sys/kernel/kho/active'
	next_stage "" "" "$(with_windows $a,$b,$c)"
}

stage2() {
	arrive "a window more" 127
	windows_are "a window more" $a_range $b_range $c_range
	check "a window more: each GiB has a PUD entry still" few_faults 2 $large 0x40000000
	truncate -s $(($(stat -f -c %f $mnt) * 2))M $mnt/all
	same "a window more: a file has its blocks" 127 \
		"$(printf '%s\0' $mnt/all | /job/tests/runs | awk '{
			for (i = 2; i <= NF; i++) {
				split($i, run, /[+@]/)
				if (run[3] >= 8320 * 1048576)
					n += run[2] / 2097152
			}
			print n }')"
	rm $mnt/all
	remember
	check "publish: succeeds" bash -c 'echo 1 >/sys/kernel/kho/active'
	next_stage "" "" "$(with_windows $a,$b)"
}

stage3() {
	new_log >/dev/null
	arrive "a window less, which no file is in" -127
	logs "a window less, which no file is in: the log says so" \
		"window $c_range, which had no file, is dropped"
	windows_are "a window less, which no file is in" $a_range $b_range
	remember
	# Without active.
	next_stage "" "" "$(with_windows $a)"
}

stage4() {
	absent "a window less, which a file is in" "window $b_range"
	next_stage "" "" "$(with_windows $a,$b)"
}

stage5() {
	arrive "that window again"
	remember
	check "publish: succeeds" bash -c 'echo 1 >/sys/kernel/kho/active'
	next_stage "" "" "$(with_windows $b)"
}

# KHO's image names the window that the file is in; the mark, the window that begins the pool.
stage6() {
	absent "the first window is absent" "window $a_range"
	next_stage "" "" "$(with_windows $a,$b)"
}

stage7() {
	arrive "the first window again"
	remember
	next_kernel "$other" "$(with_windows $b,$a)"
}

stage8() {
	arrive "another order, on $(uname -r)"
	windows_are "another order" $b_range $a_range
	same "another order: /proc/iomem has both" "$a_iomem $b_iomem" "$(iomem)"
	rm $mnt/d/f4
	truncate -s 12M $mnt/d/later
	/job/tests/mapped fill $mnt/d/later 12
	remember
	umount $mnt
	check "another order: rmmod succeeds" rmmod guestmemfs
	arrive "another order, loaded again"
	next_kernel "$kernel" "$(with_windows $a,$b)"
}

stage9() {
	arrive "back on $(uname -r), in the first order"
	umount $mnt
	rmmod guestmemfs

	wrong "windows of a pool that overlap" "two of its windows overlap" \
		region=x:128M@8320M,128M@8384M
	wrong "65 windows" "more than 64 windows" \
		"region=x:$(seq -s , -f '2M@%gM' 8320 2 8448)"
	wrong "a name with a slash" "a pool's name has" region=x/y:64M@8320M,64M@8448M
	wrong "two pools of one name" "two pools have that name" \
		region=x:64M@8320M region=x:64M@8448M,64M@8384M
	wrong "windows of two pools that overlap" "overlaps another pool" \
		region=x:64M@8320M,64M@8448M region=y:64M@8384M,128M@8448M
	wrong "a name of 65 bytes" "a pool's name has" "region=$(printf '%065d' 0):128M@8320M"
	wrong "a window that is no memory" "window .*@0x1000000000 is not memory" \
		region=x:128M@8320M,128M@64G
	wrong "an empty window" "is not .NAME:.SIZE" region=x:64M@8320M,,64M@8448M
	wrong "a window in memory that the kernel uses" "is memory the kernel uses" \
		region=x:128M@8320M,128M@6272M
	wrong "a window that is too small" "is too small" region=x:128M@8320M,2M@8448M
	wrong "a window without its size" "is not .NAME:.SIZE" region=x:128M@8320M,@8448M

	many
	check_kmemleak
}

# wrong TEXT PATTERN PARAMETER...: each of these is refused in a line of the log, nothing of it
# is claimed, and the other pool is as it was.
wrong() {
	local text=$1 pattern=$2
	shift 2
	new_log >/dev/null
	check "$text: the module loads" load "region=$a,$b" "$@"
	new_log | grep 'guestmemfs: ' | grep -Ev 'taint|mbind|pool guestmemfs:' >/tmp/wrong
	same "$text: a line of the log for each pool" $# "$(wc -l </tmp/wrong)"
	check "$text: the log says what is wrong" grep -q -- "$pattern" /tmp/wrong
	same "$text: nothing of it is claimed" "$a_iomem $b_iomem" "$(iomem)"
	check "$text: the other pool mounts" mount_g
	compare "$text: the other pool"
	umount $mnt
	rmmod guestmemfs
}

# As many windows as a pool can have, each with a block for files.
many() {
	check "64 windows: the module loads" load "region=$a,$b" \
		"region=many:$(seq -s , -f '4M@%gM' 8320 4 8572)"
	mkdir -p /mnt/many
	# The first window is where another pool had one, which it has dropped since.
	refused "64 windows: one was another pool's" "belongs to a pool that begins with window" \
		mount -t guestmemfs many /mnt/many
	check "64 windows: the pool mounts" mount -t guestmemfs -o discard many /mnt/many
	same "64 windows: sysfs has all of them" 64 "$(wc -l </sys/fs/guestmemfs/many/windows)"
	same "64 windows: each has a block" "64 64" "$(stat -f -c '%b %f' /mnt/many)"
	truncate -s 128M /mnt/many/a
	same "64 windows: a file has a block of each" 64 \
		"$(printf '%s\0' /mnt/many/a | /job/tests/runs | cut -d ' ' -f 2- | wc -w)"
	/job/tests/mapped fill /mnt/many/a 64
	/job/tests/mapped sum /mnt/many/a >/tmp/sum
	umount /mnt/many
	check "64 windows: rmmod succeeds" rmmod guestmemfs
	check "64 windows, loaded again: the module loads" load "region=$a,$b" \
		"region=many:$(seq -s , -f '4M@%gM' 8320 4 8572)"
	check "64 windows, loaded again: the pool mounts" mount -t guestmemfs many /mnt/many
	same "64 windows, loaded again: contents are as they were" "$(cat /tmp/sum)" \
		"$(/job/tests/mapped sum /mnt/many/a)"
	umount /mnt/many
	rmmod guestmemfs
}
