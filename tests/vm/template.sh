# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# One template VM, clones of it at once, without pages and with, and one more after a kexec.
# And, on kho, two invocations from QEMU's documentation, with only the path and align= ours.
# lab: cpus=1 memory=8G append=guestmemfs=3G,memmap=3G$5G seconds=900

. /job/guest.sh
GUEST_MEM=128M
GUEST_RAM=$mnt/template
saved=/job/template.sav
sum() { /job/tests/mapped private-sum $GUEST_RAM; }

clone() {
	guest_use "$1"
	GUEST_BACKEND=share=off,readonly=on,rom=off,align=2M
	check "clone $1: QEMU starts" guest_start -incoming defer
	check "clone $1: it can be restored" guest_restore $saved
	check "clone $1: it writes to its memory" guest_mark "$1"
}

settled() {
	guest_use "$1"
	report info "$how, clone $1: $(guest_memory Private_Dirty) KiB of $GUEST_MEM its own, $(guest_memory Rss) KiB mapped"
	check "clone $1: it costs less than a quarter of its size" \
		test "$(guest_memory Private_Dirty)" -lt 32768
	check "clone $1: KVM maps it with 2 MiB pages" test "$(guest_pages 2m)" -gt 0
	check "clone $1: it reports no damage" guest_is_healthy
}

# documented TEXT ARGUMENT...: QEMU with them boots.
documented() {
	local text=$1 i
	shift
	rm -f /tmp/console
	check "$text: QEMU starts" \
		qemu-system-x86_64 -accel kvm -cpu EPYC -nodefaults -display none \
		-daemonize -pidfile /tmp/pid -kernel /job/guest-vmlinuz -initrd /job/guest-initrd \
		-append "console=ttyS0 quiet" -serial file:/tmp/console "$@"
	for i in $(seq 600); do
		! grep -aq 'GUEST 1 ' /tmp/console || break
		sleep 0.2
	done
	check "$text: the guest boots" grep -aq 'GUEST 1 ' /tmp/console
}

end_qemu() {
	kill "$(cat /tmp/pid)"
	while kill -0 "$(cat /tmp/pid)" 2>/dev/null; do sleep 0.1; done
}

# What qemu(1) has for prealloc=on, and QEMU's page on VM templating.
documentation() {
	documented "prealloc=on" \
		-object memory-backend-file,id=pc.ram,size=512M,mem-path=$mnt,prealloc=on,share=on,align=2M \
		-machine memory-backend=pc.ram -m 512M
	ram=$(find "/proc/$(cat /tmp/pid)/fd" -lname "$mnt/*" | head -n 1)
	same "prealloc=on: all blocks of the file are written" "[0..1048575]: 0x1" \
		"$(io -r -c 'fiemap -v' "$ram" | awk 'NR == 3 { print $2, $NF }')"
	end_qemu
	documented "templating page's template" -m 2g \
		-object memory-backend-file,id=pc.ram,mem-path=$mnt/tpl,size=2g,share=on,align=2M \
		-machine q35,memory-backend=pc.ram
	end_qemu
	documented "templating page's clone" -m 2g \
		-object memory-backend-file,id=pc.ram,mem-path=$mnt/tpl,size=2g,readonly=on,rom=off,align=2M \
		-machine q35,memory-backend=pc.ram
	end_qemu
	rm $mnt/tpl
}

# The same clones of the same file, once more. They leave the next mount no pages.
with_pages() {
	umount $mnt
	check "tree: it mounts with pages" mount_g -o pages
	how="with pages"
	for c in A B C; do
		guest_use $c
		rm -f $guest_console
		clone $c
	done
	for c in A B C; do settled $c; done
	same "$how: clones leave the page cache empty" 0 "$(/job/tests/mapped cached $GUEST_RAM)"
	for c in A B C; do guest_use $c; guest_quit; done
	same "$how: template: contents are as they were" "$want" "$(sum)"
	umount $mnt
	check "tree: it mounts without pages" mount_g
}

stage1() {
	start
	# All of it is written, so that clones with pages need no page cache.
	fallocate -l $GUEST_MEM $GUEST_RAM
	check "template: QEMU starts" guest_start
	check "template: its guest counts" guest_counts_on 1
	check "template: it can be saved" guest_save $saved
	guest_quit
	chattr +i $GUEST_RAM
	want=$(sum)
	how="without pages"
	for c in A B C; do clone $c; done
	for c in A B C; do settled $c; done
	report info "$how: $(($(/job/tests/mapped cached $GUEST_RAM) >> 10)) KiB of page cache for all"
	refused "template: an immutable one cannot be written" "not permitted" \
		/job/tests/mapped fill $GUEST_RAM 1
	chattr -i $GUEST_RAM
	refused "template: it is ETXTBSY while clones run" "Text file busy" \
		/job/tests/mapped fill $GUEST_RAM 1
	chattr +i $GUEST_RAM
	same "clones: each has written other contents" 3 \
		"$(for c in A B C; do guest_use $c; guest_marked $c; done | sort -u | wc -l)"
	for c in A B C; do guest_use $c; guest_quit; done
	same "template: contents are as they were after its clones" "$want" "$(sum)"
	with_pages
	[[ $kernel != kho ]] || documentation
	echo "$want $(guest_use ""; guest_blob)" >/job/template
	check "publish: succeeds" bash -c 'echo 1 >/sys/fs/guestmemfs/active'
	next_stage
}

stage2() {
	read -r want blob </job/template
	start
	same "template: contents are as they were after a kexec" "$want" "$(sum)"
	how="after a kexec"
	clone D
	settled D
	check "clone D: its guest counts on" guest_counts_on 0
	same "clone D: its blob is the template's" "$blob" \
		"$(guest_sum)"
	guest_quit
	same "template: contents are as they were after clone D" "$want" "$(sum)"
}
