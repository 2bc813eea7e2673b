# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What waits while an image is written, or while the module loads, can be killed.
#
# The image stays unwritten for as long as another process holds the lock of the directory
# in debugfs where KHO shows what is published.
# lab: memory=4G kernels=kho

active=/sys/fs/guestmemfs/active
kho_dir=/sys/kernel/debug/kho/out/sub_fdts

# killable TEXT COMMAND...: it waits uninterrupted, and SIGKILL ends it.
killable() {
	local text=$1 pid
	shift
	"$@" >/dev/null 2>&1 &
	pid=$!
	check "$text: waits" soon asleep $pid 1
	kill -9 $pid
	check "$text: SIGKILL ends it" soon ended $pid
}

# freeze_slowly: the switch is being set, and stays so until freeze_on.
freeze_slowly() {
	holding /job/tests/holddir $kho_dir
	holder=$!
	check "holder: has the directory's lock" grep -q held /tmp/held
	sh -c "echo 1 >$active" &
	writer=$!
	check "publishing: waits for the directory" soon asleep $writer 1
}

freeze_on() {
	check "publishing: still waits" asleep $writer 1
	kill -9 $holder
	check "publishing: goes on" soon ended $writer
	wait $writer
	same "publishing: succeeds" 0 $?
	same "publishing: the tree is frozen" frozen "$(cat /sys/fs/guestmemfs/guestmemfs/state)"
	echo 0 >$active
}

# The module asks how this kernel was started and gets its answer from a pipe.
loading() {
	local id=/proc/sys/kernel/random/boot_id loader
	cat $id >/tmp/id
	mkfifo /tmp/pipe
	mount --bind /tmp/pipe $id
	load &
	loader=$!
	check "loading: waits for the answer" soon grep -q guestmemfs /proc/filesystems
	killable "mount while the module loads" mount -t guestmemfs none $mnt
	cat /tmp/id >/tmp/pipe
	wait $loader
	same "loading: succeeds" 0 $?
	umount $id
}

stage1() {
	local f
	mkdir -p $mnt
	loading
	check "tree: it mounts" mount_g
	truncate -s 4M $mnt/a
	freeze_slowly
	for f in /sys/fs/guestmemfs/guestmemfs/*; do
		[[ $f = */active ]] || killable "read of ${f##*/}" cat $f
	done
	for f in $active /sys/kernel/kho/active /sys/fs/guestmemfs/guestmemfs/active; do
		killable "write to $f" sh -c "echo 0 >$f"
	done
	killable "create" touch $mnt/new
	killable "truncate" truncate -s 8M $mnt/a
	freeze_on
	same "killed: nothing was changed" "a 4194304" "$(cd $mnt && stat -c '%n %s' -- *)"
	umount $mnt
	freeze_slowly
	killable "first mount" mount -t guestmemfs none $mnt
	freeze_on
	check "killed first mount: the next one succeeds" mount_g
	check_kmemleak
}
