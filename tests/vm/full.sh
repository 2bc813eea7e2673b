# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# A hole is touched and no block is free: SIGBUS, and the log says what to do.
# lab: memory=4G kernels=kho

stage1() {
	start
	fallocate -l 8M "$mnt/holes in it"
	fallocate -p -o 2M -l 4M "$mnt/holes in it"
	truncate -s $(($(stat -f -c %f $mnt) * $(stat -f -c %s $mnt))) $mnt/rest
	same "no block is free" 0 "$(stat -f -c %f $mnt)"
	new_log >/dev/null
	/job/tests/gmem poke "$mnt/holes in it" 0x300000 x
	same "a touch of a hole: SIGBUS" 135 $?
	logs "the log names the file, and what to do" \
		'gmem touched a hole of "holes in it" .*no block is free: remove files or punch holes'
	check "the rest of the file goes on" /job/tests/gmem poke "$mnt/holes in it" 0 x
	rm $mnt/rest
	check "when a file is removed the hole can be filled" \
		/job/tests/gmem poke "$mnt/holes in it" 0x300000 x
}
