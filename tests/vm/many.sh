# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# A thousand files of 1 MiB and a thousand of 1 GiB, in a region of 1001 GiB
# (memory that nobody touches costs the lab nothing): what publishing and
# restoring take does not depend on size. KASAN makes 128 MiB of shadow for each
# GiB that claiming maps, and its kernel is slow, so there the files are of 32 MiB,
# and a hundred.
# lab: cpus=1 memory=1008G append=guestmemfs=1001G,memmap=1001G$4G kernels=kho seconds=700
# lab-debug: memory=16G append=guestmemfs=9G,memmap=9G$4G

large=1G
nr=1000
[[ $kernel != debug ]] || { large=32M; nr=100; }

us() { echo $(($(date +%s%N) / 1000)); }

files() {
	local t
	(cd $mnt && seq -f 'file-%g' $nr | xargs truncate -s "$1")
	describe $mnt >/job/tree
	t=$(us)
	check "$nr files of $1: they can be published" bash -c 'echo 1 >/sys/kernel/kho/active'
	echo $(($(us) - t)) >/job/publish
	wc -c </sys/kernel/debug/kho/out/sub_fdts/guestmemfs >/job/bytes
	next_stage
}

restored() {
	local t
	t=$(us)
	check "module: it loads" load
	check "tree: it mounts" mount_g
	t=$(($(us) - t))
	same "$nr files of $1: metadata is as it was" "$(cat /job/tree)" "$(describe $mnt)"
	report info "$nr files of $1: published in $(cat /job/publish) us, restored in $t us, image of $(cat /job/bytes) bytes"
	echo "$(cat /job/publish) $t" >>/job/times
}

stage1() {
	resident "before loading"
	check "module: it loads" load
	resident "after loading"
	if [[ $kernel = debug ]]; then
		skip "load: an untouched region costs the host a few MiB at most" \
			"this kernel has a shadow of what claiming maps, which takes memory"
	else
		grows_by 64 "load: an untouched region costs the host a few MiB at most"
	fi
	check "tree: it mounts" mount_g
	files 1M
}

stage2() {
	restored 1M
	find $mnt -mindepth 1 -delete
	files $large
}

stage3() {
	restored $large
	# A thousandfold size: within a small factor, whatever the machine does for 2 s.
	check "times: they do not depend on the files' size" awk '
		{ p[NR] = $1; r[NR] = $2 }
		END { exit !(p[2] < 8 * p[1] + 2e6 && r[2] < 8 * r[1] + 2e6) }' /job/times
	find $mnt -mindepth 1 -delete
	if [[ $kernel = debug ]]; then
		skip "large image: KHO brings it" "the head of 9 GiB has no room for one of 4 MiB"
		again
		return
	fi

	# An image beyond what the page allocator gives in one piece.
	long=$(printf 'n%.0s' $(seq 230))
	(cd $mnt && seq -f "$long-%g" 12000 | xargs touch)
	truncate -s 8M $mnt/ram
	/job/tests/mapped fill $mnt/ram 4
	/job/tests/mapped sum $mnt/ram >/job/sum
	describe $mnt | md5sum >/job/tree
	check "large image: it can be published" bash -c 'echo 1 >/sys/kernel/kho/active'
	check "large image: KHO's subtree is less than 4 KiB" test \
		"$(wc -c </sys/kernel/debug/kho/out/sub_fdts/guestmemfs)" -lt 4096
	check "large image: it can be withdrawn" bash -c 'echo 0 >/sys/kernel/kho/active'
	next_stage
}

stage4() {
	new_log >/dev/null
	start
	logs "large image: KHO brings it" "took over 12002 inodes from KHO"
	same "large image: metadata of its 12001 files is as it was" \
		"$(cat /job/tree)" "$(describe $mnt | md5sum)"
	same "large image: contents are as they were" \
		"$(cat /job/sum)" "$(/job/tests/mapped sum $mnt/ram)"
	find $mnt -mindepth 1 -delete
	again
}

# What KHO brought to this kernel was taken.
again() {
	umount $mnt
	check "rmmod: succeeds" rmmod guestmemfs
	check "load again: succeeds" load
	mount_g
	same "load again: the image is not taken twice" 0 "$(find $mnt -mindepth 1 | wc -l)"
}
