# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# A hole is touched and no block is free: SIGBUS as on a full tmpfs, and the log says what
# to do.
# lab: memory=4G kernels=kho

# fill_up DIR: a file with a hole, and no room for it.
fill_up() {
	fallocate -l 8M "$1/holes in it"
	fallocate -p -o 2M -l 4M "$1/holes in it"
	fallocate -l $(($(stat -f -c '%f * %S' "$1"))) "$1/rest"
	same "full $2: no block is free" 0 "$(stat -f -c %f "$1")"
}

# touch_hole DIR: prints how that ends.
touch_hole() {
	/job/tests/mapped poke "$1/holes in it" 0x300000 x
	case $? in
	0) echo "ok" ;;
	135) echo "SIGBUS" ;;
	*) echo "failed" ;;
	esac
}

stage1() {
	local dir name
	start
	mkdir -p /mnt/t
	check "tmpfs: it mounts" mount -t tmpfs -o size=64M none /mnt/t
	fill_up $mnt guestmemfs
	fill_up /mnt/t tmpfs
	new_log >/dev/null
	same "hole on a full tmpfs: it is SIGBUS" "SIGBUS" "$(touch_hole /mnt/t)"
	same "hole on a full tmpfs: the log says nothing" "" "$(new_log | grep -v clocksource)"
	same "hole on a full guestmemfs: it is SIGBUS" "SIGBUS" "$(touch_hole $mnt)"
	logs "hole on a full guestmemfs: the log names process and file, and says what to do" \
		'mapped touched a hole of "holes in it" .*no block is free: remove files or punch holes'
	for dir in $mnt /mnt/t; do
		name=$(stat -f -c %T $dir)
		check "full $name: the rest of the file can be written" \
			/job/tests/mapped poke "$dir/holes in it" 0 x
		rm $dir/rest
		same "full $name: the hole is filled when a file was removed" "ok" "$(touch_hole $dir)"
	done
}
