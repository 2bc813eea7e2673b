# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The limits that Documentation/filesystems/guestmemfs.rst lists: each operation that a
# shared mapping of a guestmemfs file refuses or does differently, beside tmpfs.
# lab: memory=4G kernels=debian-6.12,debian-7

# Which program has the operations, if it is not one by itself.
program=pages

# limit OPERATION RESULT: how it ends on guestmemfs; on tmpfs it works.
limit() {
	local there
	there=$(perform $program "$1" /tmp/limits)
	if [[ $there = skip:* ]]; then
		skip "$1: ends with $2 on guestmemfs" "${there#skip: }"
		return
	fi
	same "$1: works on tmpfs" ok "$there"
	same "$1: ends with $2 on guestmemfs" "$2" "$(perform $program "$1" $mnt/limits)"
}

stage1() {
	start
	echo core >/proc/sys/kernel/core_pattern
	echo 0 >/proc/sys/kernel/core_uses_pid
	# get_user_pages() and its kin.
	limit direct-read EFAULT
	limit direct-write EFAULT
	limit io-uring-buffers EFAULT
	limit vmsplice EFAULT
	limit msg-zerocopy EFAULT
	limit xdp-umem EFAULT
	limit process-vm-readv EFAULT
	limit process-vm-writev EFAULT
	limit ptrace-peek EIO
	limit proc-pid-mem EIO
	limit proc-pid-mem-write EIO
	limit move-pages EFAULT
	limit futex EFAULT
	limit mutex SIGABRT
	limit semaphore SIGABRT
	limit core-dump absent
	limit vhost-scsi "no answer"
	# They need none.
	limit futex-private ok
	limit buffered-read ok
	limit pidfd-getfd ok
	# Flags of a mapping of pfns.
	program=limits
	limit userfaultfd EINVAL
	limit populate-read EINVAL
	limit populate-write EINVAL
	limit dontneed EINVAL
	limit cold EINVAL
	limit pageout EINVAL
	limit dofork EINVAL
	limit dodump EINVAL
	limit guard-install EINVAL
	limit mremap-dontunmap EINVAL
	limit mremap-grow EFAULT
	limit wp-async EINVAL
	# They succeed, and bring no memory.
	limit mlock "VmLck 0, empty"
	limit map-locked "VmLck 0, empty"
	limit map-populate empty
	# 6.12 looks for pages.
	if [[ $kernel = debian-6.12 ]]; then limit mincore absent; else limit mincore ok; fi
	# It fails, and the contents are gone.
	limit discard zeroes
	# It works.
	limit qemu-advice ok
	nested
	rm -f $mnt/limits /tmp/limits
	virtio_mem
	full
	files
	sleeping
	same "in the end: all blocks are free" "$(stat -f -c %b $mnt)" "$(stat -f -c %f $mnt)"
}

# 6.12 maps the memory that a nested guest's VMCB is in; newer kernels want a page of it.
nested() {
	local want=KVM_EXIT_INTERNAL_ERROR
	[[ $kernel != debian-6.12 ]] || want=ok
	modprobe kvm_amd 2>/dev/null
	limit nested $want
	if [[ $kernel != debian-7 ]]; then
		skip "nested: ends with ok on guestmemfs with kvm.allow_unsafe_mappings=1" "only debian-7 has that parameter"
		return
	fi
	check "nested: KVM is loaded anew" sh -c \
		"rmmod kvm_amd kvm && modprobe kvm allow_unsafe_mappings=1 && modprobe kvm_amd"
	same "nested: ends with ok on guestmemfs with kvm.allow_unsafe_mappings=1" ok \
		"$(perform $program nested $mnt/limits)"
}

# qemu FILE ARGUMENT...: QEMU with 64 MiB in FILE, which it makes if it must; it ends at
# once. Its output is in /tmp/qemu.
qemu() {
	local file=$1
	shift
	echo quit | qemu-system-x86_64 -nodefaults -display none -monitor stdio \
		-object "memory-backend-file,id=m,size=64M,mem-path=$file,share=on,align=2M" \
		"$@" >/tmp/qemu 2>&1
}

# It discards all its memory first, and does not come up if it cannot.
virtio_mem() {
	local device="-machine q35 -m 128M,maxmem=1G -device virtio-mem-pci,memdev=m"
	# shellcheck disable=SC2086
	check "virtio-mem: works on tmpfs" qemu /tmp/m $device
	truncate -s 64M $mnt/m
	/job/tests/mapped fill $mnt/m 1
	# shellcheck disable=SC2086
	check "virtio-mem: is not created on guestmemfs" eval '! qemu $mnt/m $device'
	check "virtio-mem: says that it cannot discard" \
		grep -q "Unexpected error discarding RAM: Invalid argument" /tmp/qemu
	check "virtio-mem: ram_block_discard_range() says so, too" \
		grep -q "ram_block_discard_range: Failed to discard range :0 +4000000 (-22)" /tmp/qemu
	cat /tmp/qemu
	same "virtio-mem: the file's contents are gone" 0 "$(stat -c %b $mnt/m)"
	rm -f $mnt/m /tmp/m
}

# QEMU makes the file itself, and there is no room.
full() {
	fallocate -l "$(($(stat -f -c '%f * %S' $mnt)))" $mnt/all
	check "QEMU: goes on without memory in a full region" qemu $mnt/new -machine none
	check "QEMU: prints one line about it" \
		grep -q "^ftruncate: No space left on device" /tmp/qemu
	cat /tmp/qemu
	same "QEMU: the file it made is empty" 0 "$(stat -c %s $mnt/new)"
	refused "QEMU: truncate beforehand fails" "No space left" truncate -s 64M $mnt/new
	rm -f $mnt/all $mnt/new
}

files() {
	local f
	mount -o remount,fileio $mnt
	for f in $mnt/f /tmp/f; do
		echo text >$f
		touch -a -d @1000 $f
		cat $f
	done
	check "access times: tmpfs sets them by reading" test "$(stat -c %X /tmp/f)" != 1000
	same "access times: touch sets them, reading does not" 1000 "$(stat -c %X $mnt/f)"
	refused "reflinks: cp --reflink=always is EOPNOTSUPP" "not supported" \
		cp --reflink=always $mnt/f $mnt/f2
	rm -f $mnt/f $mnt/f2 /tmp/f
	mount -o remount,nofileio $mnt
}

sleeping() {
	local state
	for state in freeze disk; do
		if ! grep -qw $state /sys/power/state 2>/dev/null; then
			skip "$state: is EPERM" "the kernel cannot"
			continue
		fi
		new_log >/dev/null
		refused "$state: is EPERM" "not permitted" bash -c "echo $state >/sys/power/state"
		logs "$state: the log says why" "no suspend or hibernation while the module is loaded"
	done
}
