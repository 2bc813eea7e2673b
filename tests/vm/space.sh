# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Running out of blocks, giving them back, and what the module costs.
# lab: memory=6G append=guestmemfs=1G,memmap=1G$4G

free_blocks() { stat -f -c %f $mnt; }

# Bytes that the module's own calls allocated, by the kernel's own account.
held() {
	awk '/\[guestmemfs\]/ { n += $1 } END { print n + 0 }' /proc/allocinfo
}

stage1() {
	start
	same "statfs: blocks" 512 "$(stat -f -c %b $mnt)"
	same "statfs: block size" 2097152 "$(stat -f -c %S $mnt)"
	truncate -s 600M $mnt/a
	same "truncate takes its blocks at once" 212 "$(free_blocks)"
	same "st_blocks" $((300 * 4096)) "$(stat -c %b $mnt/a)"
	refused "truncate beyond free space" "No space left" truncate -s 2G $mnt/a
	refused "a second file too" "No space left" truncate -s 500M $mnt/b
	refused "and one beyond any region" "No space left" truncate -s 4E $mnt/b
	same "the file is as it was" "629145600 $((300 * 4096))" "$(stat -c '%s %b' $mnt/a)"
	same "so is the space" 212 "$(free_blocks)"
	/job/tests/gmem fill $mnt/a 3
	sum=$(/job/tests/gmem sum $mnt/a)
	refused "a full one keeps its contents" "No space left" truncate -s 2G $mnt/a
	same "contents" "$sum" "$(/job/tests/gmem sum $mnt/a)"
	truncate -s 10M $mnt/a
	same "shrinking gives back" 507 "$(free_blocks)"
	/job/tests/gmem hold $mnt/a &
	sleep 0.5
	rm $mnt/a
	same "an unlinked file that is mapped keeps its blocks" 507 "$(free_blocks)"
	kill $!
	wait $! 2>/dev/null
	same "until the last close" 512 "$(free_blocks)"

	for i in $(seq 512); do
		truncate -s 2M $mnt/f$i
	done
	refused "not one block more" "No space left" truncate -s 1 $mnt/g
	for i in $(seq 1 2 512); do
		rm $mnt/f$i
	done
	check "a file of 256 fragments" truncate -s 512M $mnt/g
	check "zeroes" /job/tests/gmem zero $mnt/g
	for i in $(seq 2 2 512); do
		rm $mnt/f$i
	done
	check "it grows" truncate -s 1G $mnt/g
	refused "but not beyond" "No space left" truncate -s 1025M $mnt/g
	rm $mnt/g
	same "all is free" 512 "$(free_blocks)"

	if [[ -e /proc/allocinfo ]]; then
		truncate -s 1G $mnt/ram
		/job/tests/gmem fill $mnt/ram 1
		report info "held for 1 GiB with one file: $(held) bytes, module text and data $(cat /sys/module/guestmemfs/coresize) bytes"
		check "less than 64 KiB" test "$(held)" -gt 0 -a "$(held)" -lt 65536
	fi
}
