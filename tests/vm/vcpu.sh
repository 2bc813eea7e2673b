# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# KVM faults on memory whose entries others take away: KVM_RUN does not fail.
# lab: memory=7G append=guestmemfs=3G,memmap=3G$4G kernels=debian-6.12

# A probe at KVM's look for what a fault has entered makes it come later, where the
# kernel has kprobes: then KVM_RUN of a module without the retry fails within seconds.
widen() {
	local tracing=/sys/kernel/tracing
	mount -t tracefs none $tracing 2>/dev/null
	[[ -e $tracing/kprobe_events ]] || return 1
	echo 64 >$tracing/buffer_size_kb
	echo 'p:guestmemfs/look follow_pfnmap_start' >$tracing/kprobe_events &&
		echo stacktrace >$tracing/events/guestmemfs/look/trigger &&
		echo 1 >$tracing/events/guestmemfs/look/enable
}

stage1() {
	start
	modprobe kvm_amd 2>/dev/null
	fallocate -l 1G $mnt/ram
	widen && report info "KVM's second look is delayed by a probe"
	check "guest RAM: a PUD entry can map it" few_faults 1 $mnt/ram 0x40000000
	rounds=$(/job/tests/vcpu $mnt/ram 15 2>&1)
	same "a vCPU beside mremap() and readers of smaps: KVM_RUN does not fail" 0 $?
	report info "$rounds"
}
