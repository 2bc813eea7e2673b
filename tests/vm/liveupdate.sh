# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# A KVM guest lives through a kexec.
# lab: memory=4G kernels=kho,debian-6.12,debian-7 seconds=600

. /job/guest.sh

stage1() {
	start
	truncate -s $GUEST_MEM $GUEST_RAM
	check "QEMU: it starts" guest_start
	check "guest: it boots" guest_counts_on 2
	check "KVM: it maps 2 MiB pages" test "$(guest_pages 2m)" -gt 0
	report info "before: count $(guest_count), $(guest_pages 2m) pages of 2 MiB, $(guest_pages 4k) of 4 KiB"
	check "guest: it can be saved" guest_save /job/guest/vm.sav
	guest_quit
	check "saved state: it has no RAM in it" \
		test "$(stat -c %s /job/guest/vm.sav)" -lt 2000000
	guest_count >/job/guest/count
	check "publish: succeeds" bash -c 'echo 1 >/sys/kernel/kho/active'
	next_stage
}

stage2() {
	start
	check "QEMU: it waits for the saved state" guest_start -incoming defer
	check "guest: it can be restored" guest_restore /job/guest/vm.sav
	check "guest: it counts on after the restore" \
		guest_counts_on "$(($(cat /job/guest/count) + 2))"
	check "guest: it reports no damage after the restore" guest_is_healthy
	same "guest: its blob has the checksum from before the kexec" "$(guest_blob)" \
		"$(guest_sum)"
	same "guest: it boots once" 1 "$(grep -c 'GUEST blob' $guest_console)"
	check "KVM: it maps 2 MiB pages after the restore" test "$(guest_pages 2m)" -gt 0
	report info "after: count $(guest_count), $(guest_pages 2m) pages of 2 MiB, $(guest_pages 4k) of 4 KiB"
	guest_quit
}
