# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# A guest whose disks QEMU opens with O_DIRECT, across a kexec. QEMU has the host's kernel read and
# write the guest's RAM, which takes pages.
# lab: memory=4G seconds=900 kernels=debian-6.12,debian-7

. /job/guest.sh

# disk NAME FILE HOW: notified by port. The emulated CPU leaves the type of an event that it has
# delivered in EXITINTINFO, though not as valid. From 6.14 on KVM emulates no instruction then
# (svm_check_emulate_instruction()), and the guest's first write to a doorbell in memory after
# the restore may need that: "KVM internal error. Suberror: 3", with RAM in tmpfs as well.
disk() {
	echo "-drive if=none,id=$1,file=$2,format=raw,$3" \
		"-device virtio-blk-pci,drive=$1,disable-legacy=off,disable-modern=on"
}

disks() {
	disk native /job/disk-native cache=none,aio=native
	disk uring /job/disk-uring cache=none,aio=io_uring
	disk root /dev/vda readonly=on
}

# guest_fio: wait until fio in the guest has ended, and say with what.
guest_fio() {
	local i
	for i in $(seq 1800); do
		! grep -aq 'GUEST fio ends' $guest_console || break
		sleep 0.2
	done
	sed -n 's/.*GUEST fio ends with \([0-9]*\).*/\1/p' $guest_console
}

# guest_runs SECONDS [QEMU-ARGUMENT...]: with its disks, and fio on them.
guest_runs() {
	local GUEST_APPEND="fio=$1"
	shift
	# shellcheck disable=SC2046
	guest_start $(disks) "$@"
}

stage1() {
	truncate -s 64M /job/disk-native /job/disk-uring
	start
	truncate -s $GUEST_MEM $GUEST_RAM
	check "without pages: QEMU starts" guest_runs 2
	status=$(guest_fio)
	report info "without pages: fio ends with $status"
	check "without pages: fio in the guest fails" test "${status:-0}" != 0
	guest_quit
	rm $GUEST_RAM $guest_console
	umount $mnt
	check "tree: it mounts with pages" mount_g -o pages
	truncate -s $GUEST_MEM $GUEST_RAM
	check "with pages: QEMU starts" guest_runs 30
	check "guest: it boots" guest_counts_on 2
	check "guest: fio has begun" soon grep -aq 'GUEST fio begins' $guest_console
	sleep 5
	check "guest: it can be saved" guest_save /job/guest/vm.sav
	guest_quit
	guest_count >/job/guest/count
	check "publish: succeeds" bash -c 'echo 1 >/sys/kernel/kho/active'
	next_stage
}

stage2() {
	check "module: it loads" load
	check "tree: it mounts with pages" mount_g -o pages
	check "guest: fio had not ended before" sh -c "! grep -aq 'GUEST fio ends' $guest_console"
	check "QEMU: it waits for the saved state" guest_runs 30 -incoming defer
	check "guest: it can be restored" guest_restore /job/guest/vm.sav
	check "guest: it counts on after the restore" \
		guest_counts_on "$(($(cat /job/guest/count) + 2))"
	same "guest: fio has verified all that it wrote" 0 "$(guest_fio)"
	check "guest: it reports no damage" guest_is_healthy
	check "KVM: it maps 2 MiB pages" test "$(guest_pages 2m)" -gt 0
	guest_quit
}
