# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# A KVM guest lives through a kexec.
# lab: memory=4G kernels=kho,debian-6.12,debian-7 seconds=600

. /job/guest.sh

stage1() {
	start
	truncate -s $GUEST_MEM $GUEST_RAM
	check "QEMU starts" guest_start
	check "the guest boots" guest_counts_on 2
	check "KVM maps 2 MiB pages" test "$(guest_pages 2m)" -gt 0
	report info "before: count $(guest_count), $(guest_pages 2m) pages of 2 MiB, $(guest_pages 4k) of 4 KiB"
	check "save" guest_save /job/guest/vm.sav
	guest_quit
	check "the saved state has no RAM in it" \
		test "$(stat -c %s /job/guest/vm.sav)" -lt 2000000
	guest_count >/job/guest/count
	check "publish" bash -c 'echo 1 >/sys/kernel/kho/active'
	next_stage
}

stage2() {
	start
	check "QEMU waits for its state" guest_start -incoming defer
	check "restore" guest_restore /job/guest/vm.sav
	check "it counts on" guest_counts_on "$(($(cat /job/guest/count) + 2))"
	check "its blob is intact" guest_is_healthy
	same "checksum" "$(guest_blob)" \
		"$(guest_sum)"
	same "it booted once" 1 "$(grep -c 'GUEST blob' $guest_console)"
	check "KVM maps 2 MiB pages" test "$(guest_pages 2m)" -gt 0
	report info "after: count $(guest_count), $(guest_pages 2m) pages of 2 MiB, $(guest_pages 4k) of 4 KiB"
	guest_quit
}
