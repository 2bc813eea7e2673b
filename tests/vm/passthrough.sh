# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# A guest with an NVMe disk of the host's, by VFIO: the disk reads and writes the guest's RAM
# itself, with pages and without.
# lab: memory=4G devices=nvme append=guestmemfs=512M,memmap=512M$4G,intel_iommu=on,vfio_iommu_type1.allow_unsafe_interrupts=1 seconds=900

. /job/guest.sh

bind() {
	modprobe -a vfio-pci vfio_iommu_type1 2>/dev/null
	echo vfio-pci >"/sys/bus/pci/devices/$device/driver_override"
	echo "$device" >"/sys/bus/pci/devices/$device/driver/unbind"
	echo "$device" >/sys/bus/pci/drivers_probe
	[[ -e /sys/bus/pci/drivers/vfio-pci/$device ]]
}

guest_with_disk() {
	local words want
	words="yes $RANDOM | head -c 4194304"
	want=$(bash -c "$words" | md5sum | cut -c1-32)
	truncate -s $GUEST_MEM $GUEST_RAM
	check "$how: QEMU starts" guest_start -device "vfio-pci,host=$device"
	check "$how: the guest boots" guest_counts_on 1
	check "$how: the guest writes to the disk" guest_run \
		"$words | dd of=/dev/nvme0n1 bs=1M iflag=fullblock && sync && echo 3 >/proc/sys/vm/drop_caches"
	same "$how: the guest reads what it wrote" "$want" \
		"$(guest_run "head -c 4194304 /dev/nvme0n1 | md5sum | cut -c1-32")"
	check "$how: guest: it reports no damage" guest_is_healthy
	guest_quit
	rm $GUEST_RAM $guest_console
	same "$how: nothing is withheld when QEMU has ended" 0 \
		"$(cat /sys/fs/guestmemfs/guestmemfs/blocks_withheld)"
}

stage1() {
	start
	device=$(basename "$(dirname "$(grep -lx 0x010802 /sys/bus/pci/devices/*/class)")")
	check "VFIO: it gets the disk" bind
	how="without pages"
	guest_with_disk
	umount $mnt
	check "tree: it mounts with pages" mount_g -o pages
	how="with pages"
	guest_with_disk
	same "in the end: all blocks are free" "$(stat -f -c %b $mnt)" "$(stat -f -c %f $mnt)"
}
