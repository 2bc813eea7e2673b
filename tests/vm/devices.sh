# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Devices that VFIO gives to a program, and the blocks that they reach, with pages and without.
# lab: memory=4G devices=edu append=guestmemfs=512M,memmap=512M$4G,intel_iommu=on,vfio_iommu_type1.allow_unsafe_interrupts=1,iommufd.allow_unsafe_interrupts=1

sys=/sys/fs/guestmemfs/guestmemfs
status() { cat "$sys/$1"; }

# The PCI address of QEMU's "edu".
edu() { basename "$(dirname "$(grep -lx 0x11e8 /sys/bus/pci/devices/*/device)")"; }

bind() {
	modprobe -a vfio-pci vfio_iommu_type1 2>/dev/null
	echo vfio-pci >"/sys/bus/pci/devices/$device/driver_override"
	echo "$device" >/sys/bus/pci/drivers_probe
	[[ -e /sys/bus/pci/drivers/vfio-pci/$device ]]
}

# reach INTERFACE FILE OFFSET: by the device, until let_go.
reach() {
	rm -f /tmp/line /tmp/held
	mkfifo /tmp/line
	/job/tests/dma "$1" "$device" "$2" "$3" </tmp/line >/tmp/held 2>&1 &
	exec 8>/tmp/line
	soon test -s /tmp/held
	same "$how, $1: a block of a file can be mapped for a device" "${4:-held}" "$(cat /tmp/held)"
}

dma() {
	echo "in $1" >&8
	soon grep -q "^written $1" /tmp/held
}

let_go() {
	exec 8>&-
	wait %%
}

# A block that the device reaches while its file goes, and while the rest is allocated.
# INTERFACE
block() {
	local free last
	free=$(stat -f -c %f $mnt)
	last=$(((free - 1) * 2))
	truncate -s 8M $mnt/a
	/job/tests/mapped fill $mnt/a 1
	reach "$1" $mnt/a 0x200000
	check "$how, $1: the device writes" dma to-the-file
	check "$how, $1: the file has it" /job/tests/mapped peek $mnt/a 0x200000 to-the-file
	truncate -s 2M $mnt/a
	same "$how, $1: what truncate takes away is withheld" "$2" "$(status blocks_withheld)"
	rm $mnt/a
	truncate -s $((last - ${3:-0}))M $mnt/all
	/job/tests/mapped fill $mnt/all 2
	sum=$(/job/tests/mapped sum $mnt/all)
	refused "$how, $1: that is not there to allocate" "No space left" \
		fallocate -o $((last - ${3:-0}))M -l 2M $mnt/all
	check "$how, $1: the device writes again" dma to-nobody
	same "$how, $1: no other file has it" "$sum" "$(/job/tests/mapped sum $mnt/all)"
	echo 0 >$sys/blocks_withheld
	same "$how, $1: writing 0 to blocks_withheld leaves" "$4" "$(status blocks_withheld)"
	let_go
	same "$how, $1: nothing is withheld once the device has let go" 0 "$(status blocks_withheld)"
	check "$how, $1: all can be allocated" truncate -s $((free * 2))M $mnt/all
	check "$how, $1: it reads as zeroes" /job/tests/mapped range $mnt/all \
		$((last << 20)) 0x200000 zero
	rm $mnt/all
}

stage1() {
	start
	device=$(edu)
	check "VFIO: it gets the device" bind
	how="without pages"
	# Three blocks were mapped, and the device could reach each.
	block type1 3 6 0
	if [[ -e /dev/iommu ]]; then
		truncate -s 4M $mnt/a
		reach iommufd $mnt/a 0 "cannot: mapping the block: EFAULT"
		let_go
		rm $mnt/a
	else
		skip "without pages, iommufd: it refuses" "$kernel has no iommufd"
	fi
	umount $mnt
	check "tree: it mounts with pages" mount_g -o pages
	how="with pages"
	block type1 1 0 1
	if [[ -e /dev/iommu ]]; then
		block iommufd 1 0 1
	else
		skip "with pages, iommufd: a block of a file can be mapped for a device" "$kernel has no iommufd"
	fi
	same "in the end: all blocks are free" "$(stat -f -c %b $mnt)" "$(stat -f -c %f $mnt)"
	umount $mnt
}
