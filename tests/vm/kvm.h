/* SPDX-License-Identifier: GPL-2.0-only */
/* A KVM guest with one vCPU, whose RAM is a mapping. */
#ifndef TESTS_KVM_H
#define TESTS_KVM_H

#include <linux/kvm.h>
#include <sys/ioctl.h>

#include "mapping.h"

/**
 * struct vcpu - the vCPU of a VM
 * @fd: for its ioctls
 * @run: what KVM_RUN tells
 * @sregs: flat segments of 32 bits, not set yet
 */
struct vcpu {
	int fd;
	struct kvm_run *run;
	struct kvm_sregs sregs;
};

/* One with what @kvm supports, in a new VM that has @ram at physical address 0. */
static inline struct vcpu vcpu_new(int kvm, void *ram, size_t len)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[200];
	} id = { .head.nent = 200 };
	struct kvm_userspace_memory_region slot = {
		.memory_size = len, .userspace_addr = (uintptr_t)ram,
	};
	struct kvm_segment flat = {
		.limit = ~0u, .present = 1, .db = 1, .s = 1, .g = 1, .type = 3,
	};
	int vm = ioctl(kvm, KVM_CREATE_VM, 0);
	struct vcpu v;

	if (vm < 0 || ioctl(vm, KVM_SET_USER_MEMORY_REGION, &slot))
		die("KVM_SET_USER_MEMORY_REGION");
	v.fd = ioctl(vm, KVM_CREATE_VCPU, 0);
	if (v.fd < 0 || ioctl(kvm, KVM_GET_SUPPORTED_CPUID, &id) ||
	    ioctl(v.fd, KVM_SET_CPUID2, &id) || ioctl(v.fd, KVM_GET_SREGS, &v.sregs))
		die("vCPU");
	v.run = mmap(NULL, ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), RW, MAP_SHARED, v.fd, 0);
	if (v.run == MAP_FAILED)
		die("kvm_run");
	v.sregs.ds = flat;
	v.sregs.es = flat;
	v.sregs.ss = flat;
	v.sregs.cs = flat;
	v.sregs.cs.type = 11;
	v.sregs.cs.selector = 8;
	return v;
}

#endif
