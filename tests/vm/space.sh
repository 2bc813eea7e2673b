# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Running out of blocks, giving them back, and what the module costs.
# lab: memory=4G

# Blocks that files can have: of the 1152 MiB one block is the head.
all=575

free_blocks() { stat -f -c %f $mnt; }

# Bytes that the module's own calls allocated, by the kernel's own account.
held() {
	awk '/\[guestmemfs\]/ { n += $1 } END { print n + 0 }' /proc/allocinfo
}

stage1() {
	start
	same "statfs: blocks" $all "$(stat -f -c %b $mnt)"
	same "statfs: block size" 2097152 "$(stat -f -c %S $mnt)"
	truncate -s 600M $mnt/a
	same "truncate takes its blocks at once" $((all - 300)) "$(free_blocks)"
	same "st_blocks" $((300 * 4096)) "$(stat -c %b $mnt/a)"
	refused "truncate beyond free space" "No space left" truncate -s 2G $mnt/a
	refused "a second file too" "No space left" truncate -s 600M $mnt/b
	refused "and one beyond any region" "No space left" truncate -s 4E $mnt/b
	same "the file is as it was" "629145600 $((300 * 4096))" "$(stat -c '%s %b' $mnt/a)"
	same "so is the space" $((all - 300)) "$(free_blocks)"
	/job/tests/gmem fill $mnt/a 3
	sum=$(/job/tests/gmem sum $mnt/a)
	refused "a full one keeps its contents" "No space left" truncate -s 2G $mnt/a
	same "contents" "$sum" "$(/job/tests/gmem sum $mnt/a)"
	truncate -s 10M $mnt/a
	same "shrinking gives back" $((all - 5)) "$(free_blocks)"
	/job/tests/gmem hold $mnt/a &
	sleep 0.5
	rm $mnt/a
	same "an unlinked file that is mapped keeps its blocks" $((all - 5)) "$(free_blocks)"
	kill $!
	wait $! 2>/dev/null
	same "until the last close" $all "$(free_blocks)"

	for i in $(seq $all); do
		truncate -s 2M $mnt/f$i
	done
	refused "not one block more" "No space left" truncate -s 1 $mnt/g
	for i in $(seq 1 2 $all); do
		rm $mnt/f$i
	done
	check "a file of 288 fragments" truncate -s 576M $mnt/g
	check "zeroes" /job/tests/gmem zero $mnt/g
	for i in $(seq 2 2 $all); do
		rm $mnt/f$i
	done
	check "it grows" truncate -s $((all * 2))M $mnt/g
	refused "but not beyond" "No space left" truncate -s $((all * 2 + 1))M $mnt/g
	rm $mnt/g
	same "all is free" $all "$(free_blocks)"

	if [[ -e /proc/allocinfo ]]; then
		truncate -s 1G $mnt/ram
		/job/tests/gmem fill $mnt/ram 1
		report info "held for 1 GiB with one file: $(held) bytes, module text and data $(cat /sys/module/guestmemfs/coresize) bytes"
		check "less than 64 KiB" test "$(held)" -gt 0 -a "$(held)" -lt 65536
	fi
}
