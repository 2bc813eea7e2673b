# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# One template VM, clones of it at once, and one more after a kexec. And two
# invocations from QEMU's documentation, with only the path and align= ours.
# lab: memory=4G seconds=700

. /job/guest.sh
GUEST_MEM=128M
GUEST_RAM=$mnt/template
saved=/job/template.sav
sum() { /job/tests/gmem private-sum $GUEST_RAM; }

clone() {
	guest_use "$1"
	GUEST_BACKEND=share=off,readonly=on,rom=off,align=2M
	check "start clone $1" guest_start -incoming defer
	check "restore it" guest_restore $saved
	check "it writes to its memory" guest_mark "$1"
}

settled() {
	guest_use "$1"
	report info "clone $1: $(guest_memory Private_Dirty) KiB of $GUEST_MEM its own, $(guest_memory Rss) KiB mapped"
	check "clone $1 costs less than a quarter of its size" \
		test "$(guest_memory Private_Dirty)" -lt 32768
	check "KVM maps it with 2 MiB pages" test "$(guest_pages 2m)" -gt 0
	check "it is well" guest_is_healthy
}

end_qemu() {
	kill "$(cat /tmp/pid)"
	while kill -0 "$(cat /tmp/pid)" 2>/dev/null; do sleep 0.1; done
}

# As in qemu(1) for prealloc=, and in QEMU's page on VM templating.
documented() {
	local common=(-accel kvm -cpu EPYC -nodefaults -display none -daemonize
		-kernel /job/guest-vmlinuz -initrd /job/guest-initrd -append "console=ttyS0")

	truncate -s 128M $mnt/pre
	check "memory-backend-file with prealloc=on" qemu-system-x86_64 "${common[@]}" \
		-m 128M -pidfile /tmp/pid -machine q35,memory-backend=mem \
		-object memory-backend-file,id=mem,size=128M,mem-path=$mnt/pre,share=on,prealloc=on,prealloc-threads=2,align=2M
	same "all of it is written before the guest runs" "[0..262143]: 0x1" \
		"$(io -r -c 'fiemap -v' $mnt/pre | awk 'NR == 3 { print $2, $NF }')"
	end_qemu
	check "the templating page: the template" qemu-system-x86_64 "${common[@]}" \
		-m 128M -pidfile /tmp/pid -machine q35,memory-backend=pc.ram \
		-object memory-backend-file,id=pc.ram,mem-path=$mnt/pre,size=128M,share=on,readonly=off,align=2M
	end_qemu
	check "and a VM from it" qemu-system-x86_64 "${common[@]}" \
		-m 128M -pidfile /tmp/pid -machine q35,memory-backend=pc.ram \
		-object memory-backend-file,id=pc.ram,mem-path=$mnt/pre,size=128M,share=off,readonly=on,rom=off,align=2M
	end_qemu
	rm $mnt/pre
}

stage1() {
	start
	truncate -s $GUEST_MEM $GUEST_RAM
	check "start the template" guest_start
	check "it counts" guest_counts_on 1
	check "save it" guest_save $saved
	guest_quit
	chmod 400 $GUEST_RAM
	want=$(sum)
	for c in A B C; do clone $c; done
	for c in A B C; do settled $c; done
	refused "nobody writes to the template meanwhile" "Text file busy" \
		/job/tests/gmem fill $GUEST_RAM 1
	same "what they wrote differs" 3 \
		"$(for c in A B C; do guest_use $c; guest_marked $c; done | sort -u | wc -l)"
	for c in A B C; do guest_use $c; guest_quit; done
	same "the template is as it was" "$want" "$(sum)"
	documented
	echo "$want $(guest_use ""; guest_blob)" >/job/template
	check "publish" bash -c 'echo 1 >/sys/fs/guestmemfs/active'
	next_stage
}

stage2() {
	read -r want blob </job/template
	start
	same "the template is as it was" "$want" "$(sum)"
	clone D
	settled D
	check "it counts" guest_counts_on 0
	same "its blob is the template's" "$blob" \
		"$(guest_sum)"
	guest_quit
	same "and still" "$want" "$(sum)"
}
